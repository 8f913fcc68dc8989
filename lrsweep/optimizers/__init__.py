"""Optimizers: factories by name, those that optax lacks, and schedules whose peak is the learning rate."""

from typing import TYPE_CHECKING

from lrsweep.inputs._public import public_only
from lrsweep.optimizers._decay import independent_decay
from lrsweep.optimizers._factories import gauss_seidel, lookahead
from lrsweep.optimizers._names import by_name, names
from lrsweep.optimizers._schedules import (
    cosine_restarts,
    one_cycle,
    scheduled,
    warmup_cosine,
    warmup_linear,
    warmup_stable_decay,
)

__all__ = [
    "by_name",
    "cosine_restarts",
    "gauss_seidel",
    "independent_decay",
    "lookahead",
    "names",
    "one_cycle",
    "scheduled",
    "warmup_cosine",
    "warmup_linear",
    "warmup_stable_decay",
]

# A type checker that saw this would take any name to be there.
if not TYPE_CHECKING:
    __dir__, __getattr__ = public_only(__name__, __all__)
