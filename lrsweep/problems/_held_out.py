"""How good a model of a table is on rows that it is not fitted to."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lrsweep.problems._network import network_output
from lrsweep.problems._objective import Objective


def held_out(objective: Objective, X: Any, y: Any, *, is_network: bool) -> dict[str, Any]:
    """Gives the metric of held-out rows by its name: `validation_accuracy`, or `validation_r2` for numbers.

    Args:
        objective: A `linear_regression`, a `softmax_regression`, or a network.
        X: [rows, features] float.
        y: [rows] int, the classes, or float, the target.
        is_network: Whether it is a network.

    Example:
        >>> objective = lrsweep.problems.linear_regression([[0.0], [1.0]], [0.0, 1.0])
        >>> metric, data = held_out(objective, [[0.0], [4.0]], [0.0, 4.0], is_network=False)["validation_r2"]
        >>> round(float(metric({"coefficients": jnp.ones(1), "intercept": jnp.zeros(())}, data)), 4)
        1.0
    """
    if "accuracy" in objective.metrics:
        data = {"X": np.asarray(X, float), "y": np.asarray(y, np.int32)}
        return {"validation_accuracy": (objective.metrics["accuracy"], data)}
    measure = _network_r2 if is_network else _linear_r2
    return {"validation_r2": (measure, {"X": np.asarray(X, float), "y": np.asarray(y, float)})}


def _network_r2(params: list[dict[str, Any]], data: dict[str, Any]) -> Any:
    return _r2(network_output(params, data)[:, 0], data["y"])


def _linear_r2(params: dict[str, Any], data: dict[str, Any]) -> Any:
    return _r2(jnp.dot(data["X"], params["coefficients"], precision="highest") + params["intercept"], data["y"])


def _r2(predicted: Any, target: Any) -> Any:
    """Gives the share of the target's variance that is explained."""
    return 1.0 - jnp.mean((predicted - target) ** 2) / jnp.var(target)
