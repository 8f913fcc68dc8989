"""The critical learning rate against closed forms, against a sweep of a fine grid, and where there is none."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.tables._schema import CRITICAL_DTYPES


def bowl_loss(params: dict[str, Any], *, a: float, b: float, c: float) -> Any:
    x, y = params["x"], params["y"]
    return (a * x**2 + 2 * b * x * y + c * y**2) / 2


def draw_start(key: Any) -> dict[str, Any]:
    x, y = jax.random.normal(key, (2,))
    return {"x": x, "y": y}


BOWL = lrsweep.Objective(bowl_loss, draw_start)


def random_bowls(count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Quadratics in two dimensions, one per seed, and the largest eigenvalue of each: from 0.1 to 10."""
    draw = np.random.default_rng(0)
    below, largest = np.sort(np.exp(draw.uniform(np.log(0.1), np.log(10), (count, 2))), axis=1).T
    angle = draw.uniform(0, np.pi, count)
    cos, sin = np.cos(angle), np.sin(angle)
    a, c = below * cos**2 + largest * sin**2, below * sin**2 + largest * cos**2
    return pd.DataFrame({"a": a, "b": (below - largest) * cos * sin, "c": c, "seed": range(count)}), largest


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("optimizer", "threshold", "divergence", "below"),
    [
        # Below its edge gradient descent never raises the loss of a quadratic; with momentum it does for a while.
        (optax.sgd, 2.0, 10.0, 0.0),
        # At 1 - eps times its edge up to 361 times, which falls by exp(-76 eps) per update: to 2 within three quarters.
        (partial(optax.sgd, momentum=0.9), 3.8, 1e4, np.log(361 / 2) / 76 / 45_000),
        (partial(optax.sgd, momentum=0.9, nesterov=True), 3.8 / 2.8, 1e4, 0.0),
    ],
    ids=["gradient_descent", "heavy_ball", "nesterov"],
)
def test_on_a_thousand_random_quadratics_it_is_theorys_to_the_width_asked_for(
    optimizer: Any, threshold: float, divergence: float, below: float
) -> None:
    """`python experiments/edge.py --exact` asks for 1e-6, which takes a hundred times as many updates."""
    width = 1e-4
    trials, largest = random_bowls(1000)
    stopping = lrsweep.Stopping(tolerance=1e-9, divergence=divergence)
    found = lrsweep.critical_learning_rate(
        BOWL, optimizer, trials=trials, low=0.05, high=100, width=width, steps=round(6 / width), stopping=stopping
    )
    edge = threshold / largest
    np.testing.assert_allclose(found["critical_learning_rate"], edge, rtol=width)
    np.testing.assert_allclose(found["theory"], edge, rtol=1e-12)
    assert (found["high"] >= edge * (1 - below)).all()
    assert (found["high"] <= found["low"] * (1 + width)).all()


def piecewise(params: dict[str, Any]) -> Any:
    """After the first update `place` stays where that has led, and decides how sharp the other direction is."""
    sharp = jnp.where(params["place"] > -1.5, 10.0, 0.01)
    return jnp.maximum(params["place"], 0.0) + sharp * params["x"] ** 2 / 2


WINDOW = lrsweep.Objective(piecewise, {"place": 1e-3, "x": 1.0})


def test_below_a_window_of_convergence_it_is_the_least_edge_that_is_found() -> None:
    swept = lrsweep.sweep(
        WINDOW, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.19, 0.21, 1.4, 1.6, 190.0, 210.0])
    ).table
    assert (swept["status"] == "diverged").tolist() == [False, False, True, True, False, False, True]
    (row,) = lrsweep.critical_learning_rate(WINDOW, optax.sgd).to_dict("records")
    assert row["critical_learning_rate"] == pytest.approx(0.2, rel=5e-3)
    assert (row["found"], row["window"], row["sharpness_start"]) == ("found", True, 10.0)
    assert row["ratio"] == pytest.approx(row["critical_learning_rate"] / 0.2, rel=1e-6)


def test_it_is_where_a_sweep_of_a_fine_grid_first_diverges() -> None:
    edges = lrsweep.critical_learning_rate(lrsweep.problems.rosenbrock(), optax.adam, seeds=range(3), width=1e-2)
    for _, edge in edges.iterrows():
        rates = edge["low"] * (edge["high"] / edge["low"]) ** np.arange(-200, 2)
        trials = lrsweep.grid(learning_rate=rates, seed=int(edge["seed"]))
        table = lrsweep.sweep(lrsweep.problems.rosenbrock(), optax.adam, trials).table
        assert np.argmax(table["status"] == "diverged") == len(rates) - 1


def test_every_row_of_the_trials_meets_every_seed_and_keeps_its_columns() -> None:
    trials = lrsweep.grid(momentum=[0.0, 0.5], nesterov=[False, True])
    found = lrsweep.critical_learning_rate(
        lrsweep.problems.quadratic([1.0, 4.0]), optax.sgd, trials=trials, seeds=[3, 5], low=0.01, high=10, steps=5000
    )
    expected = lrsweep.grid(momentum=[0.0, 0.5], nesterov=[False, True], seed=[3, 5])
    pd.testing.assert_frame_equal(found[["momentum", "nesterov", "seed"]], expected.rename_axis("start"))
    assert found.dtypes[list(CRITICAL_DTYPES)].to_dict() == CRITICAL_DTYPES
    np.testing.assert_allclose(found["theory"], np.repeat([0.5, 0.5, 0.75, 0.375], 2), rtol=1e-6)
    np.testing.assert_allclose(found["ratio"], 1, atol=3e-3)
    assert not found["window"].any()


def test_starts_without_an_edge_in_the_range_have_no_numbers() -> None:
    def find(start: list[float], low: float, high: float, optimizer: Any = optax.sgd) -> dict[str, Any]:
        problem = lrsweep.problems.quadratic([1.0, 4.0], start)
        found = lrsweep.critical_learning_rate(problem, optimizer, low=low, high=high)
        numbers = found[["critical_learning_rate", "low", "high", "ratio"]].isna().to_numpy()
        return {"found": found["found"][0], "missing": bool(numbers.all()), "theory": found["theory"][0]}

    at_the_minimum = find([0.0, 0.0], 0.1, 10)
    assert at_the_minimum == {"found": "never diverges", "missing": True, "theory": 0.5}
    assert find([1.0, 1.0], 0.01, 0.1) == {"found": "never diverges", "missing": True, "theory": 0.5}
    assert find([1.0, 1.0], 0.6, 10) == {"found": "always diverges", "missing": True, "theory": 0.5}
    assert np.isnan(find([1.0, 1.0], 0.01, 0.1, optax.rmsprop)["theory"])


def test_further_rounds_and_further_searches_compile_nothing(compilations: Callable[[], int]) -> None:
    problem = lrsweep.problems.quadratic([1.0, 4.0])
    search = partial(lrsweep.critical_learning_rate, problem, optax.sgd, seeds=range(4))
    search(low=0.01, high=10, width=0.3)
    compilations()
    search(low=0.03, high=30, width=1e-4)
    assert compilations() == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"low": 1.0, "high": 1.0}, "low=1 and high=1 must be finite learning rates, above 0 and the low one below"),
        ({"low": 0.0}, "low=0 and high=1000 must be finite"),
        ({"high": np.inf}, "low=1e-06 and high=inf must be finite"),
        ({"width": 0.0}, "width=0.0 must be a finite number above 0"),
        ({"width": 1e-9}, "width=1e-09 is finer than the numbers tell apart: take 9.5e-07 or more, or compute in 64"),
        ({"steps": 0}, "steps=0 must be 1 or more"),
        ({"seeds": []}, "column 'seed' of the grid has no values"),
        ({"trials": pd.DataFrame({"seed": [1]}), "seeds": [1]}, "the trials have a column 'seed' of their own"),
        ({"trials": pd.DataFrame({"learning_rate": [1.0]})}, "'learning_rate', which is what is searched for"),
        ({"trials": pd.DataFrame({"low": [1.0]})}, "column 'low' of the trials is named like one of the result's own"),
        ({"trials": pd.DataFrame({"momentum": []})}, "the trials table is empty"),
        ({"trials": pd.DataFrame({"velocity": [1.0]})}, "nobody takes column 'velocity'"),
        ({"trials": [0.1]}, "trials must be a pandas DataFrame"),
        ({"optimizer": {"sgd": optax.sgd}}, "must be one factory such as optax.sgd"),
        ({"optimizer": optax.sgd(0.1)}, "the optimizer is already built"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(changed: dict[str, Any], message: str) -> None:
    usual = {"objective": lrsweep.problems.line(), "optimizer": optax.sgd}
    with pytest.raises((TypeError, ValueError), match=message):
        lrsweep.critical_learning_rate(**(usual | changed))
