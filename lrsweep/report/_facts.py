"""The facts of a table that the words of a report are made of."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.report._wording import write_column
from lrsweep.statistics._advice import is_same
from lrsweep.statistics._best import Best, rank
from lrsweep.statistics._display import setting_names
from lrsweep.tables._parts import Table, distinct_values, head_of, is_known
from lrsweep.tables._schema import LEARNING_RATE, SEED, Criterion, criterion_of, settings_of


class Facts(NamedTuple):
    """What a report says a table's trials are.

    Attributes:
        ranked: What `summarize` gives, the best setting first; where there are learning rates, only rows that have one.
        criterion: What decides the best: the loss, or a metric.
        best: The best learning rate with its interval; None where there is no column of learning rates.
        ends: How many trials ended in each status.
        seeds: How many seeds there are; 0 where no column tells.
        is_outside: Whether another program made the trials, and this table was made of its own.
    """

    ranked: pd.DataFrame
    criterion: Criterion
    best: Best | None
    ends: pd.Series
    seeds: int
    is_outside: bool

    @property
    def has_best(self) -> bool:
        """Whether some setting is the best, and not all of them are lost."""
        return len(self.ranked) > 0 and bool(self.ranked["diverged"].iloc[0] < 1)

    @property
    def rates(self) -> np.ndarray:
        """``[rate] float64``, the learning rates tried with the other settings of the best one, ascending."""
        if self.best is None or not self.has_best:
            return np.empty(0)
        others = [name for name in setting_names(self.ranked) if name != LEARNING_RATE]
        rows = self.ranked[is_same(self.ranked, self.ranked.iloc[0], others)]
        return np.unique(rows[LEARNING_RATE].to_numpy(float))


def facts_of(table: Table, summary: pd.DataFrame, best: Best | None, ends: pd.Series) -> Facts:
    """Gathers the facts of a table.

    Args:
        table: A result table, in parts or not.
        summary: What `summarize` gives.
        best: Its best learning rate, or None.
        ends: What `count_ends` gives.

    Example:
        >>> from lrsweep.statistics._advice import count_ends
        >>> facts = facts_of(result.table, lrsweep.summarize(result.table), None, count_ends(result.table))
        >>> facts.seeds, facts.is_outside, facts.has_best
        (0, False, True)
    """
    head = head_of(table)
    criterion = criterion_of(head)
    drawn = summary if best is None else summary[summary[LEARNING_RATE].notna()]
    seeds = len(distinct_values(table, SEED)) if SEED in settings_of(head) else 0
    return Facts(rank(drawn, criterion), criterion, best, ends, seeds, _is_outside(table, ends))


def _is_outside(table: Table, ends: pd.Series) -> bool:
    """Tells whether another program ran the trials: what every sweep knows of its trials is then missing."""
    if not ends.any():
        return False
    return bool(ends["finished"]) or not is_known(table, "steps")


def name_setting(ranked: pd.DataFrame, at: int) -> str:
    """Names the setting of a row of a summary: its columns with their values, digits enough to tell them apart.

    Example:
        >>> name_setting(lrsweep.summarize(result.table), 1)
        'learning_rate 0.01'
    """
    names = [name for name in setting_names(ranked) if pd.notna(ranked[name].iloc[at])]
    return ", ".join(f"{name} {write_column(ranked[name])[at]}" for name in names) or "these settings"
