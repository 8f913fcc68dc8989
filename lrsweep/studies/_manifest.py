"""The manifest of a sweep's store: what makes the sweep, in which blocks it runs, and how its rows are divided."""

import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.engine._compile import CompiledCall, GroupJob, Plan
from lrsweep.engine._devices import devices
from lrsweep.engine._plan import choose_plan
from lrsweep.engine._spec import precision
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import listed
from lrsweep.optimizers._factories import label
from lrsweep.problems._objective import Objective
from lrsweep.store._fingerprint import fingerprint
from lrsweep.store._folder import LOCK, Folder
from lrsweep.store._manifest import HASH, Manifest, check_same, read_manifest
from lrsweep.store._shards import arrow_types
from lrsweep.studies._asked import Asked, loss_columns_of, of_length, part_of, with_shared_seeds
from lrsweep.studies._fitting import fit
from lrsweep.studies._provenance import installed_versions, provenance_of
from lrsweep.tables._lazy import LazyTrials

# The versions on which the bits of a result depend; of Python's those that compile functions in another way.
_VERSIONS = ("lrsweep", "jax", "jaxlib", "optax", "numpy")

# So many updates of small trials take some seconds at most, and writing them a hundredth of that or more.
_SMALL_UPDATES = 2**29

# The fewest and the most rows of a shard of small trials; and how many shards there are of others, if blocks allow it.
_FEWEST_ROWS, _MOST_ROWS = 2**14, 2**17
_SHARDS = 16

# By what share smaller shards may make more blocks, where a group has few rows in each.
_MORE_BLOCKS = 1.25


def describe_sweep(asked: Asked) -> tuple[dict[str, Any], list[str]]:
    """Describes what makes a sweep, as JSON holds it; and lists, a sentence each, what of it could not be hashed."""
    objective, unhashed = asked.objective, []
    provenance = provenance_of(objective, asked.optimizers, asked.stopping, asked.limits, asked.recorded, [], None)
    kept = ("steps", "stopping", "evaluate_every", "record", "record_every")
    described = {
        **describe_machine(),
        "objective": _describe_objective(objective, unhashed),
        "optimizer": {
            label(factory) if name is None else str(name): fingerprint(factory, f"optimizer {label(factory)}", unhashed)
            for name, factory in asked.optimizers.items()
        },
        **{name: provenance[name] for name in kept},
        "diagnose": bool(asked.diagnose),
        "static": sorted(asked.static),
        "trials": _describe_trials(asked.trials),
    }
    return json.loads(json.dumps(described)), unhashed


def describe_machine() -> dict[str, Any]:
    """Describes what of a machine decides about the bits of a result: versions, the kind of device, the precision."""
    device, versions = devices()[0], installed_versions()
    described = {
        "versions": {
            "python": ".".join(versions["python"].split(".")[:2]),
            **{name: versions[name] for name in _VERSIONS},
        },
        "device": {"platform": device.platform, "kind": device.device_kind, "machine": platform.machine()},
        "precision": precision(),
    }
    return json.loads(json.dumps(described))


def _describe_objective(objective: Objective, unhashed: list[str]) -> dict[str, Any]:
    def of(what: str, value: Any) -> str:
        return fingerprint(value, f"{what} of objective {objective.name!r}", unhashed)

    plain = ("batch_size", "best_by", "mode", "evaluation_slice", "evaluation_sample")
    return {
        "name": objective.name,
        "loss": of("the loss", objective.loss),
        "init": of("the init", objective.init),
        "data": of("the data", objective.data),
        "metrics": {name: of(f"metric {name!r}", metric) for name, metric in objective.metrics.items()},
        **{name: getattr(objective, name) for name in plain},
        "minimum": float(objective.minimum),
        "baseline": None if objective.baseline is None else float(objective.baseline),
    }


def _describe_trials(trials: pd.DataFrame | LazyTrials) -> dict[str, Any]:
    values, index = hashlib.sha256(), [] if isinstance(trials, LazyTrials) else [trials.index]
    parts: Any = trials.axes if isinstance(trials, LazyTrials) else {name: trials[name] for name in trials.columns}
    for column in (*index, *parts.values()):
        if isinstance(column, range | pd.RangeIndex):
            values.update(repr(_span_of(column)).encode())
        elif isinstance(column.dtype, np.dtype) and column.dtype != object:
            values.update(np.ascontiguousarray(column.to_numpy()).view(np.uint8).data)
        else:
            hashes: Any = pd.util.hash_pandas_object(pd.Series(column), index=False)
            values.update(np.ascontiguousarray(hashes.to_numpy()).view(np.uint8).data)
    columns = {name: "range" if isinstance(each, range) else str(each.dtype) for name, each in parts.items()}
    return {"made by range": not index, "rows": len(trials), "columns": columns, "values": HASH + values.hexdigest()}


def manifest_in(
    folder: Folder, asked: Asked, sweep: Mapping[str, Any], unhashed: list[str], shard_size: int | None, command: Any
) -> Manifest:
    """Gives the manifest of the store in a folder; where there is none it is made, and written.

    Args:
        folder: The folder.
        asked: What the call of `sweep` asks for.
        sweep: What makes the sweep, see `describe_sweep`.
        unhashed: What of it could not be hashed.
        shard_size: How many rows the caller wants in a shard, or None.
        command: The options of the command that was called, or None.

    Raises:
        InputError: It is the store of another sweep, the folder holds other files, the trials do not fit into memory,
            or a column of them into a Parquet file.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        check_same(folder, manifest.sweep, sweep)
        check_wanted(folder, manifest, asked, shard_size)
        return manifest
    others = [name for name in folder.names() if name != LOCK]
    if others:
        raise InputError(f"the folder {folder} holds other files ({listed(others[:3])}): name an empty one")
    manifest = _make_manifest(asked, sweep, unhashed, shard_size, command)
    manifest.write(folder)
    return manifest


def _make_manifest(
    asked: Asked, sweep: Mapping[str, Any], unhashed: list[str], shard_size: int | None, command: Any
) -> Manifest:
    """Plans a sweep and its shards, compiles what it can, and makes the manifest of its store, see `manifest_in`."""
    rows = len(asked.trials)
    # Before anything compiles.
    types = arrow_types(_some_of(asked))
    fitted, size = _plan(asked, rows, shard_size)
    plans = [(job.group, plan) for job, (plan, _) in zip(asked.jobs, fitted, strict=True)]
    dtype = fitted[0][1].shapes[1].outcome.final_loss.dtype
    provenance = provenance_of(
        asked.objective, asked.optimizers, asked.stopping, asked.limits, asked.recorded, plans, dtype
    )
    return Manifest(
        sweep=sweep,
        unhashed=unhashed,
        rows=rows,
        shard_size=size,
        table=_describe_table(asked, types),
        provenance=json.loads(json.dumps(provenance)),
        command=command,
    )


def check_wanted(folder: Folder, manifest: Manifest, asked: Asked, shard_size: int | None) -> None:
    """Refuses a block width, a layout or a size of shards other than those of a store.

    Raises:
        InputError: The caller asks for another.
    """
    if shard_size is not None and -(-shard_size // manifest.shard_size) > 1:
        raise InputError(
            f"the shards of the store {folder} have {manifest.shard_size} rows, not {shard_size}: leave out shard_size"
        )
    for group in manifest.provenance["groups"]:
        if asked.width is not None and asked.width != group["block_width"]:
            raise InputError(
                f"the store {folder} is computed in blocks of {group['block_width']}, not {asked.width}: leave out "
                "block_width, or name another folder"
            )
        if asked.layout is not None and asked.layout._asdict() != group["layout"]:
            raise InputError(
                f"the store {folder} is computed with Layout(**{group['layout']}): leave out layout, or name another "
                "folder"
            )


def _plan(asked: Asked, rows: int, shard_size: int | None) -> tuple[list[tuple[Plan, CompiledCall]], int]:
    """Plans and compiles the groups as parts of shards; gives the plans, and how many rows a shard has."""
    jobs = asked.jobs
    if shard_size is not None:
        # A block is no wider than a shard.
        counts = [-(-len(job.group.rows) * min(shard_size, rows) // rows) for job in jobs]
        jobs = [of_length(job, count) for job, count in zip(jobs, counts, strict=True)]
    plans = [choose_plan(job, asked.width, asked.layout) for job in jobs]
    wanted = [(plan.width, plan.layout) for plan in plans]
    while True:
        size = choose_shard_size([job.group.rows for job in asked.jobs], rows, wanted, asked.limits.steps, shard_size)
        parts = [_first_part(asked.objective, job, size) for job in asked.jobs]
        fitted = fit(parts, asked.records, wanted, exact=asked.width is not None, diagnose=asked.diagnose)
        narrowed = [(plan.width, plan.layout) for plan, _ in fitted]
        if [width for width, _ in narrowed] == [width for width, _ in wanted]:
            return fitted, size
        wanted = narrowed


def _first_part(objective: Objective, job: GroupJob, size: int) -> GroupJob:
    """Gives the part of a job in the first shard that has any of its trials: what is compiled for it is used there."""
    first = job.group.rows[0] // size * size
    return with_shared_seeds(objective, job._replace(group=part_of(job.group, first, first + size)))


def choose_shard_size(
    groups: Sequence[np.ndarray | range],
    rows: int,
    wanted: Sequence[tuple[Any, Any]],
    steps: int,
    asked: int | None = None,
) -> int:
    """Chooses how many rows a shard has: whole blocks, so that a block is not run for a part of its trials.

    Args:
        groups: The rows of each group.
        rows: How many rows there are.
        wanted: The block width and the layout of each group.
        steps: The most updates a trial makes.
        asked: How many rows the caller wants, or None.

    Example:
        >>> from lrsweep.engine._layout import Layout
        >>> choose_shard_size([range(1_000_000)], 1_000_000, [(256, Layout(8, unrolled=True))], steps=1000)
        125184
        >>> choose_shard_size([range(10_000)], 10_000, [(64, Layout())], steps=1000)
        640
    """
    block = max(width for width, _ in wanted)
    if asked is not None:
        return -(-asked // block) * block
    if all(layout.unrolled for _, layout in wanted):
        shards = rows / min(max(_SMALL_UPDATES // steps, _FEWEST_ROWS), _MOST_ROWS)
    else:
        # Every device runs a block at a time.
        block *= len(devices())
        shards = max(_SHARDS, rows / _MOST_ROWS)
    sizes = []
    while not sizes or sizes[-1] < rows:
        shards = math.ceil(shards)
        sizes.append(-(-rows // (shards * block)) * block)
        shards /= 2
    fewest = _count_blocks(groups, wanted, sizes[-1])
    return next(size for size in sizes if _count_blocks(groups, wanted, size) <= _MORE_BLOCKS * fewest)


def _count_blocks(groups: Sequence[np.ndarray | range], wanted: Sequence[tuple[Any, Any]], size: int) -> int:
    """Counts the blocks of all groups in shards of so many rows."""
    blocks = 0
    for rows, (width, _) in zip(groups, wanted, strict=True):
        if isinstance(rows, range):
            blocks += -(-len(rows) // size) * -(-min(size, len(rows)) // width)
        else:
            blocks += int((-(-np.bincount(rows // size) // width)).sum())
    return blocks


def _describe_table(asked: Asked, types: Mapping[str, str]) -> dict[str, Any]:
    """Describes what makes a table of the rows, beside the shards."""
    trials = _some_of(asked)
    index = pd.RangeIndex(len(asked.trials)) if isinstance(asked.trials, LazyTrials) else asked.trials.index
    categories = {name: trials[name].dtype for name in trials.columns}
    causes = {
        "batches": asked.objective.batch_size is not None,
        "minimum": float(asked.objective.minimum),
        "loss_columns": loss_columns_of(asked.jobs),
    }
    return {
        "types": dict(types),
        "index": _span_of(index) if isinstance(index, pd.RangeIndex) else None,
        "categories": {
            name: {"values": dtype.categories.tolist(), "ordered": bool(dtype.ordered)}
            for name, dtype in categories.items()
            if isinstance(dtype, pd.CategoricalDtype)
        },
        "curves": list(asked.recorded),
        "causes": causes if asked.diagnose else None,
    }


def _span_of(index: pd.RangeIndex | range) -> list[int]:
    return [index.start, index.stop, index.step]


def _some_of(asked: Asked) -> pd.DataFrame:
    """Gives the trials, or where rows are made by range a sample with all their values."""
    trials = asked.trials
    return trials.sample(asked.static) if isinstance(trials, LazyTrials) else trials
