"""Trials whose rows are made by range, where a table of all of them would not fit into memory."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, quote
from lrsweep.tables._grid import values_of

# The values of a column: a range stays one, however long it is.
Axis = pd.Series | range


def lazy_grid(**axes: Any) -> "LazyTrials":
    """Makes the trials of `grid`, with no table of them: for a sweep into a store of more than memory holds.

    Args:
        **axes: The values of each column, as `grid` takes them. A range is held as such, however long it is.

    Returns:
        A `LazyTrials`.

    Raises:
        ValueError: There is no axis, one has no values, or a value is missing.

    Example:
        >>> import optax
        >>> trials = lazy_grid(learning_rate=[0.1, 0.01], seed=range(2))
        >>> store = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, store=folder / "lazy")
        >>> store.table[["learning_rate", "seed", "converged_at"]]
               learning_rate  seed  converged_at
        trial
        0               0.10     0            56
        1               0.10     1            51
        2               0.01     0           579
        3               0.01     1           524
    """
    if not axes:
        raise InputError("a grid needs at least one column, such as learning_rate=[0.1, 0.01, 0.001]")
    return LazyTrials(
        {name: axis if isinstance(axis, range) and axis else values_of(name, axis) for name, axis in axes.items()}
    )


class LazyTrials:
    """Every combination of the values of some columns, of which no table is held; see `lazy_grid`.

    `len` of it is the number of trials.

    Attributes:
        axes: The values of each column, by name. The last column varies fastest.

    Example:
        >>> trials = lazy_grid(learning_rate=[0.1, 0.01], seed=range(50_000_000))
        >>> trials
        LazyTrials(learning_rate: 2 values, seed: 50,000,000 values; 100,000,000 trials)
        >>> trials.rows(49_999_999, 50_000_001)
                  learning_rate      seed
        49999999           0.10  49999999
        50000000           0.01         0
    """

    def __init__(self, axes: Mapping[str, Axis]) -> None:
        """Takes the values of each column.

        Raises:
            InputError: A value is missing.
        """
        for name, axis in axes.items():
            if isinstance(axis, pd.Series) and axis.hasnans:
                raise InputError(f"column {quote(name)} of a lazy grid has a missing value: all of them must be there")
        self.axes = dict(axes)

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {plural(len(axis), 'value')}" for name, axis in self.axes.items())
        return f"LazyTrials({axes}; {plural(len(self), 'trial')})"

    @property
    def columns(self) -> pd.Index:
        """The names of the columns."""
        return pd.Index(list(self.axes))

    def rows(self, first: int, end: int) -> pd.DataFrame:
        """Makes a part of the table: the rows from `first` to the one before `end`, labelled by their positions."""
        places, columns = np.arange(first, end), {}
        for name, axis in reversed(self.axes.items()):
            places, here = np.divmod(places, len(axis))
            columns[name] = _take(axis, here)
        return pd.DataFrame({name: columns[name] for name in self.axes}, pd.RangeIndex(first, end), copy=False)

    def sample(self, static: Collection[str] = ()) -> pd.DataFrame:
        """Makes a table in which every value is found, of ranges the ends: what holds for it holds for all the trials.

        Args:
            static: Columns of which every combination is to be found, as those of words are, each as often.
        """
        crossed = [name for name, axis in self.axes.items() if name in static or not _holds_numbers(axis)]
        ends = {
            name: axis[:: max(1, len(axis) - 1)] if isinstance(axis, range) else axis
            for name, axis in self.axes.items()
        }
        combinations = LazyTrials({name: self.axes[name] for name in crossed})
        longest = max((len(axis) for name, axis in ends.items() if name not in crossed), default=1)
        # An empty product is one combination.
        places = np.arange(longest * len(combinations))
        table = combinations.rows(0, len(combinations)).iloc[places % len(combinations)]
        for name, axis in ends.items():
            if name not in crossed:
                table[name] = _take(axis, places // len(combinations) % len(axis))
        return table[list(self.axes)].reset_index(drop=True)


def _take(axis: Axis, places: np.ndarray) -> Any:
    return axis.start + axis.step * places if isinstance(axis, range) else axis.array.take(places)


def _holds_numbers(axis: Axis) -> bool:
    return isinstance(axis, range) or pd.api.types.is_any_real_numeric_dtype(axis.dtype)
