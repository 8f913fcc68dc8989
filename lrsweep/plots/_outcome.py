"""An outcome against the learning rate: how fast, or how well, and where the best and the edge lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import number
from lrsweep.plots._axes import fit_values, label_of, lay_out, suits_logarithm
from lrsweep.plots._legends import (
    Looks,
    add_colour_bar,
    add_legend,
    band_of,
    gather_settings,
    look_of,
    name_settings,
    status_mark,
)
from lrsweep.plots._style import COLOURS, MARKERS, given_or_new
from lrsweep.statistics._best import Best
from lrsweep.statistics._bins import gather, has_place, is_numeric
from lrsweep.statistics._edges import summarize_edges
from lrsweep.statistics._quartiles import check_outcome, summarize_outcome
from lrsweep.statistics._shares import status_shares
from lrsweep.statistics._summary import QUARTILES, group
from lrsweep.tables._schema import CONVERGED_AT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More values than this along the axis are gathered.
MOST_PLACES = 64

# What is drawn at the upper edge, from there downwards; and the height of a row of these marks, a share of the axis.
EDGE = ("diverged", "oscillating", "stalled", "slow", "dropped")
_ROW = 0.06

# Of more places than this a line shows no dots.
_MOST_DOTS = 40


def outcome(
    table: pd.DataFrame,
    outcome: str = "converged_at",
    x: str = "learning_rate",
    by: str | Sequence[str] | None = None,
    best: Best | None = None,
    critical: pd.DataFrame | float | None = None,
    theory: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws an outcome against the learning rate, or against another column: one line per setting of the others.

    The line is the median over the trials, and the band about it reaches from the lower to the upper quartile, as
    `lrsweep.summarize_outcome` gives them; what is infinite, or later than any trial was watched, lies at the upper
    edge. There the trials that have no such outcome are marked, those that diverged and, of `converged_at`, all that
    did not converge: one row of marks per status, the larger the greater the share of the trials at that place.

    Args:
        table: A result table.
        outcome: A column of numbers, such as `converged_at` or `final_loss`.
        x: One of the caller's columns. Numbers lie on a logarithmic axis where they are positive and more evenly
            spaced so, and are gathered where there are more than 64 (see `lrsweep.gather`); words lie side by side. A
            trial in which it is missing is left out.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed` and `x`. Up to eight
            settings are named in the legend; more of them by a colour bar, where they are numbers of one column.
        best: What `lrsweep.best_learning_rate` returns: a line, and a band for its interval.
        critical: What `lrsweep.critical_learning_rate` returns: a line for the median of each setting, and a band
            from the least to the greatest of its starts; or a number.
        theory: What theory says of it; where it is left out, that of `critical`, if there is one.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is empty, it lacks a column, the outcome does not hold numbers, or there are more
            settings than can be told apart.

    Example:
        >>> ax = lrsweep.plots.outcome(result.table, best=lrsweep.best_learning_rate(result.table))
        >>> ax.get_xlabel(), ax.get_xscale(), ax.get_ylabel()
        ('learning rate', 'log', 'converged at (updates)')
    """
    table, names = gather_settings(table, by, x)
    check_outcome(table, outcome)
    new, ax = ax is None, given_or_new(ax)
    drawn = draw_outcome(ax, table, outcome, x, names)
    add_legend(ax, [*drawn.settings, *drawn.marks, *_lines(ax, best, critical, theory)], title=drawn.title, grow=new)
    if drawn.looks.scale is not None:
        add_colour_bar(ax, drawn.looks.scale, drawn.looks.title)
    return ax


class Drawn(NamedTuple):
    """What has been drawn of an outcome: what a legend says of the settings and of the marks, and how settings look."""

    settings: list[tuple[Any, str]]
    marks: list[tuple[Any, str]]
    looks: Looks

    @property
    def title(self) -> str:
        """What a legend writes above the settings, where it names them."""
        return self.looks.title if self.settings else ""


def gather_places(table: pd.DataFrame, x: str) -> pd.DataFrame:
    """The trials that have a place along the axis, at no more places than can be told apart.

    Raises:
        ValueError: No trial has one.
    """
    there = has_place(table[x])
    if not there.any():
        raise InputError(f"no trial has a {x!r}: there is nothing to draw along it")
    return gather(table[there], x, MOST_PLACES) if is_numeric(table[x]) else table[there]


def draw_outcome(ax: "Axes", table: pd.DataFrame, outcome: str, x: str, names: list[str]) -> Drawn:
    """Draws the lines of `outcome`, its bands, and the marks at the edge."""
    table = gather_places(table, x)
    spread = summarize_outcome(table, outcome, [x, *names])
    settings, setting = group(spread, names)
    looks, band = look_of(settings), band_of(len(settings), repeated=len(table) > len(spread))
    at = lay_out(ax, "x", spread[x], x)
    values = spread[list(QUARTILES)].to_numpy(float)
    if outcome == CONVERGED_AT:
        # Later than any trial was watched, and so beyond the edge.
        values = np.where(np.isnan(values), np.inf, values)
    ends = _ends(table, outcome)
    shown = fit_values(
        ax, values, logarithmic=suits_logarithm(outcome, values), headroom=_ROW * len(ends) + (0.03 if ends else 0)
    )
    ax.set_ylabel(label_of(outcome))
    lines, words = [], not is_numeric(spread[x])
    for place, colour in enumerate(looks.colours):
        rows = np.flatnonzero(setting == place)
        rows = rows[np.argsort(at[rows], kind="stable")]
        lower, median, upper = shown.clip(values[rows]).T
        # Words have no order that a line could follow: side by side, so that settings do not cover one another.
        aside = (place + 0.5) / len(settings) - 0.5 if words else 0.0
        where = at[rows] + 0.6 * aside
        if words and band:
            ax.vlines(where, lower, upper, color=colour, linewidth=1.2)
        elif band:
            ax.fill_between(where, lower, upper, color=colour, alpha=band, linewidth=0)
        style = "none" if words else "-"
        marker = "." if words or len(rows) <= _MOST_DOTS else "none"
        lines += ax.plot(where, median, color=colour, linewidth=1.2, linestyle=style, marker=marker, markersize=4)
    shares, marks = status_shares(table, x), []
    places = lay_out(ax, "x", shares[x], x)
    for row, status in enumerate(ends):
        some = shares[status].to_numpy() > 0
        ax.scatter(
            places[some],
            np.full(some.sum(), 1 - _ROW * row),
            s=4 + 26 * shares[status].to_numpy()[some],
            color=COLOURS[status],
            marker=MARKERS[status],
            linewidths=0,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            zorder=3,
        )
        marks.append((status_mark(status), status))
    return Drawn(name_settings(lines, looks), marks, looks)


def _ends(table: pd.DataFrame, outcome: str) -> list[str]:
    """The statuses of the trials that have no such outcome, of those that there are."""
    has = {CONVERGED_AT: "converged", "diverged_at": "diverged"}.get(outcome)
    without = ["diverged"] if has is None else [status for status in EDGE if status != has]
    there = set(table["status"].unique())
    return [status for status in without if status in there]


def _lines(
    ax: "Axes", best: Best | None, critical: pd.DataFrame | float | None, theory: float | None
) -> list[tuple[Any, str]]:
    """Draws what is known of the learning rate as lines across the picture; returns what a legend says of them."""
    named = []
    if best is not None and np.isfinite(best.learning_rate):
        if np.isfinite(best.low):
            ax.axvspan(best.low, best.high, color="black", alpha=0.1, linewidth=0)
        line = ax.axvline(best.learning_rate, color="black", linewidth=1)
        named.append((line, f"best {number(best.learning_rate)}"))
    edges = pd.DataFrame({"median": [np.nan if critical is None else critical], "theory": np.nan})
    if isinstance(critical, pd.DataFrame):
        edges = summarize_edges(critical)
        for low, high in edges.loc[edges["least"] < edges["most"], ["least", "most"]].to_numpy():
            ax.axvspan(low, high, color=COLOURS["diverged"], alpha=0.15, linewidth=0)
    if theory is not None:
        edges["theory"] = theory
    for name, called, style in (("median", "critical", "--"), ("theory", "theory", ":")):
        rates = edges[name].dropna().unique()
        lines = [ax.axvline(rate, color=COLOURS["diverged"], linewidth=1, linestyle=style) for rate in rates]
        if lines:
            named.append((lines[0], f"{called} {number(rates[0])}" if len(rates) == 1 else called))
    return named
