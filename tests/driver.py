"""A thousand workers on ten thousand million trials: what the driver of a sweep has to bear, and what breaks first.

The claim: the driver hands out all shards of 10^10 trials to 1,000 workers, of which each dies once a day on average,
and gives up none; its own work is less than a tenth of the time that the workers take where a shard takes ten seconds
or more, and what dies with workers costs less than 1% of theirs.

What hands out the shards is lrsweep's own code. The workers are made up, and their time is: a shard takes as long as
the table says, a worker's life is exponentially distributed, and another takes its place after two minutes. Measured on
this machine are the driver's seconds, what it costs to list a folder of so many shards and to write one more into it,
the bytes of a trial and the seconds to hash them. Run `python -m tests.driver`: a minute or two on one core; with
`--quick` some seconds, of fewer trials. With `--workers N` it measures instead how much faster two workers of this
machine are than one, on the line and on the digits, N times; and beside it how much faster two processes are that have
nothing to do with each other and keep nothing, which is what two cores give.
"""

import argparse
import hashlib
import heapq
import importlib
import itertools
import os
import random
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import optax
import pandas as pd
import psutil

import lrsweep
from lrsweep.store._executors import opened
from lrsweep.store._folder import Folder
from lrsweep.store._shards import find_shards, name_of
from lrsweep.studies._workers import ATTEMPTS, hand_out

TRIALS, WORKERS, SHARD = 10**10, 1000, 2**17

# In seconds: how long a shard takes, a worker lives on average, and it takes until another is in its place.
SHARD_SECONDS, LIFE, REPLACED = (1.0, 10.0, 100.0, 1000.0), 86_400.0, 120.0

# One answer to the listing of an object store holds so many names, as those of S3 do; and takes about so long.
NAMES_AT_ONCE, LISTING_SECONDS = 1000, 0.1


class DiedError(Exception):
    """The end of a worker that is made up."""


class Future:
    """What becomes of a shard: nothing before a moment of the made-up time."""

    def __init__(self) -> None:
        self.ended, self.died = False, False

    def done(self) -> bool:
        """Tells whether that moment has come."""
        return self.ended

    def result(self) -> None:
        """Raises where the worker has died."""
        if self.died:
            raise DiedError("a worker has died")

    def cancel(self) -> None:
        """Does nothing: no worker can be reached."""


class Workers:
    """Workers that are made up, and their clock."""

    def __init__(self, count: int, seconds: float, seed: int = 0) -> None:
        self.now, self.deaths, self.wasted, self.taken = 0.0, 0, 0.0, 0
        self._seconds, self._draw = seconds, random.Random(seed)
        self._idle, self._waiting = count, deque[Future]()
        self._count = itertools.count()
        self._events: list[tuple[float, int, Future | None]] = []

    def submit(self, shard: int, attempt: int) -> Future:
        """Has a worker take a shard, as soon as there is one for it."""
        del shard, attempt
        self._waiting.append(Future())
        future = self._waiting[-1]
        self._begin()
        return future

    def sleep(self, seconds: float) -> None:
        """Lets that time pass, or as much as it takes until something happens."""
        until = max(self.now + seconds, self._events[0][0] if self._events else 0.0)
        while self._events and self._events[0][0] <= until:
            self.now, _, future = heapq.heappop(self._events)
            if future is not None:
                future.ended = True
            if future is None or not future.died:
                self._idle += 1
                self._begin()
        self.now = until

    def _begin(self) -> None:
        while self._idle and self._waiting:
            self._idle -= 1
            self.taken += 1
            future, left = self._waiting.popleft(), self._draw.expovariate(1 / LIFE)
            if left < self._seconds:
                future.died = True
                self.deaths, self.wasted = self.deaths + 1, self.wasted + left
                self._add(self.now + left + REPLACED, None)
            self._add(self.now + min(left, self._seconds), future)

    def _add(self, moment: float, future: Future | None) -> None:
        # Of two at one moment the first that was added comes first.
        heapq.heappush(self._events, (moment, next(self._count), future))


def simulate(trials: int, workers: int, seconds: float) -> dict[str, Any]:
    """Hands out the shards of a sweep to workers that are made up.

    Args:
        trials: How many there are to run.
        workers: How many take shards.
        seconds: How long a shard takes.
    """
    shards, made_up = -(-trials // SHARD), Workers(workers, seconds)
    began = time.process_time()
    lost = hand_out(made_up.submit, range(shards), lambda *_: True, made_up.sleep)
    driver = time.process_time() - began
    return {
        "shard s": seconds,
        "shards": shards,
        "hours": made_up.now / 3600,
        "ideal hours": shards / workers * seconds / 3600,
        "deaths": made_up.deaths,
        "given up": len(lost),
        "lost %": 100 * made_up.wasted / (shards * seconds),
        "driver s": driver,
        "driver %": 100 * driver / made_up.now,
    }


def measure_folder(shards: int) -> dict[str, float]:
    """Measures what a folder of so many shards costs: to list it, and to write one more into it."""
    with tempfile.TemporaryDirectory() as top:
        for shard in range(shards):
            (Path(top) / name_of(shard, shard.to_bytes(8))).touch()
        folder = Folder(top)
        began = time.perf_counter()
        found = find_shards(folder.names())
        listed = time.perf_counter()
        folder.tidy()
        tidied = time.perf_counter()
        for shard in range(shards, shards + 5):
            folder.write(name_of(shard, b""), b"")
        written = time.perf_counter()
    return {
        "listed": len(found),
        "list s": listed - began,
        "tidy s": tidied - listed,
        "write s": (written - tidied) / 5,
    }


def measure_bytes(trials: int) -> dict[str, float]:
    """Measures a store of the line: the bytes of a trial, those of its manifest, and how fast its shards are hashed."""
    with tempfile.TemporaryDirectory() as top:
        axes = {"learning_rate": lrsweep.log_grid(1e-3, 1, trials // 100), "seed": range(100)}
        lrsweep.sweep(
            lrsweep.problems.line(), optax.sgd, lrsweep.lazy_grid(**axes), steps=1000, store=top, progress=False
        )
        contents = [path.read_bytes() for path in Path(top).glob("shard-*")]
        manifest = (Path(top) / "manifest.json").stat().st_size
    began = time.perf_counter()
    for content in contents:
        hashlib.sha256(content).hexdigest()
    size = sum(map(len, contents))
    return {
        "bytes per trial": size / trials,
        "manifest bytes": manifest,
        "hashed MB/s": size / 1e6 / (time.perf_counter() - began),
    }


class Work(NamedTuple):
    """What workers are measured at: an objective, its trials, how many of them a shard is, and options of `sweep`."""

    objective: lrsweep.Objective
    trials: lrsweep.LazyTrials
    shard_size: int
    options: dict[str, Any]

    def sweep(self, trials: Any, **options: Any) -> None:
        """Sweeps some of its trials."""
        lrsweep.sweep(self.objective, optax.sgd, trials, **self.options, **options)


def work_of(name: str) -> Work:
    """Gives the work by its name: the line, or the digits' network."""
    if name == "line":
        rates = lrsweep.lazy_grid(learning_rate=lrsweep.log_grid(1e-3, 1, 128_000), seed=range(100))
        return Work(lrsweep.problems.line(), rates, 200_000, {"steps": 1000})
    # The study's functions, which workers import by their names.
    sys.path.append(str(Path(__file__).parent.parent / "experiments"))
    digits: Any = importlib.import_module("digits")
    training, _ = digits.load_data()
    objective = lrsweep.Objective(
        digits.cross_entropy, digits.init, data=training, batch_size=digits.BATCH_SIZE, name="digits"
    )
    networks = lrsweep.lazy_grid(model=["mlp"], learning_rate=lrsweep.log_grid(1e-4, 10, 64), seed=range(64))
    return Work(objective, networks, 64, {"steps": 150, "stopping": digits.TO_THE_END, "block_width": 16})


def rate(work: Work, count: int) -> tuple[float, float]:
    """Measures some workers at work: trials a second, and seconds of the processor for a thousand trials."""
    seen: list[tuple[lrsweep.Progress, float]] = []
    workers: list[psutil.Process] = []

    def watch(state: lrsweep.Progress) -> None:
        # To look for processes takes longer than to hand out a shard.
        if len(workers) < count:
            workers[:] = psutil.Process().children()
        seen.append((state, sum(sum(worker.cpu_times()[:2]) for worker in workers)))

    with tempfile.TemporaryDirectory() as top:
        work.sweep(work.trials, store=top, shard_size=work.shard_size, executor=f"processes:{count}", progress=watch)
    # By then both have begun and compiled.
    counted = [each for each in seen if each[0].trials >= each[0].of_trials / 2]
    (first, used), (last, used_by_then) = counted[0], counted[-1]
    trials = last.trials - first.trials
    return trials / (last.seconds - first.seconds), 1000 * (used_by_then - used) / trials


def repeat(name: str, begin: float, end: float) -> float:
    """Sweeps the first shard in memory, again and again between two moments of the clock: trials a second."""
    work = work_of(name)
    trials, swept = work.trials.rows(0, work.shard_size), 0
    work.sweep(trials, progress=False)
    time.sleep(max(0.0, begin - time.time()))
    began = time.time()
    while time.time() < end:
        work.sweep(trials, progress=False)
        swept += len(trials)
    return swept / (time.time() - began)


def apart(name: str, count: int) -> float:
    """Measures processes side by side that have nothing to do with each other: trials a second, of all of them."""
    with opened(f"processes:{count}") as workers:
        begin = time.time() + 20
        return sum([each.result() for each in [workers.submit(repeat, name, begin, begin + 5) for _ in range(count)]])


def measure_workers(repeats: int) -> pd.DataFrame:
    """Measures how much faster two workers are than one, and two processes apart than one, some times each."""
    # A worker is a core, also where it is alone.
    os.environ["NPROC"] = "1"
    rows = []
    for name in ("line", "digits"):
        work = work_of(name)
        for _ in range(repeats):
            (one, one_used), (two, two_used) = rate(work, 1), rate(work, 2)
            rows.append(
                {
                    "objective": name,
                    "one /s": one,
                    "two /s": two,
                    "ratio": two / one,
                    "ratio apart": apart(name, 2) / apart(name, 1),
                    "one CPU s/1000": one_used,
                    "two CPU s/1000": two_used,
                    "load": psutil.getloadavg()[0],
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Simulates and measures, prints what it found, and exits with 1 where the claim does not hold."""
    parser = argparse.ArgumentParser(description="A driver with many workers.")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the trials, and a tenth of the workers")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="compare two workers of this machine with one, N times"
    )
    options = parser.parse_args()
    if options.workers:
        print(measure_workers(options.workers).to_string(index=False, float_format="{:.3g}".format))
        return
    trials, workers = (TRIALS // 100, WORKERS // 10) if options.quick else (TRIALS, WORKERS)
    found = pd.DataFrame([simulate(trials, workers, seconds) for seconds in SHARD_SECONDS])
    print(found.to_string(index=False, float_format="{:.3g}".format))
    shards, costs = -(-trials // SHARD), measure_bytes(10**5 if options.quick else 10**6)
    folder = measure_folder(shards)
    for name, value in {**folder, **costs}.items():
        print(f"{name}: {value:.4g}")
    size = costs["bytes per trial"] * trials
    print(f"all of the store: {size / 1e9:.0f} GB, hashed by one core in {size / 1e6 / costs['hashed MB/s']:.0f} s")
    print(f"listed by an object store in {-(-shards // NAMES_AT_ONCE) * LISTING_SECONDS:.1f} s")
    slow = found[found["shard s"] >= 10]
    holds = (found["given up"] == 0).all() and (slow["driver %"] < 10).all() and (slow["lost %"] < 1).all()
    print(f"at most {ATTEMPTS} workers a shard: the claim {'holds' if holds else 'does not hold'}")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
