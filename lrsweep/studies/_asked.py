"""What a call of `sweep` asks for: its arguments, checked, and the jobs that they make."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.engine._compile import GroupJob
from lrsweep.engine._layout import Layout
from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputTypeError
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.studies._prepare import limits_of, prepare, shared_seeds
from lrsweep.studies._recorded import recorded_names
from lrsweep.studies._validate import check_objective
from lrsweep.tables._columns import check_trials
from lrsweep.tables._lazy import LazyTrials
from lrsweep.tables._schema import DIAGNOSIS, check_names
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import Group, check_static
from lrsweep.training._stopping import Stopping


class Asked(NamedTuple):
    """What a call of `sweep` asks for.

    Attributes:
        objective: The objective.
        optimizers: The optimizers' factories by name; a single one without a name is under None.
        trials: The trials table, or trials whose rows are made by range.
        static: The columns of numbers whose values programs are compiled for.
        stopping: When a trial has converged or diverged.
        limits: The limits that end a trial.
        recorded: What is recorded, as `recorded_names` gives it.
        diagnose: Whether trials are diagnosed.
        width: The block width, or None where that is free.
        layout: The layout of a block's loop, or None where that is free.
        jobs: The groups' jobs; where rows are made by range, without the numbers in them.
    """

    objective: Objective
    optimizers: Mapping[Any, Factory]
    trials: pd.DataFrame | LazyTrials
    static: list[str]
    stopping: Stopping
    limits: StopLimits
    recorded: tuple[str, ...]
    diagnose: bool
    width: int | None
    layout: Layout | None
    jobs: list[GroupJob]

    @property
    def records(self) -> int:
        """How many updates of each trial are recorded."""
        return self.limits.steps // self.limits.record_every + 1 if self.recorded else 0


def ask(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame | LazyTrials,
    *,
    steps: int,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    evaluate_every: int | None = None,
    record: str | Iterable[str] | None = None,
    record_every: int | None = None,
    diagnose: bool = False,
    block_width: int | None = None,
    layout: Layout | None = None,
    on_batches: bool = False,
) -> Asked:
    """Checks the arguments of `sweep`, before anything compiles; for `on_batches` see `prepare`.

    Raises:
        InputTypeError: An argument or a column is of the wrong kind.
        InputError: A value is out of range, nobody takes a column, or objective and optimizer do not fit.
    """
    stopping = Stopping() if stopping is None else stopping
    check_objective(objective)
    if not isinstance(stopping, Stopping):
        raise InputTypeError(f"stopping must be a lrsweep.Stopping, not a {type(stopping).__name__}")
    lazy = trials if isinstance(trials, LazyTrials) else None
    if lazy is None:
        table = check_trials(trials)
    else:
        static = named = check_static(static, lazy)
        table = check_trials(lazy.sample(named))
    check_names(table.columns, objective.metrics, DIAGNOSIS if diagnose else ())
    limits = limits_of(objective, stopping, steps, evaluate_every, record_every)
    recorded = recorded_names(record, objective, record_every)
    width = None if block_width is None else check_count("block_width", block_width)
    optimizers = optimizer if isinstance(optimizer, Mapping) else {None: optimizer}
    names = check_static(static, table)
    jobs = prepare(
        objective, optimizers, table, names, limits, diagnose=diagnose, on_batches=on_batches, recorded=recorded
    )
    if lazy is not None:
        # Every group has the same share of the sample as of all rows.
        jobs = [of_length(job, len(lazy) * len(job.group.rows) // len(table)) for job in jobs]
    return Asked(
        objective,
        optimizers,
        table if lazy is None else lazy,
        names,
        stopping,
        limits,
        recorded,
        diagnose,
        width,
        layout,
        jobs,
    )


def loss_columns_of(jobs: Iterable[GroupJob]) -> list[str]:
    """Lists the columns of which every value has a loss of its own, not to be compared with the others'."""
    columns = {name for job in jobs for name in (*job.group.binding.loss, *(each.name for each in job.group.static))}
    return sorted(columns)


def of_length(job: GroupJob, count: int) -> GroupJob:
    """Gives a job of so many trials, of which there is only their number: enough to plan and to compile it."""
    seeds = np.broadcast_to(np.uint32(0), count)
    return job._replace(group=job.group._replace(rows=range(count), seeds=seeds))


def part_of(group: Group, first: int, end: int) -> Group:
    """Gives the part of a group in the rows of the trials from `first` to the one before `end`, counted from there."""
    if isinstance(group.rows, range):
        part, rows = slice(first, end), range(len(group.rows[first:end]))
    else:
        part = slice(*np.searchsorted(group.rows, [first, end]))
        rows = group.rows[part] - first
    values = {name: column[part] for name, column in group.values.items()}
    return group._replace(rows=rows, values=values, seeds=group.seeds[part])


def with_shared_seeds(objective: Objective, job: GroupJob) -> GroupJob:
    """Puts the distinct seeds of a job's trials beside the arrays that they share, unless these are there."""
    seeds, there = shared_seeds(objective, job.group), job.shared.seeds
    is_same = seeds is None if there is None else seeds is not None and np.array_equal(seeds, there)
    return job if is_same else job._replace(shared=job.shared._replace(seeds=seeds))


def rows_between(trials: pd.DataFrame | LazyTrials, first: int, end: int) -> pd.DataFrame:
    """Gives a part of the trials: the rows from `first` to the one before `end`."""
    return trials.rows(first, end) if isinstance(trials, LazyTrials) else trials.iloc[first:end]
