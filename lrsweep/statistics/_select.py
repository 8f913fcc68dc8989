"""Medians of more trials than fit into memory: their digits are found one after another, a pass over the table each."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.statistics import _settings
from lrsweep.statistics._settings import Settings, per_setting
from lrsweep.tables._parts import Table, parts_of

# A number of 64 bits has four digits of 16.
_BITS, _DIGITS = 16, 4

# Of so many groups the counts of all digits are in memory at once: 128 MB.
_GROUPS_AT_ONCE = 256


def group_medians(
    table: Table, names: list[str], needed: Sequence[str], values: Callable[[pd.DataFrame], Any]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Gives the median of numbers over the trials of each group, however many these are.

    Args:
        table: A result table, in parts or not.
        names: The columns that make a group.
        needed: The columns that `values` looks at.
        values: Takes trials, and gives a number of each, ``[trial]`` float. NaN does not count.

    Returns:
        The groups' columns, in the order they first appear, and ``[group]`` float, NaN where there is no number.

    Example:
        >>> group_medians(result.table, [], ["steps"], lambda trials: trials["steps"])[1]
        array([535.])
    """

    def median(trials: pd.DataFrame, group: np.ndarray) -> dict[str, Any]:
        numbers = pd.Series(np.asarray(values(trials), float))
        return {"median": numbers.groupby(group).median().to_numpy()}

    if not isinstance(table, pd.DataFrame):
        groups = Settings(table, names)
        if len(groups.rows) and groups.trials.max() > _settings.ROWS_AT_ONCE:
            return groups.rows, _select(table, groups, needed, values)
    rows, medians = per_setting(table, names, needed, median)
    return rows, np.asarray(medians["median"], float)


def _select(table: Table, groups: Settings, needed: Sequence[str], values: Callable[[pd.DataFrame], Any]) -> np.ndarray:
    """Gives the medians of some groups, ``[group]`` float."""
    count = len(groups.rows)
    medians = [
        _select_among(
            lambda first=first: _keys(table, groups, needed, values, first), min(_GROUPS_AT_ONCE, count - first)
        )
        for first in range(0, count, _GROUPS_AT_ONCE)
    ]
    return np.concatenate(medians)


def _keys(
    table: Table, groups: Settings, needed: Sequence[str], values: Callable[[pd.DataFrame], Any], first: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Gives each part's trials of some groups: their groups, the first being 0, and their numbers as whole ones."""
    for part in parts_of(table, list(dict.fromkeys([*groups.names, *needed]))):
        # Minus zero is zero.
        numbers, group = np.asarray(values(part), float) + 0.0, groups.number(part) - first
        here = ~np.isnan(numbers) & (group >= 0) & (group < _GROUPS_AT_ONCE)
        bits = numbers[here].view(np.uint64)
        sign = np.uint64(1 << 63)
        yield group[here], np.where(bits & sign, ~bits, bits | sign)


def _select_among(keys: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]], count: int) -> np.ndarray:
    """Gives the medians of `count` groups: the mean of the two numbers in the middle."""
    found, ranks, numbers = np.zeros((2, count), np.uint64), np.zeros((2, count), int), np.zeros(count, int)
    for digit in range(_DIGITS):
        counts = np.zeros((2, count, 1 << _BITS), np.int64)
        below = np.uint64(_BITS * (_DIGITS - 1 - digit))
        for group, key in keys():
            rest = key >> below
            for which in range(2):
                # Of the digits before this one those that were found.
                here = (rest >> np.uint64(_BITS)) == found[which, group] if digit else slice(None)
                cells = group[here] * (1 << _BITS) + (rest[here] & np.uint64((1 << _BITS) - 1)).astype(int)
                counts[which] += np.bincount(cells, minlength=counts[which].size).reshape(counts[which].shape)
        if digit == 0:
            numbers = counts[0].sum(-1)
            ranks = np.stack([(numbers - 1) // 2, numbers // 2])
        up_to = counts.cumsum(-1)
        at = (up_to > ranks[..., None]).argmax(-1)
        ranks = ranks - np.take_along_axis(up_to - counts, at[..., None], -1)[..., 0]
        found = (found << np.uint64(_BITS)) | at.astype(np.uint64)
    sign = np.uint64(1 << 63)
    middles = np.where(found & sign, found ^ sign, ~found).view(float)
    return np.where(numbers > 0, (middles[0] + middles[1]) / 2, np.nan)
