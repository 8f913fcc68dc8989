"""Files of tables read: CSV as its bytes and first rows, Parquet as a table."""

import csv
import io
import os
from itertools import islice
from pathlib import Path

import pandas as pd

from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError, MissingFileError
from lrsweep.inputs._messages import first_line, quote

# A byte that no text contains, and how far into a file to look for it.
_NO_TEXT, _LOOKED_AT = b"\0", 65536

# What separates fields where numbers are written with a comma.
_OTHER_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def check_file(path: str | os.PathLike[str]) -> Path:
    """Refuses a path that no table can be read from.

    Returns:
        The path.

    Raises:
        TypeError: It is not a path.
        FileNotFoundError: There is no such file.
        ValueError: It is a folder; or a device or a pipe, which may have no end.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> check_file(folder / "sweep.csv").name
        'sweep.csv'
    """
    path = as_path(path)
    file = quote(str(path))
    try:
        is_there, is_folder, is_file = path.exists(), path.is_dir(), path.is_file()
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    if not is_there:
        raise MissingFileError(f"there is no file {file}")
    if is_folder:
        raise InputError(f"{file} is a folder: name a file")
    if not is_file:
        raise InputError(f"{file} is no regular file: copy what it holds to one")
    return path


def read_bytes(path: Path) -> bytes:
    """Reads the bytes of a CSV file.

    Raises:
        ValueError: The file is not UTF-8 text.
    """
    file = quote(str(path))
    with path.open("rb") as opened:
        begin = opened.read(_LOOKED_AT)
        if _NO_TEXT in begin:
            raise InputError(f"{file} is not CSV: it holds bytes that are no text")
        content = begin + opened.read()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file} is not CSV: line {row} is not UTF-8 text: save it as UTF-8") from error
    return content


def read_rows(path: Path, content: bytes, count: int) -> list[list[str]]:
    """Reads the fields of the first rows of a CSV file as text, beginning with its header.

    Args:
        path: The file's path, for messages.
        content: The file's content.
        count: How many rows to read, of which there may be fewer.

    Raises:
        ValueError: The content is not CSV, or its fields are not separated by commas.
    """
    file = quote(str(path))
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    try:
        rows = list(islice(csv.reader(lines, strict=True, skipinitialspace=True), count))
    except csv.Error as error:
        raise InputError(f"{file} is not CSV: {first_line(error)}") from error
    if not rows or not rows[0]:
        raise InputError(f"{file} is not CSV: it has no header")
    header = rows[0]
    if not "".join(header).replace("\t", "").isprintable():
        raise InputError(f"{file} is not CSV: its header holds control characters")
    for mark, called in _OTHER_MARKS.items():
        if all(mark in name for name in header):
            raise InputError(
                f"{file} is not separated by commas: its header is {quote(','.join(header))}, with {called} between "
                "the names: save it with commas between the fields and points in the numbers"
            )
    return rows


def read_parquet(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a table from a Parquet file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read as Parquet.
    """
    path = check_file(path)
    path.open("rb").close()  # so that an error of the system, such as a missing permission, is raised as it is
    try:
        return pd.read_parquet(path)
    except Exception as error:  # Arrow and pandas raise many kinds, all of which are the file's fault
        raise InputError(f"{quote(str(path))} cannot be read as Parquet: {first_line(error)}") from error
