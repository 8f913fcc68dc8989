"""The column to predict: whether it holds numbers or classes, and its values."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, quote
from lrsweep.problems._columns import BOOLEANS, DATES, NUMBERS, OTHER, as_words, kinds_of

REGRESSION, CLASSIFICATION = "regression", "classification"
TASKS = (REGRESSION, CLASSIFICATION)

# Whole numbers are classes where there are so few of them, and so many rows of each; and more classes nobody learns.
_FEW, _ROWS_OF_EACH, _MOST_CLASSES = 10, 5, 1000


class Target(NamedTuple):
    """What is to be predicted.

    Attributes:
        task: `regression` or `classification`.
        values: ``[row]`` float; the target, or the number of the class; NaN where it is missing.
        classes: The classes' names, in the order of their numbers; empty in a regression.
        guessed: Whether numbers were taken for classes because there are few of them.
    """

    task: str
    values: np.ndarray
    classes: list[str]
    guessed: bool = False


def read_target(file: str, column: pd.Series, task: str | None) -> Target:
    """Decides what the target is: numbers for a regression; words, booleans or few whole numbers for classes.

    Args:
        file: What messages call the table.
        column: The target.
        task: `regression` or `classification`, or None to decide it by what the column holds.

    Raises:
        ValueError: It does not hold what the task needs, or holds nothing, or one value only.

    Example:
        >>> read_target("data.csv", pd.Series(["yes", "no", "yes"], name="ok"), None)
        Target(task='classification', values=array([1., 0., 1.]), classes=['no', 'yes'], guessed=False)
    """
    name, present = quote(str(column.name)), column.dropna()
    if not len(present):
        raise InputError(f"{file}: the target {name} holds nothing: name another")
    kind = kinds_of(column.to_frame(str(column.name)))[str(column.name)]
    is_numeric = pd.api.types.is_any_real_numeric_dtype(column.dtype)
    if len(present) > 1 and present.nunique() == 1:
        value = present.iloc[0] if is_numeric else quote(present.iloc[0])
        raise InputError(f"{file}: the target {name} is constant ({value}): there is nothing to predict, name another")
    if kind.name in (DATES, OTHER):
        raise InputError(f"{file}: the target {name} holds {kind.why}: it must hold numbers, words or booleans")
    if task == REGRESSION and not (is_numeric or kind.name == BOOLEANS):
        raise InputError(f"{file}: the target {name} is not numeric: {_first_word(column)}")
    if task != CLASSIFICATION and is_numeric:
        numbers = column.to_numpy(float, na_value=np.nan)
        if task == REGRESSION or not _are_classes(numbers):
            return Target(REGRESSION, numbers, [])
    if task == REGRESSION:
        return Target(REGRESSION, column.astype("boolean").to_numpy(float, na_value=np.nan), [])
    return _read_classes(file, column, guessed=is_numeric and task is None, is_named=kind.name != NUMBERS)


def _read_classes(file: str, column: pd.Series, *, guessed: bool, is_named: bool) -> Target:
    """Gives a column as classes, in the order of their names, or of their numbers."""
    values = as_words(column) if is_named else column
    codes, classes = pd.factorize(values, sort=True)
    rows = int((codes >= 0).sum())
    if len(classes) == rows or len(classes) > min(_MOST_CLASSES, max(2, rows // 2)):
        held = "words" if is_named else "numbers"
        cure = "name another" if is_named else "leave the task to be regression"
        raise InputError(
            f"{file}: the target {quote(str(column.name))} holds {len(classes):,} different {held} in "
            f"{plural(rows, 'row')}, too many to be classes: {cure}"
        )
    names = [str(each) if is_named else f"{float(each):g}" for each in classes]
    return Target(CLASSIFICATION, np.where(codes >= 0, codes, np.nan), names, guessed)


def _are_classes(numbers: np.ndarray) -> bool:
    """Tells whether numbers are whole, few, and each of them in many rows."""
    present = numbers[np.isfinite(numbers)]
    distinct = np.unique(present)
    is_whole = bool((distinct == np.floor(distinct)).all()) and len(present) == np.sum(~np.isnan(numbers))
    return is_whole and len(distinct) <= _FEW and len(present) >= _ROWS_OF_EACH * len(distinct)


def _first_word(column: pd.Series) -> str:
    """Says which is the first of a column's values that is no number."""
    wrong = pd.to_numeric(as_words(column), errors="coerce").isna() & column.notna()
    row = int(np.argmax(wrong.to_numpy()))
    return f"row {row + 1} holds {quote(str(column.iloc[row]))}"
