"""The verdict on a table in a sentence: the best learning rate by a rule, how sure that is, what missing it costs."""

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number, plural
from lrsweep.statistics._advice import (
    advise,
    describe_best,
    describe_ends,
    describe_setting,
    describe_value,
    is_same,
    warn_of_rates,
)
from lrsweep.statistics._best import Best, find_best, rank
from lrsweep.statistics._display import FEW, setting_names
from lrsweep.statistics._rules import SAFE, default_rule
from lrsweep.statistics._sensitivity import costs_of
from lrsweep.statistics._settings import group_trials
from lrsweep.statistics._starts import BadStarts, describe_bad_starts
from lrsweep.statistics._summary import LEVEL, summarize
from lrsweep.tables._parts import Table, distinct_values, head_of, is_empty, is_known, rows_where
from lrsweep.tables._schema import BY_LOSS, LEARNING_RATE, LOSS, SEED, criterion_of

FACTOR = 2.0


def judge(table: Table, rule: str | None = None, best: Best | None = None, summary: pd.DataFrame | None = None) -> str:
    """Names the best learning rate of a table by a rule, its interval over seeds, and what it costs to miss it.

    Args:
        table: A result table, in parts or not.
        rule: One of those of `best_learning_rate`, or None.
        best: What `best_learning_rate(table, rule=rule)` gives; None where it is yet to be computed.
        summary: What `summarize(table)` gives; None where it is yet to be computed.

    Raises:
        ValueError: There is no such rule.

    Example:
        >>> judge(result.table)
        'Use learning_rate 0.1: it converged after 51 updates. From 0.03169 to 0.1 (the largest tried) the final loss is
        at most 2 times the least. A learning rate picked at random from the 3 tried gives 0.04753 more loss, on
        average.'
    """
    if is_empty(table):
        return "The table holds no trials."
    summary = summarize(table) if summary is None else summary
    if LEARNING_RATE not in summary or summary[LEARNING_RATE].isna().all():
        return advise(summary, table)
    best = find_best(table, rule, summary=summary) if best is None else best
    if (summary["diverged"] == 1).all():
        return advise(summary, table)
    bad = BadStarts(table)
    if np.isnan(best.learning_rate):
        return f"{_none_safe(summary)} {describe_bad_starts(table, bad)}".strip()
    criterion = criterion_of(head_of(table))
    rule, ends, clear = default_rule(criterion) if rule is None else rule, "", ""
    if rule == SAFE:
        setting = f"learning_rate {number(best.learning_rate)}"
        why, costs = "no trial diverged there or below", _costs(table, summary)
        # Runs of other programs need not tell where they started.
        if is_known(table, "initial_loss"):
            why = f"{why}, and no median loss ended above its start"
    else:
        row = rank(summary[summary[LEARNING_RATE].notna()], criterion, rule).iloc[0]
        # What it costs to miss a learning rate depends on the other settings: those of the best one count.
        others = [name for name in setting_names(summary) if name != LEARNING_RATE]
        own = table if not others else rows_where(table, others, lambda rows: is_same(rows, row, others))
        # A cost is one of loss, of which the best metric need not have the least.
        costs = _costs(own, summary[is_same(summary, row, others)]) if LOSS in (criterion.name, rule) else []
        setting, why = describe_setting(row), describe_value(row, BY_LOSS, peak=criterion.name == LOSS)
        # A trial that diverged because of its start says nothing of its learning rate.
        clear = warn_of_rates(summary if bad.trials == 0 else summarize(bad.others(table)), row)
        if rule != LOSS:
            why, ends = describe_best(row, criterion, table), describe_ends(row, criterion, bad.others(table))
    answer = f"Use {setting}{_interval(best, table)}: {why}."
    bad_starts = describe_bad_starts(table, bad)
    return " ".join(filter(None, [answer, *costs, ends, clear, bad_starts, _say_interrupted(table)]))


def _say_interrupted(table: Table) -> str:
    """Says, of a run that was interrupted, that those of its trials are missing which take longest to end."""
    counts = (head_of(table).attrs.get("provenance") or {}).get("interrupted")
    if not counts:
        return ""
    ended, of_trials = counts["ended"], counts["of"]
    return (
        f"The run was interrupted: only {ended:,} of {of_trials:,} trials are in the table. Those that converge or "
        "diverge end first, so their shares are too large."
    )


def _none_safe(summary: pd.DataFrame) -> str:
    """Says why not even the smallest learning rate is safe."""
    least = summary[LEARNING_RATE].min()
    diverged = (summary.loc[summary[LEARNING_RATE] == least, "diverged"] > 0).any()
    what = "trials diverged at" if diverged else "the loss ended above its start at"
    return f"No learning rate is safe: {what} the smallest, {number(least)}."


def _interval(best: Best, table: Table) -> str:
    """Says between which learning rates the best may lie over other seeds, and where few seeds make that wide."""
    if np.isnan(best.low):
        return ""
    seeds = len(distinct_values(table, SEED))
    between = f"{number(best.low)} to {number(best.high)}"
    if best.low == best.high:
        between = f"{number(best.low)} alone"
    elif seeds < FEW:
        between += ", narrower with more"
    return f" ({LEVEL:.0%} interval over {plural(seeds, 'seed')}: {between})"


def _costs(table: Table, summary: pd.DataFrame) -> list[str]:
    """Says what it costs to miss the best, where several learning rates were tried with one setting of the rest."""
    rates, names = summary[LEARNING_RATE].nunique(), setting_names(summary)
    tried = summary[summary[LEARNING_RATE] > 0]
    if rates == 1 or len(group_trials(tried, [name for name in names if name != LEARNING_RATE])[0]) != 1:
        return []
    above = rows_where(table, [LEARNING_RATE], lambda rows: rows[LEARNING_RATE] > 0)
    costs = costs_of(above, tried[[*names, "trials"]].assign(median=tried["median_final_loss"]), FACTOR)
    cost, sentences = costs.iloc[0], []
    if not np.isnan(cost["decades"]):
        low = number(cost["low"]) + (" (the smallest tried)" if cost["open_below"] else "")
        high = number(cost["high"]) + (" (the largest tried)" if cost["open_above"] else "")
        sentences.append(f"From {low} to {high} the final loss is at most {number(FACTOR)} times the least.")
    # Where runs of other programs do not tell the loss at the start, it is NaN.
    if cost["sensitivity"] > 0:
        picked = f"A learning rate picked at random from the {rates} tried"
        sentences.append(f"{picked} gives {number(cost['sensitivity'])} more loss, on average.")
    return sentences
