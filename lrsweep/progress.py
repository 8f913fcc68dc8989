"""How far the trials are, on a terminal."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Held while there is a bar.
_SHOWN = threading.Lock()


@contextmanager
def progress(trials: int) -> Iterator[Callable[[int], None]]:
    """Shows how many trials have ended, on a terminal and never elsewhere; gives what to call as they do.

    Of sweeps in several threads the first shows it: each bar would leave another's place for standard output behind.
    """
    if not sys.stderr.isatty() or not _SHOWN.acquire(blocking=False):
        yield lambda _: None
        return
    try:
        with _bar(trials) as advance:
            yield advance
    finally:
        _SHOWN.release()


@contextmanager
def _bar(trials: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    parts = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trials", total=trials)
        yield lambda done: bar.advance(task, done)
