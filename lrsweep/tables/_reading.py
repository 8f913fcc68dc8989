"""Files of tables, opened: CSV as its bytes and its header, Parquet as a table."""

import csv
import io
import os
from itertools import islice
from pathlib import Path

import pandas as pd

from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError, MissingFileError
from lrsweep.inputs._messages import first_line, quote

# The byte that text does not hold, and how far into a file to look for it.
_NO_TEXT, _LOOKED_AT = b"\0", 65536

# What else stands between fields, where a comma stands in numbers.
_OTHER_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def check_file(path: str | os.PathLike[str]) -> Path:
    """Refuses what no table can be read from.

    Raises:
        TypeError: It is no path.
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, or a device or a pipe, which may have no end.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> check_file(folder / "sweep.csv").name
        'sweep.csv'
    """
    path = as_path(path)
    told = quote(str(path))
    try:
        is_there, is_folder, is_file = path.exists(), path.is_dir(), path.is_file()
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{told} cannot be read: {error.strerror}") from error
    if not is_there:
        raise MissingFileError(f"there is no file {told}")
    if is_folder:
        raise InputError(f"{told} is a folder: name a file")
    if not is_file:
        raise InputError(f"{told} is no regular file: copy what it holds to one")
    return path


def read_bytes(path: Path) -> bytes:
    """Reads the bytes of a file of text.

    Raises:
        ValueError: It is not UTF-8 text.
    """
    told = quote(str(path))
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT)
        if _NO_TEXT in begin:
            raise InputError(f"{told} is not CSV: it holds bytes that are no text")
        content = begin + file.read()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{told} is not CSV: line {row} is not UTF-8 text: save it as UTF-8") from error
    return content


def read_rows(path: Path, content: bytes, count: int) -> list[list[str]]:
    """Reads the fields of the first rows of a CSV file as text: its header, and those that follow.

    Args:
        path: What messages call the file.
        content: What it holds.
        count: How many rows; there may be fewer of them.

    Raises:
        ValueError: It is not CSV, or it is separated by something else than commas.
    """
    told = quote(str(path))
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    try:
        rows = list(islice(csv.reader(lines, strict=True, skipinitialspace=True), count))
    except csv.Error as error:
        raise InputError(f"{told} is not CSV: {first_line(error)}") from error
    if not rows or not rows[0]:
        raise InputError(f"{told} is not CSV: it has no header")
    header = rows[0]
    if not "".join(header).replace("\t", "").isprintable():
        raise InputError(f"{told} is not CSV: its header holds control characters")
    for mark, called in _OTHER_MARKS.items():
        if all(mark in name for name in header):
            raise InputError(
                f"{told} is not separated by commas: its header is {quote(','.join(header))}, with {called} between "
                "the names: save it with commas between the fields and points in the numbers"
            )
    return rows


def read_parquet(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a table from a Parquet file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read as one.
    """
    path = check_file(path)
    path.open("rb").close()  # what the system refuses is told as such
    try:
        return pd.read_parquet(path)
    except Exception as error:  # whatever Arrow and pandas make of the file, it is the file's
        raise InputError(f"{quote(str(path))} cannot be read as Parquet: {first_line(error)}") from error
