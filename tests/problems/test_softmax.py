"""Softmax regression and the networks of a table, beside NumPy, SciPy and scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from sklearn.linear_model import LogisticRegression

import lrsweep
from lrsweep.problems import softmax_regression
from lrsweep.problems._network import network


def overlapping(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that no line separates."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 2))
    return X, np.argmax(X @ rng.normal(size=(2, 3)) + rng.gumbel(size=(rows, 3)), axis=1)


def cross_entropy(coefficients: np.ndarray, intercept: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
    logits = X @ coefficients + intercept
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.mean(np.log(shares[np.arange(len(y)), y])))


@pytest.mark.usefixtures("x64")
def test_the_loss_is_the_mean_cross_entropy_and_its_minimum_what_scipy_finds() -> None:
    X, y = overlapping()
    objective, rng = softmax_regression(X, y), np.random.default_rng(1)
    coefficients, intercept = rng.normal(size=(2, 3)), rng.normal(size=3)
    params = {"coefficients": jnp.asarray(coefficients), "intercept": jnp.asarray(intercept)}
    assert float(objective.loss(params, objective.data)) == pytest.approx(cross_entropy(coefficients, intercept, X, y))
    found = scipy.optimize.minimize(
        lambda flat: cross_entropy(flat[:6].reshape(2, 3), flat[6:], X, y), np.zeros(9), method="BFGS", tol=1e-8
    )
    assert objective.minimum == pytest.approx(found.fun, abs=1e-8)
    shares = np.bincount(y) / len(y)
    guessing = -np.sum(shares * np.log(shares))
    assert objective.baseline == pytest.approx((objective.minimum + guessing) / 2, rel=1e-4)


@pytest.mark.usefixtures("x64")
def test_gradient_descent_ends_where_scikit_learn_does() -> None:
    X, y = overlapping()
    objective = softmax_regression(X, y)
    trials = lrsweep.grid(learning_rate=[1.0], seed=range(2))
    stopping = lrsweep.Stopping(tolerance=1e-9)
    sweep = lrsweep.sweep(objective, optax.sgd, trials, steps=5000, stopping=stopping)
    assert (sweep.table["status"] == "converged").all()
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    params = sweep.replay(0).params
    # Only the differences between classes mean anything.
    found, exact = (np.asarray(each) for each in (params["coefficients"].T, model.coef_))
    np.testing.assert_allclose(found - found.mean(axis=0), exact - exact.mean(axis=0), atol=1e-3)
    assert sweep.table["final_accuracy"].tolist() == pytest.approx([model.score(X, y)] * 2)


def test_classes_that_a_line_separates_have_the_minimum_0() -> None:
    assert softmax_regression([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]).minimum == 0.0


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ([[0.0], [1.0]], [0, 1, 1], r"X has shape \(2, 1\) and y \(3,\)"),
        ([[0.0], [np.nan]], [0, 1], "X must be finite"),
        ([[0.0], [1.0]], [0, 0.5], "whole numbers from 0 on"),
        ([[0.0], [1.0]], [0, -1], "whole numbers from 0 on"),
        ([[0.0], [1.0]], [0, 0], "two of them or more"),
    ],
)
def test_what_are_no_classes_is_refused(X: list[list[float]], y: list[float], said: str) -> None:
    with pytest.raises(lrsweep.InputError, match=said):
        softmax_regression(X, y)


@pytest.mark.usefixtures("x64")
def test_a_network_is_layers_of_rectified_linear_units() -> None:
    X, y = overlapping(10)
    for classes, target in ((3, y), (None, y.astype(float))):
        objective = network(X, target, (4, 5), classes=classes, name="net")
        layers = objective.init(jax.random.key(0))
        values = X
        for layer in layers[:-1]:
            values = np.maximum(values @ np.asarray(layer["weights"]) + np.asarray(layer["biases"]), 0)
        last = np.asarray(layers[-1]["weights"]), np.asarray(layers[-1]["biases"])
        expected = (
            cross_entropy(*last, values, y) if classes else np.mean(((values @ last[0] + last[1])[:, 0] - target) ** 2)
        )
        assert float(objective.loss(layers, objective.data)) == pytest.approx(expected)
