"""The best setting, the best learning rate, and the interval of learning rates that may be best over other seeds."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.inputs._errors import InputError
from lrsweep.statistics._display import setting_names
from lrsweep.statistics._draws import NUMBERS_OF_DRAWS, best_of_draws
from lrsweep.statistics._rules import BY_METRIC, SAFE, STEPS, default_rule, resolve_rule
from lrsweep.statistics._settings import Settings
from lrsweep.statistics._summary import LEVEL, resolve_by, summarize
from lrsweep.tables._parts import Table, distinct_values, head_of, rows_where
from lrsweep.tables._schema import LEARNING_RATE, SEED, Criterion, criterion_of, final, settings_of

# The least and the most resamples of the seeds, and how many trials to draw in all of them, which takes seconds.
_RESAMPLES, _TRIALS_DRAWN = (99, 999), 100_000_000


class Best(NamedTuple):
    """The best learning rate of a table, and its interval over seeds.

    Attributes:
        learning_rate: The best one; NaN where there is none by the rule, as where every trial diverged.
        low: The lower end of its interval, one of the learning rates tried; NaN where there is no interval.
        high: The upper end.
        rule: What best means: "steps", "loss", "metric" or "safe".
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


def rank(summary: pd.DataFrame, criterion: Criterion, rule: str | None = None) -> pd.DataFrame:
    """Sorts a summary's rows from the best setting to the worst, by any rule of `best_learning_rate` but "safe".

    Among equals a setting of which some trial did not diverge comes before one of which all did.

    Args:
        summary: What `summarize` returns.
        criterion: What decides the best: the loss, or a metric.
        rule: What best means; None for `default_rule`.
    """
    rule = default_rule(criterion) if rule is None else rule
    keys = {"final_loss": summary["median_final_loss"]}
    at_end = (criterion.sign * summary[f"median_{final(criterion.name)}"]).fillna(np.inf)
    if rule == BY_METRIC:
        keys = {"final": at_end} | keys
    elif rule == STEPS:
        keys = {
            "converged": -summary["converged"],
            "converged_at": summary["median_converged_at"].astype(float).fillna(np.inf),
            "final": at_end,
        }
    keys["all_diverged"] = summary["diverged"] == 1
    ordered = pd.DataFrame(keys | {LEARNING_RATE: summary.get(LEARNING_RATE, 0.0)})
    return summary.loc[ordered.sort_values(ordered.columns.tolist(), kind="stable").index]


def best_setting(table: Table, *, rule: str | None = None) -> pd.Series:
    """Gives the best setting's row of `summarize(table)`.

    Args:
        table: A result table, or a `Store`.
        rule: What best means, as in `best_learning_rate`. By the rule "safe" it is the best, by the rule that holds
            where none is named, among those with the largest learning rate that is safe.

    Returns:
        All of the setting's columns, and its statistics. Where every trial diverged, or no learning rate is safe, there
        is no best one: the columns of the setting are then NaN, and the statistics those of the last to be ruled out.

    Raises:
        ValueError: It is not a result table, it has no rows, there is no such rule, by the rule "safe" it has no column
            `learning_rate`, or by the rule "metric" no metric decides its best.

    Example:
        >>> best = lrsweep.best_setting(result.table)
        >>> float(best["learning_rate"]), float(best["median_converged_at"])
        (0.1, 51.0)
    """
    best, is_none = best_row(table, rule)
    row = best.iloc[0]
    return row.astype(object).where(~row.index.isin(setting_names(best)), np.nan) if is_none else row


def best_row(table: Table, rule: str | None, summary: pd.DataFrame | None = None) -> tuple[pd.DataFrame, bool]:
    """Gives the best setting's row of the summary, as a table of that row alone, and whether there is no best one.

    Example:
        >>> best, is_none = best_row(result.table, "steps")
        >>> float(best["learning_rate"].iloc[0]), is_none
        (0.1, False)
    """
    own = settings_of(head_of(table))
    summary = summarize(table) if summary is None else summary
    if len(summary) == 0:
        raise InputError("the table is empty: there is no best setting among no trials")
    rule = resolve_rule(rule, table)
    if rule == SAFE and LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}, which the rule 'safe' is about")
    ranked = rank(summary, criterion_of(head_of(table)), None if rule == SAFE else rule)
    none = ranked["diverged"].iloc[0] == 1
    if rule == SAFE:
        safe = _largest_safe(with_rate(table, summary))
        none, ranked = np.isnan(safe), ranked if np.isnan(safe) else ranked[ranked[LEARNING_RATE] == safe]
    return ranked.iloc[:1], bool(none)


def with_rate(table: Table, summary: pd.DataFrame) -> Table:
    """Gives the trials that have a learning rate; the summary of the table tells whether some have none."""
    if summary[LEARNING_RATE].notna().all():
        return table
    return rows_where(table, [LEARNING_RATE], lambda rows: rows[LEARNING_RATE].notna())


def _largest_safe(table: Table) -> float:
    """Gives the largest learning rate that is safe; NaN where there is none."""
    settings = Settings(table, resolve_by(table, None))
    if len(settings.rows) == 0:
        return float("nan")
    (safe,) = best_of_draws(table, settings, SAFE, np.ones((1, 1), int), None, np.empty(0, int))
    return float(np.unique(settings.rows[LEARNING_RATE])[safe]) if safe >= 0 else float("nan")


def best_learning_rate(
    table: Table,
    *,
    rule: str | None = None,
    level: float = LEVEL,
    resamples: int | None = None,
    seed: int = 0,
) -> Best:
    """Gives the best learning rate, and an interval that says how far another draw of seeds might move it.

    The interval is that of a percentile bootstrap (Efron, 1979, doi:10.1214/aos/1176344552) over seeds: as many seeds
    as the table has are drawn from them with replacement, each with all of its trials, and the rule is applied to what
    was drawn; the ends are learning rates that were tried. A setting that lacks a seed has fewer trials where that seed
    is drawn, and is left out where none of its own seeds are. The interval is on the safe side: asked for 95%, it held
    the truth in 96 to 100% of tables for which the truth is known (`tests/test_coverage.py`).

    Args:
        table: A result table, or a `Store`, with a column `learning_rate`; a row in which it is missing is left out.
        rule: What best means; None for "metric" where the objective's `best_by` names one, and else for "steps".

            - "steps": the largest share of trials that converged; among equals the least median `converged_at`; among
              those (as where none converged) the least median final loss, or the best median at the end of the metric
              that decides the best, where one does, a diverged trial counting as infinitely bad; then the smaller
              learning rate.
            - "loss": the least median final loss, a diverged trial counting as infinite; then the smaller rate.
            - "metric": the best median at the end of the metric that decides the best, a diverged trial counting as
              infinitely bad, whether or not trials converged; among equals the least median final loss; then the
              smaller rate.
            - "safe": the largest at which, and below which, no trial diverged, and no setting's median final loss is
              above that at its start (by more than 1% of it), whatever its other columns.

            By the first three rules the rate is that of the best setting, among all combinations of the caller's
            columns in which some trial did not diverge; where every trial diverged, it is NaN. The same holds for each
            draw of the seeds, so that an end of the interval is NaN where every trial diverged in that many draws.
        level: How sure the interval is to hold the learning rate that would be best over all seeds, from 0 to 1.
        resamples: How many times seeds are drawn; where it is left out 999 times, or as often as makes a hundred
            million trials in all, 99 times at the least.
        seed: The seed of the draws: the same one gives the same interval.

    Returns:
        The learning rate, its interval, and all columns of the best setting; without a column `seed`, or with one seed
        only, there is no interval.

    Raises:
        ValueError: It is not a result table, it has no rows, no column `learning_rate`, there is no such rule, `level`
            or `resamples` is out of bounds, what decides the best differs from row to row, or by the rule "metric" no
            metric does.

    Example:
        >>> lrsweep.best_learning_rate(result.table).learning_rate
        0.1
    """
    return find_best(table, rule, level, resamples, seed)


def find_best(
    table: Table,
    rule: str | None,
    level: float = LEVEL,
    resamples: int | None = None,
    seed: int = 0,
    summary: pd.DataFrame | None = None,
) -> Best:
    """Gives what `best_learning_rate` gives; `summary` is what `summarize(table)` gives, if that is known already."""
    own = settings_of(head_of(table))
    if LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}: see best_setting")
    rule = resolve_rule(rule, table)
    check_number("level", level, "between 0 and 1", lambda share: 0 < share < 1)
    summary = summarize(table) if summary is None else summary
    table, summary = with_rate(table, summary), summary[summary[LEARNING_RATE].notna()].reset_index(drop=True)
    if len(summary) == 0:
        raise InputError("the table is empty: there is no best learning rate among no trials")
    if resamples is None:
        resamples = max(_RESAMPLES[0], min(_RESAMPLES[1], _TRIALS_DRAWN // int(summary["trials"].sum())))
    check_count("resamples", resamples)
    check_count("seed", seed, least=0)
    settings = Settings(table, [name for name in own if name != SEED])
    seeds = pd.Index(distinct_values(table, SEED)) if SEED in own else None
    ranked = rank(summary, criterion_of(head_of(table)), None if rule == SAFE else rule).index.to_numpy()
    # A learning rate's place in ascending order stands for it, so that quantiles of places are rates that were tried.
    rates = np.unique(settings.rows[LEARNING_RATE])
    count = 1 if seeds is None else len(seeds)
    places = [
        best_of_draws(table, settings, rule, draws, seeds, ranked)
        for draws in _draws_of(count, resamples if count > 1 else 0, seed)
    ]
    best, *of_draws = np.concatenate(places)
    low = high = -1
    if of_draws:
        low = np.quantile(of_draws, (1 - level) / 2, method="lower")
        high = np.quantile(of_draws, (1 + level) / 2, method="higher")
    rate, least, most = (float(rates[at]) if at >= 0 else float("nan") for at in (best, low, high))
    row, is_none = best_row(table, rule, summary)
    # Each column in its own dtype: a width is a whole number.
    setting = {} if is_none else {str(name): row[name].tolist()[0] for name in own if name != SEED}
    return Best(rate, least, most, rule, {name: value for name, value in setting.items() if not pd.isna(value)})


def _draws_of(seeds: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draws seeds with replacement: ``[draw, seed]`` int, some draws at a time; first each seed counts once."""
    draw, once = np.random.default_rng(seed), np.ones((1, seeds), int)
    at_once = max(1, NUMBERS_OF_DRAWS // seeds)
    for first in range(0, max(1, resamples), at_once):
        size = min(at_once, resamples - first)
        draws = draw.multinomial(seeds, np.full(seeds, 1 / seeds), size=size)
        yield draws if first else np.concatenate([once, draws])
