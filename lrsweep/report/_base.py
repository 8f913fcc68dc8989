"""An empty chart of a report, and what all of its charts have in common: axes, tools, hovering, choosing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import (
    BooleanFilter,
    CDSView,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    PlainText,
    PrintfTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from lrsweep.report._bins import Across
from lrsweep.report._filters import Choice
from lrsweep.report._scales import Scale

_HEIGHT = 320

_TOOLS = "box_zoom,pan,wheel_zoom,reset,save"

# From so large a factor on, an axis writes its ticks as powers of ten.
_DECADES = 1e6

# So many words along an axis are written upright; more are turned.
_UPRIGHT = 6


def frame(x: Across, y: Scale, x_label: str, y_label: str, x_range: Range1d) -> figure:
    """An empty chart.

    Args:
        x: What it is drawn against.
        y: The other axis.
        x_label: What the axes are called.
        y_label: The same, upwards.
        x_range: What is seen of the first axis, shared by the charts, so that they zoom together.
    """
    chart = figure(
        height=_HEIGHT,
        sizing_mode="stretch_width",
        tools=_TOOLS,
        active_drag="box_zoom",
        toolbar_location="above",
        x_axis_type="log" if x.scale.log else "linear",
        y_axis_type="log" if y.log else "linear",
        x_range=x_range,
        y_range=Range1d(start=y.start, end=y.end),
        background_fill_color=None,
        border_fill_color=None,
        min_border_right=12,
    )
    chart.toolbar.logo = None
    # Taken as it is: a text of the user's could be read as a formula.
    chart.xaxis.axis_label, chart.yaxis.axis_label = PlainText(text=x_label), PlainText(text=y_label)
    chart.xaxis.formatter, chart.yaxis.formatter = _written(x.scale), _written(y)
    chart.axis.axis_label_text_font_style = "normal"
    if x.words is not None:
        _name_ticks(chart, x.words)
    return chart


def _written(scale: Scale) -> PrintfTickFormatter:
    """Numbers as short as they can be: over many decades powers of ten."""
    return PrintfTickFormatter(format="%.0e" if scale.log and scale.end > _DECADES * scale.start else "%.4g")


def _name_ticks(chart: figure, words: Sequence[str]) -> None:
    """Writes words at 0, 1, ... along the first axis of a chart."""
    chart.xaxis.ticker = FixedTicker(ticks=list(range(len(words))), minor_ticks=[])
    chart.xaxis.major_label_overrides = {at: PlainText(text=word) for at, word in enumerate(words)}
    chart.xaxis.major_label_orientation = "horizontal" if len(words) <= _UPRIGHT else 0.8


def choosable() -> CDSView:
    """A view of a chart's data that the page narrows to what its reader has chosen."""
    return CDSView(filter=BooleanFilter())


def data_of(
    numbers: Mapping[str, np.ndarray],
    told: Sequence[tuple[str, Sequence[str]]],
    found: pd.DataFrame,
    choices: Sequence[Choice],
) -> tuple[ColumnDataSource, list[tuple[str, str]]]:
    """The data of a chart of what `sum_up` has found.

    Args:
        numbers: ``[row]`` arrays, what is drawn.
        told: ``[row]`` texts, what is said of it, each with its label.
        found: What `sum_up` gives.
        choices: The columns to choose among.

    Returns:
        The data, and the labels with the columns that stand beside them: neutral, so that no text of the user's is
        read as anything but text.
    """
    codes = {choice.column: found[choice.column].to_numpy(np.int8) for choice in choices}
    columns = [(label, f"c{at}") for at, (label, _) in enumerate(told)]
    texts = {f"c{at}": list(values) for at, (_, values) in enumerate(told)}
    return ColumnDataSource({**numbers, **codes, **texts, "total": found["trials"].to_numpy(np.int32)}), columns


def hover(renderers: Sequence[Any], told: Sequence[tuple[str, str]]) -> HoverTool:
    """What is said where the mouse points.

    Args:
        renderers: What is pointed at.
        told: Labels, which may be any text, with the columns of the data that stand beside them.
    """
    return HoverTool(
        renderers=list(renderers),
        tooltips=[(label, f"@{column}") for label, column in told],
        limit=1,
        visible=False,
    )
