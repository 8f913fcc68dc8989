"""The command line: the only module that says anything, and the only one that knows exit codes."""

import gc
import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from lrsweep.cli._jax_setup import cache_folder, set_up_jax, shrink
from lrsweep.cli._options import (
    WIDE_AXIS,
    X64,
    Across,
    Around,
    BatchSize,
    By,
    CoarseGrid,
    Diagnose,
    Divergence,
    Force,
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
from lrsweep.cli._printing import escape_what_cannot_be_encoded, say, tell, why_unsaid
from lrsweep.inputs._errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich import table as rich_table

    import lrsweep.problems._objective as objective_

# JAX and pandas are imported where they are needed, so that --help does not wait for them.

MISTAKE = 2
UNWRITTEN = 3

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
    force: Force = False,
    x64: X64 = False,
) -> int:
    """Sweep learning rates over an objective, and say which one to take."""
    _begin(x64=x64)
    from lrsweep.cli._objective import split_name
    from lrsweep.cli._output import check_out
    from lrsweep.cli._trials import one_or_named, read_optimizers, read_rows
    from lrsweep.statistics._advice import advise, tell_causes
    from lrsweep.statistics._summary import summarize as by_setting
    from lrsweep.studies._sweep import sweep
    from lrsweep.training._stopping import Stopping

    inputs = [split_name(objective)[0], trials]
    path = None if out is None else check_out(out, inputs, force=force)
    picture = None if plot is None else _check_picture("--plot", plot, inputs, force=force)
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
    with _kept(result.table, result.provenance, path) as kept:
        summary = by_setting(result.table)
        answer = advise(summary, result.table)
        _show(summary, result.table, f"{tell_causes(result.table)}\n{answer}" if diagnose else answer)
    if picture is None:
        return kept.code
    from lrsweep.plots import overview

    return _draw(overview(result.table), picture) or kept.code


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
    force: Force = False,
    x64: X64 = False,
) -> int:
    """Zoom into the best learning rate, or into the one at which trials diverge."""
    _begin(x64=x64)
    from lrsweep.cli._objective import split_name
    from lrsweep.cli._output import check_out
    from lrsweep.cli._screen import near
    from lrsweep.cli._trials import one_or_named, read_optimizers, read_rows
    from lrsweep.statistics._conclusion import conclude
    from lrsweep.statistics._summary import summarize as by_setting
    from lrsweep.studies._refine import refine
    from lrsweep.training._stopping import Stopping

    path = None if out is None else check_out(out, [split_name(objective)[0], trials], force=force)
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
    with _kept(result.table, result.provenance, path) as kept:
        _show(
            near(by_setting(result.table), result.found),
            result.table,
            conclude(result.table, result.found, result.provenance["refine"]),
        )
    return kept.code


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
    force: Force = False,
    x64: X64 = False,
) -> int:
    """Find the least learning rate that diverges, from every start, and say which one to stay below."""
    _begin(x64=x64)
    from lrsweep import optimizers
    from lrsweep.cli._objective import split_name
    from lrsweep.cli._output import check_out
    from lrsweep.cli._trials import count_seeds, read_settings
    from lrsweep.studies._critical import STOPPING, search_critical
    from lrsweep.tables._grid import grid

    path = None if out is None else check_out(out, [split_name(objective)[0]], force=force)
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
    with _kept(table, provenance, path, "starts") as kept:
        _show_edges(table, low, high)
    return kept.code


@app.command()
def summarize(table: Table, by: By = None, rule: Rule = "steps", out: OutSummary = None, force: Force = False) -> int:
    """Sum up a result table by setting, and say which learning rate is best, how surely, and what missing it costs."""
    from lrsweep.cli._output import check_out
    from lrsweep.statistics._summary import summarize as by_setting
    from lrsweep.statistics._verdict import judge
    from lrsweep.tables._io import read_table, table_content

    _keep_what_is_loaded()
    path = None if out is None else check_out(out, [table], force=force, note=False)
    trials = read_table(table)
    summary = by_setting(trials, None if by is None else [name.strip() for name in by.split(",") if name.strip()])
    said = judge(trials, rule)
    _show(summary, trials, said, rest="--out FILE has them all")
    if path is None:
        return 0
    return _write({path: table_content(summary, path.suffix)}, f"Wrote {len(summary):,} settings to {path}.")


@app.command()
def report(table: Table, out: OutPage = None, force: Force = False) -> int:
    """Write a result table as one HTML page, to be opened in a browser: the answer, charts, what went wrong."""
    from lrsweep.cli._output import check_replaced
    from lrsweep.report._page import ENDINGS, check_page, is_page, page_content
    from lrsweep.tables._io import read_table
    from lrsweep.tables._notes import read_provenance

    _keep_what_is_loaded()
    trials = read_table(table)
    text = out or str(Path(table).with_suffix(ENDINGS[0]))
    path = check_page(text)
    check_replaced("the report" if out is None else "--out", text, path, [table], is_page, force=force)
    content = page_content(trials, read_provenance(Path(table)), title=path.stem)
    return _write({path: content}, f"Wrote a report of {len(trials):,} trials to {path}.")


@app.command(name="plot")
def plot_(
    table: Table,
    out: OutPicture,
    x: Across = "learning_rate",
    y: Upwards = None,
    outcome: Outcome = None,
    force: Force = False,
) -> int:
    """Draw a result table against the learning rate: how fast, how well, how trials ended; or a map of two columns."""
    from matplotlib.figure import Figure

    from lrsweep import plots
    from lrsweep.plots._style import COLUMN
    from lrsweep.tables._io import read_table

    _keep_what_is_loaded()
    path = _check_picture("--out", out, [table], force=force)
    trials = read_table(table)
    # A legend above the axes takes up to half an inch.
    figure = Figure(figsize=(COLUMN[0], COLUMN[1] + 0.5), layout="constrained")
    if y is not None:
        plots.cells(trials, x, y, outcome or "converged_at", ax=figure.subplots())
    elif outcome is not None:
        plots.outcome(trials, outcome, x, ax=figure.subplots())
    else:
        figure = plots.overview(trials, x)
    return _draw(figure, path)


@app.command(name="list")
def list_() -> None:
    """List the ready-made objectives, and the optimizers with their keywords."""
    import inspect

    from lrsweep import optimizers
    from lrsweep.cli._objective import ready_made

    say("Objectives:")
    for name, build in ready_made().items():
        say(f"  {name:<12} {(inspect.getdoc(build) or '').splitlines()[0]}")
    say("\nOptimizers, and their keywords (--set varies those that are numbers):")
    for name in optimizers.names():
        say(f"  {name}: {', '.join(inspect.signature(optimizers.by_name(name)).parameters)}")


def main() -> NoReturn:
    """Runs the command line.

    The exit code is 0; 2 for a user's mistake; 3 where the command has run, and something that it was to write could
    not be written where it was to go.
    """
    warnings.showwarning = _show_warning
    escape_what_cannot_be_encoded()
    try:
        code = app(prog_name="lrsweep", standalone_mode=False) or 0
    except typer.TyperException as error:
        # Without a command the help has been shown, and there is no more to say.
        code = _refuse(_usage(error)) if error.format_message() else MISTAKE
    except InputError as error:
        code = _refuse(str(error))
    except OSError as error:
        if not _is_named(error):
            raise
        code = _refuse(f"{error.filename!r}: {error.strerror}")
    unsaid = why_unsaid()
    if unsaid is not None:
        tell(f"lrsweep: standard output could not be written to: {unsaid.strerror or unsaid}")
        code = code or UNWRITTEN
    sys.exit(code)


def _is_named(error: OSError) -> bool:
    """Whether an error is about a file that the user has named, and not about one of lrsweep's or of a library's."""
    names = [word.rpartition("=")[2].partition(".py:")[0] for word in sys.argv[1:]]
    return error.filename is not None and str(error.filename).removesuffix(".py") in [
        name.removesuffix(".py") for name in names
    ]


def _begin(*, x64: bool) -> None:
    """Sets up JAX, whose loading takes most of a command's start."""
    set_up_jax()
    import jax

    importlib.import_module("lrsweep.studies._sweep")
    _keep_what_is_loaded()
    if x64:
        jax.config.update("jax_enable_x64", True)


def _keep_what_is_loaded() -> None:
    if not gc.isenabled():  # see __main__.py: all has been loaded that is to stay
        gc.freeze()
        gc.enable()


def _load(text: str, *, target: str | None, raw: bool, batch_size: int | None) -> "objective_.Objective":
    from lrsweep.cli._objective import load_objective

    loaded = load_objective(text, target=target, raw=raw)
    return loaded if batch_size is None else replace(loaded, batch_size=batch_size)


def _check_picture(option: str, text: str, inputs: list[str | None], *, force: bool) -> Path:
    from lrsweep.cli._output import check_replaced
    from lrsweep.plots._files import check_picture, is_drawn

    path = check_picture(text)
    check_replaced(option, text, path, inputs, is_drawn, force=force)
    return path


def _draw(figure: "Figure", path: Path) -> int:
    from lrsweep.plots._files import render

    return _write({path: render(figure, path.suffix)}, f"Drew {path}.")


class _Kept:
    """What has become of a table: the exit code that the command ends with."""

    code = 0


@contextmanager
def _kept(
    table: "pd.DataFrame", provenance: Mapping[str, Any], path: Path | None, rows: str = "trials"
) -> Iterator[_Kept]:
    """Writes a table after the answer has been given, and also where giving it fails: what has run is not lost."""
    from lrsweep.cli._output import result_contents

    kept = _Kept()
    try:
        yield kept
    finally:
        if path is not None:
            contents = result_contents(table, provenance, path)
            _, note = contents
            kept.code = _write(contents, f"Wrote {len(table):,} {rows} to {path}, and what made them to {note}.")


def _write(contents: Mapping[Path, bytes], said: str) -> int:
    """Writes files and says so, or says where they are instead; gives the exit code."""
    from lrsweep.cli._output import write_or_rescue

    failed = write_or_rescue(contents)
    if failed is not None:
        tell(f"lrsweep: {failed}")
        return UNWRITTEN
    say(said)
    return 0


def _refuse(message: str) -> int:
    tell("lrsweep: " + " ".join(message.split()))
    return MISTAKE


def _usage(error: typer.TyperException) -> str:
    from lrsweep.inputs._messages import unknown

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
        tell(f"lrsweep: warning: {text}")


def _show(
    summary: "pd.DataFrame",
    table: "pd.DataFrame",
    answer: str,
    *,
    rest: str = "--out FILE has every trial",
) -> None:
    """Prints what is to be seen of a result table, and what it comes to."""
    from lrsweep.cli._screen import lay_out
    from lrsweep.tables._schema import best_by_of

    layout = lay_out(summary, room=_room(), best_by=best_by_of(table))
    _print_table(layout)
    if layout.row_count < len(summary):
        say(f"\nThese are the best {layout.row_count} of {len(summary):,} settings; {rest}.")
    say(f"\n{answer}")


def _show_edges(table: "pd.DataFrame", low: float, high: float) -> None:
    from lrsweep.cli._screen import lay_out_rows
    from lrsweep.statistics._display import MOST_SHOWN, SHOWN_OF_MANY
    from lrsweep.statistics._edges import give_verdict, summarize_edges

    summary = summarize_edges(table)
    shown = summary.head(SHOWN_OF_MANY) if len(summary) > MOST_SHOWN else summary
    _print_table(lay_out_rows(shown, room=_room()))
    if len(shown) < len(summary):
        say(f"\nThese are the first {len(shown)} of {len(summary):,} settings; --out FILE has every start.")
    say(f"\n{give_verdict(table, low=low, high=high)}")


def _room() -> int | None:
    """The width of the screen; what is piped is as wide as it needs to be: only a screen has an edge."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else None


def _print_table(layout: "rich_table.Table") -> None:
    from rich.console import Console

    Console(width=layout.width).print(layout)
