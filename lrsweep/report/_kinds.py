"""The trials of a table that did not converge, by how they ended, why, and at which settings."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.report._wording import CAUSES, STATUSES, write_column
from lrsweep.statistics._settings import Settings, group_trials
from lrsweep.tables._parts import Table, head_of, is_known, parts_of
from lrsweep.tables._schema import CAUSE, SEED, settings_of
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


def kinds_of(table: Table, most: int = MOST_ROWS) -> list[Kind]:
    """Sorts the trials that did not converge by how they ended and why, the most frequent kind first.

    Args:
        table: A result table, in parts or not.
        most: The most settings to show of each kind.

    Example:
        >>> kinds_of(result.table)[0].rows
        [['0.001', '1 of 1', '2', '1000', '1.667', '0.1425']]
        >>> [kind.went_wrong for kind in kinds_of(result.table)]
        [False]
    """
    settings = Settings(table, [name for name in settings_of(head_of(table)) if name != SEED])
    ends = _ends_of(table, settings)
    converged = any(status == "converged" for status, _ in ends)
    wrong = ("diverged", "stalled", "oscillating") if converged else ("diverged",)
    failed = sorted((end for end in ends if end[0] != "converged"), key=lambda end: -ends[end].trials.sum())
    shown = {end: ends[end].most_frequent(most) for end in failed}
    examples = _rows_at(table, [ends[end].first[at] for end in failed for at in shown[end]])
    results = [SEED, "steps", "initial_loss", "final_loss"]
    if not is_known(table, "steps"):
        # Runs of other programs tell their outcomes, and need not tell the rest.
        results = [name for name in results if name in head_of(table).columns and is_known(table, name)]
    return [_kind(end, ends[end], shown[end], settings, examples, wrong, results) for end in failed]


class _End(NamedTuple):
    """How many trials of each setting ended alike, and which is the first of them, by its place in the table."""

    trials: np.ndarray
    first: np.ndarray

    def most_frequent(self, most: int) -> np.ndarray:
        """Gives the settings that have most of them; among equals those that come first in the table."""
        some = np.flatnonzero(self.trials)
        return some[np.lexsort((self.first[some], -self.trials[some]))][:most]


def _ends_of(table: Table, settings: Settings) -> dict[tuple[str, str], _End]:
    """Gives the ends of a table by status and cause, in the order they first appear."""
    ends: dict[tuple[str, str], _End] = {}
    columns = ["status", *([CAUSE] if CAUSE in head_of(table).columns else [])]
    before = 0
    for part in parts_of(table, [*settings.names, *columns]):
        setting = settings.number(part)
        # A table that was not diagnosed has no causes: the status then stands for both.
        kinds, kind = group_trials(part[columns].astype(str), columns)
        for at, words in enumerate(kinds.itertuples(index=False)):
            rows = np.flatnonzero(kind == at)
            end = ends.setdefault(
                (words[0], words[-1]),
                _End(np.zeros(len(settings.rows), int), np.full(len(settings.rows), np.iinfo(int).max)),
            )
            np.add(end.trials, np.bincount(setting[rows], minlength=len(end.trials)), out=end.trials)
            np.minimum.at(end.first, setting[rows], rows + before)
        before += len(part)
    return ends


def _rows_at(table: Table, places: Sequence[Any]) -> dict[int, pd.DataFrame]:
    """Gives the rows at some places of a table, each as a table of one row."""
    before, found, wanted = 0, {}, np.unique(places).astype(int)
    for part in parts_of(table, list(head_of(table).columns)) if len(wanted) else ():
        here = wanted[(wanted >= before) & (wanted < before + len(part))]
        found |= {int(place): part.iloc[[place - before]] for place in here}
        before += len(part)
    return found


def _kind(
    words: tuple[str, str],
    end: _End,
    shown: np.ndarray,
    settings: Settings,
    examples: dict[int, pd.DataFrame],
    wrong: Sequence[str],
    results: Sequence[str],
) -> Kind:
    status, cause = words
    rows = pd.concat([examples[int(end.first[at])] for at in shown])
    columns = {name: write_column(rows[name]) for name in settings.names}
    columns["trials"] = [f"{end.trials[at]:,} of {settings.trials[at]:,}" for at in shown]
    columns["first such trial"] = [write(label) for label in rows.index]
    told = [name for name in results if name in rows.columns]
    columns |= {f"its {name}": [write(value, "nan") for value in rows[name]] for name in told}
    meaning = " ".join(filter(None, [STATUSES[status], CAUSES.get(cause)]))
    return Kind(
        status,
        None if cause == status else cause,
        status in wrong,
        meaning,
        int(end.trials.sum()),
        int(np.count_nonzero(end.trials)),
        list(columns),
        [list(row) for row in zip(*columns.values(), strict=True)],
    )
