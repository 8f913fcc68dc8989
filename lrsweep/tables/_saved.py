"""A result as files: its table, its curves beside it, and a note of what made them; in a folder of its own, or not."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError, MissingFileError
from lrsweep.inputs._messages import quote
from lrsweep.tables._curves import Curves, lay_out_curves
from lrsweep.tables._files import replace_files
from lrsweep.tables._io import read_table, table_content
from lrsweep.tables._notes import Provenance, curves_for, is_noted, make_note, note_for, read_note, without_files

# The names of the files in a folder.
_TABLE = "table.parquet"
_FILES = (Path(_TABLE), curves_for(Path(_TABLE)), note_for(Path(_TABLE)))


class Saved(NamedTuple):
    """A result that a folder holds: its table, its curves, and what made them."""

    table: pd.DataFrame
    curves: Curves
    provenance: Provenance


def result_files(
    table: pd.DataFrame, provenance: Mapping[str, Any], path: Path, curves: Curves | None = None
) -> dict[Path, bytes]:
    """Gives a table, its curves, and a note of what made them, as the contents of files by their places.

    Args:
        table: The result table.
        provenance: What made it, as JSON can hold it.
        path: Where the table goes to. The others go beside it; the note is the last of them.
        curves: Its curves; where there are none, they have no file.

    Example:
        >>> [file.name for file in result_files(result.table, result.provenance, folder / "sweep.csv")]
        ['sweep.csv', 'sweep.json']
    """
    contents, noted = {path: table_content(table, path.suffix)}, None
    if curves:
        long = curves.table()
        contents[curves_for(path)] = table_content(long, path.suffix)
        noted = contents[curves_for(path)], len(long)
    return contents | {note_for(path): make_note(path, contents[path], len(table), provenance, noted)}


def save_result(saved: Saved, folder: str | os.PathLike[str]) -> None:
    """Writes a result into a folder, which may hold an earlier one.

    Args:
        saved: The result.
        folder: The folder's path; it is made where there is none.

    Raises:
        InputError: It cannot be a folder, or holds something else than a result.
        OSError: A file cannot be written; its `filename` is that of the target.
    """
    folder = as_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted({entry.name for entry in folder.iterdir()} - {file.name for file in _FILES})
    except OSError as error:
        raise InputError(f"nothing can be saved in {quote(str(folder))}: {error.strerror or error}") from error
    others = [name for name in others if not name.startswith(".lrsweep-")]
    if others:
        raise InputError(f"the folder {quote(str(folder))} holds something else, {others[0]!r}: name a new one")
    contents = result_files(saved.table, saved.provenance, folder / _TABLE, saved.curves)
    replace_files(contents)
    for file in {folder / file for file in _FILES} - contents.keys():
        file.unlink(missing_ok=True)


def read_result(folder: str | os.PathLike[str]) -> Saved:
    """Reads what `save_result` has written.

    Args:
        folder: The folder's path.

    Raises:
        MissingFileError: There is no such folder.
        InputError: It holds no result, or one that is not complete or has been changed.
    """
    folder = as_path(folder)
    named = f"the folder {quote(str(folder))}"
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        raise MissingFileError(f"there is no folder {quote(str(folder))}: Sweep.save makes one") from None
    except OSError as error:
        raise InputError(f"{quote(str(folder))} cannot be read: {error.strerror}") from error
    if not is_folder:
        raise InputError(f"{quote(str(folder))} is no folder: name the one that Sweep.save wrote")
    table_path, curves_path, note_path = (folder / file for file in _FILES)
    note = read_note(note_path)
    if note is None:
        raise InputError(f"{named} holds no sweep: {note_path.name!r}, which Sweep.save writes last, is not there")
    files = {"table": table_path} | ({"curves": curves_path} if "curves" in note else {})
    for name, file in files.items():
        if not file.is_file():
            raise InputError(f"{named} does not hold all of its sweep: {file.name!r} is not there")
        if not is_noted(note, file.read_bytes(), name):
            raise InputError(f"{named} holds no whole sweep: {file.name!r} was cut short, or changed")
    table, made = read_table(table_path), without_files(note)
    curves = Curves()
    if "curves" in files:
        curves = lay_out_curves(read_table(curves_path), table.index, made["steps"], made["record_every"])
    return Saved(table, curves, made)
