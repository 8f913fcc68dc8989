"""Causes: why each trial ended as it did, in a word, from what was measured at its start and its end."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

# Curvature counts as none below this share of that at the start; and as negative, below 0 by this share of the largest.
_FLAT, _NEGATIVE = 1e-3, 1e-2

# A further gain counts from this share of the gap on.
_GAIN = 0.01


def add_diagnosis(
    table: pd.DataFrame,
    diagnosis: Any,
    sharpness_start: np.ndarray,
    theory: np.ndarray,
    *,
    batches: bool,
    minimum: float,
    loss_columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Adds a diagnosis of every trial to a result table.

    Args:
        table: A result table.
        diagnosis: ``[trial]`` arrays, what was measured where each ended.
        sharpness_start: ``[trial] float64``, the largest eigenvalue of the Hessian where it started.
        theory: ``[trial] float64``, the largest learning rate that theory allows there, NaN where it has no answer.
        batches: Whether an update used a part of the data only.
        minimum: The least value the loss can reach.
        loss_columns: See `causes`.

    Returns:
        The table with the columns of `DIAGNOSIS`: floats, but for `cause`.
    """
    rates = table["learning_rate"].to_numpy(float) if "learning_rate" in table.columns else np.nan
    steps = table["steps"].to_numpy(float)
    measured = {
        "sharpness_start": sharpness_start,
        "sharpness_end": diagnosis.largest,
        "sharpness_residual": diagnosis.residual,
        "least_eigenvalue_end": diagnosis.least,
        "stability": rates / theory,
        "overshoot": np.divide(diagnosis.overshot, steps, out=np.full(len(table), np.nan), where=steps > 0),
        "final_gradient_norm": diagnosis.gradient_norm,
    }
    columns = {name: np.asarray(column, float) for name, column in measured.items()}
    diagnosed = table.assign(**columns)
    return diagnosed.assign(cause=causes(diagnosed, batches=batches, minimum=minimum, loss_columns=loss_columns))


@np.errstate(invalid="ignore", over="ignore", divide="ignore")
def causes(
    table: pd.DataFrame,
    *,
    batches: bool,
    minimum: float,
    loss_columns: Sequence[str] = (),
    lowest: pd.DataFrame | None = None,
) -> pd.Series:
    """Gives the cause of each trial's end, in a word.

    It is the first of these that holds:

    - `converged`, `dropped`: its status.
    - `bad start`: it diverged before any update; or by the first one, and the sharpness where it started is not finite,
      as where the gradient is not.
    - `noise`: it oscillates, its updates use a part of the data only, and theory does not say that its learning rate is
      too large where it ended (`stability` with the sharpness of the end in place of that of the start is not above 1).
    - `too large`: it diverged, or oscillates, because its learning rate is too large.
    - `flat`: it is stalled where no curvature reaches 1/1000 of the sharpness at the start: a plateau.
    - `too small`: it is slow, because its learning rate is too small; or it is stalled where one more step could gain
      1% of the gap or more. That gain is taken to be `gradient_norm**2 / (2 sharpness_end)`: what the best step along
      the gradient gains on a quadratic.
    - `saddle`: it is stalled where the least eigenvalue is below 0 by 1/100 of the largest in magnitude.
    - `local minimum`: it is stalled anywhere else, and a lower loss is known: the objective states a minimum other than
      0, or some trial of the table has been lower by 1% of the gap or more.
    - `unknown minimum`: it is stalled, and the loss it came to rest at may be the least there is.

    Args:
        table: A result table with the columns of `DIAGNOSIS` but `cause`.
        batches: Whether an update used a part of the data only.
        minimum: The least value the loss can reach.
        loss_columns: The columns that the loss takes, and those that the program is compiled for: losses of trials
            that differ in one of them cannot be compared.
        lowest: What `lowest_losses` gives of the whole table, where this one is a part of it.

    Returns:
        A Series of str, on the table's index.
    """
    status: Any = table["status"].astype(str)
    diverged_at = pd.Series(table["diverged_at"].to_numpy(float, na_value=np.nan), table.index)
    largest, least = table["sharpness_end"], table["least_eigenvalue_end"]
    curvature = np.maximum(largest.abs(), least.abs())
    end_stability = table["stability"] * largest / table["sharpness_start"]
    gain = table["final_gradient_norm"] ** 2 / (2 * largest)
    gap = table["final_loss"] - minimum
    found = lowest_losses([table], loss_columns) if lowest is None else lowest
    lower = found["best_loss"].iloc[0] if not loss_columns else _joined(table, found, loss_columns)
    oscillates, stalled = status == "oscillating", status == "stalled"
    rules = {
        "converged": status == "converged",
        "dropped": status == "dropped",
        "bad start": (diverged_at == 0) | ((diverged_at == 1) & ~np.isfinite(table["sharpness_start"])),
        "noise": oscillates & batches & ~(end_stability > 1),
        "too large": oscillates | (status == "diverged"),
        "flat": stalled & (curvature <= _FLAT * table["sharpness_start"].abs()),
        "too small": (status == "slow") | (stalled & (largest > 0) & (gain >= _GAIN * gap)),
        "saddle": stalled & (least < -_NEGATIVE * curvature),
        "local minimum": stalled & ((minimum != 0) | (lower < table["final_loss"] - _GAIN * gap.abs())),
    }
    words = np.select([rule.to_numpy(bool) for rule in rules.values()], list(rules), "unknown minimum")
    return pd.Series(words, table.index, dtype="str")


def lowest_losses(parts: Iterable[pd.DataFrame], loss_columns: Sequence[str]) -> pd.DataFrame:
    """Gives the lowest loss of all trials whose losses can be compared.

    Args:
        parts: A result table, part after part.
        loss_columns: See `causes`.

    Returns:
        One row per combination of these columns: they, and `best_loss`.

    Example:
        >>> lowest_losses([result.table], ["learning_rate"]).shape, lowest_losses([result.table], []).shape
        ((3, 2), (1, 1))
    """
    names = list(loss_columns)
    found = [_lowest(part[[*names, "best_loss"]], names) for part in parts]
    return _lowest(pd.concat(found, ignore_index=True), names)


def _lowest(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    if not names:
        return pd.DataFrame({"best_loss": [table["best_loss"].min()]})
    return table.groupby(names, dropna=False, observed=True, sort=False)["best_loss"].min().reset_index()


def _joined(table: pd.DataFrame, lowest: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    return table[list(names)].merge(lowest, on=list(names), how="left")["best_loss"].set_axis(table.index)
