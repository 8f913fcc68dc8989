"""The trials of a table that did not converge, by how they ended, why, and at which settings."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.report._wording import CAUSES, STATUSES, write_column
from lrsweep.statistics._summary import group_trials
from lrsweep.tables._schema import SEED, settings_of
from lrsweep.tables._text import write

# Of every kind at most so many settings are shown.
MOST_ROWS = 8


class Kind(NamedTuple):
    """The trials that did not converge and ended alike.

    Attributes:
        status: How they ended.
        cause: Why, where the table was diagnosed.
        went_wrong: Whether they went wrong: they diverged, or came to rest or bounced where others converged.
        meaning: What that means, in a sentence or two.
        trials: How many there are.
        settings: How many settings have some.
        heads: The heads of the columns below.
        rows: ``[setting][column]``, the settings that have most of them, each with the first such trial.
    """

    status: str
    cause: str | None
    went_wrong: bool
    meaning: str
    trials: int
    settings: int
    heads: list[str]
    rows: list[list[str]]


def kinds_of(table: pd.DataFrame, most: int = MOST_ROWS) -> list[Kind]:
    """Sorts the trials that did not converge by how they ended and why, the most frequent kind first.

    Args:
        table: A result table.
        most: The most settings to show of each kind.

    Example:
        >>> kinds_of(result.table)[0].rows
        [['0.001', '1 of 1', '2', '1000', '1.667', '0.1425']]
        >>> [kind.went_wrong for kind in kinds_of(result.table)]
        [False]
    """
    names = [name for name in settings_of(table) if name != SEED]
    setting = group_trials(table, names)[1] if len(table) else np.empty(0, int)
    statuses = table["status"].astype(str)
    # A table that was not diagnosed has no causes: the status then stands for both.
    ends = pd.DataFrame({"status": statuses, "cause": table.get("cause", statuses)})
    kinds, kind = group_trials(ends, ["status", "cause"])
    failed = np.flatnonzero(kinds["status"] != "converged")
    trials = np.bincount(kind, minlength=len(kinds))
    return [
        _kind(table, names, setting, np.flatnonzero(kind == at), kinds["status"][at], kinds["cause"][at], most)
        for at in failed[np.argsort(-trials[failed], kind="stable")]
    ]


def _kind(
    table: pd.DataFrame, names: list[str], setting: np.ndarray, rows: np.ndarray, status: str, cause: str, most: int
) -> Kind:
    failed, trials = np.bincount(setting[rows], minlength=setting.max() + 1), np.bincount(setting)
    first = np.full(len(failed), len(table))
    np.minimum.at(first, setting[rows], rows)
    with_failures = np.flatnonzero(failed)
    # Among equals those that come first in the table.
    shown = with_failures[np.lexsort((first[with_failures], -failed[with_failures]))][:most]
    examples = table.iloc[first[shown]]
    columns = {name: write_column(examples[name]) for name in names}
    columns["trials"] = [f"{failed[at]:,} of {trials[at]:,}" for at in shown]
    columns["first such trial"] = [write(label) for label in examples.index]
    results = [name for name in (SEED, "steps", "initial_loss", "final_loss") if name in table.columns]
    columns |= {f"its {name}": [write(value, "nan") for value in examples[name]] for name in results}
    meaning = " ".join(filter(None, [STATUSES[status], CAUSES.get(cause)]))
    table_rows = [list(row) for row in zip(*columns.values(), strict=True)]
    cause_beside = None if cause == status else cause
    wrong = ("diverged", "stalled", "oscillating") if (table["status"] == "converged").any() else ("diverged",)
    heads, went_wrong = list(columns), status in wrong
    return Kind(status, cause_beside, went_wrong, meaning, len(rows), len(with_failures), heads, table_rows)
