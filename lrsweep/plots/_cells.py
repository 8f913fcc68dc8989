"""A map of two columns: the outcome in every cell, or how the trials ended where there is none."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.plots._axes import cell_edges, outcome_label, plain_text, set_up_axis, suits_logarithm
from lrsweep.plots._legends import add_colour_bar, add_legend
from lrsweep.plots._style import COLOURS, LEGEND, axes_or_new
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._outcome_map import outcome_map
from lrsweep.statistics._summary import default_outcome
from lrsweep.tables._parts import Table, head_of, is_empty, with_column
from lrsweep.tables._schema import MAX, MIN, mode_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Bright is good: few updates, a small loss; or a great accuracy.
COLOUR_MAPS = {MIN: "viridis_r", MAX: "viridis"}


def cells(
    table: Table,
    x: str,
    y: str,
    outcome: str | None = None,
    cells: int = 512,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws a map of an outcome over two columns, such as the learning rate and where a trial starts.

    A cell's colour stands for the median outcome of its trials, as `lrsweep.outcome_map` gives it. Where that is
    infinite, or there is none, it stands for the most frequent status of the trials without the outcome; the legend
    names these statuses. A cell without trials is left white. Bright is good: a small number, or a great one of a
    metric whose greatest value is the best: the objective's `mode` says so of the one that decides, and of any other
    its name, as that of an accuracy does.

    Args:
        table: A result table, or a `Store`.
        x: One of the caller's columns, along the horizontal axis. Numbers lie on a logarithmic axis where they are
            positive and more evenly spaced so; words side by side.
        y: Another one, along the vertical axis.
        outcome: A column of numbers, or one of words such as `status`; None for `converged_at`, or, where a metric
            decides the best or no trial converged, for what decides it at the end.
        cells: The most cells along an axis; more values are gathered into so many bins.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is empty, there are no such columns, or no trial has both.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.3, 1.0], momentum=[0.0, 0.5, 0.9])
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials)
        >>> ax = lrsweep.plots.cells(swept.table, "learning_rate", "momentum")
        >>> ax.get_xscale(), ax.get_yscale(), ax.collections[0].get_array().shape
        ('log', 'linear', (3, 3))
    """
    from matplotlib.colors import LogNorm, Normalize

    if is_empty(table):
        raise InputError("the table is empty: there is nothing to draw of no trials")
    outcome = default_outcome(table) if outcome is None else outcome
    values = words = outcome_map(table, x, y, outcome, cells)
    head = head_of(table)
    numeric = is_numeric(head[outcome])
    if numeric:
        # Among the trials that have no outcome.
        has = "diverged" if outcome == "diverged_at" else "converged"
        without = with_column(table, "status", lambda status: status.where(status != has))
        words = outcome_map(without, x, y, "status", cells)
    new, ax = ax is None, axes_or_new(ax)
    across = set_up_axis(ax, "x", values.columns.to_series(), x)
    along = set_up_axis(ax, "y", values.index.to_series(), y)
    edges = [
        cell_edges(positions, logarithmic=scale == "log")
        for positions, scale in ((across, ax.get_xscale()), (along, ax.get_yscale()))
    ]
    # Cells are rasterised, because a PDF would otherwise hold each as a shape.
    if numeric:
        finite = np.ma.masked_invalid(values.to_numpy(float))
        norm = (LogNorm if suits_logarithm(outcome, finite.compressed()) else Normalize)()
        colours = COLOUR_MAPS[mode_of(head, outcome)]
        mesh = ax.pcolormesh(*edges, finite, cmap=colours, norm=norm, rasterized=True)
        if finite.count():
            add_colour_bar(ax, mesh, outcome_label(head, outcome))
        words = words.where(np.ma.getmaskarray(finite))
    add_legend(ax, _draw_words(ax, edges, words), grow=new)
    return ax


def _draw_words(ax: "Axes", edges: list[np.ndarray], words: pd.DataFrame) -> list[tuple[Any, str]]:
    """Draws cells of words, each word in its colour, and returns their entries for a legend."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    codes, distinct = pd.factorize(words.to_numpy(object).ravel(), sort=True)
    if len(distinct) == 0:
        return []
    shades = colormaps["viridis"](np.linspace(0, 1, len(distinct)))
    colours: list[Any] = [COLOURS.get(word, shade) for word, shade in zip(distinct, shades, strict=True)]
    cells = np.ma.masked_less(codes, 0).reshape(words.shape)
    ax.pcolormesh(*edges, cells, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(distinct) - 0.5, rasterized=True)
    names = [LEGEND.get(word, plain_text(word)) for word in distinct]
    return [(Patch(color=colour), name) for name, colour in zip(names, colours, strict=True)]
