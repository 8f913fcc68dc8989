"""The conclusion of a refinement in a sentence: which learning rate to use, or up to which no trial diverged."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import number, plural
from lrsweep.statistics._advice import (
    advise,
    describe_best,
    describe_ends,
    describe_setting,
    is_same,
)
from lrsweep.statistics._best import rank
from lrsweep.statistics._display import setting_names
from lrsweep.statistics._starts import cannot_start, describe_bad_starts
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import EDGE, LEARNING_RATE, ROUND, criterion_of


def conclude(table: pd.DataFrame, found: pd.DataFrame, options: Mapping[str, Any]) -> str:
    """Says what to take from a refinement.

    Args:
        table: The result table of all rounds, `Refinement.table`.
        found: The learning rate that was found for each setting, `Refinement.found`.
        options: The options that `refine` ran with: `provenance["refine"]`.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[1.0, 0.1, 0.01])
        >>> refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials)
        >>> conclude(refined.table, refined.found, refined.provenance["refine"])
        'Use learning_rate 0.225: it converged after 22 updates; 27 trials in 3 rounds found it between 0.221 and 0.229.
        Give more rounds to narrow it down.'
    """
    # Enough digits for the two learning rates around the answer to differ.
    digits = max(4, 2 - math.floor(math.log10(options["width"])))
    rounds = int(table[ROUND].max())
    effort = plural(len(table), "trial") + (f" in {plural(rounds, 'round')}" if rounds else "")
    if cannot_start(table).all():
        return describe_bad_starts(table)
    if options["around"] == EDGE:
        row = found.iloc[found[LEARNING_RATE].fillna(0).argmax()]
        answer = _edge_answer(row, found, effort, digits)
    else:
        summary, criterion = summarize(table), criterion_of(table)
        best = rank(summary, criterion).iloc[0]
        if best["diverged"] == 1 or pd.isna(best[LEARNING_RATE]):
            return advise(summary, table)
        row = found[is_same(found, best, setting_names(summary))].iloc[0]
        setting = describe_setting(best, digits=digits)
        lead = f"Use {setting}: {describe_best(best, criterion, table)}; {effort} found {_between(row, digits)}"
        answer = " ".join(filter(None, [lead, describe_ends(best, criterion, table)]))
    if row["high"] / row["low"] > 1 + options["width"]:
        answer += " Give more rounds to narrow it down."
    return f"{answer} {describe_bad_starts(table)}".strip()


def _between(row: pd.Series, digits: int) -> str:
    rate, low, high = (number(row[name], digits) for name in (LEARNING_RATE, "low", "high"))
    if pd.isna(row["low"]):
        return f"none that is better, but {rate} is the smallest tried, and a smaller one may be."
    if pd.isna(row["high"]):
        return f"none that is better, but {rate} is the largest tried, and a larger one may be."
    return f"it between {low} and {high}."


def _edge_answer(row: pd.Series, found: pd.DataFrame, effort: str, digits: int) -> str:
    setting = describe_setting(row, until=LEARNING_RATE)
    lead = f"The largest learning rates are those of {setting}: " if len(found) > 1 else ""
    low, high = (number(row[name], digits) for name in ("low", "high"))
    if pd.isna(row["low"]):
        answer = f"trials diverged at every learning_rate tried, down to {high}; try smaller ones."
    elif pd.isna(row["high"]):
        answer = f"no trial diverged up to learning_rate {low}, the largest tried."
    else:
        answer = f"no trial diverged up to learning_rate {low}, and some did at {high}; {effort} found it."
    return lead + (answer if lead else answer[0].upper() + answer[1:])
