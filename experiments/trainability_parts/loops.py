"""Plain loops, in NumPy and in JAX, that the frames are held against."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import lrsweep
from trainability_parts.boundary import mark_boundary
from trainability_parts.trials import STEPS, STOPPING, Frame, Params, ended_at, layerwise_sgd, squared_error


def loss_and_grads(params: Params, data: Mapping[str, Any]) -> tuple[Any, Params]:
    """Computes `squared_error` and its gradient in NumPy, by hand."""
    width, examples = params["output"].size, len(data["y"])
    scale = np.sqrt(2 / width)
    hidden = np.tanh(scale * (data["x"] @ params["input"]))
    error = hidden @ params["output"] / width - data["y"]
    push = 2 / (width * examples) * error
    before = np.outer(push, params["output"]) * (1 - hidden**2)
    return np.mean(error**2), {"input": scale * data["x"].T @ before, "output": hidden.T @ push}


# What flies away may pass the largest number on its way.
@np.errstate(all="ignore")
def numpy_loop(objective: lrsweep.Objective, rates: Mapping[str, float], steps: int) -> int | None:
    """Trains one network, update after update, in NumPy.

    Args:
        objective: Its data, and where it starts.
        rates: The learning rates, by layer.
        steps: How many updates.

    Returns:
        The update at which it diverged, or None.
    """
    params, first = objective.init, None
    for k in range(steps + 1):
        loss, grads = loss_and_grads(params, objective.data)
        first = loss if first is None else first
        finite = all(np.isfinite(layer).all() for layer in params.values())
        if not (finite and loss <= first + STOPPING.divergence * first):
            return k
        params = {name: layer - rates[name] * grads[name] for name, layer in params.items()}
    return None


def jax_loop(objective: lrsweep.Objective, trials: pd.DataFrame, steps: int) -> list[int | None]:
    """Trains a network for every row by `jit(vmap(scan))`, each to the last step.

    Returns:
        The update at which each diverged, or None.
    """

    def train(first_rate: Any, second_rate: Any, data: Any) -> Any:
        def step(params: Params, _: None) -> Any:
            loss, grads = jax.value_and_grad(squared_error)(params, data)
            finite = jnp.all(jnp.array([jnp.isfinite(layer).all() for layer in params.values()]))
            after = {
                "input": params["input"] - first_rate * grads["input"],
                "output": params["output"] - second_rate * grads["output"],
            }
            return after, (loss, finite)

        return jax.lax.scan(step, jax.tree.map(jnp.asarray, objective.init), length=steps + 1)[1]

    rates = (trials[name].to_numpy() for name in ("learning_rate_0", "learning_rate_1"))
    losses, finite = map(np.asarray, jax.jit(jax.vmap(train, in_axes=(0, 0, None)))(*rates, objective.data))
    left = ~(finite & (losses <= losses[:, :1] + STOPPING.divergence * losses[:, :1]))
    return [int(row.argmax()) if row.any() else None for row in left]


def sample(frame: Frame, count: int, seed: int) -> dict[str, np.ndarray]:
    """Picks random cells of a frame: of all, and of those at its boundary, on either side.

    Returns:
        By the kind of cell ``[cell]`` int, rows of the frame's table; at most `count`, each once.
    """
    draw, marked = np.random.default_rng(seed), mark_boundary(frame.trainable)
    four = (np.roll(marked, shift, axis=(0, 1)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1)))
    kinds = {"anywhere": np.arange(marked.size), "boundary": np.flatnonzero(np.any(list(four), axis=0))}
    return {name: draw.choice(places, min(count, len(places)), replace=False) for name, places in kinds.items()}


def compare(objective: lrsweep.Objective, frames: Sequence[Frame], count: int, steps: int = STEPS) -> pd.DataFrame:
    """Runs random cells of every frame again, with lrsweep and without.

    Args:
        objective: What the frames were made with.
        frames: The frames.
        count: How many cells of each kind of a frame, see `sample`.
        steps: How many updates a trial makes.

    Returns:
        One row per cell: its `frame`, its `kind`, and the update at which it diverged (Int64, missing where it did
        not) as said by `map`, the frame; `numpy`, `numpy_loop`; `nudged`, lrsweep with both learning rates larger by
        one unit in the last place, which says what rounding alone can do; `plain`, lrsweep laid out as JAX lays a loop
        out by itself; and `jax`, `jax_loop`.
    """
    parts = [
        frame.table.iloc[places].assign(frame=number, kind=kind)
        for number, frame in enumerate(frames)
        for kind, places in sample(frame, count, seed=number).items()
    ]
    cells = pd.concat(parts, ignore_index=True)
    trials = cells[["learning_rate_0", "learning_rate_1"]]

    def sweep_again(trials: pd.DataFrame, layout: lrsweep.Layout | None = None) -> Any:
        swept = lrsweep.sweep(objective, layerwise_sgd, trials, steps=steps, stopping=STOPPING, layout=layout)
        return ended_at(swept.table).array

    rates = zip(trials["learning_rate_0"], trials["learning_rate_1"], strict=True)
    alone = [numpy_loop(objective, {"input": first, "output": second}, steps) for first, second in rates]
    return cells[["frame", "kind"]].assign(
        map=ended_at(cells),
        numpy=pd.array(alone, dtype="Int64"),
        nudged=sweep_again(pd.DataFrame({name: np.nextafter(trials[name], np.inf) for name in trials})),
        plain=sweep_again(trials, lrsweep.Layout()),
        jax=pd.array(jax_loop(objective, trials, steps), dtype="Int64"),
    )


# Who is held against whom.
PAIRS = {"numpy": "map", "nudged": "map", "jax": "plain"}


def agreement(compared: pd.DataFrame) -> pd.DataFrame:
    """Counts how many of the cells of `compare` agree, by frame and kind.

    Returns:
        `cells`; and for `numpy` and `nudged` against the map, and `jax` against lrsweep in the plain layout, how many
        end the same way, `numpy_status`; how many have the same `diverged_at` or none in both, `numpy_update`; and
        the most updates that two of them are apart, `numpy_apart`.
    """
    by = [compared["frame"], compared["kind"]]
    columns: dict[str, pd.Series] = {"cells": compared["map"].groupby(by, sort=False).size()}
    for name, other in PAIRS.items():
        ours, theirs = compared[other], compared[name]
        columns[f"{name}_status"] = (ours.isna() == theirs.isna()).groupby(by, sort=False).sum()
        columns[f"{name}_update"] = (ours.fillna(-1) == theirs.fillna(-1)).groupby(by, sort=False).sum()
        columns[f"{name}_apart"] = (ours - theirs).abs().fillna(0).groupby(by, sort=False).max()
    return pd.DataFrame(columns).astype(int).reset_index()
