"""What all charts of a report are made of: an empty chart with its axes, its data, a view to filter, tooltips."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import (
    Axis,
    BooleanFilter,
    CDSView,
    ColumnDataSource,
    FixedTicker,
    Grid,
    HoverTool,
    LinearAxis,
    LinearScale,
    LogAxis,
    LogScale,
    PlainText,
    PrintfTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from lrsweep.report._axis import ColumnAxis
from lrsweep.report._filters import Filter
from lrsweep.report._numbers import add_numbers
from lrsweep.report._scales import Scale

_HEIGHT = 320

_TOOLS = "box_zoom,pan,wheel_zoom,reset,save"

# An axis whose ends differ by more than this factor writes its ticks as powers of ten.
_POWERS_FROM = 1e6

# The tag by which the page finds what a chart shows one at a time; the chart's and the layer's own follow.
SHOWN_ONE_AT_A_TIME = "shown"

# The kind of the numbers of aggregated trials, one row per bin or cell.
BINS = "bins"

# More words than this along an axis are turned.
_MOST_UPRIGHT = 6


def empty_chart(x: ColumnAxis, y: Scale, x_label: str, y_label: str, x_range: Range1d) -> figure:
    """Makes a chart with axes, labels and tools, and nothing drawn in it yet.

    Args:
        x: The horizontal axis.
        y: The scale of the vertical axis.
        x_label: The label of the horizontal axis.
        y_label: The label of the vertical axis.
        x_range: The visible part of the horizontal axis; charts that share it zoom together.
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
    # As plain text: Bokeh could read a formula in a user's name of a column.
    chart.xaxis.axis_label, chart.yaxis.axis_label = PlainText(text=x_label), PlainText(text=y_label)
    chart.xaxis.formatter, chart.yaxis.formatter = _tick_format(x.scale), _tick_format(y)
    chart.axis.axis_label_text_font_style = "normal"
    if x.words is not None:
        label_ticks(chart.xaxis[0], x.words)
        chart.xaxis.major_label_orientation = "horizontal" if len(x.words) <= _MOST_UPRIGHT else 0.8
    return chart


def add_vertical_axis(chart: figure, scale: Scale, label: str, name: str) -> list[Axis | Grid]:
    """Adds a second vertical axis to a chart, with a scale and a range of its own, and the lines of its grid.

    Args:
        chart: The chart.
        scale: The scale of the axis.
        label: Its label.
        name: What the glyphs that are drawn on it call its range.

    Returns:
        The axis and the grid.
    """
    chart.extra_y_ranges[name] = Range1d(start=scale.start, end=scale.end)
    chart.extra_y_scales[name] = LogScale() if scale.log else LinearScale()
    axis = LogAxis(y_range_name=name) if scale.log else LinearAxis(y_range_name=name)
    axis.update(formatter=_tick_format(scale), axis_label=PlainText(text=label), axis_label_text_font_style="normal")
    grid = Grid(dimension=1, axis=axis)
    chart.add_layout(axis, "left")
    chart.add_layout(grid)
    return [axis, grid]


def show_alone(models: Sequence[Any], chart: str, layer: str, *, first: bool) -> None:
    """Marks parts of a chart as a layer of those of which the page shows one at a time.

    Args:
        models: Renderers, axes, grids, colour bars.
        chart: The id of the chart's element in the page.
        layer: The layer's name, by which its reader chooses it.
        first: Whether it is shown until another is chosen.
    """
    for model in models:
        model.tags, model.visible = [SHOWN_ONE_AT_A_TIME, chart, layer], first


def _tick_format(scale: Scale) -> PrintfTickFormatter:
    return PrintfTickFormatter(format="%.0e" if scale.log and scale.end > _POWERS_FROM * scale.start else "%.4g")


def label_ticks(axis: Axis, words: Sequence[str]) -> None:
    """Writes words at 0, 1, ... along an axis of a chart."""
    axis.ticker = FixedTicker(ticks=list(range(len(words))), minor_ticks=[])
    # As plain text: Bokeh could read a formula in a user's word.
    axis.major_label_overrides = {at: PlainText(text=word) for at, word in enumerate(words)}


def filtered_view() -> CDSView:
    """Makes a view of a chart's data, which the page narrows to the rows that its reader's filters let through."""
    return CDSView(filter=BooleanFilter())


def chart_data(
    numbers: Mapping[str, np.ndarray],
    texts: Sequence[tuple[str, Sequence[str]]],
    aggregated: pd.DataFrame,
    filters: Sequence[Filter],
    saved: Sequence[tuple[str, Any]] = (),
) -> tuple[ColumnDataSource, list[tuple[str, str]]]:
    """Puts together the data of a chart of aggregated trials.

    Args:
        numbers: ``[row]`` arrays, what is drawn.
        texts: ``[row]`` texts for the tooltips, each with its label.
        aggregated: What `aggregate` returns.
        filters: The filters of the page.
        saved: What the reader can save of it beside how many trials there are: heads with their values; nothing where
            it repeats what another chart has.

    Returns:
        The data, and the tooltips as pairs of a label and the column that holds its texts. These columns are called
        `c0`, `c1`, ..., so that Bokeh reads no markup in a user's name of a column.
    """
    codes = {each.column: aggregated[each.column].to_numpy(np.int8) for each in filters}
    tooltips = [(label, f"c{at}") for at, (label, _) in enumerate(texts)]
    columns = {f"c{at}": list(values) for at, (_, values) in enumerate(texts)}
    whole = {**numbers, **codes, **columns, "total": aggregated["trials"].to_numpy(np.int32)}
    return (add_numbers(whole, BINS, tooltips, saved) if saved else ColumnDataSource(whole)), tooltips


def hover_tool(renderers: Sequence[Any], tooltips: Sequence[tuple[str, str]]) -> HoverTool:
    """Makes the tool that shows a tooltip for the mark under the mouse.

    Args:
        renderers: The marks.
        tooltips: Labels, which may be any text, each with the column of the data that holds its texts.
    """
    return HoverTool(
        renderers=list(renderers),
        tooltips=[(label, f"@{column}") for label, column in tooltips],
        limit=1,
        visible=False,
    )
