"""A result in a few lines: how its trials ended, and the answer in a sentence."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import plural
from lrsweep.statistics._advice import advise, count_ends
from lrsweep.statistics._settings import group_trials
from lrsweep.statistics._summary import resolve_by, summarize

# Of more trials than this no statistics are computed to show a result: they would take more than a blink.
MOST_ANSWERED = 200_000


def head_line(name: str, provenance: Mapping[str, Any], what: str) -> str:
    """Writes the first line: what kind of result it is, of which objective and optimizer, and how much was run.

    Example:
        >>> head_line("Sweep", result.provenance, "3 trials")
        'Sweep of line with sgd: 3 trials'
    """
    return f"{name} of {provenance['objective']} with {provenance['optimizer']}: {what}"


def count_trials(table: pd.DataFrame) -> str:
    """Says how many trials a table has, and of how many settings; of very many trials it does not count the settings.

    Example:
        >>> count_trials(result.table)
        '3 trials of 3 settings'
    """
    trials = plural(len(table), "trial")
    if len(table) > MOST_ANSWERED:
        return trials
    return f"{trials} of {plural(len(group_trials(table, resolve_by(table, None))[0]), 'setting')}"


def tell_ends(table: pd.DataFrame) -> str:
    """Says how trials ended, status by status.

    Example:
        >>> tell_ends(result.table)
        '2 converged, 1 slow'
    """
    counts = count_ends(table)
    return ", ".join(f"{count:,} {status}" for status, count in counts[counts > 0].items()) or "no trial has ended"


def tell_answer(table: pd.DataFrame, summary: pd.DataFrame | None = None) -> str:
    """Gives the answer of a table in a sentence or two; of very many trials it says what computes it.

    Args:
        table: A result table.
        summary: What `summarize(table)` gives; None where it is yet to be computed.

    Example:
        >>> tell_answer(result.table)
        'Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.'
    """
    if len(table) > MOST_ANSWERED:
        return "Of so many trials the answer takes a while: lrsweep.best_setting(result.table) computes it."
    if len(table) == 0:
        return "The table holds no trials."
    return advise(summarize(table) if summary is None else summary, table)
