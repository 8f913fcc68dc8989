"""What an entry of the benchmark is, and how one without lrsweep makes a table of the losses that it recorded."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

import lrsweep

# An entry is a function that makes, of a workload, one of these: from trials to a finished table.
Run = Callable[[pd.DataFrame], pd.DataFrame]

STATUS = pd.CategoricalDtype(["converged", "diverged", "slow", "oscillating", "stalled"])


class MissingError(Exception):
    """What an entry needs is not installed."""


@np.errstate(all="ignore")
def end_trials(losses: Any, minimum: float, stopping: lrsweep.Stopping, xp: Any) -> dict[str, Any]:
    """Finds in recorded losses when each trial ended, and how.

    Args:
        losses: ``[..., step]``, those of all steps, whether the trial had ended or not.
        minimum: The least value that the loss can reach.
        stopping: When a trial ends.
        xp: `numpy` or `jax.numpy`.

    Returns:
        ``[...]`` arrays; -1 where there is no such update.
    """
    steps = losses.shape[-1]
    gaps, first = losses - minimum, losses[..., :1]
    scale = xp.maximum(abs(gaps[..., :1]), abs(first))
    far = ~(losses <= first + stopping.divergence * scale) | ~xp.isfinite(losses)
    low = losses <= first + scale
    last_low = steps - 1 - low[..., ::-1].argmax(-1)
    near = gaps <= stopping.tolerance * gaps[..., :1]
    # What it is at in the last update counts as held to the end of the window.
    beyond = xp.ones((*near.shape[:-1], stopping.hold - 1), bool)
    near = xp.concatenate([near, beyond], axis=-1)
    held = reduce(xp.logical_and, [near[..., place : place + steps] for place in range(stopping.hold)])
    converged_at = xp.where(held.any(-1), held.argmax(-1), steps)
    diverged_at = xp.where(far.any(-1), far.argmax(-1), steps)
    end = xp.minimum(xp.minimum(converged_at + stopping.hold - 1, diverged_at), steps - 1)
    seen = xp.arange(steps) <= end[..., None]
    converged = (converged_at < diverged_at) & (converged_at < steps)
    # What stayed above during the whole last quarter has diverged too.
    stayed = (last_low < steps - -(-(steps - 1) // 4)) & (diverged_at == steps)
    diverged_at = xp.where(stayed, last_low + 1, diverged_at)
    return {
        "converged_at": xp.where(converged, converged_at, -1),
        "diverged_at": xp.where((diverged_at < steps) & ~converged, diverged_at, -1),
        "initial_loss": losses[..., 0],
        "final_loss": xp.take_along_axis(losses, end[..., None], axis=-1)[..., 0],
        "best_loss": xp.where(seen & ~xp.isnan(losses), losses, xp.inf).min(-1),
    }


def tabulate(trials: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Makes a table of the trials and what became of each.

    Args:
        trials: The trials.
        columns: By name ``[trial]`` arrays; in `converged_at` and `diverged_at` -1 is missing.
    """
    table: dict[str, Any] = {str(name): trials[name] for name in trials.columns}
    for name, column in columns.items():
        column = np.asarray(column)
        if name == "status":
            table[name] = pd.Categorical.from_codes(column, dtype=STATUS)
        elif name in ("converged_at", "diverged_at"):
            table[name] = pd.arrays.IntegerArray(column.astype(np.int64, copy=False), column < 0)
        else:
            table[name] = column.astype(np.float64 if column.dtype.kind == "f" else np.int64, copy=False)
    return pd.DataFrame(table, copy=False)
