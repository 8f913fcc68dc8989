"""Files of data as people have them, read as tables: of any delimiter, encoding or compression, and Parquet."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import os
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import first_line, listed, plural, quote
from lrsweep.problems._written_numbers import read_written_numbers
from lrsweep.tables._reading import check_file

STANDARD_INPUT = "-"

# How many characters and rows of a file say how its fields are separated.
_LOOKED_AT, _MOST_ROWS = 65536, 50

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SPACES = r"\s+"

# How compressed files and others that are no text begin.
_GZIP, _BZIP2, _XZ, _ZIP, _PARQUET = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04", b"PAR1"

# The marks that texts in Unicode begin with; that of UTF-32 begins with that of UTF-16, and comes first.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Opened(NamedTuple):
    """A table of data, and how it was read.

    Attributes:
        table: What the file holds; its columns' names are text, and differ.
        name: What the objective is called by.
        file: What messages call it, in quotes.
        dialect: How the file is written, where that is not as UTF-8 separated by commas: `format`, `compression`,
            `encoding`, `delimiter`, and under `numbers` how numbers are written.
        row_names: Whether the first column had no name.
    """

    table: pd.DataFrame
    name: str
    file: str
    dialect: dict[str, Any]
    row_names: bool = False


def open_table(source: pd.DataFrame | str | os.PathLike[str]) -> Opened:
    r"""Gives a table of data, read from a file unless it is one.

    Args:
        source: A DataFrame; the path of a file of CSV, compressed or not, or of Parquet; or `-` for standard input.

    Raises:
        TypeError: It is none of them.
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read as a table whose first row names its columns.

    Example:
        >>> path = folder / "comma.csv"
        >>> _ = path.write_text("x;y\n0,5;1\n1,5;3\n", encoding="utf-16")
        >>> opened = open_table(path)
        >>> opened.table["x"].tolist(), opened.dialect
        ([0.5, 1.5], {'encoding': 'utf-16', 'delimiter': 'semicolons', 'numbers': 'with decimal commas'})
    """
    if isinstance(source, pd.DataFrame):
        return Opened(_check_names(source.rename(columns=str), "the table"), "table", "the table", {})
    if isinstance(source, str) and source == STANDARD_INPUT:
        name = "standard input"
        return _read(sys.stdin.buffer.read(), name)._replace(name=name)
    path = check_file(source)
    return _read(path.read_bytes(), quote(str(path)))._replace(name=path.name)


def _read(content: bytes, file: str) -> Opened:
    """Reads the bytes of a file, which messages call `file`."""
    content, compression = _decompress(content, file)
    dialect: dict[str, Any] = {} if compression is None else {"compression": compression}
    if content.startswith(_PARQUET):
        try:
            table = pd.read_parquet(io.BytesIO(content))
        except Exception as error:  # Arrow and pandas raise many kinds, all of which are the file's fault
            raise InputError(f"{file} cannot be read as Parquet: {first_line(error)}") from error
        table = table.reset_index() if table.index.name is not None else table
        return Opened(_check_names(table.rename(columns=str), file), "", file, dialect | {"format": "Parquet"})
    text, encoding = _decode(content, file)
    if encoding != "utf-8":
        dialect["encoding"] = encoding
    return _read_text(text, file, dialect)


def _decompress(content: bytes, file: str) -> tuple[bytes, str | None]:
    """Gives what compressed bytes hold, and how they were compressed, or None where they were not."""
    ways = {_GZIP: ("gzip", gzip.decompress), _BZIP2: ("bzip2", bz2.decompress), _XZ: ("xz", lzma.decompress)}
    for begin, (called, decompress) in ways.items():
        if content.startswith(begin):
            try:
                return decompress(content), called
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise InputError(f"{file} cannot be decompressed: {first_line(error)}") from error
    if not content.startswith(_ZIP):
        return content, None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [each for each in archive.namelist() if not each.endswith("/") and not each.startswith("__MACOSX")]
            if "[Content_Types].xml" in names or "mimetype" in names:
                raise InputError(f"{file} is a workbook or another document: save its table as CSV")
            if len(names) != 1:
                raise InputError(f"{file} holds {plural(len(names), 'file')} ({listed(names)}): it must hold one")
            return archive.read(names[0]), "zip"
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{file} cannot be decompressed: {first_line(error)}") from error


def _decode(content: bytes, file: str) -> tuple[str, str]:
    """Gives the text that bytes hold, and its encoding."""
    begin = content[:_LOOKED_AT]
    marked = next((name for mark, name in _MARKS.items() if begin.startswith(mark)), None)
    if marked is None and begin[1::2].count(0) > len(begin) * 0.4 and not begin[::2].count(0):
        marked = "utf-16-le"
    if marked is None and b"\0" in begin:
        raise InputError(f"{file} is not CSV: it holds bytes that are no text")
    for encoding in [marked] if marked else ["utf-8", "cp1252", "latin-1"]:
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise InputError(f"{file} is not CSV: it is no text in {marked}, which it begins like")


def _read_text(text: str, file: str, dialect: dict[str, Any]) -> Opened:
    """Reads the text of a CSV file."""
    sample = text[:_LOOKED_AT].splitlines(keepends=True)
    if len(text) > _LOOKED_AT and len(sample) > 1:
        del sample[-1]
    delimiter = _find_delimiter(sample)
    header, *rows = list(islice(_fields(sample if delimiter == _SPACES else _lines(text), delimiter, file), 2)) or [[]]
    names = _unquote([name.strip() for name in header])
    if not any(names):
        raise InputError(f"{file} is not CSV: it has no header")
    if not "".join(names).replace("\t", "").isprintable():
        raise InputError(f"{file} is not CSV: its header holds control characters")
    if all(_is_number(name) for name in names):
        raise InputError(
            f"{file} has no header: its first row is {quote(', '.join(names))}: write a line with the columns' names "
            "above it"
        )
    if rows and len(rows[0]) > len(names):
        raise InputError(
            f"{file} is not CSV: row 1 has {len(rows[0])} fields, and the header {len(names)}: give each a name"
        )
    if delimiter != ",":
        dialect["delimiter"] = _DELIMITERS.get(delimiter, "spaces")
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            header=0,
            names=range(len(names)),
            index_col=False,
            skipinitialspace=True,
            low_memory=False,  # otherwise pandas would infer a column's dtype from each part of a long file by itself
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{file} is not CSV: {first_line(error)}") from error
    table, written = read_written_numbers(table, european=delimiter == ";")
    if written:
        dialect["numbers"] = written
    return _named(table.set_axis(names, axis=1), file, dialect)


def _find_delimiter(sample: list[str]) -> str:
    """Gives what separates the fields of lines: that by which most rows have as many fields as the header, and most."""
    found, best = ",", (0.0, 1)
    for delimiter in _DELIMITERS:
        try:
            rows = csv.reader(sample, delimiter=delimiter, skipinitialspace=True)
            counts = [len(row) for row in islice(rows, _MOST_ROWS) if row]
        except csv.Error:
            continue
        if counts and counts[0] > 1 and (score := (counts.count(counts[0]) / len(counts), counts[0])) > best:
            found, best = delimiter, score
    counts = [len(line.split()) for line in sample[:_MOST_ROWS] if line.strip()]
    if best == (0.0, 1) and counts and counts[0] > 1 and counts.count(counts[0]) == len(counts):
        return _SPACES
    return found


def _lines(text: str) -> Iterator[str]:
    return iter(io.StringIO(text, newline=""))


def _fields(lines: Any, delimiter: str, file: str) -> Iterator[list[str]]:
    """Gives the fields of the rows that hold any."""
    if delimiter == _SPACES:
        yield from (line.replace('"', "").split() for line in lines if line.strip())
        return
    try:
        yield from (row for row in csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True) if row)
    except csv.Error as error:
        raise InputError(f"{file} is not CSV: {first_line(error)}") from error


def _unquote(names: list[str]) -> list[str]:
    """Takes single quotes away from names where all of them stand in them, which no reader of CSV does."""
    if names and all(len(name) > 2 and name[0] == name[-1] == "'" for name in names):
        return [name[1:-1] for name in names]
    return names


def _named(table: pd.DataFrame, file: str, dialect: dict[str, Any]) -> Opened:
    """Takes out columns that have no name, where they hold nothing or name the rows."""
    names = list(table.columns)
    without = [place for place, name in enumerate(names) if not name]
    for place in without:
        if place and not table.iloc[:, place].isna().all():
            raise InputError(f"{file}: column {place + 1} has no name: give it one, or take it out")
    rows_named = 0 in without and not table.iloc[:, 0].isna().all()
    table = table.iloc[:, [place for place, name in enumerate(names) if name]]
    return Opened(_check_names(table, file), "", file, dialect, rows_named)


def _check_names(table: pd.DataFrame, file: str) -> pd.DataFrame:
    """Refuses a table in which two columns have one name."""
    for name, count in Counter(table.columns).items():
        if count > 1:
            raise InputError(f"{file} has two columns {quote(name)}: names must differ")
    return table


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
