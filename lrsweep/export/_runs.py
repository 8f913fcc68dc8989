"""Runs that were read from a tool: their settings and outcomes as a result table, and their curves beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._showing import show_safely
from lrsweep.statistics._short import count_trials, tell_answer, tell_ends
from lrsweep.tables._curves import Curves
from lrsweep.tables._runs import from_runs
from lrsweep.tables._schema import INDEX, LOSS, MAX, STEP, Criterion, at_best, criterion_of


class Runs(NamedTuple):
    """Runs of another program.

    Attributes:
        table: The result table, as `lrsweep.from_runs` makes it.
        curves: What was recorded of the loss, or of the metric that decides, by that name; empty where nothing was.

    Example:
        >>> runs = lrsweep.export.Runs(result.table, result.curves)
        >>> len(runs.table), len(runs.curves)
        (3, 0)
    """

    table: pd.DataFrame
    curves: Curves

    def __repr__(self) -> str:
        return show_safely(self, lambda: _describe(self))


def _describe(runs: Runs) -> str:
    more = "Each run: runs.table; each setting: lrsweep.summarize(runs.table)"
    curves = f"; {', '.join(runs.curves)}: runs.curves" if runs.curves else ""
    lines = [f"Runs: {count_trials(runs.table)}", tell_ends(runs.table), tell_answer(runs.table), more + curves]
    return "\n".join(lines)


class Columns(NamedTuple):
    """What the columns of runs are, as `lrsweep.from_runs` takes it."""

    loss: str | None = None
    metric: str | None = None
    mode: str | None = None
    learning_rate: str | None = None
    seed: str | None = None
    missing: str | None = None

    @property
    def recorded(self) -> str | None:
        """The name of what decides, whose histories are looked for."""
        return self.loss if self.metric is None else self.metric


def make_runs(
    frame: pd.DataFrame,
    columns: Columns,
    settings: Sequence[str] | None,
    histories: Mapping[Any, pd.Series] | None = None,
) -> Runs:
    """Makes a result table of runs, and a table of their curves.

    Args:
        frame: One row per run.
        columns: What its columns are.
        settings: Those that make a setting beside the learning rate, see `lrsweep.from_runs`.
        histories: What was recorded of the loss or the metric that decides, by the run's label in the frame's index:
            numbers under an index of steps, ascending. What the frame does not tell of `steps`, of the best value, and
            of when a run diverged, they tell.

    Example:
        >>> frame = pd.DataFrame({"lr": [0.1], "loss": [0.5]})
        >>> runs = make_runs(frame, Columns("loss"), None, {0: pd.Series([2.0, 0.25, 0.5], [0, 5, 10])})
        >>> runs.table[["steps", "final_loss", "best_loss", "best_at"]].values.tolist(), runs.curves["loss"].shape
        ([[10.0, 0.5, 0.25, 5.0]], (1, 3))
    """
    options = columns._asdict()
    table = from_runs(frame, options.pop("loss"), settings=settings, **options)
    recorded = {label: series for label, series in (histories or {}).items() if len(series) and label in table.index}
    if not recorded:
        return Runs(table, Curves())
    criterion = criterion_of(table)
    curve = pd.DataFrame(recorded).T.reindex(table.index).sort_index(axis=1).astype(float)
    curve.columns = pd.Index(curve.columns.astype(np.int64), name=STEP)
    return Runs(_fill_in(table, recorded, criterion), Curves({criterion.name: curve.rename_axis(INDEX)}))


def _fill_in(table: pd.DataFrame, recorded: Mapping[Any, pd.Series], criterion: Criterion) -> pd.DataFrame:
    """Fills in what histories tell and the table does not."""
    best_name = "best_loss" if criterion.name == LOSS else at_best(criterion.name)
    rows = []
    for label in table.index:
        series = recorded.get(label, pd.Series(dtype=float))
        finite = series[np.isfinite(series)]
        best_at: Any = None if finite.empty else finite.idxmax() if criterion.mode == MAX else finite.idxmin()
        lost = series.index[~np.isfinite(series)]
        rows.append(
            (
                series.index[-1] if len(series) else None,
                np.nan if best_at is None else finite[best_at],
                best_at,
                lost[0] if len(lost) else None,
            )
        )
    found = pd.DataFrame(rows, table.index, pd.Index(["steps", "best", "best_at", "diverged_at"]))
    counts = {
        name: pd.Series(pd.array(found[name].tolist(), dtype="Int64"), table.index) for name in found.columns[[0, 2, 3]]
    }
    filled = table.copy()
    # Where the frame told no best value, that at the end stands for it, which the histories know better.
    best, at_end = table[best_name], table[criterion.columns[0]]
    only_end = (best.eq(at_end) | best.isna()) & found["best"].notna()
    filled[best_name] = best.where(~only_end, found["best"])
    filled["best_at"] = table["best_at"].astype("Int64").where(~only_end & table["best_at"].notna(), counts["best_at"])
    filled["steps"] = table["steps"].astype("Int64").fillna(counts["steps"])
    diverged = table["status"] == "diverged"
    filled["diverged_at"] = table["diverged_at"].fillna(counts["diverged_at"].where(diverged))
    whole = [name for name in ("steps", "best_at") if filled[name].notna().all()]
    return filled.astype(dict.fromkeys(whole, np.int64))


def parse_words(column: pd.Series) -> pd.Series:
    """Gives a column of text as numbers or booleans, where all of it is; trackers keep settings as text.

    Example:
        >>> parse_words(pd.Series(["1", "8"])).tolist(), parse_words(pd.Series(["sgd", "8"])).tolist()
        ([1, 8], ['sgd', '8'])
    """
    words = {str(word) for word in column.dropna()}
    if words and words <= {"True", "False"}:
        return column.map({"True": True, "False": False})
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().sum() == column.notna().sum() else column


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Gives rows as a table in which what a row lacks is None, so that it differs from NaN.

    Example:
        >>> table_of([{"lr": 0.1}, {"lr": 1.0, "width": 8}])["width"].tolist()
        [None, 8]
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})
