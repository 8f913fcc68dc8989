"""Bins: many values of a column gathered into few, evenly spaced, so that trials of a random design share settings."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import unknown


class Binned(NamedTuple):
    """The values of a column, gathered into bins where there are many.

    Attributes:
        values: ``[bin]``, its only value or its middle, in ascending order; text in the order it first appears.
        bin: ``[trial]`` int, each trial's bin; -1 where its value is missing or infinite.
    """

    values: np.ndarray
    bin: np.ndarray


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
    if not isinstance(name, str) or name not in table.columns:
        raise InputError(unknown("column", name, table.columns))
    if not is_numeric(table[name]):
        raise InputError(f"column {name!r} does not hold numbers, which alone can be gathered into bins")
    check_count("bins", bins)
    if table[name].nunique() <= bins:
        return table
    middles, bin_of = bin_column(table[name], bins)
    values = table[name].to_numpy(float, na_value=np.nan)
    return table.assign(**{name: np.where(bin_of < 0, values, middles[bin_of])})


def has_value(column: pd.Series) -> np.ndarray:
    """Tells which trials have a value that an axis can show, neither missing nor infinite: ``[trial]`` bool.

    Example:
        >>> has_value(pd.Series([0.1, None, np.inf])), has_value(pd.Series(["sgd", None]))
        (array([ True, False, False]), array([ True, False]))
    """
    if is_numeric(column):
        return np.isfinite(column.to_numpy(float, na_value=np.nan))
    return column.notna().to_numpy()


def bin_column(column: pd.Series, most: int) -> Binned:
    """Gives each value of a column a bin of its own, or, where there are more than `most` numbers, gathers them.

    Args:
        column: The trials' values. More than `most` numbers are gathered as `gather` does it, into `most` bins, some of
            which may hold no trial.
        most: The most bins; words have a bin each, however many they are.

    Example:
        >>> bin_column(pd.Series([30.0, 10.0, None, 30.0]), 9)
        Binned(values=array([10., 30.]), bin=array([ 1,  0, -1,  1]))
    """
    if not is_numeric(column):
        codes, words = pd.factorize(column)
        return Binned(np.asarray(words), codes)
    codes, numbers = pd.factorize(column.where(has_value(column)), sort=True)
    distinct = np.asarray(numbers)
    if len(distinct) <= most:
        return Binned(distinct, codes)
    logarithmic = is_logarithmic(distinct)
    scaled = np.log(distinct) if logarithmic else distinct.astype(float)
    edges = np.linspace(scaled[0], scaled[-1], most + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    # The upper end of the last bin belongs to it too; the code -1, of no value, is found at the end.
    bin_of = np.append(np.searchsorted(edges[1:-1], scaled, side="right"), -1)
    return Binned(np.exp(middles) if logarithmic else middles, bin_of[codes])
