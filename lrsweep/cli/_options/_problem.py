"""The options that name what is minimised."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from lrsweep.cli._completion import complete_objectives, one_of
from lrsweep.cli._counts import read_count

# Where the help shows what goes with a file of data only.
_DATA = "A file of data"
_option = partial(typer.Option, rich_help_panel=_DATA)
_one_of = partial(one_of, rich_help_panel=_DATA)


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
    target: Annotated[str | None, _option(metavar="NAME", help="The column to predict.")] = None
    task: Annotated[
        str | None,
        _one_of(
            "regression",
            "classification",
            help="What the target holds. Left out: words, booleans and few whole numbers are classes.",
        ),
    ] = None
    drop: Annotated[list[str] | None, _option(metavar="NAMES", help="Columns to leave out: a,b. Repeatable.")] = None
    only: Annotated[list[str] | None, _option(metavar="NAMES", help="The columns to use: a,b. Repeatable.")] = None
    missing: Annotated[
        str | None,
        _one_of(
            "drop",
            "mean",
            "indicator",
            help="What becomes of missing values: leave their rows out; fill in the column's mean, or its most "
            "frequent word; fill in, and add a column that says where. Left out: they are refused.",
        ),
    ] = None
    categories: Annotated[
        int,
        _option(metavar="N", parser=read_count, help="How many columns of ones and zeros a column of words becomes."),
    ] = 20
    hidden: Annotated[
        str | None,
        _option(
            metavar="WIDTHS", help="A network with layers of these widths, such as 64,64. Left out: a linear model."
        ),
    ] = None
    validation: Annotated[
        float | None,
        _option(
            metavar="SHARE",
            help="Hold out this share of the rows, such as 0.2: accuracy or R² on them decides the best.",
        ),
    ] = None
    best_by: Annotated[
        str | None,
        _option(metavar="NAME", help="What decides the best: loss, accuracy, validation_accuracy or validation_r2."),
    ] = None
    raw: Annotated[bool, _option("--raw", help="Do not standardise the columns.")] = False
