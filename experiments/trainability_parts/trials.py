"""The network that is trained, the windows of learning rates, and what becomes of the trials in one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

import lrsweep

Params = Mapping[str, Any]

WIDTH, STEPS = 8, 500
# No trial ends early but by diverging: a loss of exactly nothing is out of reach.
STOPPING = lrsweep.Stopping(tolerance=0.0)
RECORD_EVERY = 10


def network(width: int = WIDTH) -> lrsweep.Objective:
    """Makes a tanh network of two layers, and as many random examples as it has parameters."""
    draw, examples = np.random.default_rng(0), width * (width + 1)
    data = {"x": draw.normal(size=(examples, width)), "y": draw.normal(size=examples)}
    start = {"input": draw.normal(size=(width, width)), "output": draw.normal(size=width)}
    return lrsweep.Objective(squared_error, start, data=data, name="tanh network")


def squared_error(params: Params, data: Mapping[str, Any]) -> jax.Array:
    """Computes the mean squared error in mean-field parametrisation; the hidden layer's is that of the notebook."""
    width = params["output"].size
    hidden = jnp.tanh((2 / width) ** 0.5 * (data["x"] @ params["input"]))
    return jnp.mean((hidden @ params["output"] / width - data["y"]) ** 2)


def layerwise_sgd(learning_rate_0: Any, learning_rate_1: Any) -> optax.GradientTransformation:
    """Makes gradient descent with a learning rate for the input layer and one for the output layer."""
    layers: Any = {"input": optax.sgd(learning_rate_0), "output": optax.sgd(learning_rate_1)}
    return optax.multi_transform(layers, {"input": "input", "output": "output"})


class Window(NamedTuple):
    """A square of the map.

    Attributes:
        left: The logarithm to base 10 of its least learning rate of the input layer.
        bottom: That of its least learning rate of the output layer.
        decades: Its width and height.
    """

    left: float
    bottom: float
    decades: float

    def learning_rates(self, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """Gives the learning rates in the middles of its columns and rows, ``[column]`` and ``[row]`` float64."""
        middles = (np.arange(cells) + 0.5) * self.decades / cells
        return 10 ** (self.left + middles), 10 ** (self.bottom + middles)

    def edges(self, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """Gives the learning rates that bound its columns and rows, ``[column + 1]`` and ``[row + 1]`` float64."""
        bounds = np.arange(cells + 1) * self.decades / cells
        return 10 ** (self.left + bounds), 10 ** (self.bottom + bounds)


WHOLE = Window(-1.0, -1.0, 4.0)


class Frame(NamedTuple):
    """A window, and what became of its trials.

    Attributes:
        window: Where it lies.
        table: The result table, a row per trial, the input layer's learning rate varying fastest.
        trainable: ``[row, column]`` bool: the trial goes on to the end.
        mean_loss: ``[row, column]`` float64: the mean of every tenth loss, over the first one; NaN where the trial does
            not.
        diverged_at: ``[row, column]`` float64, the update at which it ended, having diverged: NaN where it has not.
    """

    window: Window
    table: pd.DataFrame
    trainable: np.ndarray
    mean_loss: np.ndarray
    diverged_at: np.ndarray


def sweep_frame(objective: lrsweep.Objective, window: Window, cells: int, steps: int = STEPS) -> Frame:
    """Runs a trial for every cell of a window."""
    columns, rows = window.learning_rates(cells)
    trials = lrsweep.grid(learning_rate_1=rows, learning_rate_0=columns)
    swept = lrsweep.sweep(objective, layerwise_sgd, trials, steps=steps, stopping=STOPPING, record_every=RECORD_EVERY)
    ended = ended_at(swept.table).to_numpy(float, na_value=np.nan)
    diverged = ~np.isnan(ended)
    mean = swept.curves["loss"].mean(axis=1).to_numpy() / swept.table["initial_loss"].to_numpy()
    shape = cells, cells
    return Frame(
        window,
        swept.table,
        ~diverged.reshape(shape),
        np.where(diverged, np.nan, mean).reshape(shape),
        ended.reshape(shape),
    )


def ended_at(table: pd.DataFrame) -> pd.Series:
    """Gives the update at which each trial ended, having diverged; missing where it went on to the last (Int64)."""
    return table["diverged_at"].where(table["diverged_at"] == table["steps"])
