"""Objectives of models of Flax and Equinox: their parameters, what they keep beside them, and their modes."""

from lrsweep.models._equinox import from_equinox as from_equinox
from lrsweep.models._linen import from_linen as from_linen
from lrsweep.models._nnx import from_nnx as from_nnx
