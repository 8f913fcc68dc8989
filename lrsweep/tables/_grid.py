"""Grids: trials tables of every combination of some values, and values evenly spaced in the logarithm."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import psutil
from numpy.typing import NDArray

from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.inputs._errors import InputError

# The memory of a trial in bytes, its row of results and the engine's part included; and that of a value of an axis.
_TRIAL_BYTES = 200
_VALUE_BYTES = 40

_MOST_VALUES = 2**63 - 1


def grid(**axes: Any) -> pd.DataFrame:
    """Makes a trials table of every combination of the values of some columns; the last column varies fastest.

    Args:
        **axes: The values of each column: any iterable, or a single value.

    Returns:
        A trials table, one row per trial, with the columns in the order given.

    Raises:
        ValueError: There is no axis, one has no values, or there are more trials than the memory holds.

    Example:
        >>> grid(learning_rate=[0.1, 0.01], seed=range(2))
           learning_rate  seed
        0           0.10     0
        1           0.10     1
        2           0.01     0
        3           0.01     1
    """
    if not axes:
        raise InputError("a grid needs at least one column, such as learning_rate=[0.1, 0.01, 0.001]")
    values = {name: values_of(name, axis) for name, axis in axes.items()}
    _check_room(math.prod(len(axis) for axis in values.values()), "trials", _TRIAL_BYTES)
    table, before, after = {}, 1, math.prod(len(axis) for axis in values.values())
    for name, axis in values.items():
        after //= len(axis)
        # Each value repeats for every combination of the later columns, and all of them for each of the earlier ones'.
        places = np.broadcast_to(np.arange(len(axis))[:, None], (before, len(axis), after)).ravel()
        table[name] = axis.array.take(places)
        before *= len(axis)
    return pd.DataFrame(table, copy=False)


def log_grid(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Makes values evenly spaced in the logarithm, both ends included: an axis for a learning rate.

    They are rounded to 12 significant digits, so that whole decades are the numbers a person would write.

    Args:
        low: The first value, above 0.
        high: The last value, above 0.
        count: How many values, 1 or more; 1 only where `low` is `high`.

    Returns:
        ``[count] float64``.

    Raises:
        ValueError: An end is not a finite number above 0, or `count` does not reach both ends.

    Example:
        >>> log_grid(1e-3, 1e-1, 5).round(6).tolist()
        [0.001, 0.003162, 0.01, 0.031623, 0.1]
    """
    low, high = (check_number(name, end, "a number", lambda _: True) for name, end in (("low", low), ("high", high)))
    if not (0 < low < math.inf and 0 < high < math.inf):
        raise InputError(f"the ends {low:g} and {high:g} of a logarithmic axis must be finite numbers above 0")
    count = check_count("count", count, least=0, most=_MOST_VALUES)
    _check_room(count, "values", _VALUE_BYTES)
    if count < 1 or (count == 1 and low != high):
        raise InputError(f"{count} values do not reach from {low:g} to {high:g}: take 2 or more")
    spaced = round_to(np.geomspace(low, high, count), digits=12)
    spaced[0], spaced[-1] = low, high
    return spaced


def round_to(values: np.ndarray, digits: int) -> np.ndarray:
    """Rounds numbers to a number of significant digits, each to the double that its decimal text stands for.

    Args:
        values: ``[value] float64``, one or more, each above 0.
        digits: How many digits.

    Example:
        >>> round_to(np.array([0.12345, 678.9]), digits=3).tolist()
        [0.123, 679.0]
    """
    places = digits - 1 - np.floor(np.log10(values)).astype(int)
    if places.min() < 0 or places.max() > 22:
        return np.array([float(f"{value:.{digits}g}") for value in values])
    # Powers of ten up to the 22nd are exact: a whole number divided by one is the double nearest to the quotient.
    scale = np.array([float(f"1e{power}") for power in range(23)])[places]
    return np.round(values * scale) / scale


def _check_room(count: int, what: str, size: int) -> None:
    """Refuses more of something than there is memory for; `size` is that of one, in bytes."""
    most = psutil.virtual_memory().available // size
    if count > most:
        raise InputError(f"{count:,} {what} are more than the {most:,} that there is memory for: take fewer")


def values_of(name: str, axis: Any) -> pd.Series:
    """Gives the values of a column of a grid.

    Args:
        name: The column's name.
        axis: Its values: any iterable, or a single value.

    Raises:
        InputError: There are none.

    Example:
        >>> values_of("momentum", [0, None]).tolist()
        [0.0, nan]
    """
    if not isinstance(axis, Iterable) or isinstance(axis, str | bytes):
        axis = [axis]
    if hasattr(axis, "__array__") and not isinstance(axis, np.ndarray | pd.Series | pd.Index):
        axis = np.asarray(axis)  # a JAX array's elements are arrays themselves
    if isinstance(axis, np.ndarray) and axis.ndim == 0:
        axis = axis.reshape(1)
    is_plain = isinstance(axis, np.ndarray) and axis.ndim == 1 and axis.dtype in (np.int64, np.float64)
    if isinstance(axis, range):
        _check_room(max(0, -((axis.start - axis.stop) // axis.step)), "values", _VALUE_BYTES)
    sequence: Any = axis if is_plain or isinstance(axis, range) else list(axis)
    values = pd.Series(sequence)
    if len(values) == 0:
        raise InputError(f"column {name!r} of the grid has no values: it needs at least one")
    # A missing value is NaN, whichever way the caller wrote it.
    return values.where(values.notna(), np.nan).infer_objects() if values.dtype == object else values
