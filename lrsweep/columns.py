"""What the columns of a trials table hold: numbers, text or booleans, checked value by value."""

from typing import Any

import jax
import numpy as np
import pandas as pd

from lrsweep.binding import SEED
from lrsweep.errors import InputError, InputTypeError


def check_trials(trials: Any) -> None:
    """Refuses what is not a table of one row per trial.

    Raises:
        TypeError: It is not a DataFrame, or a column's name is not text.
        ValueError: It has no rows, or repeats a column or an index label.

    Example:
        >>> check_trials(pd.DataFrame({"learning_rate": [0.1]}))
    """
    if not isinstance(trials, pd.DataFrame):
        raise InputTypeError(f"the trials must be a pandas DataFrame (see lrsweep.grid), not a {type(trials).__name__}")
    for name in trials.columns:
        if not isinstance(name, str):
            raise InputTypeError(
                f"column {name!r} of the trials is named by a {type(name).__name__}: names must be text"
            )
    if not trials.columns.is_unique:
        twice = trials.columns[trials.columns.duplicated()][0]
        raise InputError(f"the trials have two columns {twice!r}: names must differ")
    if trials.index.nlevels > 1 or not trials.index.is_unique:
        raise InputError("the trials' index must name each row once: use trials.reset_index(drop=True)")
    if len(trials) == 0:
        raise InputError("the trials table is empty: it needs at least one row")


def holds_words(column: pd.Series) -> bool:
    """Whether a column holds text or booleans, which no compiled program can take as an argument.

    Learning rates and seeds are numbers, and a column of which a part can be read as numbers is meant to be one.

    Example:
        >>> holds_words(pd.Series(["relu", "tanh"], name="activation")), holds_words(pd.Series([0.1, 1.0]))
        (True, False)
    """
    if pd.api.types.is_any_real_numeric_dtype(column.dtype) or column.name == SEED or _is_learning_rate(column.name):
        return False
    values = pd.Series(column.dropna().unique())
    if all(isinstance(value, bool | np.bool_) for value in values):
        return True
    is_text = all(isinstance(value, str) for value in values)
    return is_text and bool(pd.to_numeric(values, errors="coerce").isna().all())


def read_words(column: pd.Series) -> tuple[np.ndarray, list[str | bool]]:
    """The text or booleans of a column.

    Returns:
        ``[trial] int64``, the place of each row's among the second: each once, in the order they first appear.

    Raises:
        ValueError: One is missing.

    Example:
        >>> read_words(pd.Series(["relu", "tanh", "relu"], name="activation"))
        (array([0, 1, 0]), ['relu', 'tanh'])
    """
    codes, values = pd.factorize(column)
    missing = codes < 0
    if missing.any():
        row = int(np.argmax(missing))
        raise InputError(f"column {column.name!r} of the trials holds nothing at row {column.index[row]!r}")
    return codes, [value if isinstance(value, str) else bool(value) for value in values.tolist()]


def read_numbers(column: pd.Series) -> np.ndarray:
    """The numbers of a column: ``[trial]``, in the precision that is switched on.

    Returns:
        uint32 for `seed`; int32 where the column's dtype is whole and it is no learning rate; float32 otherwise, or
        float64 where JAX computes in 64-bit.

    Raises:
        TypeError: It holds something other than numbers.
        ValueError: It holds a value that is missing, infinite, a negative learning rate, a seed that is not a whole
            number from 0 to 2**32 - 1, or a whole number that does not fit 32 bits.

    Example:
        >>> read_numbers(pd.Series([3, 7], name="seed"))
        array([3, 7], dtype=uint32)
    """
    name = column.name
    if not pd.api.types.is_any_real_numeric_dtype(column.dtype):
        wrong = next((value for value in column if not _is_number(value)), column.iloc[0])
        raise InputTypeError(f"column {name!r} of the trials holds {wrong!r}: it must hold numbers")
    whole = pd.api.types.is_integer_dtype(column.dtype) and not _is_learning_rate(name)
    exact = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"
    numbers = column.to_numpy() if exact else column.to_numpy(dtype=float, na_value=np.nan)
    wanted = "a finite number"
    bad = ~np.isfinite(numbers)
    if name == SEED:
        wanted = "a whole number from 0 to 4294967295"
        bad |= (numbers < 0) | (numbers >= 2**32)
        if not exact:
            bad |= numbers != np.floor(numbers)
    elif whole:
        wanted = "a whole number that fits 32 bits"
        bad |= (numbers >= 2**31) | (numbers <= -(2**31))
    elif _is_learning_rate(name):
        wanted = "a finite number, 0 or more"
        bad |= numbers < 0
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"column {name!r} of the trials holds {column.iloc[row]} at row {column.index[row]!r}: it must be {wanted}"
        )
    if name == SEED:
        return numbers.astype(np.uint32)
    return numbers.astype(np.int32 if whole else jax.dtypes.canonicalize_dtype(float))


def _is_learning_rate(name: Any) -> bool:
    return str(name).endswith("learning_rate")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
