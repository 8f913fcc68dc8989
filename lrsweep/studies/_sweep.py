"""sweep(): check the trials, run them, tabulate what became of each."""

import datetime
import time
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lrsweep.engine._compile import GroupJob, Plan
from lrsweep.engine._executor import GroupExecutor, GroupResult
from lrsweep.engine._layout import Layout
from lrsweep.engine._modes import ordinary_modes
from lrsweep.engine._plan import check_width, choose_plan, fit_plan, one_by_one
from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputTypeError
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.statistics._causes import add_diagnosis
from lrsweep.studies._halving import Halving, check_halving, halve, in_step
from lrsweep.studies._prepare import limits_of, prepare
from lrsweep.studies._progress import progress
from lrsweep.studies._provenance import provenance_of
from lrsweep.studies._replay import follow, replay, rerun
from lrsweep.studies._result import Sweep, result_table
from lrsweep.studies._starts import starts_of
from lrsweep.tables._columns import check_trials
from lrsweep.tables._schema import DIAGNOSIS, check_names
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import check_static
from lrsweep.training._stopping import Stopping

# By so many units in the last place of the starting loss rounding alone may take a loss below its minimum.
_ROUNDING = 100


@ordinary_modes()
def sweep(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame,
    *,
    steps: int = 1000,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    evaluate_every: int | None = None,
    record_every: int | None = None,
    halving: Halving | None = None,
    diagnose: bool = False,
    block_width: int | None = None,
    layout: Layout | None = None,
) -> Sweep:
    """Runs every trial of a table, many at a time, and says what became of each.

    What is compiled depends on the objective's functions, the optimizer's factory, the columns' names and the block
    width, and is kept while these functions live: other values, limits, steps and data of the same shapes compile
    nothing. A function that is defined anew is another function, so define it once. Rows that differ in a column of
    text, of booleans, or named in `static` are compiled apart.

    Args:
        objective: What is minimised.
        optimizer: A factory such as `optax.adam`: from keywords to an `optax.GradientTransformation`. It is called
            inside the compiled program, with traced values. Or several by name, `{"sgd": optax.sgd, "adam":
            optax.adam}`: the column `optimizer` then names each row's, and a column that it does not take must be
            missing there; one that is missing in all of its rows is left at its default.
        trials: One row per trial, one column per keyword of the factory, of the objective's `init`, or of its loss
            and metrics; `seed` becomes the key (0 where there is no such column). See `lrsweep.grid`.
        steps: The most updates a trial may make, 1 or more.
        stopping: When a trial has converged or diverged; `Stopping()` where it is left out.
        static: Columns of numbers whose values must be known while the program is compiled, such as a layer's width.
        evaluate_every: Measure the loss over all the data, and the metrics, at every such update and at the last.
            Where it is left out: every one; with a `batch_size`, every `record_every`-th or once an epoch. The table
            knows no loss between two of them: `status` and `best_at` are no finer.
        record_every: Record the loss at every such update, a multiple of `evaluate_every`, or None for no curves.
            Memory for them grows with ``trials * steps / record_every``.
        halving: At which updates the worse part of the settings is dropped; None for no such. See `Halving`.
        diagnose: Whether to say why each trial ended as it did. Adds columns of float64: `sharpness_start` and
            `sharpness_end`, the largest eigenvalue of the Hessian of the loss over all the data (see
            `lrsweep.sharpness`), with the end's residual, `sharpness_residual`, and the least eigenvalue there,
            `least_eigenvalue_end`; `stability`, the learning rate over the largest that theory allows where the trial
            started (above 1 it must leave; NaN where there is no theory, see `critical_learning_rate`); `overshoot`,
            the share of its updates that landed beyond the valley's floor, where the next gradient points back along
            them; `final_gradient_norm`; and `cause`, one word (str), see *Reading the table*. Costs about
            as much as a hundred updates per trial, and trials then wait for those beside them.
        block_width: How many trials run side by side, 1 or more; chosen by the number of trials and the memory there
            is where it is left out. At one width a row gives the same bits whatever the other rows hold.
        layout: How the loop of a trial is laid out for the machine; chosen where it is left out. See `Layout`.

    Returns:
        A `Sweep`: the table of results, the curves, and what made them.

    Raises:
        TypeError: An argument is of the wrong kind, a column does not hold numbers, or a parameter is not a float.
        ValueError: A value is out of range, nobody takes a column, objective and optimizer do not fit, or it is called
            inside a transformation of JAX or in a process forked from one that has used JAX. All of this is said
            before anything is compiled.

    Warns:
        UserWarning: A loss fell below the objective's stated minimum, by more than rounding.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 1.0])
        >>> lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials).table[["learning_rate", "status", "converged_at"]]
               learning_rate     status  converged_at
        trial
        0                0.1  converged            51
        1                1.0   diverged          <NA>
    """
    stopping = Stopping() if stopping is None else stopping
    if not isinstance(objective, Objective):
        raise InputTypeError(f"the objective must be a lrsweep.Objective, not a {type(objective).__name__}")
    if not isinstance(stopping, Stopping):
        raise InputTypeError(f"stopping must be a lrsweep.Stopping, not a {type(stopping).__name__}")
    trials = check_trials(trials)
    check_names(trials.columns, objective.metrics, DIAGNOSIS if diagnose else ())
    limits = limits_of(objective, stopping, steps, evaluate_every, record_every)
    if halving is not None:
        check_halving(halving, limits.steps)
    width = None if block_width is None else check_count("block_width", block_width)
    optimizers = optimizer if isinstance(optimizer, Mapping) else {None: optimizer}
    jobs = prepare(objective, optimizers, trials, check_static(static, trials), limits, diagnose=diagnose)

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    records = 0 if record_every is None else limits.steps // limits.record_every + 1
    fitted = _fit(jobs, records, width, layout, diagnose=diagnose, halving=halving)
    done = _run(jobs, fitted, trials, objective, records, halving)
    starts = [starts_of(job) for job in jobs] if diagnose else []
    seconds = time.perf_counter() - clock

    made = provenance_of(
        objective,
        optimizers,
        stopping,
        limits,
        record_every,
        [(job.group, part) for job, part in zip(jobs, done, strict=True)],
    )
    made |= {"started": started.isoformat(timespec="seconds"), "seconds": round(seconds, 3)}
    columns = _in_order(jobs, [part.outcome for part in done])._asdict()
    recorded = None if record_every is None else _in_order(jobs, [part.curves for part in done])
    at_start = _in_order(jobs, starts) if diagnose else None
    groups = [rerun(job, part) for job, part in zip(jobs, done, strict=True)]
    apart = {name for job in jobs for name in job.group.binding.loss}
    apart |= {static.name for job in jobs for static in job.group.static}
    del done, jobs
    _warn_below_minimum(objective, columns["initial_loss"], columns["best_loss"])
    table = _tabulate(objective, trials, columns, at_start, sorted(apart))
    curves = None if recorded is None else _curves_of(recorded, table.index, limits)
    # Shares its memory with the caller's until one of the two is changed.
    kept = trials.copy(deep=False)
    return Sweep(table, curves, made, partial(replay, groups, kept), partial(follow, groups, kept))


def _tabulate(
    objective: Objective, trials: pd.DataFrame, columns: dict[str, Any], at_start: Any, apart: list[str]
) -> pd.DataFrame:
    """Makes the result table, and where trials were diagnosed says why each ended as it did."""
    diagnosis = columns.pop("diagnosis")
    table = result_table(trials, columns, objective.minimum, metrics=list(objective.metrics), best_by=objective.best_by)
    if at_start is None:
        return table
    batches = objective.batch_size is not None
    return add_diagnosis(table, diagnosis, *at_start, batches=batches, minimum=objective.minimum, apart=apart)


def _curves_of(recorded: np.ndarray, index: pd.Index, limits: StopLimits) -> pd.DataFrame:
    every = limits.record_every
    updates = pd.RangeIndex(0, recorded.shape[1] * every, every, name="step")
    return pd.DataFrame(recorded.astype(float), index=index, columns=updates)


def _fit(
    jobs: list[GroupJob],
    records: int,
    width: int | None,
    layout: Layout | None,
    *,
    diagnose: bool,
    halving: Halving | None,
) -> list[tuple[Plan, jax.stages.Compiled]]:
    """Lays out and compiles every group before the first one runs, so that what does not fit costs no results."""
    plans = [choose_plan(job, width, layout) for job in jobs]
    if diagnose:
        plans = [one_by_one(plan) for plan in plans]
    if halving is not None:
        plans = [in_step(plan, halving) for plan in plans]
    fitted = [fit_plan(job, plan, records, exact=width is not None) for job, plan in zip(jobs, plans, strict=True)]
    if width is not None:
        check_width(width, [compiled for _, compiled in fitted])
    return fitted


def _run(
    jobs: list[GroupJob],
    fitted: list[tuple[Plan, jax.stages.Compiled]],
    trials: pd.DataFrame,
    objective: Objective,
    records: int,
    halving: Halving | None,
) -> list[GroupResult]:
    """Runs the groups, one after another unless they are compared on the way: each holds memory on every device."""
    with progress(len(trials)) as advance:
        runs: Iterable[GroupExecutor] = (
            GroupExecutor(job, plan, compiled, records=records, advance=advance)
            for job, (plan, compiled) in zip(jobs, fitted, strict=True)
        )
        if halving is not None:
            runs = list(runs)
            halve(runs, trials, objective, halving)
        return [run.run().result() for run in runs]


def _in_order(jobs: list[GroupJob], parts: list[Any]) -> Any:
    """Pytrees of arrays ``[row, ...]`` of each group as one, ``[trial, ...]`` in the order of the table."""
    if len(parts) == 1:
        return parts[0]

    def whole(*pieces: np.ndarray) -> np.ndarray:
        array = np.empty((sum(map(len, pieces)), *pieces[0].shape[1:]), pieces[0].dtype)
        for job, piece in zip(jobs, pieces, strict=True):
            array[job.group.rows] = piece
        return array

    return jax.tree.map(whole, *parts)


def _warn_below_minimum(objective: Objective, initial_loss: np.ndarray, best_loss: np.ndarray) -> None:
    """Warns of a fall below the minimum that is more than the rounding of the terms that losses are made of.

    Those are as large as the loss at the start, or larger, though near the minimum they cancel; and a function such as
    `exp` multiplies the rounding of its argument by some tens. A fall that small moves no target by much.
    """
    minimum = best_loss.dtype.type(objective.minimum)
    if not (best_loss < minimum).any():
        return
    scale = np.maximum(abs(initial_loss - minimum), abs(initial_loss))
    fell = np.isfinite(best_loss) & (minimum - best_loss > _ROUNDING * jnp.finfo(best_loss.dtype).eps * scale)
    if fell.any():
        least = float(best_loss[fell].min())
        warnings.warn(
            f"the loss of objective {objective.name!r} fell to {least:.6g}, below its stated minimum "
            f"{objective.minimum:.6g}, so that convergence is misjudged: state the least value that it can reach, "
            f"Objective(..., minimum={least:.6g}) or less, or give Stopping(target=...)",
            stacklevel=4,
        )
