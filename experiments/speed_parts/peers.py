"""Who takes part in the benchmark: lrsweep, and with each sweep its peers."""

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
from speed_parts.setup import Setup, cores_here
from speed_parts.targets import KERNEL, ONE_DEVICE, SCAN, STEP
from speed_parts.torch_loops import run_torch, run_torch_digits, run_torch_vmap
from speed_parts.workloads import Workload


class Entry(NamedTuple):
    """Lrsweep, or what it is compared with.

    Attributes:
        name: What the table calls it.
        make: Makes its `Run`.
        trials: How many of the trials it runs, where all would take too long; its time is then scaled up.
        cpu_only: Whether it runs on CPUs only, and says nothing about another device.
    """

    name: str
    make: Callable[[Workload], Run]
    trials: int | None = None
    cpu_only: bool = False

    def lacks(self, setup: Setup) -> str | None:
        """Says why it has no part in a comparison on a machine; None where it has one."""
        if self.cpu_only and setup.platform != "cpu":
            return "it runs on CPUs only"
        return "there is one core" if self.name == ONE_DEVICE and setup.cores == 1 else None


def run_lrsweep(workload: Workload, *, devices: int | None = None) -> Run:
    """Runs a sweep, on a CPU on as many devices as there are cores, or as it is told."""
    jax.config.update("jax_num_cpu_devices", devices or cores_here())
    objective = workload.objective()

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        return lrsweep.sweep(
            objective,
            workload.optimizer,
            trials,
            steps=workload.steps,
            stopping=workload.stopping,
            **workload.options(),
        ).table

    return run


def run_wide(workload: Workload) -> Run:
    """Runs the same in 64 bits."""
    jax.config.update("jax_enable_x64", True)
    return run_lrsweep(workload)


OURS, WIDE = Entry("lrsweep", run_lrsweep), Entry("lrsweep in 64 bits", run_wide)
USERS_OWN = Entry(SCAN, run_scan)
ON_ONE_DEVICE = Entry(ONE_DEVICE, partial(run_lrsweep, devices=1), cpu_only=True)

PEERS = {
    "line": (
        USERS_OWN,
        ON_ONE_DEVICE,
        Entry("NumPy in one array", run_numpy, cpu_only=True),
        Entry(KERNEL, run_kernel, cpu_only=True),
        Entry("the article's Python loop", run_python, trials=64, cpu_only=True),
        Entry("the article's PyTorch loop", run_torch, trials=8, cpu_only=True),
        Entry("torch.func.vmap", run_torch_vmap, trials=32_768, cpu_only=True),
    ),
    "adam": (USERS_OWN,),
    "regression": (USERS_OWN,),
    "tanh": (USERS_OWN, Entry(STEP, run_step_by_step)),
    "digits": (
        USERS_OWN,
        ON_ONE_DEVICE,
        Entry("one jitted trial after another", run_one_by_one),
        Entry("PyTorch's loop with its DataLoader", partial(run_torch_digits, loader=True), trials=8, cpu_only=True),
        Entry("PyTorch's loop, batches cut by hand", partial(run_torch_digits, loader=False), trials=8, cpu_only=True),
    ),
    "mlp": (USERS_OWN,),
    "cnn": (USERS_OWN,),
    "transformer": (USERS_OWN,),
}


def find_entry(workload: str, name: str) -> Entry:
    """Gives the entry of a sweep that has a name; that may be lrsweep's own, too."""
    return next(entry for entry in (OURS, WIDE, *PEERS[workload]) if entry.name == name)
