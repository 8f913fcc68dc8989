"""The format of CSV files, in which a reader can tell text, numbers and missing values apart."""

import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.tables._columns import as_plain_numbers

# What readers of CSV take for NaN, and for a boolean. In a column of words these are words.
NOT_A_NUMBER = frozenset(["nan", "NaN", "-nan", "-NaN"])
BOOLEANS = frozenset(["true", "false"])

# What they take for a missing value, by pandas' list.
MISSING = NOT_A_NUMBER | {
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
}

# A field of a line: its first group is the field with its quotes, if it has any, the second what ends it.
_FIELD = re.compile(rb' *(?:("[^"]*(?:""[^"]*)*")[^,\r\n]*|[^,\r\n]*)(,|\r\n?|\n|\Z)')
_LINE_ENDS = re.compile(rb"\r\n?|\n")

# What cannot stand in a field without quotes.
_NEEDS_QUOTES = re.compile(r'[,"\r\n]|^\s|\s$')


def write_csv(table: pd.DataFrame) -> str:
    r"""Writes a table as CSV, its index first where it has a name.

    NaN is written as `nan`, and a missing value as an empty field. Text that would be read as one of these, or as a
    number or a boolean, is put in quotes: the empty text is `""`. Floats are written so that they read back to the same
    bits.

    Example:
        >>> write_csv(pd.DataFrame({"norm": ["batch", "None", "", None], "loss": [0.5, float("nan"), 1.0, 2.0]}))
        'norm,loss\nbatch,0.5\n"None",nan\n"",1.0\n,2.0\n'
    """
    index = [] if table.index.name is None else [(table.index.name, table.index.to_series())]
    columns = [*index, *((name, table.iloc[:, place]) for place, name in enumerate(table.columns))]
    header = ",".join(_in_quotes(str(name)) if _NEEDS_QUOTES.search(str(name)) else str(name) for name, _ in columns)
    rows = zip(*(_fields(column) for _, column in columns), strict=True)
    return "\n".join([header, *map(",".join, rows), ""])


def _fields(column: pd.Series) -> Iterable[str]:
    """Writes the fields of a column."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return map(repr, column.tolist())
    if column.dtype == object:  # to pandas 1 and True are equal, but they are written differently
        return map(_field, column)
    places, values = pd.factorize(column)
    return np.array([*map(_field, values), ""], object)[places]


def _field(value: Any) -> str:
    if isinstance(value, str):
        return _in_quotes(value) if _NEEDS_QUOTES.search(value) or _is_mistakable(value) else value
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _is_mistakable(text: str) -> bool:
    """Tells whether a reader would take text for a missing value, a boolean or a number."""
    if text in MISSING or text.lower() in BOOLEANS:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def read_written(content: bytes, names: Sequence[str], ours: Collection[str]) -> pd.DataFrame:
    r"""Reads what `write_csv` wrote: a field in quotes is text, and an empty field is missing.

    Args:
        content: The content of the whole file, UTF-8, with its header.
        names: The names to give to the columns.
        ours: The names of lrsweep's own columns, whose text cannot be mistaken for something else.

    Raises:
        pandas.errors.ParserError: The content is not CSV.

    Example:
        >>> table = read_written(b'norm,loss\nbatch,0.5\n"None",nan\n"",1.0\n,2.0\n', ["norm", "loss"], ["loss"])
        >>> table["norm"].tolist()
        ['batch', 'None', '', nan]
    """
    table = _parse(content, len(names), spaces=True)
    callers = [place for place, name in enumerate(names) if name not in ours]
    quoted = _quoted_rows(content, range(len(names)))
    if ours and all(rows for place, rows in quoted.items() if place not in callers):
        # All of our columns have quotes: another program has rewritten the file, and quotes do not mean text.
        foreign = read_foreign(content, names)
        for place in set(range(len(names))) - set(callers):
            foreign.isetitem(place, table[place].array)
        return foreign
    of_text = [place for place in callers if quoted[place] or (table[place].dtype == "str" and table[place].hasnans)]
    for place, fields in _raw_fields(content, len(names), of_text, spaces=True).items():
        # Earlier versions wrote missing text as nan.
        is_missing = np.array(fields.isin(["", "nan"]))
        is_missing[quoted[place]] = False
        table[place] = fields.mask(is_missing)
    return table.set_axis(list(names), axis=1)


def read_foreign(content: bytes, names: Sequence[str]) -> pd.DataFrame:
    r"""Reads CSV from any program: in a column of words, words such as `None` and `NA` are words.

    A column is one of words where some field is neither a number, nor a boolean, nor one of the words that stand for a
    missing value; or where every field is one of these words. In a column of words an empty field is missing, and `""`
    is not.

    Args:
        content: The content of the whole file, UTF-8, with its header.
        names: The names to give to the columns.

    Raises:
        pandas.errors.ParserError: The content is not CSV.

    Example:
        >>> read_foreign(b'norm,loss\nbatch,0.5\nNone,NA\n"",1.0\n,2.0\n', ["norm", "loss"])["norm"].tolist()
        ['batch', 'None', '', nan]
    """
    table = _parse(content, len(names), spaces=False)
    missing = table.isna().to_numpy()
    some_missing, all_missing = np.asarray(missing.any(axis=0)), np.asarray(missing.all(axis=0))
    doubtful = [
        place
        for place, dtype in enumerate(table.dtypes)
        if some_missing[place] and (all_missing[place] or not pd.api.types.is_numeric_dtype(dtype))
    ]
    quoted = _quoted_rows(content, doubtful)
    for place, fields in _raw_fields(content, len(names), doubtful, spaces=False).items():
        words = set(fields.unique())
        if words <= {"", *NOT_A_NUMBER} and not quoted[place]:
            continue
        if not words <= MISSING and all(word.lower() in BOOLEANS for word in words - MISSING):
            continue
        is_missing = np.array(fields == "")
        is_missing[quoted[place]] = False
        table[place] = fields.mask(is_missing)
    return table.set_axis(list(names), axis=1)


def read_with_gaps(content: bytes, names: Sequence[str]) -> pd.DataFrame:
    r"""Reads CSV from any program as `read_foreign` does, and tells an empty field from NaN among numbers.

    Args:
        content: The content of the whole file, UTF-8, with its header.
        names: The names to give to the columns.

    Returns:
        The table; a column of numbers with empty fields is Float64, in which they are missing.

    Raises:
        pandas.errors.ParserError: The content is not CSV.

    Example:
        >>> read_with_gaps(b'lr,loss\n0.1,0.5\n1,nan\n2,\n', ["lr", "loss"])["loss"].isna().tolist()
        [False, False, True]
    """
    table = read_foreign(content, names)
    gaps = [place for place, name in enumerate(names) if table[name].dtype == float and table[name].hasnans]
    for place, fields in _raw_fields(content, len(names), gaps, spaces=False).items():
        is_empty = (fields == "").to_numpy(bool)
        if is_empty.any():
            table[names[place]] = pd.arrays.FloatingArray(table[names[place]].to_numpy(), is_empty)
    return table


def _parse(content: bytes, width: int, *, spaces: bool, **options: Any) -> pd.DataFrame:
    """Parses CSV with pandas; `spaces` tells whether to keep those at the beginning of a field."""
    table = pd.read_csv(
        io.BytesIO(content),
        encoding="utf-8-sig",
        header=0,
        names=range(width),
        index_col=False,
        skipinitialspace=not spaces,
        low_memory=False,  # otherwise pandas would infer a column's dtype from each part of a long file by itself
        **options,
    )
    for place, dtype in enumerate(table.dtypes):
        if not pd.api.types.is_object_dtype(dtype):
            continue
        # Pandas leaves whole numbers beyond 64 bits as objects.
        numbers = as_plain_numbers(table.iloc[:, place])
        if numbers is not None:
            table.isetitem(place, numbers.array)
    return table


def _raw_fields(content: bytes, width: int, places: list[int], *, spaces: bool) -> dict[int, pd.Series]:
    """Gives the fields of some columns as text."""
    if not places:
        return {}
    fields = _parse(content, width, spaces=spaces, usecols=places, dtype="str", keep_default_na=False, na_values=[])
    return {place: fields[place].fillna("") for place in places}


def _quoted_rows(content: bytes, places: Iterable[int]) -> dict[int, list[int]]:
    """Finds the rows in which the fields of some columns are in quotes, which pandas does not tell."""
    rows: dict[int, list[int]] = {place: [] for place in places}
    if rows:
        for row, place in _quoted_fields(content):
            if place in rows and row >= 0:
                rows[place].append(row)
    return rows


def _quoted_fields(content: bytes) -> Iterator[tuple[int, int]]:
    """Gives the row and the column of every field in quotes; the header is row -1.

    Long files have few quotes, so that everything between them is skipped by searching and counting bytes.
    """
    row, at = -1, 0
    while (mark := content.find(b'"', at)) >= 0:
        # The lines before the one with the quote are counted, without blank ones.
        start = max(content.rfind(b"\n", at, mark), content.rfind(b"\r", at, mark), at - 1) + 1
        row += sum(1 for line in _LINE_ENDS.split(content[at:start]) if line.strip(b" \t"))
        # The fields before the quote are counted too.
        place = content.count(b",", start, mark)
        at, end = max(content.rfind(b",", start, mark) + 1, start), b","
        while end == b",":
            field = _FIELD.match(content, at)
            assert field is not None  # the pattern takes any text
            if field[1] is not None:
                yield row, place
            place, at, end = place + 1, field.end(), field[2]
            # The rest of a line without another quote is skipped.
            line_end = content.find(b"\n", at)
            if (
                end == b","
                and line_end >= 0
                and content.find(b'"', at, line_end) < 0
                and content.find(b"\r", at, line_end - 1) < 0
            ):
                at, end = line_end + 1, b"\n"
        row += 1
