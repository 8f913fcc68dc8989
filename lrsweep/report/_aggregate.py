"""Statistics of the trials in every bin of an axis, for every combination of filters that a reader can set."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lrsweep.report._axis import Bins
from lrsweep.report._filters import Filter, combinations_of
from lrsweep.statistics._settings import Settings, blocks_of, group_trials
from lrsweep.statistics._shares import count_statuses, statuses_of
from lrsweep.statistics._summary import outcome_quartiles
from lrsweep.tables._parts import Table, rows_where, with_columns

# The columns of the bins' numbers, in what `aggregate` returns too.
X, Y = "x", "y"


def aggregate(
    table: Table,
    settings: Settings,
    outcomes: Sequence[str],
    x_bins: Bins,
    filters: Sequence[Filter],
    y_bins: Bins | None = None,
) -> pd.DataFrame:
    """Aggregates the trials in every bin, or in every cell of a heatmap, by every combination of filters.

    Args:
        table: A result table, in parts or not; trials that lie in no bin are left out.
        settings: Its settings, those that bins and filters are of.
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
        >>> settings = Settings(result.table, ["learning_rate"])
        >>> bins = bin_trials(axis_of(settings.rows, "learning_rate"))
        >>> rows = aggregate(result.table, settings, ["converged_at"], bins, [])
        >>> rows[["x", "trials", "converged", "slow", "median_converged_at"]]
           x  trials  converged  slow  median_converged_at
        0  0       1        0.0   1.0                  NaN
        1  1       1        1.0   0.0                526.0
        2  2       1        1.0   0.0                 51.0
    """
    codes = {X: x_bins.of_row} | ({} if y_bins is None else {Y: y_bins.of_row})
    codes |= {each.column: each.codes for each in filters}
    axes = [X] if y_bins is None else [X, Y]
    # By names that no column of the caller's has.
    named = {name: f"{name} of the chart" for name in codes}

    def numbers(trials: pd.DataFrame) -> dict[str, np.ndarray]:
        setting = settings.number(trials)
        return {named[name]: of_setting[setting] for name, of_setting in codes.items()}

    numbered = with_columns(table, list(named.values()), settings.names, numbers)
    places = [named[name] for name in axes]
    in_bins = rows_where(numbered, places, lambda trials: (trials[places] >= 0).all(axis=1))
    needed = ["status", "steps", *outcomes, *named.values()]
    blocks = blocks_of(in_bins, Settings(in_bins, places), needed)
    parts = [part for block in blocks for part in _of_block(block.trials, outcomes, named, axes)]
    return pd.concat(parts).sort_values([*(each.column for each in filters), *axes], ignore_index=True)


def _of_block(
    trials: pd.DataFrame, outcomes: Sequence[str], named: dict[str, str], axes: list[str]
) -> Iterator[pd.DataFrame]:
    """Aggregates all trials of some bins, by one combination of filters after another."""
    codes = {name: trials[column].to_numpy() for name, column in named.items()}
    filters = [name for name in named if name not in axes]
    # Without the caller's own columns, one of which may be called x or y.
    results = trials[trials.columns[trials.columns.get_loc("status") :]].assign(**{name: codes[name] for name in axes})
    results = results[[*axes, *(name for name in results.columns if name not in (*axes, *named.values()))]]
    for combination, rows in combinations_of([codes[name] for name in filters], np.arange(len(trials))):
        yield _statistics(results.iloc[rows], axes, outcomes).assign(**dict(zip(filters, combination, strict=True)))


def _statistics(results: pd.DataFrame, by: list[str], outcomes: Sequence[str]) -> pd.DataFrame:
    bins, of_trial = group_trials(results, by)
    counts, columns = count_statuses(results, by)[1], {}
    columns["trials"] = counts.sum(-1)
    columns |= {str(name): counts[:, at] / columns["trials"] for at, name in enumerate(statuses_of(results))}
    for outcome in outcomes:
        quartiles = outcome_quartiles(results, outcome, of_trial)
        columns |= {f"{quartile}_{outcome}": values for quartile, values in quartiles.items()}
    return bins.assign(**columns)
