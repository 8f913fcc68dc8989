"""The options of the commands that read a result table: `summarize`, `compare`, `report` and `plot`."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from lrsweep.cli._completion import one_of
from lrsweep.cli._options._shared import OUTPUT, out_option

TableFile = Annotated[
    str,
    typer.Argument(
        help="A result table (.csv, .parquet), as `lrsweep run --out` writes it, or the folder of a store (`--store`)."
    ),
]

# Those of `summarize`.
SettingColumns = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAMES",
        help="The columns that make a setting, such as learning_rate,momentum. Left out: all but seed.",
    ),
]
Rule = Annotated[
    str | None,
    one_of(
        "steps",
        "loss",
        "metric",
        "safe",
        help="What best means: the most trials that converge, in the fewest updates; the least final loss; the best of "
        "the metric that decides; the largest learning rate up to which none diverges. Left out: the metric, where one "
        "decides, and otherwise the steps.",
    ),
]
OutSummary = Annotated[str | None, out_option("the summary (.csv, .parquet)")]

# Those of `compare`.
TableA = Annotated[
    str, typer.Argument(metavar="A", help="A result table (.csv, .parquet), or the folder of a store (`--store`).")
]
TableB = Annotated[str, typer.Argument(metavar="B", help="Another one, of the same settings and seeds.")]
ComparedColumn = Annotated[
    str | None,
    typer.Option(
        "--outcome",
        metavar="NAME",
        help="The column of results to compare, such as final_loss. Left out: that of the rule, or what decides the "
        "best: a metric; converged_at, where some trial converged; and otherwise final_loss. The best is by it too.",
    ),
]
OutComparison = Annotated[str | None, out_option("the comparison by setting (.csv, .parquet)")]


# Where the help shows what goes with runs of another program only.
_RUNS = "Runs of another program"
_option = partial(typer.Option, rich_help_panel=_RUNS)
_one_of = partial(one_of, rich_help_panel=_RUNS)


@dataclass(frozen=True)
class Runs:
    """The options that say what the columns of another program's table are, of `summarize`, `compare` and `report`."""

    loss: Annotated[str | None, _option(metavar="NAME", help="The column of their loss, such as val_loss.")] = None
    metric: Annotated[str | None, _option(metavar="NAME", help="The column of a metric that decides the best.")] = None
    mode: Annotated[
        str | None,
        _one_of("min", "max", help="Which of that metric's values is the best. Left out: as its name tells."),
    ] = None
    learning_rate: Annotated[
        str | None,
        _option(
            "--learning-rate",
            "--lr",
            metavar="NAME",
            help="The column of learning rates. Left out: that called like it.",
        ),
    ] = None
    seed: Annotated[
        str | None, _option(metavar="NAME", help="The column of seeds. Left out: that called like it, if any.")
    ] = None
    settings: Annotated[
        str | None,
        _option(
            metavar="NAMES",
            help="The other columns that make a setting, such as optimizer,width. Left out: all that no option names.",
        ),
    ] = None
    missing: Annotated[
        str | None,
        _one_of("drop", "diverged", help="What to make of those without an outcome. Left out: to refuse them."),
    ] = None


# That of `report`.
OutPage = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Where to (.html). Left out: beside the table, by its name.",
        rich_help_panel=OUTPUT,
    ),
]

# Those of `plot`.
OutPicture = Annotated[
    str, typer.Option("--out", metavar="FILE", help="Where to draw it (.png, .svg, .pdf).", rich_help_panel=OUTPUT)
]
XColumn = Annotated[str, typer.Option("--x", metavar="NAME", help="The column along the horizontal axis.")]
PageColumn = Annotated[
    str | None, typer.Option("--x", metavar="NAME", help="The column to draw against. Left out: the learning rate.")
]
YColumn = Annotated[
    str | None, typer.Option("--y", metavar="NAME", help="The column along the vertical axis of a map instead.")
]
OutcomeColumn = Annotated[
    str | None,
    typer.Option(
        "--outcome",
        metavar="NAME",
        help="The column of results to draw, such as final_loss. Left out: on a map converged_at, or what decides the "
        "best where no trial converged; otherwise these and the shares by status, one above the other.",
    ),
]
