"""Losses against NumPy in 64 bits at numbers of examples around powers of two, where compilers change their ways.

A version of XLA has summed wrongly from 32,769 rows on (jax-ml/jax#39103).
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.engine._layout import Layout

POWERS = [2**power for power in (10, 13, 15)]
SIZES = [size for power in POWERS for size in (power - 1, power, power + 1)] + [40_001]
STEPS, FEATURES = 2, 3
RATES = np.array([0.0, 0.1, 0.3, 0.6])

LAYOUTS = {
    "chosen": None,
    "plain": Layout(),
    "several updates to a chunk": Layout(chunk=2),
    "lanes last": Layout(lanes_last=True),
}


def data_of(size: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(size)
    x = draw.normal(size=(size, FEATURES)).astype(np.float32)
    return {"x": x, "y": (x @ np.array([1, -2, 3], np.float32) + draw.normal(size=size)).astype(np.float32)}


def loss(w: Any, data: Any) -> Any:
    return jnp.mean((data["x"] @ w - data["y"]) ** 2)


def share(w: Any, data: Any) -> Any:
    """A metric of another kind: how many predictions have the right sign."""
    return jnp.mean((data["x"] @ w) * data["y"] > 0)


def by_hand(data: dict[str, np.ndarray], rate: float) -> np.ndarray:
    """The losses of gradient descent, and the share at its end."""
    x, y, w = data["x"].astype(float), data["y"].astype(float), np.ones(FEATURES)
    losses = []
    for k in range(STEPS + 1):
        losses.append(np.mean((x @ w - y) ** 2))
        if k < STEPS:
            w = w - rate * 2 * x.T @ (x @ w - y) / len(y)
    return np.array([losses[0], losses[-1], np.mean((x @ w) * y > 0)])


def check(size: int, layout: Layout | None, **options: Any) -> None:
    data = data_of(size)
    objective = lrsweep.Objective(loss, jnp.ones(FEATURES), data=data, **options)
    trials = lrsweep.grid(learning_rate=RATES, seed=range(4))
    never = lrsweep.Stopping(tolerance=0.0, divergence=np.inf)
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=STEPS, stopping=never, layout=layout).table
    want = np.array([by_hand(data, rate) for rate in trials["learning_rate"]])
    np.testing.assert_allclose(table["initial_loss"], want[:, 0], rtol=2e-5)
    np.testing.assert_allclose(table["final_loss"], want[:, 1], rtol=2e-5)
    for name in objective.metrics:
        # One example whose prediction rounding takes across 0 is no error of a sum.
        np.testing.assert_allclose(table[f"final_{name}"], want[:, 2], atol=1.5 / size)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("size", [32_769, pytest.param(None, marks=pytest.mark.slow)])
def test_the_loss_of_all_examples_is_that_of_numpy(size: int | None, layout: Layout | None) -> None:
    for each in SIZES if size is None else [size]:
        check(each, layout)


@pytest.mark.parametrize("layout", [Layout(), Layout(lanes_last=True)], ids=["plain", "lanes last"])
@pytest.mark.parametrize("size", [32_769, pytest.param(None, marks=pytest.mark.slow)])
def test_batches_and_metrics_of_as_many_examples_are_those_of_numpy(size: int | None, layout: Layout) -> None:
    # A batch of all examples has their gradient, in whatever order it draws them.
    for each in SIZES if size is None else [size]:
        check(each, layout, batch_size=each, metrics={"share": share})
