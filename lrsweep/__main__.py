"""Starts the command line, with Ctrl-C at work from the first moment on."""

import gc
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Loads the command line and runs it."""
    # An exception would not do: one raised while a library loads can be swallowed there, and a block that is still
    # being computed holds an ordinary exit back.
    signal.signal(signal.SIGINT, _leave)
    # What is loaded stays: to look for garbage among it, again and again, would take a sixth of the start.
    gc.disable()
    from lrsweep.cli import main

    main()


def _leave(*_: Any) -> None:
    if sys.stderr.isatty():
        os.write(2, b"\r\x1b[K\x1b[?25h")  # takes the progress bar away and gives the cursor back
    os._exit(130)


if __name__ == "__main__":
    main()
