"""Ready-made objectives: losses and minima against hand calculation, NumPy and SciPy; starts by seed and by column."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize_scalar, rosen, rosen_der

import lrsweep
from lrsweep import problems
from tests import oracles


def start_of(objective: lrsweep.Objective, seed: int | None = None, **columns: float) -> Any:
    keywords = columns if seed is None else {"seed": seed, **columns}
    return objective.init(jax.random.key(seed or 0), **keywords)


def test_the_line_starts_at_the_articles_weights_or_at_random_or_where_a_column_says() -> None:
    line = problems.line()
    assert start_of(line) == {"w0": 0.0, "w1": 1.0}
    first, second = start_of(line, seed=0), start_of(line, seed=1)
    assert 0 <= first["w0"] < 1
    assert 0 <= first["w1"] < 1
    assert first["w0"] != second["w0"]
    assert start_of(line, seed=0, w1=4.0) == {"w0": first["w0"], "w1": 4.0}


def test_the_line_is_the_articles_mean_squared_error() -> None:
    line = problems.line()
    by_hand = np.mean([(0.5 * x - 2.0 - y) ** 2 for x, y in [(0, -1), (1, 1), (3, 5)]])
    assert float(line.loss({"w0": -2.0, "w1": 0.5}, line.data)) == pytest.approx(by_hand)
    assert float(line.loss({"w0": -1.0, "w1": 2.0}, line.data)) == line.minimum == 0


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dependent", [False, True])
def test_a_regressions_minimum_is_that_of_the_normal_equations(dependent: bool) -> None:
    draw = np.random.default_rng(2)
    features, target = draw.normal(size=(40, 3)), draw.normal(size=40)
    if dependent:
        features[:, 2] = features[:, 0] - 2 * features[:, 1]
    design = np.column_stack([features, np.ones(40)])
    solution = np.linalg.pinv(design.T @ design) @ design.T @ target
    objective = problems.linear_regression(features, target)
    params = {"coefficients": jnp.asarray(solution[:-1]), "intercept": jnp.asarray(solution[-1])}
    assert objective.minimum == pytest.approx(np.mean((design @ solution - target) ** 2), rel=1e-12)
    assert float(objective.loss(params, objective.data)) == pytest.approx(objective.minimum, rel=1e-12)


DRAW = np.random.default_rng(0)
WHOLE, TARGET = DRAW.integers(-50, 50, (12, 3)).astype(float), DRAW.normal(size=12)
COLUMNS = {
    "far from 0": (WHOLE + 4e9, TARGET),
    "as far as can be told": (WHOLE + 2.0**50, TARGET),
    "of many sizes": (WHOLE * [1e-200, 1e150, 1.0], TARGET),
    "tiny": (WHOLE * 1e-300, TARGET),
    "huge": (WHOLE * 1e306, TARGET),
    "copies": (WHOLE[:, [0, 1, 1]], TARGET),
    "sums of others": (np.column_stack([WHOLE, WHOLE @ [1.0, -2.0, 3.0]]), TARGET),
    "sums of others, far from 0": (np.column_stack([WHOLE, WHOLE @ [1.0, -2.0, 3.0]]) + 1e9, TARGET),
    "one of them constant": (np.column_stack([WHOLE, np.full(12, 1e9)]), TARGET),
    "all constant": (np.ones((12, 2)), TARGET),
    "Unix times": (1.7e9 + 60.0 * np.arange(12)[:, None], TARGET),
    "milliseconds": (1.7e12 + DRAW.integers(0, 1000, (12, 2)), TARGET),
    "more than the examples": (DRAW.normal(size=(4, 9)), TARGET[:4]),
    "of one example": (WHOLE[:1], TARGET[:1]),
    "for a target far from 0": (WHOLE, TARGET + 1e8),
    "for a tiny target": (WHOLE, TARGET * 1e-100),
    "for a huge target": (WHOLE, TARGET * 1e100),
    "for a constant target": (WHOLE, np.full(12, 0.1)),
    "on a line": (WHOLE, WHOLE @ [1.0, 2.0, 3.0] + 7.0),
    "on a line far from 0": (WHOLE + 1e9, WHOLE @ [1.0, 2.0, 3.0] + 7.0),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_regressions_minimum_is_that_of_exact_fractions_whatever_its_columns(kind: str) -> None:
    X, y = COLUMNS[kind]
    exact, minimum = oracles.least_squares(X, y), problems.linear_regression(X, y).minimum
    assert minimum == pytest.approx(exact, rel=1e-13, abs=0.0)


def test_a_perfect_fit_has_a_minimum_of_0_where_its_target_is_rounded() -> None:
    x = np.arange(30.0)[:, None]
    assert problems.linear_regression(x, 0.1 * x[:, 0] + 0.3).minimum == 0


def test_a_target_whose_square_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match=r"y holds 1e\+200, whose square is no longer a finite number: scale it down"):
        problems.linear_regression(WHOLE, np.full(12, 1e200))


@pytest.mark.usefixtures("x64")
def test_a_regression_that_ends_worse_than_predicting_the_mean_has_not_converged() -> None:
    ticks = 4e9 + 190.0 * np.arange(40)
    y = (ticks - ticks[0]) / 1900 + np.random.default_rng(0).normal(size=40) * 0.05
    objective = problems.linear_regression(ticks[:, None], y)
    # From random starts the gap is some 1e19, of which a ten-thousandth is 1e15.
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[1e-21, 2e-20], seed=range(5))).table
    assert (table["final_loss"] < 1e-4 * table["initial_loss"]).sum() >= 5
    assert (table["final_loss"] > 0.99 * np.var(y)).all()
    assert (table["status"] != "converged").all()
    # With columns centred and scaled it converges, and a target goes before the mean.
    scaled = problems.linear_regression((ticks[:, None] - ticks.mean()) / ticks.std(), y)
    trials = lrsweep.grid(learning_rate=[0.1, 0.3], seed=range(2))
    assert (lrsweep.sweep(scaled, optax.sgd, trials).table["final_loss"] < np.var(y)).all()
    stopping = lrsweep.Stopping(target=1e30)
    assert (lrsweep.sweep(objective, optax.sgd, trials, stopping=stopping).table["converged_at"] == 0).all()


@pytest.mark.parametrize(
    ("X", "y"),
    [
        # What the features say nothing of is predicted best by the mean; so is what is constant, whatever it is.
        ([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]),
        ([[1.0], [1.0], [1.0]], [3.0, 1.0, 2.0]),
        ([[0.0], [1.0], [2.0]], [5.0, 5.0, 5.0]),
        ([[0.0], [1.0], [2.0]], [0.0, 0.0, 0.0]),
    ],
)
def test_a_regression_whose_best_is_the_mean_converges_there(X: list[list[float]], y: list[float]) -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.3], seed=range(3))
    for given in (trials, trials[["learning_rate"]]):
        table = lrsweep.sweep(problems.linear_regression(X, y), optax.sgd, given).table
        assert (table["status"] == "converged").all()


def test_a_regression_starts_at_0_or_at_random() -> None:
    objective = problems.linear_regression(np.eye(3), np.arange(3.0))
    assert not start_of(objective)["coefficients"].any()
    drawn = start_of(objective, seed=1)
    assert (drawn["coefficients"].shape, drawn["intercept"].shape) == ((3,), ())
    assert len({float(value) for value in [*drawn["coefficients"], drawn["intercept"]]}) == 4


@pytest.mark.usefixtures("x64")
def test_the_valleys_are_three_each_deeper_and_the_minimum_is_that_of_the_last() -> None:
    objective = problems.valleys()

    def height(x: float) -> float:
        return float(objective.loss({"x": jnp.asarray(x)}))

    places = np.arange(-2.0, 8.0, 0.01)
    heights = np.asarray(objective.loss({"x": jnp.asarray(places)}))
    inside = (heights[1:-1] < heights[:-2]) & (heights[1:-1] < heights[2:])
    bottoms = places[1:-1][inside]
    depths = [minimize_scalar(height, bracket=(x - 0.1, x, x + 0.1), tol=1e-12).fun for x in bottoms]
    assert len(bottoms) == 3
    assert depths[0] > depths[1] > depths[2]
    assert objective.minimum == pytest.approx(depths[2], abs=1e-14)


@pytest.mark.parametrize(("push", "valley"), [(0.03, 1), (0.2, 3), (0.6, 5)])
def test_a_weak_push_rests_in_the_first_valley_a_middling_one_in_the_second_the_right_one_at_the_minimum(
    push: float, valley: float
) -> None:
    sweep = lrsweep.sweep(problems.valleys(), optax.sgd, lrsweep.grid(learning_rate=push))
    assert abs(sweep.replay(0).params["x"] - valley) < 0.3
    assert sweep.table["status"][0] == ("converged" if valley == 5 else "stalled")


def test_too_hard_a_push_flies_out_of_the_valleys() -> None:
    assert (
        lrsweep.sweep(problems.valleys(), optax.sgd, lrsweep.grid(learning_rate=3.0)).table["status"][0] == "diverged"
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dim", [2, 5])
def test_rosenbrock_is_scipys(dim: int) -> None:
    objective = problems.rosenbrock(dim)
    x = np.random.default_rng(dim).normal(size=dim)
    assert float(objective.loss({"x": jnp.asarray(x)})) == pytest.approx(rosen(x), rel=1e-12)
    np.testing.assert_allclose(jax.grad(objective.loss)({"x": jnp.asarray(x)})["x"], rosen_der(x), rtol=1e-10)


def test_rosenbrock_starts_where_it_always_has_or_at_random() -> None:
    assert start_of(problems.rosenbrock(3))["x"].tolist() == pytest.approx([-1.2, 1.0, -1.2])
    drawn = np.asarray(start_of(problems.rosenbrock(200), seed=0)["x"])
    assert drawn.min() >= -2
    assert drawn.max() < 2
    assert np.unique(drawn).size == 200


def test_a_quadratics_sharpness_is_its_greatest_eigenvalue() -> None:
    objective = problems.quadratic([1.0, 4.0, 2.5])
    hessian = jax.hessian(lambda x: objective.loss({"x": x}, objective.data))(jnp.ones(3))
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), [1.0, 2.5, 4.0], rtol=1e-6)
    assert start_of(objective)["x"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: problems.quadratic([1.0, -1.0]), "eigenvalues must be a list of finite numbers, none below 0"),
        (lambda: problems.quadratic([]), "eigenvalues must be"),
        (
            lambda: problems.quadratic([1.0], [1.0, 2.0]),
            r"start has shape \(2,\): it must be that of eigenvalues, \(1,\)",
        ),
        (lambda: problems.rosenbrock(1), "dim=1 must be 2 or more"),
        (lambda: problems.linear_regression([[1.0]], [1.0, 2.0]), r"X has shape \(1, 1\) and y \(2,\)"),
        (lambda: problems.linear_regression([[np.nan]], [1.0]), "X and y must be finite"),
    ],
)
def test_a_problem_that_cannot_be_is_refused(build: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
