"""A table of trials that a caller gives as a CSV file, from any program."""

import os
import warnings
from collections import Counter

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import first_line, quote
from lrsweep.tables._csv import read_foreign
from lrsweep.tables._reading import check_file, read_bytes, read_rows


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Reads a CSV file whose first row names its columns.

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

    Example:
        >>> path = folder / "trials.csv"
        >>> _ = path.write_text("learning_rate,norm\n0.1,None\n0.2,batch\n")
        >>> read_csv(path)["norm"].tolist()
        ['None', 'batch']
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
