"""Statistics of the trials in every bin of an axis, for every combination of filters that a reader can set."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lrsweep.report._axis import Bins
from lrsweep.report._filters import Filter, combinations_of
from lrsweep.statistics._quartiles import summarize_outcome
from lrsweep.statistics._shares import status_shares
from lrsweep.statistics._summary import QUARTILES
from lrsweep.tables._schema import settings_of

# The columns of the bins' numbers, in what `aggregate` returns too.
X, Y = "x", "y"


def aggregate(
    table: pd.DataFrame,
    outcomes: Sequence[str],
    x_bins: Bins,
    filters: Sequence[Filter],
    y_bins: Bins | None = None,
) -> pd.DataFrame:
    """Aggregates the trials in every bin, or in every cell of a heatmap, by every combination of filters.

    Args:
        table: A result table; trials that lie in no bin are left out.
        outcomes: Columns of numbers, of which the quartiles are wanted.
        x_bins: The bins of the horizontal axis.
        filters: The filters of the page.
        y_bins: Those of the vertical axis, for a heatmap.

    Returns:
        One row per combination and bin that has trials: `x` (int, the bin), with `y_bins` also `y`; the columns of
        `status_shares`; `lower_quartile_<outcome>`, `median_<outcome>` and `upper_quartile_<outcome>` (float), as
        `summarize_outcome` has them; and the filters' columns (int, the codes of the combination).

    Example:
        >>> from lrsweep.report._axis import axis_of, bin_trials
        >>> rows = aggregate(result.table, ["converged_at"], bin_trials(axis_of(result.table, "learning_rate")), [])
        >>> rows[["x", "trials", "converged", "slow", "median_converged_at"]]
           x  trials  converged  slow  median_converged_at
        0  0       1        0.0   1.0                  NaN
        1  1       1        1.0   0.0                526.0
        2  2       1        1.0   0.0                 51.0
    """
    axes = {X: x_bins.of_trial} if y_bins is None else {X: x_bins.of_trial, Y: y_bins.of_trial}
    bin_numbers = pd.DataFrame(axes, index=table.index)
    # Without the caller's own columns, one of which may be called x or y.
    results = pd.concat([bin_numbers, table.drop(columns=[*settings_of(table), *axes], errors="ignore")], axis=1)
    in_a_bin, by = np.flatnonzero((bin_numbers >= 0).all(axis=1)), list(axes)
    parts = [
        _statistics(results.iloc[rows], by, outcomes).assign(
            **{each.column: code for each, code in zip(filters, codes, strict=True)}
        )
        for codes, rows in combinations_of(filters, in_a_bin)
    ]
    return pd.concat(parts, ignore_index=True)


def _statistics(results: pd.DataFrame, by: list[str], outcomes: Sequence[str]) -> pd.DataFrame:
    statistics = status_shares(results, by=by)
    for outcome in outcomes:
        quartiles = summarize_outcome(results, outcome, by=by)
        columns = {f"{quartile}_{outcome}": quartiles[quartile].to_numpy() for quartile in QUARTILES}
        statistics = statistics.assign(**columns)
    return statistics.sort_values(by, ignore_index=True)
