"""sweep(): check the trials, run them, tabulate what became of each."""

import datetime
import functools
import importlib.metadata
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lrsweep.binding import Columns, bind, read_columns
from lrsweep.lanes import choose_width, run_lanes, run_rows
from lrsweep.objective import Objective, check_objective
from lrsweep.optimizers import Factory, check_optimizer, label
from lrsweep.status import Stopping, gap
from lrsweep.table import INDEX, check_names, result_table
from lrsweep.trial import Limits, Program


@dataclass(frozen=True)
class Replay:
    """One trial run again.

    Attributes:
        params: The parameters it ended with: the objective's pytree, as NumPy arrays.
        curve: ``[steps + 1]`` float64 Series, the loss at every update from 0 to its last.
    """

    params: Any
    curve: pd.Series


@dataclass(frozen=True)
class Sweep:
    """What `sweep` returns.

    Attributes:
        table: One row per trial: the caller's columns, and what became of it.
        curves: One row per trial, one column per recorded update (0, `record_every`, ...), float64, NaN after the
            trial's end; or None where `record_every` was not given.
        provenance: What made it: objective, optimizer, steps, stopping, block width, versions, device, dtype, start
            and duration. JSON can hold it.
    """

    table: pd.DataFrame
    curves: pd.DataFrame | None
    provenance: dict[str, Any]
    _rerun: Callable[[int, int], Replay] = field(repr=False)

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
        if trial not in self.table.index:
            raise ValueError(f"there is no trial {trial!r}: the table's index has {len(self.table)} others")
        row = int(np.flatnonzero(self.table.index == trial)[0])
        return self._rerun(row, int(self.table["steps"].iloc[row]))


def sweep(
    objective: Objective,
    optimizer: Factory,
    trials: pd.DataFrame,
    *,
    steps: int = 1000,
    stopping: Stopping | None = None,
    record_every: int | None = None,
    block_width: int | None = None,
) -> Sweep:
    """Runs every trial of a table, many at a time, and says what became of each.

    What is compiled depends on the objective's functions, the optimizer's factory, the columns' names and the block
    width, and is kept: other values, limits, steps and data of the same shapes compile nothing. A function that is
    defined anew is another function, so define it once.

    Args:
        objective: What is minimised.
        optimizer: A factory such as `optax.adam`: from keywords to an `optax.GradientTransformation`. It is called
            inside the compiled program, with traced values.
        trials: One row per trial, one column per keyword of the factory or of the objective's `init`; `seed` becomes
            the key (0 where there is no such column). See `lrsweep.grid`.
        steps: The most updates a trial may make, 1 or more.
        stopping: When a trial has converged or diverged; `Stopping()` where it is left out.
        record_every: Record the loss at every such update, or None for no curves. Memory for them grows with
            ``trials * steps / record_every``.
        block_width: How many trials run side by side, 1 or more; chosen by the number of trials where it is left
            out. At one width a row gives the same bits whatever the other rows hold.

    Returns:
        A `Sweep`: the table of results, the curves, and what made them.

    Raises:
        TypeError: An argument is of the wrong kind, a column does not hold numbers, or a parameter is not a float.
        ValueError: A value is out of range, nobody takes a column, or objective and optimizer do not fit. All of
            this is said before anything is compiled.

    Warns:
        UserWarning: A loss fell below the objective's stated minimum.

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
        raise TypeError(f"the objective must be a lrsweep.Objective, not a {type(objective).__name__}")
    if not isinstance(stopping, Stopping):
        raise TypeError(f"stopping must be a lrsweep.Stopping, not a {type(stopping).__name__}")
    steps = _count("steps", steps)
    record_every = None if record_every is None else _count("record_every", record_every)
    columns = read_columns(trials)
    width = choose_width(len(trials)) if block_width is None else _count("block_width", block_width)
    check_names(trials.columns)
    binding = bind(trials.columns, objective, optimizer)
    columns = _in_default_precision(columns)
    row = {name: jax.ShapeDtypeStruct((), values.dtype) for name, values in columns.values.items()}
    params = check_objective(objective, {name: row[name] for name in binding.init})
    check_optimizer(optimizer, {name: row[name] for name in binding.optimizer}, params, objective.loss_at)

    program = Program(objective.loss, objective.init if objective.draws_start else None, optimizer, binding)
    start = None if objective.draws_start else jax.tree.map(jnp.asarray, objective.init)
    data = jax.tree.map(jnp.asarray, objective.data)
    limits = Limits(
        steps=steps,
        tolerance=float(stopping.tolerance),
        target=None if stopping.target is None else float(stopping.target),
        hold=int(stopping.hold),
        divergence=float(stopping.divergence),
        minimum=float(objective.minimum),
        record_every=record_every or 1,
    )
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    records = 0 if record_every is None else steps // record_every + 1
    outcome, curves = run_lanes(program, columns, start, data, limits, records=records, width=width)
    seconds = time.perf_counter() - clock

    table = result_table(trials, outcome, objective.minimum)
    _warn_below_minimum(objective, outcome.best_loss)

    def rerun(place: int, last: int) -> Replay:
        # The block stops at this trial's own last update; all of its lanes run this trial.
        rows = np.full(width, place)
        ran = run_rows(program, columns, rows, start, data, limits._replace(record_every=1), records=last + 1)
        params, curve = jax.tree.map(lambda array: np.asarray(array)[0], (ran.params, ran.curve))
        return Replay(params, pd.Series(curve.astype(float), name="loss").rename_axis("step"))

    return Sweep(
        table=table,
        curves=None if record_every is None else _curves(curves, record_every, table.index),
        provenance={
            "objective": objective.name,
            "optimizer": label(optimizer),
            "trials": len(trials),
            "steps": steps,
            "stopping": {name: _json_number(value) for name, value in vars(stopping).items()},
            "minimum": float(objective.minimum),
            "record_every": record_every,
            "block_width": width,
            "dtype": str(outcome.final_loss.dtype),
            "device": {"platform": jax.default_backend(), "kind": jax.devices()[0].device_kind},
            "versions": dict(_versions()),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
        },
        _rerun=rerun,
    )


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}={value!r} must be a whole number")
    if not 1 <= value < 2**31 - 1:
        raise ValueError(f"{name}={value} must be 1 or more")
    return int(value)


def _in_default_precision(columns: Columns) -> Columns:
    floating = jax.dtypes.canonicalize_dtype(float)
    values = {
        name: column.astype(floating) if column.dtype == np.float64 else column
        for name, column in columns.values.items()
    }
    return columns._replace(values=values)


def _curves(curves: np.ndarray, every: int, index: pd.Index) -> pd.DataFrame:
    steps = pd.RangeIndex(0, curves.shape[1] * every, every, name="step")
    return pd.DataFrame(curves.astype(float), index=index.rename(INDEX), columns=steps)


def _warn_below_minimum(objective: Objective, best_loss: np.ndarray) -> None:
    finite = best_loss[np.isfinite(best_loss)]
    if finite.size and gap(finite.min(), finite.dtype.type(objective.minimum)) < 0:
        least = float(finite.min())
        warnings.warn(
            f"the loss of objective {objective.name!r} fell to {least:.6g}, below its stated minimum "
            f"{objective.minimum:.6g}, so that convergence is misjudged: state the least value that it can reach, "
            f"Objective(..., minimum={least:.6g}) or less, or give Stopping(target=...)",
            stacklevel=3,
        )


def _json_number(value: Any) -> Any:
    return value if value is None or np.isfinite(value) else str(value)


@functools.cache
def _versions() -> dict[str, str]:
    packages = ("lrsweep", "jax", "jaxlib", "optax", "numpy", "pandas")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
