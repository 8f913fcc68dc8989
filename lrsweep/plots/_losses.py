"""Losses against updates: the quartiles over the trials of each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.plots._axes import VisibleRange, fit_y_axis
from lrsweep.plots._legends import (
    add_colour_bar,
    add_legend,
    band_opacity,
    legend_entries,
    prepare_settings,
    status_entry,
    style_settings,
)
from lrsweep.plots._style import COLOURS, MARKERS, axes_or_new
from lrsweep.statistics._quartiles import summarize_curves
from lrsweep.statistics._summary import QUARTILES, group_trials
from lrsweep.tables._schema import LOSS, greater_is_good, settings_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The marks of more trials than the first are small; those of more than the second are an image within a PDF.
_FEW, _MANY = 100, 2000


def losses(
    table: pd.DataFrame,
    curves: pd.DataFrame,
    by: str | Sequence[str] | None = None,
    target: float | None = None,
    ax: "Axes | None" = None,
    *,
    of: str = LOSS,
) -> "Axes":
    """Draws the curves of a sweep against the updates: one line per setting, with a band for its quartiles.

    The line is the median over the setting's trials, and the band around it reaches from the lower to the upper
    quartile, as `lrsweep.summarize_curves` gives them; it ends where the last of its trials did. Where half of them
    have diverged the line lies at the upper edge. Every trial that converged is marked where it did, at its last
    recorded loss, and every one that diverged at the upper edge. The axis is logarithmic, unless a loss is negative.
    Of what is good where it is great, such as an accuracy, the axis is linear and the edge is the lower one.

    Args:
        table: A result table, or some of its rows.
        curves: Its losses, `Sweep.curves["loss"]`, or the curves of something else that was recorded.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed`. Up to eight
            settings are named in the legend; more of them by a colour bar, where they are numbers of one column
            (gathered where there are more than 32, see `lrsweep.gather`).
        target: The loss that counts as converged, drawn as a line; None for none.
        ax: The axes to draw on; None for those of a new figure.
        of: What the curves are of, by the name that it was recorded by.

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
        >>> ax = lrsweep.plots.losses(swept.table, swept.curves["loss"])
        >>> ax.get_xlabel(), ax.get_yscale(), len(ax.lines)
        ('updates', 'log', 2)
    """
    settings_of(table)  # refuses a store, whose curves are not read in parts
    table, names = prepare_settings(table, by)
    sign = -1 if greater_is_good(table, of) else 1
    # Trials that have diverged count as infinitely bad.
    quartiles = summarize_curves(table, sign * curves if isinstance(curves, pd.DataFrame) else curves, names)
    settings, setting = group_trials(table, names)
    styles, band = style_settings(settings), band_opacity(len(settings), repeated=len(table) > len(settings))
    updates = curves.columns.to_numpy()
    values = sign * np.stack([quartiles[name].to_numpy().reshape(len(settings), -1) for name in QUARTILES])

    new, ax = ax is None, axes_or_new(ax)
    drawn = np.append(values, np.nan if target is None else target)
    visible = fit_y_axis(ax, drawn, logarithmic=sign > 0 and not (values < 0).any())
    lines, last = [], table["steps"].groupby(setting).max().to_numpy()
    for index, colour in enumerate(styles.colours):
        until = slice(np.searchsorted(updates, last[index]) + 1)
        lower, median, upper = visible.clip(values[:, index, until])
        if band:
            ax.fill_between(updates[until], lower, upper, color=colour, alpha=band, linewidth=0)
        lines += ax.plot(updates[until], median, color=colour, linewidth=1.2)
    entries = legend_entries(lines, styles)
    title = styles.title if entries else ""
    entries += _mark_ends(ax, table, curves.loc[table.index], visible, visible.high if sign > 0 else visible.low)
    if target is not None:
        entries.append((ax.axhline(target, color="black", linewidth=0.8, linestyle=":"), "target"))
    ax.set_xlabel("updates")
    ax.set_ylabel(of)
    ax.set_xlim(updates[0], max(updates[-1], 1))
    add_legend(ax, entries, title=title, grow=new)
    if styles.scale is not None:
        add_colour_bar(ax, styles.scale, styles.title)
    return ax


def _mark_ends(
    ax: "Axes", table: pd.DataFrame, curves: pd.DataFrame, visible: VisibleRange, edge: float
) -> list[tuple[Any, str]]:
    """Marks where trials converged, or diverged, these at an edge; returns the marks' entries for a legend."""
    losses, updates, entries = curves.to_numpy(float), curves.columns.to_numpy(), []
    for status in ("converged", "diverged"):
        rows = np.flatnonzero(table["status"] == status)
        if rows.size == 0:
            continue
        ended_at = table[f"{status}_at"].to_numpy(float, na_value=np.nan)[rows]
        heights = np.full(len(rows), edge)
        if status == "converged":
            heights = visible.clip(losses[rows, np.searchsorted(updates, ended_at, side="right") - 1])
        ax.scatter(
            ended_at,
            heights,
            s=16 if len(rows) <= _FEW else 5,
            color=COLOURS[status],
            marker=MARKERS[status],
            edgecolors="white",
            linewidths=0.3,
            # A mark on the edge is drawn whole.
            clip_on=status == "converged",
            zorder=3,
            rasterized=len(rows) > _MANY,
        )
        entries.append(status_entry(status))
    return entries
