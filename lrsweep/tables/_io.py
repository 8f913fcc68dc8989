"""Result tables and summaries written to CSV and Parquet files, and read back."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, quote
from lrsweep.tables._csv import read_written, write_csv
from lrsweep.tables._files import check_path, replace_files
from lrsweep.tables._notes import (
    PROVENANCE,
    free_note_for,
    make_note,
    read_provenance,
    warn_of_change,
    without_files,
)
from lrsweep.tables._reading import check_file, read_bytes, read_parquet, read_rows
from lrsweep.tables._schema import CURVES_DTYPES, INDEX, RESULT_DTYPES, STEP, settings_of

ENDINGS = (".csv", ".parquet")


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes a result table, or a summary of one, as `.csv` or `.parquet`, by the ending of `path`.

    A file that exists is replaced only once the new one is complete. In CSV a missing value is an empty field, and NaN
    is `nan`; floats are written so that they read back to the same bits. Text that would be taken for something else,
    such as `None` or empty text, is put in quotes. What made the table, its `attrs["provenance"]`, is kept with it:
    within a Parquet file, and beside a CSV file in a `.json` of its name.

    Args:
        table: A result table, a summary, or what `Curves.table` gives. The index is written where it has a name.
        path: The file's path.

    Raises:
        TypeError: The table is not a DataFrame, or the path is not a path.
        ValueError: The ending is unknown, the folder does not exist, or the `.json` would replace another program's.

    Example:
        >>> write_table(result.table, folder / "sweep.csv")
        >>> read_table(folder / "sweep.csv").equals(result.table)
        True
    """
    path = check_path(path, ENDINGS)
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"the table must be a DataFrame, not a {type(table).__name__}")
    content = table_content(table, path.suffix)
    contents, provenance = {path: content}, table.attrs.get(PROVENANCE)
    if isinstance(provenance, Mapping) and path.suffix.lower() == ".csv":
        contents[free_note_for(path)] = make_note(path, content, len(table), provenance)
    replace_files(contents)


def table_content(table: pd.DataFrame, ending: str) -> bytes:
    """Gives a table as the content of a file.

    Args:
        table: See `write_table`.
        ending: The file's ending: `.csv` or `.parquet`.

    Example:
        >>> table_content(result.table, ".parquet")[:4]
        b'PAR1'
    """
    return table.to_parquet() if ending.lower() == ".parquet" else write_csv(table).encode()


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a result table back, equal to what `write_table` was given, dtypes and missing values included.

    From CSV the caller's own columns are read as pandas infers them: whole numbers as int64, others as float64; text as
    it was, also words such as `None` and empty text. A table of curves, as `Curves.table` and `lrsweep.range_test` have
    them, is read too. What made the table is in its `attrs["provenance"]`, where the file tells, or the `.json` beside
    it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The ending is unknown, the file does not hold a result table, or it was truncated within a row.

    Warns:
        UserWarning: The `.json` beside the file was written for another table of its name: the file was truncated at
            the end of a row, say.
    """
    path = check_file(path)
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"cannot tell the format of {quote(str(path))} by its ending: use {' or '.join(ENDINGS)}")
    refused = f"{quote(str(path))} is not a result table of lrsweep"
    is_parquet = path.suffix.lower() == ".parquet"
    content = path.read_bytes() if is_parquet else read_bytes(path)
    table = read_parquet(path) if is_parquet else _read_csv(path, content, refused)
    if not table.columns.is_unique:
        raise InputError(f"{refused}: it has two columns {quote(table.columns[table.columns.duplicated()][0])}")
    has_curves = STEP in table.columns and "status" not in table.columns
    dtypes = CURVES_DTYPES if has_curves else RESULT_DTYPES
    if not has_curves:
        _check_results(table, path)
    columns = {name: table[name] for name in table.columns}
    for name, dtype in dtypes.items():
        if name not in columns:
            continue
        try:
            with np.errstate(invalid="ignore"):  # pandas raises where a number does not fit
                columns[name] = table[name].astype(_with_missing(dtype) if table[name].hasnans else dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"{refused}: column {name!r}: {first_line(error)}") from error
    warn_of_change(path, content, len(table))
    made = read_provenance(path) or table.attrs.get(PROVENANCE)
    table = pd.DataFrame(columns, index=table.index, copy=False)
    if isinstance(made, Mapping):
        table.attrs[PROVENANCE] = without_files(made)
    return table


def _with_missing(dtype: Any) -> Any:
    """Gives the dtype of a column with missing values, as the counts of updates of other programs' runs may be."""
    return pd.Int64Dtype() if dtype == np.int64 else dtype


def _check_results(table: pd.DataFrame, path: Path) -> None:
    """Refuses a table that does not hold what became of trials."""
    try:
        settings_of(table)
    except InputError as error:
        raise InputError(f"{quote(str(path))}: {error}") from None
    statuses = RESULT_DTYPES["status"].categories
    for status in table["status"].unique():
        if status not in statuses:
            raise InputError(f"{quote(str(path))} holds the status {quote(status)}: there is {', '.join(statuses)}")


def _read_csv(path: Path, content: bytes, refused: str) -> pd.DataFrame:
    (names,) = read_rows(path, content, 1)
    if INDEX not in names and STEP not in names:
        raise InputError(f"{refused}: it has no column {INDEX!r}; runs of another program name their loss (--loss)")
    if _is_truncated(content):
        raise InputError(
            f"{quote(str(path))} was cut within its last row: take that row out, or run what made it again"
        )
    try:
        table = read_written(content, names, RESULT_DTYPES if "status" in names else CURVES_DTYPES)
    except pd.errors.ParserError as error:
        raise InputError(f"{refused}: {first_line(error)}") from error
    return table.set_index(INDEX) if INDEX in names else table


def _is_truncated(content: bytes) -> bool:
    """Tells whether a CSV file ends within a row: a complete row has a field per column, and ends its line."""
    last = content[content.rfind(b"\n", 0, -1) + 1 :]
    header = content[: content.find(b"\n")]
    # Quotes may contain commas, which are not counted; a file that ends within quotes is refused when it is read.
    return not content.endswith(b"\n") or (b'"' not in header + last and last.count(b",") < header.count(b","))
