"""Who takes part in the benchmark: lrsweep, and with each sweep its peers and how much faster lrsweep is to be."""

import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import pandas as pd

import lrsweep
from speed_parts.c_kernel import run_kernel
from speed_parts.entry import Run
from speed_parts.jax_loops import run_one_by_one, run_scan, run_step_by_step
from speed_parts.numpy_loops import run_numpy, run_python
from speed_parts.torch_loops import run_torch, run_torch_digits, run_torch_vmap
from speed_parts.workloads import Workload


class Peer(NamedTuple):
    """What lrsweep is compared with.

    Attributes:
        name: What the table calls it.
        make: Makes its `Run`.
        target: How many times as fast lrsweep is to be, or None.
        trials: How many of the trials it runs, where all would take too long; its time is then scaled up.
    """

    name: str
    make: Callable[[Workload], Run]
    target: float | None = None
    trials: int | None = None


def run_lrsweep(workload: Workload) -> Run:
    """Runs a sweep on as many CPU devices as there are cores."""
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    objective = workload.objective()

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        return lrsweep.sweep(
            objective,
            workload.optimizer,
            trials,
            steps=workload.steps,
            stopping=workload.stopping,
            **workload.options,
        ).table

    return run


def run_wide(workload: Workload) -> Run:
    """Runs the same in 64 bits."""
    jax.config.update("jax_enable_x64", True)
    return run_lrsweep(workload)


OURS, WIDE = "lrsweep", "lrsweep in 64 bits"
SCAN = "jit(vmap(scan))"

PEERS = {
    "line": (
        Peer(SCAN, run_scan, 30),
        Peer("NumPy in one array", run_numpy, 30),
        Peer("the compiled kernel", run_kernel, 0.4),
        Peer("the article's Python loop", run_python, trials=64),
        Peer("the article's PyTorch loop", run_torch, trials=8),
        Peer("torch.func.vmap", run_torch_vmap, trials=32_768),
    ),
    "adam": (Peer(SCAN, run_scan, 15),),
    "regression": (Peer(SCAN, run_scan, 2.5),),
    "digits": (
        Peer("one jitted trial after another", run_one_by_one, 2.5),
        Peer("PyTorch's loop with its DataLoader", partial(run_torch_digits, loader=True), 60, trials=8),
        Peer("PyTorch's loop, batches cut by hand", partial(run_torch_digits, loader=False), trials=8),
    ),
    "tanh": (Peer("a jitted step called from Python", run_step_by_step, 5),),
}


def find_entry(workload: str, name: str) -> Peer:
    """Gives the entry of a sweep that has a name; that may be lrsweep's own, too."""
    entries = (Peer(OURS, run_lrsweep), Peer(WIDE, run_wide), *PEERS[workload])
    return next(entry for entry in entries if entry.name == name)
