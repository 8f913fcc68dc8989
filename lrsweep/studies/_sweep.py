"""sweep(): check the trials, run them, tabulate what became of each."""

import datetime
import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lrsweep.curvature._stability import starts_of
from lrsweep.engine._chunks import Layout
from lrsweep.engine._compile import Plan, Task
from lrsweep.engine._devices import on_first_device
from lrsweep.engine._executor import Done, Run
from lrsweep.engine._modes import ordinary
from lrsweep.engine._plan import check_width, choose_plan, fit_plan, one_by_one
from lrsweep.engine._precision import check_precision
from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.statistics._causes import DIAGNOSIS, add_diagnosis
from lrsweep.studies._halving import Halving, check_halving, halve, in_step
from lrsweep.studies._notebook import present
from lrsweep.studies._progress import progress
from lrsweep.studies._provenance import provenance_of
from lrsweep.studies._replay import Replay, again, follow, replay
from lrsweep.studies._validate import check_leaves, check_program
from lrsweep.tables._columns import check_trials
from lrsweep.tables._io import check_names, result_table
from lrsweep.training._binding import OPTIMIZER, bind
from lrsweep.training._monitor import Limits
from lrsweep.training._partition import Group, check_static, cut, optimizers_of
from lrsweep.training._program import given_by, make_program
from lrsweep.training._stopping import Stopping

# By so many units in the last place of the starting loss rounding alone may take a loss below its minimum.
_ROUNDING = 100

# With more seeds than this a block draws fewer permutations by drawing each trial's own.
MAX_SHARED_SEEDS = 32


# A table has no one answer to whether it equals another: a sweep is equal to itself.
@dataclass(frozen=True, eq=False)
class Sweep:
    """What `sweep` returns.

    Attributes:
        table: One row per trial: the caller's columns, and what became of it.
        curves: One row per trial, one column per recorded update (0, `record_every`, ...), float64, NaN after the
            trial's end; or None where `record_every` was not given.
        provenance: What made it: objective, optimizer, steps, stopping, block width and layout, versions, devices,
            dtype, start and duration. JSON can hold it.
    """

    table: pd.DataFrame
    curves: pd.DataFrame | None
    provenance: dict[str, Any]
    _replay: Callable[[int, int], Replay] = field(repr=False)
    _follow: Callable[[int, int, int], pd.DataFrame] = field(repr=False)

    def replay(self, trial: Any) -> Replay:
        """Runs one trial again, alone, and returns its parameters and its whole curve.

        Args:
            trial: Its label in the table's index.

        Raises:
            ValueError: There is no such trial.

        Example:
            >>> replay = result.replay(0)
            >>> round(float(replay.params["w0"]), 2), round(float(replay.params["w1"]), 2), len(replay.curve)
            (-0.99, 2.0, 61)
        """
        return self._replay(*self._row(trial))

    def path(self, trial: Any, every: int = 1) -> pd.DataFrame:
        """Runs one trial again, alone, and returns the parameters on its way.

        Args:
            trial: Its label in the table's index.
            every: After how many updates each, beside the start and the end.

        Returns:
            ``[update, parameter]`` float64: the index `step` counts updates from 0 to the trial's last, and each
            column is a scalar parameter, by the path of its leaf in the pytree, and in an array its place in brackets:
            `w`, `layers.0.w[0, 1]`.

        Raises:
            TypeError: `every` is not a whole number.
            ValueError: There is no such trial, or `every` is below 1.

        Example:
            >>> result.path(0, every=20).round(2)
                    w0    w1
            step
            0     0.00  1.00
            20   -0.77  1.89
            40   -0.96  1.98
            60   -0.99  2.00
        """
        row, steps = self._row(trial)
        return self._follow(row, steps, check_count("every", every))

    def _repr_html_(self) -> str:
        return present(self.table, self.provenance)

    def _row(self, trial: Any) -> tuple[int, int]:
        """The place of a trial in the table, and how many updates it made."""
        if not pd.api.types.is_hashable(trial) or trial not in self.table.index:
            raise InputError(f"there is no trial {quote(trial)}: the table's index has {len(self.table)} others")
        row = int(np.flatnonzero(self.table.index == trial)[0])
        return row, int(self.table["steps"].iloc[row])


@ordinary()
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
            them; `final_gradient_norm`; and `cause`, one word (str), by the rule of `lrsweep.statistics._causes.causes`. Costs
            about as much as a hundred updates per trial, and trials then wait for those beside them.
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
    limits = _limits(objective, stopping, steps, evaluate_every, record_every)
    if halving is not None:
        check_halving(halving, limits.steps)
    width = None if block_width is None else check_count("block_width", block_width)
    optimizers = optimizer if isinstance(optimizer, Mapping) else {None: optimizer}
    tasks = _tasks(objective, optimizers, trials, check_static(static, trials), limits, diagnose=diagnose)

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    records = 0 if record_every is None else limits.steps // limits.record_every + 1
    fitted = _fit(tasks, records, width, layout, diagnose=diagnose, halving=halving)
    done = _run(tasks, fitted, trials, objective, records, halving)
    starts = [starts_of(task.program, task.group, task.given) for task in tasks] if diagnose else []
    seconds = time.perf_counter() - clock

    made = provenance_of(
        objective,
        optimizers,
        stopping,
        limits,
        record_every,
        [(task.group, part) for task, part in zip(tasks, done, strict=True)],
    )
    made |= {"started": started.isoformat(timespec="seconds"), "seconds": round(seconds, 3)}
    outcome = _in_order(tasks, [part.outcome for part in done])
    recorded = None if record_every is None else _in_order(tasks, [part.curves for part in done])
    at_start = _in_order(tasks, starts) if diagnose else None
    groups = [again(task, part) for task, part in zip(tasks, done, strict=True)]
    apart = {name for task in tasks for name in task.group.binding.loss}
    apart |= {static.name for task in tasks for static in task.group.static}
    del done, tasks
    # Shares its memory with the caller's until one of the two is changed.
    kept = trials.copy(deep=False)
    _warn_below_minimum(objective, outcome.initial_loss, outcome.best_loss)
    columns = outcome._asdict()
    diagnosis = columns.pop("diagnosis")
    del outcome
    table = result_table(trials, columns, objective.minimum, metrics=list(objective.metrics), best_by=objective.best_by)
    if at_start is not None:
        batches = objective.batch_size is not None
        table = add_diagnosis(
            table, diagnosis, *at_start, batches=batches, minimum=objective.minimum, apart=sorted(apart)
        )
    curves = None
    if recorded is not None:
        updates = pd.RangeIndex(0, records * limits.record_every, limits.record_every, name="step")
        curves = pd.DataFrame(recorded.astype(float), index=table.index, columns=updates)
    return Sweep(table, curves, made, partial(replay, groups, kept), partial(follow, groups, kept))


def _fit(
    tasks: list[Task],
    records: int,
    width: int | None,
    layout: Layout | None,
    *,
    diagnose: bool,
    halving: Halving | None,
) -> list[tuple[Plan, jax.stages.Compiled]]:
    """Lays out and compiles every group before the first one runs, so that what does not fit costs no results."""
    plans = [choose_plan(task, width, layout) for task in tasks]
    if diagnose:
        plans = [one_by_one(plan) for plan in plans]
    if halving is not None:
        plans = [in_step(plan, halving) for plan in plans]
    fitted = [fit_plan(task, plan, records, exact=width is not None) for task, plan in zip(tasks, plans, strict=True)]
    if width is not None:
        check_width(width, [compiled for _, compiled in fitted])
    return fitted


def _run(
    tasks: list[Task],
    fitted: list[tuple[Plan, jax.stages.Compiled]],
    trials: pd.DataFrame,
    objective: Objective,
    records: int,
    halving: Halving | None,
) -> list[Done]:
    """Runs the groups, one after another unless they are compared on the way: each holds memory on every device."""
    with progress(len(trials)) as advance:
        runs: Iterable[Run] = (
            Run(task, plan, compiled, records=records, advance=advance)
            for task, (plan, compiled) in zip(tasks, fitted, strict=True)
        )
        if halving is not None:
            runs = list(runs)
            halve(runs, trials, objective, halving)
        return [run.run().done() for run in runs]


def _in_order(tasks: list[Task], parts: list[Any]) -> Any:
    """Pytrees of arrays ``[row, ...]`` of each group as one, ``[trial, ...]`` in the order of the table."""
    if len(parts) == 1:
        return parts[0]

    def whole(*pieces: np.ndarray) -> np.ndarray:
        array = np.empty((sum(map(len, pieces)), *pieces[0].shape[1:]), pieces[0].dtype)
        for task, piece in zip(tasks, pieces, strict=True):
            array[task.group.rows] = piece
        return array

    return jax.tree.map(whole, *parts)


def _tasks(
    objective: Objective,
    optimizers: Mapping[Any, Factory],
    trials: pd.DataFrame,
    static: list[str],
    limits: Limits,
    *,
    diagnose: bool,
) -> list[Task]:
    """What is to be run, group by group, once all that can be checked has been."""
    names = [None] if None in optimizers else optimizers_of(trials, optimizers)
    columns = [name for name in trials.columns if name != OPTIMIZER or None in optimizers]
    bindings = bind(columns, objective, {name: optimizers[name] for name in names})
    groups = cut(trials, bindings, static)
    if not objective.draws_start:
        check_leaves(objective, objective.init)
    shapes, programs = jax.eval_shape(lambda: given_by(objective)), []
    for group in groups:
        program = make_program(objective, optimizers[group.optimizer], group.binding, group.static)
        program = program._replace(diagnoses=diagnose)
        row = {name: jax.ShapeDtypeStruct((), column.dtype, weak_type=True) for name, column in group.values.items()}
        sample = {name: column[0].item() for name, column in group.values.items()}
        check_program(objective, program, shapes, row, sample)
        programs.append(program)
    given = given_by(objective)
    return [
        Task(program, group, given._replace(seeds=_shared_seeds(objective, group)), limits)
        for program, group in zip(programs, groups, strict=True)
    ]


def _shared_seeds(objective: Objective, group: Group) -> Any:
    """A group's seeds, where trials on batches have them in common."""
    if objective.batch_size is None:
        return None
    seeds = np.unique(group.seeds)
    return on_first_device(seeds) if len(seeds) <= min(MAX_SHARED_SEEDS, len(group.seeds) // 2) else None


def _limits(
    objective: Objective, stopping: Stopping, steps: int, evaluate_every: int | None, record_every: int | None
) -> Limits:
    record_every = None if record_every is None else check_count("record_every", record_every)
    if evaluate_every is not None:
        evaluate_every = check_count("evaluate_every", evaluate_every)
    elif objective.batch_size is not None:
        evaluate_every = record_every or math.ceil(objective.examples / objective.batch_size)
    else:
        evaluate_every = 1
    if record_every is not None and record_every % evaluate_every != 0:
        raise InputError(
            f"record_every={record_every} must be a multiple of evaluate_every={evaluate_every}: "
            "a loss is recorded where it is measured"
        )
    stated = {"minimum": objective.minimum, "baseline": objective.baseline}
    for name, value in (vars(stopping) | stated).items():
        if value is not None:
            check_precision(name, float(value))
    return Limits(
        steps=check_count("steps", steps),
        tolerance=float(stopping.tolerance),
        target=None if stopping.target is None else float(stopping.target),
        hold=int(stopping.hold),
        divergence=float(stopping.divergence),
        minimum=float(objective.minimum),
        evaluate_every=evaluate_every,
        record_every=record_every or evaluate_every,
        baseline=None if objective.baseline is None else float(objective.baseline),
    )


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
