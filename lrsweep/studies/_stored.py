"""A sweep into a store: shard by shard, those that are missing, and the table of all."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pandas as pd

from lrsweep.engine._modes import ordinary_modes
from lrsweep.engine._spec import precision
from lrsweep.inputs._arguments import check_count
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.store._executors import Submits, check_executor
from lrsweep.store._folder import Folder
from lrsweep.store._shards import curve_column
from lrsweep.store._store import Store
from lrsweep.store._writer import Writer
from lrsweep.studies._asked import ask
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._job import Job, remove_jobs
from lrsweep.studies._manifest import describe_sweep, manifest_in
from lrsweep.studies._minimum import warn_of_minimum
from lrsweep.studies._part import Shards
from lrsweep.studies._pieces import Stored
from lrsweep.studies._progress import Progress, check_progress, progress
from lrsweep.studies._result import Sweep
from lrsweep.studies._workers import hired
from lrsweep.tables._lazy import LazyTrials
from lrsweep.tables._schema import check_names


@ordinary_modes()
def sweep_into(
    path: str | os.PathLike[str],
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame | LazyTrials,
    options: Mapping[str, Any],
    *,
    shard_size: int | None = None,
    executor: str | Submits | None = None,
    wanted: bool | Callable[[Progress], object] = True,
    command: Mapping[str, Any] | None = None,
) -> Sweep | Store:
    """Does what `sweep` does with a store: computes the shards that are missing in it, and gives the table of all.

    Args:
        path: The folder of the store.
        objective: See `sweep`.
        optimizer: See `sweep`.
        trials: See `sweep`.
        options: Of the arguments of `sweep`, those of `ask`.
        shard_size: How many rows a shard is to have, or None.
        executor: What computes the shards, see `sweep`; None for this process.
        wanted: Who is told of the progress: that of what is missing.
        command: The options of the command that was called, which the manifest keeps; or None.

    Returns:
        The sweep of all trials; of trials whose rows are made by range the store itself.
    """
    check_progress(wanted)
    shard_size = None if shard_size is None else check_count("shard_size", shard_size)
    if executor is not None:
        check_executor(executor)
    folder, clock = Folder(path), time.perf_counter()
    asked = ask(objective, optimizer, trials, **options)
    if asked.records:
        check_names(asked.trials.columns, more=map(curve_column, asked.recorded))
    folder.make()
    sweep, unhashed = describe_sweep(asked)
    with folder.lock(), ExitStack() as stack:
        remove_jobs(folder)
        if executor is None:
            manifest = manifest_in(folder, asked, sweep, unhashed, shard_size, command)
            compute = _compute
        else:
            # What an iterator gave is gone by now.
            options = {**options, "static": asked.static, "record": asked.recorded or None}
            job = Job(objective, optimizer, trials, options, sweep, unhashed, shard_size, command, precision())
            workers = stack.enter_context(hired(executor, folder, job))
            manifest, compute = workers.manifest(), workers.compute
        stored = Stored(folder, manifest, asked)
        missing = stored.read()
        try:
            compute(stored, missing, wanted=wanted)
        except KeyboardInterrupt:
            if stored.ended == 0:
                raise
            raise Interrupted(
                stored.result(clock),
                ended=stored.ended,
                of_trials=manifest.rows,
                store=str(folder.path),
                kept=stored.kept,
            ) from None
        if stored.least is not None:
            warn_of_minimum(asked.objective, stored.least, stacklevel=4)
        return stored.result(clock)


def _compute(stored: Stored, missing: Sequence[int], *, wanted: bool | Callable[[Progress], object]) -> None:
    """Computes the missing shards, while two threads tabulate and write those that have been computed."""
    manifest, asked = stored.manifest, stored.asked
    if not missing:
        return
    trials = sum(end - first for first, end in map(manifest.rows_of, missing))
    shards = Shards(stored.folder, manifest, asked)
    with progress(trials, trials * asked.limits.steps, wanted) as advance, Writer() as writer:
        try:
            for shard in shards.run(missing, advance):
                writer.hand_over(partial(stored.keep, shard))
        except KeyboardInterrupt:
            for shard in shards.stop():
                stored.add_ended(shard)
            raise
