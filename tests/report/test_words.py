"""The words of the report: what was tried, how sure the answer is, what to do next, and what each chart shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.plots._style import COLOURS
from lrsweep.report._charts import draw_charts
from lrsweep.report._facts import Facts, facts_of
from lrsweep.report._next_steps import tell_next
from lrsweep.report._page import make_page
from lrsweep.report._sureness import tell_sureness
from lrsweep.report._tried import tell_tried
from lrsweep.statistics._advice import count_ends
from tests.report.test_page import ODD, Page
from tests.statistics.test_summary import THREE, table


def facts(trials: pd.DataFrame) -> Facts:
    rates = "learning_rate" in trials.columns
    best = lrsweep.best_learning_rate(trials) if rates else None
    return facts_of(trials, lrsweep.summarize(trials), best, count_ends(trials).reindex(list(COLOURS), fill_value=0))


def converging(times: Mapping[float, Sequence[int | None]]) -> pd.DataFrame:
    """Trials by learning rate, each seed with the update at which it converged; None where it diverged."""
    rows = [
        (rate, seed, "diverged" if time is None else "converged", time, np.nan if time is None else 1e-5)
        for rate, of_rate in times.items()
        for seed, time in enumerate(of_rate)
    ]
    return table(rows, ("learning_rate", "seed"))


def outside(losses: Mapping[float, Sequence[float]]) -> pd.DataFrame:
    rows = [(rate, seed, loss) for rate, of_rate in losses.items() for seed, loss in enumerate(of_rate)]
    return lrsweep.from_runs(pd.DataFrame(rows, columns=["lr", "seed", "val_loss"]), "val_loss")


def test_what_was_tried_lists_each_setting_and_how_often() -> None:
    trials = converging({0.001 * 2**k: [9, 9] for k in range(7)})
    trials.insert(1, "optimizer", np.where(trials.index % 2, "sgd", "adam"))
    trials.insert(2, "width", 32)
    tried = dict(tell_tried(lrsweep.summarize(trials), facts(trials), {"objective": "digits", "batch_size": 64}))
    assert tried == {
        "what was trained": "digits, 64 examples an update",
        "learning_rate": "7 values from 0.001 to 0.064, each 2 times the last",
        "optimizer": "2 values: adam, sgd",
        "width": "32",
        "each setting": "1 trial, from 2 seeds: a seed decides the random start of a trial",
        "in all": "14 trials of 14 settings",
        "how they ended": "14 converged",
    }


def test_an_interval_is_told_as_draws_of_the_seeds() -> None:
    trials = converging({0.01: [90, 90, 90], 0.1: [9, 30, 9], 0.2: [10, 10, 10], 1.0: [None, None, None]})
    best = lrsweep.best_learning_rate(trials)
    assert best.low < best.high
    told = tell_sureness(facts(trials))
    assert told[1] == (
        f"With the 3 seeds drawn again at random, over and over, the best learning rate lay between {best.low:g} and "
        f"{best.high:g} in 95% of the draws. 3 seeds are few: more would make this surer."
    )
    assert (
        told[2] == "Smaller learning rates than 0.1 were tried, and larger ones: the best lies within what was tried."
    )
    assert told[3] == (
        "The next best, learning_rate 0.2: 100% converged, after a median of 10 updates; the best: 100%, after 9."
    )
    assert not any(
        "are few" in sentence for sentence in tell_sureness(facts(converging({0.1: [9] * 10, 1.0: [99] * 10})))
    )


def test_the_best_that_lies_at_an_end_of_what_was_tried_is_said_to_and_the_next_step_leads_beyond() -> None:
    for times, end, other, axis in (
        ({0.01: [90], 0.1: [9]}, "largest", "larger", "0.1:10:9"),
        ({0.01: [9], 0.1: [90]}, "smallest", "smaller", "0.0001:0.01:9"),
    ):
        known = facts(converging(times))
        best = known.ranked["learning_rate"].iloc[0]
        assert f"{best:g} is the {end} learning rate tried: a {other} one may be better still." in tell_sureness(known)
        assert f"--learning-rate {axis}" in [step.option for step in tell_next(known)]
        low, high, count = axis.split(":")
        arguments = [step.argument for step in tell_next(known)]
        assert f"lrsweep.log_grid({low}, {high}, {count})" in arguments


def test_what_to_do_next_depends_on_how_the_trials_ended() -> None:
    lost = tell_next(facts(converging({10.0: [None], 100.0: [None]})))
    assert [(step.text, step.option) for step in lost] == [("Try learning rates below 10.", "--learning-rate 0.1:10:9")]
    slow = table([(rate, s, "slow", None, rate) for rate in (0.1, 1.0) for s in range(3)], ("learning_rate", "seed"))
    assert "Give the trials more updates: some were still improving." in [step.text for step in tell_next(facts(slow))]
    sure = facts(converging({0.01: [90] * 10, 0.1: [9] * 10, 1.0: [None] * 10}))
    assert [step.text for step in tell_next(sure)] == [
        "Train with learning_rate 0.1.",
        "Look between the learning rates tried, for a better one still.",
    ]
    (alone,) = (step for step in tell_next(facts(converging({0.1: [9] * 10}))) if step.option)
    assert alone == ("Try other learning rates too.", "--learning-rate 0.01:1:9", "lrsweep.log_grid(0.01, 1, 9)")


@pytest.mark.parametrize("command", ["lrsweep run --seeds 3", None])
def test_what_to_do_next_is_in_the_language_that_the_trials_were_run_in(command: str | None) -> None:
    result = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[0.01, 0.1], seed=range(2)))
    provenance = {**result.provenance, **({} if command is None else {"command": command})}
    codes = set(Page(make_page(result.table, provenance, title="sweep")).all("code"))
    assert ("--seeds 10" in codes, "seed=range(10)" in codes) == (command is not None, command is None)


def test_a_report_on_runs_of_another_program_does_not_send_its_reader_to_run_them_by_lrsweep() -> None:
    for losses in ({0.1: [1.0, 2.0], 1.0: [0.5, 0.25]}, {0.1: [np.nan, np.nan], 1.0: [np.inf, np.nan]}):
        page = Page(make_page(outside(losses), None, title="runs"))
        texts = " ".join([*page.all("p"), *page.all("li"), *page.all("dd")])
        assert "Another program ran these trials" in texts
        assert "runs of another program" in texts
        for word in ("lrsweep run", "--", "lrsweep.", "lrsweep refine"):
            assert word not in texts.replace("lrsweep report TABLE --loss COLUMN", "")
        # What its table does not tell has no column.
        assert not {"its steps", "its initial_loss"} & set(page.all("th"))
    assert "infinite or no number at the end" in " ".join(page.all("p"))


def found(trials: pd.DataFrame, key: str) -> list[str]:
    best = lrsweep.best_learning_rate(trials) if "learning_rate" in trials.columns else None
    return next(chart.findings for chart in draw_charts(trials, best).charts if chart.key == key)


def test_each_chart_says_where_it_is_best_and_where_there_is_nothing() -> None:
    trials = converging({0.01: [90, 80], 0.1: [9, 9], 1.0: [None, None]})
    assert found(trials, "chart0") == [
        "The median number of updates to converge is least at learning_rate 0.1, 9, and greatest at 0.01, 80. Half of "
        "the trials or more at 1 did not converge."
    ]
    assert found(trials, "shares") == [
        "Most converged at learning_rate 0.01 and 0.1: 100% of the trials there. All diverged at learning_rate 1."
    ]
    assert found(trials[trials["seed"] == 0], "chart0") == [
        "The number of updates to converge is least at learning_rate 0.1, 9, and greatest at 0.01, 90. The trial at 1 "
        "did not converge."
    ]
    some = trials.assign(status=trials["status"].where(trials.index != 5, "converged"))
    assert found(some, "shares")[0].endswith("Some diverged at learning_rate 1, up to 50% of the trials there.")
    greatest = THREE.assign(best_by="accuracy", best_mode="max", accuracy_at_best=1.0)
    greatest["final_accuracy"] = greatest["learning_rate"]
    assert found(greatest[greatest["status"] != "diverged"], "chart0") == [
        "The median final accuracy is greatest at learning_rate 0.1, 0.1, and least at 0.01, 0.01."
    ]


def test_the_map_says_which_cell_is_best_for_each_of_its_layers() -> None:
    rows = [(rate, momentum, "converged", 9, rate + momentum) for rate in (0.1, 1.0) for momentum in (0.0, 0.9)]
    assert found(table(rows, ("learning_rate", "momentum")), "map") == [
        "The share of trials that converged is the same in every cell that has one, 100%.",
        "The median updates to converge is the same in every cell that has one, 9.",
        "The median final loss is least at learning_rate 0.1 and momentum 0, 0.1.",
    ]


@pytest.mark.parametrize(("rows", "columns"), ODD.values(), ids=ODD)
def test_odd_tables_have_words_too(rows: list[tuple[Any, ...]], columns: list[str]) -> None:
    page = Page(make_page(table(rows, tuple(columns)), None, title="sweep"))
    assert "What to do next" in list(page.all("h2"))
    sentences = list(page.all("li"))
    assert all(sentence and "nan" not in sentence for sentence in sentences)
