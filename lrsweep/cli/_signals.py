"""What Ctrl-C and its like do to a command: end it at once, or keep what has ended where trials run."""

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

# Ctrl-C, what ends a process, and a terminal that closes; Windows has no such thing as the last.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

# What a process ends with that a signal has ended, less the signal's number.
_BY_SIGNAL = 128


class Stop:
    """The signal that has stopped a command's trials, if one has.

    Attributes:
        code: The exit code that it calls for.
    """

    code = _BY_SIGNAL + signal.SIGINT


def end_at_once() -> None:
    """Has every signal end the process at once, and none disturb its very end."""
    for number in _SIGNALS:
        # What nohup has started goes on when its terminal closes.
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            # An exception would not do: one raised while a library loads can be swallowed there, and a block that is
            # still being computed holds an ordinary exit back.
            signal.signal(number, _leave)
    # What is registered first is called last: by then all is done, and a signal could only have a traceback printed.
    atexit.register(_ignore)


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Has the first signal raise KeyboardInterrupt here, and a second one do what signals did before.

    Returns:
        What tells which signal it was.
    """
    stop, before = Stop(), {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        restore()
        stop.code = _BY_SIGNAL + number
        raise KeyboardInterrupt

    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield stop
    finally:
        restore()


def leave_if_stopped(code: object) -> None:
    """Ends the process at once where its exit code is a signal's: what is still being computed is not waited for."""
    if isinstance(code, int) and code > _BY_SIGNAL:
        _leave(code - _BY_SIGNAL, None)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    """Ends the process at once, with the exit code of a signal, and leaves nothing half written behind."""
    clean_up = getattr(sys.modules.get("lrsweep.tables._files"), "clean_up", None)
    if clean_up is not None:  # else it has not been loaded
        clean_up()
    if os.isatty(2):
        os.write(2, b"\r\x1b[K\x1b[?25h")  # takes the progress bar away and gives the cursor back
    os._exit(_BY_SIGNAL + number)


def _ignore() -> None:
    """Ignores the signals from now on."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
