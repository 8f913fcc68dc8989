"""The parts of a group's trials, how far each has come, and the calls that run them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lrsweep.engine._block import TrialState
from lrsweep.engine._call import Columns, Report


# Two parts are never equal: comparing their states would give one answer per trial.
@dataclass(eq=False)
class RunningPart:
    """A part of the trials, and how far it has come.

    Attributes:
        index: Its number.
        trials: How many trials it has.
        active: How many of them still run.
        k: How many updates these have made.
        device: The device that its state is on, or None where it has not started or the host holds its state.
        columns: Its trials' columns, on that device unless it is a CPU; or None.
        state: The state of its trials, or None before the start.
        advanced: How many updates of its trials have been made, or need not be made any more.
    """

    index: int
    trials: int
    active: int
    k: int = 0
    device: Any = None
    columns: Columns | None = None
    state: TrialState | None = None
    advanced: int = 0


class Call(NamedTuple):
    """A call that runs: its part, where it runs it to, since when, and what it will give."""

    part: RunningPart
    device: Any
    until: int
    since: float
    state: TrialState
    report: Report


def first_ended(calls: Sequence[Call]) -> Call:
    """Waits for the first of some calls that ends."""
    return calls[first_ready({place: call.report.active for place, call in enumerate(calls)})]


def first_ready(awaited: Mapping[Any, Any]) -> Any:
    """Waits for the first array that is computed, and gives its key."""
    # Blocking inside JAX would hold back Ctrl-C.
    pause = 1e-5
    while True:
        for key, array in awaited.items():
            if array.is_ready():
                return key
        time.sleep(pause)
        pause = min(2 * pause, 1e-3)
