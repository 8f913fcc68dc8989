"""What a command writes: where it may, and what becomes of it where it cannot."""

import contextlib
import csv
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.tables._files import check_path, is_file, replace_files
from lrsweep.tables._io import ENDINGS, table_content
from lrsweep.tables._notes import make_note, note_for, read_note

# The columns by which tables of lrsweep are known: of trials, of a summary, and of starts.
_KNOWN_BY = (
    {"status", "converged_at", "diverged_at", "final_loss", "best_loss"},
    {"trials", "converged_low", "median_converged_at", "median_final_loss"},
    {"critical_learning_rate", "found"},
)


def check_out(out: str, inputs: Sequence[str | None], *, force: bool, note: bool = True) -> Path:
    """The path of a table that `--out` names.

    Args:
        out: What it says.
        inputs: What the command reads, which must not be replaced.
        force: Replace a file that lrsweep did not write.
        note: Whether what made the table is written beside it.

    Raises:
        InputError: A table cannot be written there, or it would replace something that is no result.
    """
    path = check_path(out, ENDINGS)
    check_replaced("--out", out, path, inputs, is_table, force=force)
    if note:
        check_replaced("--out", out, check_path(note_for(path), (".json",)), inputs, is_note, force=force)
    return path


def check_replaced(
    option: str, text: str, path: Path, inputs: Sequence[str | None], is_ours: Callable[[Path], bool], *, force: bool
) -> None:
    """Refuses to replace what the command reads and, unless forced, a file that lrsweep did not write.

    Args:
        option: The command line's.
        text: What it says.
        path: What is to be written.
        inputs: What the command reads.
        is_ours: Whether a file is one of those that the command writes.
        force: Replace whatever it is.

    Raises:
        InputError: So it would.
    """
    read = replaced([path], inputs)
    if read is not None:
        raise InputError(f"{option} {text} would replace {read!r}, which this command reads: name another file")
    if not force and is_file(path) and path.stat().st_size > 0 and not is_ours(path):
        told = f"{option} {text} would replace {str(path)!r}, which lrsweep did not write"
        raise InputError(f"{told}: name another file, or add --force")


def is_table(path: Path) -> bool:
    """Whether a file is a table that lrsweep wrote: of trials, of starts, or a summary.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> is_table(folder / "sweep.csv")
        True
    """
    names: set[str] = set()
    # What cannot be read as a table is none.
    with contextlib.suppress(OSError, ValueError, csv.Error):
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            names = set(pyarrow.parquet.read_schema(path).names)
        else:
            with path.open(newline="", encoding="utf-8") as file:
                names = set(next(csv.reader([file.readline(1_000_000)]), []))
    return any(known <= names for known in _KNOWN_BY)


def is_note(path: Path) -> bool:
    """Whether a file says what made a table.

    Example:
        >>> is_note(folder / "none.json")
        False
    """
    return read_note(path) is not None


def replaced(written: Sequence[Path], inputs: Sequence[str | None]) -> str | None:
    """The first of the inputs that would be replaced by what is written, or None.

    Args:
        written: Where a command writes.
        inputs: What it reads: files, or names of other things.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> replaced([folder / "sweep.csv"], ["line", None])
        >>> replaced([folder / "sweep.csv"], [str(folder / "sweep.csv")]) == str(folder / "sweep.csv")
        True
    """
    places = [os.path.realpath(path) for path in written]
    there = (text for text in inputs if text is not None and os.path.exists(text))
    return next((text for text in there if os.path.realpath(text) in places), None)


def result_contents(table: pd.DataFrame, provenance: Mapping[str, Any], path: Path) -> dict[Path, bytes]:
    """A table and, beside it, the command and what made it, as the contents of files by their places.

    Args:
        table: It.
        provenance: What made it.
        path: Where the table goes to.

    Example:
        >>> [file.name for file in result_contents(result.table, result.provenance, folder / "sweep.csv")]
        ['sweep.csv', 'sweep.json']
    """
    content = table_content(table, path.suffix)
    made = {"command": shlex.join(["lrsweep", *sys.argv[1:]]), **provenance}
    return {path: content, note_for(path): make_note(path, content, len(table), made)}


def write_or_rescue(contents: Mapping[Path, bytes]) -> str | None:
    """Writes files; where they cannot be written, puts them where there is room.

    Args:
        contents: The files' contents, by their places.

    Returns:
        None, or a sentence that says what could not be written, and where it is instead.

    Example:
        >>> write_or_rescue({folder / "sweep.csv": b"trial"})
        >>> write_or_rescue({folder / "none" / "sweep.csv": b"trial"})
        "'...sweep.csv' could not be written (No such file or directory): it is in '...rescued.csv' instead"
    """
    try:
        replace_files(contents)
        return None
    except OSError as error:
        place = error.filename or str(next(iter(contents)))
        failed = f"{place!r} could not be written ({error.strerror or error})"
    for place in (None, os.path.expanduser("~"), "."):  # the first is the system's own place for such files
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="lrsweep-", dir=place))
            # A name can be what could not be written.
            rescued = {folder / f"rescued{path.suffix}": content for path, content in contents.items()}
            try:
                replace_files(rescued)
            except OSError:
                folder.rmdir()
                raise
            return f"{failed}: it is in {str(next(iter(rescued)))!r} instead"
    return f"{failed}, and nowhere else either"
