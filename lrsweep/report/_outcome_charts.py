"""The charts along the learning rate: outcomes trial by trial with their quartiles, and the shares by status."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import BoxAnnotation, CDSView, ColumnDataSource, NumeralTickFormatter, Range1d, Span
from bokeh.plotting import figure

from lrsweep.plots._style import COLOURS, MARKERS
from lrsweep.report._aggregate import X
from lrsweep.report._axis import Bins, ColumnAxis, values_in_bins
from lrsweep.report._chart_parts import chart_data, empty_chart, filtered_view, hover_tool
from lrsweep.report._filters import Filter
from lrsweep.report._numbers import add_numbers
from lrsweep.report._sample import write_trials
from lrsweep.report._scales import Scale
from lrsweep.report._wording import write_share
from lrsweep.statistics._best import Best
from lrsweep.statistics._summary import QUARTILES
from lrsweep.tables._schema import INDEX, LEARNING_RATE
from lrsweep.tables._text import write

# What Bokeh calls the markers of `lrsweep.plots._style`; its triangle points upwards, and is turned.
_GLYPHS = {
    "o": "circle",
    "X": "x",
    ">": "triangle",
    "D": "diamond",
    "s": "square",
    "^": "triangle",
    "v": "inverted_triangle",
}
_TURNED = {">": -np.pi / 2}

# How much of the way to the next bin the marks of one value take, and those of a range of values.
_OF_VALUE, _OF_RANGE = 0.5, 0.96

_GREY = "#808080"

# The names and tags by which the page finds the marks of the best learning rate, the medians, the boxes
# between the quartiles, and the data whose trials it counts.
BEST, MEDIAN, QUARTILE_BOX, COUNTED = "best", "median", "quartiles", "counted"

# The kind of the numbers of the trials that are drawn one by one.
TRIALS = "trials"


class SharedAxis(NamedTuple):
    """The horizontal axis that charts share, and what is drawn along it.

    Attributes:
        axis: The axis.
        bins: Its bins.
        aggregated: What `aggregate` returns for these.
        filters: The filters that narrow the charts.
        visible: The visible part of the axis: charts that share it zoom together.
    """

    axis: ColumnAxis
    bins: Bins
    aggregated: pd.DataFrame
    filters: Sequence[Filter]
    visible: Range1d


class OutcomeColumn(NamedTuple):
    """The outcome that a chart shows of every trial.

    Attributes:
        name: The column whose quartiles `aggregate` gives as `median_<name>` and so on.
        label: The label of its axis, with the unit.
        values: ``[dot] float64``, of the trials that are drawn one by one; infinite where a trial diverged.
        extremes: Of all trials the values that make the scale of an axis.
    """

    name: str
    label: str
    values: np.ndarray
    extremes: np.ndarray


class Dots(NamedTuple):
    """The trials that are drawn one by one, as data that the charts share.

    Attributes:
        sources: By status, the columns `x`, `y0`, `y1`, ... (one per outcome), the tooltips' texts and the filters'
            codes.
        views: By status, the view that the page narrows to the rows that the filters let through.
        tooltips: Labels, with the columns of their texts.
    """

    sources: dict[str, ColumnDataSource]
    views: dict[str, CDSView]
    tooltips: list[tuple[str, str]]


def prepare_dots(
    shared: SharedAxis,
    outcomes: Sequence[OutcomeColumn],
    scales: Sequence[Scale],
    trials: pd.DataFrame,
    setting: np.ndarray,
) -> Dots:
    """Prepares the data of the trials that are drawn one by one.

    Args:
        shared: The axis that they are drawn along.
        outcomes: What is drawn, one per chart.
        scales: The vertical axes of these.
        trials: Rows of the result table, those that are drawn.
        setting: ``[dot] int64``, the row of the axis that each lies at.
    """
    axis = shared.axis
    positions = axis.positions[setting]
    has_position = ~np.isnan(positions)
    xs = np.full(len(setting), np.nan)
    xs[has_position] = axis.scale.separate_ties(positions[has_position], _OF_VALUE)
    columns: dict[str, Any] = {"x": xs}
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        columns[f"y{at}"] = scale.position(outcome.values)
    columns |= {each.column: each.codes[setting].astype(np.int8) for each in shared.filters}
    texts = write_trials(trials)
    columns |= {f"c{at}": np.array(of_label, object) for at, of_label in enumerate(texts.values())}
    tooltips = [(label, f"c{at}") for at, label in enumerate(texts)]
    saved = [(label, trials.index if label == INDEX else trials[label]) for label in texts]
    whole = add_numbers(columns, TRIALS, tooltips, saved)
    statuses, sources = trials["status"].to_numpy(), {}
    for name in COLOURS:
        drawn = has_position & (statuses == name)
        if drawn.any():
            of_status: Any = {column: np.asarray(values)[drawn] for column, values in whole.data.items()}
            sources[name] = ColumnDataSource(of_status, tags=whole.tags)
    return Dots(sources, {name: filtered_view() for name in sources}, tooltips)


def draw_outcome(shared: SharedAxis, outcome: OutcomeColumn, column: str, scale: Scale, dots: Dots) -> figure:
    """Draws an outcome: a dot per trial in the colour of its status, and the quartiles of every bin.

    Args:
        shared: The axis that it is drawn along.
        outcome: What is drawn.
        column: The column of the dots' data that holds it.
        scale: Its vertical axis.
        dots: The trials that are drawn one by one.
    """
    chart = empty_chart(shared.axis, scale, shared.axis.name, outcome.label, shared.visible)
    drawn = []
    for name, source in dots.sources.items():
        marker = MARKERS[name]
        dot = chart.scatter(
            "x",
            column,
            source=source,
            view=dots.views[name],
            marker=_GLYPHS[marker],
            angle=_TURNED.get(marker, 0),
            size=7,
            color=COLOURS[name],
            fill_alpha=0.5,
            line_width=2 if marker == "X" else 1,
        )
        dot.tags = [name]
        drawn.append(dot)
    chart.add_tools(hover_tool(drawn, dots.tooltips))
    if (shared.aggregated["trials"] > 1).any():
        _draw_quartiles(chart, shared, outcome, scale)
    if shared.axis.words is None:
        _join_medians(chart, shared, outcome, scale)
    return chart


def _draw_quartiles(chart: figure, shared: SharedAxis, outcome: OutcomeColumn, scale: Scale) -> None:
    values = {name: shared.aggregated[f"{name}_{outcome.name}"].to_numpy() for name in QUARTILES}
    texts = [(name.replace("_", " "), [write(value) for value in column]) for name, column in values.items()]
    heights = {name: scale.position(column) for name, column in values.items()}
    sides = _sides(shared, _OF_RANGE if shared.bins.are_ranges else _OF_VALUE)
    saved = _bin_values(shared) + [(f"{name}_{outcome.name}", column) for name, column in values.items()]
    source, tooltips = chart_data(sides | heights, _bin_texts(shared) + texts, shared.aggregated, shared.filters, saved)
    view, edges = filtered_view(), ("left", "right", "upper_quartile", "lower_quartile")
    box = chart.quad(
        *edges, source=source, view=view, color=_GREY, fill_alpha=0.25, level="underlay", name=QUARTILE_BOX
    )
    chart.segment("left", "median", "right", "median", source=source, view=view, line_width=2, name=MEDIAN)
    chart.add_tools(hover_tool([box], tooltips))


def _join_medians(chart: figure, shared: SharedAxis, outcome: OutcomeColumn, scale: Scale) -> None:
    """Draws straight lines from the median of every bin to that of the next one that has trials."""
    codes = [each.column for each in shared.filters]
    medians = shared.aggregated[[*codes, X, "trials"]].assign(y=shared.aggregated[f"median_{outcome.name}"])
    # The rows of a combination of filters lie together, bins ascending.
    same = (medians[codes] == medians[codes].shift(-1)).all(axis=1) & medians[X].shift(-1).notna()
    starts, ends = medians[same], medians.shift(-1)[same]
    middles = shared.bins.middles
    numbers = {
        "from_x": middles[starts[X].to_numpy(int)],
        "to_x": middles[ends[X].to_numpy(int)],
        "from_y": scale.position(starts["y"].to_numpy(float)),
        "to_y": scale.position(ends["y"].to_numpy(float)),
    }
    source, _ = chart_data(numbers, [], starts, shared.filters)
    chart.segment("from_x", "from_y", "to_x", "to_y", source=source, view=filtered_view(), line_width=1, name=MEDIAN)


def draw_shares(shared: SharedAxis) -> figure:
    """Draws the shares of the trials by status, stacked."""
    aggregated, axis = shared.aggregated, shared.axis
    chart = empty_chart(axis, Scale(False, 0.0, 1.0, 0.0, 1.0), axis.name, "share of the trials", shared.visible)
    statuses = [name for name in COLOURS if (aggregated[name] > 0).any()]
    heights = np.cumsum(aggregated[statuses].to_numpy(), axis=1)
    numbers = _sides(shared, _OF_RANGE) | {"b0": np.zeros(len(aggregated))}
    numbers |= {f"b{at + 1}": heights[:, at] for at in range(len(statuses))}
    texts = [(name, [write_share(share) for share in aggregated[name]]) for name in statuses]
    saved = _bin_values(shared) + [(name, aggregated[name]) for name in statuses]
    source, tooltips = chart_data(numbers, _bin_texts(shared) + texts, aggregated, shared.filters, saved)
    view, bars = filtered_view(), []
    for at, name in enumerate(statuses):
        edges = ("left", "right", f"b{at + 1}", f"b{at}")
        bar = chart.quad(*edges, source=source, view=view, color=COLOURS[name])
        bar.tags = [name]
        bars.append(bar)
    bars[0].tags.append(COUNTED)
    chart.add_tools(hover_tool(bars, tooltips))
    chart.yaxis.ticker = [0, 0.25, 0.5, 0.75, 1]
    chart.yaxis.formatter = NumeralTickFormatter(format="0%")
    return chart


def mark_best(chart: figure, axis: ColumnAxis, best: Best) -> None:
    """Draws where the best setting lies as a line, and, along the learning rate, its interval as a band."""
    place = axis.place(best.setting[axis.name])
    chart.add_layout(Span(location=place, dimension="height", line_dash="dashed", name=BEST))
    if axis.name == LEARNING_RATE and not np.isnan(best.low):
        low, high = axis.scale.position(np.array([best.low, best.high]))
        chart.add_layout(BoxAnnotation(left=low, right=high, fill_alpha=0.15, line_width=0, name=BEST))


def _sides(shared: SharedAxis, share: float) -> dict[str, np.ndarray]:
    """Gives the left and the right sides of what is drawn of every bin, a share of the way to its borders."""
    bins, bin_of_row, towards = shared.bins, shared.aggregated[X].to_numpy(), shared.axis.scale.towards
    return {
        "left": towards(bins.middles, bins.borders[:-1], share)[bin_of_row],
        "right": towards(bins.middles, bins.borders[1:], share)[bin_of_row],
    }


def _bin_texts(shared: SharedAxis) -> list[tuple[str, list[str]]]:
    values = [shared.bins.labels[at] for at in shared.aggregated[X]]
    return [(shared.axis.name, values), ("trials", [f"{trials:,}" for trials in shared.aggregated["trials"]])]


def _bin_values(shared: SharedAxis) -> list[tuple[str, Any]]:
    rows = shared.aggregated[X].to_numpy()
    return [*values_in_bins(shared.axis, shared.bins, rows), ("trials", shared.aggregated["trials"])]
