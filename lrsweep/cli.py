"""The command line: the only module that prints, and the only one that knows exit codes."""

import gc
import importlib
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from lrsweep.errors import InputError
from lrsweep.options import (
    WIDE_AXIS,
    X64,
    Across,
    Around,
    BatchSize,
    By,
    CoarseGrid,
    Diagnose,
    Divergence,
    High,
    Hold,
    LearningRate,
    Low,
    Objective,
    OneOptimizer,
    Optimizer,
    Out,
    Outcome,
    OutPage,
    OutPicture,
    OutSummary,
    Plot,
    Raw,
    Rounds,
    Rule,
    Seeds,
    Set,
    Static,
    Steps,
    Table,
    Target,
    TargetLoss,
    Tolerance,
    Trials,
    Upwards,
    Width,
)
from lrsweep.start_up import cache_folder, set_up_jax, shrink

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich import table as rich_table

    import lrsweep.objective as objective_

# JAX and pandas are imported where they are needed, so that --help does not wait for them.

MISTAKE = 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def lrsweep() -> None:
    """Try every learning rate at once, and see which one to take."""


@app.command()
def run(
    objective: Objective = "line",
    target: Target = None,
    raw: Raw = False,
    optimizer: Optimizer = "sgd",
    learning_rate: LearningRate = None,
    set_: Set = None,
    static: Static = None,
    seeds: Seeds = None,
    steps: Steps = 1000,
    batch_size: BatchSize = None,
    tolerance: Tolerance = 1e-4,
    target_loss: TargetLoss = None,
    hold: Hold = 10,
    divergence: Divergence = 1e6,
    trials: Trials = None,
    diagnose: Diagnose = False,
    out: Out = None,
    plot: Plot = None,
    x64: X64 = False,
) -> None:
    """Sweep learning rates over an objective, and say which one to take."""
    _begin(x64=x64)
    from lrsweep.advice import advise, tell_causes
    from lrsweep.loading import split_name
    from lrsweep.output import check_out, write_result
    from lrsweep.run import sweep
    from lrsweep.search import one_or_named, read_optimizers, read_rows
    from lrsweep.status import Stopping
    from lrsweep.summary import summarize as by_setting

    inputs = [split_name(objective)[0], trials]
    path = None if out is None else check_out(out, inputs)
    picture = None if plot is None else _check_picture("--plot", plot, inputs)
    stopping = Stopping(tolerance=tolerance, target=target_loss, hold=hold, divergence=divergence)
    factories = read_optimizers(optimizer)
    loaded = _load(objective, target=target, raw=raw, batch_size=batch_size)
    rows = read_rows(factories, objective, trials=trials, learning_rate=learning_rate, settings=set_, seeds=seeds)
    if picture is not None and "learning_rate" not in rows.columns:
        raise InputError(f"--plot {plot} is drawn against learning_rate, which these trials do not have")
    result = sweep(
        loaded,
        one_or_named(factories, rows),
        rows,
        steps=steps,
        stopping=stopping,
        static=static or (),
        diagnose=diagnose,
    )
    if path is not None:
        write_result(result.table, result.provenance, path)
    summary = by_setting(result.table)
    answer = advise(summary, result.table)
    _show(summary, result.table, f"{tell_causes(result.table)}\n{answer}" if diagnose else answer, path)
    if picture is not None:
        from lrsweep.plots import overview

        _draw(overview(result.table), picture)


@app.command(name="refine")
def refine_(
    objective: Objective = "line",
    target: Target = None,
    raw: Raw = False,
    optimizer: Optimizer = "sgd",
    learning_rate: CoarseGrid = None,
    around: Around = "best",
    rounds: Rounds = 3,
    width: Width = 0.01,
    set_: Set = None,
    static: Static = None,
    seeds: Seeds = None,
    steps: Steps = 1000,
    batch_size: BatchSize = None,
    tolerance: Tolerance = 1e-4,
    target_loss: TargetLoss = None,
    hold: Hold = 10,
    divergence: Divergence = 1e6,
    trials: Trials = None,
    out: Out = None,
    x64: X64 = False,
) -> None:
    """Zoom into the best learning rate, or into the one at which trials diverge."""
    _begin(x64=x64)
    from lrsweep.conclusion import conclude
    from lrsweep.loading import split_name
    from lrsweep.output import check_out, write_result
    from lrsweep.refinement import refine
    from lrsweep.screen import near
    from lrsweep.search import one_or_named, read_optimizers, read_rows
    from lrsweep.status import Stopping
    from lrsweep.summary import summarize as by_setting

    path = None if out is None else check_out(out, inputs=[split_name(objective)[0], trials])
    stopping = Stopping(tolerance=tolerance, target=target_loss, hold=hold, divergence=divergence)
    factories = read_optimizers(optimizer)
    loaded = _load(objective, target=target, raw=raw, batch_size=batch_size)
    rows = read_rows(
        factories,
        objective,
        trials=trials,
        learning_rate=learning_rate,
        settings=set_,
        seeds=seeds,
        default_rates=WIDE_AXIS,
    )
    result = refine(
        loaded,
        one_or_named(factories, rows),
        rows,
        around=around,  # pyright: ignore[reportArgumentType]
        rounds=rounds,
        width=width,
        steps=steps,
        stopping=stopping,
        static=static or (),
    )
    if path is not None:
        write_result(result.table, result.provenance, path)
    _show(near(by_setting(result.table), result.found), result.table, conclude(result), path)


@app.command()
def critical(
    objective: Objective = "line",
    target: Target = None,
    raw: Raw = False,
    optimizer: OneOptimizer = "sgd",
    set_: Set = None,
    static: Static = None,
    seeds: Seeds = None,
    steps: Steps = 1000,
    low: Low = 1e-6,
    high: High = 1e3,
    width: Width = 1e-3,
    divergence: Divergence = 1e6,
    batch_size: BatchSize = None,
    out: Out = None,
    x64: X64 = False,
) -> None:
    """Find the least learning rate that diverges, from every start, and say which one to stay below."""
    _begin(x64=x64)
    from lrsweep import optimizers
    from lrsweep.axes import grid
    from lrsweep.critical import STOPPING, search_critical
    from lrsweep.loading import split_name
    from lrsweep.output import check_out, write_result
    from lrsweep.search import count_seeds, read_settings

    path = None if out is None else check_out(out, inputs=[split_name(objective)[0]])
    if "," in optimizer:
        raise InputError(f"--optimizer {optimizer} names several: search the edge of one at a time")
    factory = optimizers.by_name(optimizer)
    loaded = _load(objective, target=target, raw=raw, batch_size=batch_size)
    axes, count = read_settings(set_ or []), count_seeds(seeds, objective)
    table, provenance = search_critical(
        loaded,
        factory,
        seeds=None if count is None else range(count),
        trials=grid(**axes) if axes else None,
        low=low,
        high=high,
        width=width,
        steps=steps,
        stopping=replace(STOPPING, divergence=divergence),
        static=static or (),
        block_width=None,
    )
    if path is not None:
        write_result(table, provenance, path)
    _show_edges(table, low, high)
    if path is not None:
        print(f"Wrote {len(table):,} starts to {path}, and what made them to {path.with_suffix('.json')}.")


@app.command()
def summarize(table: Table, by: By = None, rule: Rule = "steps", out: OutSummary = None) -> None:
    """Sum up a result table by setting, and say which learning rate is best, how surely, and what missing it costs."""
    from lrsweep.summary import summarize as by_setting
    from lrsweep.table import check_path, read_table, write_table
    from lrsweep.verdict import judge

    _keep_what_is_loaded()
    path = None if out is None else check_path(out)
    if path is not None and path.resolve() == Path(table).resolve():
        raise InputError(f"--out {out} would replace the table that it sums up: name another file")
    trials = read_table(table)
    summary = by_setting(trials, None if by is None else [name.strip() for name in by.split(",") if name.strip()])
    said = judge(trials, rule)
    if path is not None:
        write_table(summary, path)
    _show(summary, trials, said, None, rest="--out FILE has them all")
    if path is not None:
        print(f"Wrote {len(summary):,} settings to {path}.")


@app.command()
def report(table: Table, out: OutPage = None) -> None:
    """Write a result table as one HTML page, to be opened in a browser: the answer, charts, what went wrong."""
    from lrsweep.output import read_provenance
    from lrsweep.report.page import check_page, page_beside, write_report
    from lrsweep.table import read_table

    _keep_what_is_loaded()
    trials = read_table(table)
    path = page_beside(Path(table)) if out is None else check_page(out)
    write_report(trials, path, read_provenance(Path(table)))
    print(f"Wrote a report of {len(trials):,} trials to {path}.")


@app.command(name="plot")
def plot_(
    table: Table, out: OutPicture, x: Across = "learning_rate", y: Upwards = None, outcome: Outcome = None
) -> None:
    """Draw a result table against the learning rate: how fast, how well, how trials ended; or a map of two columns."""
    from matplotlib.figure import Figure

    from lrsweep import plots
    from lrsweep.plots.style import COLUMN
    from lrsweep.table import read_table

    _keep_what_is_loaded()
    path = _check_picture("--out", out, [table])
    trials = read_table(table)
    # A legend above the axes takes up to half an inch.
    figure = Figure(figsize=(COLUMN[0], COLUMN[1] + 0.5), layout="constrained")
    if y is not None:
        plots.cells(trials, x, y, outcome or "converged_at", ax=figure.subplots())
    elif outcome is not None:
        plots.outcome(trials, outcome, x, ax=figure.subplots())
    else:
        figure = plots.overview(trials, x)
    _draw(figure, path)


@app.command(name="list")
def list_() -> None:
    """List the ready-made objectives, and the optimizers with their keywords."""
    import inspect

    from lrsweep import optimizers
    from lrsweep.loading import ready_made

    print("Objectives:")
    for name, build in ready_made().items():
        print(f"  {name:<12} {(inspect.getdoc(build) or '').splitlines()[0]}")
    print("\nOptimizers, and their keywords (--set varies those that are numbers):")
    for name in optimizers.names():
        print(f"  {name}: {', '.join(inspect.signature(optimizers.by_name(name)).parameters)}")


def main() -> NoReturn:
    """Runs the command line: the exit code is 0, 2 for a user's mistake, 130 for Ctrl-C."""
    warnings.showwarning = _show_warning
    try:
        code = app(prog_name="lrsweep", standalone_mode=False) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough: the interpreter must not complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except typer.TyperException as error:
        # Without a command the help has been shown, and there is no more to say.
        code = _refuse(_usage(error)) if error.format_message() else MISTAKE
    except (InputError, OSError) as error:
        code = _refuse(str(error))
    sys.exit(code)


def _begin(*, x64: bool) -> None:
    """Sets up JAX, whose loading takes most of a command's start."""
    set_up_jax()
    import jax

    importlib.import_module("lrsweep.run")
    _keep_what_is_loaded()
    if x64:
        jax.config.update("jax_enable_x64", True)


def _keep_what_is_loaded() -> None:
    if not gc.isenabled():  # see __main__.py: all has been loaded that is to stay
        gc.freeze()
        gc.enable()


def _load(text: str, *, target: str | None, raw: bool, batch_size: int | None) -> "objective_.Objective":
    from lrsweep.loading import load_objective

    loaded = load_objective(text, target=target, raw=raw)
    return loaded if batch_size is None else replace(loaded, batch_size=batch_size)


def _check_picture(option: str, text: str, inputs: list[str | None]) -> Path:
    from lrsweep.output import replaced
    from lrsweep.plots.files import check_picture

    path = check_picture(text)
    read = replaced([path], inputs)
    if read is not None:
        raise InputError(f"{option} {text} would replace {read!r}, which this command reads: name another file")
    return path


def _draw(figure: "Figure", path: Path) -> None:
    from lrsweep.plots.files import render
    from lrsweep.table import replace_file

    content = render(figure, path.suffix)
    # As where a table is written: see output.py.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    replace_file(path, content)
    print(f"Drew {path}.")


def _refuse(message: str) -> int:
    print("lrsweep: " + " ".join(message.split()), file=sys.stderr)
    return MISTAKE


def _usage(error: typer.TyperException) -> str:
    from lrsweep.messages import unknown

    option, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if option is None or context is None:
        return error.format_message()
    return unknown(
        "option",
        option,
        [name for parameter in context.command.params for name in parameter.opts if name.startswith("-")],
    )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    text = " ".join(str(message).split())
    # Without what was kept it takes longer, and comes to the same.
    if text.startswith("Error reading persistent compilation cache"):
        # Cut short, as by a full disk: JAX would read it again and again, and never write it anew.
        folder = cache_folder()
        if folder is not None:
            shrink(folder, 0)
    elif not text.startswith("Error writing persistent compilation cache"):
        print(f"lrsweep: warning: {text}", file=sys.stderr)


def _show(
    summary: "pd.DataFrame",
    table: "pd.DataFrame",
    answer: str,
    path: Path | None,
    *,
    rest: str = "--out FILE has every trial",
) -> None:
    """Prints what is to be seen of a result table, what it comes to, and where it was written."""
    from lrsweep.screen import lay_out
    from lrsweep.table import best_by_of

    layout = lay_out(summary, room=_room(), best_by=best_by_of(table))
    _print_table(layout)
    if layout.row_count < len(summary):
        print(f"\nThese are the best {layout.row_count} of {len(summary):,} settings; {rest}.")
    print(f"\n{answer}")
    if path is not None:
        print(f"Wrote {len(table):,} trials to {path}, and what made them to {path.with_suffix('.json')}.")


def _show_edges(table: "pd.DataFrame", low: float, high: float) -> None:
    from lrsweep.edges import give_verdict, summarize_edges
    from lrsweep.screen import MOST_SHOWN, SHOWN_OF_MANY, lay_out_rows

    summary = summarize_edges(table)
    shown = summary.head(SHOWN_OF_MANY) if len(summary) > MOST_SHOWN else summary
    _print_table(lay_out_rows(shown, room=_room()))
    if len(shown) < len(summary):
        print(f"\nThese are the first {len(shown)} of {len(summary):,} settings; --out FILE has every start.")
    print(f"\n{give_verdict(table, low=low, high=high)}")


def _room() -> int | None:
    """The width of the screen; what is piped is as wide as it needs to be: only a screen has an edge."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else None


def _print_table(layout: "rich_table.Table") -> None:
    from rich.console import Console

    Console(width=layout.width).print(layout)
