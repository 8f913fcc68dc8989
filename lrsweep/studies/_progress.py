"""How far a study has come: what it has done, of how much, and who is told."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol

from lrsweep.inputs._errors import InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.studies._watching import watch


class Progress(NamedTuple):
    """How far a sweep has come, as the callback of `progress=` is told at its start and as its trials run.

    Attributes:
        updates: How many updates are done (int), over all trials. Those that a trial which ended early no longer needs
            count as done.
        of_updates: How many there are to do (int), at most: the trials times the steps, without those that were made
            before an interruption.
        trials: How many trials have ended (int).
        of_trials: How many there are (int).
        seconds: How long it has taken so far (float), from when the first trial started.

    Example:
        >>> state = lrsweep.Progress(updates=600, of_updates=1000, trials=3, of_trials=10, seconds=2.0)
        >>> state.rate, round(state.seconds_left, 2)
        (300.0, 1.33)
    """

    updates: int
    of_updates: int
    trials: int
    of_trials: int
    seconds: float

    @property
    def rate(self) -> float:
        """The updates done per second so far; 0 at the start."""
        return self.updates / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """In how many seconds the rest will be done at that rate; NaN while nothing is done."""
        return (self.of_updates - self.updates) / self.rate if self.rate > 0 else math.nan


class Advance(Protocol):
    """A function that is told what has been done since its last call."""

    def __call__(self, updates: int, trials: int, spared: int = 0, /) -> None:
        """Is told how many updates are done, how many trials have ended, and how many updates need not be done here."""
        ...


def check_progress(wanted: Any) -> None:
    """Refuses what is neither True, False nor a callback.

    Raises:
        TypeError: It is none of them.

    Example:
        >>> check_progress(print)
        >>> check_progress("bar")
        Traceback (most recent call last):
            ...
        lrsweep.inputs._errors.InputTypeError: progress='bar' must be True, False, or a function of a lrsweep.Progress
    """
    if not (isinstance(wanted, bool) or callable(wanted)):
        raise InputTypeError(f"progress={quote(wanted)} must be True, False, or a function of a lrsweep.Progress")


@contextmanager
def progress(of_trials: int, of_updates: int, wanted: bool | Callable[[Progress], object]) -> Iterator[Advance]:
    """Shows how far the trials within it have come, or tells a callback.

    What is still undone at the end was not needed, and counts as done.

    Args:
        of_trials: How many trials there are, at most.
        of_updates: How many updates there are to do, at most.
        wanted: True to show it where somebody watches, False to show nothing, or a callback, whose exceptions are
            raised where the trials run.

    Returns:
        A function to be called as the trials run, see `Advance`.

    Example:
        >>> with progress(10, 1000, lambda state: print(*state[:3])) as advance:
        ...     advance(600, 3)
        ...     advance(200, 6, 100)
        0 1000 0
        600 1000 3
        800 900 9
        900 900 10
    """
    began, state = time.perf_counter(), Progress(0, of_updates, 0, of_trials, 0.0)

    def advance(updates: int, trials: int, spared: int = 0, /) -> None:
        nonlocal state, of_updates
        of_updates -= spared
        updates, trials = min(state.updates + updates, of_updates), min(state.trials + trials, of_trials)
        state = Progress(updates, of_updates, trials, of_trials, time.perf_counter() - began)
        show(state)

    with _watched_by(wanted) as show:
        show(state)
        yield advance
        if (state.updates, state.trials) != (of_updates, of_trials):
            advance(of_updates, of_trials)


def pass_on(advance: Advance) -> Callable[[Progress], None]:
    """Gives a callback for one of a study's sweeps, which passes on to the study what the sweep has done.

    Example:
        >>> tell = pass_on(lambda updates, trials, spared: print(updates, trials, spared))
        >>> tell(Progress(600, 1000, 3, 10, 2.0))
        600 3 0
        >>> tell(Progress(800, 800, 10, 10, 3.0))
        200 7 200
    """
    before: Progress | None = None

    def tell(state: Progress) -> None:
        nonlocal before
        last = state._replace(updates=0, trials=0) if before is None else before
        before = state
        advance(state.updates - last.updates, state.trials - last.trials, last.of_updates - state.of_updates)

    return tell


def _watched_by(
    wanted: bool | Callable[[Progress], object],
) -> AbstractContextManager[Callable[[Progress], object]]:
    """Gives whom to tell of every state: the caller's function, or what shows it."""
    if callable(wanted):
        return nullcontext(wanted)
    return watch() if wanted else nullcontext(lambda _: None)
