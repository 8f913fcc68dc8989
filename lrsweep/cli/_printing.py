"""What is printed on standard output and standard error, whether anybody still reads it or not."""

import contextlib
import io
import os
import sys
import textwrap
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TextIO

# What `--out` calls standard output.
STANDARD_OUTPUT = "-"

_for_tables: ContextVar[TextIO | None] = ContextVar("_for_tables", default=None)
_quiet: ContextVar[bool] = ContextVar("_quiet", default=False)


def guard_streams() -> None:
    """Lets standard output and error go nowhere, instead of failing, where they are closed, full, or read no more.

    Otherwise a run would end for want of a reader. And where a stream is closed, the next file that is opened would
    take its number, so that what a library prints would be written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = _Stream(sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False))
    sys.stderr = _Stream(sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False))


def escape_what_cannot_be_encoded() -> None:
    """Lets names whose bytes are not UTF-8, and letters that the terminal does not know, be printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_out(text: str, *, indent: int = 0) -> None:
    """Prints on standard output, at once.

    Args:
        text: What to print. On a terminal its lines are broken between words.
        indent: By how much a line is moved to the right that goes on with the one before.

    Example:
        >>> print_out("Drew sweep.png.")
        Drew sweep.png.
    """
    print(_broken(text, sys.stdout, indent), flush=True)


def print_error(text: str) -> None:
    """Prints on standard error, at once.

    Example:
        >>> print_error("lrsweep: warning: the table is empty")
    """
    print(_broken(text, sys.stderr, 0), file=sys.stderr, flush=True)


def width_of(stream: TextIO) -> int | None:
    """Gives the width of the terminal that a stream goes to, or None where it goes to none.

    Example:
        >>> width_of(io.StringIO())
    """
    if not stream.isatty():
        return None
    from rich.console import Console

    return Console(file=stream).width


def _broken(text: str, stream: TextIO, indent: int) -> str:
    """Breaks lines between words where a terminal would break them within."""
    width = width_of(stream)
    if width is None:
        return text
    breaker = textwrap.TextWrapper(
        width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(breaker.fill(line) if len(line) > width else line for line in text.splitlines())


def print_table(content: bytes) -> None:
    """Prints the content of a file on standard output, also where words go elsewhere.

    Example:
        >>> with words_aside(out="-", quiet=False):
        ...     print_out("Wrote 1 trial to standard output.")
        ...     print_table(b"trial,status")
        trial,status
    """
    stream = _for_tables.get() or sys.stdout
    stream.flush()
    # A file is UTF-8, with its own ends of lines, wherever it goes.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", newline="")
    stream.write(content.decode())
    stream.flush()


def is_quiet() -> bool:
    """Says whether only what goes wrong is to be printed.

    Example:
        >>> is_quiet()
        False
    """
    return _quiet.get()


@contextlib.contextmanager
def words_aside(*, out: str | None, quiet: bool) -> Iterator[None]:
    """Sends what is printed to standard error where a table goes to standard output, or nowhere.

    Args:
        out: Where the table goes to: `-` is standard output.
        quiet: Print only what goes wrong.

    Example:
        >>> with words_aside(out=None, quiet=True):
        ...     print_out("Use learning_rate 0.1.")
    """
    with contextlib.ExitStack() as stack:
        tables, silence = _for_tables.set(sys.stdout), _quiet.set(quiet)
        stack.callback(_for_tables.reset, tables)
        stack.callback(_quiet.reset, silence)
        if quiet:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        elif out == STANDARD_OUTPUT:
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield


def failure_of_output() -> OSError | None:
    """Gives what kept something from being printed on standard output, or None.

    That its reader has seen enough is no failure.

    Example:
        >>> failure_of_output()
    """
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    return None if isinstance(failure, BrokenPipeError) else failure


class _Stream(io.TextIOWrapper):
    """A standard stream that goes nowhere from when it cannot be written to; `failure` says why."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream.buffer, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering))
        self.behind = stream  # which would close what both write to, once nobody holds it
        self.failure: OSError | None = None

    def write(self, text: str, /) -> int:
        """Writes text, or nothing where that fails."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Writes what is held back, or nothing where that fails."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Sends all that is still to come, and what is held back, nowhere."""
        self.failure = self.failure or error
        # What is held back would be tried again, and fail again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
