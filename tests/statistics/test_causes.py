"""Why a trial ended as it did, against the Hessian formed whole where it started and ended, and plain loops."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from jax.flatten_util import ravel_pytree
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.tables._schema import DIAGNOSIS
from tests.engine.test_blocks import network, regression

PLAIN = lrsweep.Layout()


def spectrum(objective: lrsweep.Objective, params: Any) -> tuple[np.ndarray, float]:
    """The oracle: the eigenvalues of the Hessian formed whole, and the gradient's norm."""
    flat, unravel = ravel_pytree(params)

    def loss(flat: Any) -> Any:
        params = unravel(flat)
        return objective.loss(params) if objective.data is None else objective.loss(params, objective.data)

    eigenvalues = np.linalg.eigvalsh(np.asarray(jax.hessian(loss)(flat)))
    return eigenvalues, float(np.linalg.norm(jax.grad(loss)(flat)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "layout"),
    [(lrsweep.problems.rosenbrock, None), (regression, lrsweep.Layout(lanes_last=True)), (network, PLAIN)],
)
def test_the_curvature_is_that_of_the_whole_hessian_where_each_trial_ended(build: Any, layout: Any, x64: None) -> None:
    del x64
    objective = build()
    trials = lrsweep.grid(learning_rate=[1e-3, 0.02, 0.1], seed=range(2))
    # They end at different updates, side by side in one block.
    stopping = lrsweep.Stopping(tolerance=0.2, hold=3)
    sweep = lrsweep.sweep(
        objective, optax.adam, trials, steps=60, stopping=stopping, diagnose=True, block_width=6, layout=layout
    )
    assert sweep.table["steps"].nunique() > 1
    for trial, row in sweep.table.iterrows():
        ends, norm = spectrum(objective, sweep.replay(trial).params)
        close = {"rtol": 1e-9, "atol": 1e-9 * abs(ends).max()}
        np.testing.assert_allclose(row["sharpness_end"], ends[-1], **close)
        np.testing.assert_allclose(row["least_eigenvalue_end"], ends[0], **close)
        np.testing.assert_allclose(row["final_gradient_norm"], norm, rtol=1e-9)
        assert row["sharpness_residual"] <= 1e-8 * abs(ends).max()
        start = objective.init(jax.random.key(int(row["seed"])), **_seed(objective, row))
        np.testing.assert_allclose(row["sharpness_start"], spectrum(objective, start)[0][-1], **close)


def _seed(objective: lrsweep.Objective, row: pd.Series) -> dict[str, Any]:
    return {} if objective.name == "tanh_network" else {"seed": int(row["seed"])}


def test_a_diagnosis_changes_nothing_else_and_comes_back_from_a_file(tmp_path: Path, x64: None) -> None:
    del x64
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1.0, 10), seed=range(3))
    plain, diagnosed = (
        lrsweep.sweep(network(), optax.sgd, trials, steps=50, layout=PLAIN, diagnose=diagnose).table
        for diagnose in (False, True)
    )
    assert list(diagnosed.columns) == [*plain.columns, *DIAGNOSIS]
    # Another compiled program: statuses and counts are the same, and losses but for rounding.
    assert_frame_equal(diagnosed[plain.columns], plain, rtol=1e-9)
    for name in ("table.csv", "table.parquet"):
        lrsweep.write_table(diagnosed, tmp_path / name)
        assert_frame_equal(lrsweep.read_table(tmp_path / name), diagnosed, check_exact=True)


def test_gradient_descent_overshoots_where_the_next_gradient_points_back() -> None:
    values, steps = np.array([1.0, 10.0]), 40
    objective = lrsweep.problems.quadratic(values, start=[3.0, 0.01])
    trials = lrsweep.grid(learning_rate=[0.05, 0.11, 0.19])
    table = lrsweep.sweep(
        objective, optax.sgd, trials, steps=steps, stopping=lrsweep.Stopping(tolerance=0.0), diagnose=True
    ).table
    for rate, share in zip(trials["learning_rate"], table["overshoot"], strict=True):
        x, overshot = np.array([3.0, 0.01]), 0
        for _ in range(steps):
            update = -rate * values * x
            x = x + update
            overshot += (values * x) @ update > 0
        assert share == pytest.approx(overshot / steps, abs=1.5 / steps)
    # Where no rate is above 1 / sharpness none does.
    assert table["overshoot"][0] == 0
    assert 0 < table["overshoot"][2] < 1


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.8, False), (0.8, True)])
def test_what_is_unstable_at_the_start_of_a_quadratic_diverges(momentum: float, nesterov: bool) -> None:
    bound = 2 * (1 + momentum) / (1 + 2 * momentum * nesterov) / 7.0
    trials = lrsweep.grid(learning_rate=bound * np.array([0.5, 0.98, 1.02, 1.5]), momentum=momentum, nesterov=nesterov)
    table = lrsweep.sweep(lrsweep.problems.quadratic([1.0, 7.0]), optax.sgd, trials, steps=3000, diagnose=True).table
    assert ((table["stability"] > 1) == (table["status"] == "diverged")).all()
    np.testing.assert_allclose(table["stability"], [0.5, 0.98, 1.02, 1.5], rtol=1e-4)
    assert table["cause"].tolist() == ["converged", "converged", "too large", "too large"]


def saddle(params: Any) -> Any:
    """Its start lies on the ridge, from which gradient descent finds no way down."""
    return 1.0 + params["x"] ** 2 - params["y"] ** 2 + params["y"] ** 4


def plateau(params: Any) -> Any:
    """A steep wall, and past it a plain of height 1 that ends nowhere."""
    return 1.0 + jnp.exp(-8.0 * params["x"])


def noisy(w: Any, data: Any) -> Any:
    return jnp.mean((w - data) ** 2)


CAUSES: dict[str, tuple[lrsweep.Objective, list[float], dict[str, Any]]] = {
    "converged": (lrsweep.problems.line(), [0.1], {}),
    "too large": (lrsweep.problems.line(), [0.3, 3.0], {}),
    "too small": (lrsweep.problems.line(), [1e-3, 1e-12], {}),
    "local minimum": (lrsweep.problems.valleys(), [0.05, 0.2], {}),
    "unknown minimum": (lrsweep.Objective(lambda x: 1 + x**2, 1.0), [0.1, 0.3], {}),
    "saddle": (lrsweep.Objective(saddle, {"x": 1.0, "y": 0.0}), [0.1], {}),
    "flat": (lrsweep.Objective(plateau, {"x": -0.1}), [0.2], {}),
    "noise": (
        lrsweep.Objective(noisy, 1.0, data=np.repeat([-1.0, 1.0], 50), batch_size=4, minimum=0.99),
        [0.5],
        {"evaluate_every": 1},
    ),
    "bad start": (lrsweep.Objective(lambda x: jnp.log(x), -1.0), [0.1], {}),
    "dropped": (lrsweep.problems.line(), [1e-5], {}),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_cause_is_the_one_that_the_trial_was_made_to_end_by(cause: str) -> None:
    objective, rates, how = CAUSES[cause]
    halving = lrsweep.Halving([10]) if cause == "dropped" else None
    trials = lrsweep.grid(learning_rate=rates if halving is None else [*rates, 0.1])
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=300, diagnose=True, halving=halving, **how).table
    assert set(table["cause"].head(len(rates))) == {cause}


def two_valleys(x: Any, *, lift: Any = 0.0) -> Any:
    """One at -1, and a higher one at 1."""
    return (x**2 - 1) ** 2 + 0.2 * x + 1.0 + lift


def test_a_valley_is_a_local_minimum_where_a_lower_loss_is_known() -> None:
    def cause_of(objective: lrsweep.Objective, **columns: Any) -> list[str]:
        trials = lrsweep.grid(learning_rate=[0.05], **columns)
        table = lrsweep.sweep(objective, optax.sgd, trials, steps=300, diagnose=True).table
        assert set(table["status"]) == {"stalled"}
        return table["cause"].tolist()

    def start(key: Any, *, x: Any) -> Any:
        del key
        return x

    objective = lrsweep.Objective(two_valleys, start)
    assert cause_of(objective, x=[0.9, 1.1]) == ["unknown minimum"] * 2
    # Another trial has been lower, by the same loss; or the objective says that there is a lower one.
    assert cause_of(objective, x=[-0.9, 0.9]) == ["unknown minimum", "local minimum"]
    assert cause_of(objective, x=[0.9], lift=[0.0, 1.0]) == ["unknown minimum"] * 2
    stated = lrsweep.Objective(two_valleys, start, minimum=0.5)
    assert cause_of(stated, x=[0.9]) == ["local minimum"]


def test_an_oscillation_between_the_walls_of_a_valley_is_a_rate_too_large() -> None:
    """On |x| a step of gradient descent is as long as the learning rate, wherever it is."""
    objective = lrsweep.Objective(lambda x: jnp.sqrt(x**2 + 1e-6), 0.35)
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.3]), steps=200, diagnose=True).table
    assert (table["status"][0], table["cause"][0]) == ("oscillating", "too large")
    assert table["overshoot"][0] > 0.9


def test_without_a_theory_there_is_no_stability_and_without_an_update_no_overshoot() -> None:
    table = lrsweep.sweep(
        lrsweep.problems.line(), optax.lion, lrsweep.grid(learning_rate=[0.1]), steps=5, diagnose=True
    ).table
    assert table["stability"].isna().all()
    bad = lrsweep.Objective(lambda x: jnp.log(x), -1.0)
    table = lrsweep.sweep(bad, optax.sgd, lrsweep.grid(learning_rate=[0.1]), steps=5, diagnose=True).table
    assert table[["overshoot", "sharpness_end"]].isna().to_numpy().tolist() == [[True, False]]


def test_a_column_named_like_one_of_the_diagnosis_is_refused_where_there_is_one() -> None:
    objective = lrsweep.Objective(lambda x, *, stability: stability * x**2, 1.0)
    trials = lrsweep.grid(learning_rate=[0.1], stability=1.0)
    assert len(lrsweep.sweep(objective, optax.sgd, trials, steps=3).table) == 1
    with pytest.raises(ValueError, match="column 'stability' of the trials is named like one of the result's own"):
        lrsweep.sweep(objective, optax.sgd, trials, steps=3, diagnose=True)
