"""Starts the command line, so that Ctrl-C is quiet from the first moment on."""

import os


def main() -> None:
    """Loads the command line and runs it."""
    try:
        from lrsweep.cli import main

        main()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
