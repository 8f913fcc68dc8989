"""The charts along the learning rate: outcomes trial by trial with their quartiles, and the shares by status."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import BoxAnnotation, CDSView, ColumnDataSource, NumeralTickFormatter, Range1d, Span
from bokeh.plotting import figure

from lrsweep.best import Best
from lrsweep.plots.style import COLOURS, MARKERS
from lrsweep.report.across import Across, Cells
from lrsweep.report.choices import Choice
from lrsweep.report.frames import choosable, data_of, frame, hover
from lrsweep.report.scales import Scale
from lrsweep.report.wording import tell_share, write
from lrsweep.summary import QUARTILES

# What Bokeh calls the markers of `lrsweep.plots.style`; its triangle points upwards, and is turned.
_GLYPHS = {"o": "circle", "X": "x", ">": "triangle", "D": "diamond", "s": "square", "v": "inverted_triangle"}
_TURNED = {">": -np.pi / 2}

# What of the way to the next learning rate its dots, and its quartiles, may take.
_SPREAD = 0.5

_GREY = "#808080"

# What the page finds the marks of the best learning rate by, and the data whose trials it counts.
BEST, COUNTED = "best", "counted"


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
    across: Across,
    outcomes: Sequence[Outcome],
    scales: Sequence[Scale],
    status: pd.Series,
    rows: np.ndarray,
    told: Mapping[str, Sequence[str]],
    choices: Sequence[Choice],
) -> Dots:
    """The trials that are drawn one by one, in data that the charts share.

    Args:
        across: What they are drawn against.
        outcomes: What is drawn.
        scales: The axes of these.
        status: ``[trial]``, how each ended.
        rows: ``[dot] int64``, which trials are drawn.
        told: ``[dot]`` texts by label, what is said of each.
        choices: The columns to choose among.
    """
    rows_there = ~np.isnan(across.places[rows])
    xs = np.full(len(rows), np.nan)
    xs[rows_there] = across.scale.spread(across.places[rows[rows_there]], _SPREAD)
    data = {"x": xs}
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        data[f"y{at}"] = scale.place(outcome.values[rows])
    data |= {choice.column: choice.codes[rows].astype(np.int8) for choice in choices}
    data |= {f"c{at}": np.array(texts, object) for at, texts in enumerate(told.values())}
    ended, sources = status.to_numpy()[rows], {}
    for name in COLOURS:
        some = rows_there & (ended == name)
        if some.any():
            sources[name] = ColumnDataSource({column: values[some] for column, values in data.items()})
    columns = [(label, f"c{at}") for at, label in enumerate(told)]
    return Dots(sources, {name: choosable() for name in sources}, columns)


def draw_outcome(
    outcome: Outcome,
    column: str,
    across: Across,
    cells: Cells,
    scale: Scale,
    dots: Dots,
    found: pd.DataFrame,
    choices: Sequence[Choice],
    seen: Range1d,
) -> figure:
    """An outcome: the quartiles of every cell, under a dot per trial in the colour of its status.

    Args:
        outcome: What is drawn.
        column: Its column of the dots.
        across: What it is drawn against.
        cells: That axis in cells.
        scale: The outcome's axis.
        dots: The trials that are drawn one by one.
        found: What `sum_up` gives.
        choices: The columns to choose among.
        seen: What is seen of the first axis.
    """
    chart = frame(across, scale, across.name, outcome.label, seen)
    if (found["trials"] > 1).any():
        _draw_quartiles(chart, outcome, across, cells, scale, found, choices)
    renderers = []
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
        renderers.append(dot)
    chart.add_tools(hover(renderers, dots.told))
    return chart


def _draw_quartiles(
    chart: figure,
    outcome: Outcome,
    across: Across,
    cells: Cells,
    scale: Scale,
    found: pd.DataFrame,
    choices: Sequence[Choice],
) -> None:
    values = {name: found[f"{name}_{outcome.name}"].to_numpy() for name in QUARTILES}
    data = _sides(across, cells, found, _SPREAD) | {name: scale.place(column) for name, column in values.items()}
    told = [(name.replace("_", " "), [write(value) for value in column]) for name, column in values.items()]
    source, columns = data_of(data, _told_of(across, cells, found) + told, found, choices)
    view, where = choosable(), ("left", "right", "upper_quartile", "lower_quartile")
    box = chart.quad(*where, source=source, view=view, color=_GREY, fill_alpha=0.25, line_width=0)
    middle = chart.segment("left", "median", "right", "median", source=source, view=view, color=_GREY, line_width=3)
    chart.add_tools(hover([box, middle], columns))


def draw_shares(across: Across, cells: Cells, found: pd.DataFrame, choices: Sequence[Choice], seen: Range1d) -> figure:
    """The shares of the trials by status, one above the other.

    Args:
        across: What they are drawn against.
        cells: That axis in cells.
        found: What `sum_up` gives.
        choices: The columns to choose among.
        seen: What is seen of the first axis.
    """
    chart = frame(across, Scale(False, 0.0, 1.0, 0.0, 1.0), across.name, "share of the trials", seen)
    there = [name for name in COLOURS if (found[name] > 0).any()]
    edges = np.cumsum(found[there].to_numpy(), axis=1)
    data = _sides(across, cells, found, 0.96) | {"b0": np.zeros(len(found))}
    data |= {f"b{at + 1}": edges[:, at] for at in range(len(there))}
    told = [(name, [tell_share(share) for share in found[name]]) for name in there]
    source, columns = data_of(data, _told_of(across, cells, found) + told, found, choices)
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


def _sides(across: Across, cells: Cells, found: pd.DataFrame, share: float) -> dict[str, np.ndarray]:
    at, within = found["x"].to_numpy(), across.scale.within
    return {
        "left": within(cells.places, cells.borders[:-1], share)[at],
        "right": within(cells.places, cells.borders[1:], share)[at],
    }


def _told_of(across: Across, cells: Cells, found: pd.DataFrame) -> list[tuple[str, list[str]]]:
    places = [cells.texts[at] for at in found["x"]]
    return [(across.name, places), ("trials", [f"{trials:,}" for trials in found["trials"]])]
