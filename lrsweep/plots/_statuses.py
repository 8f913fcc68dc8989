"""Shares by status, stacked along the learning rate."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.plots._axes import edges_of, lay_out
from lrsweep.plots._legends import add_legend, gather_settings
from lrsweep.plots._outcome import gather_places
from lrsweep.plots._style import COLOURS, given_or_new
from lrsweep.statistics._shares import status_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# From the bottom to the top: what has arrived, what is on its way, what is lost.
STACK = ("converged", "slow", "stalled", "oscillating", "dropped", "diverged")


def statuses(table: pd.DataFrame, x: str = "learning_rate", ax: "Axes | None" = None) -> "Axes":
    """Draws the shares of the statuses against the learning rate, or against another column, one upon the other.

    Args:
        table: A result table.
        x: One of the caller's columns. Numbers lie on a logarithmic axis where they are positive and more evenly
            spaced so, each as wide as halfway to its neighbours, and are gathered where there are more than 64 (see
            `lrsweep.gather`); words lie side by side. A trial in which it is missing is left out.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is empty, there is no such column, or no trial has it.

    Example:
        >>> ax = lrsweep.plots.statuses(result.table)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['converged', 'slow']
    """
    gather_settings(table, [], x)
    new, ax = ax is None, given_or_new(ax)
    add_legend(ax, draw_statuses(ax, table, x), grow=new)
    return ax


def draw_statuses(ax: "Axes", table: pd.DataFrame, x: str) -> list[tuple[Any, str]]:
    """Draws the stack of `statuses`, and returns what a legend says of it."""
    shares = status_shares(gather_places(table, x), x)
    at = lay_out(ax, "x", shares[x], x)
    order = np.argsort(at)
    edges = edges_of(at[order], logarithmic=ax.get_xscale() == "log")
    below, named = np.zeros(len(shares)), []
    for status in STACK:
        share = shares[status].to_numpy()[order]
        if share.any():
            stack = ax.stairs(below + share, edges, baseline=below, fill=True, color=COLOURS[status], linewidth=0)
            named.append((stack, status))
        below = below + share
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1)
    ax.set_ylabel("share of trials")
    return named
