"""Small networks for the rows of a table: layers of rectified linear units, for numbers and for classes."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.inputs._arguments import check_numbers
from lrsweep.problems._objective import Objective
from lrsweep.problems._softmax import cross_entropy


def network(X: Any, y: Any, hidden: Sequence[int], *, classes: int | None, name: str) -> Objective:
    """Makes a network of layers of rectified linear units, for classes by cross-entropy, for numbers by squares.

    Parameters: one `{"weights": [in, out], "biases": [out]}` per layer, in a list. Weights start at normal values of
    variance 2 / in, those of the last layer at 1 / in, and biases at 0 (He et al., 2015, arXiv:1502.01852).

    Args:
        X: [examples, features] float.
        y: [examples] int, the classes, or float, the target.
        hidden: The widths of the layers between.
        classes: How many classes there are, or None where the target is a number.
        name: What messages call it.

    Example:
        >>> objective = network([[0.0], [1.0]], [0.0, 1.0], (4, 3), classes=None, name="tiny")
        >>> [layer["weights"].shape for layer in objective.init(jax.random.key(0))]
        [(1, 4), (4, 3), (3, 1)]
    """
    features = check_numbers("X", X)
    sizes = (features.shape[1], *hidden, 1 if classes is None else classes)
    target = np.asarray(y, float if classes is None else np.int32)
    return Objective(
        _network_squares if classes is None else _network_loss,
        _network_start(sizes),
        data={"X": features, "y": target},
        metrics={} if classes is None else {"accuracy": _network_accuracy},
        name=name,
    )


def network_output(params: list[dict[str, Any]], data: dict[str, Any]) -> Any:
    """Gives what the last layer says of every example, ``[example, class]``, or ``[example, 1]`` for numbers.

    Example:
        >>> network_output([{"weights": jnp.ones((1, 1)), "biases": jnp.ones(1)}], {"X": jnp.array([[2.0]])}).tolist()
        [[3.0]]
    """
    values = data["X"]
    for layer in params[:-1]:
        values = jax.nn.relu(values @ layer["weights"] + layer["biases"])
    return values @ params[-1]["weights"] + params[-1]["biases"]


def _network_loss(params: list[dict[str, Any]], data: dict[str, Any]) -> Any:
    return cross_entropy(network_output(params, data), data["y"])


def _network_squares(params: list[dict[str, Any]], data: dict[str, Any]) -> Any:
    return jnp.mean((network_output(params, data)[:, 0] - data["y"]) ** 2)


def _network_accuracy(params: list[dict[str, Any]], data: dict[str, Any]) -> Any:
    return jnp.mean(jnp.argmax(network_output(params, data), axis=1) == data["y"])


@functools.cache
def _network_start(sizes: tuple[int, ...]) -> Callable[..., list[dict[str, Any]]]:
    def start(key: Any) -> list[dict[str, Any]]:
        keys = jax.random.split(key, len(sizes) - 1)
        layers = []
        for place, (inside, outside) in enumerate(itertools.pairwise(sizes)):
            gain = 1.0 if place == len(sizes) - 2 else 2.0
            weights = jax.random.normal(keys[place], (inside, outside)) * np.sqrt(gain / inside)
            layers.append({"weights": weights, "biases": jnp.zeros(outside)})
        return layers

    return start
