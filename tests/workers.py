"""Sweeps by the workers of several libraries, and kills one midway each time: python -m tests.workers [KIND ...]."""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import optax
import pandas as pd
import psutil

import lrsweep

# How large a sweep is: of how many trials a shard is, how many shards there are, and the updates of a trial.
SIZES = {"short": (16, 8, 2_000), "long": (256, 64, 20_000)}

Kill = Callable[[], None]


class Hired(NamedTuple):
    """Two workers: what `sweep` takes as its executor, and what kills one of them."""

    executor: Any
    kill: Kill


def sweep(size: str, store: Path | None = None, **options: Any) -> lrsweep.Sweep:
    """The sweep, into a store or, without one, in this process."""
    rows, shards, steps = SIZES[size]
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1, rows), seed=range(shards))
    options |= {} if store is None else {"store": store, "shard_size": rows}
    never = lrsweep.Stopping(tolerance=0.0, target=-1.0)
    line = lrsweep.problems.line()
    return lrsweep.sweep(
        line, optax.sgd, trials, steps=steps, stopping=never, block_width=rows, **{"progress": False, **options}
    )


def kill_child() -> None:
    """Kills one of the processes that this one has started anew."""
    children = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    children[0].kill()


@contextmanager
def processes() -> Iterator[Hired]:
    """Workers of lrsweep's own."""
    yield Hired("processes:2", kill_child)


@contextmanager
def pool() -> Iterator[Hired]:
    """Workers of `concurrent.futures`."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield Hired(executor, kill_child)


@contextmanager
def dask() -> Iterator[Hired]:
    """Workers of Dask on this machine."""
    from distributed import Client, LocalCluster  # pyright: ignore[reportMissingImports]

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        yield Hired(client.get_executor(), lambda: os.kill(pids[0], signal.SIGKILL))


@contextmanager
def ray() -> Iterator[Hired]:
    """Workers of a Ray cluster of two nodes on this machine, one of which is killed."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray as library  # pyright: ignore[reportMissingImports]
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        library.init(address=cluster.address, log_to_driver=False)
        yield Hired("ray", lambda: cluster.remove_node(node, allow_graceful=False))
    finally:
        library.shutdown()
        cluster.shutdown()


KINDS = {each.__name__: each for each in (processes, pool, dask, ray)}


def run(kind: str, size: str, whole: pd.DataFrame) -> dict[str, Any]:
    """Sweeps by two workers of a kind, and kills one after a few shards.

    Args:
        kind: One of `KINDS`.
        size: One of `SIZES`.
        whole: The table of the sweep in one process.

    Returns:
        The seconds it took, how often it had to be called, and whether everything is as it must be.
    """
    began, calls, killed = time.perf_counter(), 0, False
    with tempfile.TemporaryDirectory(prefix="workers-") as top:
        store = Path(top) / "store"
        table = None
        while table is None and calls < 3:
            calls += 1
            with KINDS[kind]() as hired:

                def watch(state: lrsweep.Progress, kill: Kill = hired.kill) -> None:
                    nonlocal killed
                    if not killed and state.trials >= state.of_trials // 4:
                        killed = True
                        kill()

                try:
                    table = sweep(size, store, executor=hired.executor, progress=watch).table
                except lrsweep.InputError as error:
                    # One worker less breaks the whole of a ProcessPoolExecutor, and only that.
                    if kind != "pool" or "call again with a new one" not in str(error):
                        raise
        # A worker that was late may have been killed while it wrote: the next call tidies up.
        again = sweep(size, store).table
        left = sorted(name for name in os.listdir(store) if not name.startswith("shard-"))
        shards = len(os.listdir(store)) - len(left)
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "calls": calls,
        "killed": killed,
        "same bits": table is not None and table.equals(whole) and again.equals(whole),
        "shards": shards,
        "left": [name for name in left if name not in ("lock", "manifest.json")],
    }


def is_well(found: dict[str, Any], size: str) -> bool:
    """Tells whether a run has found what it must."""
    return found["killed"] and found["same bits"] and not found["left"] and found["shards"] == SIZES[size][1]


def main() -> None:
    """Runs every kind, prints what it found, and exits with 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--size", default="long", choices=list(SIZES))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    whole = sweep(options.size).table
    found = {kind: run(kind, options.size, whole) for kind in options.kinds or KINDS}
    print(json.dumps(found, indent=2))
    sys.exit(not all(is_well(each, options.size) for each in found.values()))


if __name__ == "__main__":
    main()
