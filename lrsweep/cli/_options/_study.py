"""The options of the commands that run trials: one class for each, of which all have `Study` in common."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from lrsweep.cli._completion import complete_optimizers, complete_schedules, one_of
from lrsweep.cli._counts import read_count
from lrsweep.cli._options._problem import Problem
from lrsweep.cli._options._shared import OUTPUT, Executor, Force, out_option, plot_option

# The axes of a search that names none: the article's own, and one that is wide enough for an unknown model.
ARTICLE_AXIS = "0.1,0.01,0.001"
WIDE_AXIS = "1e-4:1:25"
DEFAULT_SEEDS = 10

# Where the help shows what ends a trial, and what else may be told of one.
_ENDING = "What ends a trial"
_MORE = "More about each trial"

_ONE_OPTIMIZER = "A name from `lrsweep list`, or your own as FILE.py:NAME"
_AXIS = "0.1,0.01,0.001, or 1e-4:1:25 for 25 values evenly spaced in the logarithm. Left out: "


def _optimizer(metavar: str, help_text: str) -> Any:
    return typer.Option("--optimizer", metavar=metavar, autocompletion=complete_optimizers, help=help_text)


def _learning_rate(help_text: str) -> Any:
    return typer.Option("--learning-rate", "--lr", metavar="AXIS", help=help_text)


def _count(help_text: str, **about: Any) -> Any:
    return typer.Option(metavar="N", parser=read_count, help=help_text, **about)


OneOptimizer = Annotated[str, _optimizer("NAME", f"{_ONE_OPTIMIZER}.")]
Optimizers = Annotated[str, _optimizer("NAMES", f"{_ONE_OPTIMIZER}; or several: sgd,adam,own.py:mine.")]
Schedule = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=complete_schedules,
        help="Have the learning rate rise and fall over the steps: a name from `lrsweep list`. "
        "What is swept is its peak; --set varies its warmup.",
    ),
]
Low = Annotated[float, typer.Option("--from", metavar="LOW", help="The least learning rate to try.")]
High = Annotated[float, typer.Option("--to", metavar="HIGH", help="The greatest learning rate to try.")]
Width = Annotated[float, typer.Option(metavar="X", help="How narrow: by what share the ends of the answer may differ.")]
Divergence = Annotated[
    float,
    typer.Option(
        metavar="X",
        help="By how many times the starting gap, or the starting loss where that is larger, a loss must rise to have "
        "diverged at once; inf: only what is not finite has.",
        rich_help_panel=_ENDING,
    ),
]


@dataclass(frozen=True)
class Tried:
    """What is tried beside learning rates."""

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
        _count(
            "Random starts per setting. Left out: a ready-made objective's own start, "
            f"and {DEFAULT_SEEDS} random ones otherwise."
        ),
    ] = None
    trials: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A ready-made trials table (.csv, .parquet) instead of axes and seeds."),
    ] = None


@dataclass(frozen=True)
class Study:
    """The options of every command that runs trials. Each adds its own, and says of some what they mean to it."""

    optimizer: Optimizers = "sgd"
    tried: Tried = Tried()
    steps: Annotated[int, _count("The most updates a trial may make.")] = 1000
    batch_size: Annotated[
        int | None, _count("Examples per update, drawn anew each epoch. Left out: as the objective says.")
    ] = None
    x64: Annotated[bool, typer.Option("--x64", help="Compute in 64-bit floating point.")] = False
    out: Annotated[
        str | None, out_option("the table of trials (.csv, .parquet), and beside it what made it (.json)")
    ] = None
    force: Force = False
    problem: Problem = field(default_factory=Problem)


@dataclass(frozen=True)
class Ending:
    """What ends a trial of a sweep."""

    tolerance: Annotated[
        float,
        typer.Option(
            metavar="X", help="The share of the starting gap that counts as converged.", rich_help_panel=_ENDING
        ),
    ] = 1e-4
    target_loss: Annotated[
        float | None,
        typer.Option(
            metavar="LOSS",
            help="The loss that counts as converged, instead of a share of the starting gap.",
            rich_help_panel=_ENDING,
        ),
    ] = None
    hold: Annotated[int, _count("For how many updates in a row it must stay there.", rich_help_panel=_ENDING)] = 10
    divergence: Divergence = 1e6


@dataclass(frozen=True)
class Swept(Study):
    """The options of the commands that sweep given learning rates, `run` and `refine`."""

    learning_rate: Annotated[str | None, _learning_rate(f"{_AXIS}{ARTICLE_AXIS} for line, {WIDE_AXIS} otherwise.")] = (
        None
    )
    schedule: Schedule = None
    plot: Annotated[str | None, plot_option("the sweep")] = None
    ending: Ending = Ending()


@dataclass(frozen=True)
class Run(Swept):
    """The options of `run`."""

    halving: Annotated[
        str | None,
        typer.Option(
            metavar="UPDATES",
            help="Drop the worse half of the settings after these many updates, such as 100,200.",
            rich_help_panel=_ENDING,
        ),
    ] = None
    keep: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="The share of the settings that --halving keeps, not half.", rich_help_panel=_ENDING
        ),
    ] = None

    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Say why each trial ended as it did.", rich_help_panel=_MORE)
    ] = False
    record: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="NAMES",
            help="Write curves beside --out (.curves.csv, .curves.parquet), such as loss,accuracy: metrics, and loss, "
            "learning_rate, gradient_norm, update_norm, parameter_norm.",
            rich_help_panel=_MORE,
        ),
    ] = None
    record_every: Annotated[int | None, _count("Record at every such update only.", rich_help_panel=_MORE)] = None
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="DIR",
            help="Keep what becomes of the trials in this folder, or at this URL, while they run; `lrsweep resume DIR` "
            "goes on from it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    executor: Executor = None


@dataclass(frozen=True)
class Refine(Swept):
    """The options of `refine`."""

    learning_rate: Annotated[str | None, _learning_rate(f"The grid to begin with: {_AXIS}{WIDE_AXIS}.")] = None
    around: Annotated[
        str,
        one_of(
            "best", "edge", help="best: the learning rate to take; edge: the largest below which no trial diverges."
        ),
    ] = "best"
    rounds: Annotated[int, _count("The most grids after the first, each finer than the last.")] = 3
    width: Width = 0.01


@dataclass(frozen=True)
class Critical(Study):
    """The options of `critical`."""

    optimizer: OneOptimizer = "sgd"
    low: Low = 1e-6
    high: High = 1e3
    width: Width = 1e-3
    schedule: Schedule = None
    divergence: Divergence = 1e6
    out: Annotated[
        str | None, out_option("the table of starts (.csv, .parquet), and beside it what made it (.json)")
    ] = None


@dataclass(frozen=True)
class RangeTest(Study):
    """The options of `range-test`."""

    optimizer: OneOptimizer = "sgd"
    low: Low = 1e-7
    high: High = 10.0
    steps: Annotated[int, _count("How many learning rates, evenly spaced in the logarithm.")] = 100
    divergence: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="At how many times its least value so far a smoothed loss has diverged; inf: only what is not finite "
            "has.",
            rich_help_panel=_ENDING,
        ),
    ] = 4.0
    out: Annotated[
        str | None,
        out_option("the losses at every learning rate (.csv, .parquet), and beside them what made them (.json)"),
    ] = None
    plot: Annotated[str | None, plot_option("the losses")] = None
