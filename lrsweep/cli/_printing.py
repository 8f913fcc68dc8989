"""What is said on standard output and standard error, whether anybody still reads it or not."""

import io
import os
import sys
from typing import TextIO


def guard_streams() -> None:
    """Has standard output and error go nowhere, and not fail, where they are closed, full, or read no more.

    Otherwise a run would end for want of a reader; and the next file that is opened would take the place of a stream
    that is closed, so that what a library says there is written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = _Stream(sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False))
    sys.stderr = _Stream(sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False))


def escape_what_cannot_be_encoded() -> None:
    """Has a name whose bytes are not UTF-8, and letters that the terminal does not know, shown as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prints on standard output, at once.

    Example:
        >>> say("Drew sweep.png.")
        Drew sweep.png.
    """
    print(text, flush=True)


def tell(text: str) -> None:
    """Prints on standard error, at once.

    Example:
        >>> tell("lrsweep: warning: the table is empty")
    """
    print(text, file=sys.stderr, flush=True)


def why_unsaid() -> OSError | None:
    """Why something could not be said on standard output; that its reader has seen enough is no failure.

    Example:
        >>> why_unsaid()
    """
    sys.stdout.flush()
    failed = getattr(sys.stdout, "failed", None)
    return None if isinstance(failed, BrokenPipeError) else failed


class _Stream(io.TextIOWrapper):
    """A standard stream that goes nowhere from when it cannot be written to; `failed` says why."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream.buffer, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering))
        self.behind = stream  # which would close what both write to, once nobody holds it
        self.failed: OSError | None = None

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failed = self.failed or error
        # What is held back would be tried again, and fail again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
