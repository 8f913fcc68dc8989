"""Optimizers: factories by name, those that optax lacks, and schedules whose peak is the learning rate."""

from lrsweep.optimizers._decay import independent_decay as independent_decay
from lrsweep.optimizers._factories import gauss_seidel as gauss_seidel
from lrsweep.optimizers._factories import lookahead as lookahead
from lrsweep.optimizers._names import by_name as by_name
from lrsweep.optimizers._names import names as names
from lrsweep.optimizers._schedules import cosine_restarts as cosine_restarts
from lrsweep.optimizers._schedules import one_cycle as one_cycle
from lrsweep.optimizers._schedules import scheduled as scheduled
from lrsweep.optimizers._schedules import warmup_cosine as warmup_cosine
from lrsweep.optimizers._schedules import warmup_linear as warmup_linear
from lrsweep.optimizers._schedules import warmup_stable_decay as warmup_stable_decay
