"""The options that commands of every kind have in common."""

from typing import Annotated, Any

import typer

from lrsweep.cli._printing import print_out

# Where the help shows what is said and written.
OUTPUT = "What is printed and written"


def _print_version(asked: bool) -> None:
    """Prints the version where it is asked for, and ends the command."""
    if asked:
        import lrsweep

        print_out(f"lrsweep {lrsweep.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace files that lrsweep did not write, too.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print only what goes wrong; files are written all the same.", rich_help_panel=OUTPUT
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="WHO",
        help="Have the shards of the store computed by others: processes:4, dask://HOST:PORT, ray or ray://HOST:PORT.",
        rich_help_panel=OUTPUT,
    ),
]
StoreArgument = Annotated[str, typer.Argument(metavar="DIR", help="A store, as `lrsweep run --store` makes it.")]


def out_option(what: str) -> Any:
    """Makes an `--out` whose help says what it writes.

    Args:
        what: Such as "the table of trials (.csv, .parquet)".

    Example:
        >>> out_option("the summary (.csv, .parquet)").help
        'Write the summary (.csv, .parquet); - is standard output, as CSV, and words go to standard error.'
    """
    help_text = f"Write {what}; - is standard output, as CSV, and words go to standard error."
    return typer.Option("--out", metavar="FILE", help=help_text, rich_help_panel=OUTPUT)


def plot_option(what: str) -> Any:
    """Makes a `--plot` whose help says what it draws.

    Args:
        what: Such as "the sweep".

    Example:
        >>> plot_option("the sweep").help
        'Draw the sweep against the learning rate (.png, .svg, .pdf).'
    """
    help_text = f"Draw {what} against the learning rate (.png, .svg, .pdf)."
    return typer.Option("--plot", metavar="FILE", help=help_text, rich_help_panel=OUTPUT)
