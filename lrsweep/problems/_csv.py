"""A caller's CSV file: as a table, and as a linear regression."""

import os
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import first_line, plural, quote, unknown
from lrsweep.problems._objective import Objective
from lrsweep.problems._ready_made import linear_regression
from lrsweep.tables._csv import read_foreign
from lrsweep.tables._reading import check_file, read_bytes, read_rows

_COMMA = re.compile(r"[+-]?\d+(,\d+)+(\.\d+)?([eE][+-]?\d+)?")

# A warning gives no more reasons than this.
_MOST_REASONS = 10


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a CSV file whose first row names its columns.

    In a column of words, words such as `None` and `NA` are words. A column without a name that holds nothing, such as
    the one behind a comma at the end of every row, is left out.

    Args:
        path: UTF-8 text, separated by commas.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not CSV, it has two columns of one name, or a column without a name.

    Warns:
        UserWarning: The first column, which has no name and counts the rows, is left out: it is how pandas writes an
            index.
    """
    path = check_file(path)
    content, file = read_bytes(path), quote(str(path))
    header, *rows = read_rows(path, content, 2)
    names = [name.strip() for name in header]
    for name, count in Counter(names).items():
        if count > 1 and name:
            raise InputError(f"{file} has two columns {quote(name)}: names must differ")
    if rows and len(rows[0]) > len(names):
        raise InputError(f"{file} is not CSV: row 1 has {len(rows[0])} fields, and the header {len(names)}")
    try:
        table = read_foreign(content, names)
    except pd.errors.ParserError as error:
        raise InputError(f"{file} is not CSV: {first_line(error)}") from error
    named = [place for place, name in enumerate(names) if name]
    for place in set(range(len(names))) - set(named):
        column = table.iloc[:, place]
        if place == 0 and len(table) and _counts_rows(column):
            warnings.warn(f"{file}: left out: the first column, which has no name and counts the rows", stacklevel=3)
        elif not column.isna().all():
            raise InputError(f"{file}: column {place + 1} has no name: give it one, or take it out")
    return table.iloc[:, named] if len(named) < len(names) else table


def _counts_rows(column: pd.Series) -> bool:
    rows = np.arange(len(column))
    return column.dtype == np.int64 and bool((column == rows).all() or (column == rows + 1).all())


def regression_from_csv(path: str | os.PathLike[str], target: str, *, raw: bool = False) -> Objective:
    r"""Makes a least-squares problem of the numeric columns of a CSV file; other columns are left out, with a warning.

    Args:
        path: The file; its first row names its columns.
        target: The column to predict from all the others.
        raw: Whether to take the columns as they are. Otherwise each column, the target too, is standardised: its mean
            is subtracted and it is divided by its standard deviation. The loss is then in variances of the target.

    Returns:
        A `problems.linear_regression`, called by the file's name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not CSV; there is no such target, no other numeric column, fewer than two rows, a missing
            or infinite value (the message names row and column; the first row below the header is row 1), or a
            constant column.

    Warns:
        UserWarning: Columns that are not numeric are left out; the message names them.

    Example:
        >>> path = folder / "points.csv"
        >>> _ = path.write_text("x,y\n0,-1\n1,1\n3,5\n")
        >>> regression_from_csv(path, "y", raw=True).minimum < 1e-20
        True
    """
    table, file = read_csv(path), quote(os.fspath(path))
    if not isinstance(target, str) or target not in table.columns:
        raise InputError(f"{file}: " + unknown("column", target, table.columns))
    numeric = [str(name) for name, dtype in table.dtypes.items() if pd.api.types.is_any_real_numeric_dtype(dtype)]
    if len(table) < 2:
        raise InputError(f"{file} has {plural(len(table), 'row')}: a regression needs at least two")
    if target not in numeric:
        raise InputError(f"{file}: the target {quote(target)} is not numeric: {_first_text(table[target])}")
    features = [name for name in numeric if name != target]
    if not features:
        raise InputError(
            f"{file} has no numeric column beside the target {quote(target)}: a regression needs at least one"
        )
    values = table[numeric].to_numpy(float)
    _check_values(file, table[numeric], values)
    taken = set(numeric)
    left_out = [name for name in table.columns if name not in taken]
    if left_out:
        reasons = "; ".join(f"{quote(name)} ({_first_text(table[name])})" for name in left_out[:_MOST_REASONS])
        more = f"; and {len(left_out) - _MOST_REASONS} more" if len(left_out) > _MOST_REASONS else ""
        warnings.warn(f"{file}: left out, not numeric: {reasons}{more}", stacklevel=2)
    if raw:
        _check_squares(file, values, numeric)
    else:
        values = _standardise(values)
    columns = dict(zip(numeric, values.T, strict=True))
    return linear_regression(
        np.stack([columns[name] for name in features], axis=1), columns[target], name=Path(path).name
    )


def _check_values(file: str, table: pd.DataFrame, values: np.ndarray) -> None:
    """Refuses the first column that is constant, or holds a missing or an infinite value."""
    bad, constant = ~np.isfinite(values), (values == values[0]).all(axis=0)
    for place in np.flatnonzero(bad.any(axis=0) | constant)[:1]:
        name, column = table.columns[place], table.iloc[:, place]
        if not bad[:, place].any():
            raise InputError(f"{file}: column {quote(name)} is constant ({column.iloc[0]}): take it out")
        row = int(np.argmax(bad[:, place]))
        what = "no value" if pd.isna(column.iloc[row]) else "an infinite value"
        raise InputError(f"{file} has {what} in row {row + 1} of column {quote(name)}: fill it or take the row out")


def _standardise(values: np.ndarray) -> np.ndarray:
    """Subtracts from columns ``[row, column]`` their means, and divides them by their standard deviations."""
    # Scaled by powers of two first, which rounds nothing: otherwise squares could overflow or underflow.
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])
    values = values - values.mean(axis=0)
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])
    return values / values.std(axis=0)


def _check_squares(file: str, values: np.ndarray, names: list[str]) -> None:
    most = np.sqrt(np.finfo(float).max / len(values)) / 2
    for name, size in zip(names, np.abs(values).max(axis=0), strict=True):
        if size > most:
            raise InputError(
                f"{file}: column {quote(name)} holds {size:g}, whose square is beyond floating point: leave out raw"
            )


def _first_text(column: pd.Series) -> str:
    """Says why a column is not numeric, by the first of its values that is no number."""
    wrong = (pd.to_numeric(column, errors="coerce").isna() & column.notna()) | (column.dtype == bool)
    if not wrong.any():
        return "it holds nothing"
    row = int(np.argmax(wrong.to_numpy()))
    text = str(column.iloc[row])
    why = ", a number with a comma in it: write a point, or nothing" if _COMMA.fullmatch(text.strip()) else ""
    return f"row {row + 1} holds {quote(text)}{why}"
