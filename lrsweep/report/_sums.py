"""What becomes of the trials along an axis, for every choice that a reader of the report can make."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lrsweep.report._bins import Cells
from lrsweep.report._filters import Choice, combinations_of
from lrsweep.statistics._quartiles import summarize_outcome
from lrsweep.statistics._shares import status_shares
from lrsweep.statistics._summary import QUARTILES
from lrsweep.tables._schema import settings_of

# What the columns of the cells are called, in what is found too.
X, Y = "x", "y"


def sum_up(
    table: pd.DataFrame, outcomes: Sequence[str], cells: Cells, choices: Sequence[Choice], beside: Cells | None = None
) -> pd.DataFrame:
    """The trials of every cell of an axis, or of two, by every combination that can be chosen.

    Args:
        table: A result table; trials that lie in no cell are left out.
        outcomes: Columns of numbers, of which the quartiles are wanted.
        cells: The axis, in cells.
        choices: The columns to choose among.
        beside: The other axis of a map.

    Returns:
        One row per combination and cell that has trials: `x` (int, the cell), with `beside` also `y`; the columns of
        `status_shares`; `lower_quartile_<outcome>`, `median_<outcome>` and `upper_quartile_<outcome>` (float), as
        `summarize_outcome` has them; and the choices' (int, the codes of the combination).

    Example:
        >>> from lrsweep.report._bins import across_of, cut
        >>> rows = sum_up(result.table, ["converged_at"], cut(across_of(result.table, "learning_rate")), [])
        >>> rows[["x", "trials", "converged", "slow", "median_converged_at"]]
           x  trials  converged  slow  median_converged_at
        0  0       1        0.0   1.0                  NaN
        1  1       1        1.0   0.0                526.0
        2  2       1        1.0   0.0                 51.0
    """
    axes = {X: cells.of_trial} if beside is None else {X: cells.of_trial, Y: beside.of_trial}
    places = pd.DataFrame(axes, index=table.index)
    # Without the caller's own columns, whatever they are called.
    slim = pd.concat([places, table.drop(columns=[*settings_of(table), *axes], errors="ignore")], axis=1)
    rows, by = np.flatnonzero((places >= 0).all(axis=1)), list(axes)
    parts = [
        _statistics(slim.iloc[some], by, outcomes).assign(
            **{choice.column: code for choice, code in zip(choices, codes, strict=True)}
        )
        for codes, some in combinations_of(choices, rows)
    ]
    return pd.concat(parts, ignore_index=True)


def _statistics(slim: pd.DataFrame, by: list[str], outcomes: Sequence[str]) -> pd.DataFrame:
    found = status_shares(slim, by=by)
    for outcome in outcomes:
        quartiles = summarize_outcome(slim, outcome, by=by)
        found = found.assign(**{f"{quartile}_{outcome}": quartiles[quartile].to_numpy() for quartile in QUARTILES})
    return found.sort_values(by, ignore_index=True)
