"""Optimizers: factories by name, and those that optax lacks."""

from lrsweep.optimizers._factories import by_name as by_name
from lrsweep.optimizers._factories import gauss_seidel as gauss_seidel
from lrsweep.optimizers._factories import lookahead as lookahead
from lrsweep.optimizers._factories import names as names
