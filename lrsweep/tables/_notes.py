"""The `.json` beside a table: what made it, and how it is known to be of this table and of no other."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrsweep.tables._files import is_file


def note_for(path: Path) -> Path:
    """Says where the note of a table, its `.json`, is written.

    That is `sweep.json` for `sweep.csv`; where this tells of a `sweep.parquet` that is there, it is `sweep.csv.json`.

    Args:
        path: The table's.

    Example:
        >>> note_for(Path("sweep.csv")).name
        'sweep.json'
    """
    own, shared = _places(path)
    note = read_note(shared)
    other = None if note is None else _table_of(note).get("name")
    return own if isinstance(other, str) and other != path.name and is_file(path.with_name(other)) else shared


def make_note(path: Path, content: bytes, rows: int, made: Mapping[str, Any]) -> bytes:
    """Writes the content of a note.

    Args:
        path: The table's.
        content: The table's, as it is written.
        rows: How many it has.
        made: What made it, as JSON can hold it.

    Example:
        >>> b'"rows": 3' in make_note(Path("sweep.csv"), b"", 3, {})
        True
    """
    table = {"name": path.name, "rows": rows, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps({**made, "table": table}, indent=2, ensure_ascii=False) + "\n"
    # The bytes of a name that is not UTF-8 are escaped, as JSON can hold them.
    return text.encode("utf-8", "backslashreplace")


def read_note(note: Path) -> dict[str, Any] | None:
    """Reads a note; None where there is none, or where the file is another program's.

    Example:
        >>> read_note(Path("none.json"))
    """
    try:
        made = json.loads(note.read_text(encoding="utf-8")) if is_file(note) else None
        return made if made is not None and "lrsweep" in made["versions"] else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Reads what made a table from the note beside it; None where no note is of this very table.

    Args:
        path: The table's.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> read_provenance(folder / "sweep.csv") is None
        True
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    notes = [read_note(place) for place in _places(path)]
    return next((note for note in notes if note is not None and _table_of(note).get("sha256") == digest), None)


def warn_of_change(path: Path, content: bytes, rows: int) -> None:
    """Warns where the notes beside a table say that it was another when they were written.

    Args:
        path: The table's.
        content: The table's, as it is read.
        rows: How many it has.

    Example:
        >>> warn_of_change(folder / "sweep.csv", b"", 3)
    """
    told = [(place, _table_of(note)) for place in _places(path) if (note := read_note(place)) is not None]
    mine = [(place, table) for place, table in told if table.get("name") == path.name]
    if mine and hashlib.sha256(content).hexdigest() not in [table.get("sha256") for _, table in mine]:
        place, table = mine[0]
        warnings.warn(
            f"{str(path)!r} is not the table that {place.name!r} tells of: that one had {table.get('rows')} rows, and "
            f"this one has {rows}; it was cut short, changed, or written by another run",
            stacklevel=3,
        )


def _places(path: Path) -> tuple[Path, Path]:
    """Gives the two places of a table's note: by its whole name, and by its name without the ending."""
    return path.with_name(f"{path.name}.json"), path.with_suffix(".json")


def _table_of(note: Mapping[str, Any]) -> Mapping[str, Any]:
    table = note.get("table")
    return table if isinstance(table, Mapping) else {}
