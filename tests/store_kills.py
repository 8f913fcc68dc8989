"""Kills sweeps into stores at random moments, and goes on from each: python -m tests.store_kills [--runs 200].

With `--at s3://bucket/kills` the stores lie there, each in a folder of its own, and stay there.
"""

import argparse
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import optax
import psutil

import lrsweep
from lrsweep.engine import _executor as schedule
from lrsweep.store import _checkpoints as checkpoints
from lrsweep.store import _remote as remote
from lrsweep.store._folder import Folder
from tests.kills import environment
from tests.training import test_state as stateful

# What may lie in the folder of a store; checkpoints, and what its workers are to do, only until the sweep has ended.
WHOLE = re.compile(r"manifest\.json|lock|shard-\d{6}\.[0-9a-f]{16}\.parquet")
CHECKPOINT = re.compile(r"checkpoint-\d{6}(-\d+-\d+)?")
JOB = re.compile(r"\.job-[0-9a-f]{16}")
HALF_WRITTEN = re.compile(r"\.lrsweep-[0-9a-f]{16}\.part")

# What Python itself says where a process dies while it is handed what it is to do.
OF_PYTHON = re.compile(r"Exception ignored in: <_io\.BytesIO.*\nBufferError: Existing exports of data.*\n")

KINDS = ("shards", "long", "workers")

# How soon the lock of a killed process at a URL is nobody's, in seconds, and is renewed, so that nobody waits a minute.
NOBODYS, RENEWED = 2.0, 0.2


# Who is killed, where processes compute for another one.
VICTIMS = ("driver", "worker", "driver and workers")


def sweep(kind: str, folder: str | None, executor: str | None = None) -> lrsweep.Sweep:
    """The sweep that is killed, into a store or, without a folder, beside none.

    Args:
        kind: `shards` for so many of them that most of the time is spent writing them, `workers` for as many that other
            processes compute; `long` for two that take long, and are kept while they are computed.
        folder: The store's.
        executor: What computes the shards, or None for this process.
    """
    trials, shards = (64, 2) if kind == "long" else (8192, 64)
    table = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1, trials // 16), seed=range(16))
    options: dict[str, Any] = {"progress": False, "block_width": 32}
    if folder is not None:
        options |= {"store": folder, "shard_size": trials // shards, "executor": executor}
    if kind != "long":
        return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, table, steps=64, record_every=16, **options)
    return lrsweep.sweep(stateful.objective(batch_size=7), optax.adam, table, steps=8000, record_every=50, **options)


def write_often() -> None:
    """Has calls of a fiftieth of a second each, and writes what runs after every one of them."""
    schedule.CALL_SECONDS, checkpoints.EVERY, checkpoints._MOST_OF_TIME = 0.02, 0.0, 1.0


def start(kind: str, folder: str, top: Path) -> "subprocess.Popen[str]":
    """Starts a sweep into a store, in a process of its own, and waits until it is about to begin."""
    words = [sys.executable, "-m", "tests.store_kills", "--kind", kind, "--into", folder]
    caches = {
        "JAX_COMPILATION_CACHE_DIR": str(top / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    process = subprocess.Popen(
        words,
        cwd=Path(__file__).parents[1],
        env={**environment(top), **caches},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def count(kind: str, runs: int, seed: int = 0, at: str | None = None) -> Counter[str]:
    """Kills sweeps, goes on from each, and counts what it finds.

    Args:
        kind: One of `KINDS`.
        runs: How many.
        seed: Of the moments.
        at: The URL of the folder that the stores lie in, or None for one of this machine that is gone afterwards.

    Returns:
        How many were killed, before the first shard and after it, and how many had ended before; how many files they
        left half written; and under "wrong: ..." everything that must not be.
    """
    draw, counts, whole = random.Random(seed), Counter[str](), sweep(kind, None)
    with tempfile.TemporaryDirectory(prefix="kills-") as top:
        stores = top if at is None else f"{at}/{Path(top).name}"
        # The first one compiles what the others find in the cache.
        took = [finish(kind, f"{stores}/{name}", Path(top)) for name in ("first", "second")][1]
        for run in range(runs):
            folder = f"{stores}/store-{run}"
            process = start(kind, folder, Path(top))
            # Workers take about half of the time to start.
            time.sleep(draw.uniform(took / 2 if kind == "workers" else 0, took))
            victim = draw.choice(VICTIMS) if kind == "workers" else VICTIMS[0]
            kill(process, victim, draw)
            _, said = process.communicate(timeout=300)
            left = names_in(folder)
            shards = sum(name.startswith("shard") for name in left)
            if victim == "worker":
                # Another one takes over, and the driver ends as if nothing had been.
                moment = "ended without the worker"
                said = OF_PYTHON.sub("", said)
                counts[f"wrong: the driver ended with {process.returncode}: {said}"] += bool(process.returncode or said)
            else:
                moment = "ended before" if process.returncode == 0 else "killed" if shards else "killed before a shard"
            counts[moment] += 1
            counts["shards that were there"] += shards
            counts["checkpoints that were there"] += any(CHECKPOINT.fullmatch(name) for name in left)
            counts["files half written"] += sum(HALF_WRITTEN.fullmatch(name) is not None for name in left)
            for what in [*strange(left, WHOLE, CHECKPOINT, JOB, HALF_WRITTEN), *go_on(kind, folder, whole)]:
                counts[f"wrong: {what}"] += 1
    return +counts


def kill(process: "subprocess.Popen[str]", victim: str, draw: random.Random) -> None:
    """Kills a sweep, or one of those who compute for it, or all."""
    try:
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return
    for each in {"driver": [], "worker": workers and [draw.choice(workers)]}.get(victim, workers):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    if victim != "worker":
        process.kill()


def names_in(folder: str) -> list[str]:
    """Lists the files of a store, the hidden ones too; of none there are none."""
    try:
        return Folder(folder).names("")
    except lrsweep.InputError:
        return []


def finish(kind: str, folder: str, top: Path) -> float:
    """Sweeps into a store to the end; gives how many seconds that took, from where a kill may come."""
    process = start(kind, folder, top)
    began = time.monotonic()
    _, said = process.communicate(timeout=300)
    if process.returncode or said:
        raise RuntimeError(f"an undisturbed sweep ended with {process.returncode}: {said}")
    return time.monotonic() - began


def go_on(kind: str, folder: str, whole: lrsweep.Sweep) -> list[str]:
    """Goes on from a store; gives what is wrong with what comes of it."""
    resumed, store, wrong = sweep(kind, folder), lrsweep.open_store(folder), []
    for name, of in (("the sweep", resumed), ("the store", store)):
        if not of.table.equals(whole.table):
            wrong.append(f"the table of {name} differs")
        if not of.curves["loss"].equals(whole.curves["loss"]):
            wrong.append(f"the curves of {name} differ")
    return wrong + strange(names_in(folder), WHOLE)


def strange(names: list[str], *known: "re.Pattern[str]") -> list[str]:
    """Lists the files that do not belong to a store."""
    return [f"there is a file {name}" for name in names if not any(pattern.fullmatch(name) for pattern in known)]


def main() -> None:
    """Counts, prints it, and exits with 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, help="only sweeps of this kind")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", metavar="URL", help="where the stores are to lie; left out: on this machine's disk")
    parser.add_argument("--into", help=argparse.SUPPRESS)
    options = parser.parse_args()
    remote.NOBODYS, remote.RENEWED = NOBODYS, RENEWED
    if options.into is not None:
        if options.kind == "long":
            write_often()
        print("begins", flush=True)
        sweep(options.kind, options.into, "processes:2" if options.kind == "workers" else None)
        return
    warnings.filterwarnings("ignore", "process .* has locked")
    kinds = KINDS if options.kind is None else (options.kind,)
    counts = {kind: count(kind, options.runs // len(kinds), options.seed, options.at) for kind in kinds}
    print(json.dumps({kind: dict(sorted(each.items())) for kind, each in counts.items()}, indent=2))
    sys.exit(any(what.startswith("wrong") for each in counts.values() for what in each))


if __name__ == "__main__":
    main()
