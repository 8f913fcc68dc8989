"""What Ctrl-C and its like do to a command: end it at once, or keep what has ended where trials run."""

import atexit
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

# Ctrl-C, what ends a process, and a terminal that closes; Windows has no such thing as the last.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

# What a process ends with that a signal has ended, less the signal's number.
_BY_SIGNAL = 128


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


class Stop:
    """What a signal does while trials run: the first raises KeyboardInterrupt, a second does what it did before.

    Attributes:
        code: The exit code that the signal calls for.

    Example:
        >>> stop = Stop()
        >>> stop.arm()
        >>> try:
        ...     signal.raise_signal(signal.SIGINT)
        ... except KeyboardInterrupt:
        ...     print(stop.code)
        130
    """

    def __init__(self) -> None:
        self.code = _BY_SIGNAL + signal.SIGINT
        self._before: dict[int, Any] = {}
        self._came = False

    def arm(self) -> None:
        """Begins with it, or goes on; raises what a signal has raised already where a library may have swallowed it."""
        if self._came:
            raise KeyboardInterrupt
        if not self._before:
            self._before = {number: signal.getsignal(number) for number in _SIGNALS}
            for number, handler in self._before.items():
                if handler != signal.SIG_IGN:
                    signal.signal(number, self._interrupt)

    def disarm(self) -> None:
        """Ends it: signals do what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, _: FrameType | None) -> NoReturn:
        self.disarm()
        self.code, self._came = _BY_SIGNAL + number, True
        raise KeyboardInterrupt


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
