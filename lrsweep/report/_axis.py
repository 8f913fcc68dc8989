"""A column of the table as an axis of a chart, and the bins that trials are aggregated in along it."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.report._scales import Scale, scale_of
from lrsweep.report._wording import write_column
from lrsweep.statistics._bins import is_numeric
from lrsweep.tables._schema import LEARNING_RATE, ROUND, SEED
from lrsweep.tables._text import write

# Up to so many values have a bin each; more of them are gathered into so many bins of equal length.
MOST_VALUES, BINS = 150, 40


# Words along the vertical axis of a heatmap are at most so many.
_MOST_WORDS = 40


class ColumnAxis(NamedTuple):
    """A column of the table as an axis.

    Attributes:
        name: The column's name.
        positions: ``[row] float64``, where each row's value lies on the axis, NaN where it is missing.
        scale: The axis's scale.
        words: What is written at 0, 1, ..., where the column holds text or booleans; None where it holds numbers.
    """

    name: str
    positions: np.ndarray
    scale: Scale
    words: list[str] | None

    def place(self, value: Any) -> float:
        """Gives where a value lies on the axis.

        Args:
            value: One of those in the column.

        Example:
            >>> axis_of(result.table, "status").place("slow")
            1.0
        """
        if self.words is None:
            return float(self.scale.position(np.array([value], float))[0])
        return float(self.words.index(write(value)))


def axis_of(table: pd.DataFrame, name: str) -> ColumnAxis:
    """Makes an axis of a column.

    Args:
        table: Settings, or a result table.
        name: One of its columns.

    Example:
        >>> axis_of(result.table, "learning_rate").positions
        array([0.1  , 0.01 , 0.001])
    """
    if is_numeric(table[name]):
        values = table[name].to_numpy(float, na_value=np.nan)
        is_number = ~np.isnan(values)
        scale = scale_of(values[is_number], even=True)
        return ColumnAxis(name, np.where(is_number, scale.position(values), np.nan), scale, None)
    codes, words = pd.factorize(table[name])
    scale = Scale(False, -0.5, len(words) - 0.5, -0.5, len(words) - 0.5)
    return ColumnAxis(name, np.where(codes < 0, np.nan, codes), scale, [write(word) for word in words])


def choose_x(settings: pd.DataFrame) -> str | None:
    """Chooses the column to draw against: the learning rate, else a setting of several values, else the seed.

    Args:
        settings: The caller's columns, a row for each setting at least.

    Example:
        >>> choose_x(result.table[["learning_rate"]])
        'learning_rate'
    """
    own = [name for name in settings.columns if settings[name].notna().any()]
    if LEARNING_RATE in own and is_numeric(settings[LEARNING_RATE]):
        return LEARNING_RATE
    several = [name for name in own if name not in (SEED, ROUND) and settings[name].nunique() > 1]
    numbers = [name for name in several if is_numeric(settings[name])]
    return next(iter([*numbers, *several, *[name for name in own if name == SEED]]), None)


def choose_y(settings: pd.DataFrame, x: ColumnAxis) -> str | None:
    """Chooses the vertical axis of a heatmap: the other column, of numbers if there is one, that has most values.

    Args:
        settings: The caller's columns, a row for each setting at least.
        x: The horizontal axis.

    Returns:
        Its name; None where no other column has several values, or but words of which there are too many.

    Example:
        >>> choose_y(result.table[["learning_rate"]], axis_of(result.table, "learning_rate")) is None
        True
    """
    if x.name == SEED or (x.words is not None and len(x.words) > _MOST_WORDS):
        return None
    others = [name for name in settings.columns if name not in (SEED, ROUND, x.name)]
    # Only trials that have a value in both columns can be drawn.
    both = {name: settings.loc[settings[name].notna() & settings[x.name].notna(), [name, x.name]] for name in others}
    counts = {name: rows[name].nunique() for name, rows in both.items() if (rows.nunique() > 1).all()}
    numeric = {name: is_numeric(settings[name]) for name in counts}
    drawn = [name for name in counts if numeric[name] or counts[name] <= _MOST_WORDS]
    return max(drawn, key=lambda name: (numeric[name], counts[name]), default=None)


class Bins(NamedTuple):
    """The bins of an axis, and the one that each row falls into.

    Attributes:
        of_row: ``[row] int64``, the bin of each row of the axis, -1 where its value is missing.
        middles: ``[bin] float64``, where the middle of each, or its only value, lies on the axis.
        borders: ``[bin + 1] float64``, where each begins and ends on the axis.
        labels: ``[bin]``, its only value, or the range of its values, as text.
        are_ranges: Whether a bin holds a range of values, rather than one.
    """

    of_row: np.ndarray
    middles: np.ndarray
    borders: np.ndarray
    labels: list[str]
    are_ranges: bool


def bin_trials(axis: ColumnAxis, most: int = MOST_VALUES, bins: int = BINS) -> Bins:
    """Divides an axis into one bin per value, or, where there are many values, into bins of equal length.

    Args:
        axis: The axis.
        most: The most values to have a bin each.
        bins: How many bins there are for more values than that.

    Example:
        >>> bin_trials(axis_of(result.table, "learning_rate")).of_row
        array([2, 1, 0])
        >>> bin_trials(axis_of(result.table, "learning_rate"), most=2, bins=2).of_row
        array([1, 1, 0])
    """
    has_position = ~np.isnan(axis.positions)
    positions = axis.positions[has_position]
    of_row = np.full(len(has_position), -1)
    distinct, codes = np.unique(positions, return_inverse=True)
    if len(distinct) <= most or axis.words is not None:
        of_row[has_position] = codes
        labels = axis.words or write_column(pd.Series(axis.scale.values_at(distinct), name=axis.name))
        return Bins(of_row, distinct, axis.scale.borders(distinct), labels, are_ranges=False)
    low, high = distinct[0], distinct[-1]
    # Borders and middles in turn.
    ends: Any = np.geomspace(low, high, 2 * bins + 1) if axis.scale.log else np.linspace(low, high, 2 * bins + 1)
    borders = ends[::2]
    of_row[has_position] = np.clip(np.searchsorted(borders, positions, side="right") - 1, 0, bins - 1)
    labels = [f"{write(start)} to {write(end)}" for start, end in itertools.pairwise(axis.scale.values_at(borders))]
    return Bins(of_row, ends[1::2], borders, labels, are_ranges=True)


def values_in_bins(axis: ColumnAxis, bins: Bins, rows: np.ndarray) -> list[tuple[str, Any]]:
    """Gives the exact values of bins under the column's name, or where each of their ranges begins and ends.

    Args:
        axis: The axis.
        bins: Its bins.
        rows: ``[row] int64``, the bin of each row that is asked for.

    Example:
        >>> axis = axis_of(result.table, "learning_rate")
        >>> [(name, values.tolist()) for name, values in values_in_bins(axis, bin_trials(axis), np.array([0, 2]))]
        [('learning_rate', [0.001, 0.1])]
    """
    if bins.are_ranges:
        ends = axis.scale.values_at(bins.borders)
        return [(f"{axis.name}_from", ends[rows]), (f"{axis.name}_to", ends[rows + 1])]
    if axis.words is not None:
        return [(axis.name, [axis.words[at] for at in rows])]
    return [(axis.name, axis.scale.values_at(bins.middles)[rows])]
