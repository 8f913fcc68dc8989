"""Maps of two columns: against a loop over the cells, and against the summary."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._outcome_map import most_frequent
from tests.statistics.test_summary import table

AXES = ("learning_rate", "start", "seed")


def drawn(trials: int = 400) -> pd.DataFrame:
    """A table of trials on a 5 x 4 map with two cells left empty, statuses and losses by chance."""
    random, rows = np.random.default_rng(0), []
    for seed in range(trials):
        rate, start = random.choice([0.001, 0.01, 0.1, 1.0, 10.0]), random.choice([-1.0, 0.0, 0.5, 2.0])
        if (rate, start) in ((1.0, 2.0), (0.1, -1.0)):
            continue
        status = random.choice(["converged", "diverged", "slow"])
        rows.append(
            (rate, start, seed, status, random.integers(99) if status == "converged" else None, random.normal())
        )
    return table(rows, AXES)


@pytest.mark.parametrize("outcome", ["converged_at", "final_loss"])
def test_a_cell_holds_the_median_of_the_summary_of_its_trials(outcome: str) -> None:
    trials = drawn()
    outcomes = lrsweep.outcome_map(trials, "learning_rate", "start", outcome)
    summary = lrsweep.summarize(trials, by=["learning_rate", "start"]).set_index(["learning_rate", "start"])
    assert (outcomes.index.name, outcomes.columns.name) == ("start", "learning_rate")
    assert outcomes.index.tolist() == [-1.0, 0.0, 0.5, 2.0]
    assert outcomes.columns.tolist() == [0.001, 0.01, 0.1, 1.0, 10.0]
    for rate, start in product(outcomes.columns, outcomes.index):
        here = (rate, start) in summary.index
        expected = float(summary[f"median_{outcome}"].astype(float)[rate, start]) if here else np.nan
        np.testing.assert_equal(outcomes.loc[start, rate], expected)
    assert outcomes.isna().to_numpy().sum() >= 2


def test_of_words_a_cell_holds_the_most_frequent() -> None:
    trials = drawn().assign(cause=lambda frame: frame["status"].astype(str).str[::-1])
    for outcome, order in (("status", trials["status"].cat.categories), ("cause", sorted(set(trials["cause"])))):
        outcomes = lrsweep.outcome_map(trials, "learning_rate", "start", outcome)
        for rate, start in product(outcomes.columns, outcomes.index):
            words = trials.loc[(trials["learning_rate"] == rate) & (trials["start"] == start), outcome].tolist()
            word = outcomes[rate].tolist()[outcomes.index.tolist().index(start)]
            # Among the most frequent `max` gives the first.
            assert word == max(order, key=words.count) if words else pd.isna(word)
        assert set(outcomes.dtypes) == {trials[outcome].dtype}


def test_where_there_are_words_in_some_trials_only_those_count() -> None:
    words = pd.Series([None, "b", None, "a", None, None])
    assert most_frequent(words, np.array([0, 0, 0, 1, 1, 2])).tolist() == ["b", "a", None]


def test_an_axis_of_many_values_is_gathered_into_as_many_cells_as_asked_for() -> None:
    random = np.random.default_rng(0)
    rates, starts = 10 ** random.uniform(-4, 0, 300), random.uniform(-2, 2, 300)
    losses = random.normal(size=300)
    trials = table([(*row, 0, "slow", None, loss) for *row, loss in zip(rates, starts, losses, strict=True)], AXES)
    outcomes = lrsweep.outcome_map(trials, "learning_rate", "start", "final_loss", cells=3)
    x, y = (np.linspace(values.min(), values.max(), 4) for values in (np.log(rates), starts))
    np.testing.assert_allclose(outcomes.columns, np.exp((x[1:] + x[:-1]) / 2))
    np.testing.assert_allclose(outcomes.index, (y[1:] + y[:-1]) / 2)
    for i, j in product(range(3), range(3)):
        last = (i == 2, j == 2)
        inside = (np.log(rates) >= x[i]) & ((np.log(rates) < x[i + 1]) | last[0])
        inside &= (starts >= y[j]) & ((starts < y[j + 1]) | last[1])
        assert outcomes.iloc[j, i] == pytest.approx(np.median(losses[inside]), rel=1e-12)


def test_bins_without_a_trial_are_cells_too() -> None:
    trials = table([(rate, start, 0, "slow", None, 1.0) for rate, start in ((0.001, 0), (0.0011, 1), (10, 0))], AXES)
    outcomes = lrsweep.outcome_map(trials, "learning_rate", "start", "final_loss", cells=2)
    np.testing.assert_allclose(outcomes.columns, [0.01, 1.0])
    np.testing.assert_array_equal(outcomes, [[1, 1], [1, np.nan]])
    with_gap = lrsweep.outcome_map(
        table([(rate, 0, 0, "slow", None, 1.0) for rate in (1, 2, 9, 10)], AXES), "learning_rate", "start", "steps", 3
    )
    np.testing.assert_array_equal(with_gap.isna(), [[False, True, False]])


def test_words_on_an_axis_stand_in_the_order_they_first_appear() -> None:
    trials = table([("sgd", 0.1, "slow", None, 2.0), ("adam", 0.1, "slow", None, 3.0), ("sgd", 0.2, "slow", None, 4.0)],
                   ("optimizer", "learning_rate"))  # fmt: skip
    outcomes = lrsweep.outcome_map(trials, "optimizer", "learning_rate", "final_loss")
    assert outcomes.columns.tolist() == ["sgd", "adam"]
    np.testing.assert_array_equal(outcomes, [[2, 3], [4, np.nan]])


def test_trials_without_a_place_on_the_map_are_left_out() -> None:
    trials = table([(0.1, 0, 0, "slow", None, 1.0), (np.nan, 1, 0, "slow", None, 2.0)], AXES)
    assert lrsweep.outcome_map(trials, "learning_rate", "start", "final_loss").to_numpy().tolist() == [[1.0]]
    with pytest.raises(ValueError, match="no trial has both 'learning_rate' and 'start'"):
        lrsweep.outcome_map(trials[1:], "learning_rate", "start")


@pytest.mark.parametrize(
    ("x", "y", "outcome", "cells", "said"),
    [
        ("rate", "start", "status", 9, "x: there is no column 'rate'"),
        ("seed", "status", "status", 9, "y: there is no column 'status'"),
        ("seed", "seed", "status", 9, "x and y are both 'seed'"),
        ("seed", "start", "loss", 9, "there is no outcome 'loss'"),
        ("seed", "start", "status", 0, "cells=0 must be 1 or more"),
    ],
)
def test_what_is_no_map_is_refused(x: str, y: str, outcome: str, cells: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.outcome_map(drawn(), x, y, outcome, cells)
