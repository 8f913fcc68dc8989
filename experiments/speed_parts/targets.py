"""How many times as fast lrsweep is to be as each of its peers, on which machine: all such numbers stand here."""

from typing import NamedTuple

from speed_parts.setup import Setup

# What peers are called in the tables.
SCAN = "jit(vmap(scan))"
STEP = "a jitted step called from Python"
KERNEL = "the compiled kernel"
ONE_DEVICE = "lrsweep on one device"

# How many times the growth of the table a sweep's memory may grow, and how many times as long as the imports that it
# stands on `lrsweep run` may take.
MEMORY, START = 1.2, 2.0

# Sweeps in which most trials end before the last step, so that lrsweep has less to do than whoever goes on to the end.
EARLY = "line", "adam", "regression", "tanh"


class Target(NamedTuple):
    """How many times as fast lrsweep is to be.

    Attributes:
        at_least: So many times.
        against: The peer's name.
        workloads: In which sweeps; in all where there are none.
        platforms: On which of JAX's platforms.
        cores: On how many cores; on any number where there is none.
        trials: From how many trials on.
    """

    at_least: float
    against: str
    workloads: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ("cpu",)
    cores: int | None = None
    trials: int = 0


ACCELERATORS = "gpu", "tpu"

# The first that applies.
TARGETS = (
    Target(36, SCAN, ("line",), cores=2),
    Target(17, SCAN, ("adam",), cores=2),
    Target(2.9, SCAN, ("regression",), cores=2),
    Target(9.5, STEP, ("tanh",), cores=2),
    Target(1.8, ONE_DEVICE, cores=2),
    Target(0.4, KERNEL),
    Target(1.0, SCAN),
    Target(1.5, SCAN, ("line",), ACCELERATORS, trials=1_000_000),
    Target(1.0, SCAN, EARLY, ACCELERATORS),
    Target(0.9, SCAN, (), ACCELERATORS),
)


def find_target(workload: str, against: str, setup: Setup, trials: int) -> float | None:
    """Gives how many times as fast lrsweep is to be as a peer in a sweep; None where there is no target.

    Args:
        workload: The sweep's key in `WORKLOADS`.
        against: The peer's name.
        setup: The machine that both run on.
        trials: How many trials there are.
    """
    for target in TARGETS:
        if (
            target.against == against
            and workload in (target.workloads or (workload,))
            and setup.platform in target.platforms
            and target.cores in (None, setup.cores)
            and trials >= target.trials
        ):
            return target.at_least
    return None
