"""A sweep as its workers get it, and what they do: make the manifest of its store, and compute shards of it."""

import contextlib
import functools
import hashlib
import os
import pickle
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import pandas as pd

from lrsweep.engine._modes import ordinary_modes
from lrsweep.inputs._errors import InputError
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.store._folder import Folder
from lrsweep.store._manifest import check_same, read_manifest
from lrsweep.studies._asked import Asked, ask
from lrsweep.studies._manifest import describe_machine, manifest_in
from lrsweep.studies._part import Shards
from lrsweep.studies._pieces import store_shard
from lrsweep.tables._lazy import LazyTrials

# What the file of a job is called; while there is one, a driver is at work, or was killed.
_PREFIX = ".job-"

# A worker is one device: two threads of it would only take memory from each other.
_ONE_AT_A_TIME = threading.Lock()


class Job(NamedTuple):
    """A sweep as its workers get it.

    Attributes:
        objective: See `sweep`.
        optimizer: See `sweep`.
        trials: See `sweep`.
        options: Of the arguments of `sweep`, those of `ask`.
        sweep: What makes the sweep, see `describe_sweep`; each worker says itself what of it is the machine's.
        unhashed: What of it could not be hashed.
        shard_size: How many rows a shard is to have, or None.
        command: The options of the command that was called, or None.
        precision: See `lrsweep.engine._spec.precision`.
    """

    objective: Objective
    optimizer: Factory | Mapping[str, Factory]
    trials: pd.DataFrame | LazyTrials
    options: Mapping[str, Any]
    sweep: Mapping[str, Any]
    unhashed: list[str]
    shard_size: int | None
    command: Mapping[str, Any] | None
    precision: tuple[Any, ...]


class Ticket(NamedTuple):
    """The few bytes that go to a worker with each shard.

    Attributes:
        folder: The folder of the store, which all workers see under this path or URL.
        name: The file of the job in it.
        digest: The SHA-256 of that file: no other is loaded, since loading runs what is in it.
    """

    folder: str
    name: str
    digest: str


class Written(NamedTuple):
    """What a worker says of a shard that it has written: the name of its file, and see `least_in`."""

    name: str
    least: float | None


def remove_jobs(folder: Folder) -> None:
    """Removes the jobs that drivers have left which were killed; the caller has locked the folder."""
    for left in folder.names(_PREFIX):
        folder.remove(left)


@contextlib.contextmanager
def sent(folder: Folder, job: Job) -> Iterator[Ticket]:
    """Puts a job where its workers find it, in the folder of the store, and takes it away afterwards.

    Functions that workers can import travel by their names, all others as they are.

    Raises:
        InputError: Something of it cannot travel, or cloudpickle is not installed.
    """
    try:
        import cloudpickle
    except ImportError:
        raise InputError("executor needs cloudpickle: pip install 'lrsweep[executors]'") from None
    try:
        content = pickle.dumps((_paths(job), cloudpickle.dumps(job)))
    except Exception as error:  # whatever an object raises that cannot be pickled
        raise InputError(f"the objective or the optimizer cannot be sent to workers: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    ticket = Ticket(folder.address, f"{_PREFIX}{digest[:16]}", digest)
    folder.write(ticket.name, content)
    try:
        yield ticket
    finally:
        folder.remove(ticket.name)
        # Workers that have been killed may have been writing.
        folder.tidy()


def open_store_at(ticket: Ticket) -> None:
    """Makes the manifest of the store where there is none, on the device that shards are computed on; a worker's part.

    Raises:
        InputError: The store is another sweep's, or this machine another than the one that it was begun on.
    """
    job, folder = _load(ticket), Folder(ticket.folder)
    with _ONE_AT_A_TIME, _precision_of(job), ordinary_modes():
        manifest_in(
            folder, _asked_of(ticket), {**job.sweep, **describe_machine()}, job.unhashed, job.shard_size, job.command
        )


def write_shard(ticket: Ticket, shard: int, attempt: int) -> Written:
    """Computes a shard and writes it into the store; a worker's part.

    Args:
        ticket: Where the job is.
        shard: The shard's number.
        attempt: The how manieth time it is given to a worker, so that nobody takes it for the same call.

    Raises:
        InputError: This machine is another than the one that the store was begun on, or has too little memory.
        UnwrittenError: The shard cannot be written.
    """
    del attempt
    with _ONE_AT_A_TIME, _precision_of(_load(ticket)), ordinary_modes():
        shards = _shards_of(ticket)
        (ran,) = shards.run([shard])
    computed = shards.tabulate(ran)
    return Written(store_shard(shards.folder, shards.manifest, ran, computed), computed.least)


@functools.lru_cache(maxsize=1)
def _load(ticket: Ticket) -> Job:
    """Loads a job once, so that its functions are the same objects in every shard and compile once."""
    content = Folder(ticket.folder).read(ticket.name)
    if content is None or hashlib.sha256(content).hexdigest() != ticket.digest:
        raise RuntimeError(f"the sweep into {ticket.folder!r} has ended, or this machine does not see that folder")
    paths, dumped = pickle.loads(content)
    sys.path += [path for path in paths if path not in sys.path]
    return pickle.loads(dumped)


@functools.lru_cache(maxsize=1)
def _asked_of(ticket: Ticket) -> Asked:
    """Checks a job once."""
    job = _load(ticket)
    return ask(job.objective, job.optimizer, job.trials, **job.options)


@functools.lru_cache(maxsize=1)
def _shards_of(ticket: Ticket) -> Shards:
    """Reads the manifest once, and checks that this machine gives the bits that it promises."""
    folder = Folder(ticket.folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise RuntimeError(f"there is no manifest in {folder}")
    check_same(folder, manifest.sweep, {**manifest.sweep, **describe_machine()})
    return Shards(folder, manifest, _asked_of(ticket))


@contextlib.contextmanager
def _precision_of(job: Job) -> Iterator[None]:
    """Switches this thread to the precision that the caller of `sweep` computes in."""
    x64, custom, products, partitionable = job.precision
    with (
        jax.enable_x64(x64),
        jax.enable_custom_prng(custom),
        jax.default_matmul_precision(products),
        jax.threefry_partitionable(partitionable),
    ):
        yield


def _paths(job: Job) -> list[str]:
    """Lists the folders that modules are imported from here, with that of the file the loss is written in."""
    file = getattr(job.objective.loss, "__globals__", {}).get("__file__")
    paths = [*sys.path, *([] if file is None else [str(Path(file).parent)])]
    return list(dict.fromkeys(os.path.abspath(path) for path in paths))
