"""The verdict on a table in a sentence: the best learning rate by a rule, how sure that is, what missing it costs."""

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._advice import advise, alike, describe, how_it_converged
from lrsweep.statistics._best import Best, best_learning_rate, rank
from lrsweep.statistics._sensitivity import sensitivity
from lrsweep.statistics._starts import tell_starts
from lrsweep.statistics._summary import LEVEL, summarize
from lrsweep.tables._schema import LEARNING_RATE, SEED, best_by_of, final, settings_of

FACTOR = 2.0


def judge(table: pd.DataFrame, rule: str = "steps", found: Best | None = None) -> str:
    """The best learning rate of a table by a rule, its interval over seeds, and what it costs to miss it.

    Args:
        table: A result table.
        rule: One of those of `best_learning_rate`.
        found: What `best_learning_rate(table, rule=rule)` gives, where it is known already.

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
    found = best_learning_rate(table, rule=rule) if found is None else found
    if (table["status"] == "diverged").all():
        return advise(summary, table)
    of_starts = f" {tell_starts(table)}".rstrip()
    if np.isnan(found.learning_rate):
        least = number(table[LEARNING_RATE].min())
        return f"No learning rate is safe: trials diverged at the smallest, {least}.{of_starts}"
    if rule == "safe":
        named, why = f"learning_rate {number(found.learning_rate)}", "no trial diverged there or below"
    else:
        best_by = best_by_of(table)
        best = rank(summary[summary[LEARNING_RATE].notna()], best_by, rule).iloc[0]
        named, why = describe(best), _why(best, rule, best_by)
        # What a learning rate does depends on the other settings: those of the best one count.
        others = [name for name in settings_of(table) if name not in (LEARNING_RATE, SEED)]
        table = table[alike(table, best, others)]
    return "; ".join([f"Use {named}{_interval(found)}: {why}", *_costs(table)]) + f".{of_starts}"


def _interval(found: Best) -> str:
    if np.isnan(found.low):
        return ""
    return f" ({LEVEL:.0%} interval over seeds: {number(found.low)} to {number(found.high)})"


def _why(best: pd.Series, rule: str, best_by: str) -> str:
    if rule == "steps" and best["converged"] > 0:
        return how_it_converged(best)
    decides = "loss" if rule == "loss" else best_by
    least = f"its median final {decides.replace('_', ' ')}, {number(best[f'median_{final(decides)}'])}, is the least"
    return least if rule == "loss" else f"no trial converged, and {least}"


def _costs(table: pd.DataFrame) -> list[str]:
    """What it costs to miss the best, where there are several learning rates and one setting beside them."""
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
