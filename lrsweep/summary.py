"""Statistics over seeds: one row per setting, and which setting is best."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.binding import SEED
from lrsweep.table import best_by_of, final, metrics_of, settings_of

LEARNING_RATE = "learning_rate"


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """One row per setting (every combination of the caller's columns but `seed`), in the order they first appear.

    Args:
        table: A result table, as `Sweep.table` or `read_table` gives it.

    Returns:
        The settings' columns, then `trials` (int, how many), `converged` and `diverged` (float, the shares of them,
        from 0 to 1), `median_converged_at` (Float64, in updates; a trial that never converged counts as later than
        any that did, and the median is missing where it would be such a one) and `median_final_loss` (float, in the
        loss's unit; a diverged trial counts as infinite). Where the table has metrics, `median_final_<metric>`
        (float, over the trials in which it is a number; of the metric that decides the best, a diverged trial's
        counts as infinite).

    Raises:
        ValueError: It is not a result table.

    Example:
        >>> lrsweep.summarize(result.table)[["learning_rate", "trials", "converged", "median_converged_at"]]
           learning_rate  trials  converged  median_converged_at
        0          0.100       1        1.0                 51.0
        1          0.010       1        1.0                526.0
        2          0.001       1        0.0                 <NA>
    """
    names = [name for name in settings_of(table) if name != SEED]
    converged, diverged = table["status"] == "converged", table["status"] == "diverged"
    measured = pd.DataFrame(
        {
            "converged": converged,
            "diverged": diverged,
            "median_converged_at": table["converged_at"].astype("Float64").fillna(np.inf).astype(float),
            "median_final_loss": table["final_loss"].where(~diverged, np.inf),
            **{f"median_{final(metric)}": table[final(metric)] for metric in metrics_of(table)},
        }
    )
    decides = f"median_{final(best_by_of(table))}"
    measured[decides] = measured[decides].where(~diverged, np.inf)
    # Without a setting's column the whole table is one setting.
    keys: Any = [table[name] for name in names] or np.zeros(len(table), int)
    groups = measured.groupby(keys, sort=False, dropna=False)
    statistics = pd.DataFrame(
        {
            "trials": groups.size(),
            "converged": groups["converged"].mean(),
            "diverged": groups["diverged"].mean(),
            "median_converged_at": groups["median_converged_at"].median().replace(np.inf, np.nan).astype("Float64"),
            "median_final_loss": groups["median_final_loss"].median(),
            **{f"median_{final(metric)}": groups[f"median_{final(metric)}"].median() for metric in metrics_of(table)},
        }
    )
    return statistics.reset_index(drop=not names)


def rank(summary: pd.DataFrame, best_by: str) -> pd.DataFrame:
    """A summary's rows from the best setting to the worst, by the rule of `best_learning_rate`.

    Args:
        summary: What `summarize` returns.
        best_by: What decides among settings that converged alike: the loss, or a metric.
    """
    keys = pd.DataFrame(
        {
            "converged": -summary["converged"],
            "converged_at": summary["median_converged_at"].astype(float).fillna(np.inf),
            "final": summary[f"median_{final(best_by)}"].fillna(np.inf),
            LEARNING_RATE: summary.get(LEARNING_RATE, 0.0),
        }
    )
    return summary.loc[keys.sort_values(keys.columns.tolist(), kind="stable").index]


def best_setting(table: pd.DataFrame) -> pd.Series:
    """The best setting's row of `summarize(table)`, by the rule of `best_learning_rate`.

    Raises:
        ValueError: It is not a result table, or it has no rows.

    Example:
        >>> float(lrsweep.best_setting(result.table)["median_converged_at"])
        51.0
    """
    if len(table) == 0:
        raise ValueError("the table is empty: there is no best setting among no trials")
    return rank(summarize(table), best_by_of(table)).iloc[0]


def best_learning_rate(table: pd.DataFrame) -> float:
    """The learning rate of the best setting.

    Best is the setting with the largest share of trials that converged; among equals the one whose median
    `converged_at` is least; among those (as where none converged) the one whose median final loss is least, or the
    median at the end of the metric that decides the best, where one does, a diverged trial counting as infinite; and
    then the smaller learning rate.

    Args:
        table: A result table with a column `learning_rate`.

    Raises:
        ValueError: It is not a result table, it has no rows, no column `learning_rate`, or what decides the best
            differs from row to row.

    Example:
        >>> lrsweep.best_learning_rate(result.table)
        0.1
    """
    if LEARNING_RATE not in table.columns:
        raise ValueError(f"the table has no column {LEARNING_RATE!r}: see best_setting")
    return float(best_setting(table)[LEARNING_RATE])
