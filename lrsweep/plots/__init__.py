"""Pictures of tables, curves and paths, on matplotlib: each draws what a function of this package has computed.

A module is named by the picture that it draws. Shared by several are `_axes`, `_legends`, `_style` and `_paths`.
"""

from lrsweep.plots._animate import animate_contours as animate_contours
from lrsweep.plots._animate import animate_fit as animate_fit
from lrsweep.plots._animate import animate_slope as animate_slope
from lrsweep.plots._animate import save_animation as save_animation
from lrsweep.plots._cells import cells as cells
from lrsweep.plots._fit import fit as fit
from lrsweep.plots._landscape import contours as contours
from lrsweep.plots._landscape import slope as slope
from lrsweep.plots._losses import losses as losses
from lrsweep.plots._outcome import outcome as outcome
from lrsweep.plots._overview import overview as overview
from lrsweep.plots._range_test import range_test as range_test
from lrsweep.plots._statuses import statuses as statuses
from lrsweep.plots._style import COLOURS as COLOURS
from lrsweep.plots._style import FIGURE_SIZE as FIGURE_SIZE
from lrsweep.plots._style import MARKERS as MARKERS
from lrsweep.plots._transfer import transfer as transfer
