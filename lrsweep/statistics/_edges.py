"""What a search for critical learning rates comes to: one row per setting, and the answer in a sentence."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._starts import LOOK
from lrsweep.tables._schema import ALWAYS_DIVERGES, BAD_START, FOUND, NEVER_DIVERGES, SEED
from lrsweep.tables._text import write

# More settings than this are not told one by one.
_MOST_TOLD = 3


def summarize_edges(table: pd.DataFrame) -> pd.DataFrame:
    """One row per setting (every combination of the caller's columns but `seed`), in the order they first appear.

    Args:
        table: What `critical_learning_rate` returns.

    Returns:
        The settings' columns, then `starts` (int, how many), `median`, `least` and `most` (float, of their critical
        learning rates; a start that never diverges counts as above any, one that always does as below, and what would
        be such a one is NaN; a bad start does not count), `theory` (float, the median over the starts that have one).

    Example:
        >>> import optax
        >>> edges = lrsweep.critical_learning_rate(lrsweep.problems.line(), optax.sgd, seeds=range(5))
        >>> summarize_edges(edges).round(2)
           starts  median  least  most  theory
        0       5    0.25   0.25  0.25    0.25
    """
    names = _settings(table)
    groups = _edges(table).groupby(_keys(table, names), sort=False, dropna=False)
    statistics = {"median": groups.median(), "least": groups.min(), "most": groups.max()}
    summary = pd.DataFrame({"starts": groups.size(), **statistics})
    summary = summary.replace({name: {0.0: np.nan, np.inf: np.nan} for name in statistics})
    summary["theory"] = table["theory"].groupby(_keys(table, names), sort=False, dropna=False).median()
    return summary.reset_index(drop=not names)


def give_verdict(table: pd.DataFrame, *, low: float, high: float) -> str:
    """Which learning rate to stay below.

    Args:
        table: What `critical_learning_rate` returns.
        low: The least learning rate of its scan.
        high: The greatest.

    Example:
        >>> import optax
        >>> edges = lrsweep.critical_learning_rate(lrsweep.problems.line(), optax.sgd, seeds=range(5))
        >>> give_verdict(edges, low=1e-6, high=1e3)
        'Stay below learning_rate 0.25...: that is where the first of 5 starts diverges; theory says 0.2539.'
    """
    bad = table["found"] == BAD_START
    if bad.any():
        who = _count(bad.sum(), table)
        told = f"{who} diverged at the first update or before, even at learning_rate {low:g}: the loss or its gradient"
        told += f" is not finite there; {LOOK}"
        return told if bad.all() else f"{give_verdict(table[~bad], low=low, high=high)} {told}"
    names, edges = _settings(table), _edges(table)
    always, never = ((table["found"] == ended).sum() for ended in (ALWAYS_DIVERGES, NEVER_DIVERGES))
    if always:
        return f"{_count(always, table)} diverged already at learning_rate {low:g}, the least tried: search lower."
    if never == len(table):
        return f"{_count(0, table)} diverged at any learning_rate from {low:g} to {high:g}."
    # Of each setting the start that diverges first.
    firsts = table.loc[edges.groupby(_keys(table, names), sort=False, dropna=False).idxmin()]
    firsts = firsts[firsts["found"] == FOUND].sort_values("critical_learning_rate")
    told = firsts if len(firsts) <= _MOST_TOLD else firsts.head(1)
    rates = _and([f"{number(row.critical_learning_rate)}{_setting(row, names)}" for _, row in told.iterrows()])
    starts = len(table) // len(edges.groupby(_keys(table, names), dropna=False))
    parts = [f"that is where the first of {starts} starts diverges" if starts > 1 else "that is where it diverges"]
    if len(told) < len(firsts):
        parts[0] = f"that is the least of {len(firsts)} settings"
    if told["theory"].notna().all():
        parts.append(f"theory says {_and(list(map(number, told['theory'])))}")
    else:
        parts.append("theory has no answer")
    if never:
        parts.append(f"{_count(never, table)} never diverged up to {high:g}".lower())
    if table["window"].any():
        parts.append("above it there are learning rates that do not diverge")
    return f"Stay below learning_rate {rates}: {'; '.join(parts)}."


def _settings(table: pd.DataFrame) -> list[str]:
    names = table.columns[: table.columns.get_loc("critical_learning_rate")]
    return [name for name in names if name != SEED]


def _keys(table: pd.DataFrame, names: list[str]) -> Any:
    # Without a setting's column the whole table is one setting.
    return [table[name] for name in names] or np.zeros(len(table), int)


def _edges(table: pd.DataFrame) -> pd.Series:
    """The critical learning rates, in order: 0 where a start always diverges, infinite where it never does."""
    beyond = table["found"].map({FOUND: np.nan, ALWAYS_DIVERGES: 0.0, NEVER_DIVERGES: np.inf}).astype(float)
    return table["critical_learning_rate"].fillna(beyond)


def _count(starts: int, table: pd.DataFrame) -> str:
    if len(table) == 1:
        return "The start" if starts else "The start never"
    return f"{'None' if starts == 0 else 'All' if starts == len(table) else starts} of {len(table)} starts"


def _setting(row: pd.Series, names: list[str]) -> str:
    return f" ({', '.join(f'{name} {write(row[name])}' for name in names)})" if names else ""


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
