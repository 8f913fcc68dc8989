"""Kills runs at random moments, and counts what it finds: python -m tests.kills [--runs 200]."""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import lrsweep
from lrsweep.tables._notes import read_provenance

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

# What each kind of run writes, beside the note of a table.
KINDS = {
    "csv": ("sweep.csv",),
    "parquet": ("sweep.parquet",),
    "picture": ("sweep.csv", "sweep.png"),
    "report": ("sweep.html",),
}

# Of how many trials a table is: as large as it takes for writing it to last some milliseconds.
TRIALS = 20_000


def command(kind: str, rate: float) -> list[str]:
    """The command line of a run whose trials all have a learning rate that no other run has."""
    if kind == "report":
        return ["report", "table.csv", "--out", "sweep.html"]
    run = ["run", "--learning-rate", str(rate), "--seeds", str(TRIALS), "--steps", "5", "--out", KINDS[kind][0]]
    return [*run, "--plot", "sweep.png"] if kind == "picture" else run


def start(folder: Path, kind: str, rate: float) -> "subprocess.Popen[str]":
    """Starts a run."""
    words = [sys.executable, "-m", "lrsweep", *command(kind, rate)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=folder, env=environment(folder.parent), text=True, stdout=pipe, stderr=pipe)


def environment(caches: Path) -> dict[str, str]:
    """The environment of a run of its own, with the folder of its user's caches."""
    package = str(Path(lrsweep.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": package, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(caches / "caches")}


def parts(folder: Path) -> list[str]:
    """What is in a folder beside the files that a complete run leaves there."""
    return [name for name in os.listdir(folder) if not name.startswith(("sweep.", "table."))]


def wait_and_kill(
    process: "subprocess.Popen[str]", folder: Path, number: int, took: float, draw: random.Random
) -> tuple[bool, str]:
    """Ends a run at a random moment: of its whole time, or shortly after it has begun to write.

    Returns:
        Whether it was writing then, and what is wrong with how it ended.
    """
    known = set(os.listdir(folder))
    # Before that it is Python that starts, which Ctrl-C ends in its own way.
    until = time.monotonic() + draw.uniform(0.5, 1.1 * took)
    writing = draw.random() < 0.6
    while process.poll() is None:
        if writing and set(os.listdir(folder)) - known:
            time.sleep(draw.choice([0, draw.uniform(0, 0.005), draw.uniform(0, 0.05)]))
            break
        if not writing and time.monotonic() > until:
            break
        time.sleep(0.0005 if writing else 0.01)
    writes = bool(set(os.listdir(folder)) - known)
    if process.poll() is None:
        process.send_signal(number)
    _, said = process.communicate(timeout=120)
    ended = (0, -number) if number == signal.SIGKILL else (0, 128 + number)
    # What has ended by then is kept, and told of.
    told = number != signal.SIGKILL and re.fullmatch(r"(lrsweep: interrupted: \d[^\n]*\n)?", said)
    if process.returncode not in ended or (said and not told):
        return writes, f"ended with {process.returncode}, having said {said!r}"
    return writes and process.returncode != 0, ""


def damage(folder: Path, kind: str, rates: list[float]) -> list[str]:
    """What is wrong with the files in a folder, and with the notes beside the tables."""
    wrong = []
    for name in KINDS[kind]:
        path = folder / name
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".html":
            page = path.read_text(encoding="utf-8")
            if not (page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")):
                wrong.append(f"{name} is damaged")
        else:
            # A run may have been killed between the table and its note: then the note is not believed, with a warning.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table = lrsweep.read_table(path)
            rate = table["learning_rate"].unique()
            made = read_provenance(path)
            trials = (made or {}).get("interrupted", {"ended": TRIALS})["ended"]
            if len(table) != trials or len(rate) != 1 or not np.isin(rate, rates).all():
                wrong.append(f"{name} is damaged")
            if made is not None and f"--learning-rate {rate[0]} " not in str(made["command"]):
                wrong.append(f"{name} has the note of another run")
    return wrong


def count(runs: int, seed: int = 0) -> Counter[str]:
    """Kills runs of every kind, and counts what it finds.

    Args:
        runs: How many.
        seed: Of the moments, and of what is sent.

    Returns:
        How many runs were killed, by signal, and how many had ended before; how many notes were not believed; and under
        "wrong: ..." everything that must not be.
    """
    draw, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="kills-") as top:
        for kind in KINDS:
            folder = Path(top) / kind
            folder.mkdir()
            rates = [0.1]
            if kind == "report":
                write_example(folder / "table.csv")
            began = time.monotonic()
            finish(folder, kind, rates[0])
            took = time.monotonic() - began
            for _ in range(runs // len(KINDS)):
                rates.append(round(0.1 + 1e-4 * len(rates), 6))
                number = draw.choice(SIGNALS)
                before = set(parts(folder))
                process = start(folder, kind, rates[-1])
                writes, wrong = wait_and_kill(process, folder, number, took, draw)
                counts[f"ended by {signal.Signals(number).name}" if process.returncode else "ended before"] += 1
                counts["of these while writing"] += writes
                left = set(parts(folder)) - before
                if left and number == signal.SIGKILL:
                    counts["left by SIGKILL, until the next run"] += len(left)
                elif left:
                    counts[f"wrong: left by {signal.Signals(number).name}"] += len(left)
                for what in [*([wrong] if wrong else []), *damage(folder, kind, rates)]:
                    counts[f"wrong: {kind}: {what}"] += 1
                counts["notes not believed"] += sum(
                    read_provenance(folder / name) is None for name in KINDS[kind] if name.endswith(("csv", "parquet"))
                )
            finish(folder, kind, 0.05)
            if parts(folder):
                counts["wrong: left behind at the end"] += len(parts(folder))
    return counts


def write_example(path: Path) -> None:
    """Writes the table that reports are made of."""
    import optax

    trials = lrsweep.grid(learning_rate=[0.1, 0.01], seed=range(100))
    lrsweep.write_table(lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=50).table, path)


def finish(folder: Path, kind: str, rate: float) -> None:
    """Runs to the end."""
    process = start(folder, kind, rate)
    _, said = process.communicate(timeout=300)
    if process.returncode or said:
        raise RuntimeError(f"an undisturbed run ended with {process.returncode}: {said}")


def main() -> None:
    """Counts, prints it, and exits with 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts = count(options.runs, options.seed)
    print(json.dumps(dict(sorted(counts.items())), indent=2))
    sys.exit(any(what.startswith("wrong") for what in counts))


if __name__ == "__main__":
    main()
