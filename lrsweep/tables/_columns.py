"""The columns of a trials table: numbers, text or booleans, checked value by value."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import HOW_TO_WIDEN, quote
from lrsweep.tables._schema import SEED, is_learning_rate


def check_trials(trials: Any) -> pd.DataFrame:
    """Refuses what is not a table of one row per trial.

    Returns:
        The table. Numbers that were objects, categories or 16-bit floats are now int64, float64 or float32, which
        pandas computes with; the values are the same.

    Raises:
        TypeError: The trials are not a DataFrame, a column's name is not text, or a column holds lists or the like.
        ValueError: There are no rows, or a column's name or an index label is repeated.

    Example:
        >>> check_trials(pd.DataFrame({"learning_rate": [0.1, 1]}, dtype=object)).dtypes.tolist()
        [dtype('float64')]
    """
    if not isinstance(trials, pd.DataFrame):
        raise InputTypeError(f"the trials must be a pandas DataFrame (see lrsweep.grid), not a {type(trials).__name__}")
    for name in trials.columns:
        if not isinstance(name, str):
            raise InputTypeError(
                f"column {quote(name)} of the trials is named by a {type(name).__name__}: names must be text"
            )
    if not trials.columns.is_unique:
        twice = trials.columns[trials.columns.duplicated()][0]
        raise InputError(f"the trials have two columns {quote(twice)}: names must differ")
    if trials.index.nlevels > 1 or not trials.index.is_unique:
        raise InputError("the trials' index must name each row once: use trials.reset_index(drop=True)")
    if len(trials) == 0:
        raise InputError("the trials table is empty: it needs at least one row")
    plain = {name: as_plain_numbers(trials[name]) for name in trials.columns}
    if all(plain[name] is None for name in plain):
        return trials
    columns = {name: trials[name] if column is None else column for name, column in plain.items()}
    return pd.DataFrame(columns, index=trials.index)


def as_plain_numbers(column: pd.Series) -> pd.Series | None:
    """Gives a column of numbers in a dtype that pandas computes with; None where it has one, or holds no numbers.

    Raises:
        TypeError: The column holds lists or the like.

    Example:
        >>> as_plain_numbers(pd.Series([0.5, 10**30], dtype=object)).dtype
        dtype('float64')
    """
    if column.dtype == np.float16:
        return column.astype(np.float32)
    if isinstance(column.dtype, pd.CategoricalDtype):
        dtype = column.dtype.categories.dtype
        is_number = pd.api.types.is_any_real_numeric_dtype(dtype)
        return column.astype(float if column.hasnans else dtype) if is_number else None
    if column.dtype != object:
        return None
    values = [value.item() if getattr(value, "ndim", None) == 0 else value for value in column]
    for row, value in zip(column.index, values, strict=True):
        if not pd.api.types.is_hashable(value):
            raise InputTypeError(
                f"column {quote(column.name)} of the trials holds {quote(value)} at row {quote(row)}: "
                "it must hold numbers, text or booleans"
            )
    present = [value for value in values if not pd.isna(value)]
    if not present or not all(_is_number(value) for value in present):
        return None
    is_whole = all(isinstance(value, int) and abs(value) < 2**63 for value in values)
    return pd.Series([int(value) if is_whole else _as_float(value) for value in values], column.index)


def _as_float(value: Any) -> float:
    if pd.isna(value):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def holds_words(column: pd.Series) -> bool:
    """Tells whether a column holds text or booleans, which no compiled program can take as an argument.

    A column called `seed` or a learning rate, and one of which some text can be read as a number, is meant to hold
    numbers.

    Example:
        >>> holds_words(pd.Series(["relu", "tanh"], name="activation")), holds_words(pd.Series([0.1, 1.0]))
        (True, False)
    """
    if pd.api.types.is_any_real_numeric_dtype(column.dtype) or column.name == SEED or is_learning_rate(column.name):
        return False
    values = pd.Series(column.dropna().unique())
    if all(isinstance(value, bool | np.bool_) for value in values):
        return True
    is_text = all(isinstance(value, str) for value in values)
    return is_text and bool(pd.to_numeric(values, errors="coerce").isna().all())


def read_words(column: pd.Series) -> tuple[np.ndarray, list[str | bool]]:
    """Reads the text or booleans of a column.

    Returns:
        ``[trial] int64``, the index of each row's value in the list that comes second: the distinct values, in the
        order in which they first appear.

    Raises:
        ValueError: A value is missing.

    Example:
        >>> read_words(pd.Series(["relu", "tanh", "relu"], name="activation"))
        (array([0, 1, 0]), ['relu', 'tanh'])
    """
    codes, values = pd.factorize(column)
    missing = codes < 0
    if missing.any():
        row = int(np.argmax(missing))
        raise InputError(
            f"column {quote(column.name)} of the trials holds nothing at row {quote(column.index[row])}: fill it"
        )
    return codes, [value if isinstance(value, str) else bool(value) for value in values.tolist()]


def read_numbers(column: pd.Series, floating: Any) -> np.ndarray:
    """Reads the numbers of a column in the dtype that a trial computes with.

    Args:
        column: The column.
        floating: The dtype of floating-point numbers: float32, or float64 where JAX computes in 64-bit.

    Returns:
        ``[trial]``: uint32 for `seed`; int32 where the column's dtype is an integer one, unless it is a learning rate;
        otherwise `floating`.

    Raises:
        TypeError: The column holds something other than numbers.
        ValueError: A value is missing or infinite; a learning rate is negative; a seed is not a whole number from 0 to
            2**32 - 1; a whole number does not fit 32 bits; or a number would be 0 or infinite in the precision of
            `floating`.

    Example:
        >>> read_numbers(pd.Series([3, 7], name="seed"), np.float32)
        array([3, 7], dtype=uint32)
    """
    name = column.name
    if not pd.api.types.is_any_real_numeric_dtype(column.dtype):
        # The culprit is the first value that is no number; where all are numbers written as text, the first of them.
        wrong = (not (_is_number(value) or _reads_as_number(value)) for value in column)
        row = next((row for row, is_wrong in enumerate(wrong) if is_wrong), 0)
        raise InputTypeError(
            f"column {quote(name)} of the trials holds {quote(column.iloc[row])} at row {quote(column.index[row])}: "
            "it must hold numbers"
        )
    is_whole = pd.api.types.is_integer_dtype(column.dtype) and not is_learning_rate(name)
    exact = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"
    numbers = column.to_numpy() if exact else column.to_numpy(dtype=float, na_value=np.nan)
    wanted = "a finite number"
    bad = ~np.isfinite(numbers)
    if name == SEED:
        wanted = "a whole number from 0 to 4294967295"
        bad |= (numbers < 0) | (numbers >= 2**32)
        if not exact:
            bad |= numbers != np.floor(numbers)
    elif is_whole:
        wanted = "a whole number that fits 32 bits"
        bad |= (numbers >= 2**31) | (numbers <= -(2**31))
    elif is_learning_rate(name):
        wanted = "a finite number, 0 or more"
        bad |= numbers < 0
    if name != SEED and not is_whole and not bad.any():
        bounds = np.finfo(floating)
        bad = (abs(numbers) > float(bounds.max)) | ((numbers != 0) & (abs(numbers) < float(bounds.tiny)))
        wanted = f"0, or in size from {float(bounds.tiny):.3g} to {float(bounds.max):.3g}"
        if floating == np.float32:
            wanted += f", or {HOW_TO_WIDEN}"
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"column {quote(name)} of the trials holds {column.iloc[row]} at row {quote(column.index[row])}: "
            f"it must be {wanted}"
        )
    if name == SEED:
        return numbers.astype(np.uint32)
    return numbers.astype(np.int32 if is_whole else floating)


def _reads_as_number(value: Any) -> bool:
    return isinstance(value, str) and not np.isnan(pd.to_numeric(value, errors="coerce"))


def _is_number(value: Any) -> bool:
    numbers = int, float, np.integer, np.floating, Decimal, Fraction
    return isinstance(value, numbers) and not isinstance(value, bool | np.bool_)
