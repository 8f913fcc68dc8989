"""Which setting is best, which learning rate, and how far the seeds leave that open."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._summary import LEVEL, convergence_times, group, penalised, summarize
from lrsweep.statistics._survival import time_quantiles
from lrsweep.tables._schema import LEARNING_RATE, SEED, best_by_of, final, settings_of

RULES = ("steps", "loss", "safe")

# How often the seeds are drawn again, at the least and at the most, and how many trials that makes in all: seconds.
_RESAMPLES, _REDRAWN = (99, 999), 100_000_000

# How many numbers are worked on at a time: 32 MB of them.
_AT_ONCE = 4_000_000


class Best(NamedTuple):
    """The best learning rate of a table, and how far its seeds leave that open.

    Attributes:
        learning_rate: The best one; NaN where the rule finds none, as where every trial diverged.
        low: The lower end of its interval, one of the learning rates tried; NaN where there is no interval.
        high: The upper end.
        rule: What best means: "steps", "loss" or "safe".

    Example:
        >>> lrsweep.best_learning_rate(result.table, rule="loss")
        Best(learning_rate=0.1, low=nan, high=nan, rule='loss')
    """

    learning_rate: float
    low: float
    high: float
    rule: str


def rank(summary: pd.DataFrame, best_by: str, rule: str = "steps") -> pd.DataFrame:
    """A summary's rows from the best setting to the worst, by a rule of `best_learning_rate`: "steps" or "loss".

    Among equals one of whose trials some did not diverge comes before one of whose all did.

    Args:
        summary: What `summarize` returns.
        best_by: What decides among settings that converged alike: the loss, or a metric.
        rule: What best means.
    """
    keys = {"final_loss": summary["median_final_loss"]}
    if rule == "steps":
        keys = {
            "converged": -summary["converged"],
            "converged_at": summary["median_converged_at"].astype(float).fillna(np.inf),
            "final": summary[f"median_{final(best_by)}"].fillna(np.inf),
        }
    keys["lost"] = summary["diverged"] == 1
    ordered = pd.DataFrame(keys | {LEARNING_RATE: summary.get(LEARNING_RATE, 0.0)})
    return summary.loc[ordered.sort_values(ordered.columns.tolist(), kind="stable").index]


def best_setting(table: pd.DataFrame) -> pd.Series:
    """The best setting's row of `summarize(table)`, by the rule "steps" of `best_learning_rate`.

    Where every trial diverged there is none: the columns of the setting are then NaN.

    Raises:
        ValueError: It is not a result table, or it has no rows.

    Example:
        >>> float(lrsweep.best_setting(result.table)["median_converged_at"])
        51.0
    """
    settings_of(table)
    if len(table) == 0:
        raise InputError("the table is empty: there is no best setting among no trials")
    best = rank(summarize(table), best_by_of(table)).iloc[0]
    if best["diverged"] == 1:
        names = best.index[: best.index.get_loc("trials")]
        best = best.astype(object).where(~best.index.isin(names), np.nan)
    return best


def best_learning_rate(
    table: pd.DataFrame, *, rule: str = "steps", level: float = LEVEL, resamples: int | None = None, seed: int = 0
) -> Best:
    """The best learning rate, with an interval that says how far another draw of seeds might move it.

    The interval is the percentile bootstrap's (Efron, 1979, doi:10.1214/aos/1176344552), over seeds, in pairs: of the
    table's seeds as many are drawn again, with replacement, each with all of its trials, and the rule is applied to
    what was drawn; the ends are learning rates that were tried. A setting that lacks a seed has fewer trials where
    that seed is drawn, and is passed over where none of its own are. The interval is on the safe side: asked for 95%,
    it held the truth in 96 to 100% of tables for which it is known (`tests/test_coverage.py`).

    Args:
        table: A result table with a column `learning_rate`; a row in which it is missing is left out.
        rule: What best means.

            - "steps": the largest share of trials that converged; among equals the least median `converged_at`; among
              those (as where none converged) the least median final loss, or the median at the end of the metric that
              decides the best, where one does, a diverged trial counting as infinite; then the smaller learning rate.
            - "loss": the least median final loss, a diverged trial counting as infinite; then the smaller rate.
            - "safe": the largest at which, and below which, no trial diverged, whatever its other columns. It can only
              fall as seeds are added, so that its interval leans upwards: it starts at the rate itself.

            Of the first two the rate is that of the best setting among every combination of the caller's columns, of
            those of which some trial did not diverge; where every trial did, it is NaN. So it is with each draw of the
            seeds, and an end of the interval is NaN where that many draws leave no trial that did not diverge.
        level: How sure the interval is to hold the learning rate that would be best over all seeds, from 0 to 1.
        resamples: How many times the seeds are drawn again; where it is left out 999 times, or as often as makes a
            hundred million trials, 99 times at the least.
        seed: Of the draws: the same one gives the same interval.

    Returns:
        The learning rate and its interval; without a column `seed`, or with one seed only, there is no interval.

    Raises:
        ValueError: It is not a result table, it has no rows, no column `learning_rate`, there is no such rule, `level`
            or `resamples` is out of bounds, or what decides the best differs from row to row.

    Example:
        >>> lrsweep.best_learning_rate(result.table).learning_rate
        0.1
    """
    own = settings_of(table)
    if LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}: see best_setting")
    table = table[table[LEARNING_RATE].notna()]
    if len(table) == 0:
        raise InputError("the table is empty: there is no best learning rate among no trials")
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(unknown("rule", rule, RULES))
    check_number("level", level, "between 0 and 1", lambda share: 0 < share < 1)
    if resamples is None:
        resamples = max(_RESAMPLES[0], min(_RESAMPLES[1], _REDRAWN // len(table)))
    check_count("resamples", resamples)
    check_count("seed", seed, least=0)
    seeds = pd.factorize(table[SEED], use_na_sentinel=False)[0] if SEED in own else np.zeros(len(table), int)
    # In ascending order, so that the interval can be one of places.
    rates, place = np.unique(table[LEARNING_RATE], return_inverse=True)
    count = int(seeds.max()) + 1
    apply = _safe(table, place, seeds) if rule == "safe" else _least(table, place, seeds, rule)
    (best,) = apply(np.ones((1, count), int))
    low = high = -1
    if count > 1:
        draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
        drawn = apply(draws)
        low = np.quantile(drawn, (1 - level) / 2, method="lower")
        high = np.quantile(drawn, (1 + level) / 2, method="higher")
    rate, least, most = (float(rates[at]) if at >= 0 else float("nan") for at in (best, low, high))
    return Best(rate, least, most, rule)


# What a rule says of some draws: from how often each seed is drawn, ``[draw, seed]`` int, to the place of the best
# learning rate, ``[draw]`` int, -1 where there is none.
Rule = Callable[[np.ndarray], np.ndarray]


def _safe(table: pd.DataFrame, place: np.ndarray, seeds: np.ndarray) -> Rule:
    # Of every seed the least rate that diverged; where none did, the place above all.
    first = np.full(seeds.max() + 1, place.max() + 1)
    diverged = (table["status"] == "diverged").to_numpy()
    np.minimum.at(first, seeds[diverged], place[diverged])
    return lambda draws: np.where(draws > 0, first, place.max() + 1).min(-1) - 1


def _least(table: pd.DataFrame, place: np.ndarray, seeds: np.ndarray, rule: str) -> Rule:
    """The rule of the setting in which a first number is least, among equals a second one, and so on."""
    _, setting = group(table, [name for name in settings_of(table) if name != SEED])
    row = _side_by_side(setting)
    there = row >= 0
    seed_of, rate_of = seeds[row], place[row[:, 0]]
    times, converged = (column[row] for column in convergence_times(table))
    lasts = there & (table["status"] != "diverged").to_numpy()[row]

    def lost_share(counts: np.ndarray, among: np.ndarray) -> np.ndarray:
        return 1 - (counts * converged[among]).sum(-1) / np.maximum(counts.sum(-1), 1)

    def time(counts: np.ndarray, among: np.ndarray) -> np.ndarray:
        return np.nan_to_num(time_quantiles(times[among], converged[among], [0.5], counts)[0], nan=np.inf)

    def median(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        values = penalised(table, name)[row]
        return lambda counts, among: _medians(values[among], counts)

    keys = [median("final_loss")] if rule == "loss" else [lost_share, time, median(final(best_by_of(table)))]

    def apply(draws: np.ndarray) -> np.ndarray:
        found = []
        for some in _parts(draws, there.size):
            # Left out is who has no trial in a draw, and then whoever is beaten: few are looked at to the end.
            counts = np.where(there, some[:, seed_of], 0)
            left = (counts * lasts).sum(-1) > 0
            none = ~left.any(-1)
            if none.all():
                found.append(np.full(len(some), -1))
                continue
            for key in keys:
                among = np.flatnonzero(left.any(0))
                values = np.where(left[:, among], key(counts[:, among], among), np.inf)
                left[:, among] &= values == values.min(-1, keepdims=True)
            found.append(np.where(none, -1, np.where(left, rate_of, rate_of.max()).min(-1)))
        return np.concatenate(found)

    return apply


def _side_by_side(setting: np.ndarray) -> np.ndarray:
    """Every setting's rows beside one another, ``[setting, trial]`` int; -1 fills up where there are fewer."""
    trials, order = np.bincount(setting), np.argsort(setting, kind="stable")
    rows = np.full((len(trials), trials.max()), -1)
    rows[np.arange(trials.max()) < trials[:, None]] = order
    return rows


def _parts(draws: np.ndarray, size: int) -> Iterator[np.ndarray]:
    step = max(1, _AT_ONCE // size)
    for first in range(0, len(draws), step):
        yield draws[first : first + step]


def _medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The median of ``[setting, trial]`` values, each of which counts ``[draw, setting, trial]`` times.

    What is not a number does not count; infinity where nothing does.
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
