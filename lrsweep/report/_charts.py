"""The charts along the learning rate: outcomes trial by trial with their quartiles, and the shares by status."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import BoxAnnotation, CDSView, ColumnDataSource, NumeralTickFormatter, Range1d, Span
from bokeh.plotting import figure

from lrsweep.plots._style import COLOURS, MARKERS
from lrsweep.report._base import choosable, data_of, frame, hover
from lrsweep.report._bins import Across, Cells
from lrsweep.report._filters import Choice
from lrsweep.report._scales import Scale
from lrsweep.report._sums import X
from lrsweep.report._wording import tell_share
from lrsweep.statistics._best import Best
from lrsweep.statistics._summary import QUARTILES
from lrsweep.tables._text import write

# What Bokeh calls the markers of `lrsweep.plots._style`; its triangle points upwards, and is turned.
_GLYPHS = {"o": "circle", "X": "x", ">": "triangle", "D": "diamond", "s": "square", "v": "inverted_triangle"}
_TURNED = {">": -np.pi / 2}

# What of the way to the next learning rate its dots, and its quartiles, may take; and what stands for a whole cell.
_SPREAD, _WHOLE = 0.5, 0.96

_GREY = "#808080"

# What the page finds the marks of the best learning rate and the medians by, and the data whose trials it counts.
BEST, MEDIAN, COUNTED = "best", "median", "counted"


class Along(NamedTuple):
    """What the charts have in common.

    Attributes:
        across: The column that they are drawn against.
        cells: It in cells.
        found: What `sum_up` gives for these.
        choices: The columns to choose among.
        seen: What is seen of it: the charts zoom together.
    """

    across: Across
    cells: Cells
    found: pd.DataFrame
    choices: Sequence[Choice]
    seen: Range1d


class Outcome(NamedTuple):
    """What a chart shows of every trial.

    Attributes:
        name: What it is called in a summary: its quartiles are `median_<name>` and so on.
        label: What its axis is called, with the unit.
        values: ``[trial] float64``, infinite where a trial diverged.
    """

    name: str
    label: str
    values: np.ndarray


class Dots(NamedTuple):
    """The trials that are drawn one by one.

    Attributes:
        sources: By status, the columns `x`, `y0`, `y1`, ... (one per outcome), what is told, and the choices' codes.
        views: What the page narrows them by.
        told: The labels of what is told, with their columns.
    """

    sources: dict[str, ColumnDataSource]
    views: dict[str, CDSView]
    told: list[tuple[str, str]]


def dots_of(
    along: Along,
    outcomes: Sequence[Outcome],
    scales: Sequence[Scale],
    status: pd.Series,
    rows: np.ndarray,
    told: Mapping[str, Sequence[str]],
) -> Dots:
    """The trials that are drawn one by one, in data that the charts share.

    Args:
        along: What they are drawn along.
        outcomes: What is drawn.
        scales: The axes of these.
        status: ``[trial]``, how each ended.
        rows: ``[dot] int64``, which trials are drawn.
        told: ``[dot]`` texts by label, what is said of each.
    """
    across = along.across
    there = ~np.isnan(across.places[rows])
    xs = np.full(len(rows), np.nan)
    xs[there] = across.scale.spread(across.places[rows[there]], _SPREAD)
    data = {"x": xs}
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        data[f"y{at}"] = scale.place(outcome.values[rows])
    data |= {choice.column: choice.codes[rows].astype(np.int8) for choice in along.choices}
    data |= {f"c{at}": np.array(texts, object) for at, texts in enumerate(told.values())}
    ended, sources = status.to_numpy()[rows], {}
    for name in COLOURS:
        some = there & (ended == name)
        if some.any():
            sources[name] = ColumnDataSource({column: values[some] for column, values in data.items()})
    columns = [(label, f"c{at}") for at, label in enumerate(told)]
    return Dots(sources, {name: choosable() for name in sources}, columns)


def draw_outcome(along: Along, outcome: Outcome, column: str, scale: Scale, dots: Dots) -> figure:
    """An outcome: a dot per trial in the colour of its status, and the quartiles of every cell.

    Args:
        along: What it is drawn along.
        outcome: What is drawn.
        column: Its column of the dots.
        scale: Its axis.
        dots: The trials that are drawn one by one.
    """
    chart = frame(along.across, scale, along.across.name, outcome.label, along.seen)
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
    chart.add_tools(hover(drawn, dots.told))
    if (along.found["trials"] > 1).any():
        _draw_quartiles(chart, along, outcome, scale)
    return chart


def _draw_quartiles(chart: figure, along: Along, outcome: Outcome, scale: Scale) -> None:
    values = {name: along.found[f"{name}_{outcome.name}"].to_numpy() for name in QUARTILES}
    told = [(name.replace("_", " "), [write(value) for value in column]) for name, column in values.items()]
    placed = {name: scale.place(column) for name, column in values.items()}
    share = _WHOLE if along.cells.binned else _SPREAD
    source, columns = data_of(_sides(along, share) | placed, _told_of(along) + told, along.found, along.choices)
    view, sides = choosable(), ("left", "right", "upper_quartile", "lower_quartile")
    box = chart.quad(*sides, source=source, view=view, color=_GREY, fill_alpha=0.25, line_width=0, level="underlay")
    chart.segment("left", "median", "right", "median", source=source, view=view, line_width=2, name=MEDIAN)
    chart.add_tools(hover([box], columns))


def draw_shares(along: Along) -> figure:
    """The shares of the trials by status, one above the other."""
    found = along.found
    chart = frame(along.across, Scale(False, 0.0, 1.0, 0.0, 1.0), along.across.name, "share of the trials", along.seen)
    there = [name for name in COLOURS if (found[name] > 0).any()]
    edges = np.cumsum(found[there].to_numpy(), axis=1)
    data = _sides(along, _WHOLE) | {"b0": np.zeros(len(found))}
    data |= {f"b{at + 1}": edges[:, at] for at in range(len(there))}
    told = [(name, [tell_share(share) for share in found[name]]) for name in there]
    source, columns = data_of(data, _told_of(along) + told, found, along.choices)
    view, bars = choosable(), []
    for at, name in enumerate(there):
        sides = ("left", "right", f"b{at + 1}", f"b{at}")
        bar = chart.quad(*sides, source=source, view=view, color=COLOURS[name], line_width=0)
        bar.tags = [name]
        bars.append(bar)
    bars[0].tags.append(COUNTED)
    chart.add_tools(hover(bars, columns))
    chart.yaxis.ticker = [0, 0.25, 0.5, 0.75, 1]
    chart.yaxis.formatter = NumeralTickFormatter(format="0%")
    return chart


def mark_best(chart: figure, across: Across, best: Best) -> None:
    """Draws the best learning rate as a line, and its interval as a band."""
    rate, low, high = across.scale.place(np.array([best.learning_rate, best.low, best.high]))
    chart.add_layout(Span(location=rate, dimension="height", line_dash="dashed", name=BEST))
    if not np.isnan(best.low):
        chart.add_layout(BoxAnnotation(left=low, right=high, fill_alpha=0.15, line_width=0, name=BEST))


def _sides(along: Along, share: float) -> dict[str, np.ndarray]:
    cells, at, within = along.cells, along.found[X].to_numpy(), along.across.scale.within
    return {
        "left": within(cells.places, cells.borders[:-1], share)[at],
        "right": within(cells.places, cells.borders[1:], share)[at],
    }


def _told_of(along: Along) -> list[tuple[str, list[str]]]:
    places = [along.cells.texts[at] for at in along.found[X]]
    return [(along.across.name, places), ("trials", [f"{trials:,}" for trials in along.found["trials"]])]
