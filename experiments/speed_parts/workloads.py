"""The sweeps that are timed: their trials, what they train, and when a trial ends."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from common import read_digits
from sklearn.datasets import load_diabetes

import lrsweep

# The line's data, those of `lrsweep.problems.line`.
X, Y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0])
# Of the digits.
BATCH_SIZE = 128
# Of the tanh network.
WIDTH, EXAMPLES = 8, 72


class Workload(NamedTuple):
    """A sweep.

    Attributes:
        name: What the table calls it.
        trials: About how many there are.
        steps: How many updates a trial makes at most.
        make_trials: Makes about as many trials as it is told.
        objective: Makes what is minimised.
        optimizer: The factory of its optimizer.
        stopping: When a trial ends.
        options: More keywords of `lrsweep.sweep`.
        chaotic: In some trials rounding grows until it decides what becomes of them.
    """

    name: str
    trials: int
    steps: int
    make_trials: Callable[[int], pd.DataFrame]
    objective: Callable[[], lrsweep.Objective]
    optimizer: Callable[..., optax.GradientTransformation]
    stopping: lrsweep.Stopping
    options: Mapping[str, Any] = {}
    chaotic: bool = False


def line_trials(count: int) -> pd.DataFrame:
    """Makes trials with learning rates from 1e-4 to 1, and for each of them random starts."""
    starts = min(256, count)
    rates = lrsweep.log_grid(1e-4, 1, max(2, count // starts))
    w0, w1 = np.random.default_rng(0).random((2, len(rates) * starts))
    return pd.DataFrame({"learning_rate": np.repeat(rates, starts), "w0": w0, "w1": w1}, copy=False)


def regression_trials(count: int) -> pd.DataFrame:
    """Makes trials with learning rates on both sides of the critical one, about 0.25, and 64 starts."""
    return lrsweep.grid(learning_rate=lrsweep.log_grid(1e-4, 1, max(2, count // 64)), seed=range(64))


def diabetes() -> lrsweep.Objective:
    """Makes least squares on scikit-learn's diabetes data, with standardised features."""
    data: Any = load_diabetes(scaled=False)
    features = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    return lrsweep.problems.linear_regression(features, data.target, name="diabetes")


def digits_trials(count: int) -> pd.DataFrame:
    """Makes trials with learning rates that train, and 8 seeds."""
    return lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 0.3, max(2, count // 8)), seed=range(8))


def digits() -> lrsweep.Objective:
    """Makes a 64-32-10 network on scikit-learn's digits, on batches."""
    pixels, labels = read_digits()
    data = {"pixels": pixels, "labels": labels}
    return lrsweep.Objective(digits_loss, digits_start, data=data, batch_size=BATCH_SIZE, name="digits")


def digits_start(key: jax.Array) -> dict[str, jax.Array]:
    """Samples weights for a ReLU network (He et al., 2015, arXiv:1502.01852), with biases of 0."""
    first, second = jax.random.split(key)
    return {
        "w1": jnp.sqrt(2 / 64) * jax.random.normal(first, (64, 32)),
        "b1": jnp.zeros(32),
        "w2": jnp.sqrt(2 / 32) * jax.random.normal(second, (32, 10)),
        "b2": jnp.zeros(10),
    }


def digits_loss(params: Mapping[str, jax.Array], data: Mapping[str, jax.Array]) -> jax.Array:
    """Computes the mean cross-entropy."""
    hidden = jax.nn.relu(data["pixels"] @ params["w1"] + params["b1"])
    logits = hidden @ params["w2"] + params["b2"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, data["labels"]).mean()


def tanh_trials(count: int) -> pd.DataFrame:
    """Makes trials with a learning rate for either layer, from 1e-3 to 1e6."""
    rates = lrsweep.log_grid(1e-3, 1e6, max(2, round(count**0.5)))
    return lrsweep.grid(first_learning_rate=rates, second_learning_rate=rates)


def tanh_network() -> lrsweep.Objective:
    """Makes the two-layer network of Sohl-Dickstein, 2024 (arXiv:2402.06184): as many examples as parameters."""
    draw = np.random.default_rng(0)
    data = {"x": draw.normal(size=(EXAMPLES, WIDTH)), "y": draw.normal(size=EXAMPLES)}
    start = {"first": draw.normal(size=(WIDTH, WIDTH)), "second": draw.normal(size=WIDTH)}
    return lrsweep.Objective(tanh_loss, start, data=data, name="tanh network")


def tanh_loss(params: Mapping[str, jax.Array], data: Mapping[str, jax.Array]) -> jax.Array:
    """Computes the mean squared error, outputs averaged over the hidden units (mean-field parametrisation)."""
    hidden = jnp.tanh(data["x"] @ params["first"] / jnp.sqrt(WIDTH))
    return jnp.mean((hidden @ params["second"] / WIDTH - data["y"]) ** 2)


def layerwise_sgd(first_learning_rate: Any, second_learning_rate: Any) -> optax.GradientTransformation:
    """Makes gradient descent with a learning rate for either layer."""
    layers: Any = {"first": optax.sgd(first_learning_rate), "second": optax.sgd(second_learning_rate)}
    return optax.multi_transform(layers, {"first": "first", "second": "second"})


LINE = lrsweep.Stopping(tolerance=1e-6)
TO_THE_END = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))
# Of the digits, the losses of all are measured at the start and at the end.
ENDS = {"evaluate_every": 200}

# fmt: off
WORKLOADS = {
    "line": Workload(
        "line, SGD", 1_048_576, 1000, line_trials, lrsweep.problems.line, optax.sgd, LINE),
    "adam": Workload(
        "line, Adam", 131_072, 1000, line_trials, lrsweep.problems.line, optax.adam, LINE),
    "regression": Workload(
        "regression, SGD", 4096, 1000, regression_trials, diabetes, optax.sgd, lrsweep.Stopping()),
    "digits": Workload(
        "digits, SGD", 128, 200, digits_trials, digits, optax.sgd, TO_THE_END, ENDS),
    "tanh": Workload(
        "tanh network, SGD", 4096, 500, tanh_trials, tanh_network, layerwise_sgd, lrsweep.Stopping(), chaotic=True),
}
# fmt: on


def scaled(name: str, divisor: float) -> Workload:
    """Gives a sweep of `WORKLOADS` with its number of trials divided."""
    workload = WORKLOADS[name]
    return workload._replace(trials=max(4, round(workload.trials / divisor)))
