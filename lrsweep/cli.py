"""The command line: the only module that prints, and the only one that knows exit codes."""

import gc
import importlib
import json
import os
import shlex
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from lrsweep.options import (
    ARTICLE_AXIS,
    DEFAULT_SEEDS,
    WIDE_AXIS,
    X64,
    BatchSize,
    By,
    LearningRate,
    Objective,
    Optimizer,
    Out,
    OutSummary,
    Raw,
    Rule,
    Seeds,
    Set,
    Static,
    Steps,
    Table,
    Target,
    Tolerance,
    Trials,
)
from lrsweep.start_up import cache_folder, set_up_jax, shrink

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    import lrsweep.objective as objective_
    from lrsweep.optimizers import Factory

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
    trials: Trials = None,
    out: Out = None,
    x64: X64 = False,
) -> None:
    """Sweep learning rates over an objective, and say which one to take."""
    _begin(x64=x64)
    from lrsweep.advice import advise
    from lrsweep.binding import OPTIMIZER
    from lrsweep.run import sweep
    from lrsweep.search import read_optimizers
    from lrsweep.status import Stopping
    from lrsweep.summary import summarize as by_setting
    from lrsweep.table import best_by_of

    path = None if out is None else _check_out(out, inputs=[objective.rpartition(":")[0] or objective, trials])
    stopping = Stopping(tolerance=tolerance)
    factories = read_optimizers(optimizer)
    loaded = _load(objective, target=target, raw=raw, batch_size=batch_size)
    rows = _read_rows(factories, objective, trials=trials, learning_rate=learning_rate, settings=set_, seeds=seeds)
    several = len(factories) > 1 or OPTIMIZER in rows
    result = sweep(
        loaded,
        factories if several else next(iter(factories.values())),
        rows,
        steps=steps,
        stopping=stopping,
        static=static or (),
    )
    if path is not None:
        _write(result.table, result.provenance, path)
    summary = by_setting(result.table)
    _show(summary, best_by_of(result.table), rest="--out FILE has every trial")
    print(f"\n{advise(summary, result.table)}")
    if path is not None:
        print(f"Wrote {len(result.table):,} trials to {path}, and what made them to {path.with_suffix('.json')}.")


@app.command()
def summarize(table: Table, by: By = None, rule: Rule = "steps", out: OutSummary = None) -> None:
    """Sum up a result table by setting, and say which learning rate is best, how surely, and what missing it costs."""
    from lrsweep.summary import summarize as by_setting
    from lrsweep.table import best_by_of, check_path, read_table, write_table
    from lrsweep.verdict import judge

    _keep_what_is_loaded()
    path = None if out is None else check_path(out)
    if path is not None and path.resolve() == Path(table).resolve():
        raise ValueError(f"--out {out} would replace the table that it sums up: name another file")
    trials = read_table(table)
    summary = by_setting(trials, None if by is None else [name.strip() for name in by.split(",") if name.strip()])
    said = judge(trials, rule)
    if path is not None:
        write_table(summary, path)
    _show(summary, best_by_of(trials), rest="--out FILE has them all")
    print(f"\n{said}")
    if path is not None:
        print(f"Wrote {len(summary):,} settings to {path}.")


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
    except (ValueError, TypeError, OSError) as error:
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


def _read_rows(
    factories: "Mapping[str, Factory]",
    objective: str,
    *,
    trials: str | None,
    learning_rate: str | None,
    settings: list[str] | None,
    seeds: int | None,
) -> "pd.DataFrame":
    """The trials that a command's options ask for."""
    from lrsweep.loading import ready_made
    from lrsweep.search import make_trials, read_trials

    if trials is not None:
        if learning_rate is not None or settings or seeds is not None:
            raise ValueError("--trials brings its own columns: leave out --learning-rate, --set and --seeds")
        return read_trials(trials)
    if seeds is not None and seeds < 1:
        raise ValueError(f"--seeds {seeds} leaves no trials: it must be 1 or more")
    return make_trials(
        factories,
        learning_rate=learning_rate,
        default_rates=ARTICLE_AXIS if objective == "line" else WIDE_AXIS,
        settings=settings or [],
        seeds=seeds if seeds is not None or objective in ready_made() else DEFAULT_SEEDS,
    )


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


def _check_out(out: str, inputs: list[str | None]) -> Path:
    from lrsweep.table import check_path

    path = check_path(out)
    beside = path.with_suffix(".json")
    for text in inputs:
        if text is not None and Path(text).exists() and Path(text).resolve() in (path.resolve(), beside.resolve()):
            raise ValueError(f"--out {out} would replace {text!r}, which this run reads: name another file")
    if beside.exists() and not _is_provenance(beside):
        raise ValueError(f"--out {out} would replace {str(beside)!r}, which lrsweep did not write: name another file")
    return path


def _is_provenance(path: Path) -> bool:
    try:
        return "lrsweep" in json.loads(path.read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _write(table: "pd.DataFrame", provenance: "Mapping[str, Any]", path: Path) -> None:
    from lrsweep.table import replace_file, write_table

    # From here on an exception, so that nothing is left half written.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    write_table(table, path)
    made = {"command": shlex.join(["lrsweep", *sys.argv[1:]]), **provenance}
    replace_file(path.with_suffix(".json"), (json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode())


def _show(summary: "pd.DataFrame", best_by: str, *, rest: str) -> None:
    from rich.console import Console

    from lrsweep.screen import lay_out

    # What is piped is as wide as it needs to be: only a screen has an edge.
    layout = lay_out(summary, room=Console().width if sys.stdout.isatty() else None, best_by=best_by)
    Console(width=layout.width).print(layout)
    if layout.row_count < len(summary):
        print(f"\nThese are the best {layout.row_count} of {len(summary):,} settings; {rest}.")
