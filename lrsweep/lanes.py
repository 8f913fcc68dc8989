"""Many trials: one trial under vmap and jit, block by block, as wide as the memory allows, with progress shown."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.groups import Group
from lrsweep.memory import available_bytes, needed_bytes, show_bytes
from lrsweep.program import Given, Program
from lrsweep.trial import LANE, Ran, run_trial
from lrsweep.watch import Limits, Outcome

# Past about a thousand lanes XLA's CPU backend splits even tiny operations over threads, and slows down.
MAX_WIDTH = 1024

# How XLA's errors begin where there is not enough memory.
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


class Block(NamedTuple):
    """Which rows of a group one call of the compiled program runs; `rows` is as wide as every other block's.

    The last block is filled up with its own last row, and only the first `used` lanes count.
    """

    rows: np.ndarray
    used: int


class Task(NamedTuple):
    """Everything that the trials of a group have in common."""

    program: Program
    group: Group
    given: Given
    limits: Limits


class Done(NamedTuple):
    """What is kept of a group's trials: outcomes and curves ``[trial, ...]``, and the block width each was run at."""

    outcome: Outcome
    curves: np.ndarray
    widths: np.ndarray


@partial(jax.jit, static_argnames=("program", "records"))
def run_block(
    program: Program, values: Mapping[str, Any], seeds: Any, given: Given, limits: Limits, *, records: int = 0
) -> Ran:
    """Runs a block of trials side by side, as one compiled program; it ends when all of them have.

    Args:
        program: What is compiled.
        values: Each column, ``[lane]``.
        seeds: ``[lane] uint32``.
        given: What all lanes share.
        limits: What ends a trial.
        records: How many losses to record.

    Returns:
        A `Ran` whose every array leads with ``[lane]``.
    """

    def lane(row: Mapping[str, Any], seed: Any) -> Ran:
        return run_trial(program, row, seed, given, limits, records)

    return jax.vmap(lane, axis_name=LANE)(values, seeds)


def compile_block(task: Task, width: int, records: int) -> jax.stages.Compiled:
    """The program of a group for blocks of one width; JAX keeps it, and gives it again.

    The columns are weakly typed, as Python's own numbers are: what they meet decides the precision. A strongly typed
    learning rate would turn the state of an optimizer of 16-bit parameters to 32-bit at its first update.

    Args:
        task: What is compiled.
        width: The block width.
        records: How many losses to record.
    """
    values = {
        name: jax.ShapeDtypeStruct((width,), column.dtype, weak_type=True) for name, column in task.group.values.items()
    }
    seeds = jax.ShapeDtypeStruct((width,), np.uint32)
    return run_block.lower(task.program, values, seeds, task.given, task.limits, records=records).compile()


def choose_width(trials: int) -> int:
    """The block width for a number of small trials: the next power of two, up to `MAX_WIDTH`.

    Example:
        >>> choose_width(3), choose_width(100_000)
        (4, 1024)
    """
    return min(MAX_WIDTH, 1 << max(0, trials - 1).bit_length())


def block_from(first: int, trials: int, width: int) -> Block:
    """The block that begins with a group's row `first`.

    Example:
        >>> block_from(2, 3, 2)
        Block(rows=array([2, 2]), used=1)
    """
    return Block(np.minimum(np.arange(first, first + width), trials - 1), min(width, trials - first))


def run_lanes(task: Task, *, records: int, width: int, advance: Callable[[int], None] = lambda _: None) -> Done:
    """Runs any number of trials in blocks of one width; what is kept of a block is its outcomes and curves.

    A block that does not find the memory it needs is run again at half the width, and so are those after it.

    Args:
        task: What to run.
        records: How many losses to record of each trial.
        width: The block width.
        advance: Called with the number of trials that have ended since it was last called.

    Raises:
        ValueError: Not even one trial finds the memory it needs.
    """
    trials = len(task.group.rows)
    outcomes, curves, widths = [], [], []
    done = 0
    while done < trials:
        block = block_from(done, trials, width)
        try:
            ran = run_rows(task, block.rows, records=records)
            outcome, curve = jax.device_get((ran.outcome, ran.curve))
        except jax.errors.JaxRuntimeError as error:
            if OUT_OF_MEMORY not in str(error):
                raise
            if width == 1:
                raise ValueError(_too_large(needed_bytes(compile_block(task, 1, records)))) from error
            width //= 2
            continue
        outcomes.append(jax.tree.map(lambda array, used=block.used: array[:used], outcome))
        curves.append(curve[: block.used])
        widths.append(np.full(block.used, width))
        done += block.used
        advance(block.used)
    outcome = jax.tree.map(lambda *parts: np.concatenate(parts), *outcomes)
    return Done(outcome, np.concatenate(curves), np.concatenate(widths))


def run_rows(task: Task, rows: np.ndarray, *, records: int) -> Ran:
    """Runs the given rows of a group as one block, and waits for it."""
    values = {name: column[rows] for name, column in task.group.values.items()}
    ran = compile_block(task, len(rows), records)(values, task.group.seeds[rows], task.given, task.limits)
    _wait(ran)
    return ran


def fitting_width(task: Task, records: int) -> int:
    """The block width that suits the number of trials, or the power of two below it that fits the memory there is.

    Raises:
        ValueError: Not even one trial fits.
    """
    width = choose_width(len(task.group.rows))
    there = available_bytes()
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(task.given))
    while True:
        needed = needed_bytes(compile_block(task, width, records))
        if needed <= there:
            return width
        if width == 1:
            raise ValueError(_too_large(needed))
        lane = max(1, (needed - shared) // width)
        fits = max(1, (there - shared) // lane)
        width = min(width // 2, 1 << (fits.bit_length() - 1))


def _too_large(needed: int) -> str:
    return (
        f"a single trial needs {show_bytes(needed)} of memory, and there are {show_bytes(available_bytes())} for it on "
        f"{jax.devices()[0].device_kind}: take a smaller model, less data or a smaller batch_size"
    )


def _wait(arrays: Any) -> None:
    # Blocking inside JAX would hold Ctrl-C back until the block has run.
    pause = 1e-5
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(arrays)):
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


@contextmanager
def progress(trials: int) -> Iterator[Callable[[int], None]]:
    """Shows how many trials have ended, on a terminal and never elsewhere; gives what to call as they do."""
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
