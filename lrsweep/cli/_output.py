"""How a command writes its files, and what becomes of them where they cannot be written."""

import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrsweep.cli._exit_codes import UNWRITTEN
from lrsweep.cli._printing import STANDARD_OUTPUT, print_error, print_out, print_table
from lrsweep.tables._files import replace_files
from lrsweep.tables._io import table_content
from lrsweep.tables._notes import curves_for
from lrsweep.tables._saved import result_files

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from lrsweep.tables._curves import Curves


class Written:
    """What has become of a command's files, as the exit code that it ends with."""

    code = 0


@contextlib.contextmanager
def writing_result(
    table: "pd.DataFrame",
    provenance: Mapping[str, Any],
    path: Path | None,
    *,
    rows: str = "trials",
    curves: "Curves | None" = None,
) -> Iterator[Written]:
    """Writes a table after the answer has been printed, and also where that fails: what has run is not lost.

    Args:
        table: The result.
        provenance: What made it.
        path: Where it goes to, or None where it is not written.
        rows: What to call its rows.
        curves: Its curves, which are written beside it, or None.
    """
    written = Written()
    try:
        yield written
    finally:
        if path is not None:
            contents = result_contents(table, provenance, path, curves)
            written.code = write(contents, tell_written(f"{len(table):,} {rows}", contents))


def tell_written(rows: str, contents: Iterable[Path]) -> str:
    """Writes the sentence that says what is where.

    Args:
        rows: What the table holds.
        contents: Its files, as `result_contents` gives them.

    Example:
        >>> tell_written("3 trials", [Path("sweep.csv"), Path("sweep.json")])
        'Wrote 3 trials to sweep.csv, and what made them to sweep.json.'
    """
    if _has_standard_output(contents):
        return f"Wrote {rows} to standard output."
    table, *curves, note = contents
    beside = f", their curves to {curves[0]}" if curves else ""
    return f"Wrote {rows} to {table}{beside}, and what made them to {note}."


def blank_figure() -> "Figure":
    """Makes the figure of one picture, with half an inch more for what a legend above its axes takes."""
    from matplotlib.figure import Figure

    from lrsweep.plots._style import FIGURE_SIZE

    return Figure(figsize=(FIGURE_SIZE[0], FIGURE_SIZE[1] + 0.5), layout="constrained")


def draw(figure: "Figure", path: Path) -> int:
    """Writes a figure as a picture, and gives the exit code."""
    from lrsweep.plots._files import render

    return write({path: render(figure, path.suffix)}, f"Drew {path}.")


def write(contents: Mapping[Path, bytes], done: str) -> int:
    """Writes files and prints that it is done, or where they are instead; gives the exit code.

    Args:
        contents: The files' contents, by their places; or one, for standard output.
        done: What to print.
    """
    if _has_standard_output(contents):
        print_table(*contents.values())
        print_out(done)
        return 0
    failed = write_or_rescue(contents)
    if failed is not None:
        print_error(f"lrsweep: {failed}")
        return UNWRITTEN
    print_out(done)
    return 0


def result_contents(
    table: "pd.DataFrame", provenance: Mapping[str, Any], path: Path, curves: "Curves | None" = None
) -> dict[Path, bytes]:
    """Gives a table and, beside it, the command and what made it, as the contents of files by their places.

    Args:
        table: The result.
        provenance: What made it.
        path: Where the table goes to. Beside standard output there is nothing.
        curves: Its curves, which go beside it, or None.

    Example:
        >>> [file.name for file in result_contents(result.table, result.provenance, folder / "sweep.csv")]
        ['sweep.csv', 'sweep.json']
    """
    if _has_standard_output([path]):
        return {path: table_content(table, ".csv")}
    return result_files(table, {"command": shlex.join(["lrsweep", *sys.argv[1:]]), **provenance}, path, curves)


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
            rescued = {folder / _rescued_name(path): content for path, content in contents.items()}
            try:
                replace_files(rescued)
            except OSError:
                folder.rmdir()
                raise
            return f"{failed}: it is in {str(next(iter(rescued)))!r} instead"
    return f"{failed}, and nowhere else either"


def _has_standard_output(places: Iterable[Path]) -> bool:
    """Says whether a table goes to standard output."""
    return Path(STANDARD_OUTPUT) in places


def _rescued_name(path: Path) -> str:
    """Gives a name that a file can have in any folder, other than those of the files beside it."""
    name = Path(f"rescued{path.suffix}")
    return curves_for(name).name if path.stem.endswith(curves_for(name).stem.removeprefix(name.stem)) else name.name
