"""A CSV file, checked: as a table of columns, and as a linear regression."""

import csv
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from lrsweep.errors import InputError, MissingFileError
from lrsweep.messages import first_line, unknown
from lrsweep.objective import Objective
from lrsweep.problems import linear_regression


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a CSV file whose first row names its columns.

    Args:
        path: UTF-8 text, separated by commas.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not CSV, or it has two columns of one name.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"there is no file {str(path)!r}")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder: name a CSV file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip() for name in next(lines, [])]
            first = next(lines, header)
        if not "".join(header).isprintable():
            raise csv.Error("the header holds control characters")
        if len(first) > len(header):
            raise csv.Error(f"row 1 has {len(first)} fields, and the header {len(header)}")
        table = pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True, index_col=False)
    except (UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{str(path)!r} is not CSV: {first_line(error)}") from error
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise InputError(f"{str(path)!r} is not separated by commas: its header is {header[0]!r}")
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{str(path)!r} has two columns {name!r}: names must differ")
    return table.rename(columns=str.strip)


def regression_from_csv(path: str | os.PathLike[str], target: str, *, raw: bool = False) -> Objective:
    r"""Least squares on the numeric columns of a CSV file: the other columns are left out, with a warning.

    Args:
        path: The file; its first row names its columns.
        target: The column to predict from all the others.
        raw: Take the columns as they are. Otherwise each, the target too, is standardised: less its mean, over its
            standard deviation; the loss is then in variances of the target.

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
    table, told = read_csv(path), repr(str(path))
    if target not in table.columns:
        raise InputError(f"{told}: " + unknown("column", target, table.columns))
    numeric = [name for name in table.columns if pd.api.types.is_any_real_numeric_dtype(table[name].dtype)]
    if len(table) < 2:
        raise InputError(f"{told} has {len(table)} row{'s' * (len(table) != 1)}: a regression needs at least two")
    if target not in numeric:
        raise InputError(f"{told}: the target {target!r} is not numeric: {_first_text(table[target])}")
    features = [name for name in numeric if name != target]
    if not features:
        raise InputError(f"{told} has no numeric column beside the target {target!r}: a regression needs at least one")
    for name in numeric:
        bad = ~np.isfinite(table[name].to_numpy(float))
        if bad.any():
            row = int(np.argmax(bad))
            what = "no value" if pd.isna(table[name].iloc[row]) else "an infinite value"
            raise InputError(f"{told} has {what} in row {row + 1} of column {name!r}: fill it or take the row out")
        if table[name].nunique() == 1:
            raise InputError(f"{told}: column {name!r} is constant ({table[name].iloc[0]}): take it out")
    left_out = [name for name in table.columns if name not in numeric]
    if left_out:
        reasons = "; ".join(f"{name!r} ({_first_text(table[name])})" for name in left_out)
        warnings.warn(f"{told}: left out, not numeric: {reasons}", stacklevel=2)
    values = table[numeric].to_numpy(float)
    if not raw:
        values = (values - values.mean(axis=0)) / values.std(axis=0)
    columns = dict(zip(numeric, values.T, strict=True))
    return linear_regression(
        np.stack([columns[name] for name in features], axis=1), columns[target], name=Path(path).name
    )


def _first_text(column: pd.Series) -> str:
    wrong = pd.to_numeric(column, errors="coerce").isna() | (column.dtype == bool)
    row = int(np.argmax(wrong.to_numpy()))
    return f"row {row + 1} holds {str(column.iloc[row])!r}"
