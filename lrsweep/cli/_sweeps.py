"""The commands that run trials: `run`, `refine` and `critical`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from lrsweep.cli import _options as options
from lrsweep.cli._exit_codes import code_of
from lrsweep.cli._printing import STANDARD_OUTPUT
from lrsweep.cli._quiet import with_quiet
from lrsweep.cli._startup import load_jax
from lrsweep.inputs._errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from lrsweep.optimizers._factories import Factory
    from lrsweep.problems._objective import Objective
    from lrsweep.studies._progress import Progress
    from lrsweep.studies._result import Sweep
    from lrsweep.training._stopping import Stopping

# JAX and pandas are imported where they are needed, so that --help does not wait for them.


@with_quiet
def run(
    *,
    problem: options.Problem,
    optimizer: options.Optimizers = "sgd",
    learning_rate: options.LearningRates = None,
    search: options.Search,
    batch_size: options.BatchSize = None,
    ending: options.Ending,
    trials: options.TrialsFile = None,
    diagnose: options.Diagnose = False,
    record: options.Record = None,
    record_every: options.RecordEvery = None,
    store: options.StoreFolder = None,
    executor: options.Executor = None,
    out: options.OutTrials = None,
    plot: options.PlotFile = None,
    force: options.Force = False,
    x64: options.X64 = False,
) -> int:
    """Sweep learning rates over an objective, and say which one to take."""
    command: dict[str, Any] = {name: _plain(value) for name, value in locals().items()}
    if executor is not None and store is None:
        raise InputError(f"--executor {executor} has shards of a store computed: name one with --store DIR")
    if store is not None and problem.objective == "-":
        raise InputError("--store keeps a sweep to go on with, and standard input is gone by then: name a file instead")
    load_jax(x64=x64)
    from lrsweep.cli._destinations import check_out, check_picture
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._output import draw, writing_result
    from lrsweep.cli._screen import print_summary
    from lrsweep.statistics._advice import advise, describe_causes
    from lrsweep.statistics._summary import summarize
    from lrsweep.tables._schema import LEARNING_RATE

    inputs = [_file_of(problem), trials]
    names = None if record is None else [name.strip() for name in record.split(",") if name.strip()]
    records = names is not None or record_every is not None
    if records and out in (None, STANDARD_OUTPUT) and store is None:
        raise InputError("--record writes curves beside the table of trials: say where that goes, by --out FILE")
    path = check_out(out, inputs, force=force, curves=records)
    picture = None if plot is None else check_picture("--plot", plot, inputs, force=force)
    asked = _read_sweep(
        problem,
        search,
        ending,
        optimizer=optimizer,
        learning_rate=learning_rate,
        default_rates=options.ARTICLE_AXIS if problem.objective == "line" else options.WIDE_AXIS,
        batch_size=batch_size,
        file=trials,
    )
    if picture is not None and LEARNING_RATE not in asked.trials.columns:
        raise InputError(f"--plot {plot} is drawn against learning_rate, which these trials do not have")
    with keeping_what_ended(path, store=store) as progress:
        result = _sweep_asked(
            asked,
            search,
            progress,
            diagnose=diagnose,
            record=names,
            record_every=record_every,
            store=store,
            executor=executor,
            command=command,
        )
    with writing_result(result.table, result.provenance, path, curves=result.curves) as written:
        summary = summarize(result.table)
        answer = advise(summary, result.table)
        print_summary(summary, result.table, f"{describe_causes(result.table)}\n{answer}" if diagnose else answer)
    if picture is None:
        return written.code or code_of(result.table)
    from lrsweep.plots import overview

    return draw(overview(result.table), picture) or written.code or code_of(result.table)


def _plain(option: Any) -> Any:
    """Gives an option, or those of a bundle by name, as JSON can hold it."""
    return asdict(cast(Any, option)) if is_dataclass(option) else option


def _sweep_asked(
    asked: "_Asked",
    search: options.Search,
    progress: "Callable[[Progress], object]",
    *,
    diagnose: bool,
    record: list[str] | None,
    record_every: int | None,
    store: str | None,
    executor: str | None,
    command: Mapping[str, Any],
) -> "Sweep":
    """Runs the trials of `run`, into a store where one is named, which keeps the command's options."""
    from lrsweep.store._folder import Folder
    from lrsweep.studies._stored import sweep_into
    from lrsweep.studies._sweep import sweep

    how: dict[str, Any] = {
        "steps": search.steps,
        "stopping": asked.stopping,
        "static": search.static or (),
        "diagnose": diagnose,
        "record": record,
        "record_every": record_every,
    }
    if store is None:
        return sweep(asked.objective, asked.optimizer, asked.trials, progress=progress, **how)
    folder = Folder(store).address
    kept = {"options": {**command, "store": folder}, "folder": os.getcwd()}
    swept = sweep_into(
        folder,
        asked.objective,
        asked.optimizer,
        asked.trials,
        how,
        executor=executor,
        wanted=progress,
        command=kept,
    )
    return cast("Sweep", swept)


@with_quiet
def refine(
    *,
    problem: options.Problem,
    optimizer: options.Optimizers = "sgd",
    learning_rate: options.CoarseGrid = None,
    around: options.Around = "best",
    rounds: options.Rounds = 3,
    width: options.Width = 0.01,
    search: options.Search,
    batch_size: options.BatchSize = None,
    ending: options.Ending,
    trials: options.TrialsFile = None,
    out: options.OutTrials = None,
    force: options.Force = False,
    x64: options.X64 = False,
) -> int:
    """Zoom into the best learning rate, or into the one at which trials diverge."""
    load_jax(x64=x64)
    from lrsweep.cli._destinations import check_out
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._output import writing_result
    from lrsweep.cli._screen import near, print_summary
    from lrsweep.statistics._conclusion import conclude
    from lrsweep.statistics._summary import summarize
    from lrsweep.studies import _refine

    path = check_out(out, [_file_of(problem), trials], force=force)
    asked = _read_sweep(
        problem,
        search,
        ending,
        optimizer=optimizer,
        learning_rate=learning_rate,
        default_rates=options.WIDE_AXIS,
        batch_size=batch_size,
        file=trials,
    )
    with keeping_what_ended(path) as progress:
        result = _refine.refine(
            asked.objective,
            asked.optimizer,
            asked.trials,
            around=around,  # pyright: ignore[reportArgumentType]
            rounds=rounds,
            width=width,
            steps=search.steps,
            stopping=asked.stopping,
            static=search.static or (),
            progress=progress,
        )
    with writing_result(result.table, result.provenance, path) as written:
        shown = near(summarize(result.table), result.found)
        print_summary(shown, result.table, conclude(result.table, result.found, result.provenance["refine"]))
    return written.code or code_of(result.table)


@with_quiet
def critical(
    *,
    problem: options.Problem,
    optimizer: options.OneOptimizer = "sgd",
    search: options.Search,
    low: options.Low = 1e-6,
    high: options.High = 1e3,
    width: options.Width = 1e-3,
    divergence: options.Divergence = 1e6,
    batch_size: options.BatchSize = None,
    out: options.OutTrials = None,
    force: options.Force = False,
    x64: options.X64 = False,
) -> int:
    """Find the least learning rate that diverges, from every start, and say which one to stay below."""
    load_jax(x64=x64)
    from lrsweep.cli._axes import read_axes
    from lrsweep.cli._destinations import check_out
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._objective import load_objective, print_taken
    from lrsweep.cli._output import writing_result
    from lrsweep.cli._screen import print_edges
    from lrsweep.cli._trials import check_words, count_seeds, read_optimizer
    from lrsweep.studies._critical import STOPPING, search_critical
    from lrsweep.tables._grid import grid

    path = check_out(out, [_file_of(problem)], force=force)
    if "," in optimizer:
        raise InputError(f"--optimizer {optimizer} names several: search the edge of one at a time")
    factory = read_optimizer(optimizer, schedule=search.schedule, steps=search.steps)
    objective = load_objective(problem, batch_size=batch_size)
    axes, count = read_axes(settings=search.settings), count_seeds(search.seeds, problem.objective)
    check_words({optimizer: factory}, axes)
    print_taken(objective)
    with keeping_what_ended(path, rows="starts") as progress:
        table, provenance = search_critical(
            objective,
            factory,
            seeds=None if count is None else range(count),
            trials=grid(**axes) if axes else None,
            low=low,
            high=high,
            width=width,
            steps=search.steps,
            stopping=replace(STOPPING, divergence=divergence),
            static=search.static or (),
            block_width=None,
            wanted=progress,
        )
    with writing_result(table, provenance, path, rows="starts") as written:
        print_edges(table, low, high)
    return written.code


class _Asked(NamedTuple):
    """What the options that `run` and `refine` share ask for."""

    objective: "Objective"
    optimizer: "Factory | Mapping[str, Factory]"
    trials: "pd.DataFrame"
    stopping: "Stopping"


def _read_sweep(
    problem: options.Problem,
    search: options.Search,
    ending: options.Ending,
    *,
    optimizer: str,
    learning_rate: str | None,
    default_rates: str,
    batch_size: int | None,
    file: str | None,
) -> _Asked:
    """Reads the options that `run` and `refine` share.

    Raises:
        InputError: One of them is wrong.
    """
    from lrsweep.cli._objective import load_objective, print_taken
    from lrsweep.cli._trials import one_or_named, read_optimizers, read_trials
    from lrsweep.training._stopping import Stopping

    stopping = Stopping(
        tolerance=ending.tolerance, target=ending.target_loss, hold=ending.hold, divergence=ending.divergence
    )
    factories = read_optimizers(optimizer, schedule=search.schedule, steps=search.steps)
    objective = load_objective(problem, batch_size=batch_size)
    trials = read_trials(
        factories,
        problem.objective,
        file=file,
        learning_rate=learning_rate,
        default_rates=default_rates,
        settings=search.settings,
        seeds=search.seeds,
    )
    print_taken(objective)
    return _Asked(objective, one_or_named(factories, trials), trials, stopping)


def _file_of(problem: options.Problem) -> str:
    """Gives the name of the file that an objective is read from, or the objective's where there is none."""
    from lrsweep.cli._own import split_name

    return split_name(problem.objective)[0]
