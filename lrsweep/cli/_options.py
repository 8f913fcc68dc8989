"""The command line's options: what each is called and what its help says, written once for all commands."""

from dataclasses import dataclass
from typing import Annotated

import typer

from lrsweep.cli._completion import complete_objectives, complete_optimizers, complete_schedules, one_of
from lrsweep.cli._counts import read_count
from lrsweep.cli._printing import print_out

# The axes of a search that names none: the article's own, and one that is wide enough for an unknown model.
ARTICLE_AXIS = "0.1,0.01,0.001"
WIDE_AXIS = "1e-4:1:25"
DEFAULT_SEEDS = 10


def _print_version(asked: bool) -> None:
    """Prints the version where it is asked for, and ends the command."""
    if asked:
        import lrsweep

        print_out(f"lrsweep {lrsweep.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]

# What is given to several commands, each at its own place or with its own default.
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=read_count,
        help="Examples per update, drawn anew each epoch. Left out: as the objective says.",
    ),
]
Divergence = Annotated[
    float,
    typer.Option(
        metavar="X",
        help="By how many times the starting gap, or the starting loss where that is larger, a loss must rise to have "
        "diverged at once; inf: only what is not finite has.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that lrsweep did not write, too.")]
Optimizers = Annotated[
    str,
    typer.Option(
        "--optimizer",
        metavar="NAMES",
        autocompletion=complete_optimizers,
        help="A name from `lrsweep list`, or your own as FILE.py:NAME; or several: sgd,adam,own.py:mine.",
    ),
]
OutTrials = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the table of trials (.csv, .parquet), and beside it what made it (.json); - is standard output, as "
        "CSV, and words go to standard error.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only what goes wrong; files are written all the same.")
]
TableFile = Annotated[
    str,
    typer.Argument(
        help="A result table (.csv, .parquet), as `lrsweep run --out` writes it, or the folder of a store (`--store`)."
    ),
]
TrialsFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="A ready-made trials table (.csv, .parquet) instead of axes and seeds."),
]
Width = Annotated[float, typer.Option(metavar="X", help="How narrow: by what share the ends of the answer may differ.")]
X64 = Annotated[bool, typer.Option("--x64", help="Compute in 64-bit floating point.")]

# Those of `run`.
LearningRates = Annotated[
    str | None,
    typer.Option(
        "--learning-rate",
        "--lr",
        metavar="AXIS",
        help="0.1,0.01,0.001, or 1e-4:1:25 for 25 values evenly spaced in the logarithm. "
        f"Left out: {ARTICLE_AXIS} for line, {WIDE_AXIS} otherwise.",
    ),
]
Record = Annotated[
    str | None,
    typer.Option(
        "--record",
        metavar="NAMES",
        help="Write curves beside --out (.curves.csv, .curves.parquet), such as loss,accuracy: metrics, and loss, "
        "learning_rate, gradient_norm, update_norm, parameter_norm.",
    ),
]
RecordEvery = Annotated[
    int | None, typer.Option("--record-every", metavar="N", parser=read_count, help="Record at every such update only.")
]
Diagnose = Annotated[bool, typer.Option("--diagnose", help="Say why each trial ended as it did.")]
PlotFile = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw the sweep against the learning rate (.png, .svg, .pdf)."),
]
StoreFolder = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Keep what becomes of the trials in this folder, or at this URL, while they run; `lrsweep resume DIR` "
        "goes on from it.",
    ),
]

Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="WHO",
        help="Have the shards of the store computed by others: processes:4, dask://HOST:PORT, ray or ray://HOST:PORT.",
    ),
]

# That of `status` and `resume`.
StoreArgument = Annotated[str, typer.Argument(metavar="DIR", help="A store, as `lrsweep run --store` makes it.")]

# Those of `refine`.
CoarseGrid = Annotated[
    str | None,
    typer.Option(
        "--learning-rate",
        "--lr",
        metavar="AXIS",
        help="The grid to begin with: 0.1,0.01,0.001, or 1e-4:1:25 for 25 values evenly spaced in the logarithm. "
        f"Left out: {WIDE_AXIS}.",
    ),
]
Around = Annotated[
    str,
    one_of("best", "edge", help="best: the learning rate to take; edge: the largest below which no trial diverges."),
]
Rounds = Annotated[
    int, typer.Option(metavar="N", parser=read_count, help="The most grids after the first, each finer than the last.")
]

# Those of `critical` and `range-test`.
OneOptimizer = Annotated[
    str,
    typer.Option(
        "--optimizer",
        metavar="NAME",
        autocompletion=complete_optimizers,
        help="A name from `lrsweep list`, or your own as FILE.py:NAME.",
    ),
]
Low = Annotated[float, typer.Option("--from", metavar="LOW", help="The least learning rate to try.")]
High = Annotated[float, typer.Option("--to", metavar="HIGH", help="The greatest learning rate to try.")]

# Those of `range-test`.
RangeSteps = Annotated[
    int,
    typer.Option(
        "--steps", metavar="N", parser=read_count, help="How many learning rates, evenly spaced in the logarithm."
    ),
]
OutCurves = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the losses at every learning rate (.csv, .parquet), and beside them what made them (.json); - is "
        "standard output, as CSV, and words go to standard error.",
    ),
]
PlotRange = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw the losses against the learning rate (.png, .svg, .pdf)."),
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
OutSummary = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the summary (.csv, .parquet); - is standard output, as CSV, and words go to standard error.",
    ),
]


@dataclass(frozen=True)
class Runs:
    """The options that say what the columns of another program's table are, of `summarize` and `report`."""

    loss: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For runs of another program: the column of their loss, such as val_loss."),
    ] = None
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For such runs: the column of a metric that decides the best."),
    ] = None
    mode: Annotated[
        str | None,
        one_of("min", "max", help="Which of that metric's values is the best. Left out: as its name tells."),
    ] = None
    learning_rate: Annotated[
        str | None,
        typer.Option(
            "--learning-rate",
            "--lr",
            metavar="NAME",
            help="For such runs: the column of learning rates. Left out: that called like it.",
        ),
    ] = None
    seed: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For such runs: the column of seeds. Left out: that called like it, if any."),
    ] = None
    settings: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="For such runs: the other columns that make a setting, such as optimizer,width. Left out: all that no "
            "option names.",
        ),
    ] = None
    missing: Annotated[
        str | None,
        one_of(
            "drop",
            "diverged",
            help="For such runs: what to make of those without an outcome. Left out: to refuse them.",
        ),
    ] = None


# That of `report`.
OutPage = Annotated[
    str | None,
    typer.Option("--out", metavar="FILE", help="Where to (.html). Left out: beside the table, by its name."),
]

# Those of `plot`.
OutPicture = Annotated[str, typer.Option("--out", metavar="FILE", help="Where to draw it (.png, .svg, .pdf).")]
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


@dataclass(frozen=True)
class Tried:
    """The options that say what is tried beside learning rates, of all commands that run trials."""

    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=AXIS", help="One more hyperparameter, such as momentum=0,0.9. Repeatable."),
    ] = None
    static: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A hyperparameter to compile for, value by value, such as a layer's width. Repeatable.",
        ),
    ] = None
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=read_count,
            help="Random starts per setting. Left out: a ready-made objective's own start, "
            f"and {DEFAULT_SEEDS} random ones otherwise.",
        ),
    ] = None


@dataclass(frozen=True)
class Search(Tried):
    """Those, and the options that say how long a trial is, of the commands that sweep learning rates."""

    steps: Annotated[int, typer.Option(metavar="N", parser=read_count, help="The most updates a trial may make.")] = (
        1000
    )
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_schedules,
            help="Have the learning rate rise and fall over the steps: a name from `lrsweep list`. "
            "What is swept is its peak; --set varies its warmup.",
        ),
    ] = None


@dataclass(frozen=True)
class Ending:
    """The options that say what ends a trial, of `run` and `refine`."""

    tolerance: Annotated[
        float, typer.Option(metavar="X", help="The share of the starting gap that counts as converged.")
    ] = 1e-4
    target_loss: Annotated[
        float | None,
        typer.Option(metavar="LOSS", help="The loss that counts as converged, instead of a share of the starting gap."),
    ] = None
    hold: Annotated[
        int, typer.Option(metavar="N", parser=read_count, help="For how many updates in a row it must stay there.")
    ] = 10
    divergence: Divergence = 1e6
