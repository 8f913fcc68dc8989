"""Which columns of a table a model is fitted to, and why the others are left out."""

from typing import Any, NamedTuple

import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import listed, quote, unknown
from lrsweep.problems._columns import BOOLEANS, CONSTANT, DATES, EMPTY, ID, NUMBERS, OTHER, Kind, kinds_of

# What is left out even where it is named: there is nothing to learn from it, or no way to.
_NEVER = (CONSTANT, EMPTY, DATES, OTHER)


class Used(NamedTuple):
    """The columns to fit to, by what they hold.

    Attributes:
        numbers: Those of numbers and booleans.
        words: Those of words.
        left_out: Those that are left out without having been named, and why.
        dropped: Those that the caller leaves out.
    """

    numbers: list[str]
    words: list[str]
    left_out: dict[str, str]
    dropped: list[str]

    @property
    def names(self) -> list[str]:
        """All of the columns to fit to."""
        return [*self.numbers, *self.words]


def choose_columns(file: str, table: pd.DataFrame, target: str, drop: list[str], only: list[str] | None) -> Used:
    """Chooses the columns to fit to.

    Args:
        file: What messages call the table.
        table: The table.
        target: The column to predict.
        drop: Columns to leave out.
        only: The columns to use, or None for all of those that a model can be fitted to.

    Raises:
        ValueError: There is no such column, or none is left.

    Example:
        >>> table = pd.DataFrame({"id": [3, 1, 7], "x": [0.5, 1.0, 9.0], "y": [1, 2, 3]})
        >>> choose_columns("data.csv", table, "y", [], None)
        Used(numbers=['x'], words=[], left_out={'id': 'it names the rows'}, dropped=[])
    """
    if len(table.columns) == 1:
        raise InputError(
            f"{file} has one column, {quote(target)}: there is nothing to predict it from (what separates fields is "
            "commas, semicolons, tabs, bars, or spaces)"
        )
    for option, names in (("drop", drop), ("only", only or [])):
        for name in names:
            if name not in table.columns:
                raise InputError(f"{file}: {option}: " + unknown("column", name, table.columns))
            if name == target:
                raise InputError(f"{file}: {option} names {quote(name)}, which is the target: name others")
    gone = set(drop)
    asked = [name for name in table.columns if name != target and name not in gone]
    if only is not None:
        wanted = set(only)
        asked = [name for name in asked if name in wanted]
    kinds, dtypes = kinds_of(table[asked]), dict(zip(table.columns, table.dtypes, strict=True))
    left_out = {name: kind.why for name, kind in kinds.items() if kind.why}
    if only is not None:
        left_out = {name: why for name, why in left_out.items() if kinds[name].name in _NEVER}
        _refuse_unusable(file, left_out)
    elif len(left_out) == len(asked):
        # A table of one column that counts its rows is one of a line, not of ids.
        left_out = {name: why for name, why in left_out.items() if not _is_numeric_id(kinds[name], dtypes[name])}
    taken = [name for name in asked if name not in left_out]
    if not taken:
        reasons = listed([f"{quote(name)}: {why}" for name, why in left_out.items()])
        why = f" that a model can be fitted to ({reasons})" if reasons else ""
        raise InputError(f"{file} has no column beside the target {quote(target)}{why}: at least one is needed")
    words = [name for name in taken if not _is_numeric(kinds[name], dtypes[name])]
    spoken = set(words)
    return Used([name for name in taken if name not in spoken], words, left_out, drop)


def without_constant(file: str, used: Used, table: pd.DataFrame) -> Used:
    """Leaves out the columns that have become constant, since rows with missing values were left out.

    Args:
        file: What messages call the table.
        used: The columns that were chosen when all rows were there.
        table: The rows that are left.

    Raises:
        ValueError: No column is left.

    Example:
        >>> used = Used(["x"], ["country"], {}, [])
        >>> without_constant("data.csv", used, pd.DataFrame({"x": [1, 2], "country": ["NL", "NL"]}))
        Used(numbers=['x'], words=[], left_out={'country': 'constant in the rows that are left'}, dropped=[])
    """
    constant = [name for name in used.names if table[name].nunique(dropna=False) == 1]
    if len(constant) == len(used.names):
        raise InputError(f"{file}: every column but the target is constant in the rows that are left: keep more rows")
    return used._replace(
        numbers=[name for name in used.numbers if name not in constant],
        words=[name for name in used.words if name not in constant],
        left_out=used.left_out | dict.fromkeys(constant, "constant in the rows that are left"),
    )


def _refuse_unusable(file: str, left_out: dict[str, str]) -> None:
    """Refuses a column that is asked for, and cannot be used."""
    for name, why in left_out.items():
        raise InputError(
            f"{file}: only names {quote(name)}, which no model here is fitted to ({why}): make numbers or words of it, "
            "or name others"
        )


def _is_numeric(kind: Kind, dtype: Any) -> bool:
    return kind.name in (NUMBERS, BOOLEANS) or _is_numeric_id(kind, dtype)


def _is_numeric_id(kind: Kind, dtype: Any) -> bool:
    return kind.name == ID and pd.api.types.is_any_real_numeric_dtype(dtype)
