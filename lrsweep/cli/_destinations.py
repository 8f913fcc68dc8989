"""Where a command may write: over nothing that it reads, and over nothing that lrsweep did not write."""

import contextlib
import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from lrsweep.cli._printing import STANDARD_OUTPUT
from lrsweep.inputs._errors import InputError
from lrsweep.tables._files import check_path, is_file
from lrsweep.tables._io import ENDINGS
from lrsweep.tables._notes import curves_for, note_for, read_note

# The columns by which tables of lrsweep are known: of trials, a summary, a comparison, starts, a range test's losses,
# curves.
_KNOWN_BY = (
    {"status", "converged_at", "diverged_at", "final_loss", "best_loss"},
    {"trials", "converged_low", "median_converged_at", "median_final_loss"},
    {"pairs", "compared", "median_a", "median_b", "p_value"},
    {"critical_learning_rate", "found"},
    {"learning_rate", "loss", "smoothed"},
    {"trial", "step"},
)


def check_out(
    out: str | None, inputs: Sequence[str | None], *, force: bool, note: bool = True, curves: bool = False
) -> Path | None:
    """Gives the path of the table that `--out` names, or refuses it.

    Args:
        out: What it says, or None where it is left out. Standard output is `Path("-")`.
        inputs: What the command reads, which must not be replaced.
        force: Replace a file that lrsweep did not write.
        note: Whether what made the table is written beside it.
        curves: Whether its curves are.

    Raises:
        InputError: A table cannot be written there, or it would replace something that is no result.
    """
    if out is None:
        return None
    if out == STANDARD_OUTPUT:
        return Path(out)
    path = check_path(out, ENDINGS)
    check_replaced("--out", out, path, inputs, is_table, force=force)
    if curves:
        check_replaced("--out", out, check_path(curves_for(path), ENDINGS), inputs, is_table, force=force)
    if note:
        check_replaced("--out", out, check_path(note_for(path), (".json",)), inputs, is_note, force=force)
    return path


def check_picture(option: str, text: str, inputs: Sequence[str | None], *, force: bool) -> Path:
    """Gives the path of the picture that an option names, or refuses it.

    Args:
        option: The command line's.
        text: What it says.
        inputs: What the command reads, which must not be replaced.
        force: Replace a file that lrsweep did not write.

    Raises:
        InputError: A picture cannot be written there, or it would replace something that is no picture of lrsweep's.
    """
    from lrsweep.plots import _files  # loads matplotlib, which a command that draws nothing does without

    path = _files.check_picture(text)
    check_replaced(option, text, path, inputs, _files.is_drawn, force=force)
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
        force: Replace a file that lrsweep did not write.

    Raises:
        InputError: It would be replaced.
    """
    source = first_replaced([path], inputs)
    if source is not None:
        raise InputError(f"{option} {text} would replace {source!r}, which this command reads: name another file")
    if not force and is_file(path) and path.stat().st_size > 0 and not is_ours(path):
        refusal = f"{option} {text} would replace {str(path)!r}, which lrsweep did not write"
        raise InputError(f"{refusal}: name another file, or add --force")


def is_table(path: Path) -> bool:
    """Says whether a file is a table that lrsweep wrote, such as one of trials, of starts, a summary or a comparison.

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
    """Says whether a file is a note of what made a table.

    Example:
        >>> is_note(folder / "none.json")
        False
    """
    return read_note(path) is not None


def first_replaced(destinations: Sequence[Path], inputs: Sequence[str | None]) -> str | None:
    """Gives the first of the inputs that would be replaced by what is written, or None.

    Args:
        destinations: Where a command writes.
        inputs: What it reads: files, or names of other things.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> first_replaced([folder / "sweep.csv"], ["line", None])
        >>> first_replaced([folder / "sweep.csv"], [str(folder / "sweep.csv")]) == str(folder / "sweep.csv")
        True
    """
    places = [os.path.realpath(path) for path in destinations]
    there = (text for text in inputs if text is not None and os.path.exists(text))
    return next((text for text in there if os.path.realpath(text) in places), None)
