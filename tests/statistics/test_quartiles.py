"""Quartiles of outcomes and of curves: against NumPy's own, trial by trial."""

from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.statistics._summary import QUARTILES
from tests.statistics.test_summary import THREE, table

NAN = np.nan

# Of one setting: one that goes on to the end, one that converges, one that diverges at 3; of the other: one alone.
TRIALS = table(
    [
        (0.1, 0, "slow", None, 1.0),
        (0.2, 0, "converged", 2, 0.5),
        (0.1, 1, "converged", 1, 2.0),
        (0.1, 2, "diverged", None, 9e9),
    ]
).assign(diverged_at=pd.array([None, None, None, 3], dtype="Int64"))
CURVES = pd.DataFrame(
    [[8.0, 4.0, 2.0, 1.0], [3.0, 0.5, NAN, NAN], [6.0, 2.0, NAN, NAN], [7.0, 700.0, NAN, NAN]],
    index=TRIALS.index,
    columns=pd.RangeIndex(0, 8, 2, name="step"),
)


def test_the_quartiles_of_curves_are_numpys_of_what_each_trial_has_come_to() -> None:
    quartiles = lrsweep.summarize_curves(TRIALS, CURVES)
    # By the rule, by hand: what has converged keeps its last loss, what has diverged by an update is infinite.
    kept = {0.1: [[8, 6, 7], [4, 2, 700], [2, 2, np.inf], [1, 2, np.inf]], 0.2: [[3.0], [0.5], [0.5], [0.5]]}
    assert list(quartiles.columns) == ["learning_rate", "step", *QUARTILES]
    assert quartiles["learning_rate"].tolist() == [0.1] * 4 + [0.2] * 4
    assert quartiles["step"].tolist() == [0, 2, 4, 6] * 2
    losses = [row for rows in kept.values() for row in rows]
    assert quartiles["median"].tolist() == [np.median(row) for row in losses]
    assert quartiles["lower_quartile"].tolist() == [np.quantile(row, 0.25) for row in losses]
    # Halfway from 2 to infinity is infinity.
    assert quartiles["upper_quartile"].tolist() == [7.5, 352, np.inf, np.inf, 3.0, 0.5, 0.5, 0.5]


def test_by_no_column_all_trials_are_one_setting() -> None:
    quartiles = lrsweep.summarize_curves(TRIALS, CURVES, by=[])
    assert list(quartiles.columns) == ["step", *QUARTILES]
    assert quartiles["median"].tolist() == [6.5, 3.0, 2.0, 1.5]


def test_the_curves_of_some_trials_are_found_by_their_labels() -> None:
    some = TRIALS.iloc[[3, 0]]
    assert_frame_equal(lrsweep.summarize_curves(some, CURVES), lrsweep.summarize_curves(some, CURVES.iloc[[3, 0]]))
    assert lrsweep.summarize_curves(some, CURVES)["median"].tolist() == [7.5, 352, np.inf, np.inf]


@pytest.mark.parametrize(
    ("curves", "error", "said"),
    [
        (None, TypeError, "the curves must be a table, as Sweep.curves\\['loss'\\] is, not NoneType"),
        (CURVES.iloc[:2], ValueError, "trial 2 of the table has no curve"),
    ],
)
def test_a_table_without_its_curves_is_refused(curves: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        lrsweep.summarize_curves(TRIALS, curves)


def test_the_last_losses_of_curves_are_the_final_losses_of_the_summary() -> None:
    trials = lrsweep.grid(learning_rate=[0.01, 0.2, 3.0], seed=range(4))
    swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=60, record_every=1)
    quartiles, summary = lrsweep.summarize_curves(swept.table, swept.curves["loss"]), lrsweep.summarize(swept.table)
    ends = quartiles[quartiles["step"] == 60].reset_index(drop=True)
    for quartile in QUARTILES:
        assert ends[quartile].tolist() == summary[f"{quartile}_final_loss"].tolist()


@pytest.mark.parametrize("outcome", ["converged_at", "final_loss", "best_loss"])
def test_the_quartiles_of_an_outcome_are_those_of_the_summary(outcome: str) -> None:
    quartiles, summary = lrsweep.summarize_outcome(THREE, outcome), lrsweep.summarize(THREE)
    assert quartiles[["learning_rate", "trials"]].equals(summary[["learning_rate", "trials"]])
    for quartile in QUARTILES:
        np.testing.assert_array_equal(quartiles[quartile], summary[f"{quartile}_{outcome}"].astype(float))


def test_any_other_outcome_is_summed_up_over_the_trials_that_have_it() -> None:
    random = np.random.default_rng(0)
    rates, values = random.choice([0.1, 0.01, 0.001], 40), random.normal(size=40)
    values[[3, 5, 8]] = NAN
    trials = table([(rate, seed, "slow", None, 1.0) for seed, rate in enumerate(rates)]).assign(sharpness_end=values)
    quartiles = lrsweep.summarize_outcome(trials, "sharpness_end").set_index("learning_rate")
    for rate in np.unique(rates):
        for quartile, share in QUARTILES.items():
            of_rate = values[rates == rate]
            assert quartiles[quartile][rate] == pytest.approx(np.nanquantile(of_rate, share), rel=1e-12)


def test_an_outcome_that_no_trial_has_has_no_quartiles() -> None:
    quartiles = lrsweep.summarize_outcome(THREE.assign(sharpness_end=NAN), "sharpness_end")
    assert quartiles[list(QUARTILES)].isna().to_numpy().all()


def test_the_metric_that_decides_is_lost_where_a_trial_diverged() -> None:
    decided = THREE.assign(best_by="error", final_error=[1.0, 2, 3, 4, 5, 6, 7, 8], error_at_best=0.0)
    assert lrsweep.summarize_outcome(decided, "final_error", by=[])["upper_quartile"].tolist() == [7.25]
    assert lrsweep.summarize_outcome(decided, "final_error")["upper_quartile"].tolist() == [np.inf, 6.5]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("loss", "there is no outcome 'loss'"), ("status", "outcome 'status' does not hold numbers")],
)
def test_what_is_no_outcome_of_numbers_is_refused(outcome: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.summarize_outcome(THREE, outcome)
