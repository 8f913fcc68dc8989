"""Starts the command line, with Ctrl-C at work from the first moment to the last."""

import atexit
import gc
import os
import signal
import sys

# Ctrl-C, what ends a process, and a terminal that closes; Windows has no such thing as the last.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main() -> None:
    """Loads the command line and runs it."""
    for number in _SIGNALS:
        # What nohup has started goes on when its terminal closes.
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            # An exception would not do: one raised while a library loads can be swallowed there, and a block that is
            # still being computed holds an ordinary exit back.
            signal.signal(number, _leave)
    # What is registered first is called last: by then all is done, and a signal could only have a traceback printed.
    atexit.register(_ignore)
    # Looking for garbage again and again among modules, which stay, would take a sixth of the start.
    gc.disable()
    from lrsweep.cli._printing import guard_streams

    guard_streams()
    from lrsweep.cli._app import main

    main()


def _leave(number: int, _: object) -> None:
    """Ends the process at once, with the exit code of a signal, and leaves nothing half written behind."""
    clean_up = getattr(sys.modules.get("lrsweep.tables._files"), "clean_up", None)
    if clean_up is not None:  # else it has not been loaded
        clean_up()
    if os.isatty(2):
        os.write(2, b"\r\x1b[K\x1b[?25h")  # takes the progress bar away and gives the cursor back
    os._exit(128 + number)


def _ignore() -> None:
    """Ignores the signals from now on."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
