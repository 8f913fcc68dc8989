"""What results show of themselves at Python's prompt: a few lines, at once, whatever has become of them."""

import dataclasses
import re

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._short import MOST_ANSWERED


@pytest.fixture(scope="module")
def seeded() -> lrsweep.Sweep:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 1.0], seed=range(4))
    return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=550)


def of_rows(sweep: lrsweep.Sweep, table: pd.DataFrame) -> lrsweep.Sweep:
    return dataclasses.replace(sweep, table=table)


def test_a_sweep_prints_what_was_run_how_trials_ended_the_answer_and_where_to_read_on(seeded: lrsweep.Sweep) -> None:
    ran, ends, answer, more = repr(seeded).splitlines()
    assert ran == "Sweep of line with sgd: 12 trials of 3 settings, up to 550 updates each"
    counted = {status: int(count) for count, status in re.findall(r"(\d+) (\w+)", ends)}
    assert counted == {name: count for name, count in seeded.table["status"].value_counts().items() if count}
    assert answer.startswith("Use learning_rate 0.1: all 4 trials converged after a median of ")
    assert "result.table" in more
    assert "lrsweep.summarize(result.table)" in more
    assert str(seeded) == repr(seeded)


def test_a_sweep_of_no_trials_says_so(seeded: lrsweep.Sweep) -> None:
    nothing = of_rows(seeded, seeded.table.head(0))
    assert "0 trials of 0 settings" in repr(nothing)
    assert "no trial has ended" in repr(nothing)
    assert "<p>The table holds no trials.</p>" in nothing._repr_html_()


def test_of_very_many_trials_a_sweep_computes_no_statistics_to_show_itself(
    seeded: lrsweep.Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(MOST_ANSWERED + 1) % len(seeded.table)
    many = of_rows(seeded, seeded.table.take(rows))
    for module in ("_short", "_advice"):
        monkeypatch.setattr(f"lrsweep.statistics.{module}.summarize", None)
    monkeypatch.setattr("lrsweep.studies._notebook.summarize", None)
    for shown in (repr(many), many._repr_html_()):
        assert f"{len(rows):,} trials" in shown
        assert f"{np.count_nonzero(seeded.table['status'].take(rows) == 'diverged'):,} diverged" in shown
        assert "lrsweep.best_setting(result.table)" in shown
        assert "cannot be shown" not in shown


def test_a_sweep_that_was_taken_apart_still_prints(seeded: lrsweep.Sweep) -> None:
    for broken in (of_rows(seeded, seeded.table[["seed"]]), dataclasses.replace(seeded, provenance={})):
        assert repr(broken).startswith("<Sweep object that cannot be shown: ")
        assert broken._repr_html_().startswith("&lt;Sweep object that cannot be shown: ")
    half_made = object.__new__(lrsweep.Sweep)
    assert "cannot be shown" in repr(half_made)


def test_names_of_the_callers_stay_text_where_a_sweep_shows_itself_in_a_notebook(seeded: lrsweep.Sweep) -> None:
    named = dataclasses.replace(seeded, provenance=seeded.provenance | {"objective": "<script>"})
    assert "<p>&lt;script&gt;, sgd" in named._repr_html_()
    assert "style=" not in named._repr_html_().replace('style="text-align: right;"', "")
