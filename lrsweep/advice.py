"""The answer in a sentence: which learning rate to use and why, and which ones to stay clear of."""

import math
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.refinement import EDGE, ROUND, Refinement
from lrsweep.summary import LEARNING_RATE, rank, summarize
from lrsweep.table import best_by_of, final


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
    setting = _called(best, names) or "these settings"
    if best["converged"] == 0:
        return f"{_none_converged(best, best_by, setting, table)} {_edges(summary, best, names)}".strip()
    return f"Use {setting}: {_how_it_converged(best)}. {_edges(summary, best, names)}".strip()


def conclude(refined: Refinement) -> str:
    """What to take from a zoom.

    Args:
        refined: What `refine` gives.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[1.0, 0.1, 0.01])
        >>> conclude(lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials))
        'Use learning_rate 0.225: it converged after 22 updates; 27 trials in 3 rounds found it between 0.221 and 0.229.
        Give more rounds to narrow it down.'
    """
    table, asked = refined.table, refined.provenance["refine"]
    # Digits enough to tell the two that enclose the answer apart.
    digits = max(4, 2 - math.floor(math.log10(asked["width"])))
    last = int(table[ROUND].max())
    rounds = "" if last == 0 else f" in {last} round{'s' if last > 1 else ''}"
    trials = f"{len(table):,} trials{rounds}"
    if asked["around"] == EDGE:
        answer = refined.found.iloc[refined.found[LEARNING_RATE].fillna(0).argmax()]
        told = _edge(answer, refined.found, trials, digits)
    else:
        summary, best_by = summarize(table), best_by_of(table)
        best = rank(summary, best_by).iloc[0]
        names = list(summary.columns[: summary.columns.get_loc("trials")])
        if best["diverged"] == 1 or pd.isna(best[LEARNING_RATE]):
            return advise(summary, table)
        answer = refined.found[_alike(refined.found, best, names)].iloc[0]
        setting = _called(best, names, digits)
        if best["converged"] == 0:
            lead, what = _none_converged(best, best_by, setting, table), "that learning_rate"
        else:
            lead, what = f"Use {setting}: {_how_it_converged(best)};", "it"
        told = f"{lead} {trials} found {_place(answer, what, digits)}"
    wide = answer["high"] / answer["low"] > 1 + asked["width"]
    return f"{told} Give more rounds to narrow it down." if wide else told


def _place(answer: pd.Series, what: str, digits: int) -> str:
    rate, low, high = (_number(answer[name], digits) for name in (LEARNING_RATE, "low", "high"))
    if pd.isna(answer["low"]):
        return f"none that is better, but {rate} is the smallest tried, and a smaller one may be."
    if pd.isna(answer["high"]):
        return f"none that is better, but {rate} is the largest tried, and a larger one may be."
    return f"{what} between {low} and {high}."


def _edge(answer: pd.Series, found: pd.DataFrame, trials: str, digits: int) -> str:
    setting = _called(answer, list(found.columns[: found.columns.get_loc(LEARNING_RATE)]))
    lead = f"The largest learning rates are those of {setting}: " if len(found) > 1 else ""
    low, high = (_number(answer[name], digits) for name in ("low", "high"))
    if pd.isna(answer["low"]):
        told = f"trials diverged at every learning_rate tried, down to {high}; try smaller ones."
    elif pd.isna(answer["high"]):
        told = f"no trial diverged up to learning_rate {low}, the largest tried."
    else:
        told = f"no trial diverged up to learning_rate {low}, and some did at {high}; {trials} found it."
    return lead + (told if lead else told[0].upper() + told[1:])


def tell_causes(table: pd.DataFrame) -> str:
    """Why the trials of a diagnosed table ended as they did, the most frequent cause first.

    Example:
        >>> tell_causes(pd.DataFrame({"cause": ["too small", "converged", "too small"]}))
        'Why: 2 too small, 1 converged.'
    """
    counts = table["cause"].value_counts()
    return f"Why: {', '.join(f'{count:,} {cause}' for cause, count in counts.items())}."


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
    counts = table["status"].value_counts().reindex(list(ends))
    return f"{lead} {ends[str(counts.idxmax())]}"


def _edges(summary: pd.DataFrame, best: pd.Series, names: list[str]) -> str:
    if LEARNING_RATE not in names or pd.isna(best[LEARNING_RATE]):
        return ""
    # What a learning rate does depends on the other settings: those of the best one count.
    others = [name for name in names if name != LEARNING_RATE]
    rates = summary[_alike(summary, best, others)].groupby(LEARNING_RATE)["diverged"].max()
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


def _alike(rows: pd.DataFrame, best: pd.Series, names: list[str]) -> np.ndarray:
    """[row] bool, which rows have what the best one has in some columns, or lack it as it does."""
    same = [(rows[name] == best[name]) | (rows[name].isna() & pd.isna(best[name])) for name in names]
    return np.all(same, axis=0) if same else np.ones(len(rows), bool)


def _called(best: pd.Series, names: list[str], digits: int = 4) -> str:
    # What the best one's optimizer does not take is missing in its row.
    return ", ".join(f"{name} {_value(best[name], digits)}" for name in names if pd.notna(best[name]))


def _rates(bad: pd.Index, tried: pd.Index) -> str:
    if len(bad) > 1 and bad.equals(tried[tried >= bad.min()]):
        return f"{_number(bad.min())} and above"
    shown = [_number(rate) for rate in bad[:5]]
    return ", ".join(shown) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")


def _value(value: Any, digits: int) -> str:
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    return _number(value, digits)


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"
