"""What it costs to miss the best learning rate: how much loss, and how wide the range is that is good enough."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_number
from lrsweep.inputs._errors import InputError
from lrsweep.statistics._summary import group, penalised
from lrsweep.tables._schema import LEARNING_RATE, SEED, settings_of

_COLUMNS: dict[str, Any] = {
    LEARNING_RATE: float,
    "median_final_loss": float,
    "sensitivity": float,
    "low": float,
    "high": float,
    "decades": float,
    "open_below": bool,
    "open_above": bool,
}


def sensitivity(table: pd.DataFrame, *, factor: float = 2.0) -> pd.DataFrame:
    """What it costs to miss the best learning rate, for every setting of the other columns.

    Of each learning rate tried it takes the median final loss over seeds, `loss(lr)`, a diverged trial counting as
    infinite; `loss_0` is the median of the losses at the start. The sensitivity is, after Wortsman et al., 2023,
    arXiv:2309.14322, the mean over the learning rates of

        min(loss(lr), loss_0) - loss*,    with loss* the least of min(loss(lr), loss_0):

    what one who picks any of them loses against the best, if who does worse than the start keeps the start. Every
    learning rate tried counts alike, and the figure is about the range that they span: to compare settings, try the
    same ones with each, evenly spaced in the logarithm. A trial that stops where it has converged has a loss close to
    the target, whatever its learning rate: to compare losses, let trials run on (`Stopping(tolerance=0)`).

    The range around the best is that of neighbouring learning rates whose `loss(lr)` is at most `factor` times the
    least. Its ends lie where a straight line between the last that belongs to it and the next, in the logarithms of
    loss and learning rate, crosses that bound; where no such line can be drawn, because the next loss is infinite or
    the bound is 0, the last that belongs to it is the end.

    Args:
        table: A result table with a column `learning_rate`; a row in which it is missing or 0 is left out.
        factor: How many times the least loss is good enough, 1 or more.

    Returns:
        One row per setting of the caller's columns but `learning_rate` and `seed`, in the order they first appear:
        these columns, and then

        - `learning_rate` (float): the one whose median final loss is least; the smaller among equals.
        - `median_final_loss` (float): that loss.
        - `sensitivity` (float, in the loss's unit, 0 or more): 0 where only one was tried.
        - `low`, `high` (float): the ends of the range.
        - `decades` (float): how wide it is, `log10(high / low)`.
        - `open_below`, `open_above` (bool): whether the range runs into the least or the largest learning rate tried,
          and so may be wider.

        Where all diverged there is no best and no range, and the numbers are NaN; where the least loss is negative, for
        which a factor means nothing, those of the range are.

    Raises:
        ValueError: It is not a result table, it has no column `learning_rate`, or `factor` is out of bounds.

    Example:
        >>> lrsweep.sensitivity(result.table, factor=10)[["learning_rate", "sensitivity", "low", "high"]].round(3)
           learning_rate  sensitivity    low  high
        0            0.1        0.048  0.007   0.1
    """
    own = settings_of(table)
    if LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}, which its rows must differ in")
    check_number("factor", factor, "a finite number, 1 or more", lambda factor: 1 <= factor < np.inf)
    table = table[table[LEARNING_RATE] > 0]
    settings, setting = group(table, [name for name in own if name not in (LEARNING_RATE, SEED)])
    starts = table["initial_loss"].groupby(setting).median()
    losses = pd.Series(penalised(table, "final_loss")).groupby([setting, table[LEARNING_RATE].to_numpy(float)]).median()
    rows = [
        _miss(of_one.index.get_level_values(1).to_numpy(), of_one.to_numpy(), float(start), factor)
        for start, (_, of_one) in zip(starts, losses.groupby(level=0), strict=True)
    ]
    return pd.concat([settings, pd.DataFrame(rows, columns=pd.Index(_COLUMNS)).astype(_COLUMNS)], axis=1)


def _miss(rates: np.ndarray, losses: np.ndarray, start: float, factor: float) -> tuple[Any, ...]:
    """The row of one setting, from its learning rates in ascending order."""
    best = losses.argmin()
    least = losses[best]
    if np.isinf(least):
        return (*[np.nan] * 6, False, False)
    kept = np.fmin(losses, start)
    found = rates[best], least, (kept - kept.min()).mean()
    if least < 0:
        return (*found, *[np.nan] * 3, False, False)
    outside = np.flatnonzero(losses > factor * least)
    below, above = outside[outside < best], outside[outside > best]
    low = _edge(rates, losses, below[-1], +1, factor * least) if below.size else rates[0]
    high = _edge(rates, losses, above[0], -1, factor * least) if above.size else rates[-1]
    return *found, low, high, np.log10(high / low), not below.size, not above.size


def _edge(rates: np.ndarray, losses: np.ndarray, outside: int, inwards: int, bound: float) -> float:
    inside = outside + inwards
    if bound == 0 or np.isinf(losses[outside]):
        return rates[inside]
    part = np.log(bound / losses[inside]) / np.log(losses[outside] / losses[inside])
    return rates[inside] * (rates[outside] / rates[inside]) ** part
