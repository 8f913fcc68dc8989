"""Bins: many values of a column gathered into few, evenly spaced, so that trials of a random design share settings."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import unknown
from lrsweep.tables._parts import Table, distinct_values, head_of, with_column


def is_logarithmic(values: np.ndarray) -> bool:
    """Tells whether numbers are at least as evenly spaced in the logarithm as they are in themselves.

    That is so where all of them are positive, and where the widest gap between neighbours, as a share of the range, is
    no greater in the logarithm. Missing and infinite ones do not count; without any others it is so.

    Args:
        values: ``[...]`` numbers, in any order.

    Example:
        >>> is_logarithmic(np.array([0.001, 0.01, 0.1])), is_logarithmic(np.array([1, 2, 3]))
        (True, False)
    """
    values = np.unique(values[np.isfinite(values)].astype(float))
    if len(values) == 0 or values[0] <= 0:
        return len(values) == 0
    # The gap between two values is the whole range on either scale, but for rounding.
    return len(values) <= 2 or _widest_gap(np.log(values)) <= _widest_gap(values)


def _widest_gap(ascending: np.ndarray) -> float:
    return float(np.diff(ascending).max() / (ascending[-1] - ascending[0]))


def is_numeric(column: pd.Series) -> bool:
    """Tells whether a column holds numbers, rather than text, categories or booleans.

    Example:
        >>> is_numeric(pd.Series([0.1, None])), is_numeric(pd.Series([True])), is_numeric(pd.Series(["sgd"]))
        (True, False, False)
    """
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def gather(table: pd.DataFrame, name: str, bins: int = 64) -> pd.DataFrame:
    """Gathers many values of one column into few: each trial gets the middle of the bin that its value lies in.

    So the trials of a random design, each of which has a value of its own, come to share settings over which
    statistics can be taken, as in `summarize(gather(table, "learning_rate"))`.

    Args:
        table: A result table, or any other.
        name: A column of numbers.
        bins: The most values to be left, 1 or more. A column that has no more is left as it is. Otherwise the range
            from its least to its greatest is divided into so many bins of one width: in the logarithm, where the values
            are positive and no less evenly spaced so; otherwise in the values themselves.

    Returns:
        The table with the same rows and columns, of which this one is float64: the middle of the bin that the value
        lies in (on the scale in which bins have one width; a bin's lower end belongs to it). What is missing or
        infinite stays so.

    Raises:
        ValueError: There is no such column, it does not hold numbers, or `bins` is out of bounds.

    Example:
        >>> trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-4, 1, 1001))
        >>> lrsweep.gather(trials, "learning_rate", bins=2)["learning_rate"].value_counts(sort=False)
        learning_rate
        0.001    500
        0.100    501
        Name: count, dtype: int64
    """
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"the table must be a DataFrame, not a {type(table).__name__}")
    few: Any = gathered(table, name, bins)
    return few


def gathered(table: Table, name: str, bins: int) -> Table:
    """Gives what `gather` gives, of a table in parts too."""
    head = head_of(table)
    if not isinstance(name, str) or name not in head.columns:
        raise InputError(unknown("column", name, head.columns))
    if not is_numeric(head[name]):
        raise InputError(f"column {name!r} does not hold numbers, which alone can be gathered into bins")
    check_count("bins", bins)
    distinct = distinct_values(table, name)
    if distinct.nunique() <= bins:
        return table
    bin_of = Binning(distinct, bins)

    def middles(column: pd.Series) -> np.ndarray:
        places = bin_of(column)
        return np.where(places < 0, column.to_numpy(float, na_value=np.nan), bin_of.values[places])

    return with_column(table, name, middles)


def has_value(column: pd.Series) -> np.ndarray:
    """Tells which trials have a value that an axis can show, neither missing nor infinite: ``[trial]`` bool.

    Example:
        >>> has_value(pd.Series([0.1, None, np.inf])), has_value(pd.Series(["sgd", None]))
        (array([ True, False, False]), array([ True, False]))
    """
    if is_numeric(column):
        return np.isfinite(column.to_numpy(float, na_value=np.nan))
    return column.notna().to_numpy()


class Binning:
    """Bins for the values of a column: one for each, or, where there are more than `most` numbers, wider ones.

    Attributes:
        values: ``[bin]``, the only value of each, or its middle, in ascending order; text in the order it first
            appears.

    Example:
        >>> bin_of = Binning(pd.Series([30.0, 10.0, None]), 9)
        >>> bin_of.values, bin_of(pd.Series([30.0, 10.0, None, 30.0]))
        (array([10., 30.]), array([ 1,  0, -1,  1]))
    """

    def __init__(self, distinct: pd.Series, most: int) -> None:
        """Chooses the bins.

        Args:
            distinct: The different values, in the order they first appear.
            most: The most bins, into which more numbers are gathered as `gather` does it, some of which may then hold
                no trial; words have a bin each, however many they are.
        """
        self._numeric = is_numeric(distinct)
        known = distinct[has_value(distinct)]
        if not self._numeric:
            self._known = pd.Index(known)
            self.values, self._bin = known.to_numpy(object), np.arange(len(known))
            return
        self._known = pd.Index(known.sort_values())
        ascending = np.asarray(self._known)
        if len(ascending) <= most:
            self.values, self._bin = ascending, np.arange(len(ascending))
            return
        logarithmic = is_logarithmic(ascending)
        scaled = np.log(ascending) if logarithmic else ascending.astype(float)
        edges = np.linspace(scaled[0], scaled[-1], most + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        # The upper end of the last bin belongs to it too.
        self._bin = np.searchsorted(edges[1:-1], scaled, side="right")
        self.values = np.exp(middles) if logarithmic else middles

    def __call__(self, column: pd.Series) -> np.ndarray:
        """Gives the bin of each value, ``[trial]`` int; -1 where it is missing or infinite."""
        codes, values = pd.factorize(column)
        places = self._known.get_indexer(pd.Index(values))
        # The code -1, of a missing value, finds the last; so does the place -1, of an infinite one.
        return np.append(np.append(self._bin, -1)[places], -1)[codes]
