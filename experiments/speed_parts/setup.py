"""What every process of the benchmark is given: JAX's platform, cores of the processor, a share of a GPU's memory."""

import os
from typing import Any, NamedTuple

import jax
import psutil

# Of an accelerator's memory; the rest is for what lies outside JAX's allocator.
SHARED_MEMORY = 0.9


class Setup(NamedTuple):
    """What entries run on.

    Attributes:
        platform: JAX's platform: `cpu`, `gpu` or `tpu`; or None for the one that JAX takes by itself.
        cores: How many of the processor's cores they use.
    """

    platform: str | None
    cores: int


def set_up(setup: Setup, processes: int = 1) -> None:
    """Gives this process its platform, its cores and its memory; before JAX has computed anything.

    Args:
        setup: The platform and the cores.
        processes: How many processes share an accelerator's memory, of which each takes its share at once.
    """
    if setup.platform is not None:
        # JAX's own choice is the accelerator, where there is one.
        jax.config.update("jax_platforms", "cpu" if setup.platform == "cpu" else "")
    if setup.cores < cores_here():
        process: Any = psutil.Process()
        process.cpu_affinity(process.cpu_affinity()[: setup.cores])
    os.environ["XLA_CLIENT_MEM_FRACTION"] = f"{SHARED_MEMORY / processes:.3f}"


def cores_here() -> int:
    """Tells how many cores this process may use."""
    process: Any = psutil.Process()
    return len(process.cpu_affinity()) if can_choose_cores() else os.cpu_count() or 1


def can_choose_cores() -> bool:
    """Tells whether this system lets a process choose its cores; macOS does not."""
    return hasattr(psutil.Process, "cpu_affinity")
