"""The answer in a sentence: which learning rate to use and why, and which ones to stay clear of."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.best import rank
from lrsweep.summary import LEARNING_RATE
from lrsweep.table import RESULT_DTYPES, best_by_of, final


def advise(summary: pd.DataFrame, table: pd.DataFrame) -> str:
    """What to take from a sweep.

    Args:
        summary: What `summarize(table)` gives.
        table: The result table, not empty.

    Example:
        >>> advise(lrsweep.summarize(result.table), result.table)
        'Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.'
    """
    best_by = best_by_of(table)
    best = rank(summary, best_by).iloc[0]
    names = list(summary.columns[: summary.columns.get_loc("trials")])
    # What the best one's optimizer does not take is missing in its row.
    there = [name for name in names if pd.notna(best[name])]
    setting = ", ".join(f"{name} {_value(best[name])}" for name in there) or "these settings"
    if best["converged"] == 0:
        return f"{_none_converged(best, best_by, setting, table)} {_edges(summary, best, names)}".strip()
    return f"Use {setting}: {_how_it_converged(best)}. {_edges(summary, best, names)}".strip()


def _how_it_converged(best: pd.Series) -> str:
    after = best["median_converged_at"]
    median = "" if pd.isna(after) else f" after {'a median of ' if best['trials'] > 1 else ''}{_number(after)} updates"
    if best["trials"] == 1:
        return f"it converged{median}"
    count = round(best["converged"] * best["trials"])
    share = f"all {best['trials']:.0f}" if count == best["trials"] else f"{count} of its {best['trials']:.0f}"
    return f"{share} trials converged{median}"


def _none_converged(best: pd.Series, best_by: str, setting: str, table: pd.DataFrame) -> str:
    if best["diverged"] == 1:
        return "No trial converged, and none is worth taking: they diverged. Try smaller learning rates."
    steps = int(table["steps"].max())
    least = _number(best[f"median_{final(best_by)}"])
    called = f"final {best_by.replace('_', ' ')}"
    lead = f"No trial converged within {steps} updates; the least median {called}, {least}, is that of {setting}."
    ends = {
        "slow": "Most trials were still improving: give more steps.",
        "stalled": "Most trials came to rest above the target: try other starts or another optimizer.",
        "oscillating": "Most trials bounced without improving: try smaller learning rates.",
        "diverged": "Most trials diverged: try smaller learning rates.",
    }
    counts = table["status"].value_counts().reindex(RESULT_DTYPES["status"].categories)
    return f"{lead} {ends[str(counts.idxmax())]}"


def _edges(summary: pd.DataFrame, best: pd.Series, names: list[str]) -> str:
    if LEARNING_RATE not in names:
        return ""
    # What a learning rate does depends on the other settings: those of the best one count.
    others = [name for name in names if name != LEARNING_RATE]
    same = [(summary[name] == best[name]) | (summary[name].isna() & pd.isna(best[name])) for name in others]
    alike = np.all(same, axis=0) if others else slice(None)
    rates = summary.loc[alike].groupby(LEARNING_RATE)["diverged"].max()
    bad = rates[rates > 0].index
    if len(bad) == len(rates):
        return "Trials diverged at every learning rate tried." if best["diverged"] < 1 else ""
    if len(bad) > 0:
        return f"Stay clear of learning_rate {_rates(bad, rates.index)}: trials diverged there."
    if len(rates) == 1 or best["converged"] == 0:
        return ""
    told = "None of these learning rates diverged"
    if best[LEARNING_RATE] == rates.index.max():
        return f"{told}; {_number(best[LEARNING_RATE])} is the largest tried, and a larger one may be faster."
    return f"{told}."


def _rates(bad: pd.Index, tried: pd.Index) -> str:
    if len(bad) > 1 and bad.equals(tried[tried >= bad.min()]):
        return f"{_number(bad.min())} and above"
    shown = [_number(rate) for rate in bad[:5]]
    return ", ".join(shown) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, bool | np.bool_) else _number(value)


def _number(value: float) -> str:
    return f"{value:.4g}"
