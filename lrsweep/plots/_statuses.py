"""Shares of the statuses, stacked, along the learning rate."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lrsweep.plots._axes import cell_edges, set_up_axis
from lrsweep.plots._legends import add_legend, prepare_settings
from lrsweep.plots._outcome import prepare_x
from lrsweep.plots._style import COLOURS, LEGEND, axes_or_new
from lrsweep.statistics._shares import status_shares
from lrsweep.tables._parts import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def statuses(table: Table, x: str = "learning_rate", ax: "Axes | None" = None) -> "Axes":
    """Draws the shares of the statuses against the learning rate, or against another column, stacked.

    Args:
        table: A result table, or a `Store`.
        x: One of the caller's columns. Numbers lie on a logarithmic axis where they are positive and more evenly
            spaced so, each as wide as halfway to its neighbours, and are gathered where there are more than 64 (see
            `lrsweep.gather`); words lie side by side. A trial without a value in it is left out.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is empty, there is no such column, or no trial has it.

    Example:
        >>> ax = lrsweep.plots.statuses(result.table)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['converged', 'slow (still improving)']
    """
    prepare_settings(table, [], x)
    new, ax = ax is None, axes_or_new(ax)
    add_legend(ax, draw_statuses(ax, table, x), grow=new)
    return ax


def draw_statuses(ax: "Axes", table: Table, x: str) -> list[tuple[Any, str]]:
    """Draws the stack of `statuses`, and returns its entries for a legend."""
    shares = status_shares(prepare_x(table, x), x)
    positions = set_up_axis(ax, "x", shares[x], x)
    order = np.argsort(positions)
    edges = cell_edges(positions[order], logarithmic=ax.get_xscale() == "log")
    below, entries = np.zeros(len(shares)), []
    for status in COLOURS:
        share = shares[status].to_numpy()[order]
        if share.any():
            stack = ax.stairs(below + share, edges, baseline=below, fill=True, color=COLOURS[status], linewidth=0)
            entries.append((stack, LEGEND[status]))
        below = below + share
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1)
    ax.set_ylabel("share of trials")
    return entries
