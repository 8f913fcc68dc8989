"""Inputs that went wrong once, each with its right value. Their kinds are tested where they belong."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import lrsweep
from lrsweep.report._kinds import kinds_of
from lrsweep.statistics._advice import advise
from lrsweep.statistics._critical import advise_critical
from lrsweep.statistics._verdict import judge


def test_a_regression_on_unscaled_clock_ticks_states_its_minimum_and_has_not_converged() -> None:
    draw = np.random.default_rng(0)
    ticks = 4_155_915_305.0 + 190 * np.arange(40) + draw.integers(0, 9, 40)
    y = (ticks - ticks[0]) / 1900 + draw.normal(size=40) * 0.05
    objective = lrsweep.problems.linear_regression(ticks[:, None], y)
    assert objective.minimum == pytest.approx(0.00197823, rel=1e-5)
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[1e-20, 2e-20])).table
    assert (table["status"] != "converged").all()


def test_a_start_at_the_optimum_of_a_regression_on_minibatches_does_not_diverge() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 3))
    y = x @ [1.0, 2.0, 3.0] + draw.normal(size=200) * 0.45
    start, *_ = np.linalg.lstsq(x, y, rcond=None)
    objective = lrsweep.Objective(
        lambda w, data: jnp.mean((data["x"] @ w - data["y"]) ** 2),
        jnp.asarray(start),
        data={"x": x, "y": y},
        batch_size=8,
        minimum=float(np.mean((x @ start - y) ** 2)),
    )
    trials = lrsweep.grid(learning_rate=[0.01, 0.05], seed=range(3))
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=300, evaluate_every=1).table
    assert (table["status"] != "diverged").all()


@pytest.mark.slow
def test_a_classifier_is_safe_and_best_at_no_learning_rate_above_3_and_its_accuracy_answers() -> None:
    raw: Any = load_digits()
    data = {"x": np.float32(raw.data / 16), "y": np.int32(raw.target)}

    def init(key: Any) -> Any:
        first, second = jax.random.split(key)
        return {"a": jax.random.normal(first, (64, 32)) / 8, "b": jax.random.normal(second, (32, 10)) / 6}

    def logits(params: Any, data: Any) -> Any:
        return jnp.tanh(data["x"] @ params["a"]) @ params["b"]

    def loss(params: Any, data: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(logits(params, data), data["y"]).mean()

    def accuracy(params: Any, data: Any) -> Any:
        return (logits(params, data).argmax(-1) == data["y"]).mean()

    metrics = {"accuracy": accuracy}
    objective = lrsweep.Objective(loss, init, data=data, batch_size=64, metrics=metrics, best_by="accuracy", mode="max")
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-2, 100, 13), seed=range(5))
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=200).table
    for rule in (None, "steps", "loss", "safe"):
        assert lrsweep.best_learning_rate(table, rule=rule, resamples=9).learning_rate < 3
    medians = (
        table["final_accuracy"].where(table["status"] != "diverged", -np.inf).groupby(table["learning_rate"]).median()
    )
    best = lrsweep.best_learning_rate(table, resamples=9)
    assert (best.learning_rate, best.rule) == (medians.idxmax(), "metric")
    for said in (judge(table), advise(lrsweep.summarize(table), table)):
        assert f"its median final accuracy, {medians.max():.4g}, is the greatest" in said
    (diverged,) = [kind for kind in kinds_of(table) if kind.went_wrong]
    assert diverged.status == "diverged"
    assert (table.loc[table["learning_rate"] > 3, "status"] == "diverged").all()
    edges = lrsweep.critical_learning_rate(objective, optax.sgd, seeds=range(2), low=0.1, steps=200, width=0.1)
    assert (edges["found"] == "found").all()
    assert (edges["critical_learning_rate"] < 5).all()


def test_a_gradient_that_is_not_finite_at_the_start_is_said_to_be() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2))
    y = x @ [1.0, -1.0]
    # The norm has no gradient at 0.
    objective = lrsweep.Objective(lambda w: jnp.mean((x @ w - y) ** 2) + 1e-3 * jnp.linalg.norm(w), jnp.zeros(2))
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[1e-30, 1e-3]), diagnose=True).table
    assert table["cause"].tolist() == ["bad start"] * 2
    edges = lrsweep.critical_learning_rate(objective, optax.sgd)
    for said in (advise(lrsweep.summarize(table), table), advise_critical(edges, low=1e-6, high=1e3)):
        assert "gradient" in said
        assert "not finite" in said
        assert "look at the data and the loss" in said
        assert "smaller learning rates" not in said


def test_a_logistic_regression_at_rest_on_overlapping_classes_is_told_to_state_its_minimum() -> None:
    draw = np.random.default_rng(0)
    x = np.c_[np.ones(300), draw.normal(size=(300, 2))]
    y = (draw.random(300) < 1 / (1 + np.exp(-(x @ [0.2, 1.0, -0.5])))).astype(float)
    objective = lrsweep.Objective(lambda w: jnp.mean(jnp.logaddexp(0, x @ w) - y * (x @ w)), jnp.zeros(3))
    trials = lrsweep.grid(learning_rate=[0.1, 1.0, 4.0])
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=2000, diagnose=True).table
    # Newton's method knows the minimum.
    w = np.zeros(3)
    for _ in range(20):
        p = 1 / (1 + np.exp(-(x @ w)))
        w -= np.linalg.solve((x.T * (p * (1 - p))) @ x, x.T @ (p - y))
    minimum = np.mean(np.logaddexp(0, x @ w) - y * (x @ w))
    said = advise(lrsweep.summarize(table), table)
    assert f"minimum={minimum:.6g}" in said
    assert "Stopping(target=...)" in said
    assert table["cause"].tolist() == ["unknown minimum"] * 3


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_words_that_csv_readers_take_for_missing_come_back(ending: str, tmp_path: Path) -> None:
    words = ["None", "NA", "null", "", "batch"]
    trials = pd.DataFrame({"norm": words, "learning_rate": 0.1, "seed": range(5)})
    objective = lrsweep.Objective(lambda p: p**2, lambda key, *, norm: 1.0)
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=5).table
    lrsweep.write_table(table, tmp_path / f"words{ending}")
    assert table["norm"].tolist() == words
    assert lrsweep.read_table(tmp_path / f"words{ending}")["norm"].tolist() == words
