"""Ctrl-C on the command line: what is kept, what is said, and how soon it ends."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer

import lrsweep
from lrsweep.cli import _signals as signals
from lrsweep.cli._interruption import keeping_what_ended
from lrsweep.studies import _critical as critical
from lrsweep.studies import _range_test as range_test
from lrsweep.studies import _refine as refine
from lrsweep.studies import _stored as stored
from lrsweep.studies import _sweep as studies
from lrsweep.tables._curves import Curves
from lrsweep.tables._notes import read_provenance
from tests import kills
from tests.conftest import Run

# How to go on without a store: with one, `run` can; what other commands do cannot be kept in one.
ANEW = "the same command starts over"
RUN_ANEW = f"{ANEW}; --store DIR would have let it go on"

ENDLESS = """
import jax.numpy as jnp
from lrsweep import Objective
endless = Objective(lambda p: jnp.sum(jnp.sin(p) ** 2), jnp.ones(20_000))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that has Ctrl-C be pressed at the end of every sweep, as if so many of its trials had ended."""

    def stand_in(kept: int) -> None:
        run = studies.sweep

        def sweep(*arguments: Any, **options: Any) -> lrsweep.Sweep:
            result = run(*arguments, **options)
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
            except KeyboardInterrupt:
                partial = replace(result, table=result.table.head(kept))
                raise lrsweep.Interrupted(partial, ended=kept, of_trials=len(result.table)) from None
            return result

        for module in (studies, refine, critical):
            monkeypatch.setattr(module, "sweep", sweep)

    return stand_in


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_has_ended_is_written_and_told_of(
    ending: str, run: Run, folder: Path, press: Callable[[int], None]
) -> None:
    run("run", "--out", f"whole.{ending}")
    press(2)
    said = run("run", "--out", f"sweep.{ending}")
    assert said.code == 130
    assert said.err == f"lrsweep: interrupted: 2 of 3 trials had ended, 1 had not; {RUN_ANEW}\n"
    assert said.out == f"Wrote 2 trials to sweep.{ending}, and what made them to sweep.json.\n"
    table, whole = (lrsweep.read_table(folder / f"{name}.{ending}") for name in ("sweep", "whole"))
    assert table.equals(whole.head(2))
    assert (read_provenance(folder / f"sweep.{ending}") or {})["interrupted"] == {"ended": 2, "of": 3}


@pytest.mark.usefixtures("folder")
def test_the_report_of_what_has_ended_says_that_it_was_interrupted(run: Run, press: Callable[[int], None]) -> None:
    press(2)
    run("run", "--out", "sweep.csv")
    assert run("report", "sweep.csv").code == 0
    assert "ended 2, of 3" in Path("sweep.html").read_text(encoding="utf-8")


def test_where_nothing_had_ended_an_earlier_table_stays(run: Run, folder: Path, press: Callable[[int], None]) -> None:
    run("run", "--out", "sweep.csv")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    press(0)
    assert run("run", "--out", "sweep.csv") == (
        130,
        "",
        f"lrsweep: interrupted: 0 of 3 trials had ended, 3 had not; nothing was written; {RUN_ANEW}\n",
    )
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.usefixtures("folder")
def test_without_a_place_it_says_how_to_keep_what_ends(run: Run, press: Callable[[int], None]) -> None:
    press(1)
    said = "lrsweep: interrupted: 1 of 3 trials had ended, 2 had not; --out FILE would have kept them"
    assert run("run") == (130, "", f"{said}; {RUN_ANEW}\n")
    assert run("refine").err.endswith(f"; --out FILE would have kept them; {ANEW}\n")


def test_before_any_trial_runs_it_says_nothing(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr(studies, "sweep", interrupted)
    assert run("run", "--out", "sweep.csv") == (130, "", "")
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_what_a_library_swallows_is_raised_at_the_next_update() -> None:
    with pytest.raises(typer.Exit) as left, keeping_what_ended(None) as progress:
        progress(lrsweep.Progress(1, 3, 0, 3, 0.1))
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        progress(lrsweep.Progress(2, 3, 0, 3, 0.2))
        raise AssertionError
    assert left.value.exit_code == 130


def test_a_zoom_and_a_search_of_the_edge_keep_what_they_have(
    run: Run, folder: Path, press: Callable[[int], None]
) -> None:
    press(4)
    said = run("refine", "--out", "zoom.csv")
    assert (said.code, said.err) == (130, f"lrsweep: interrupted: 4 of 49 trials had ended, 45 had not; {ANEW}\n")
    assert lrsweep.read_table(folder / "zoom.csv")["round"].tolist() == [0, 0, 0, 0]
    said = run("critical", "--out", "edge.csv")
    assert said.code == 130
    assert said.err == f"lrsweep: interrupted: 4 of 46 trials had ended, 42 had not; nothing was written; {ANEW}\n"


def test_a_range_test_keeps_the_losses_of_the_starts_that_were_through(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("range-test", "--seeds", "3", "--steps", "20", "--out")
    assert run(*words, "whole.csv").code == 0
    sweep = range_test.run_sweep

    def interrupted(*arguments: Any, **options: Any) -> lrsweep.Sweep:
        result = sweep(*arguments, **options)
        curves = Curves(loss=result.curves["loss"].head(2))
        partial = replace(result, table=result.table.head(2), curves=curves)
        raise lrsweep.Interrupted(partial, ended=2, of_trials=3)

    monkeypatch.setattr(range_test, "run_sweep", interrupted)
    said = run(*words, "losses.csv")
    assert (said.code, said.err) == (130, f"lrsweep: interrupted: 2 of 3 trials had ended, 1 had not; {ANEW}\n")
    assert said.out == "Wrote 40 losses to losses.csv, and what made them to losses.json.\n"
    kept, whole = ((folder / f"{name}.csv").read_text().splitlines() for name in ("losses", "whole"))
    assert kept == whole[:41]
    assert json.loads((folder / "losses.json").read_text())["interrupted"] == {"ended": 2, "of": 3}


def test_where_it_cannot_be_written_it_is_rescued(run: Run, folder: Path, press: Callable[[int], None]) -> None:
    press(2)
    (folder / "there").mkdir()
    stop = studies.sweep

    def sweep(*arguments: Any, **options: Any) -> lrsweep.Sweep:
        (folder / "there").rmdir()
        return stop(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "sweep", sweep)
        said = run("run", "--out", "there/sweep.csv")
    assert (said.code, said.out) == (130, "")
    rescued = re.search("it is in '([^']+)' instead", said.err)
    assert rescued is not None
    assert len(lrsweep.read_table(Path(rescued[1]))) == 2


@pytest.mark.usefixtures("folder")
def test_where_there_is_a_store_it_says_what_that_keeps_and_how_to_go_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    into, begun = stored.sweep_into, []

    def interrupted(*arguments: Any, **options: Any) -> None:
        if begun:
            into(*arguments, **options)
        begun.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr(stored, "sweep_into", interrupted)
    for said in ("the store had not been begun", "the store keeps 3 of 3 trials: lrsweep resume kept goes on"):
        assert run("run", "--store", "kept") == (130, "", f"lrsweep: interrupted; {said}\n")


def test_a_second_signal_does_what_signals_did_before() -> None:
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in signals._SIGNALS}
    try:
        for number in before:
            signal.signal(number, lambda number, _: seen.append(number))
        for number in before:
            stop = signals.Stop()
            stop.arm()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
            assert stop.code == 128 + number
            os.kill(os.getpid(), number)
        assert seen == list(before)
        stop = signals.Stop()
        stop.arm()
        stop.disarm()
        os.kill(os.getpid(), signal.SIGINT)
        assert seen == [*before, signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    (folder / "own.py").write_text(ENDLESS)
    command = [sys.executable, "-m", "lrsweep", *words]
    pipe = subprocess.PIPE
    # In a group of its own, as what a terminal starts.
    return subprocess.Popen(
        command,
        cwd=folder,
        env=kills.environment(folder.parent),
        text=True,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )


# Twenty-five learning rates and ten seeds of twenty thousand parameters: minutes of work.
RUN = ("run", "own.py:endless", "--steps", "1000000", "--out", "sweep.csv")

SAID = (
    r"(lrsweep: interrupted: \d+ of 250 trials had ended, \d+ had not(; nothing was written)?; the same command .*\n)?"
)


@pytest.mark.parametrize("pause", [0.2, 6.0], ids=["while it loads", "while trials run"])
def test_ctrl_c_ends_a_command_with_130_and_no_traceback(pause: float, folder: Path) -> None:
    process = start(folder, *RUN)
    time.sleep(pause)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(SAID, err), err
    # Complete where it is there at all, with its note.
    assert ("Wrote" in out) == (folder / "sweep.csv").exists() == (read_provenance(folder / "sweep.csv") is not None)
    assert not list(folder.glob(".lrsweep-*"))


def test_ctrl_c_twice_ends_it_at_once(folder: Path) -> None:
    process = start(folder, *RUN)
    time.sleep(6)
    for _ in range(2):
        # It may have ended by the first.
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not list(folder.glob(".lrsweep-*"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no groups of processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_workers_of_a_command_are_gone_with_it(number: int, folder: Path) -> None:
    process = start(folder, *RUN[:-2], "--store", "kept", "--executor", "processes:2")
    led = psutil.Process(process.pid)
    until = time.monotonic() + 120
    while not (folder / "kept" / "manifest.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
    workers = led.children(recursive=True)
    assert len(workers) > 1
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.kill()
    _, err = process.communicate(timeout=60)
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    if number == signal.SIGINT:
        assert process.returncode == 130
        said = "lrsweep: interrupted; the store keeps 0 of 250 trials: lrsweep resume kept goes on\n"
        assert err == said
        assert sorted(os.listdir(folder / "kept")) == ["lock", "manifest.json"]
