"""What is measured: every sweep in every way, in turns, and the memory and the start of lrsweep."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pandas as pd

from speed_parts.agreement import agreement, lowest_shares
from speed_parts.compile_only import serve_launches
from speed_parts.peers import OURS, PEERS, WIDE, find_entry
from speed_parts.processes import (
    Comparison,
    EndedError,
    ask,
    process,
    receive,
    send,
    serve,
    serve_device,
    serve_peak,
    some_rows,
)
from speed_parts.report import make_row
from speed_parts.setup import Setup
from speed_parts.targets import MEMORY, SCAN, START, find_target
from speed_parts.workloads import WORKLOADS

# What can be measured, in this order.
NAMES = [*WORKLOADS, "memory", "start"]


def find_device(setup: Setup) -> dict[str, Any]:
    """Finds out, in a process of its own, what JAX runs on: see `serve_device`.

    Raises:
        SystemExit: JAX has no such device here.
    """
    with process(serve_device, setup) as connection:
        try:
            device = receive(connection)
        except EndedError:
            raise SystemExit("JAX finds no device to run on.") from None
    if setup.platform not in (None, device["platform"]):
        raise SystemExit(f"--device {setup.platform}: JAX finds no such device here, only {device['kind']}.")
    return device


def measure(name: str, setup: Setup, divisor: float, repeats: int) -> list[dict[str, Any]]:
    """Measures one of `NAMES`.

    Args:
        name: Which.
        setup: What to run it on.
        divisor: What numbers of trials are divided by.
        repeats: How often each entry is timed.

    Returns:
        Rows of the report, see `make_row`.
    """
    if name in WORKLOADS:
        return compare_entries(Comparison(name, setup, divisor), repeats)
    if setup.platform != "cpu":
        print(f"\n{name}: left out, it is about the processor's side and measured on CPUs", flush=True)
        return []
    return compare_memory(setup, divisor, repeats) if name == "memory" else compare_start(repeats)


def compare_entries(comparison: Comparison, repeats: int) -> list[dict[str, Any]]:
    """Runs a sweep in every way and size, in turns; a peer whose process ends early does not agree, either.

    Raises:
        SystemExit: The process of lrsweep itself ended early.
    """
    rows = []
    with ExitStack() as stack:
        started = start_entries(stack, comparison)
        for place, workload in enumerate(comparison.sizes):
            total = len(workload.trials())
            label = f"{workload.name}, {total:,} trials"
            print(f"\n{label}, {workload.steps:,} steps", flush=True)
            # Other numbers of trials are about the program that a user would write, and no other peer.
            taking = started if place == 0 else {name: started[name] for name in (OURS.name, SCAN) if name in started}
            connections = dict(taking)
            agreeing = compare_answers(comparison, place, connections)
            seconds = time_entries(place, connections, repeats)
            for name in [name for name in taking if name != OURS.name]:
                timed = len(some_rows(total, find_entry(comparison.name, name).trials))
                row = make_row(
                    label,
                    name if timed == total else f"{name}, from {timed:,} trials",
                    seconds[OURS.name],
                    [value * total / timed for value in seconds.get(name, [np.nan] * repeats)],
                    target=find_target(comparison.name, name, comparison.setup, total),
                    trial_steps=total * workload.steps,
                    agrees=agreeing.get(name, False) and name in seconds,
                )
                print(f"  {row['ratio']:,.3g} times as fast as {row['against']}", flush=True)
                rows.append(row)
    return rows


def start_entries(stack: ExitStack, comparison: Comparison) -> dict[str, Connection]:
    """Starts the processes of lrsweep and of its peers side by side, and gives their connections by name."""
    print(f"\n{WORKLOADS[comparison.name].name}", flush=True)
    taking = []
    for entry in (OURS, *PEERS[comparison.name]):
        lacking = entry.lacks(comparison.setup)
        if lacking is None:
            taking.append(entry)
        else:
            print(f"  {entry.name}: left out, {lacking}", flush=True)
    # One more for lrsweep in 64 bits, should that be asked.
    processes = 1 + sum(not entry.cpu_only for entry in taking)
    connections = {
        entry.name: stack.enter_context(process(serve, comparison, processes, entry.name)) for entry in taking
    }
    for name, missing in receive_all(connections).items():
        if missing is not None:
            print(f"  {name}: left out, {missing}", flush=True)
            del connections[name]
    return connections


def receive_all(connections: dict[str, Connection]) -> dict[str, Any]:
    """Waits for what all entries say, and gives it by name, without those whose processes have ended."""
    said = {}
    for name in list(connections):
        try:
            said[name] = receive(connections[name])
        except EndedError:
            drop(connections, name)
    return said


def drop(connections: dict[str, Connection], name: str) -> None:
    """Leaves out an entry whose process has ended.

    Raises:
        SystemExit: It is lrsweep's own.
    """
    ended = f"{name}: its process ended without an answer"
    if name == OURS.name:
        raise SystemExit(f"{ended}.")
    print(f"  {ended}", flush=True)
    del connections[name]


def compare_answers(comparison: Comparison, place: int, connections: dict[str, Connection]) -> dict[str, bool]:
    """Lets every entry run once, side by side, and tells of each peer whether it says the same as lrsweep.

    Where rounding alone, which lrsweep in 64 bits shows, decides what becomes of some trials, so many may differ.
    """
    for connection in connections.values():
        send(connection, "answer", place)
    answers: dict[str, pd.DataFrame] = receive_all(connections)
    ours, minimum = answers.pop(OURS.name), comparison.sizes[place].objective().minimum
    counts = [f"{count:,} {status}" for status, count in ours["status"].value_counts().items() if count]
    print(f"  {OURS.name}:", ", ".join(counts), flush=True)
    same_rows = {
        name: ours.iloc[some_rows(len(ours), find_entry(comparison.name, name).trials)].reset_index(drop=True)
        for name in answers
    }
    shares = {name: agreement(same_rows[name], theirs, minimum) for name, theirs in answers.items()}
    for name, share in shares.items():
        print_shares(name, share)

    def agreeing(rounded: dict[str, float] | None) -> dict[str, bool]:
        least = {name: lowest_shares(same_rows[name], rounded) for name in answers}
        return {name: all(share[column] >= least[name][column] for column in share) for name, share in shares.items()}

    agree = agreeing(None)
    if all(agree.values()):
        return agree
    with process(serve, comparison, 1 + len(connections), WIDE.name) as connection:
        receive(connection)
        rounded = agreement(ours, ask(connection, "answer", place), minimum)
    print_shares(WIDE.name, rounded)
    return agreeing(rounded)


def print_shares(name: str, shares: dict[str, float]) -> None:
    """Prints in which share of the rows an entry agrees with lrsweep, for every column that both have."""
    print(f"  {name} agrees in", ", ".join(f"{column} {100 * shares[column]:.5g}%" for column in shares), flush=True)


def time_entries(place: int, connections: dict[str, Connection], repeats: int) -> dict[str, list[float]]:
    """Times every entry, one after another and again; gives the seconds of those whose processes went on to the end."""
    seconds: dict[str, list[float]] = {name: [] for name in connections}
    for _ in range(repeats):
        for name in list(connections):
            try:
                seconds[name].append(ask(connections[name], "time", place))
            except EndedError:
                drop(connections, name)
    return {name: seconds[name] for name in connections}


def compare_memory(setup: Setup, divisor: float, repeats: int) -> list[dict[str, Any]]:
    """Measures how much more memory 10 million trials of the line take than 1 million, and how much their tables."""
    few, many = (round(count / divisor) for count in (1e6, 1e7))
    print(f"\nmemory: {many:,} trials of the line against {few:,}", flush=True)
    peaks, sizes = [], []
    # Memory varies little.
    for _ in range(min(repeats, 3)):
        measured = []
        for count in (few, many):
            with process(serve_peak, setup, count) as connection:
                measured.append(receive(connection))
        (peak_few, size_few), (peak_many, size_many) = measured
        print(f"  {OURS.name}: peaks of {peak_few / 1e6:,.0f} and {peak_many / 1e6:,.0f} MB", flush=True)
        peaks.append(float(peak_many - peak_few))
        sizes.append(float(size_many - size_few))
    return [make_row("memory", "the growth of the table", peaks, sizes, unit="bytes", target=MEMORY)]


def compare_start(repeats: int) -> list[dict[str, Any]]:
    """Measures how long `lrsweep run` takes, beside importing what it stands on."""
    commands = [[sys.executable, "-m", "lrsweep", "run"], [sys.executable, "-c", "import jax, optax, pandas"]]
    print("\nstart: lrsweep run, and the imports", flush=True)
    seconds: list[list[float]] = [[], []]
    # The first time fills the caches.
    for turn in range(repeats + 1):
        for command, values in zip(commands, seconds, strict=True):
            start = time.perf_counter()
            environment = os.environ | {"JAX_PLATFORMS": "cpu"}
            ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if ran.returncode != 0:
                raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr}")
            if turn:
                values.append(time.perf_counter() - start)
    return [make_row("start", commands[1][-1], *seconds, target=START)]


def compare_launches(name: str, divisor: float) -> None:
    """Prints how often lrsweep's programs start a kernel on a GPU, beside the user's own scan, see `count_launches`.

    Raises:
        SystemExit: JAX cannot compile for a GPU here.
    """
    for place, workload in enumerate(WORKLOADS[name].in_sizes("gpu", divisor)):
        print(f"\n{workload.name}, {len(workload.trials()):,} trials", flush=True)
        for entry in (OURS.name, SCAN):
            with process(serve_launches, name, divisor, place, entry) as connection:
                try:
                    missing, launches = receive(connection)
                except EndedError:
                    missing, launches = f"{entry}: its process ended without an answer", None
            if missing:
                raise SystemExit(f"{missing}.")
            print(f"  {entry}: {launches}", flush=True)
