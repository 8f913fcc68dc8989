"""What becomes of the trials along an axis, for every choice that a reader of the report can make."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lrsweep.report.across import Across, Cells
from lrsweep.report.choices import Choice, combinations_of
from lrsweep.status import Status
from lrsweep.summary import group, summarize
from lrsweep.table import RESULT_DTYPES, final, metrics_of

# The names of the cells while they are summed up.
_CELL, _BESIDE = "cell", "cell beside"

STATUSES = [status.label for status in Status]


def sum_up(table: pd.DataFrame, cells: Cells, choices: list[Choice], beside: Cells | None = None) -> pd.DataFrame:
    """The trials of every cell of an axis, or of two, by every combination that can be chosen.

    Args:
        table: A result table; trials that lie in no cell are left out.
        cells: The axis, in cells.
        choices: The columns to choose among.
        beside: The other axis of a map.

    Returns:
        One row per combination and cell that has trials: `x` (int, the cell), with `beside` also `y`, the columns of
        `summarize`, the share of each status, and the choices' (int, the codes of the combination).

    Example:
        >>> from lrsweep.report.across import across_of, cut
        >>> rows = sum_up(result.table, cut(across_of(result.table, "learning_rate")), [])
        >>> rows[["x", "trials", "converged", "slow", "median_converged_at"]]
           x  trials  converged  slow  median_converged_at
        0  0       1        0.0   1.0                 <NA>
        1  1       1        1.0   0.0                526.0
        2  2       1        1.0   0.0                 51.0
    """
    names = [*RESULT_DTYPES, *_metric_columns(table)]
    slim, by = table[names].copy(deep=False), [_CELL]
    slim.insert(0, _CELL, cells.of_trial)
    there = cells.of_trial >= 0
    if beside is not None:
        slim.insert(1, _BESIDE, beside.of_trial)
        by, there = [_CELL, _BESIDE], there & (beside.of_trial >= 0)
    rows = np.flatnonzero(there)
    parts = [
        _statistics(slim.iloc[some], by).assign(**{choice.column: code for choice, code in zip(choices, codes, strict=True)})
        for codes, some in combinations_of(choices, rows)
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={_CELL: "x", _BESIDE: "y"})


def _metric_columns(table: pd.DataFrame) -> Iterator[str]:
    metrics = set(metrics_of(table))
    after = table.columns[table.columns.get_loc("rate") + 1 :]
    wanted = {"best_by", *map(final, metrics), *(f"{metric}_at_best" for metric in metrics)} if metrics else set()
    return (name for name in after if name in wanted)


def _statistics(slim: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    summary = summarize(slim, by=by)
    setting = group(slim, by)[1]
    codes = slim["status"].cat.codes.to_numpy()
    counts = np.bincount(setting * len(STATUSES) + codes, minlength=len(summary) * len(STATUSES))
    shares = counts.reshape(len(summary), -1) / summary["trials"].to_numpy()[:, None]
    columns = {name: shares[:, at] for at, name in enumerate(STATUSES)}
    return summary.assign(**columns).sort_values(by, ignore_index=True)
