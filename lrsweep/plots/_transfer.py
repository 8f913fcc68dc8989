"""A transfer: the best learning rate against the width, or whatever else grows, with its interval."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import unknown
from lrsweep.plots._axes import label_of, set_up_axis, write_ticks
from lrsweep.plots._legends import MOST_SETTINGS, add_colour_bar, add_legend, legend_entries, style_settings
from lrsweep.plots._style import axes_or_new
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._summary import group_trials
from lrsweep.tables._schema import LEARNING_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def transfer(transferred: pd.DataFrame, along: str, ax: "Axes | None" = None) -> "Axes":
    """Draws the best learning rate against a width, with its interval over seeds: one that transfers lies level.

    Args:
        transferred: What `lrsweep.transfer` gives.
        along: The column that it was asked to compare along; words lie side by side. There is one line per setting of
            the others, named in the legend with the power by which its best learning rate grows.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes, logarithmic, but for words.

    Raises:
        TypeError: It is not a table.
        ValueError: It is not what `lrsweep.transfer` gives, has no such column, or has more settings than can be told
            apart.

    Example:
        >>> found = pd.DataFrame({"width": [64, 128], "learning_rate": [0.1, 0.05], "low": [0.1, 0.05],
        ...                       "high": [0.2, 0.05], "median_final_loss": 0.5, "untuned": 0.5, "power": -1.0})
        >>> ax = lrsweep.plots.transfer(found, "width")
        >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_legend().get_texts()[0].get_text()
        ('width', 'best learning rate', 'power -1.00')
    """
    if not isinstance(transferred, pd.DataFrame):
        raise InputTypeError(f"a transfer is drawn, as lrsweep.transfer gives it, not a {type(transferred).__name__}")
    for name in (LEARNING_RATE, "untuned", "power"):
        if name not in transferred.columns:
            raise InputError(f"this is not what lrsweep.transfer gives: it has no column {name!r}")
    names = list(transferred.columns[: transferred.columns.get_loc(LEARNING_RATE)])
    if along not in names:
        raise InputError("along: " + unknown("column", along, names))
    settings, setting = group_trials(transferred, [name for name in names if name != along])
    if len(settings) > MOST_SETTINGS:
        raise InputError(f"there are {len(settings):,} settings, too many to draw: give fewer")
    new, ax = ax is None, axes_or_new(ax)
    styles, lines = style_settings(settings), []
    numeric = is_numeric(transferred[along])
    places = transferred[along].to_numpy() if numeric else set_up_axis(ax, "x", transferred[along], along)
    for index, colour in enumerate(styles.colours):
        rows = transferred.assign(**{along: places})[setting == index].sort_values(along)
        rates, low, high = (rows[name].to_numpy(float) for name in (LEARNING_RATE, "low", "high"))
        # Where there is no interval, as with one seed, the bars have no length.
        ends = np.stack([rates - np.where(np.isnan(low), rates, low), np.where(np.isnan(high), rates, high) - rates])
        bars = ax.errorbar(rows[along], rates, ends, color=colour, marker="o", markersize=3, linewidth=1, capsize=2)
        lines.append(bars.lines[0])
    if numeric:
        ax.set(xscale="log", xlabel=label_of(along))
    ax.set(yscale="log", ylabel="best learning rate")
    write_ticks(ax.xaxis, *ax.get_xlim())
    write_ticks(ax.yaxis, *ax.get_ylim())
    title = styles.title if styles.names else ""
    if styles.scale is None:
        powers = [transferred["power"].to_numpy(float)[setting == index][0] for index in range(len(settings))]
        styles = styles._replace(names=[_label(*each) for each in zip(styles.names or [""], powers, strict=True)])
    add_legend(ax, legend_entries(lines, styles), title=title, grow=new)
    if styles.scale is not None:
        add_colour_bar(ax, styles.scale, styles.title)
    return ax


def _label(name: str, power: float) -> str:
    """Names a line by its setting, if there are several, and the power by which its best learning rate grows."""
    # A small negative one would be written -0.00.
    known = "" if np.isnan(power) else f"power {round(power, 2) + 0.0:.2f}"
    return ", ".join(part for part in (name, known) if part)
