"""Sensitivity to the learning rate: how much loss missing the best one costs, and how wide the good range is."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_number
from lrsweep.inputs._errors import InputError
from lrsweep.statistics._quartiles import summarize_outcome
from lrsweep.statistics._select import group_medians
from lrsweep.statistics._settings import group_trials
from lrsweep.tables._parts import Table, head_of, rows_where
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


def sensitivity(table: Table, *, factor: float = 2.0) -> pd.DataFrame:
    """Measures what it costs to miss the best learning rate, for every setting of the other columns.

    With `loss(lr)` the median final loss over the seeds of a learning rate, a diverged trial counting as infinite, and
    `loss_0` the median of the losses at the start, the sensitivity is, after Wortsman et al., 2023, arXiv:2309.14322,
    the mean over the learning rates of

        min(loss(lr), loss_0) - loss*,    with loss* the least of min(loss(lr), loss_0):

    how much more loss than with the best one is to be expected with a learning rate picked at random from those tried,
    if a result worse than the start is given up for the start. Every learning rate tried counts alike, so the number
    depends on the range that they span: to compare settings, try the same ones with each, evenly spaced in the
    logarithm. A trial that stops where it has converged has a loss close to the target, whatever its learning rate: to
    compare losses, let trials run on (`Stopping(tolerance=0)`).

    The range around the best holds the neighbouring learning rates whose `loss(lr)` is at most `factor` times the
    least. An end lies where a straight line from the last learning rate inside to the first outside, in the logarithms
    of loss and learning rate, crosses that bound; where no such line can be drawn, because the loss outside is infinite
    or the bound is 0, the last one inside is the end.

    Args:
        table: A result table, or a `Store`, with a column `learning_rate`; rows in which it is missing or 0 are left
            out.
        factor: Losses up to so many times the least are good enough, 1 or more.

    Returns:
        One row per setting of the caller's columns but `learning_rate` and `seed`, in the order they first appear:
        these columns, and then

        - `learning_rate` (float): the one whose median final loss is least; the smaller among equals.
        - `median_final_loss` (float): that loss.
        - `sensitivity` (float, in the loss's unit, 0 or more): 0 where only one learning rate was tried, NaN where
          the losses at the start are not known, as of runs of other programs.
        - `low`, `high` (float): the ends of the range.
        - `decades` (float): how wide it is, `log10(high / low)`.
        - `open_below`, `open_above` (bool): whether the range reaches the least or the largest learning rate tried, and
          so may be wider.

        Where all diverged, or no loss is known, there is no best and no range, and the numbers are NaN. Where the least
        loss is negative, a factor means nothing, and the numbers of the range are NaN.

    Raises:
        ValueError: It is not a result table, it has no column `learning_rate`, or `factor` is out of bounds.

    Example:
        >>> lrsweep.sensitivity(result.table, factor=10)[["learning_rate", "sensitivity", "low", "high"]].round(3)
           learning_rate  sensitivity    low  high
        0            0.1        0.048  0.007   0.1
    """
    own = settings_of(head_of(table))
    if LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}, which its rows must differ in")
    check_number("factor", factor, "a finite number, 1 or more", lambda factor: 1 <= factor < np.inf)
    table = rows_where(table, [LEARNING_RATE], lambda rows: rows[LEARNING_RATE] > 0)
    settings = [name for name in own if name != SEED]
    return costs_of(table, summarize_outcome(table, "final_loss", settings), factor)


def costs_of(table: Table, losses: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Gives what `sensitivity` gives, from the median losses of the settings.

    Args:
        table: The trials, all with a learning rate above 0.
        losses: What `summarize_outcome` gives for their `final_loss`.
        factor: As `sensitivity` takes it.
    """
    names = [name for name in losses.columns[: losses.columns.get_loc("trials")] if name != LEARNING_RATE]
    settings, starts = group_medians(table, names, ["initial_loss"], lambda trials: trials["initial_loss"])
    # Of these the settings first appear in the same order.
    groups = losses[[LEARNING_RATE, "median"]].astype(float).groupby(group_trials(losses, names)[1])
    by_setting = [by_rate.sort_values(LEARNING_RATE).to_numpy() for _, by_rate in groups]
    rows = [
        _row(rates=by_rate[:, 0], losses=by_rate[:, 1], start=float(start), factor=factor)
        for start, by_rate in zip(starts, by_setting, strict=True)
    ]
    return pd.concat([settings, pd.DataFrame(rows, columns=pd.Index(_COLUMNS)).astype(_COLUMNS)], axis=1)


def _row(rates: np.ndarray, losses: np.ndarray, start: float, factor: float) -> tuple[Any, ...]:
    """Gives the row of one setting, from its learning rates in ascending order."""
    is_known = ~np.isnan(losses)
    rates, losses = rates[is_known], losses[is_known]
    if not np.isfinite(losses).any():
        return (*[np.nan] * 6, False, False)
    best = losses.argmin()
    least = losses[best]
    kept = np.minimum(losses, start)
    cost = rates[best], least, (kept - kept.min()).mean()
    if least < 0:
        return (*cost, *[np.nan] * 3, False, False)
    outside = np.flatnonzero(losses > factor * least)
    below, above = outside[outside < best], outside[outside > best]
    low = _end_of_range(rates, losses, below[-1], +1, factor * least) if below.size else rates[0]
    high = _end_of_range(rates, losses, above[0], -1, factor * least) if above.size else rates[-1]
    return *cost, low, high, np.log10(high / low), not below.size, not above.size


def _end_of_range(rates: np.ndarray, losses: np.ndarray, outside: int, inwards: int, bound: float) -> float:
    """Gives the learning rate, between the last inside the range and the first outside, where the loss is the bound."""
    inside = outside + inwards
    if bound == 0 or np.isinf(losses[outside]):
        return rates[inside]
    share = np.log(bound / losses[inside]) / np.log(losses[outside] / losses[inside])
    return rates[inside] * (rates[outside] / rates[inside]) ** share
