"""The heatmap of a report: outcomes over two columns of settings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from bokeh.models import (
    ColorBar,
    ColorMapper,
    FixedTicker,
    LinearColorMapper,
    LogColorMapper,
    PrintfTickFormatter,
    Range1d,
)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from lrsweep.report._aggregate import X, Y
from lrsweep.report._axis import Bins, ColumnAxis
from lrsweep.report._chart_parts import chart_data, empty_chart, filtered_view, hover_tool
from lrsweep.report._filters import MOST_VALUES, Filter
from lrsweep.report._wording import write_share
from lrsweep.tables._text import write

# Cells without such a number: no trial converged, or all diverged.
_NONE = "#b0b0b0"

# The tag by which the page finds the layers of which it shows one at a time.
SHOWN_ONE_AT_A_TIME = "shown"

# The layers of a heatmap: columns of what `aggregate` returns, and what they are called.
LAYERS = {
    "converged": "share of trials that converged",
    "median_converged_at": "median updates to converge",
    "median_final_loss": "median final loss",
}


def draw_heatmap(
    x: ColumnAxis, x_bins: Bins, y: ColumnAxis, y_bins: Bins, aggregated: pd.DataFrame, filters: Sequence[Filter]
) -> figure:
    """Draws a heatmap of the share that converged, and of medians; the page shows one of these at a time.

    Args:
        x: The horizontal axis.
        x_bins: Its bins.
        y: The vertical axis.
        y_bins: Its bins.
        aggregated: What `aggregate` returns for both.
        filters: The filters that narrow it.
    """
    visible = Range1d(start=x_bins.borders[0], end=x_bins.borders[-1])
    low, high = y_bins.borders[[0, -1]]
    chart = empty_chart(x, y.scale._replace(start=low, end=high), x.name, y.name, visible)
    if not y_bins.are_ranges and len(y_bins.middles) <= MOST_VALUES:
        chart.yaxis.ticker = FixedTicker(ticks=y_bins.middles.tolist(), minor_ticks=[])
    column, row = aggregated[X].to_numpy(), aggregated[Y].to_numpy()
    values = {name: aggregated[name].to_numpy() for name in LAYERS}
    numbers = {
        "left": x_bins.borders[column],
        "right": x_bins.borders[column + 1],
        "bottom": y_bins.borders[row],
        "top": y_bins.borders[row + 1],
    }
    numbers |= {name: np.where(np.isfinite(layer), layer, np.nan) for name, layer in values.items()}
    texts = [
        (x.name, [x_bins.labels[at] for at in column]),
        (y.name, [y_bins.labels[at] for at in row]),
        ("trials", [f"{trials:,}" for trials in aggregated["trials"]]),
        ("converged", [write_share(share) for share in values["converged"]]),
        *((LAYERS[name], [write(value) for value in values[name]]) for name in list(LAYERS)[1:]),
    ]
    source, tooltips = chart_data(numbers, texts, aggregated, filters)
    view, layers = filtered_view(), []
    for name in LAYERS:
        mapper = _colours(name, values[name])
        layer = chart.quad(
            "left", "right", "top", "bottom", source=source, view=view,
            color={"field": name, "transform": mapper}, visible=not layers,
        )  # fmt: skip
        bar = ColorBar(color_mapper=mapper, visible=not layers, width=12, background_fill_color=None)
        layer.tags = bar.tags = [SHOWN_ONE_AT_A_TIME, name]
        bar.formatter = PrintfTickFormatter(format="%.4g")
        chart.add_layout(bar, "right")
        layers.append(layer)
    chart.add_tools(hover_tool(layers, tooltips))
    return chart


def _colours(name: str, values: np.ndarray) -> ColorMapper:
    if name == "converged":
        return LinearColorMapper(palette=Cividis256, low=0, high=1)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    # Bright is good: few updates, a small loss.
    if low > 0 and high > low:
        return LogColorMapper(palette=Cividis256[::-1], low=low, high=high, nan_color=_NONE)
    return LinearColorMapper(palette=Cividis256[::-1], low=low, high=high if high > low else low + 1, nan_color=_NONE)
