"""The options that name what is minimised."""

from dataclasses import dataclass
from typing import Annotated

import typer

from lrsweep.cli._completion import complete_objectives, one_of
from lrsweep.cli._counts import read_count

# Where the help shows what goes with a file of data only.
_DATA = "A file of data"


@dataclass(frozen=True)
class Problem:
    """The options that name what is minimised, of all commands that run trials."""

    objective: Annotated[
        str,
        typer.Argument(
            autocompletion=complete_objectives,
            help="A name from `lrsweep list`, a file of data (CSV of any kind, Parquet, - for standard input), or your "
            "own: FILE.py:NAME or package.module:NAME.",
        ),
    ] = "line"
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column to predict.", rich_help_panel=_DATA)
    ] = None
    task: Annotated[
        str | None,
        one_of(
            "regression",
            "classification",
            help="What the target holds. Left out: words, booleans and few whole numbers are classes.",
            rich_help_panel=_DATA,
        ),
    ] = None
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Columns to leave out: a,b. Repeatable.", rich_help_panel=_DATA),
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="The columns to use: a,b. Repeatable.", rich_help_panel=_DATA),
    ] = None
    missing: Annotated[
        str | None,
        one_of(
            "drop",
            "mean",
            "indicator",
            help="What becomes of missing values: leave their rows out; fill in the column's mean, or its most "
            "frequent word; fill in, and add a column that says where. Left out: they are refused.",
            rich_help_panel=_DATA,
        ),
    ] = None
    categories: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=read_count,
            help="How many columns of ones and zeros a column of words becomes.",
            rich_help_panel=_DATA,
        ),
    ] = 20
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHS",
            help="A network with layers of these widths, such as 64,64. Left out: a linear model.",
            rich_help_panel=_DATA,
        ),
    ] = None
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Hold out this share of the rows, such as 0.2: accuracy or R² on them decides the best.",
            rich_help_panel=_DATA,
        ),
    ] = None
    best_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What decides the best: loss, accuracy, validation_accuracy or validation_r2.",
            rich_help_panel=_DATA,
        ),
    ] = None
    raw: Annotated[bool, typer.Option("--raw", help="Do not standardise the columns.", rich_help_panel=_DATA)] = False
