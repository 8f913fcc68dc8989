"""Measures sweeps larger than memory: python -m tests.large_store [--trials 100_000_000] [--folder DIR]."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optax

import lrsweep

# How many learning rates there are; and how many trials the large sweep is compared with, which fit into memory.
RATES, SMALL = 1000, 1_000_000


def trials_of(count: int, rates: int) -> lrsweep.LazyTrials:
    """Trials of the line: learning rates from 0.001 to 1, each with as many seeds."""
    return lrsweep.lazy_grid(learning_rate=lrsweep.log_grid(1e-3, 1, rates), seed=range(count // rates))


def sweep(trials: lrsweep.LazyTrials, steps: int, folder: Path | None) -> Any:
    """Sweeps them into a store, or, without a folder, in memory."""
    line = lrsweep.problems.line()
    if folder is None:
        return lrsweep.sweep(line, optax.sgd, trials.rows(0, len(trials)), steps=steps, progress=False)
    return lrsweep.sweep(line, optax.sgd, trials, steps=steps, store=folder, progress=False)


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sweep_small(folder: Path, trials: lrsweep.LazyTrials, steps: int) -> dict[str, float]:
    """Sweeps few trials, in memory and into a store: each the second time, since the first compiles."""
    in_memory = [seconds(lambda: sweep(trials, steps, None)) for _ in range(2)][1]
    in_store = [seconds(lambda at=at: sweep(trials, steps, folder / f"small-{at}")) for at in range(2)][1]
    return {"in memory": in_memory, "in a store": in_store}


def run(phase: str, folder: Path, trials: int, rates: int, steps: int) -> dict[str, float]:
    """Does one thing, and says how long it took and the most memory that this process has held."""
    large = folder / "large"
    phases: dict[str, Callable[[], object]] = {
        "sweep": lambda: sweep(trials_of(trials, rates), steps, large),
        "summarize": lambda: lrsweep.summarize(lrsweep.open_store(large)),
        "best": lambda: lrsweep.best_learning_rate(lrsweep.open_store(large)),
        "report": lambda: lrsweep.write_report(lrsweep.open_store(large), folder / "report.html"),
    }
    if phase == "small":
        return sweep_small(folder, trials_of(min(SMALL, trials), rates), steps)
    return {"seconds": seconds(phases[phase]), "peak GB": peak_memory()}


def peak_memory() -> float:
    """The most memory that this process has held, in GB; NaN where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM")), float("nan"))


def measure(trials: int, rates: int = RATES, steps: int = 1000, folder: Path | None = None) -> dict[str, Any]:
    """Measures a large sweep and what reads its store, each in a process of its own.

    Args:
        trials: How many trials.
        rates: How many learning rates.
        steps: The updates of each.
        folder: Where the stores go, which are removed at the end; None for a temporary folder.

    Returns:
        By what was done its seconds and its most memory, and what follows from these.
    """
    with tempfile.TemporaryDirectory(prefix="large-", dir=folder) as top:
        found: dict[str, Any] = {}
        for phase in ("small", "sweep", "summarize", "best", "report"):
            words = [sys.executable, "-m", "tests.large_store", "--phase", phase, "--folder", top]
            words += ["--trials", str(trials), "--rates", str(rates), "--steps", str(steps)]
            done = subprocess.run(words, cwd=Path(__file__).parents[1], text=True, stdout=subprocess.PIPE, check=True)
            found[phase] = json.loads(done.stdout.splitlines()[-1])
        files = [file.stat().st_size for file in (Path(top) / "large").iterdir()]
        per_trial = found["sweep"]["seconds"] / trials
        found["bytes per trial"] = sum(files) / trials
        found["page MB"] = (Path(top) / "report.html").stat().st_size / 1e6
        found["ns per trial-step"] = per_trial / steps * 1e9
        for where in ("in memory", "in a store"):
            found[f"over the small one {where}"] = per_trial / (found["small"][where] / min(SMALL, trials))
        return found


def main() -> None:
    """Prints what was measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=100_000_000)
    options.add_argument("--rates", type=int, default=RATES)
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--folder", type=Path)
    options.add_argument("--phase", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.phase:
        print(json.dumps(run(given.phase, given.folder, given.trials, given.rates, given.steps)))
        return
    print(f"{shutil.disk_usage(given.folder or tempfile.gettempdir()).free / 1e9:.0f} GB of disk are free")
    for what, value in measure(given.trials, given.rates, given.steps, given.folder).items():
        numbers = value if isinstance(value, dict) else {"": value}
        print(f"{what}: " + ", ".join(f"{number:.3g} {name}".strip() for name, number in numbers.items()))


if __name__ == "__main__":
    main()
