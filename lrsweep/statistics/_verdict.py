"""The verdict on a table in a sentence: the best learning rate by a rule, how sure that is, what missing it costs."""

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._advice import advise, advise_on_minimum, describe_convergence, describe_setting, is_same
from lrsweep.statistics._best import Best, best_learning_rate, rank
from lrsweep.statistics._sensitivity import sensitivity
from lrsweep.statistics._starts import cannot_start, describe_bad_starts
from lrsweep.statistics._summary import LEVEL, summarize
from lrsweep.tables._schema import BY_LOSS, LEARNING_RATE, SEED, Criterion, criterion_of, final, settings_of

FACTOR = 2.0


def judge(table: pd.DataFrame, rule: str = "steps", best: Best | None = None) -> str:
    """Names the best learning rate of a table by a rule, its interval over seeds, and what it costs to miss it.

    Args:
        table: A result table.
        rule: One of those of `best_learning_rate`.
        best: What `best_learning_rate(table, rule=rule)` gives; None where it is yet to be computed.

    Raises:
        ValueError: There is no such rule.

    Example:
        >>> judge(result.table)
        'Use learning_rate 0.1: it converged after 51 updates; the final loss is within a factor of 2 of the least from
        0.03169 to 0.1 (the largest tried), and any of the 3 learning rates tried costs 0.04753 of loss on average.'
    """
    if len(table) == 0:
        return "The table holds no trials."
    summary = summarize(table)
    if LEARNING_RATE not in summary or summary[LEARNING_RATE].isna().all():
        return advise(summary, table)
    best = best_learning_rate(table, rule=rule) if best is None else best
    if (table["status"] == "diverged").all():
        return advise(summary, table)
    if np.isnan(best.learning_rate):
        least = number(table[LEARNING_RATE].min())
        answer = f"No learning rate is safe: trials diverged at the smallest, {least}."
        return f"{answer} {describe_bad_starts(table)}".strip()
    if rule == "safe":
        setting, why = f"learning_rate {number(best.learning_rate)}", "no trial diverged there or below"
        alike = table
    else:
        criterion = criterion_of(table)
        row = rank(summary[summary[LEARNING_RATE].notna()], criterion, rule).iloc[0]
        setting, why = describe_setting(row), _why(row, BY_LOSS if rule == "loss" else criterion, rule)
        # What it costs to miss a learning rate depends on the other settings: those of the best one count.
        others = [name for name in settings_of(table) if name not in (LEARNING_RATE, SEED)]
        alike = table[is_same(table, row, others)]
    answer = "; ".join([f"Use {setting}{_interval(best)}: {why}", *_costs(alike)])
    none_converged = rule == "steps" and not (table["status"] == "converged").any()
    minimum = advise_on_minimum(table[~cannot_start(table)]) if none_converged else ""
    return " ".join(filter(None, [f"{answer}.", minimum, describe_bad_starts(table)]))


def _interval(best: Best) -> str:
    if np.isnan(best.low):
        return ""
    return f" ({LEVEL:.0%} interval over seeds: {number(best.low)} to {number(best.high)})"


def _why(row: pd.Series, criterion: Criterion, rule: str) -> str:
    if rule == "steps" and row["converged"] > 0:
        return describe_convergence(row)
    outcome, value = criterion.name.replace("_", " "), number(row[f"median_{final(criterion.name)}"])
    best = f"its median final {outcome}, {value}, is the {criterion.superlative}"
    return best if rule == "loss" else f"no trial converged, and {best}"


def _costs(table: pd.DataFrame) -> list[str]:
    """Says what it costs to miss the best, where several learning rates were tried with one setting of the rest."""
    costs, rates = sensitivity(table, factor=FACTOR), table[LEARNING_RATE].nunique()
    if rates == 1 or len(costs) != 1 or np.isnan(costs["sensitivity"].iloc[0]):
        return []
    cost = costs.iloc[0]
    mean = f"any of the {rates} learning rates tried costs {number(cost['sensitivity'])} of loss on average"
    if np.isnan(cost["decades"]):
        return [mean]
    low = number(cost["low"]) + (" (the smallest tried)" if cost["open_below"] else "")
    high = number(cost["high"]) + (" (the largest tried)" if cost["open_above"] else "")
    return [f"the final loss is within a factor of {number(FACTOR)} of the least from {low} to {high}, and {mean}"]
