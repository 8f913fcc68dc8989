"""The commands that sweep given learning rates: `run` and `refine`."""

import os
from typing import TYPE_CHECKING, Any, cast

from lrsweep.cli._bundles import unpack_bundles, values_of
from lrsweep.cli._counts import whole
from lrsweep.cli._exit_codes import code_of
from lrsweep.cli._options._study import ARTICLE_AXIS, WIDE_AXIS, Refine, Run
from lrsweep.cli._printing import STANDARD_OUTPUT
from lrsweep.cli._quiet import with_quiet
from lrsweep.cli._startup import load_jax
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from lrsweep.cli._asked import Asked
    from lrsweep.studies._halving import Halving
    from lrsweep.studies._progress import Progress
    from lrsweep.studies._result import Sweep
    from lrsweep.training._stopping import Stopping

# JAX and pandas are imported where they are needed, so that --help does not wait for them.


@with_quiet
@unpack_bundles
def run(*, options: Run) -> int:
    """Sweep learning rates over an objective, and say which one to take."""
    curves = _check_store_and_curves(options)
    load_jax(x64=options.x64)
    from lrsweep.cli._asked import read_sweep
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._output import writing_result
    from lrsweep.cli._screen import print_summary
    from lrsweep.statistics._advice import advise, describe_causes
    from lrsweep.statistics._summary import summarize

    default = ARTICLE_AXIS if options.problem.objective == "line" else WIDE_AXIS
    asked, stopping = read_sweep(options, default_rates=default, curves=curves)
    halving = _read_halving(options)
    anew = "the same command starts over; --store DIR would have let it go on"
    with keeping_what_ended(asked.path, store=options.store, anew=anew) as progress:
        result = _sweep_asked(options, asked, stopping, halving, progress)
    with writing_result(result.table, result.provenance, asked.path, curves=result.curves) as written:
        summary = summarize(result.table)
        answer = advise(summary, result.table)
        causes = f"{describe_causes(result.table)}\n" if options.diagnose else ""
        print_summary(summary, result.table, causes + answer)
    return _draw(result.table, asked.picture) or written.code or code_of(result.table)


@with_quiet
@unpack_bundles
def refine(*, options: Refine) -> int:
    """Zoom into the best learning rate, or into the one at which trials diverge."""
    load_jax(x64=options.x64)
    from lrsweep.cli._asked import read_sweep
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._output import writing_result
    from lrsweep.cli._screen import near, print_summary
    from lrsweep.cli._trials import one_or_named
    from lrsweep.statistics._conclusion import conclude
    from lrsweep.statistics._summary import summarize
    from lrsweep.studies import _refine

    asked, stopping = read_sweep(options, default_rates=WIDE_AXIS)
    with keeping_what_ended(asked.path) as progress:
        result = _refine.refine(
            asked.objective,
            one_or_named(asked.optimizers, asked.trials),
            asked.trials,
            around=options.around,  # pyright: ignore[reportArgumentType]
            rounds=options.rounds,
            width=options.width,
            steps=options.steps,
            stopping=stopping,
            static=options.tried.static or (),
            progress=progress,
        )
    with writing_result(result.table, result.provenance, asked.path) as written:
        shown = near(summarize(result.table), result.found)
        print_summary(shown, result.table, conclude(result.table, result.found, result.provenance["refine"]))
    return _draw(result.table, asked.picture) or written.code or code_of(result.table)


def _check_store_and_curves(options: Run) -> bool:
    """Refuses stores and curves that have no place, and says whether there are curves to be written."""
    if options.executor is not None and options.store is None:
        raise InputError(f"--executor {options.executor} has shards of a store computed: name one with --store DIR")
    if options.store is not None and options.problem.objective == "-":
        raise InputError("--store keeps a sweep to go on with, and standard input is gone by then: name a file instead")
    curves = options.record is not None or options.record_every is not None
    if curves and options.out in (None, STANDARD_OUTPUT) and options.store is None:
        raise InputError("--record writes curves beside the table of trials: say where that goes, by --out FILE")
    return curves


def _read_halving(options: Run) -> "Halving | None":
    """Reads when settings are dropped, and how many."""
    from lrsweep.studies._halving import Halving

    if options.halving is None:
        if options.keep is not None:
            raise InputError("--keep says how many settings --halving keeps: give --halving UPDATES too")
        return None
    if options.store is not None:
        raise InputError("--halving compares all trials, and a store runs them shard by shard: leave out --store")
    counts = [count for part in options.halving.split(",") if (count := whole(part)) is not None]
    if len(counts) < len(options.halving.split(",")):
        raise InputError(f"--halving {quote(options.halving)} must be whole numbers of updates, such as 100,200")
    return Halving(counts) if options.keep is None else Halving(counts, options.keep)


def _sweep_asked(
    options: Run,
    asked: "Asked",
    stopping: "Stopping",
    halving: "Halving | None",
    progress: "Callable[[Progress], object]",
) -> "Sweep":
    """Runs the trials of `run`, into a store where one is named, which keeps the command's options."""
    from lrsweep.cli._trials import one_or_named
    from lrsweep.store._folder import Folder
    from lrsweep.studies._stored import sweep_into
    from lrsweep.studies._sweep import sweep

    record = options.record
    what = (asked.objective, one_or_named(asked.optimizers, asked.trials), asked.trials)
    how: dict[str, Any] = {
        "steps": options.steps,
        "stopping": stopping,
        "static": options.tried.static or (),
        "diagnose": options.diagnose,
        "record": None if record is None else [name.strip() for name in record.split(",") if name.strip()],
        "record_every": options.record_every,
    }
    if options.store is None:
        return sweep(*what, halving=halving, progress=progress, **how)
    folder = Folder(options.store).address
    command = {"options": {**values_of(options), "store": folder}, "folder": os.getcwd()}
    swept = sweep_into(folder, *what, how, executor=options.executor, wanted=progress, command=command)
    return cast("Sweep", swept)


def _draw(table: "pd.DataFrame", picture: "Path | None") -> int:
    """Draws a sweep where a picture is asked for, and gives the exit code."""
    if picture is None:
        return 0
    from lrsweep.cli._output import draw
    from lrsweep.plots import overview

    return draw(overview(table), picture)
