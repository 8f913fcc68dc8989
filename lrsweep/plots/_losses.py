"""Losses against updates: how the trials of each setting went."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.plots._axes import Range, fit_values
from lrsweep.plots._legends import (
    add_colour_bar,
    add_legend,
    band_of,
    gather_settings,
    look_of,
    name_settings,
    status_mark,
)
from lrsweep.plots._style import COLOURS, MARKERS, given_or_new
from lrsweep.statistics._quartiles import summarize_curves
from lrsweep.statistics._summary import QUARTILES, group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of more trials than these the marks are small; and of more than these a PDF keeps them as an image.
_FEW, _MANY = 100, 2000


def losses(
    table: pd.DataFrame,
    curves: pd.DataFrame,
    by: str | Sequence[str] | None = None,
    target: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the losses of a sweep against the updates: one line per setting, and its spread.

    The line is the median over the setting's trials, and the band about it reaches from the lower to the upper
    quartile, as `lrsweep.summarize_curves` gives them; it ends where the last of its trials did. Where half of them
    have diverged the line lies at the upper edge. Every trial that converged is marked where it did, at the loss last
    recorded of it, and every one that diverged at the upper edge. The axis is logarithmic, unless a loss is negative.

    Args:
        table: A result table, or some of its rows.
        curves: Its losses, as `Sweep.curves` gives them where `record_every` is given.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed`. Up to eight
            settings are named in the legend; more of them by a colour bar, where they are numbers of one column
            (gathered where there are more than 32, see `lrsweep.gather`).
        target: The loss that counts as converged, drawn as a line; None for none.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes.

    Raises:
        TypeError: There are no curves.
        ValueError: The table is empty, the curves are not its own, there is no column of a name in `by`, or there are
            more settings than can be told apart.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.01])
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=100, record_every=1)
        >>> ax = lrsweep.plots.losses(swept.table, swept.curves)
        >>> ax.get_xlabel(), ax.get_yscale(), len(ax.lines)
        ('updates', 'log', 2)
    """
    table, names = gather_settings(table, by)
    spread = summarize_curves(table, curves, names)
    settings, setting = group(table, names)
    looks, band = look_of(settings), band_of(len(settings), repeated=len(table) > len(settings))
    updates = curves.columns.to_numpy()
    values = {quartile: spread[quartile].to_numpy().reshape(len(settings), -1) for quartile in QUARTILES}

    new, ax, every = ax is None, given_or_new(ax), np.stack([*values.values()])
    shown = fit_values(ax, np.append(every, np.nan if target is None else target), logarithmic=not (every < 0).any())
    lines, last = [], table["steps"].groupby(setting).max().to_numpy()
    for place, colour in enumerate(looks.colours):
        until = slice(np.searchsorted(updates, last[place]) + 1)
        lower, median, upper = (shown.clip(values[quartile][place, until]) for quartile in QUARTILES)
        if band:
            ax.fill_between(updates[until], lower, upper, color=colour, alpha=band, linewidth=0)
        lines += ax.plot(updates[until], median, color=colour, linewidth=1.2)
    named = name_settings(lines, looks)
    title = looks.title if named else ""
    named += _mark(ax, table, curves.loc[table.index], shown)
    if target is not None:
        named.append((ax.axhline(target, color="black", linewidth=0.8, linestyle=":"), "target"))
    ax.set_xlabel("updates")
    ax.set_ylabel("loss")
    ax.set_xlim(updates[0], max(updates[-1], 1))
    add_legend(ax, named, title=title, grow=new)
    if looks.scale is not None:
        add_colour_bar(ax, looks.scale, looks.title)
    return ax


def _mark(ax: "Axes", table: pd.DataFrame, curves: pd.DataFrame, shown: Range) -> list[tuple[Any, str]]:
    """Marks where trials converged or diverged; returns what a legend says of it."""
    losses, updates, named = curves.to_numpy(float), curves.columns.to_numpy(), []
    for status in ("converged", "diverged"):
        rows = np.flatnonzero(table["status"] == status)
        if rows.size == 0:
            continue
        at = table[f"{status}_at"].to_numpy(float, na_value=np.nan)[rows]
        heights = np.full(len(rows), shown.high)
        if status == "converged":
            heights = shown.clip(losses[rows, np.searchsorted(updates, at, side="right") - 1])
        ax.scatter(
            at,
            heights,
            s=16 if len(rows) <= _FEW else 5,
            color=COLOURS[status],
            marker=MARKERS[status],
            edgecolors="white",
            linewidths=0.3,
            # What lies on the edge is not to be cut in half by it.
            clip_on=status == "converged",
            zorder=3,
            rasterized=len(rows) > _MANY,
        )
        named.append((status_mark(status), status))
    return named
