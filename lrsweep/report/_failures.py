"""The trials of a table that did not converge, by how they ended, why, and at which settings."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lrsweep.report._wording import CAUSES, STATUSES, write_apart
from lrsweep.statistics._summary import group
from lrsweep.tables._schema import SEED, settings_of
from lrsweep.tables._text import write

# Of every kind of failure so many settings are shown.
MOST_ROWS = 8


class Failure(NamedTuple):
    """The trials that ended alike.

    Attributes:
        status: How.
        cause: Why, where the table was diagnosed.
        meaning: What that means, in a sentence or two.
        trials: How many there are.
        settings: How many settings have some.
        heads: What the columns below are called.
        rows: ``[setting][column]``, the settings that have most of them, and of each the first such trial.
    """

    status: str
    cause: str | None
    meaning: str
    trials: int
    settings: int
    heads: list[str]
    rows: list[list[str]]


def failures_of(table: pd.DataFrame, most: int = MOST_ROWS) -> list[Failure]:
    """The trials that did not converge, the most frequent kind first.

    Args:
        table: A result table.
        most: Of how many settings each kind is shown.

    Example:
        >>> failures_of(result.table)[0].rows
        [['0.001', '1 of 1', '2', '1000', '1.667', '0.1425']]
    """
    names = [name for name in settings_of(table) if name != SEED]
    setting = group(table, names)[1] if len(table) else np.empty(0, int)
    statuses = table["status"].astype(str)
    # Where the status says it already, there is no other cause.
    ended = pd.DataFrame({"status": statuses, "cause": table.get("cause", statuses)})
    kinds, kind = group(ended, ["status", "cause"])
    wrong = np.flatnonzero(kinds["status"] != "converged")
    trials = np.bincount(kind, minlength=len(kinds))
    return [
        _failure(table, names, setting, np.flatnonzero(kind == at), kinds["status"][at], kinds["cause"][at], most)
        for at in wrong[np.argsort(-trials[wrong], kind="stable")]
    ]


def _failure(
    table: pd.DataFrame, names: list[str], setting: np.ndarray, rows: np.ndarray, status: str, cause: str, most: int
) -> Failure:
    failed, all_of_it = np.bincount(setting[rows], minlength=setting.max() + 1), np.bincount(setting)
    first = np.full(len(failed), len(table))
    np.minimum.at(first, setting[rows], rows)
    there = np.flatnonzero(failed)
    # Among equals those that come first in the table.
    shown = there[np.lexsort((first[there], -failed[there]))][:most]
    examples = table.iloc[first[shown]]
    columns = {name: write_apart(examples[name]) for name in names}
    columns["trials"] = [f"{failed[at]:,} of {all_of_it[at]:,}" for at in shown]
    columns["first such trial"] = [write(label) for label in examples.index]
    told = [name for name in (SEED, "steps", "initial_loss", "final_loss") if name in table.columns]
    columns |= {f"its {name}": [write(value, "nan") for value in examples[name]] for name in told}
    why = None if cause == status else cause
    meaning = " ".join(filter(None, [STATUSES[status], CAUSES.get(cause)]))
    cells = [list(row) for row in zip(*columns.values(), strict=True)]
    return Failure(status, why, meaning, len(rows), len(there), list(columns), cells)
