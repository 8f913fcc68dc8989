"""What a store costs: a sweep of the line in memory, the same into a store, and the least that the bytes must take.

Each line is of 10^6 trials. `encode s` is what pyarrow takes to encode the rows on one core, and `sync s` what the disk
takes to have them, with nothing beside; `beside s` is the sweep in memory while another thread does both. No store can
cost less than that. Run `JAX_NUM_CPU_DEVICES=2 python -m tests.store_cost`, with as many devices as there are cores,
on a machine that does nothing else: two minutes on two cores.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optax
import pandas as pd

import lrsweep
from lrsweep.store._folder import Folder
from lrsweep.store._shards import encode

TRIALS, SHARD = 10**6, 125_184

# The least and the greatest learning rate, and the steps: trials that soon end, and some that do not.
CASES = ((1e-3, 1.0, 1000), (1e-5, 1e-2, 1000), (1e-5, 1e-2, 10_000))


def seconds(work: Callable[[], object]) -> float:
    """Measures how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(low: float, high: float, steps: int, repeats: int) -> dict[str, float]:
    """Measures one case, the median of some times each, one after the other."""
    rates = lrsweep.log_grid(low, high, 1000)
    trials = lrsweep.grid(learning_rate=rates, seed=range(TRIALS // len(rates)))

    def sweep(**store: Any) -> pd.DataFrame:
        how: dict[str, Any] = {"steps": steps, "progress": False, **store}
        return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, **how).table

    def into_store() -> None:
        with tempfile.TemporaryDirectory() as top:
            sweep(store=Path(top) / "store")

    table = sweep()
    table.attrs = {}
    shards = [table.iloc[first : first + SHARD] for first in range(0, TRIALS, SHARD)]
    contents: list[bytes] = []

    def encode_all() -> None:
        contents[:] = [encode(shard, {}, {}, {}) for shard in shards]

    def sync_all() -> None:
        with tempfile.TemporaryDirectory() as top:
            for place, content in enumerate(contents):
                Folder(top).write(str(place), content)

    def beside() -> None:
        writer = threading.Thread(target=lambda: (encode_all(), sync_all()))
        writer.start()
        sweep()
        writer.join()

    parts = {"memory": sweep, "store": into_store, "encode": encode_all, "sync": sync_all, "beside": beside}
    measured = [{name: seconds(work) for name, work in parts.items()} for _ in range(repeats + 1)][1:]
    found = {name: statistics.median(each[name] for each in measured) for name in parts}
    ratios = {name: statistics.median(each[name] / each["memory"] for each in measured) for name in ("store", "beside")}
    return {
        "from": low,
        "to": high,
        "steps": steps,
        **{f"{name} s": value for name, value in found.items()},
        **{f"{name} / memory": value for name, value in ratios.items()},
        "bytes per trial": sum(map(len, contents)) / TRIALS,
    }


def main() -> None:
    """Measures every case, and prints what it found."""
    parser = argparse.ArgumentParser(description="What a store costs.")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found = pd.DataFrame([measure(*case, options.repeats) for case in CASES])
    print(found.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
