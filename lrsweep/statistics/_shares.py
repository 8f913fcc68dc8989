"""Shares of the statuses: how the trials of each setting ended."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.statistics._bins import gathered
from lrsweep.statistics._settings import add_up, group_trials
from lrsweep.statistics._summary import join_columns, resolve_by
from lrsweep.tables._parts import Table, head_of, parts_of
from lrsweep.tables._schema import RESULT_DTYPES


def status_shares(table: Table, by: str | Sequence[str] | None = None, bins: int | None = None) -> pd.DataFrame:
    """Gives the share of the trials of each setting that ended in each status.

    Args:
        table: A result table, or a `Store`.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed`.
        bins: The most settings, where `by` is one column of numbers: more values are gathered into so many bins, and
            the column then holds the middles of these; see `gather`. None leaves the values as they are.

    Returns:
        One row per setting, in the order they first appear, or, where there are `bins`, in ascending order: the
        settings' columns, `trials` (int, how many there are), and one column per status, in the order of the
        categories of `status` (float, from 0 to 1; together 1).

    Raises:
        ValueError: It is not a result table, it has no column of a name in `by`, one is called like one of the
            shares' own, or there are `bins` and `by` is not one column of numbers.

    Example:
        >>> lrsweep.status_shares(result.table)[["learning_rate", "trials", "converged", "diverged", "slow"]]
           learning_rate  trials  converged  diverged  slow
        0          0.100       1        1.0       0.0   0.0
        1          0.010       1        1.0       0.0   0.0
        2          0.001       1        0.0       0.0   1.0
        >>> lrsweep.status_shares(result.table, by=[])[["trials", "converged", "slow"]].round(2)
           trials  converged  slow
        0       3       0.67  0.33
    """
    names = resolve_by(table, by)
    if bins is not None:
        if len(names) != 1:
            raise InputError(f"by names {len(names)} columns: of one alone the values are gathered into bins")
        table = gathered(table, names[0], bins)
    settings, counts = count_statuses(table, names)
    trials = counts.sum(-1)
    statuses = statuses_of(head_of(table))
    shares = {str(status): counts[:, code] / trials for code, status in enumerate(statuses)}
    rows = join_columns(settings, {"trials": trials, **shares})
    return rows if bins is None else rows.sort_values(names[0], ignore_index=True)


def statuses_of(table: pd.DataFrame) -> pd.Index:
    """Gives the statuses that trials can have, in order: the categories of the column, or, where it is text, all."""
    dtype = table["status"].dtype
    return (dtype if isinstance(dtype, pd.CategoricalDtype) else RESULT_DTYPES["status"]).categories


def count_statuses(table: Table, names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Counts how the trials of each setting ended.

    Args:
        table: A result table, or one in parts.
        names: The columns that make a setting.

    Returns:
        The settings, in the order they first appear; and ``[setting, status]`` int, in the order of the categories.

    Example:
        >>> count_statuses(result.table, [])[1]
        array([[2, 0, 1, 0, 0, 0, 0]])
    """
    head = head_of(table)
    statuses = statuses_of(head)
    width = len(statuses)

    def counted() -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
        for part in parts_of(table, list(dict.fromkeys([*names, "status"]))):
            settings, setting = group_trials(part, names)
            cells = setting * width + pd.Categorical(part["status"], statuses).codes
            yield settings, np.bincount(cells, minlength=len(settings) * width).reshape(len(settings), width)

    return add_up(counted(), head[names].iloc[:0])
