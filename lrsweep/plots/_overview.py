"""A sweep at a glance: how fast, how well, and how trials ended, one above the other along the learning rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from lrsweep.plots._legends import MOST_NAMED, add_colour_bar, add_legend, prepare_settings, status_mark
from lrsweep.plots._outcome import draw_outcome
from lrsweep.plots._statuses import draw_statuses
from lrsweep.plots._style import FIGURE_SIZE
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._summary import group_trials, resolve_by
from lrsweep.tables._schema import criterion_of, final

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def overview(table: pd.DataFrame, x: str = "learning_rate", by: str | Sequence[str] | None = None) -> "Figure":
    """Draws a sweep at a glance: updates to converge, the final loss, and the shares of the statuses.

    They stand one above the other. Where a metric decides the best, it is drawn in the loss's place.

    Args:
        table: A result table.
        x: The column that all three are drawn against, as in `outcome`.
        by: The columns that make a setting, as in `outcome`. Where it is left out and there are more settings than a
            legend names, and no colour bar can measure them, all trials are drawn as one setting.

    Returns:
        The figure, which is not registered with pyplot and so opens no window; `figure.savefig` writes it.

    Raises:
        ValueError: The table is empty, it lacks a column, or there are more settings than can be told apart.

    Example:
        >>> figure = lrsweep.plots.overview(result.table)
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['converged at (updates)', 'final loss', 'share of trials']
    """
    from matplotlib.figure import Figure

    table, names = prepare_settings(table, _columns_to_name(table, x) if by is None else by, x)
    figure = Figure(figsize=(FIGURE_SIZE[0], 2 * FIGURE_SIZE[1]), layout="constrained")
    updates, quality, shares = figure.subplots(3, sharex=True)
    drawn = draw_outcome(updates, table, "converged_at", x, names)
    draw_outcome(quality, table, final(criterion_of(table).name), x, names)
    stacked = draw_statuses(shares, table, x)
    for ax in (updates, quality):
        ax.set_xlabel("")
    if drawn.styles.scale is not None:
        add_colour_bar([updates, quality, shares], drawn.styles.scale, drawn.styles.title)
    entries = [*drawn.settings, *((status_mark(status), status) for _, status in stacked)]
    add_legend(updates, entries, title=drawn.title, grow=True)
    return figure


def _columns_to_name(table: pd.DataFrame, x: str) -> list[str]:
    """Gives the other columns, where they make few settings or are one of numbers; otherwise none."""
    names = [name for name in resolve_by(table, None) if name != x]
    if len(names) == 1 and is_numeric(table[names[0]]):
        return names
    return names if len(group_trials(table, names)[0]) <= MOST_NAMED else []
