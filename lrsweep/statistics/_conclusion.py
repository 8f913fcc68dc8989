"""The answer of a zoom in a sentence: which learning rate to use, or up to which no trial diverged."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import number, plural
from lrsweep.statistics._advice import advise, alike, describe, how_it_converged, none_converged
from lrsweep.statistics._best import rank
from lrsweep.statistics._starts import cannot_start, tell_starts
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import EDGE, LEARNING_RATE, ROUND, best_by_of


def conclude(table: pd.DataFrame, found: pd.DataFrame, asked: Mapping[str, Any]) -> str:
    """What to take from a zoom.

    Args:
        table: That of all rounds, as `refine` gives it.
        found: What it found.
        asked: What it was asked: `provenance["refine"]`.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[1.0, 0.1, 0.01])
        >>> refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials)
        >>> conclude(refined.table, refined.found, refined.provenance["refine"])
        'Use learning_rate 0.225: it converged after 22 updates; 27 trials in 3 rounds found it between 0.221 and 0.229.
        Give more rounds to narrow it down.'
    """
    # Digits enough to tell the two that enclose the answer apart.
    digits = max(4, 2 - math.floor(math.log10(asked["width"])))
    last = int(table[ROUND].max())
    rounds = "" if last == 0 else f" in {plural(last, 'round')}"
    trials = f"{len(table):,} trials{rounds}"
    if cannot_start(table).all():
        return tell_starts(table)
    if asked["around"] == EDGE:
        answer = found.iloc[found[LEARNING_RATE].fillna(0).argmax()]
        told = _edge(answer, found, trials, digits)
    else:
        summary, best_by = summarize(table), best_by_of(table)
        best = rank(summary, best_by).iloc[0]
        names = list(summary.columns[: summary.columns.get_loc("trials")])
        if best["diverged"] == 1 or pd.isna(best[LEARNING_RATE]):
            return advise(summary, table)
        answer = found[alike(found, best, names)].iloc[0]
        setting = describe(best, digits=digits)
        if best["converged"] == 0:
            lead, what = none_converged(best, best_by, setting, table), "that learning_rate"
        else:
            lead, what = f"Use {setting}: {how_it_converged(best)};", "it"
        told = f"{lead} {trials} found {_place(answer, what, digits)}"
    if answer["high"] / answer["low"] > 1 + asked["width"]:
        told += " Give more rounds to narrow it down."
    return f"{told} {tell_starts(table)}".strip()


def _place(answer: pd.Series, what: str, digits: int) -> str:
    rate, low, high = (number(answer[name], digits) for name in (LEARNING_RATE, "low", "high"))
    if pd.isna(answer["low"]):
        return f"none that is better, but {rate} is the smallest tried, and a smaller one may be."
    if pd.isna(answer["high"]):
        return f"none that is better, but {rate} is the largest tried, and a larger one may be."
    return f"{what} between {low} and {high}."


def _edge(answer: pd.Series, found: pd.DataFrame, trials: str, digits: int) -> str:
    setting = describe(answer, until=LEARNING_RATE)
    lead = f"The largest learning rates are those of {setting}: " if len(found) > 1 else ""
    low, high = (number(answer[name], digits) for name in ("low", "high"))
    if pd.isna(answer["low"]):
        told = f"trials diverged at every learning_rate tried, down to {high}; try smaller ones."
    elif pd.isna(answer["high"]):
        told = f"no trial diverged up to learning_rate {low}, the largest tried."
    else:
        told = f"no trial diverged up to learning_rate {low}, and some did at {high}; {trials} found it."
    return lead + (told if lead else told[0].upper() + told[1:])
