"""What is said on standard output and standard error, whether anybody still reads it or not."""

import contextlib
import io
import os
import sys
from typing import TextIO

# Why standard output could not be written to: a full disk, say.
_failed: list[OSError] = []


def open_closed_streams() -> None:
    """Opens those of standard input, output and error that are closed, to nowhere.

    Otherwise the next file that is opened takes their place, and what a library says there is written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def escape_what_cannot_be_encoded() -> None:
    """Has a name whose bytes are not UTF-8, and letters that the terminal does not know, shown as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prints on standard output; where nobody reads on, or it is full, the rest goes nowhere, and work goes on.

    Example:
        >>> say("Drew sweep.png.")
        Drew sweep.png.
    """
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """Prints on standard error, or nowhere.

    Example:
        >>> tell("lrsweep: warning: the table is empty")
    """
    _write(sys.stderr, text)


def take_failure() -> OSError | None:
    """Why something could not be said on standard output since this was last asked; None where all was said.

    That its reader has seen enough is no failure.

    Example:
        >>> take_failure()
    """
    _write(sys.stdout, "", end="")  # what others have printed
    return _failed.pop() if _failed else None


def _write(stream: TextIO, text: str, end: str = "\n") -> None:
    try:
        print(text, file=stream, end=end, flush=True)
    except OSError as error:
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            _failed.append(error)
        # What the stream still holds would be tried again when the interpreter ends, and fail again.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
