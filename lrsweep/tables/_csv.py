"""The text of CSV: words, numbers and what is missing are written so that they are told apart when read."""

import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.tables._columns import as_plain_numbers

# What readers of CSV take for a number that is not one, and for a truth; in a column of words these are words.
NOT_A_NUMBER = frozenset(["nan", "NaN", "-nan", "-NaN"])
TRUTHS = frozenset(["true", "false"])

# What they take for missing, as pandas lists it.
MISSING = NOT_A_NUMBER | {
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
}

# A cell, its text if it is quoted, and what ends it.
_CELL = re.compile(rb' *(?:("[^"]*(?:""[^"]*)*")[^,\r\n]*|[^,\r\n]*)(,|\r\n?|\n|\Z)')
_LINE_ENDS = re.compile(rb"\r\n?|\n")

# What a field in quotes holds, that would not be read back from one without them.
_TELLING = re.compile(r'[,"\r\n]|^\s|\s$')


def write_csv(table: pd.DataFrame) -> str:
    r"""Writes a table as CSV, its index first where it has a name.

    A number that is not one is `nan`, and what is missing an empty field. Text that would be read as one of these, or
    as a number or a truth, stands in quotes: the empty text is `""`. Floats are written so that they read back to the
    same bits.

    Example:
        >>> write_csv(pd.DataFrame({"norm": ["batch", "None", "", None], "loss": [0.5, float("nan"), 1.0, 2.0]}))
        'norm,loss\nbatch,0.5\n"None",nan\n"",1.0\n,2.0\n'
    """
    named = [] if table.index.name is None else [(table.index.name, table.index.to_series())]
    columns = [*named, *((name, table.iloc[:, place]) for place, name in enumerate(table.columns))]
    header = ",".join(_in_quotes(str(name)) if _TELLING.search(str(name)) else str(name) for name, _ in columns)
    rows = zip(*(_cells(column) for _, column in columns), strict=True)
    return "\n".join([header, *map(",".join, rows), ""])


def _cells(column: pd.Series) -> Iterable[str]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return map(repr, column.tolist())
    if column.dtype == object:  # 1 and True are the same to pandas, and not to a reader
        return map(_cell, column)
    places, values = pd.factorize(column)
    return np.array([*map(_cell, values), ""], object)[places]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _in_quotes(value) if _TELLING.search(value) or _is_mistakable(value) else value
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _is_mistakable(text: str) -> bool:
    """Tells whether a reader would take a text for something else."""
    if text in MISSING or text.lower() in TRUTHS:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def read_written(content: bytes, names: Sequence[str], ours: Collection[str]) -> pd.DataFrame:
    r"""Reads what `write_csv` wrote: what stands in quotes is text, and an empty field is missing.

    Args:
        content: The whole file's, UTF-8, its header included.
        names: What to call the columns.
        ours: Those of them that hold no text of a caller's.

    Raises:
        pandas.errors.ParserError: It is not CSV.

    Example:
        >>> table = read_written(b'norm,loss\nbatch,0.5\n"None",nan\n"",1.0\n,2.0\n', ["norm", "loss"], ["loss"])
        >>> table["norm"].tolist()
        ['batch', 'None', '', nan]
    """
    table = _parse(content, len(names), spaces=True)
    callers = [place for place, name in enumerate(names) if name not in ours]
    quoted = _quoted_rows(content, range(len(names)))
    if ours and all(rows for place, rows in quoted.items() if place not in callers):
        # Another program has written it anew, with numbers in quotes too.
        foreign = read_foreign(content, names)
        for place in set(range(len(names))) - set(callers):
            foreign.isetitem(place, table[place].array)
        return foreign
    again = [place for place in callers if quoted[place] or (table[place].dtype == "str" and table[place].hasnans)]
    for place, cells in _raw_cells(content, len(names), again, spaces=True).items():
        # A missing text was once written as nan.
        bare = np.array(cells.isin(["", "nan"]))
        bare[quoted[place]] = False
        table[place] = cells.mask(bare)
    return table.set_axis(list(names), axis=1)


def read_foreign(content: bytes, names: Sequence[str]) -> pd.DataFrame:
    r"""Reads CSV that anyone may have written: in a column of words, words such as `None` and `NA` are words.

    A column is one of words where some field of it is neither a number, nor a truth, nor what stands for a missing
    one; and where all that it holds are such words. In columns of words an empty field is missing, and `""` is not.

    Args:
        content: The whole file's, UTF-8, its header included.
        names: What to call the columns.

    Raises:
        pandas.errors.ParserError: It is not CSV.

    Example:
        >>> read_foreign(b'norm,loss\nbatch,0.5\nNone,NA\n"",1.0\n,2.0\n', ["norm", "loss"])["norm"].tolist()
        ['batch', 'None', '', nan]
    """
    table = _parse(content, len(names), spaces=False)
    missing = table.isna().to_numpy()
    some, everything = np.asarray(missing.any(axis=0)), np.asarray(missing.all(axis=0))
    again = [
        place
        for place, dtype in enumerate(table.dtypes)
        if some[place] and (everything[place] or not pd.api.types.is_numeric_dtype(dtype))
    ]
    quoted = _quoted_rows(content, again)
    for place, cells in _raw_cells(content, len(names), again, spaces=False).items():
        written = set(cells.unique())
        if written <= {"", *NOT_A_NUMBER} and not quoted[place]:
            continue
        if not written <= MISSING and all(word.lower() in TRUTHS for word in written - MISSING):
            continue
        bare = np.array(cells == "")
        bare[quoted[place]] = False
        table[place] = cells.mask(bare)
    return table.set_axis(list(names), axis=1)


def _parse(content: bytes, width: int, *, spaces: bool, **options: Any) -> pd.DataFrame:
    table = pd.read_csv(
        io.BytesIO(content),
        encoding="utf-8-sig",
        header=0,
        names=range(width),
        index_col=False,
        skipinitialspace=not spaces,
        low_memory=False,  # or a column's kind would be told anew for each part of a long file
        **options,
    )
    for place, dtype in enumerate(table.dtypes):
        if not pd.api.types.is_object_dtype(dtype):
            continue
        # Whole numbers beyond 64 bits are left as Python's own.
        numbers = as_plain_numbers(table.iloc[:, place])
        if numbers is not None:
            table.isetitem(place, numbers.array)
    return table


def _raw_cells(content: bytes, width: int, places: list[int], *, spaces: bool) -> dict[int, pd.Series]:
    """Gives the text of every field of some columns."""
    if not places:
        return {}
    cells = _parse(content, width, spaces=spaces, usecols=places, dtype="str", keep_default_na=False, na_values=[])
    return {place: cells[place].fillna("") for place in places}


def _quoted_rows(content: bytes, places: Iterable[int]) -> dict[int, list[int]]:
    """Finds, for some columns, the rows in which they stand in quotes, which pandas does not tell."""
    found: dict[int, list[int]] = {place: [] for place in places}
    if found:
        for row, place in _quoted_cells(content):
            if place in found and row >= 0:
                found[place].append(row)
    return found


def _quoted_cells(content: bytes) -> Iterator[tuple[int, int]]:
    """Gives the row and the column of every field in quotes; the header is row -1."""
    row, at = -1, 0
    while (mark := content.find(b'"', at)) >= 0:
        # Lines without a quote are counted; blank ones are none.
        start = max(content.rfind(b"\n", at, mark), content.rfind(b"\r", at, mark), at - 1) + 1
        row += sum(1 for line in _LINE_ENDS.split(content[at:start]) if line.strip(b" \t"))
        # So are fields, before the first quote of a line and behind the last.
        place = content.count(b",", start, mark)
        at, end = max(content.rfind(b",", start, mark) + 1, start), b","
        while end == b",":
            cell = _CELL.match(content, at)
            assert cell is not None  # the pattern takes any text
            if cell[1] is not None:
                yield row, place
            place, at, end = place + 1, cell.end(), cell[2]
            close = content.find(b"\n", at)
            if (
                end == b","
                and close >= 0
                and content.find(b'"', at, close) < 0
                and content.find(b"\r", at, close - 1) < 0
            ):
                at, end = close + 1, b"\n"
        row += 1
