"""What is measured: every sweep in every way, in turns, and the memory and the start of lrsweep."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import pandas as pd

from speed_parts.agreement import agreement, lowest_shares
from speed_parts.peers import OURS, PEERS, WIDE
from speed_parts.processes import ask, process, receive, serve, serve_peak, some_rows
from speed_parts.report import make_row
from speed_parts.workloads import WORKLOADS, scaled

# What can be measured, in this order.
NAMES = [*WORKLOADS, "memory", "start"]


def measure(name: str, divisor: float, repeats: int) -> list[dict[str, Any]]:
    """Measures one of `NAMES`.

    Args:
        name: Which.
        divisor: What numbers of trials are divided by.
        repeats: How often each entry is timed.

    Returns:
        Rows of the report, see `make_row`.
    """
    if name == "memory":
        return compare_memory(divisor, repeats)
    if name == "start":
        return compare_start(repeats)
    return compare_entries(name, divisor, repeats)


def compare_entries(name: str, divisor: float, repeats: int) -> list[dict[str, Any]]:
    """Runs a sweep in every way, in turns.

    Raises:
        SystemExit: An entry ended early, or gives another answer than lrsweep.
    """
    workload = scaled(name, divisor)
    total = len(workload.make_trials(workload.trials))
    print(f"\n{workload.name}: {total:,} trials, {workload.steps:,} steps", flush=True)
    with ExitStack() as stack:
        entries: dict[str, Connection] = {}
        for entry in (OURS, *(peer.name for peer in PEERS[name])):
            connection = stack.enter_context(process(serve, name, entry, divisor))
            missing = receive(connection, entry)
            if missing is None:
                entries[entry] = connection
            else:
                print(f"  {entry}: left out, {missing}", flush=True)
        check_answers(name, divisor, entries)
        seconds: dict[str, list[float]] = {entry: [] for entry in entries}
        for _ in range(repeats):
            for entry, connection in entries.items():
                seconds[entry].append(ask(connection, entry, "time"))
    rows = []
    for peer in PEERS[name]:
        if peer.name in entries:
            timed = len(some_rows(total, peer.trials))
            against = peer.name if timed == total else f"{peer.name}, from {timed:,} trials"
            theirs = [value * total / timed for value in seconds[peer.name]]
            trial_steps = total * workload.steps
            rows.append(
                make_row(workload.name, against, seconds[OURS], theirs, target=peer.target, trial_steps=trial_steps)
            )
    return rows


def check_answers(name: str, divisor: float, entries: Mapping[str, Connection]) -> None:
    """Lets every entry run once, and compares what it says with lrsweep's table.

    Raises:
        SystemExit: They differ in more rows than rounding explains.
    """
    workload = scaled(name, divisor)
    ours: pd.DataFrame = ask(entries[OURS], OURS, "answer")
    counts = [f"{count:,} {status}" for status, count in ours["status"].value_counts().items() if count]
    print(f"  {OURS}:", ", ".join(counts), flush=True)

    def compare_answers(entry: str, connection: Connection, trials: int | None) -> dict[str, float]:
        theirs = ask(connection, entry, "answer")
        same_rows = ours.iloc[some_rows(len(ours), trials)].reset_index(drop=True)
        shares = agreement(same_rows, theirs, workload.objective().minimum)
        print(
            f"  {entry} agrees in", ", ".join(f"{column} {100 * shares[column]:.5g}%" for column in shares), flush=True
        )
        return shares

    rounded = None
    if workload.chaotic:
        with process(serve, name, WIDE, divisor) as connection:
            receive(connection, WIDE)
            rounded = compare_answers(WIDE, connection, None)
    least = lowest_shares(ours, rounded)
    for peer in PEERS[name]:
        if peer.name in entries:
            shares = compare_answers(peer.name, entries[peer.name], peer.trials)
            differing = [column for column, share in shares.items() if share < least[column]]
            if differing:
                raise SystemExit(f"{workload.name}: {peer.name} gives another answer in {', '.join(differing)}.")


def compare_memory(divisor: float, repeats: int) -> list[dict[str, Any]]:
    """Measures how much more memory 10 million trials of the line take than 1 million, and how much their tables."""
    few, many = (round(count / divisor) for count in (1e6, 1e7))
    print(f"\nmemory: {many:,} trials of the line against {few:,}", flush=True)
    peaks, sizes = [], []
    for _ in range(repeats):
        measured = []
        for count in (few, many):
            with process(serve_peak, count) as connection:
                measured.append(receive(connection, f"{OURS}, {count:,} trials"))
        (peak_few, size_few), (peak_many, size_many) = measured
        print(f"  {OURS}: peaks of {peak_few / 1e6:,.0f} and {peak_many / 1e6:,.0f} MB", flush=True)
        peaks.append(float(peak_many - peak_few))
        sizes.append(float(size_many - size_few))
    return [make_row("memory", "the growth of the table", peaks, sizes, unit="bytes", target=1.2)]


def compare_start(repeats: int) -> list[dict[str, Any]]:
    """Measures how long `lrsweep run` takes, beside importing what it stands on."""
    commands = [[sys.executable, "-m", "lrsweep", "run"], [sys.executable, "-c", "import jax, optax, pandas"]]
    print("\nstart: lrsweep run, and the imports", flush=True)
    seconds: list[list[float]] = [[], []]
    # The first time fills the caches.
    for turn in range(repeats + 1):
        for command, values in zip(commands, seconds, strict=True):
            start = time.perf_counter()
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr}")
            if turn:
                values.append(time.perf_counter() - start)
    return [make_row("start", commands[1][-1], *seconds, target=2)]
