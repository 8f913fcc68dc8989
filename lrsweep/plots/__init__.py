"""Pictures of tables, curves and paths, on matplotlib: each draws what a function of this package has computed.

A module is named by the picture that it draws. Shared by several are `_axes`, `_legends`, `_style` and `_paths`.
"""

from typing import TYPE_CHECKING

from lrsweep.inputs._public import public_only
from lrsweep.plots._animate import animate_contours, animate_fit, animate_slope, save_animation
from lrsweep.plots._cells import cells
from lrsweep.plots._fit import fit
from lrsweep.plots._landscape import contours, slope
from lrsweep.plots._losses import losses
from lrsweep.plots._outcome import outcome
from lrsweep.plots._overview import overview
from lrsweep.plots._range_test import range_test
from lrsweep.plots._statuses import statuses
from lrsweep.plots._style import COLOURS, FIGURE_SIZE, MARKERS
from lrsweep.plots._transfer import transfer

__all__ = [
    "COLOURS",
    "FIGURE_SIZE",
    "MARKERS",
    "animate_contours",
    "animate_fit",
    "animate_slope",
    "cells",
    "contours",
    "fit",
    "losses",
    "outcome",
    "overview",
    "range_test",
    "save_animation",
    "slope",
    "statuses",
    "transfer",
]

# A type checker that saw this would take any name to be there.
if not TYPE_CHECKING:
    __dir__, __getattr__ = public_only(__name__, __all__)
