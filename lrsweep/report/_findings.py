"""What each chart of a report shows, in a sentence or two that are made from its numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import joined, number
from lrsweep.report._aggregate import X, Y
from lrsweep.report._axis import Bins
from lrsweep.report._filters import ALL, Filter
from lrsweep.report._wording import write_share
from lrsweep.tables._schema import CONVERGED_AT
from lrsweep.tables._text import SHARES

# The most bins that are named one by one.
_MOST_NAMED = 4


def of_all(aggregated: pd.DataFrame, filters: Sequence[Filter]) -> pd.DataFrame:
    """Gives what `aggregate` returned of all trials, without those of the filters' choices."""
    rows = aggregated
    for each in filters:
        rows = rows[rows[each.column] == ALL]
    return rows


def find_in_outcome(whole: pd.DataFrame, outcome: str, label: str, x: str, bins: Bins, *, is_max: bool) -> str:
    """Says where the medians of an outcome are best and worst, and where half of the trials or more have none.

    Args:
        whole: What `aggregate` returned of all trials.
        outcome: The outcome's column.
        label: What it is called.
        x: The name of the horizontal axis.
        bins: Its bins.
        is_max: Whether much is good, and not little.

    Example:
        >>> from lrsweep.report._aggregate import aggregate
        >>> from lrsweep.report._axis import axis_of, bin_trials
        >>> from lrsweep.statistics._settings import Settings
        >>> settings = Settings(result.table, ["learning_rate"])
        >>> bins = bin_trials(axis_of(settings.rows, "learning_rate"))
        >>> whole = aggregate(result.table, settings, ["final_loss"], bins, [])
        >>> find_in_outcome(whole, "final_loss", "final loss", "learning_rate", bins, is_max=False)
        'The final loss is least at learning_rate 0.1, 3.562e-05, and greatest at 0.001, 0.1425.'
    """
    places = whole[X].to_numpy()
    medians = whole[f"median_{outcome}"].to_numpy(float)
    finite = np.isfinite(medians)
    is_single = bool((whole["trials"] == 1).all())
    what = label if is_single else f"median {label}"
    if not finite.any():
        return f"There is no {what} to show, for {'no trial has one' if is_single else 'too few trials have one'}."
    order = np.flatnonzero(finite)[np.argsort(medians[finite], kind="stable")]
    best, worst = (order[-1], order[0]) if is_max else (order[0], order[-1])
    good, bad = ("greatest", "least") if is_max else ("least", "greatest")
    sentence = f"The {what} is {good} at {x} {bins.labels[places[best]]}, {number(medians[best])}"
    if medians[worst] != medians[best]:
        sentence += f", and {bad} at {bins.labels[places[worst]]}, {number(medians[worst])}"
    elif len(order) > 1:
        sentence = f"The {what} is the same wherever there is one, {number(medians[best])}"
    else:
        sentence = f"The {what} at {x} {bins.labels[places[best]]} is {number(medians[best])}"
    without = [bins.labels[at] for at in places[~finite]]
    if without:
        trials = ("The trial" if len(without) == 1 else "The trials") if is_single else "Half of the trials or more"
        ended = "did not converge" if outcome == CONVERGED_AT else "diverged"
        sentence += f". {trials} at {_listed(without)} {ended}"
    return f"{sentence}."


def find_in_shares(whole: pd.DataFrame, x: str, bins: Bins) -> str:
    """Says where most trials converged, and where trials diverged.

    Args:
        whole: What `aggregate` returned of all trials.
        x: The name of the horizontal axis.
        bins: Its bins.
    """
    labels = [bins.labels[at] for at in whole[X]]
    converged, diverged = whole["converged"].to_numpy(), whole["diverged"].to_numpy()
    if (converged == 1).all():
        return "All trials converged."
    if (diverged == 1).all():
        return "All trials diverged."
    if (converged > 0).any():
        most = [labels[at] for at in np.flatnonzero(converged == converged.max())]
        if len(most) == len(labels):
            first = f"{write_share(converged.max())} of the trials converged at every {x}."
        else:
            first = f"Most converged at {x} {_listed(most)}: {write_share(converged.max())} of the trials there."
    else:
        first = "No trial converged."
        if whole["finished"].gt(0).any():
            first = "Of the trials that ran to their end nothing tells whether they converged."
    lost = [labels[at] for at in np.flatnonzero(diverged > 0)]
    if not lost:
        return f"{first} None diverged."
    if (diverged[diverged > 0] == 1).all():
        return f"{first} All diverged at {x} {_listed(lost)}."
    return f"{first} Some diverged at {x} {_listed(lost)}, up to {write_share(diverged.max())} of the trials there."


def find_in_map(
    whole: pd.DataFrame, column: str, label: str, names: tuple[str, str], bins: tuple[Bins, Bins], *, is_max: bool
) -> str:
    """Says in which cell of a heatmap a layer is best.

    Args:
        whole: What `aggregate` returned of all trials.
        column: The layer's column.
        label: What it is called.
        names: The names of both axes, the horizontal one first.
        bins: Their bins.
        is_max: Whether much is good, and not little.
    """
    values = whole[column].to_numpy(float)
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return f"No cell has a {label}."
    bests = finite[values[finite] == (values[finite].max() if is_max else values[finite].min())]
    shown = write_share(values[bests[0]]) if column in SHARES else number(values[bests[0]])
    superlative = "greatest" if is_max else "least"
    if len(bests) == len(finite) > 1:
        return f"The {label} is the same in every cell that has one, {shown}."
    if len(bests) > 1:
        return f"The {label} is {superlative}, {shown}, in {len(bests):,} of {len(values):,} cells."
    row = whole.iloc[bests[0]]
    at_x, at_y = bins[0].labels[int(row[X])], bins[1].labels[int(row[Y])]
    return f"The {label} is {superlative} at {names[0]} {at_x} and {names[1]} {at_y}, {shown}."


def _listed(labels: Sequence[str]) -> str:
    """Lists some labels, or the first and the last of many."""
    if len(labels) <= _MOST_NAMED:
        return joined(labels)
    return f"{len(labels):,} of its values, {labels[0]} to {labels[-1]}"
