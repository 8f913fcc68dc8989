"""What a command writes: a table, and beside it what made it."""

import json
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lrsweep.errors import InputError
from lrsweep.table import check_path, replace_file, write_table


def check_out(out: str, inputs: list[str | None]) -> Path:
    """The path that `--out` names.

    Args:
        out: What it says.
        inputs: What the command reads, which must not be replaced.

    Raises:
        ValueError: A table cannot be written there, or it would replace something that is no result.
    """
    path = check_path(out)
    beside = path.with_suffix(".json")
    text = replaced([path, beside], inputs)
    if text is not None:
        raise InputError(f"--out {out} would replace {text!r}, which this run reads: name another file")
    if beside.exists() and read_provenance(beside) is None:
        raise InputError(f"--out {out} would replace {str(beside)!r}, which lrsweep did not write: name another file")
    return path


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
    places = [path.resolve() for path in written]
    there = (text for text in inputs if text is not None and Path(text).exists())
    return next((text for text in there if Path(text).resolve() in places), None)


def read_provenance(path: Path) -> dict[str, Any] | None:
    """What made a table, as a command left it beside it; None where there is no such file, or another's.

    Args:
        path: The table's.

    Example:
        >>> lrsweep.write_table(result.table, folder / "sweep.csv")
        >>> read_provenance(folder / "sweep.csv") is None
        True
    """
    try:
        made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return made if "lrsweep" in made["versions"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_result(table: pd.DataFrame, provenance: Mapping[str, Any], path: Path) -> None:
    """Writes a table, and beside it as `.json` the command and what made it."""
    # From here on an exception, so that nothing is left half written.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    write_table(table, path)
    made = {"command": shlex.join(["lrsweep", *sys.argv[1:]]), **provenance}
    replace_file(path.with_suffix(".json"), (json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode())
