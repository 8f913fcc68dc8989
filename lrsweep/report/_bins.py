"""The column that the charts of a report are drawn against: the learning rate, where there is one."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.report._scales import Scale, scale_of
from lrsweep.report._wording import write_apart
from lrsweep.statistics._bins import is_numeric
from lrsweep.tables._schema import LEARNING_RATE, ROUND, SEED, settings_of
from lrsweep.tables._text import write

# Up to so many values stand each for itself; more are gathered into so many bins.
MOST_VALUES, BINS = 150, 40


class Across(NamedTuple):
    """A column as an axis.

    Attributes:
        name: The column's.
        places: ``[trial] float64``, where each trial lies, NaN where its value is missing.
        scale: The axis.
        words: What stands at 0, 1, ..., where the column holds text or booleans; None where it holds numbers.
    """

    name: str
    places: np.ndarray
    scale: Scale
    words: list[str] | None


def across_of(table: pd.DataFrame, name: str) -> Across:
    """A column as an axis.

    Args:
        table: A result table.
        name: One of its columns.

    Example:
        >>> across_of(result.table, "learning_rate").places
        array([0.1  , 0.01 , 0.001])
    """
    if is_numeric(table[name]):
        values = table[name].to_numpy(float, na_value=np.nan)
        there = ~np.isnan(values)
        scale = scale_of(values[there], even=True)
        return Across(name, np.where(there, scale.place(values), np.nan), scale, None)
    codes, words = pd.factorize(table[name])
    scale = Scale(False, -0.5, len(words) - 0.5, -0.5, len(words) - 0.5)
    return Across(name, np.where(codes < 0, np.nan, codes), scale, [write(word) for word in words])


def pick_across(table: pd.DataFrame) -> str | None:
    """The column to draw against: the learning rate, a setting of several values, a seed; None where there is none.

    Example:
        >>> pick_across(result.table)
        'learning_rate'
    """
    own = [name for name in settings_of(table) if table[name].notna().any()]
    if LEARNING_RATE in own and is_numeric(table[LEARNING_RATE]):
        return LEARNING_RATE
    several = [name for name in own if name not in (SEED, ROUND) and table[name].nunique() > 1]
    numbers = [name for name in several if is_numeric(table[name])]
    return next(iter([*numbers, *several, *[name for name in own if name == SEED]]), None)


def pick_beside(table: pd.DataFrame, across: Across) -> str | None:
    """The column that makes a map with the one drawn against: the numbers of most values; None where there is none.

    Example:
        >>> pick_beside(result.table, across_of(result.table, "learning_rate")) is None
        True
    """
    if across.words is not None or across.name == SEED:
        return None
    others = [name for name in settings_of(table) if name not in (SEED, ROUND, across.name) and is_numeric(table[name])]
    # Of the trials that have both.
    both = {name: table.loc[table[name].notna() & table[across.name].notna(), [name, across.name]] for name in others}
    counts = {name: rows[name].nunique() for name, rows in both.items() if (rows.nunique() > 1).all()}
    return max(counts, key=lambda name: counts[name], default=None)


class Cells(NamedTuple):
    """An axis cut into cells.

    Attributes:
        of_trial: ``[trial] int64``, each trial's cell, -1 where its value is missing.
        places: ``[cell] float64``, where each lies on the axis.
        borders: ``[cell + 1] float64``, where it begins and ends there.
        texts: ``[cell]``, its value, or from where to where its values go.
        binned: Whether a cell gathers several values.
    """

    of_trial: np.ndarray
    places: np.ndarray
    borders: np.ndarray
    texts: list[str]
    binned: bool


def cut(across: Across, most: int = MOST_VALUES, bins: int = BINS) -> Cells:
    """An axis cut into one cell per value, or, where there are many, into bins that are equally long on it.

    Args:
        across: The axis.
        most: How many values are not many.
        bins: How many bins.

    Example:
        >>> cut(across_of(result.table, "learning_rate")).of_trial
        array([2, 1, 0])
        >>> cut(across_of(result.table, "learning_rate"), most=2, bins=2).of_trial
        array([1, 1, 0])
    """
    there = ~np.isnan(across.places)
    places = across.places[there]
    of_trial = np.full(len(there), -1)
    values, place = np.unique(places, return_inverse=True)
    if len(values) <= most or across.words is not None:
        of_trial[there] = place
        texts = across.words or write_apart(pd.Series(across.scale.take_back(values), name=across.name))
        return Cells(of_trial, values, across.scale.borders(values), texts, binned=False)
    low, high = values[0], values[-1]
    ends: Any = np.geomspace(low, high, 2 * bins + 1) if across.scale.log else np.linspace(low, high, 2 * bins + 1)
    borders = ends[::2]
    of_trial[there] = np.clip(np.searchsorted(borders, places, side="right") - 1, 0, bins - 1)
    texts = [f"{write(start)} to {write(end)}" for start, end in itertools.pairwise(across.scale.take_back(borders))]
    return Cells(of_trial, ends[1::2], borders, texts, binned=True)
