"""Successive halving: the worse part of the settings stops early, the rest goes on as if nothing had been dropped."""

from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_diabetes

import lrsweep
from tests.engine.test_blocks import RESULTS, network, regression

TRIALS = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 2.0, 12), seed=range(5))
TO_THE_END = lrsweep.Stopping(tolerance=0.0)


def worse_settings(full: pd.DataFrame, curves: pd.DataFrame, at: list[int], keep: float) -> dict[float, int]:
    """The oracle, from the curves of a sweep that drops nothing: at which update each learning rate is dropped."""
    left, gone = sorted(full["learning_rate"].unique()), {}
    for step in at:
        losses = curves[step].where(full["status"].ne("diverged") | (full["diverged_at"] > step), np.inf)
        medians = {rate: sorted(losses[full["learning_rate"] == rate])[2] for rate in left}
        left.sort(key=lambda rate: medians[rate])
        kept = -int(-keep * len(left) // 1)
        gone |= dict.fromkeys(left[kept:], step)
        left = left[:kept]
    return gone


@pytest.mark.parametrize("build", [lrsweep.problems.line, regression, network])
def test_the_worse_settings_are_dropped_and_the_others_keep_their_bits(build: Any) -> None:
    objective, at, keep = build(), [10, 33, 60], 0.6
    how: dict[str, Any] = {"steps": 100, "stopping": TO_THE_END, "block_width": 16, "layout": lrsweep.Layout()}
    full = lrsweep.sweep(objective, optax.sgd, TRIALS, record_every=1, **how)
    halved = lrsweep.sweep(objective, optax.sgd, TRIALS, halving=lrsweep.Halving(at, keep), **how).table
    gone = worse_settings(full.table, full.curves["loss"], at, keep)
    dropped_at = TRIALS["learning_rate"].map(gone)
    # What had diverged before its setting was dropped had ended.
    over = full.table["diverged_at"].le(dropped_at).fillna(False).astype(bool)
    dropped = dropped_at.notna() & ~over
    assert (halved["status"] == "dropped").tolist() == dropped.tolist()
    assert 0 < dropped.sum() < len(TRIALS)
    assert_frame_equal(halved.loc[~dropped, RESULTS], full.table.loc[~dropped, RESULTS], check_exact=True)
    assert halved.loc[dropped, "steps"].tolist() == dropped_at[dropped].tolist()
    for row in np.flatnonzero(dropped):
        seen = full.curves["loss"].iloc[int(row)].head(int(dropped_at[row]) + 1)
        assert (halved["final_loss"][row], halved["best_loss"][row]) == (seen.iloc[-1], seen.min())


def test_settings_are_ranked_over_all_groups_and_by_the_metric_that_decides() -> None:
    objective = lrsweep.Objective(
        lambda x: (x - 1.0) ** 2,
        lambda key, *, start: 1.0 * start,
        metrics={"distance_from_two": lambda x: abs(x - 2.0)},
        best_by="distance_from_two",
    )
    trials = lrsweep.grid(optimizer=["sgd", "adam"], learning_rate=[0.3, 0.1], start=[0.0, 3.0])
    table = lrsweep.sweep(
        objective,
        {"sgd": optax.sgd, "adam": optax.adam},
        trials,
        steps=9,
        stopping=TO_THE_END,
        halving=lrsweep.Halving([3], keep=0.25),
    ).table
    # Those from 3 come by 2 on their way to 1; sgd at 0.1 is at 2.024 after three updates, adam at 0.3 at about 2.1.
    kept = table[table["status"] != "dropped"]
    assert kept[["optimizer", "learning_rate", "start"]].to_numpy().tolist() == [["sgd", 0.1, 3.0], ["adam", 0.3, 3.0]]
    assert table.loc[kept.index, "steps"].tolist() == [9, 9]


def test_the_settings_with_the_greatest_metric_are_kept_as_with_the_least_of_its_negative() -> None:
    # Half the squared distance to 2, from 0: after k updates at 2 (1 - (1 - rate) ** k); the metric peaks at 1.
    def metric(params: Any) -> Any:
        return params * (2 - params)

    def halved(metric: Any, mode: str) -> pd.DataFrame:
        objective = lrsweep.Objective(
            lambda params: (params - 2) ** 2 / 2, 0.0, metrics={"m": metric}, best_by="m", mode=mode
        )
        halving = lrsweep.Halving(at=[4, 9])
        return lrsweep.sweep(objective, optax.sgd, trials, steps=20, stopping=TO_THE_END, halving=halving).table

    rates = np.array([0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 0.7, 0.9])
    trials = lrsweep.grid(learning_rate=rates)
    greatest, least = halved(metric, "max"), halved(lambda params: -metric(params), "min")
    assert_frame_equal(
        greatest[[*list(trials), "status", "steps", "best_at"]], least[[*list(trials), "status", "steps", "best_at"]]
    )
    steps, left = np.full(8, 20), np.arange(8)
    for at in (4, 9):
        order = np.argsort(-metric(2 * (1 - (1 - rates[left]) ** at)), kind="stable")
        steps[left[order[len(left) // 2 :]]], left = at, left[order[: len(left) // 2]]
    assert greatest["steps"].tolist() == steps.tolist()


def test_batches_are_measured_where_the_loss_is_and_dropped_there() -> None:
    data = {"x": np.random.default_rng(0).normal(size=(50, 3)), "y": np.arange(50.0) / 50}
    objective = lrsweep.Objective(
        lambda w, data: ((data["x"] @ w - data["y"]) ** 2).mean(), np.zeros(3), data=data, batch_size=10
    )
    table = lrsweep.sweep(
        objective, optax.sgd, TRIALS, steps=40, stopping=TO_THE_END, halving=lrsweep.Halving([12])
    ).table
    # An epoch is five updates: the loss was last measured after the tenth.
    assert set(table.loc[table["status"] == "dropped", "steps"]) == {10}
    # The largest rate had diverged before that.
    gone = table["status"].isin(["dropped", "diverged"]).groupby(table["learning_rate"]).all()
    assert (gone.sum(), len(gone)) == (6, 12)


def test_one_setting_is_never_dropped_and_what_has_ended_is_not() -> None:
    trials = lrsweep.grid(learning_rate=0.1, seed=range(4))
    plain = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, block_width=4, layout=lrsweep.Layout())
    halved = lrsweep.sweep(
        lrsweep.problems.line(), optax.sgd, trials, block_width=4, layout=lrsweep.Layout(), halving=lrsweep.Halving([5])
    )
    assert_frame_equal(halved.table, plain.table, check_exact=True)


def test_the_best_of_a_grid_is_found_with_a_sixth_of_its_updates() -> None:
    data: Any = load_diabetes(scaled=False)
    features = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    objective = lrsweep.problems.linear_regression(features, data.target)
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-4, 1, 64), seed=range(8))
    whole, halved = (
        lrsweep.sweep(objective, optax.sgd, trials, steps=800, stopping=TO_THE_END, halving=halving).table
        for halving in (None, lrsweep.Halving([25, 50, 100, 200, 400]))
    )
    best, found = lrsweep.best_setting(whole), lrsweep.best_setting(halved)
    assert found["learning_rate"] == best["learning_rate"]
    assert halved["steps"].sum() < whole["steps"].sum() / 6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: lrsweep.Halving([]), "must be whole numbers of updates"),
        (lambda: lrsweep.Halving([5, 5]), "in ascending order"),
        (lambda: lrsweep.Halving([0]), "1 or more"),
        (lambda: lrsweep.Halving([1.5]), "whole numbers"),  # pyright: ignore[reportArgumentType]
        (lambda: lrsweep.Halving([5], keep=1.0), "keep=1.0 must be a share"),
        (lambda: lrsweep.Halving([1000]), "must be below steps=1000"),
    ],
)
def test_what_cannot_drop_settings_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.sweep(lrsweep.problems.line(), optax.sgd, TRIALS, halving=make())


def test_something_else_than_a_halving_is_refused() -> None:
    halving: Any = 100
    with pytest.raises(TypeError, match=r"must be a lrsweep\.Halving, not a int"):
        lrsweep.sweep(lrsweep.problems.line(), optax.sgd, TRIALS, halving=halving)
