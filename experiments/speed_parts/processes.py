"""A process of its own for every entry, so that each is set up as suits it best, and its memory is its own."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from speed_parts.entry import MissingError
from speed_parts.peers import find_entry, run_lrsweep
from speed_parts.setup import Setup, set_up
from speed_parts.workloads import WORKLOADS, Size, Workload


class Comparison(NamedTuple):
    """A sweep that entries are compared in.

    Attributes:
        name: Its key in `WORKLOADS`.
        setup: What the entries run on.
        divisor: What numbers of trials are divided by.
    """

    name: str
    setup: Setup
    divisor: float

    @property
    def sizes(self) -> list[Workload]:
        """The sweep in each of its sizes."""
        return WORKLOADS[self.name].in_sizes(self.setup.platform or "cpu", self.divisor)


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


class EndedError(Exception):
    """A process has ended without an answer."""


def ask(connection: Connection, *what: Any) -> Any:
    """Asks a process, and gives its answer.

    Raises:
        EndedError: It has ended.
    """
    send(connection, *what)
    return receive(connection)


def send(connection: Connection, *what: Any) -> None:
    """Asks a process, and does not wait for the answer; one that has ended is not asked."""
    with suppress(OSError):
        connection.send(what)


def receive(connection: Connection) -> Any:
    """Waits for what a process says.

    Raises:
        EndedError: It has ended.
    """
    try:
        return connection.recv()
    except (EOFError, OSError):
        raise EndedError from None


def serve_device(connection: Connection, setup: Setup) -> None:
    """Sends what JAX runs on: its `platform`, the devices' `kind`, their `count`, and the `software` below them."""
    set_up(setup)
    devices = jax.devices()
    first = devices[0]
    software = " ".join(first.client.platform_version.split())
    connection.send(
        {"platform": first.platform, "kind": first.device_kind, "count": len(devices), "software": software}
    )


def serve(connection: Connection, comparison: Comparison, processes: int, entry: str) -> None:
    """Runs an entry in its process: answers `answer` with its table, and `time` with the seconds that one took.

    Either is asked together with the place of one of the sweep's sizes. Before it is asked it sends None, or what the
    entry needs and this machine lacks.

    Args:
        connection: To who asks.
        comparison: The sweep, and what to run it on.
        processes: How many such processes share an accelerator.
        entry: The entry's name.
    """
    set_up(comparison.setup, processes)
    sizes, found = comparison.sizes, find_entry(comparison.name, entry)
    make = cache(found.make)
    try:
        make(sizes[0])
    except MissingError as missing:
        connection.send(str(missing))
        return
    connection.send(None)
    while (asked := connection.recv()) is not None:
        what, workload = asked[0], sizes[asked[1]]
        run, trials = make(workload), workload.trials()
        some = trials.iloc[some_rows(len(trials), found.trials)].reset_index(drop=True)
        start = time.perf_counter()
        table = run(workload.trials() if found.trials is None else some)
        seconds = time.perf_counter() - start
        connection.send(seconds if what == "time" else table.drop(columns=trials.columns))


def some_rows(total: int, count: int | None) -> np.ndarray:
    """Gives the places of some rows, evenly spread over all of them; all where no number is given."""
    return np.arange(total) if count is None else np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))


def serve_peak(connection: Connection, setup: Setup, count: int) -> None:
    """Sweeps the line in a process: sends its peak of memory and the size of its table, in bytes."""
    set_up(setup)
    workload = WORKLOADS["line"]._replace(size=Size(count, 1000))
    table = run_lrsweep(workload)(workload.trials())
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
