"""Objectives of models of Flax and Equinox: their parameters, what they keep beside them, and their modes."""

from typing import TYPE_CHECKING

from lrsweep.inputs._public import public_only
from lrsweep.models._equinox import from_equinox
from lrsweep.models._linen import from_linen
from lrsweep.models._nnx import from_nnx

__all__ = [
    "from_equinox",
    "from_linen",
    "from_nnx",
]

# A type checker that saw this would take any name to be there.
if not TYPE_CHECKING:
    __dir__, __getattr__ = public_only(__name__, __all__)
