"""The rules by which a learning rate is the best, and how each is applied to draws of the seeds."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._summary import convergence_times, group_trials, outcome_values, penalised
from lrsweep.statistics._survival import time_quantiles
from lrsweep.tables._schema import LOSS, SEED, Criterion, criterion_of, final, settings_of

STEPS, BY_METRIC, SAFE = "steps", "metric", "safe"
RULES = (STEPS, LOSS, BY_METRIC, SAFE)

# A loss has ended above its start where it did so by more than this share of what it was.
_ABOVE = 0.01

# How many numbers are worked on at a time: 32 MB.
_NUMBERS_AT_A_TIME = 4_000_000


def default_rule(criterion: Criterion) -> str:
    """Gives the rule by which the best is chosen where none is named: "metric" where a metric decides, else "steps".

    Example:
        >>> default_rule(Criterion("accuracy", "max"))
        'metric'
    """
    return STEPS if criterion.name == LOSS else BY_METRIC


def resolve_rule(rule: Any, table: pd.DataFrame) -> str:
    """Gives the rule that is named, or the one that holds where none is; refuses what is no rule of this table."""
    criterion = criterion_of(table)
    if rule is None:
        return default_rule(criterion)
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(unknown("rule", rule, RULES))
    if rule == BY_METRIC and criterion.name == LOSS:
        raise InputError("the rule 'metric' goes by the metric of Objective(best_by=...), which this table has none of")
    return rule


# Applies a rule to draws of seeds: takes how often each seed is drawn, ``[draw, seed]`` int, and gives the place of the
# best learning rate, ``[draw]`` int, -1 where there is none.
Rule = Callable[[np.ndarray], np.ndarray]


def safe_rule(table: pd.DataFrame, place: np.ndarray, seeds: np.ndarray) -> Rule:
    """Makes the rule that takes the largest learning rate up to which none diverges, and none ends above its start."""
    _, setting = group_trials(table, [name for name in settings_of(table) if name != SEED])
    row = _pad_rows(setting)
    is_trial = row >= 0
    seed_of, rate_of = seeds[row], place[row[:, 0]]
    diverged = (table["status"] == "diverged").to_numpy()[row]
    starts, ends = table["initial_loss"].to_numpy(float)[row], penalised(table, "final_loss")[row]

    def apply(draws: np.ndarray) -> np.ndarray:
        best = []
        for part in _in_parts(draws, is_trial.size):
            counts = np.where(is_trial, part[:, seed_of], 0)
            unsafe = (counts * diverged).any(-1) | ended_above(_medians(starts, counts), _medians(ends, counts))
            best.append(np.where(unsafe, rate_of, place.max() + 1).min(-1) - 1)
        return np.concatenate(best)

    return apply


def ended_above(start: Any, end: Any) -> Any:
    """Tells whether a loss ended above its start by more than 1% of what it was.

    Args:
        start: Losses at the start, floats of any shape.
        end: Losses at the end, of that shape.

    Example:
        >>> ended_above(np.array([2.0, 2.0, 2.0]), np.array([0.1, 2.01, 3.0]))
        array([False, False,  True])
    """
    return end > start + _ABOVE * np.abs(start)


def least_rule(table: pd.DataFrame, place: np.ndarray, seeds: np.ndarray, rule: str) -> Rule:
    """Makes the rule that takes the setting whose first key is least, among equals the second key, and so on."""
    _, setting = group_trials(table, [name for name in settings_of(table) if name != SEED])
    row = _pad_rows(setting)
    is_trial = row >= 0
    seed_of, rate_of = seeds[row], place[row[:, 0]]
    times, converged = (column[row] for column in convergence_times(table))
    not_diverged = is_trial & (table["status"] != "diverged").to_numpy()[row]

    def share_not_converged(counts: np.ndarray, among: np.ndarray) -> np.ndarray:
        return 1 - (counts * converged[among]).sum(-1) / np.maximum(counts.sum(-1), 1)

    def time(counts: np.ndarray, among: np.ndarray) -> np.ndarray:
        return np.nan_to_num(time_quantiles(times[among], converged[among], [0.5], counts)[0], nan=np.inf)

    def median(name: str, sign: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        values = sign * outcome_values(table, name)[row]
        return lambda counts, among: _medians(values[among], counts)

    criterion = criterion_of(table)
    keys = [median("final_loss", 1)]
    if rule == BY_METRIC:
        keys = [median(final(criterion.name), criterion.sign), *keys]
    elif rule == STEPS:
        keys = [share_not_converged, time, median(final(criterion.name), criterion.sign)]

    def apply(draws: np.ndarray) -> np.ndarray:
        best = []
        for part in _in_parts(draws, is_trial.size):
            counts = np.where(is_trial, part[:, seed_of], 0)
            # Settings without a trial in a draw are out, and after each key those that are beaten: the later, costlier
            # keys are computed for few.
            remaining = (counts * not_diverged).sum(-1) > 0
            none = ~remaining.any(-1)
            if none.all():
                best.append(np.full(len(part), -1))
                continue
            for key in keys:
                among = np.flatnonzero(remaining.any(0))
                values = np.where(remaining[:, among], key(counts[:, among], among), np.inf)
                remaining[:, among] &= values == values.min(-1, keepdims=True)
            best.append(np.where(none, -1, np.where(remaining, rate_of, rate_of.max()).min(-1)))
        return np.concatenate(best)

    return apply


def _pad_rows(setting: np.ndarray) -> np.ndarray:
    """Puts every setting's rows beside one another, ``[setting, trial]`` int, padded with -1."""
    trials, order = np.bincount(setting), np.argsort(setting, kind="stable")
    rows = np.full((len(trials), trials.max()), -1)
    rows[np.arange(trials.max()) < trials[:, None]] = order
    return rows


def _in_parts(draws: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Gives the draws in parts that fit in memory; a draw takes `size` numbers."""
    step = max(1, _NUMBERS_AT_A_TIME // size)
    for first in range(0, len(draws), step):
        yield draws[first : first + step]


def _medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Gives the medians of ``[setting, trial]`` values that count ``[draw, setting, trial]`` times each.

    NaN does not count; the median of nothing is infinite.
    """
    order = np.argsort(values, -1)
    counts = np.where(np.isnan(values), 0, counts)
    values = np.take_along_axis(values, order, -1)
    up_to = np.cumsum(np.take_along_axis(counts, np.broadcast_to(order, counts.shape), -1), -1)
    total = up_to[..., -1:]

    def at(rank: np.ndarray) -> Any:
        first = (up_to > rank).argmax(-1)
        return values[np.arange(len(values)), first]

    return np.where(total[..., 0] > 0, (at((total - 1) // 2) + at(total // 2)) / 2, np.inf)
