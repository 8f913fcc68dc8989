"""Notes: the `.json` beside a table, with its provenance and a hash by which it is known to be of that table."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrsweep.tables._files import is_file


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
    other = None if note is None else _table_of(note).get("name")
    return own if isinstance(other, str) and other != path.name and is_file(path.with_name(other)) else shared


def make_note(path: Path, content: bytes, rows: int, provenance: Mapping[str, Any]) -> bytes:
    """Writes the content of a note.

    Args:
        path: The table's path.
        content: The content of the table's file.
        rows: How many rows the table has.
        provenance: What made it, as JSON can hold it.

    Example:
        >>> b'"rows": 3' in make_note(Path("sweep.csv"), b"", 3, {})
        True
    """
    table = {"name": path.name, "rows": rows, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps({**provenance, "table": table}, indent=2, ensure_ascii=False) + "\n"
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
        path: The table's path.

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
    notes = [read_note(candidate) for candidate in _candidates(path)]
    return next((note for note in notes if note is not None and _table_of(note).get("sha256") == digest), None)


def warn_of_change(path: Path, content: bytes, rows: int) -> None:
    """Warns where the notes beside a table are of a table of its name, but of another content.

    Args:
        path: The table's path.
        content: The content of the table's file.
        rows: How many rows the table has.

    Example:
        >>> warn_of_change(folder / "sweep.csv", b"", 3)
    """
    noted = [(file, _table_of(note)) for file in _candidates(path) if (note := read_note(file)) is not None]
    of_name = [(file, table) for file, table in noted if table.get("name") == path.name]
    if of_name and hashlib.sha256(content).hexdigest() not in [table.get("sha256") for _, table in of_name]:
        file, table = of_name[0]
        warnings.warn(
            f"{str(path)!r} is not the table that {file.name!r} tells of: that one had {table.get('rows')} rows, and "
            f"this one has {rows}; it was cut short, changed, or written by another run",
            stacklevel=3,
        )


def _candidates(path: Path) -> tuple[Path, Path]:
    """Gives the two paths that a table's note may have: by its whole name, and by its name without the ending."""
    return path.with_name(f"{path.name}.json"), path.with_suffix(".json")


def _table_of(note: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gives what a note says of its table: name, rows and hash."""
    table = note.get("table")
    return table if isinstance(table, Mapping) else {}
