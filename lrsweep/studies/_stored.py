"""A sweep into a store: shard by shard, those that are missing, and the table of all."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from lrsweep.engine._modes import ordinary_modes
from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import listed
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.store._folder import LOCK, Folder
from lrsweep.store._manifest import Manifest, check_same, read_manifest
from lrsweep.store._shards import curve_column
from lrsweep.store._store import Store
from lrsweep.store._writer import Writer
from lrsweep.studies._asked import Asked, ask, rows_between
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._manifest import check_wanted, describe_sweep, make_manifest
from lrsweep.studies._minimum import warn_of_minimum
from lrsweep.studies._pieces import Stored
from lrsweep.studies._progress import Progress, check_progress, pass_on, progress
from lrsweep.studies._result import Sweep
from lrsweep.tables._lazy import LazyTrials
from lrsweep.tables._schema import check_names

# Runs a part of a sweep's trials as the groups of the whole are described: `run_sweep` with all but its trials.
Run = Callable[..., Sweep]


@ordinary_modes()
def sweep_into(
    path: str | os.PathLike[str],
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame | LazyTrials,
    run: Run,
    options: Mapping[str, Any],
    *,
    shard_size: int | None = None,
    wanted: bool | Callable[[Progress], object] = True,
    command: Mapping[str, Any] | None = None,
) -> Sweep | Store:
    """Does what `sweep` does with a store: computes the shards that are missing in it, and gives the table of all.

    Args:
        path: The folder of the store.
        objective: See `sweep`.
        optimizer: See `sweep`.
        trials: See `sweep`.
        run: `run_sweep`.
        options: Of the arguments of `sweep`, those of `ask`.
        shard_size: How many rows a shard is to have, or None.
        wanted: Who is told of the progress: that of what is missing.
        command: The options of the command that was called, which the manifest keeps; or None.

    Returns:
        The sweep of all trials; of trials whose rows are made by range the store itself.
    """
    check_progress(wanted)
    shard_size = None if shard_size is None else check_count("shard_size", shard_size)
    folder, clock = Folder(path), time.perf_counter()
    asked = ask(objective, optimizer, trials, **options)
    if asked.records:
        check_names(asked.trials.columns, more=map(curve_column, asked.recorded))
    free = {"static": asked.static, "record": asked.recorded or None, "block_width": None, "layout": None}
    used = {job.group.optimizer for job in asked.jobs}
    if isinstance(optimizer, Mapping):
        optimizer = {name: factory for name, factory in optimizer.items() if name in used}
    run = partial(run, objective, optimizer, **{**options, **free})
    folder.make()
    with folder.lock():
        manifest = _manifest_of(folder, asked, shard_size, command)
        stored = Stored(folder, manifest, asked)
        missing = stored.read()
        try:
            _compute(stored, missing, run, wanted)
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


def compute_shard(
    run: Run,
    manifest: Manifest,
    trials: pd.DataFrame | LazyTrials,
    shard: int,
    wanted: bool | Callable[[Progress], object] = False,
) -> Sweep:
    """Computes one shard of a sweep: in this process or another, at any time, with the same bits.

    Args:
        run: Runs a part of the sweep's trials.
        manifest: The manifest of the sweep's store.
        trials: The trials of the whole sweep.
        shard: The shard's number.
        wanted: Who is told of its progress.

    Returns:
        The sweep of its rows.

    Raises:
        InputError: There was too little memory for blocks as wide as those of the other shards.
    """
    first, end = manifest.rows_of(shard)
    groups: Sequence[Mapping[str, Any]] = manifest.provenance["groups"]
    computed = run(rows_between(trials, first, end), groups=groups, progress=wanted)
    planned = {group["block_width"] for group in groups}
    for group in computed.provenance["groups"]:
        if group["block_width"] not in planned:
            raise InputError(
                f"shard {shard} found memory for blocks of {group['block_width']} trials only, and the others have "
                f"{listed(sorted(planned))}: free some memory and call again, or begin another store with "
                f"block_width={group['block_width']}"
            )
    return computed


def _manifest_of(folder: Folder, asked: Asked, shard_size: int | None, command: Any) -> Manifest:
    """Gives the manifest of the store in a folder; where there is none it is made, and written."""
    sweep, unhashed = describe_sweep(asked)
    manifest = read_manifest(folder)
    if manifest is not None:
        check_same(folder, manifest.sweep, sweep)
        check_wanted(folder, manifest, asked, shard_size)
        return manifest
    others = [name for name in folder.names() if name != LOCK]
    if others:
        raise InputError(f"the folder {folder} holds other files ({listed(others[:3])}): name an empty one")
    manifest = make_manifest(asked, sweep, unhashed, shard_size, command)
    manifest.write(folder)
    return manifest


def _compute(stored: Stored, missing: Sequence[int], run: Run, wanted: bool | Callable[[Progress], object]) -> None:
    """Computes the missing shards, while another thread writes those that have been computed."""
    manifest, asked = stored.manifest, stored.asked
    if not missing:
        return
    trials = sum(end - first for first, end in map(manifest.rows_of, missing))
    with progress(trials, trials * asked.limits.steps, wanted) as advance, Writer() as writer:
        for shard in missing:
            try:
                computed = compute_shard(run, manifest, asked.trials, shard, pass_on(advance))
            except Interrupted as stopped:
                stored.add_ended(shard, stopped.result)
                raise
            writer.hand_over(partial(stored.keep, shard, computed))
