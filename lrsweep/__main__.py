"""Starts the command line, with Ctrl-C at work from the first moment to the last."""

import gc

from lrsweep.cli import _signals as signals


def main() -> None:
    """Loads the command line and runs it."""
    signals.end_at_once()
    # Looking for garbage again and again among modules, which stay, would take a sixth of the start.
    gc.disable()
    from lrsweep.cli._printing import guard_streams

    guard_streams()
    from lrsweep.cli._app import main

    try:
        main()
    except SystemExit as ended:
        signals.leave_if_stopped(ended.code)
        raise


if __name__ == "__main__":
    main()
