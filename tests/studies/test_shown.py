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


def test_other_results_print_their_answer_and_no_table(seeded: lrsweep.Sweep) -> None:
    line = lrsweep.problems.line()
    refined = lrsweep.refine(line, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.01]), rounds=1, steps=550)
    ran, answer, more = repr(refined).splitlines()
    assert ran == f"Refinement of line with sgd: {len(refined.table)} trials in 2 sweeps, up to 550 updates each"
    assert answer.startswith(f"Use learning_rate {refined.found['learning_rate'][0]:.4g}: it converged after ")
    assert "result.found" in more
    assert "<th>learning_rate</th>" in refined._repr_html_()
    nothing = dataclasses.replace(refined, found=refined.found.head(0))
    assert re.fullmatch(r"\d+ converged, \d+ diverged", repr(nothing).splitlines()[1])

    tested = lrsweep.range_test(line, optax.sgd, low=1e-4, seeds=range(5), steps=40)
    ran, answer, more = repr(tested).splitlines()
    assert ran == "RangeTest of line with sgd: 5 starts, from 0.0001 to 10 in 40 steps"
    assert answer.startswith("Begin with learning_rate ")
    assert "result.suggestions" in more
    assert "<th>minimum_over_ten</th>" in tested._repr_html_()

    runs = lrsweep.export.Runs(seeded.table, seeded.curves)
    assert repr(runs).splitlines()[:3] == ["Runs: 12 trials of 3 settings", *repr(seeded).splitlines()[1:3]]


def test_a_replay_prints_its_losses_and_the_size_of_its_parameters(seeded: lrsweep.Sweep) -> None:
    first, last = seeded.table.loc[0, ["initial_loss", "final_loss"]]
    steps = seeded.table.loc[0, "steps"]
    ran, more = repr(seeded.replay(0)).splitlines()
    assert ran == f"Replay of a trial: {steps} updates, loss {first:.4g} at the start, {last:.4g} at the end"
    assert more == "2 parameters in 2 arrays: replay.params; loss: replay.curves"


def test_curves_print_their_names_and_sizes() -> None:
    curves = lrsweep.Curves(loss=pd.DataFrame(np.zeros((3, 1000))), accuracy=pd.DataFrame(np.zeros((1, 1))))
    assert repr(curves) == "Curves(loss: 3 trials x 1,000 updates, accuracy: 1 trial x 1 update)"
    assert repr(lrsweep.Curves()) == "Curves()"


def test_an_objective_prints_what_it_is_without_its_arrays() -> None:
    assert repr(lrsweep.problems.line()) == "Objective(name='line', 3 examples)"
    start = {"w": np.zeros(10_000)}
    bowl = lrsweep.Objective(
        lambda params: 0.0, start, metrics={"norm": lambda params: 0.0}, best_by="norm", name="bowl"
    )
    assert repr(bowl) == "Objective(name='bowl', metrics=[norm], best_by='norm')"
