"""What the columns of a table hold: numbers, booleans, words; or what no model is fitted to, such as dates and ids."""

import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import plural, quote

# How a column that names its rows is called, and how dates and times are written.
_ID = re.compile(
    r"(^|[\W_])(id|idx|index|key|uuid|guid|rownames?|row|obs|observation|case)$|[a-z]I[dD]$", re.IGNORECASE
)
_CAMEL_ID = re.compile(r"[a-z]I[dD]$")
_DATE = re.compile(
    r"\d{1,4}[-/. ]\w{1,9}[-/. ,]+\d{1,4}\b.*|\d{4}-\d{2}|.*\d{1,2}:\d{2}.*|[A-Za-z]{3,9}[-. ]+\d{1,2}[, ]+\d{2,4}.*"
    r"|[A-Za-z]{3,9}[- ]\d{2,4}|\d{2,4}[- ][A-Za-z]{3,9}"
)

# Which share of a column's words must be dates, or numbers, for it to be a column of them with mistakes in it; and how
# many of them say whether they are dates.
_MOSTLY, _LOOKED_AT = 0.9, 200

WORDS, DATES, TEXT, CONSTANT, EMPTY, ID, OTHER = "words", "dates", "text", "constant", "empty", "id", "other"
NUMBERS, BOOLEANS = "numbers", "booleans"


class Kind(NamedTuple):
    """What a column holds, and in words why it is not used, or nothing where it is."""

    name: str
    why: str = ""


def kinds_of(table: pd.DataFrame) -> dict[str, Kind]:
    """Says what each column of a table holds.

    Example:
        >>> table = pd.DataFrame({"id": [4, 9, 2, 7], "x": [0.5, 1.0, 1.5, 9.0], "day": ["2024-01-02"] * 3 + [None]})
        >>> {name: kind.name for name, kind in kinds_of(table.assign(ok=[True, False, True, True])).items()}
        {'id': 'id', 'x': 'numbers', 'day': 'constant', 'ok': 'booleans'}
    """
    kinds: dict[str, Kind] = {}
    dtypes = list(table.dtypes)
    numeric = [place for place, dtype in enumerate(dtypes) if pd.api.types.is_any_real_numeric_dtype(dtype)]
    values = table.iloc[:, numeric].to_numpy(float, na_value=np.nan)
    if len(table):
        least, most = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    else:
        least = most = np.full(len(numeric), np.nan)
    at = {place: row for row, place in enumerate(numeric)}
    for place, name in enumerate(table.columns):
        if place in at:
            column = values[:, at[place]]
            kinds[name] = _kind_of_numbers(name, place, column, least[at[place]], most[at[place]])
        else:
            kinds[name] = _kind_of_others(name, table.iloc[:, place])
    return kinds


def as_words(column: pd.Series) -> pd.Series:
    """Gives a column's values as text, stripped, and None where they are missing.

    Example:
        >>> as_words(pd.Series([" a", 2, None])).tolist()
        ['a', '2', None]
    """
    pairs = zip(column, column.isna(), strict=True)
    return pd.Series([None if is_missing else str(value).strip() for value, is_missing in pairs], column.index, object)


def _kind_of_numbers(name: str, place: int, values: np.ndarray, least: float, most: float) -> Kind:
    """Says whether numbers are numbers, or all the same, or name the rows."""
    if np.isnan(most):
        return Kind(EMPTY, "it holds nothing")
    if least == most:
        return Kind(CONSTANT, f"constant, {least:g}")
    named, first = _is_id(name), np.arange(len(values))
    if (place == 0 or named) and len(values) > 2 and ((values == first).all() or (values == first + 1).all()):
        return Kind(ID, "it counts the rows")
    if named and (values == np.floor(values)).all() and len(np.unique(values)) == len(values) > 2:
        return Kind(ID, "it names the rows")
    return Kind(NUMBERS)


def _kind_of_others(name: str, column: pd.Series) -> Kind:
    """Says what a column holds that is not one of numbers."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.PeriodDtype):
        return Kind(DATES, "dates")
    if pd.api.types.is_timedelta64_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        return Kind(OTHER, f"{column.dtype} values")
    present = column.dropna()
    if not len(present):
        return Kind(EMPTY, "it holds nothing")
    first = present.iloc[0]
    if not isinstance(first, str | bool | int | float | np.generic):
        return Kind(OTHER, f"it holds a {type(first).__name__}")
    distinct = present.unique()
    if len(distinct) == 1:
        return Kind(CONSTANT, f"constant, {quote(first)}")
    if all(isinstance(value, bool | np.bool_) for value in distinct):
        return Kind(BOOLEANS)
    words = pd.Series([str(word).strip() for word in distinct])
    if _are_dates(words):
        return Kind(DATES, "dates")
    is_number = pd.to_numeric(words, errors="coerce").notna()
    if is_number.mean() >= _MOSTLY:
        word = words[int(np.argmin(is_number.to_numpy()))]
        row = int(np.argmax((as_words(column) == word).to_numpy())) + 1
        return Kind(TEXT, f"numbers but for {quote(word)} in row {row}")
    if len(distinct) == len(column) > 2 and _is_id(name):
        return Kind(ID, "it names the rows")
    if len(distinct) == len(present) or len(distinct) > max(2, len(present) / 2):
        return Kind(TEXT, f"{plural(len(distinct), 'different word')} in {plural(len(present), 'row')}")
    return Kind(WORDS)


def _is_id(name: str) -> bool:
    return bool(_ID.search(name) or _CAMEL_ID.search(name))


def _are_dates(words: pd.Series) -> bool:
    """Tells whether nearly all of some words are dates or times."""
    some = [str(word) for word in words.head(_LOOKED_AT)]
    if sum(1 for word in some if _DATE.fullmatch(word)) < _MOSTLY * len(some):
        return False
    read: Callable[..., pd.Series] = pd.to_datetime
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(read(pd.Series(some), errors="coerce", format="mixed", utc=True).notna().mean() >= _MOSTLY)
