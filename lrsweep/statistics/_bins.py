"""Many values of a column gathered into few, evenly spaced, so that trials of a random design have neighbours."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import unknown


class Places(NamedTuple):
    """Where the trials stand along an axis.

    Attributes:
        values: ``[place]``, in ascending order, or text in the order it first appears.
        place: ``[trial]`` int, each one's place among these; -1 where its value is missing or infinite.
    """

    values: np.ndarray
    place: np.ndarray


def is_logarithmic(values: np.ndarray) -> bool:
    """Whether numbers are at least as evenly spaced in the logarithm as they are themselves.

    That is so where all of them are positive, and the widest gap between neighbours is no greater a share of their
    range in the logarithm. Missing ones do not count, nor do infinite ones; of none it is so.

    Args:
        values: ``[...]`` numbers, in any order.

    Example:
        >>> is_logarithmic(np.array([0.001, 0.01, 0.1])), is_logarithmic(np.array([1, 2, 3]))
        (True, False)
    """
    values = np.unique(values[np.isfinite(values)].astype(float))
    if len(values) == 0 or values[0] <= 0:
        return len(values) == 0
    # Of two values both are the whole range, but for rounding.
    return len(values) <= 2 or _widest(np.log(values)) <= _widest(values)


def _widest(ascending: np.ndarray) -> float:
    return float(np.diff(ascending).max() / (ascending[-1] - ascending[0]))


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, rather than text, categories or booleans.

    Example:
        >>> is_numeric(pd.Series([0.1, None])), is_numeric(pd.Series([True])), is_numeric(pd.Series(["sgd"]))
        (True, False, False)
    """
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def gather(table: pd.DataFrame, name: str, bins: int = 64) -> pd.DataFrame:
    """The same trials, with many values of one column gathered into few: each trial gets the middle of its bin.

    By it the trials of a random design, of which each has a value of its own, become settings that statistics can be
    taken over, as in `summarize(gather(table, "learning_rate"))`.

    Args:
        table: A result table, or any other.
        name: A column of numbers.
        bins: The most values to be left, 1 or more. A column that has no more is left as it is. Otherwise the range
            from its least to its greatest is cut into so many bins of one width: in the logarithm, where the values
            are positive and no less evenly spaced so; otherwise in the values themselves.

    Returns:
        The table with the same rows and columns, of which this one is float64: the middle of the bin that the value
        lies in (on the scale in which bins have one width; a bin's lower end included). What is missing or infinite
        stays so.

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
    values, place = places(table[name], bins)
    return table.assign(**{name: np.where(place < 0, table[name].to_numpy(float, na_value=np.nan), values[place])})


def has_place(column: pd.Series) -> np.ndarray:
    """Which trials have a place along an axis, ``[trial]`` bool: neither missing nor infinite.

    Example:
        >>> has_place(pd.Series([0.1, None, np.inf])), has_place(pd.Series(["sgd", None]))
        (array([ True, False, False]), array([ True, False]))
    """
    if is_numeric(column):
        return np.isfinite(column.to_numpy(float, na_value=np.nan))
    return column.notna().to_numpy()


def places(column: pd.Series, most: int) -> Places:
    """Where each trial stands along an axis of at most so many places.

    Args:
        column: The trials' values. Numbers of which there are more than `most` are gathered as `gather` does it, and
            then every bin is a place, also one that no trial lies in.
        most: See there; what is not a number is not gathered.

    Example:
        >>> places(pd.Series([30.0, 10.0, None, 30.0]), 9)
        Places(values=array([10., 30.]), place=array([ 1,  0, -1,  1]))
    """
    if not is_numeric(column):
        place, names = pd.factorize(column)
        return Places(np.asarray(names), place)
    place, found = pd.factorize(column.where(has_place(column)), sort=True)
    distinct = np.asarray(found)
    if len(distinct) <= most:
        return Places(distinct, place)
    logarithmic = is_logarithmic(distinct)
    scaled = np.log(distinct) if logarithmic else distinct.astype(float)
    edges = np.linspace(scaled[0], scaled[-1], most + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    # The last bin has its upper end too.
    bin_of = np.append(np.searchsorted(edges[1:-1], scaled, side="right"), -1)
    return Places(np.exp(middles) if logarithmic else middles, bin_of[place])
