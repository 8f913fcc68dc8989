"""The command `range-test`: what it prints and writes, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._range_test import advise_range_test
from tests.conftest import Run

NAN = np.nan


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_prints_the_suggestions_and_a_sentence_that_begins_with_one_of_them(run: Run) -> None:
    said = run("range-test", "line", "--from", "1e-4", "--to", "10", "--steps", "50", "--seeds", "3")
    assert (said.code, said.err) == (0, "")
    tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, low=1e-4, high=10, steps=50, seeds=range(3))
    head, _, numbers, blank, answer = said.out.splitlines()
    assert head.split() == ["seeds", "ended_at", "steepest", "minimum_over_ten", "valley"]
    assert [float(word) for word in numbers.split()] == pytest.approx(tested.suggestions.iloc[0].tolist(), rel=1e-3)
    assert blank == ""
    least = tested.suggestions["minimum_over_ten"][0]
    assert answer.startswith(f"Begin with learning_rate {least:.4g}, a tenth of that at the least loss; a sweep from ")


def test_it_writes_every_loss_with_what_made_it_and_draws_them(run: Run, folder: Path) -> None:
    words = "range-test line --optimizer sgd --steps 30 --set momentum=0,0.9 --out losses.csv --plot losses.svg"
    said = run(*words.split())
    assert said.code == 0
    assert said.out.splitlines()[-2:] == [
        "Wrote 60 losses to losses.csv, and what made them to losses.json.",
        "Drew losses.svg.",
    ]
    trials = lrsweep.grid(momentum=[0.0, 0.9])
    expected = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, steps=30, trials=trials).curves
    pd.testing.assert_frame_equal(pd.read_csv(folder / "losses.csv"), expected)
    note = json.loads((folder / "losses.json").read_text())
    assert (note["command"], note["low"], note["high"]) == (f"lrsweep {words}", 1e-7, 10.0)
    assert "smoothed loss" in (folder / "losses.svg").read_text()
    # What it wrote it may replace.
    assert run(*words.split()).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--optimizer sgd,adam", "names several: test one at a time"),
        ("--optimizer adm", "did you mean 'adam'"),
        ("--optimizer polyak_sgd", "takes no learning_rate"),
        ("--from 1 --to 0.1", "low=1 and high=0.1 must be finite"),
        ("--steps 1", "steps=1 must be 2 or more"),
        ("--set learning_rate=0.1", "have a column 'learning_rate', which is what a range test raises"),
        ("--plot losses.gif", "losses.gif"),
        ("--out mine.csv", "which lrsweep did not write"),
        ("--schedule one_cycle", "there is no option '--schedule'"),
    ],
)
def test_a_mistake_is_one_line(words: str, said: str, run: Run, folder: Path) -> None:
    (folder / "mine.csv").write_text("learning_rate,loss\n0.1,2\n")
    told = run("range-test", *words.split())
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert said in told.err


def suggested(*rows: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=pd.Index(["ended_at", "steepest", "minimum_over_ten", "valley"]))


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        (
            [(1.0, 0.2, 0.1, 0.01)],
            "Begin with learning_rate 0.1, a tenth of that at the least loss; a sweep from 0.01 to 1 ",
        ),
        (
            [(NAN, 0.2, 0.1, 0.4)],
            "Begin with learning_rate 0.1, a tenth of that at the least loss; a sweep from 0.1 to 9 ",
        ),
        ([(0.5, 0.2, NAN, 0.4)], "Begin with these learning rates by setting; a sweep from 0.2 to 0.5 "),
        (
            [(0.5, 0.2, 0.1, 0.4), (1.0, 0.2, 0.3, 0.4)],
            "Begin with these learning rates by setting; a sweep from 0.1 to 1 ",
        ),
        (
            [(2.0, NAN, NAN, NAN)],
            "There is no suggestion: the loss diverged before it had fallen for long from 1e-07 to 9",
        ),
        ([(NAN, NAN, NAN, NAN)], "There is no suggestion: the loss fell nowhere from 1e-07 to 9"),
    ],
)
def test_the_sentence_says_where_to_begin_and_what_to_sweep(rows: list[tuple[float, ...]], answer: str) -> None:
    assert advise_range_test(suggested(*rows), low=1e-7, high=9.0).startswith(answer)
