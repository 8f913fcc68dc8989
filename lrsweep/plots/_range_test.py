"""A range test: the losses against the learning rate that rose from update to update, and what they suggest."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import number
from lrsweep.plots._axes import VisibleRange, fit_y_axis, suits_logarithm
from lrsweep.plots._legends import MOST_SETTINGS, add_colour_bar, add_legend, legend_entries, style_settings
from lrsweep.plots._style import axes_or_new
from lrsweep.statistics._range_test import SEEDS, SMOOTHED, STEP, SUGGESTIONS, RangeTest
from lrsweep.tables._schema import LEARNING_RATE, LOSS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One marker per suggestion; they are black, which no setting is.
_MARKS = {"steepest": "v", "minimum_over_ten": "s", "valley": "o"}


def range_test(tested: RangeTest, ax: "Axes | None" = None) -> "Axes":
    """Draws the smoothed losses of a range test against the learning rate, with the suggestions marked on them.

    There is one line per setting, the median over its seeds, to where it was ended. Where there is one setting alone,
    the losses as they were, medians too, lie behind it as dots, and the smoothed ones of each seed as thin lines. The
    loss by which a curve was ended may lie beyond the upper edge, and is drawn at it.

    Args:
        tested: What `lrsweep.range_test` returns.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes. The learning rate along x is logarithmic; the loss along y is so where it spans more than a
        hundredfold.

    Raises:
        TypeError: It is not a range test.
        ValueError: There are more settings than can be told apart.

    Example:
        >>> import optax
        >>> tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, low=1e-4, seeds=range(5))
        >>> ax = lrsweep.plots.range_test(tested)
        >>> ax.get_xlabel(), ax.get_xscale(), ax.get_ylabel()
        ('learning rate', 'log', 'smoothed loss')
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['steepest 0.1707', 'minimum/10 0.08697', 'valley 0.01485']
    """
    if not isinstance(tested, RangeTest):
        raise InputTypeError(f"a range test is drawn, as lrsweep.range_test gives it, not a {type(tested).__name__}")
    settings = tested.suggestions.iloc[:, : tested.suggestions.columns.get_loc(SEEDS)]
    if len(settings) > MOST_SETTINGS:
        raise InputError(f"there are {len(settings):,} settings, too many to draw: test fewer")
    new, ax = ax is None, axes_or_new(ax)
    rates, medians = _lay_out(tested.medians)
    alone = len(settings) == 1
    seeds = _lay_out(tested.curves)[1] if alone and len(tested.by_seed) > 1 else medians[:0]
    shown = _without_last(np.concatenate([medians, seeds]))
    visible = fit_y_axis(ax, shown, logarithmic=suits_logarithm(LOSS, shown))
    styles, lines = style_settings(settings), []
    if alone:
        losses = _lay_out(tested.medians, LOSS)[1][0]
        ax.plot(rates, np.where(losses <= visible.high, losses, np.nan), ".", color=styles.colours[0], **_BEHIND)
        for curve in seeds:
            ax.plot(rates, visible.clip(curve), color=styles.colours[0], linewidth=0.5, alpha=0.3)
    for curve, colour in zip(medians, styles.colours, strict=True):
        lines += ax.plot(rates, visible.clip(curve), color=colour, linewidth=1.2)
    ax.set(xscale="log", xlim=(rates[0], rates[-1]), xlabel="learning rate", ylabel="smoothed loss")
    entries = [*legend_entries(lines, styles), *_mark_suggestions(ax, tested.suggestions, rates, medians, visible)]
    add_legend(ax, entries, title=styles.title if styles.names else "", grow=new)
    if styles.scale is not None:
        add_colour_bar(ax, styles.scale, styles.title)
    return ax


# The losses as they were.
_BEHIND: dict[str, Any] = {"markersize": 2.5, "markeredgewidth": 0, "alpha": 0.6}


def _lay_out(table: pd.DataFrame, column: str = SMOOTHED) -> tuple[np.ndarray, np.ndarray]:
    """Gives the learning rates ``[step]`` of a table of curves, and its losses ``[curve, step]``."""
    steps = int(table[STEP].max()) + 1
    return table[LEARNING_RATE].to_numpy()[:steps], table[column].to_numpy().reshape(-1, steps)


def _without_last(curves: np.ndarray) -> np.ndarray:
    """Replaces the last loss of each curve that has ended by NaN: a loss that says so may be of any size."""
    after = np.isnan(np.roll(curves, -1, axis=1))
    after[:, -1] = False
    return np.where(after, np.nan, curves)


def _mark_suggestions(
    ax: "Axes", suggestions: pd.DataFrame, rates: np.ndarray, medians: np.ndarray, visible: VisibleRange
) -> list[tuple[Any, str]]:
    """Marks the suggestions on their curves; returns the marks' entries for a legend."""
    from matplotlib.lines import Line2D

    entries = []
    for name in SUGGESTIONS:
        suggested, marker = suggestions[name].to_numpy(), _MARKS[name]
        found = np.flatnonzero(np.isfinite(suggested))
        if found.size == 0:
            continue
        # A tenth of a learning rate lies between two of those tried, or below all of them.
        heights = [np.interp(np.log(suggested[row]), np.log(rates), medians[row]) for row in found]
        ax.scatter(
            suggested[found],
            visible.clip(heights),
            s=18,
            color="black",
            marker=marker,
            edgecolors="white",
            linewidths=0.5,
            zorder=3,
        )
        label = name.replace("_over_ten", "/10") + (f" {number(suggested[0])}" if len(suggested) == 1 else "")
        entries.append((Line2D([], [], color="black", marker=marker, linestyle="none", markersize=4), label))
    return entries
