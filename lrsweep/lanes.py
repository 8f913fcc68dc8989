"""Many trials: one trial under vmap and jit, block by block, with progress shown on a terminal."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.binding import Columns
from lrsweep.trial import LANE, Limits, Outcome, Program, Ran, run_trial

# Past about a thousand lanes XLA's CPU backend splits even tiny operations over threads, and slows down.
MAX_WIDTH = 1024


class Block(NamedTuple):
    """Which rows of a table one call of the compiled program runs; `rows` is as wide as every other block's.

    The last block is filled up with its own last row, and only the first `used` lanes count.
    """

    rows: np.ndarray
    used: int


@partial(jax.jit, static_argnames=("program", "records"))
def run_block(
    program: Program,
    values: Mapping[str, Any],
    seeds: Any,
    start: Any,
    data: Any,
    limits: Limits,
    *,
    records: int = 0,
) -> Ran:
    """Runs a block of trials side by side, as one compiled program; it ends when all of them have.

    Args:
        program: What is compiled.
        values: Each column, ``[lane]``.
        seeds: ``[lane] uint32``.
        start: The parameters that every lane starts from, or None where the program has an `init`.
        data: The objective's data, shared by all lanes.
        limits: What ends a trial.
        records: How many losses to record.

    Returns:
        A `Ran` whose every array leads with ``[lane]``.
    """

    def lane(row: Mapping[str, Any], seed: Any) -> Ran:
        return run_trial(program, row, seed, start, data, limits, records)

    return jax.vmap(lane, axis_name=LANE)(values, seeds)


def choose_width(trials: int) -> int:
    """The block width for a number of trials: the next power of two, up to `MAX_WIDTH`.

    Example:
        >>> choose_width(3), choose_width(100_000)
        (4, 1024)
    """
    return min(MAX_WIDTH, 1 << max(0, trials - 1).bit_length())


def blocks(trials: int, width: int) -> Iterator[Block]:
    """Cuts the rows of a table into blocks of one width, in their order.

    Example:
        >>> [(block.rows.tolist(), block.used) for block in blocks(3, 2)]
        [([0, 1], 2), ([2, 2], 1)]
    """
    for first in range(0, trials, width):
        yield Block(np.minimum(np.arange(first, first + width), trials - 1), min(width, trials - first))


def run_lanes(
    program: Program,
    columns: Columns,
    start: Any,
    data: Any,
    limits: Limits,
    *,
    records: int,
    width: int,
) -> tuple[Outcome, np.ndarray]:
    """Runs any number of trials in blocks of one width; what is kept of a block is its outcomes and curves.

    Args:
        program: What is compiled.
        columns: The trials.
        start: The parameters that every trial starts from, or None where the program has an `init`.
        data: The objective's data, on the device.
        limits: What ends a trial.
        records: How many losses to record of each.
        width: The block width.

    Returns:
        The outcomes, ``[trial]`` each, and the curves ``[trial, records]``, as NumPy arrays.
    """
    outcomes, curves = [], []
    with _progress(len(columns.seeds)) as advance:
        for block in blocks(len(columns.seeds), width):
            ran = run_rows(program, columns, block.rows, start, data, limits, records=records)
            outcome, curve = jax.tree.map(
                lambda array, used=block.used: np.asarray(array)[:used], (ran.outcome, ran.curve)
            )
            outcomes.append(outcome)
            curves.append(curve)
            advance(block.used)
    return jax.tree.map(lambda *parts: np.concatenate(parts), *outcomes), np.concatenate(curves)


def run_rows(
    program: Program,
    columns: Columns,
    rows: np.ndarray,
    start: Any,
    data: Any,
    limits: Limits,
    *,
    records: int,
) -> Ran:
    """Runs the given rows of a table as one block, and waits for it."""
    values = {name: column[rows] for name, column in columns.values.items()}
    ran = run_block(program, values, columns.seeds[rows], start, data, limits, records=records)
    _wait(ran)
    return ran


def _wait(arrays: Any) -> None:
    # Blocking inside JAX would hold Ctrl-C back until the block has run.
    pause = 1e-5
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(arrays)):
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


@contextmanager
def _progress(trials: int) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
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
