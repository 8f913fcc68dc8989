"""An outcome against the learning rate: how fast or how well, with the best and the critical learning rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import number
from lrsweep.plots._axes import fit_y_axis, outcome_label, plain_text, set_up_axis, suits_logarithm
from lrsweep.plots._legends import (
    Styles,
    add_colour_bar,
    add_legend,
    band_opacity,
    legend_entries,
    prepare_settings,
    status_entry,
    style_settings,
)
from lrsweep.plots._style import COLOURS, MARKERS, axes_or_new
from lrsweep.statistics._advice import count_ends
from lrsweep.statistics._best import Best
from lrsweep.statistics._bins import gathered, has_value, is_numeric
from lrsweep.statistics._critical import summarize_critical
from lrsweep.statistics._quartiles import check_outcome, summarize_outcome
from lrsweep.statistics._settings import group_trials
from lrsweep.statistics._shares import status_shares
from lrsweep.statistics._summary import QUARTILES, default_outcome
from lrsweep.tables._parts import Table, distinct_values, head_of, is_empty, rows_where
from lrsweep.tables._schema import CONVERGED_AT, LEARNING_RATE, MAX, criterion_of
from lrsweep.tables._text import write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More values than this along the axis are gathered into so many.
MOST_VALUES = 64

# The statuses marked at the upper edge, from there downwards; and the height of a row of marks, as a share of the axis.
EDGE_STATUSES = ("diverged", "oscillating", "stalled", "slow", "dropped")
_ROW = 0.06

# A line of more points has no dots.
_MOST_DOTS = 40


def outcome(
    table: Table,
    outcome: str | None = None,
    x: str = "learning_rate",
    by: str | Sequence[str] | None = None,
    best: Best | None = None,
    critical: pd.DataFrame | float | None = None,
    theory: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws an outcome against the learning rate, or against another column: one line per setting of the others.

    The line is the median over the trials, and the band around it reaches from the lower to the upper quartile, as
    `lrsweep.summarize_outcome` gives them; what is infinite, or beyond the end of the steps, lies at the upper edge,
    and what is infinitely bad of a metric whose greatest value is the best at the lower one. Also marked there are
    trials without the outcome: those that diverged and, of `converged_at`, all that did not converge. There is one row
    of marks per status; the larger a mark, the greater the share of the trials there.

    Args:
        table: A result table, or a `Store`.
        outcome: A column of numbers, such as `converged_at` or `final_loss`; None for `converged_at`, or, where a
            metric decides the best or no trial converged, for what decides it at the end.
        x: One of the caller's columns. Numbers lie on a logarithmic axis where they are positive and more evenly
            spaced so, and are gathered where there are more than 64 (see `lrsweep.gather`); words lie side by side. A
            trial in which it is missing is left out.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed` and `x`. Up to eight
            settings are named in the legend; more of them by a colour bar, where they are numbers of one column.
        best: What `lrsweep.best_learning_rate` returns, drawn as a line, and a band for its interval; along another
            column the line lies at the best setting's value.
        critical: What `lrsweep.critical_learning_rate` returns, drawn as a line for the median of each setting, and a
            band from the least to the greatest over its starts; or a number.
        theory: The critical learning rate by theory; where it is left out, the one in `critical`, if there is one.
            These two have a place along `learning_rate` only.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is empty, it lacks a column, the outcome does not hold numbers, there are more settings
            than can be told apart, or a critical learning rate is given along another column.

    Example:
        >>> ax = lrsweep.plots.outcome(result.table, best=lrsweep.best_learning_rate(result.table))
        >>> ax.get_xlabel(), ax.get_xscale(), ax.get_ylabel()
        ('learning rate', 'log', 'converged at (updates)')
    """
    table, names = prepare_settings(table, by, x)
    outcome = default_outcome(table) if outcome is None else outcome
    check_outcome(table, outcome)
    if x != LEARNING_RATE and (critical is not None or theory is not None):
        raise InputError(f"critical and theory are learning rates, and {x!r} lies along the axis: leave them out")
    new, ax = ax is None, axes_or_new(ax)
    drawn = draw_outcome(ax, table, outcome, x, names)
    known = [*_draw_best(ax, table, x, best), *_draw_critical_rates(ax, critical, theory)]
    entries = [*drawn.settings, *drawn.marks, *known]
    add_legend(ax, entries, title=drawn.title, grow=new)
    if drawn.styles.scale is not None:
        add_colour_bar(ax, drawn.styles.scale, drawn.styles.title)
    return ax


class OutcomeLegend(NamedTuple):
    """The parts of a legend for a drawn outcome: the settings, the marks of statuses, and the settings' styles."""

    settings: list[tuple[Any, str]]
    marks: list[tuple[Any, str]]
    styles: Styles

    @property
    def title(self) -> str:
        """The title above the settings, where a legend names them."""
        return self.styles.title if self.settings else ""


def prepare_x(table: Table, x: str) -> Table:
    """Gives the trials that have a value along the axis, gathered where there are too many values.

    Raises:
        ValueError: No trial has a value.
    """
    drawn = rows_where(table, [x], lambda trials: has_value(trials[x]))
    if is_empty(drawn):
        raise InputError(f"no trial has a {x!r}: there is nothing to draw along it")
    return gathered(drawn, x, MOST_VALUES) if is_numeric(head_of(table)[x]) else drawn


def draw_outcome(ax: "Axes", table: Table, outcome: str, x: str, names: list[str]) -> OutcomeLegend:
    """Draws the lines of `outcome`, its bands, and the marks at the edge."""
    table = prepare_x(table, x)
    quartiles = summarize_outcome(table, outcome, [x, *names])
    settings, setting = group_trials(quartiles, names)
    styles, band = style_settings(settings), band_opacity(len(settings), repeated=bool((quartiles["trials"] > 1).any()))
    positions = set_up_axis(ax, "x", quartiles[x], x)
    values = quartiles[list(QUARTILES)].to_numpy(float)
    if outcome == CONVERGED_AT:
        # So few trials converge that this quartile lies beyond the end of the steps, and so beyond the edge.
        values = np.where(np.isnan(values), np.inf, values)
    without, bad_is_low = _statuses_without(table, outcome), _is_good_high(table, outcome)
    room = _ROW * len(without) + (0.03 if without else 0)
    visible = fit_y_axis(
        ax,
        values,
        logarithmic=suits_logarithm(outcome, values),
        **{"footroom" if bad_is_low else "headroom": room},
    )
    ax.set_ylabel(outcome_label(head_of(table), outcome))
    lines, words = [], not is_numeric(quartiles[x])
    for index, colour in enumerate(styles.colours):
        rows = np.flatnonzero(setting == index)
        rows = rows[np.argsort(positions[rows], kind="stable")]
        lower, median, upper = visible.clip(values[rows]).T
        # Words have no order that a line could follow: settings lie side by side, not to cover one another.
        shift = (index + 0.5) / len(settings) - 0.5 if words else 0.0
        xs = positions[rows] + 0.6 * shift
        if words and band:
            ax.vlines(xs, lower, upper, color=colour, linewidth=1.2)
        elif band:
            ax.fill_between(xs, lower, upper, color=colour, alpha=band, linewidth=0)
        style = "none" if words else "-"
        marker = "." if words or len(rows) <= _MOST_DOTS else "none"
        lines += ax.plot(xs, median, color=colour, linewidth=1.2, linestyle=style, marker=marker, markersize=4)
    shares, marks = status_shares(table, x), []
    positions = set_up_axis(ax, "x", shares[x], x)
    for row, status in enumerate(without):
        of_status = shares[status].to_numpy()
        marked = of_status > 0
        ax.scatter(
            positions[marked],
            np.full(marked.sum(), _ROW * row if bad_is_low else 1 - _ROW * row),
            s=4 + 26 * of_status[marked],
            color=COLOURS[status],
            marker=MARKERS[status],
            linewidths=0,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            zorder=3,
        )
        marks.append(status_entry(status))
    return OutcomeLegend(legend_entries(lines, styles), marks, styles)


def _statuses_without(table: Table, outcome: str) -> list[str]:
    """Gives the statuses, of those in the table, whose trials have no such outcome."""
    has = {CONVERGED_AT: "converged", "diverged_at": "diverged"}.get(outcome)
    without = ["diverged"] if has is None else [status for status in EDGE_STATUSES if status != has]
    ends = count_ends(table)
    return [status for status in without if ends[status]]


def _is_good_high(table: Table, outcome: str) -> bool:
    """Tells whether a trial that diverged counts as the least, and not as the greatest, of an outcome."""
    criterion = criterion_of(head_of(table))
    return outcome in criterion.columns and criterion.mode == MAX


def _draw_best(ax: "Axes", table: Table, x: str, best: Best | None) -> list[tuple[Any, str]]:
    """Draws where the best setting lies as a line, with the interval of a learning rate; returns its entry."""
    if best is None or x not in best.setting:
        return []
    value = best.setting[x]
    if is_numeric(head_of(table)[x]):
        place, name = value, number(value)
    else:
        places = distinct_values(table, x).dropna().tolist()
        place, name = places.index(value), plain_text(write(value))
    if x == LEARNING_RATE and np.isfinite(best.low):
        ax.axvspan(best.low, best.high, color="black", alpha=0.1, linewidth=0)
    return [(ax.axvline(place, color="black", linewidth=1), f"best {name}")]


def _draw_critical_rates(
    ax: "Axes", critical: pd.DataFrame | float | None, theory: float | None
) -> list[tuple[Any, str]]:
    """Draws where trials start to diverge as lines across the picture; returns their entries for a legend."""
    entries = []
    edges = pd.DataFrame({"median": [np.nan if critical is None else critical], "theory": np.nan})
    if isinstance(critical, pd.DataFrame):
        edges = summarize_critical(critical)
        for low, high in edges.loc[edges["least"] < edges["most"], ["least", "most"]].to_numpy():
            ax.axvspan(low, high, color=COLOURS["diverged"], alpha=0.15, linewidth=0)
    if theory is not None:
        edges["theory"] = theory
    for name, label, style in (("median", "critical", "--"), ("theory", "theory", ":")):
        rates = edges[name].dropna().unique()
        lines = [ax.axvline(rate, color=COLOURS["diverged"], linewidth=1, linestyle=style) for rate in rates]
        if lines:
            entries.append((lines[0], f"{label} {number(rates[0])}" if len(rates) == 1 else label))
    return entries
