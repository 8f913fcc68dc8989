"""How a command writes its files, and what becomes of them where they cannot be written."""

import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrsweep.cli._exit_codes import UNWRITTEN
from lrsweep.cli._printing import print_error, print_out
from lrsweep.tables._files import replace_files
from lrsweep.tables._io import table_content
from lrsweep.tables._notes import make_note, note_for

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Written:
    """What has become of a command's files, as the exit code that it ends with."""

    code = 0


@contextlib.contextmanager
def writing_result(
    table: "pd.DataFrame", provenance: Mapping[str, Any], path: Path | None, *, rows: str = "trials"
) -> Iterator[Written]:
    """Writes a table after the answer has been printed, and also where that fails: what has run is not lost.

    Args:
        table: The result.
        provenance: What made it.
        path: Where it goes to, or None where it is not written.
        rows: What to call its rows.
    """
    written = Written()
    try:
        yield written
    finally:
        if path is not None:
            contents = result_contents(table, provenance, path)
            _, note = contents
            done = f"Wrote {len(table):,} {rows} to {path}, and what made them to {note}."
            written.code = write(contents, done)


def draw(figure: "Figure", path: Path) -> int:
    """Writes a figure as a picture, and gives the exit code."""
    from lrsweep.plots._files import render

    return write({path: render(figure, path.suffix)}, f"Drew {path}.")


def write(contents: Mapping[Path, bytes], done: str) -> int:
    """Writes files and prints that it is done, or where they are instead; gives the exit code.

    Args:
        contents: The files' contents, by their places.
        done: What to print.
    """
    failed = write_or_rescue(contents)
    if failed is not None:
        print_error(f"lrsweep: {failed}")
        return UNWRITTEN
    print_out(done)
    return 0


def result_contents(table: "pd.DataFrame", provenance: Mapping[str, Any], path: Path) -> dict[Path, bytes]:
    """Gives a table and, beside it, the command and what made it, as the contents of files by their places.

    Args:
        table: The result.
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
