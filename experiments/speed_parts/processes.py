"""A process of its own for every entry, so that each is set up as suits it best, and its memory is its own."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from speed_parts.entry import MissingError
from speed_parts.peers import find_entry, run_lrsweep
from speed_parts.workloads import WORKLOADS, scaled


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[Connection]:
    """Starts a process, and gives the connection to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.send(None)
        child.join(5)
        child.kill()


def ask(connection: Connection, entry: str, what: str) -> Any:
    """Asks the process of an entry, and gives its answer."""
    connection.send(what)
    return receive(connection, entry)


def receive(connection: Connection, entry: str) -> Any:
    """Waits for what the process of an entry says.

    Raises:
        SystemExit: It has ended.
    """
    try:
        return connection.recv()
    except EOFError:
        raise SystemExit(f"{entry}: its process ended without an answer.") from None


def serve(connection: Connection, name: str, entry: str, divisor: float) -> None:
    """Runs an entry in its process: answers `answer` with its table, and `time` with the seconds that one took.

    Before it is asked it sends None, or what the entry needs and this machine lacks.
    """
    workload, peer = scaled(name, divisor), find_entry(name, entry)
    try:
        run = peer.make(workload)
    except MissingError as missing:
        connection.send(str(missing))
        return
    connection.send(None)
    trials = workload.make_trials(workload.trials)
    some = trials.iloc[some_rows(len(trials), peer.trials)].reset_index(drop=True)
    while (asked := connection.recv()) is not None:
        start = time.perf_counter()
        table = run(workload.make_trials(workload.trials) if peer.trials is None else some)
        seconds = time.perf_counter() - start
        connection.send(seconds if asked == "time" else table.drop(columns=trials.columns))


def some_rows(total: int, count: int | None) -> np.ndarray:
    """Gives the places of some rows, evenly spread over all of them; all where no number is given."""
    return np.arange(total) if count is None else np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))


def serve_peak(connection: Connection, count: int) -> None:
    """Sweeps the line in a process: sends its peak of memory and the size of its table, in bytes."""
    workload = WORKLOADS["line"]
    table = run_lrsweep(workload)(workload.make_trials(count))
    connection.send((peak_bytes(), int(table.memory_usage(deep=True).sum())))


def peak_bytes() -> int:
    """Reads the most memory that this process has held.

    Linux's `ru_maxrss` also counts what the process was started from.
    """
    told = Path("/proc/self/status")
    if told.exists():
        line = next(line for line in told.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
