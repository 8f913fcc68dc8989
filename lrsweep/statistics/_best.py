"""The best setting, the best learning rate, and the interval of learning rates that may be best over other seeds."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._display import setting_names
from lrsweep.statistics._summary import LEVEL, convergence_times, group_trials, outcome_values, summarize
from lrsweep.statistics._survival import time_quantiles
from lrsweep.tables._schema import LEARNING_RATE, SEED, Criterion, criterion_of, final, settings_of

RULES = ("steps", "loss", "safe")

# The least and the most resamples of the seeds, and how many trials to draw in all of them, which takes seconds.
_RESAMPLES, _TRIALS_DRAWN = (99, 999), 100_000_000

# How many numbers are worked on at a time: 32 MB.
_NUMBERS_AT_A_TIME = 4_000_000


class Best(NamedTuple):
    """The best learning rate of a table, and its interval over seeds.

    Attributes:
        learning_rate: The best one; NaN where there is none by the rule, as where every trial diverged.
        low: The lower end of its interval, one of the learning rates tried; NaN where there is no interval.
        high: The upper end.
        rule: What best means: "steps", "loss" or "safe".
        setting: The caller's columns of the best setting by name, the learning rate among them, without those that its
            optimizer does not take; empty where there is none.

    Example:
        >>> lrsweep.best_learning_rate(result.table, rule="loss")
        Best(learning_rate=0.1, low=nan, high=nan, rule='loss', setting={'learning_rate': 0.1})
    """

    learning_rate: float
    low: float
    high: float
    rule: str
    setting: dict[str, Any]


def rank(summary: pd.DataFrame, criterion: Criterion, rule: str = "steps") -> pd.DataFrame:
    """Sorts a summary's rows from the best setting to the worst, by the rule "steps" or "loss" of `best_learning_rate`.

    Among equals a setting of which some trial did not diverge comes before one of which all did.

    Args:
        summary: What `summarize` returns.
        criterion: What decides among settings that converged equally often and fast: the loss, or a metric.
        rule: What best means.
    """
    keys = {"final_loss": summary["median_final_loss"]}
    if rule == "steps":
        keys = {
            "converged": -summary["converged"],
            "converged_at": summary["median_converged_at"].astype(float).fillna(np.inf),
            "final": (criterion.sign * summary[f"median_{final(criterion.name)}"]).fillna(np.inf),
        }
    keys["all_diverged"] = summary["diverged"] == 1
    ordered = pd.DataFrame(keys | {LEARNING_RATE: summary.get(LEARNING_RATE, 0.0)})
    return summary.loc[ordered.sort_values(ordered.columns.tolist(), kind="stable").index]


def best_setting(table: pd.DataFrame, *, rule: str = "steps") -> pd.Series:
    """Gives the best setting's row of `summarize(table)`.

    Args:
        table: A result table.
        rule: What best means, as in `best_learning_rate`. By the rule "safe" it is the best by the rule "steps" among
            those with the largest learning rate at which, and below which, no trial diverged.

    Returns:
        All of the setting's columns, and its statistics. Where every trial diverged, or no learning rate is safe, there
        is no best one: the columns of the setting are then NaN, and the statistics those of the last to be ruled out.

    Raises:
        ValueError: It is not a result table, it has no rows, there is no such rule, or by the rule "safe" no column
            `learning_rate`.

    Example:
        >>> best = lrsweep.best_setting(result.table)
        >>> float(best["learning_rate"]), float(best["median_converged_at"])
        (0.1, 51.0)
    """
    own = settings_of(table)
    if len(table) == 0:
        raise InputError("the table is empty: there is no best setting among no trials")
    _check_rule(rule)
    if rule == "safe" and LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}, which the rule 'safe' is about")
    summary = summarize(table)
    ranked = rank(summary, criterion_of(table), "steps" if rule == "safe" else rule)
    none = ranked["diverged"].iloc[0] == 1
    if rule == "safe":
        safe = _largest_safe(table)
        none, ranked = np.isnan(safe), ranked if np.isnan(safe) else ranked[ranked[LEARNING_RATE] == safe]
    best = ranked.iloc[0]
    return best.astype(object).where(~best.index.isin(setting_names(summary)), np.nan) if none else best


def _check_rule(rule: object) -> None:
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(unknown("rule", rule, RULES))


def _largest_safe(table: pd.DataFrame) -> float:
    """Gives the largest learning rate at which, and below which, no trial diverged; NaN where there is none."""
    rates = table[LEARNING_RATE].dropna()
    unsafe = rates[(table["status"] == "diverged").reindex(rates.index)].min()
    safe = rates if np.isnan(unsafe) else rates[rates < unsafe]
    return float(safe.max()) if len(safe) else float("nan")


def best_learning_rate(
    table: pd.DataFrame, *, rule: str = "steps", level: float = LEVEL, resamples: int | None = None, seed: int = 0
) -> Best:
    """Gives the best learning rate, and an interval that says how far another draw of seeds might move it.

    The interval is that of a percentile bootstrap (Efron, 1979, doi:10.1214/aos/1176344552) over seeds: as many seeds
    as the table has are drawn from them with replacement, each with all of its trials, and the rule is applied to what
    was drawn; the ends are learning rates that were tried. A setting that lacks a seed has fewer trials where that seed
    is drawn, and is left out where none of its own seeds are. The interval is on the safe side: asked for 95%, it held
    the truth in 96 to 100% of tables for which the truth is known (`tests/test_coverage.py`).

    Args:
        table: A result table with a column `learning_rate`; a row in which it is missing is left out.
        rule: What best means.

            - "steps": the largest share of trials that converged; among equals the least median `converged_at`; among
              those (as where none converged) the least median final loss, or the best median at the end of the metric
              that decides the best, where one does, a diverged trial counting as infinitely bad; then the smaller
              learning rate.
            - "loss": the least median final loss, a diverged trial counting as infinite; then the smaller rate.
            - "safe": the largest at which, and below which, no trial diverged, whatever its other columns. It can only
              fall as seeds are added: the lower end of its interval is the rate itself.

            By the first two rules the rate is that of the best setting, among all combinations of the caller's columns
            in which some trial did not diverge; where every trial diverged, it is NaN. The same holds for each draw of
            the seeds, so that an end of the interval is NaN where every trial diverged in that many draws.
        level: How sure the interval is to hold the learning rate that would be best over all seeds, from 0 to 1.
        resamples: How many times seeds are drawn; where it is left out 999 times, or as often as makes a hundred
            million trials in all, 99 times at the least.
        seed: The seed of the draws: the same one gives the same interval.

    Returns:
        The learning rate, its interval, and all columns of the best setting; without a column `seed`, or with one seed
        only, there is no interval.

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
    _check_rule(rule)
    check_number("level", level, "between 0 and 1", lambda share: 0 < share < 1)
    if resamples is None:
        resamples = max(_RESAMPLES[0], min(_RESAMPLES[1], _TRIALS_DRAWN // len(table)))
    check_count("resamples", resamples)
    check_count("seed", seed, least=0)
    seeds = pd.factorize(table[SEED], use_na_sentinel=False)[0] if SEED in own else np.zeros(len(table), int)
    # A learning rate's place in ascending order stands for it, so that quantiles of places are rates that were tried.
    rates, place = np.unique(table[LEARNING_RATE], return_inverse=True)
    count = int(seeds.max()) + 1
    apply = _safe_rule(table, place, seeds) if rule == "safe" else _least_rule(table, place, seeds, rule)
    (best,) = apply(np.ones((1, count), int))
    low = high = -1
    if count > 1:
        draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
        best_of_draws = apply(draws)
        low = np.quantile(best_of_draws, (1 - level) / 2, method="lower")
        high = np.quantile(best_of_draws, (1 + level) / 2, method="higher")
    rate, least, most = (float(rates[at]) if at >= 0 else float("nan") for at in (best, low, high))
    setting = best_setting(table, rule=rule)[[name for name in own if name != SEED]].dropna()
    values = {str(name): value.item() if isinstance(value, np.generic) else value for name, value in setting.items()}
    return Best(rate, least, most, rule, values)


# Applies a rule to draws of seeds: takes how often each seed is drawn, ``[draw, seed]`` int, and gives the place of the
# best learning rate, ``[draw]`` int, -1 where there is none.
Rule = Callable[[np.ndarray], np.ndarray]


def _safe_rule(table: pd.DataFrame, place: np.ndarray, seeds: np.ndarray) -> Rule:
    """Makes the rule that takes the largest learning rate at which, and below which, no trial diverged."""
    # The place of the least rate at which each seed diverged; beyond the last place where it did at none.
    first = np.full(seeds.max() + 1, place.max() + 1)
    diverged = (table["status"] == "diverged").to_numpy()
    np.minimum.at(first, seeds[diverged], place[diverged])
    return lambda draws: np.where(draws > 0, first, place.max() + 1).min(-1) - 1


def _least_rule(table: pd.DataFrame, place: np.ndarray, seeds: np.ndarray, rule: str) -> Rule:
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
    if rule == "steps":
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
