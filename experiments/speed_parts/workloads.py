"""The sweeps that are timed: their trials, what they train, and when a trial ends."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from sklearn.datasets import load_diabetes

import lrsweep
from speed_parts import networks

# The line's data, those of `lrsweep.problems.line`.
X, Y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0])
# Of the tanh network.
WIDTH, EXAMPLES = 8, 72


class Size(NamedTuple):
    """The size of a sweep: about how many trials, and how many updates each makes at most."""

    trials: int
    steps: int


class Workload(NamedTuple):
    """A sweep, in several sizes.

    Attributes:
        name: What the table calls it.
        make_trials: Makes about as many trials as it is told.
        objective: Makes what is minimised.
        optimizer: The factory of its optimizer.
        stopping: When a trial ends.
        on_cpu: Its sizes on a CPU.
        on_accelerator: Its sizes elsewhere.
        at_ends: Whether the loss over all the data is evaluated at the start and at the end only, rather than at every
            update or, with batches, at every epoch.
        size: The size to run it in, one of these.
    """

    name: str
    make_trials: Callable[[int], pd.DataFrame]
    objective: Callable[[], lrsweep.Objective]
    optimizer: Callable[..., optax.GradientTransformation]
    stopping: lrsweep.Stopping
    on_cpu: tuple[Size, ...]
    on_accelerator: tuple[Size, ...]
    at_ends: bool = False
    size: Size = Size(0, 0)

    @property
    def steps(self) -> int:
        """How many updates a trial makes at most."""
        return self.size.steps

    def trials(self) -> pd.DataFrame:
        """Makes its trials."""
        return self.make_trials(self.size.trials)

    def in_sizes(self, platform: str, divisor: float) -> "list[Workload]":
        """Gives it in each of its sizes on a platform of JAX's, the numbers of trials divided."""
        sizes = self.on_cpu if platform == "cpu" else self.on_accelerator
        smaller = [size._replace(trials=max(4, round(size.trials / divisor))) for size in sizes]
        return [self._replace(size=size) for size in dict.fromkeys(smaller)]

    def options(self) -> dict[str, Any]:
        """Gives the keywords of `lrsweep.sweep` that it needs beside the others."""
        return {"evaluate_every": self.steps} if self.at_ends else {}


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


def network_trials(count: int, *, lowest: float, highest: float) -> pd.DataFrame:
    """Makes exactly so many trials, 2 or more: at most 10 seeds, and for each of them the learning rates of a grid."""
    seeds = max(seeds for seeds in range(1, min(10, count // 2) + 1) if count % seeds == 0)
    return lrsweep.grid(learning_rate=lrsweep.log_grid(lowest, highest, count // seeds), seed=range(seeds))


# Learning rates that train.
sgd_trials = partial(network_trials, lowest=1e-3, highest=0.3)
adam_trials = partial(network_trials, lowest=1e-4, highest=1e-2)


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


# fmt: off
WORKLOADS = {
    "line": Workload(
        "line, SGD", line_trials, lrsweep.problems.line, optax.sgd, LINE,
        on_cpu=(Size(1_048_576, 1000),),
        on_accelerator=(Size(16_384, 1000), Size(1_048_576, 1000))),
    "adam": Workload(
        "line, Adam", line_trials, lrsweep.problems.line, optax.adam, LINE,
        on_cpu=(Size(131_072, 1000),),
        on_accelerator=(Size(131_072, 1000),)),
    "regression": Workload(
        "regression, SGD", regression_trials, diabetes, optax.sgd, lrsweep.Stopping(),
        on_cpu=(Size(4096, 1000),),
        on_accelerator=(Size(4096, 1000),)),
    "tanh": Workload(
        "tanh network, SGD", tanh_trials, tanh_network, layerwise_sgd, lrsweep.Stopping(),
        on_cpu=(Size(4096, 500),),
        on_accelerator=(Size(4096, 500),)),
    "digits": Workload(
        "digits, SGD", sgd_trials, networks.digits, optax.sgd, TO_THE_END,
        on_cpu=(Size(128, 200), Size(65, 200), Size(130, 200)),
        on_accelerator=(Size(128, 200), Size(65, 200), Size(130, 200)),
        at_ends=True),
    "mlp": Workload(
        "MLP, Adam", adam_trials, networks.large_mlp, optax.adam, TO_THE_END,
        on_cpu=(Size(64, 48), Size(65, 48), Size(130, 48)),
        on_accelerator=(Size(256, 300), Size(65, 300), Size(130, 300)),
        at_ends=True),
    "cnn": Workload(
        "CNN, Adam", adam_trials, networks.cnn, optax.adam, TO_THE_END,
        on_cpu=(Size(64, 48), Size(65, 48), Size(130, 48)),
        on_accelerator=(Size(64, 200), Size(65, 200), Size(130, 200))),
    "transformer": Workload(
        "transformer, Adam", adam_trials, networks.transformer, optax.adam, TO_THE_END,
        on_cpu=(Size(48, 24), Size(65, 24), Size(130, 24)),
        on_accelerator=(Size(48, 200), Size(65, 200), Size(130, 200))),
}
# fmt: on
