"""`sweep`: checks the trials, runs them, and tabulates what became of each."""

import datetime
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast, overload

import numpy as np
import pandas as pd

from lrsweep.engine._compile import CompiledCall, GroupJob, Plan
from lrsweep.engine._executor import GroupExecutor
from lrsweep.engine._layout import Layout
from lrsweep.engine._modes import ordinary_modes
from lrsweep.inputs._errors import InputError
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.store._executors import Submits
from lrsweep.store._store import Store
from lrsweep.studies._asked import ask
from lrsweep.studies._fitting import fit
from lrsweep.studies._halving import Halving, check_halving, halve
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._minimum import warn_of_minimum
from lrsweep.studies._progress import Progress, check_progress, progress
from lrsweep.studies._provenance import provenance_of
from lrsweep.studies._ran import Ran, only_ended, tabulate
from lrsweep.studies._replay import Replayable, follow, replay, without_columns
from lrsweep.studies._result import Sweep
from lrsweep.studies._starts import starts_of
from lrsweep.studies._stored import sweep_into
from lrsweep.tables._curves import label_curves
from lrsweep.tables._lazy import LazyTrials
from lrsweep.tables._notes import PROVENANCE, Provenance
from lrsweep.training._stopping import Stopping


@overload
def sweep(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame,
    *,
    steps: int = 1000,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    evaluate_every: int | None = None,
    record: str | Iterable[str] | None = None,
    record_every: int | None = None,
    halving: Halving | None = None,
    diagnose: bool = False,
    block_width: int | None = None,
    layout: Layout | None = None,
    store: str | os.PathLike[str] | None = None,
    shard_size: int | None = None,
    executor: str | Submits | None = None,
    progress: bool | Callable[[Progress], object] = True,
) -> Sweep: ...


@overload
def sweep(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: LazyTrials,
    *,
    steps: int = 1000,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    evaluate_every: int | None = None,
    record: str | Iterable[str] | None = None,
    record_every: int | None = None,
    halving: Halving | None = None,
    diagnose: bool = False,
    block_width: int | None = None,
    layout: Layout | None = None,
    store: str | os.PathLike[str],
    shard_size: int | None = None,
    executor: str | Submits | None = None,
    progress: bool | Callable[[Progress], object] = True,
) -> Store: ...


def sweep(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame | LazyTrials,
    *,
    steps: int = 1000,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    evaluate_every: int | None = None,
    record: str | Iterable[str] | None = None,
    record_every: int | None = None,
    halving: Halving | None = None,
    diagnose: bool = False,
    block_width: int | None = None,
    layout: Layout | None = None,
    store: str | os.PathLike[str] | None = None,
    shard_size: int | None = None,
    executor: str | Submits | None = None,
    progress: bool | Callable[[Progress], object] = True,
) -> Sweep | Store:
    """Runs every trial of a table, many at a time, and says what became of each.

    What is compiled depends on the objective's functions, the optimizer's factory, the columns' names and the block
    width, and stays compiled while these functions exist: other values, limits, steps and data of the same shapes
    compile nothing new. A function that is defined a second time is another function, so define it once. Rows that
    differ in a column that holds text or booleans or is named in `static` are compiled separately.

    Args:
        objective: What is minimised.
        optimizer: A factory such as `optax.adam`: from keywords to an `optax.GradientTransformation`. It is called
            inside the compiled program, with traced values. Or several factories by name, `{"sgd": optax.sgd, "adam":
            optax.adam}`: then the column `optimizer` names each row's. A column that an optimizer does not take must be
            missing in its rows; one that is missing in all of them is left at the optimizer's default.
        trials: One row per trial, one column per keyword of the factory, of the objective's `init`, or of its loss
            and metrics. The column `seed` becomes the key; without it the seed is 0. See `lrsweep.grid`; or
            `lrsweep.lazy_grid`, which makes the rows only as they are run.
        steps: The most updates a trial may make, 1 or more.
        stopping: When a trial has converged or diverged; `Stopping()` where it is left out.
        static: Columns of numbers whose values must be known while the program is compiled, such as a layer's width.
        evaluate_every: The loss over all the data, and the metrics, are evaluated at every such update and at the last.
            Where it is left out, that is every update; with a `batch_size`, every `record_every`-th, or once an epoch.
            `status` and `best_at` know of no loss between two evaluations.
        record: The names of what is recorded on the way, for `Sweep.curves`: `loss`; metrics; and of the update that
            starts there `gradient_norm`, `update_norm`, `parameter_norm`, the Euclidean norms over all parameters of
            its gradient, of what the optimizer adds, and of the parameters before it, and `learning_rate`, the rate
            that the optimizer uses at it. With a `batch_size` that gradient is its minibatch's. A metric that is called
            like one of these is meant itself. Left out: the loss where `record_every` is given, otherwise nothing.
        record_every: It is recorded at every such update, a multiple of `evaluate_every`, which it is where it is left
            out. The memory of curves grows with ``trials * steps / record_every``.
        halving: When the worse part of the settings is dropped, see `Halving`; None to drop none.
        diagnose: Whether to say why each trial ended as it did. Adds columns of float64: `sharpness_start` and
            `sharpness_end`, the largest eigenvalue of the Hessian of the loss over all the data (see
            `lrsweep.sharpness`), with the end's residual, `sharpness_residual`, and the least eigenvalue there,
            `least_eigenvalue_end`; `stability`, the learning rate over the largest that theory allows where the trial
            started (above 1 it must leave; NaN where there is no theory, see `critical_learning_rate`); `overshoot`,
            the share of its updates that landed beyond the valley's floor, where the next gradient points back along
            them; `final_gradient_norm`; and `cause`, one word (str), see *Reading the table*. It costs about as much as
            a hundred updates per trial, and a trial that has ended then waits for those beside it.
        block_width: How many trials run side by side, 1 or more. Where it is left out, it is chosen by the number of
            trials and the available memory. At one width a row gives the same bits whatever the other rows hold.
        layout: How the loop of a block is laid out for the machine, see `Layout`. Chosen where it is left out.
        store: A folder, or a URL such as `s3://bucket/runs/edge` that fsspec reads, in which what becomes of the trials
            is kept while they run, shard by shard, whatever ends them. The same sweep into the same folder computes
            what is missing there and nothing else, and gives the table of one that was not interrupted, bit for bit;
            another sweep into it is refused. See `open_store`.
        shard_size: How many rows are written at a time, 1 or more, rounded up to whole blocks; chosen where it is left
            out. Where `block_width` is left out, a block is no wider.
        executor: What computes the shards of the store, each in a process with a device of its own: anything with the
            `submit` of `concurrent.futures`, such as Dask's `client.get_executor()`; or `"processes:4"` for so many
            processes of this machine, `"dask://HOST:PORT"`, `"ray"` or `"ray://HOST:PORT"`. A shard whose worker dies
            is given to another, three times at most. Left out, this process computes them. See *Many machines*.
        progress: True to show how far it has come: a bar on a terminal and in a notebook, gone at the end, and a line
            every ten seconds in a log. False to show nothing. Or a function that is called with a `Progress` as the
            trials run; an exception that it raises ends the sweep.

    Returns:
        A `Sweep`: the table of results, the curves, and the provenance. Of trials whose rows are made by range a
        `Store`: the folder that was named, from which their table can be read by parts.

    Raises:
        TypeError: An argument is of the wrong kind, a column does not hold numbers, or a parameter is not a float.
        ValueError: A value is out of range, nobody takes a column, objective and optimizer do not fit, or `sweep` is
            called inside a transformation of JAX or in a process forked from one that has used JAX. All of this is
            checked before anything is compiled.
        Interrupted: On Ctrl-C, with the trials that had ended.
        OSError: The store could not be written to, as on a full disk. What it held before is there.

    Warns:
        UserWarning: A loss fell below the objective's stated minimum, by more than rounding; or the store held damaged
            shards, which are computed again.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 1.0])
        >>> lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials).table[["learning_rate", "status", "converged_at"]]
               learning_rate     status  converged_at
        trial
        0                0.1  converged            51
        1                1.0   diverged          <NA>
    """
    options: dict[str, Any] = {
        "steps": steps,
        "stopping": stopping,
        "static": static,
        "evaluate_every": evaluate_every,
        "record": record,
        "record_every": record_every,
        "diagnose": diagnose,
        "block_width": block_width,
        "layout": layout,
    }
    if store is None:
        if isinstance(trials, LazyTrials):
            raise InputError("trials whose rows are made by range need a store, since there is no table of them all")
        if shard_size is not None:
            raise InputError("shard_size is how many rows are written at a time: give a store to write them to")
        if executor is not None:
            raise InputError("executor has shards of a store computed, and there is none: give store=, a folder")
        return run_sweep(objective, optimizer, trials, halving=halving, progress=progress, **options)
    if halving is not None:
        raise InputError(
            "halving compares all trials with each other, and a store runs them shard by shard: leave out one"
        )
    return sweep_into(
        store,
        objective,
        optimizer,
        trials,
        options,
        shard_size=shard_size,
        executor=executor,
        wanted=progress,
    )


@ordinary_modes()
def run_sweep(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame,
    *,
    halving: Halving | None = None,
    progress: bool | Callable[[Progress], object] = True,
    on_batches: bool = False,
    **options: Any,
) -> Sweep:
    """Does what `sweep` does; with `on_batches` the loss of each minibatch stands for the loss over all the data.

    The other `options` are those of `ask`.
    """
    check_progress(progress)
    asked = ask(objective, optimizer, trials, on_batches=on_batches, **options)
    trials, limits, jobs, records = cast(pd.DataFrame, asked.trials), asked.limits, asked.jobs, asked.records
    if halving is not None:
        check_halving(halving, limits.steps)

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    wanted, exact = [(asked.width, asked.layout) for _ in jobs], asked.width is not None
    fitted = fit(jobs, records, wanted, exact=exact, diagnose=asked.diagnose, halving=halving)
    starts = [starts_of(job) if asked.diagnose else () for job in jobs]

    def assemble(trials: pd.DataFrame, ran: list[Ran]) -> Sweep:
        # No name but `ran` refers to the results, or they would not be freed as the table takes them over.
        plans, dtype = [(each.job.group, each.result.plan) for each in ran], ran[0].result.outcome.final_loss.dtype
        provenance = provenance_of(objective, asked.optimizers, asked.stopping, limits, asked.recorded, plans, dtype)
        seconds = round(time.perf_counter() - clock, 3)
        provenance |= {"started": started.isoformat(timespec="seconds"), "seconds": seconds}
        groups = [Replayable(without_columns(job), result.plan, objective) for job, result, _ in ran]
        table, recorded, least = tabulate(objective, trials, ran)
        # A minibatch may be fitted better than all the data can be, and then nobody is warned.
        if least is not None and not on_batches:
            warn_of_minimum(objective, least, stacklevel=5)
        table.attrs[PROVENANCE] = made = Provenance(provenance)
        curves = label_curves(recorded, table.index, limits.record_every)
        # The copy shares its memory with the caller's table until one of the two is changed.
        places = groups, trials.copy(deep=False)
        return Sweep(table, curves, made, partial(replay, *places), partial(follow, *places))

    ran: list[Ran] = []
    try:
        _run(jobs, fitted, starts, trials, objective, records, halving, progress, ran)
    except KeyboardInterrupt:
        if not ran:
            raise
        rows, ended = only_ended(ran)
        raise Interrupted(assemble(trials.iloc[rows], ended), ended=len(rows), of_trials=len(trials)) from None
    return assemble(trials, ran)


def _run(
    jobs: list[GroupJob],
    fitted: list[tuple[Plan, CompiledCall]],
    starts: list[tuple[np.ndarray, ...]],
    trials: pd.DataFrame,
    objective: Objective,
    records: int,
    halving: Halving | None,
    wanted: bool | Callable[[Progress], object],
    ran: list[Ran],
) -> None:
    """Runs the groups one after another, since each takes memory on every device; with halving all at the same time.

    What has been run is appended to `ran`, also where Ctrl-C ends it.
    """
    of_updates = sum(len(job.group.rows) * job.limits.steps for job in jobs)
    with progress(len(trials), of_updates, wanted) as advance:
        executors: Iterable[GroupExecutor] = (
            GroupExecutor(job, plan, compiled, records=records, advance=advance)
            for job, (plan, compiled) in zip(jobs, fitted, strict=True)
        )
        if halving is not None:
            executors = list(executors)
            try:
                halve(executors, trials, objective, halving)
            except KeyboardInterrupt:
                ran += [
                    Ran(each.job, each.wait().result(), start) for each, start in zip(executors, starts, strict=True)
                ]
                raise
        for executor, start in zip(executors, starts, strict=True):
            try:
                executor.run()
            finally:
                ran.append(Ran(executor.job, executor.wait().result(), start))
