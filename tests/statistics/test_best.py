"""The best learning rate and its interval: against regrouping the table for every draw of the seeds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lrsweep
from lrsweep.statistics._best import rank
from lrsweep.tables._schema import BY_LOSS
from tests.statistics.test_summary import table

statuses = st.sampled_from(["converged", "diverged", "slow"])
cells = st.tuples(st.sampled_from([0.1, 0.2, 0.4]), st.sampled_from([0.0, 0.9]), st.integers(0, 3), statuses)
outcomes = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Small tables with ties of every kind: seeds that some settings lack, and some that they have twice."""
    rows = [
        (*cell, when if cell[-1] == "converged" else None, float(loss))
        for cell, (when, loss) in draw(st.lists(st.tuples(cells, outcomes), min_size=1, max_size=14))
    ]
    starts = draw(st.lists(st.sampled_from([1.0, 3.0]), min_size=len(rows), max_size=len(rows)))
    return table(rows, ("learning_rate", "momentum", "seed")).assign(initial_loss=starts)


def best_of(drawn: pd.DataFrame, rule: str, tried: pd.Series) -> float:
    if rule != "safe":
        if (drawn["status"] == "diverged").all():
            return np.nan
        return float(rank(lrsweep.summarize(drawn), BY_LOSS, rule).iloc[0]["learning_rate"])
    safe = np.nan
    # Of a learning rate that was tried with none of the seeds drawn nothing bad is known.
    for rate in np.unique(tried):
        trials = drawn[drawn["learning_rate"] == rate]
        ended = [rows[["initial_loss", "final_loss"]].median() for _, rows in trials.groupby("momentum")]
        risen = any(medians["final_loss"] > 1.01 * medians["initial_loss"] for medians in ended)
        if (trials["status"] == "diverged").any() or risen:
            break
        safe = float(rate)
    return safe


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(["steps", "loss", "safe"]))
def test_the_interval_is_that_of_regrouping_what_each_draw_of_the_seeds_holds(trials: pd.DataFrame, rule: str) -> None:
    seeds = trials["seed"].unique()
    result = lrsweep.best_learning_rate(trials, rule=rule, level=0.8, resamples=20, seed=7)
    np.testing.assert_equal(result.learning_rate, best_of(trials, rule, trials["learning_rate"]))
    if len(seeds) == 1:
        assert np.isnan([result.low, result.high]).all()
        return
    draws = np.random.default_rng(7).multinomial(len(seeds), [1 / len(seeds)] * len(seeds), size=20)
    bests = []
    for draw in draws:
        parts = [trials[trials["seed"] == seed] for seed, times in zip(seeds, draw, strict=True) for _ in range(times)]
        bests.append(best_of(pd.concat(parts, ignore_index=True), rule, trials["learning_rate"]))
    # The tenth and the ninetieth percentile of twenty, the one before and the one after.
    # Draws that leave no best one count as below all.
    ordered = sorted(bests, key=lambda rate: -np.inf if np.isnan(rate) else rate)
    np.testing.assert_equal([result.low, result.high], [ordered[1], ordered[18]])


STARTS = {"initial_loss": 1.0}

SAFE = [
    (0.1, 0, "slow", None, 1.0),
    (0.1, 1, "slow", None, 1.0),
    (0.2, 0, "converged", 5, 0.0),
    (0.2, 1, "slow", None, 1.0),
    (0.4, 0, "diverged", None, 9.0),
    (0.4, 1, "slow", None, 1.0),
    (0.8, 0, "converged", 1, 0.0),
    (0.8, 1, "converged", 1, 0.0),
]


@pytest.mark.parametrize(("trials_drawn", "resamples"), [(100_000_000, 999), (800, 100), (8, 99)])
def test_a_table_of_many_trials_has_fewer_resamples(
    trials_drawn: int, resamples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrsweep.statistics._best._TRIALS_DRAWN", trials_drawn)
    trials = table(SAFE).assign(seed=range(8))
    for level in (0.5, 0.9):
        result = lrsweep.best_learning_rate(trials, rule="loss", level=level)
        assert result == lrsweep.best_learning_rate(trials, rule="loss", level=level, resamples=resamples)


def test_safe_is_the_largest_learning_rate_up_to_which_nothing_diverged() -> None:
    # Without the seed that diverges, as in a quarter of the draws, all are safe.
    for rows, best in (
        (SAFE, (0.2, 0.2, 0.8)),
        (SAFE[:4] + SAFE[6:], (0.8, 0.8, 0.8)),
        (SAFE[4:6], (np.nan, np.nan, 0.4)),
    ):
        found = lrsweep.best_learning_rate(table(rows).assign(**STARTS), rule="safe")
        np.testing.assert_equal(found[:4], (*best, "safe"))


def test_where_the_median_loss_ends_above_its_start_a_learning_rate_is_not_safe() -> None:
    ends = {0.1: (0.1, 0.2, 9.0), 0.2: (1.0, 1.005, 9.0), 0.4: (0.1, 2.0, 2.0), 0.8: (0.1, 0.1, 0.1)}
    rows = [(rate, seed, "oscillating", None, losses[seed]) for rate, losses in ends.items() for seed in range(3)]
    trials = table(rows).assign(**STARTS)
    medians = {rate: np.median(losses) for rate, losses in ends.items()}
    assert [rate for rate, median in medians.items() if median > 1.01] == [0.4]
    assert lrsweep.best_learning_rate(trials, rule="safe").learning_rate == 0.2
    assert lrsweep.best_setting(trials, rule="safe")["learning_rate"] == 0.2


def test_the_seeds_are_drawn_in_pairs() -> None:
    # A seed moves the losses of all learning rates by far more than they differ: one is best in every draw.
    rows = [(rate, seed, "slow", None, rate + 100.0 * seed) for rate in (0.1, 0.2) for seed in range(10)]
    assert lrsweep.best_learning_rate(table(rows), rule="loss")[:4] == (0.1, 0.1, 0.1, "loss")


@pytest.mark.parametrize("rule", ["steps", "loss", "safe"])
def test_without_several_seeds_there_is_no_interval(rule: str) -> None:
    one = table([(0.1, 0, "slow", None, 1.0), (0.2, 0, "converged", 5, 0.0)]).assign(**STARTS)
    for trials in (one, one.drop(columns="seed")):
        result = lrsweep.best_learning_rate(trials, rule=rule)
        assert result.learning_rate == 0.2
        assert np.isnan([result.low, result.high]).all()


@pytest.mark.parametrize("losses", [np.nan, 3.0])
def test_where_every_trial_diverged_there_is_no_best(losses: float) -> None:
    trials = table([(rate, seed, "diverged", None, losses) for rate in (0.2, 0.1) for seed in range(3)])
    for rule in ("steps", "loss", "safe"):
        assert np.isnan(lrsweep.best_learning_rate(trials, rule=rule)[:3]).all()
    best = lrsweep.best_setting(trials)
    assert np.isnan(best["learning_rate"])
    assert (best["trials"], best["diverged"]) == (3, 1.0)


def test_a_setting_has_its_columns_in_their_own_kinds() -> None:
    # (learning_rate, width, name, seed, status, converged_at, final_loss)
    rows = [
        (0.1, width, name, seed, "slow", None, width + seed)
        for width in (4, 16)
        for name in ("relu", "tanh")
        for seed in (0, 1)
    ]
    trials = table(rows, ("learning_rate", "width", "name", "seed"))
    setting = lrsweep.best_learning_rate(trials).setting
    assert setting == {"learning_rate": 0.1, "width": 4, "name": "relu"}
    assert [type(value) for value in setting.values()] == [float, int, str]


def test_a_setting_of_which_a_trial_is_left_is_better_than_one_of_which_none_is() -> None:
    rows = [(0.1, seed, "diverged", None, 9.0) for seed in range(3)]
    rows += [(0.2, seed, "slow" if seed == 2 else "diverged", None, 9.0) for seed in range(3)]
    for rule in ("steps", "loss"):
        result = lrsweep.best_learning_rate(table(rows), rule=rule)
        # Draws without the last seed leave none.
        assert result.learning_rate == result.high == 0.2
        assert np.isnan(result.low)
    assert lrsweep.best_setting(table(rows))["learning_rate"] == 0.2


def test_rows_without_a_learning_rate_are_left_out() -> None:
    trials = table([(np.nan, 0, "converged", 1, 0.0), (0.1, 0, "slow", None, 1.0)])
    assert lrsweep.best_learning_rate(trials).learning_rate == 0.1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rule": "step"}, "no rule 'step': did you mean 'steps'"),
        ({"level": 95}, "level=95 must be between 0 and 1"),
        ({"resamples": 0}, "resamples=0 must be 1 or more"),
    ],
)
def test_what_cannot_be_asked_of_the_best_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.best_learning_rate(table(SAFE), **arguments)
