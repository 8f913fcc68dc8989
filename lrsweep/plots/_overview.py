"""A sweep at a glance: how well, how fast, and how trials ended, one above the other along the learning rate."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrsweep.plots._legends import MOST_NAMED, add_colour_bar, add_legend, prepare_settings, status_entry
from lrsweep.plots._outcome import draw_outcome
from lrsweep.plots._statuses import draw_statuses
from lrsweep.plots._style import COLOURS, FIGURE_SIZE
from lrsweep.statistics._advice import count_ends
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._settings import settings_in
from lrsweep.statistics._summary import default_outcome, has_status, resolve_by
from lrsweep.tables._parts import Table, head_of, is_known
from lrsweep.tables._schema import CONVERGED_AT, LOSSES, criterion_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# How many characters of a label are as long as a chart is high.
_LONGEST_LABEL = 24


def overview(table: Table, x: str = "learning_rate", by: str | Sequence[str] | None = None) -> "Figure":
    """Draws a sweep at a glance, one above the other: how fast and how well trials did, and the shares of the statuses.

    These are the updates to converge and the final loss. Where a metric decides the best, it comes first, in the loss's
    place; and where no trial converged, the loss stands in the place of the updates.

    Args:
        table: A result table, or a `Store`.
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
    outcomes = _outcomes(table)
    height = (1 + len(outcomes)) * 2 / 3 * FIGURE_SIZE[1]
    figure = Figure(figsize=(FIGURE_SIZE[0], height), layout="constrained")
    *charts, shares = figure.subplots(1 + len(outcomes), sharex=True)
    drawn, *_ = [draw_outcome(ax, table, outcome, x, names) for ax, outcome in zip(charts, outcomes, strict=True)]
    draw_statuses(shares, table, x)
    for ax in charts:
        ax.set_xlabel("")
        # A label that is longer than its chart is high would run into the next one.
        ax.set_ylabel(textwrap.fill(ax.get_ylabel(), _LONGEST_LABEL))
    if drawn.styles.scale is not None:
        add_colour_bar([*charts, shares], drawn.styles.scale, drawn.styles.title)
    ends = count_ends(table)
    ended = [status_entry(status) for status in COLOURS if ends[status]]
    add_legend(charts[0], [*drawn.settings, *ended], title=drawn.title, grow=True)
    return figure


def _outcomes(table: Table) -> list[str]:
    """Names the outcomes to draw, the one that answers for the table first."""
    first, deciding = default_outcome(table), criterion_of(head_of(table)).columns[0]
    if has_status(table, "converged"):
        return [first, deciding if first == CONVERGED_AT else CONVERGED_AT]
    # Of runs of other programs a metric may be known, and no loss.
    return list(dict.fromkeys([first, *(name for name in LOSSES[:1] if is_known(table, name))]))


def _columns_to_name(table: Table, x: str) -> list[str]:
    """Gives the other columns, where they make few settings or are one of numbers; otherwise none."""
    names = [name for name in resolve_by(table, None) if name != x]
    if len(names) == 1 and is_numeric(head_of(table)[names[0]]):
        return names
    return names if len(settings_in(table, names)) <= MOST_NAMED else []
