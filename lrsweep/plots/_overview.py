"""A sweep at a glance: how fast, how well, and how it ended, one above the other along the learning rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from lrsweep.plots._legends import MOST_NAMED, add_colour_bar, add_legend, gather_settings, status_mark
from lrsweep.plots._outcome import draw_outcome
from lrsweep.plots._statuses import draw_statuses
from lrsweep.plots._style import COLUMN
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._summary import check_by, group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def overview(table: pd.DataFrame, x: str = "learning_rate", by: str | Sequence[str] | None = None) -> "Figure":
    """Draws a sweep at a glance, one above the other: updates to converge, final loss, and the shares of the statuses.

    Args:
        table: A result table.
        x: What all three are drawn against, as `outcome` has it.
        by: The columns that make a setting, as for `outcome`; where it is left out and there are more settings than a
            legend names, and no colour bar can measure them, all of them are drawn as one.

    Returns:
        The figure, which no window shows, and pyplot does not know of; `figure.savefig` writes it.

    Raises:
        ValueError: The table is empty, it lacks a column, or there are more settings than can be told apart.

    Example:
        >>> figure = lrsweep.plots.overview(result.table)
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['converged at (updates)', 'final loss', 'share of trials']
    """
    from matplotlib.figure import Figure

    table, names = gather_settings(table, _few(table, x) if by is None else by, x)
    figure = Figure(figsize=(COLUMN[0], 2 * COLUMN[1]), layout="constrained")
    fast, well, ended = figure.subplots(3, sharex=True)
    drawn = draw_outcome(fast, table, "converged_at", x, names)
    draw_outcome(well, table, "final_loss", x, names)
    stacked = draw_statuses(ended, table, x)
    for ax in (fast, well):
        ax.set_xlabel("")
    if drawn.looks.scale is not None:
        add_colour_bar([fast, well, ended], drawn.looks.scale, drawn.looks.title)
    add_legend(
        fast, [*drawn.settings, *((status_mark(status), status) for _, status in stacked)], title=drawn.title, grow=True
    )
    return figure


def _few(table: pd.DataFrame, x: str) -> list[str]:
    """The other columns that make a setting, where they make few or are one of numbers; otherwise none."""
    names = [name for name in check_by(table, None) if name != x]
    if len(names) == 1 and is_numeric(table[names[0]]):
        return names
    return names if len(group(table, names)[0]) <= MOST_NAMED else []
