"""The best learning rates of draws of the seeds: a rule applied to each draw, a block of settings at a time."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.statistics._rules import BY_METRIC, SAFE, STEPS, ended_above
from lrsweep.statistics._settings import Block, Settings, blocks_of, trials_of
from lrsweep.statistics._summary import convergence_times, outcome_values, penalised
from lrsweep.statistics._survival import time_quantiles
from lrsweep.tables._parts import Table, head_of
from lrsweep.tables._schema import LEARNING_RATE, SEED, criterion_of, final

# How many numbers are worked on at a time: 32 MB; and how many a set of draws may have: 128 MB.
_NUMBERS_AT_A_TIME, NUMBERS_OF_DRAWS = 4_000_000, 16_000_000

# So many of the best settings are looked at before all others.
_FIRST = 4

# More than the rounding that the estimate of a median time allows for.
_ROUNDING = 1e-8


class Field(NamedTuple):
    """The trials of some settings, and draws of their seeds.

    Attributes:
        trials: The trials.
        row: ``[setting, trial]`` int, the rows of each setting's trials; -1 where it has fewer than others.
        seed_of: ``[setting, trial]`` int, the seed of each as its place among the table's.
        rate_of: ``[setting]`` int, its learning rate as its place among the table's.
        draws: ``[draw, seed]`` int, how often each seed is drawn.
        shared: ``[trial, draw]`` float, the same of the trials of every setting, where these have the same seeds in the
            same order; else None.
    """

    trials: pd.DataFrame
    row: np.ndarray
    seed_of: np.ndarray
    rate_of: np.ndarray
    draws: np.ndarray
    shared: np.ndarray | None

    @property
    def is_trial(self) -> np.ndarray:
        """``[setting, trial]`` bool, whether there is such a trial."""
        return self.row >= 0

    def weigh(self, marked: np.ndarray) -> np.ndarray:
        """Counts in each draw the trials of each setting that are marked: ``[setting, draw]`` float."""
        marked, draws = (marked & self.is_trial).astype(float), self.draws.T
        if self.shared is not None:
            return marked @ self.shared
        step = max(1, _NUMBERS_AT_A_TIME // (self.seed_of.shape[1] * draws.shape[1]))
        counts = [
            marked[first : first + step, None] @ draws[self.seed_of[first : first + step]].astype(float)
            for first in range(0, len(marked), step)
        ]
        return np.concatenate(counts)[:, 0]

    def parts(self, remaining: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Gives the draws of the settings that remain in some, in parts that fit into memory.

        Args:
            remaining: ``[setting, draw]`` bool.

        Yields:
            The settings and the draws, as their numbers; and ``[draw, setting, trial]`` int, how often each counts.
        """
        draws = np.flatnonzero(remaining.any(0))
        step = max(1, _NUMBERS_AT_A_TIME // (max(1, np.count_nonzero(remaining.any(1))) * self.row.shape[1]))
        for first in range(0, len(draws), step):
            part = draws[first : first + step]
            among = np.flatnonzero(remaining[:, part].any(1))
            yield among, part, np.where(self.is_trial[among], self.draws[part][:, self.seed_of[among]], 0)


def best_of_draws(
    table: Table, settings: Settings, rule: str, draws: np.ndarray, seeds: pd.Index | None, ranked: np.ndarray
) -> np.ndarray:
    """Gives the best learning rate of each draw of the seeds.

    Args:
        table: A result table, in which every trial has a learning rate.
        settings: Its settings.
        rule: What best means.
        draws: ``[draw, seed]`` int, how often each seed is drawn.
        seeds: The seeds; None where the table has none, and all trials count as one seed's.
        ranked: ``[setting]`` int, the settings from the best to the worst. The result does not depend on it: it is
            found sooner, for most settings are then seen to be worse than the first without a closer look.

    Returns:
        ``[draw]`` int, the place of each among the table's learning rates in ascending order; -1 where there is none.
    """
    head = head_of(table)
    rates = np.unique(settings.rows[LEARNING_RATE])
    place = np.searchsorted(rates, settings.rows[LEARNING_RATE])
    measured = [*([SEED] if seeds is not None else []), "status", "steps", "converged_at", "initial_loss", "final_loss"]
    columns = list(dict.fromkeys([*measured, *criterion_of(head).columns[:1]]))
    columns += [name for name in ("best_by", "best_mode") if name in head.columns]

    make, decided = _Fields(draws, seeds, place), np.full(len(draws), len(rates))
    if rule == SAFE:
        for block in blocks_of(table, settings, columns):
            decided = _least_unsafe(make.field(block), decided)
        return decided - 1
    leaders, first = Leaders(len(draws)), np.sort(ranked[:_FIRST])
    leaders.compete(make.field(trials_of(table, settings, first, columns), first), rule)
    for block in blocks_of(table, settings, columns):
        leaders.compete(make.field(block), rule)
    return leaders.rate


class _Fields:
    """Makes fields of blocks of trials, which mostly have the same seeds."""

    def __init__(self, draws: np.ndarray, seeds: pd.Index | None, rate_of: np.ndarray) -> None:
        self._draws, self._seeds, self._rate_of = draws, seeds, rate_of
        self._order, self._shared = np.empty(0, int), None

    def field(self, block: Block, settings: np.ndarray | None = None) -> Field:
        """Makes the field of a block; `settings` are its settings, where they are not neighbouring ones."""
        row = _pad_rows(block.setting)
        codes = np.zeros(len(block.trials), int)
        if self._seeds is not None:
            codes = self._seeds.get_indexer(pd.Index(block.trials[SEED]))
        seed_of, shared = np.where(row < 0, 0, codes[row]), None
        if (row[:, -1] >= 0).all() and (seed_of == seed_of[:1]).all():
            if self._shared is None or not np.array_equal(self._order, seed_of[0]):
                self._order, self._shared = seed_of[0], self._draws.T[seed_of[0]].astype(float)
            shared = self._shared
        which = slice(block.first, block.first + len(row)) if settings is None else settings
        return Field(block.trials, row, seed_of, self._rate_of[which], self._draws, shared)


class Leaders:
    """The best setting in each draw, of those that have been looked at.

    Attributes:
        rate: ``[draw]`` int, the place of its learning rate; -1 where there is no setting yet.
    """

    def __init__(self, draws: int) -> None:
        self.rate = np.full(draws, -1)
        # By its keys: the first that differs decides, and less is better.
        self._keys: list[np.ndarray] = []

    def compete(self, field: Field, rule: str) -> None:
        """Lets settings take the place of worse ones."""
        keys = _keys_of(field, rule)
        if not self._keys:
            self._keys = [np.full(len(self.rate), np.inf) for _ in keys]
        # Settings without a trial in a draw are out, and after each key those that are beaten.
        remaining = field.weigh((field.trials["status"] != "diverged").to_numpy()[field.row]) > 0
        tied, found = self.rate >= 0, []
        for key, least in zip(keys, self._keys, strict=True):
            bound = np.where(tied, least, np.inf)
            remaining &= ~_surely_above(key, field, remaining, bound)
            values = np.where(remaining, key.values(field, remaining), np.inf)
            found.append(values.min(0))
            remaining &= (values == found[-1]) & (values <= bound)
            tied &= found[-1] == bound
        better = remaining.any(0)
        rate = np.where(remaining, field.rate_of[:, None], field.rate_of.max()).min(0)
        self.rate = np.where(better, np.where(tied, np.minimum(self.rate, rate), rate), self.rate)
        self._keys = [np.where(better, new, old) for new, old in zip(found, self._keys, strict=True)]


class _Share(NamedTuple):
    """The share of a setting's trials that did not converge."""

    converged: np.ndarray

    def values(self, field: Field, remaining: np.ndarray) -> np.ndarray:
        del remaining
        return 1 - field.weigh(self.converged) / np.maximum(field.weigh(field.is_trial), 1)

    def is_above(self, field: Field, bound: float) -> np.ndarray:
        del bound
        return np.zeros((len(field.row), len(field.draws)), bool)


class _Time(NamedTuple):
    """The median time at which a setting's trials converge; infinite where there is none."""

    times: np.ndarray
    converged: np.ndarray

    def values(self, field: Field, remaining: np.ndarray) -> np.ndarray:
        def median(counts: np.ndarray, among: np.ndarray) -> np.ndarray:
            found = time_quantiles(self.times[among], self.converged[among], [0.5], counts)[0]
            return np.nan_to_num(found, nan=np.inf)

        return _exactly(field, remaining, median)

    def is_above(self, field: Field, bound: float) -> np.ndarray:
        # A share of those that converged by then is least where all that were censored by then never count.
        by_then = self.times <= bound
        converged, censored = field.weigh(by_then & self.converged), field.weigh(by_then & ~self.converged)
        return converged <= (0.5 - _ROUNDING) * (field.weigh(field.is_trial) - censored)


class _Median(NamedTuple):
    """The median of numbers of a setting's trials: NaN does not count, and the median of nothing is infinite."""

    numbers: np.ndarray

    def values(self, field: Field, remaining: np.ndarray) -> np.ndarray:
        return _exactly(field, remaining, lambda counts, among: _medians(self.numbers[among], counts))

    def is_above(self, field: Field, bound: float) -> np.ndarray:
        # Both of the numbers in the middle are.
        return field.weigh(self.numbers <= bound) <= (field.weigh(~np.isnan(self.numbers)) - 1) // 2


_Key = _Share | _Time | _Median


def _keys_of(field: Field, rule: str) -> list[_Key]:
    """Gives what settings are compared by: the first in which two differ decides."""
    criterion = criterion_of(field.trials)
    losses = _Median(outcome_values(field.trials, "final_loss")[field.row])
    deciding = _Median(criterion.sign * outcome_values(field.trials, final(criterion.name))[field.row])
    if rule == BY_METRIC:
        return [deciding, losses]
    if rule != STEPS:
        return [losses]
    times, converged = (column[field.row] for column in convergence_times(field.trials))
    return [_Share(converged), _Time(times, converged), deciding]


def _surely_above(key: _Key, field: Field, remaining: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Tells which settings are worse than the leader by a key, as far as counting tells: ``[setting, draw]`` bool."""
    bounded = np.isfinite(bound) & remaining.any(0)
    if not bounded.any():
        return np.zeros(remaining.shape, bool)
    return bounded & key.is_above(field, bound[bounded].max())


def _exactly(field: Field, remaining: np.ndarray, value: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Gives the value of each setting in each draw in which it remains, ``[setting, draw]`` float; else infinity."""
    values = np.full(remaining.shape, np.inf)
    for among, draws, counts in field.parts(remaining):
        values[np.ix_(among, draws)] = value(counts, among).T
    return values


def _least_unsafe(field: Field, least: np.ndarray) -> np.ndarray:
    """Gives in each draw the least learning rate that is not safe, where one is less than the least known so far."""
    unsafe = field.weigh((field.trials["status"] == "diverged").to_numpy()[field.row]) > 0
    starts = field.trials["initial_loss"].to_numpy(float)[field.row]
    ends = penalised(field.trials, "final_loss")[field.row]
    least = np.minimum(least, np.where(unsafe, field.rate_of[:, None], least).min(0))
    remaining = ~unsafe & (field.rate_of[:, None] < least)

    def above(counts: np.ndarray, among: np.ndarray) -> np.ndarray:
        return ended_above(_medians(starts[among], counts), _medians(ends[among], counts)).astype(float)

    unsafe = _exactly(field, remaining, above) == 1
    return np.minimum(least, np.where(unsafe, field.rate_of[:, None], least).min(0))


def _pad_rows(setting: np.ndarray) -> np.ndarray:
    """Puts every setting's rows beside one another, ``[setting, trial]`` int, padded with -1."""
    trials, order = np.bincount(setting), np.argsort(setting, kind="stable")
    rows = np.full((len(trials), trials.max()), -1)
    rows[np.arange(trials.max()) < trials[:, None]] = order
    return rows


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
