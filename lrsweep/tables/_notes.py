"""Provenance: what made a table, with the table, and in the `.json` beside its file, which is known by a hash."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrsweep.inputs._errors import InputError
from lrsweep.tables._files import is_file

# The key of a table's `attrs` that holds what made it.
PROVENANCE = "provenance"

# What a name of a file of curves has before its ending, and what a note calls its two files.
_CURVES = ".curves"
_FILES = "table", "curves"


class Provenance(dict[str, Any]):
    """The provenance of a table, as JSON can hold it. Tables that are made of the table share it.

    pandas makes a deep copy of a table's `attrs` in every operation, which would take longer than most of them.

    Example:
        >>> table = result.table
        >>> table[table["steps"] > 0].attrs["provenance"] is table.attrs["provenance"]
        True
    """

    def __deepcopy__(self, _: Any) -> "Provenance":
        return self


def curves_for(path: Path) -> Path:
    """Gives the path of the curves that belong to a table.

    Args:
        path: The table's path.

    Example:
        >>> curves_for(Path("sweep.csv")).name
        'sweep.curves.csv'
    """
    return path.with_name(f"{path.stem}{_CURVES}{path.suffix}")


def note_for(path: Path) -> Path:
    """Gives the path that the note of a table is written to.

    For `sweep.csv` that is `sweep.json`; or `sweep.csv.json`, where `sweep.json` is the note of a `sweep.parquet` that
    exists.

    Args:
        path: The table's path.

    Example:
        >>> note_for(Path("sweep.csv")).name
        'sweep.json'
    """
    own, shared = _candidates(path)
    note = read_note(shared)
    other = None if note is None else _entry(note, "table").get("name")
    return own if isinstance(other, str) and other != path.name and is_file(path.with_name(other)) else shared


def free_note_for(path: Path) -> Path:
    """Gives the path that the note of a table is written to, where that replaces no other program's file.

    Args:
        path: The table's path.

    Raises:
        InputError: Another program has files of both names that a note may have.

    Example:
        >>> (folder / "sweep.json").write_text("another's")
        9
        >>> free_note_for(folder / "sweep.csv").name
        'sweep.csv.json'
    """
    places = note_for(path), *_candidates(path)
    free = (note for note in places if not is_file(note) or read_note(note) is not None)
    note = next(free, None)
    if note is None:
        raise InputError(
            f"what made {path.name!r} would replace another program's {places[0].name!r}: name another file"
        )
    return note


def make_note(
    path: Path,
    content: bytes,
    rows: int,
    provenance: Mapping[str, Any],
    curves: tuple[bytes, int] | None = None,
) -> bytes:
    """Writes the content of a note.

    Args:
        path: The table's path.
        content: The content of the table's file.
        rows: How many rows the table has.
        provenance: What made it, as JSON can hold it.
        curves: The content of the file of its curves and the number of their rows; None where there is none.

    Example:
        >>> b'"rows": 3' in make_note(Path("sweep.csv"), b"", 3, {})
        True
    """
    files = {"table": _describe(path, content, rows)}
    if curves is not None:
        files["curves"] = _describe(curves_for(path), *curves)
    text = json.dumps({**provenance, **files}, indent=2, ensure_ascii=False) + "\n"
    # The bytes of a name that is not UTF-8 are escaped, as JSON can hold them.
    return text.encode("utf-8", "backslashreplace")


def read_note(note: Path) -> dict[str, Any] | None:
    """Reads a note; None where there is none, or where the file is another program's.

    Example:
        >>> read_note(Path("none.json"))
    """
    try:
        content = json.loads(note.read_text(encoding="utf-8")) if is_file(note) else None
        return content if content is not None and "lrsweep" in content["versions"] else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Reads the provenance of a table from the note beside it; None where no note is of this very table.

    Args:
        path: The path of the table, or of its curves.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> read_provenance(folder / "sweep.csv")["objective"]
        'line'
    """
    notes = [note for candidate in _candidates(path) if (note := read_note(candidate)) is not None]
    if not notes:
        return None
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    return next((note for note in notes if any(_entry(note, name).get("sha256") == digest for name in _FILES)), None)


def without_files(note: Mapping[str, Any]) -> Provenance:
    """Gives what a note says beside the names and hashes of its files.

    Example:
        >>> without_files({"objective": "line", "table": {"name": "sweep.csv"}})
        {'objective': 'line'}
    """
    return Provenance({name: value for name, value in note.items() if name not in _FILES})


def warn_of_change(path: Path, content: bytes, rows: int) -> None:
    """Warns where the notes beside a table are of a table of its name, but of another content.

    Args:
        path: The path of the table, or of its curves.
        content: The content of its file.
        rows: How many rows it has.

    Example:
        >>> warn_of_change(folder / "none.csv", b"", 3)
    """
    noted = [
        (file, _entry(note, name))
        for file in _candidates(path)
        if (note := read_note(file)) is not None
        for name in _FILES
    ]
    of_name = [(file, entry) for file, entry in noted if entry.get("name") == path.name]
    if of_name and hashlib.sha256(content).hexdigest() not in [entry.get("sha256") for _, entry in of_name]:
        file, entry = of_name[0]
        warnings.warn(
            f"{str(path)!r} is not the table that {file.name!r} tells of: that one had {entry.get('rows')} rows, and "
            f"this one has {rows}; it was cut short, changed, or written by another run",
            stacklevel=3,
        )


def is_noted(note: Mapping[str, Any], content: bytes, file: str) -> bool:
    """Tells whether a note is of a file with some content.

    Args:
        note: The note.
        content: The content of the file.
        file: Which of its files: `table` or `curves`.

    Example:
        >>> is_noted({"table": {"sha256": hashlib.sha256(b"").hexdigest()}}, b"", "table")
        True
    """
    return _entry(note, file).get("sha256") == hashlib.sha256(content).hexdigest()


def _describe(path: Path, content: bytes, rows: int) -> dict[str, Any]:
    return {"name": path.name, "rows": rows, "sha256": hashlib.sha256(content).hexdigest()}


def _candidates(path: Path) -> tuple[Path, Path]:
    """Gives the two paths that a table's note may have: by its whole name, and by its name without the ending."""
    path = path.with_name(f"{path.stem.removesuffix(_CURVES)}{path.suffix}")
    return path.with_name(f"{path.name}.json"), path.with_suffix(".json")


def _entry(note: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Gives what a note says of one of its files: name, rows and hash."""
    entry = note.get(name)
    return entry if isinstance(entry, Mapping) else {}
