"""A table in parts, of which one at a time is in memory: what statistics read where not all rows would fit."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeGuard, runtime_checkable

import pandas as pd


@runtime_checkable
class Parts(Protocol):
    """A result table in parts; `lrsweep.Store` is one.

    What decides the best is the same in all of its rows.
    """

    def head(self) -> pd.DataFrame:
        """Gives the table's first rows, one at least, in whose columns and dtypes all others agree."""
        ...

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Gives some of the columns, or all, part after part, in the order of the rows.

        Put together they are the table, its index included.
        """
        ...


Table = pd.DataFrame | Parts


def is_in_parts(table: Any) -> TypeGuard[Parts]:
    """Tells whether a table is one in parts.

    Example:
        >>> is_in_parts(result.table)
        False
    """
    return not isinstance(table, pd.DataFrame) and isinstance(table, Parts)


def head_of(table: Table) -> pd.DataFrame:
    """Gives a table whose columns are those of another: the first rows of one in parts, or the table itself."""
    return table.head() if is_in_parts(table) else table  # pyright: ignore[reportReturnType]


def parts_of(table: Table, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Gives some columns of a table, part after part; a DataFrame is one part.

    Example:
        >>> [len(part) for part in parts_of(result.table, ["status"])]
        [3]
    """
    if is_in_parts(table):
        yield from table.parts(columns)
    else:
        yield table[list(columns)]  # pyright: ignore[reportIndexIssue]


def is_empty(table: Table) -> bool:
    """Tells whether a table has no rows.

    Example:
        >>> is_empty(result.table)
        False
    """
    return not any(len(part) for part in parts_of(table, []))


def is_known(table: Table, name: str) -> bool:
    """Tells whether a column has a value in any row."""
    return any(part[name].notna().any() for part in parts_of(table, [name]))


def distinct_values(table: Table, name: str) -> pd.Series:
    """Gives the different values of a column, a missing one among them, in the order they first appear.

    Example:
        >>> distinct_values(result.table, "learning_rate").tolist()
        [0.1, 0.01, 0.001]
    """
    found = [part[name].drop_duplicates() for part in parts_of(table, [name])]
    return pd.concat(found, ignore_index=True).drop_duplicates(ignore_index=True)


def rows_where(table: Table, needed: Sequence[str], keep: Callable[[pd.DataFrame], Any]) -> Table:
    """Gives those rows of a table for which something holds.

    Args:
        table: The table.
        needed: The columns that `keep` looks at.
        keep: Takes rows, and tells which of them to keep: ``[row]`` bool.

    Example:
        >>> len(rows_where(result.table, ["learning_rate"], lambda rows: rows["learning_rate"] < 0.1))
        2
    """
    return table[keep(table)] if isinstance(table, pd.DataFrame) else _Filtered(table, needed, keep)


def with_column(table: Table, name: str, values: Callable[[pd.Series], Any], of: str | None = None) -> Table:
    """Gives a table with a column made of another, or with other values in one.

    Args:
        table: The table.
        name: The column to make, or to replace.
        values: Takes the column of some rows that it is made of, and gives its values.
        of: The name of that column; None for the same.

    Example:
        >>> with_column(result.table, "fast", lambda steps: steps < 100, "steps")["fast"].tolist()
        [True, False, False]
    """
    source = name if of is None else of
    return with_columns(table, [name], [source], lambda rows: {name: values(rows[source])})


def with_columns(
    table: Table, names: Sequence[str], needed: Sequence[str], make: Callable[[pd.DataFrame], dict[str, Any]]
) -> Table:
    """Gives a table with columns made of others.

    Args:
        table: The table.
        names: The columns to make, or to replace.
        needed: The columns that they are made of.
        make: Takes some rows, and gives these columns of them.
    """
    if isinstance(table, pd.DataFrame):
        return table.assign(**make(table))
    return _Changed(table, names, needed, make)


class _Filtered:
    """Some of the rows of a table in parts."""

    def __init__(self, source: Parts, needed: Sequence[str], keep: Callable[[pd.DataFrame], Any]) -> None:
        self._source, self._needed, self._keep = source, list(needed), keep

    def head(self) -> pd.DataFrame:
        return self._source.head()

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        for part in self._source.parts(None if columns is None else list(dict.fromkeys([*columns, *self._needed]))):
            kept = part[self._keep(part)]
            if len(kept):
                yield kept if columns is None else kept[list(columns)]


class _Changed:
    """A table in parts with columns made of others."""

    def __init__(
        self,
        source: Parts,
        names: Sequence[str],
        needed: Sequence[str],
        make: Callable[[pd.DataFrame], dict[str, Any]],
    ) -> None:
        self._source, self._names, self._needed, self._make = source, set(names), list(needed), make

    def head(self) -> pd.DataFrame:
        head = self._source.head()
        return head.assign(**self._make(head))

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        if columns is not None and not self._names & set(columns):
            yield from self._source.parts(columns)
            return
        kept = None if columns is None else [name for name in columns if name not in self._names]
        for part in self._source.parts(None if kept is None else list(dict.fromkeys([*kept, *self._needed]))):
            changed = part.assign(**self._make(part))
            yield changed if columns is None else changed[list(columns)]
