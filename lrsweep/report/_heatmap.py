"""The heatmap of a report: outcomes over two columns of settings."""

from collections.abc import Sequence
from typing import NamedTuple

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
from lrsweep.report._axis import Bins, ColumnAxis, values_in_bins
from lrsweep.report._chart_parts import chart_data, empty_chart, filtered_view, hover_tool, label_ticks, show_alone
from lrsweep.report._filters import MOST_VALUES, Filter
from lrsweep.report._wording import write_share
from lrsweep.tables._schema import CONVERGED_AT, LOSS, MAX, Criterion, final
from lrsweep.tables._text import SHARES, write

# Cells without such a number: no trial converged, or all diverged.
_NONE = "#b0b0b0"

# The id of the heatmap's element in the page.
KEY = "map"


class Layer(NamedTuple):
    """A layer of a heatmap.

    Attributes:
        outcome: The column of results that it shows the median of; or the status that it shows the share of.
        label: What it is called.
        is_max: Whether much is good, and not little.
    """

    outcome: str
    label: str
    is_max: bool = False

    @property
    def column(self) -> str:
        """The column of what `aggregate` returns."""
        return self.outcome if self.is_share else f"median_{self.outcome}"

    @property
    def is_share(self) -> bool:
        """Whether it is a share of the trials."""
        return self.outcome in SHARES


def layers_of(criterion: Criterion, *, converged: bool) -> list[Layer]:
    """Lists the layers of a table's heatmap, that of a metric that decides the best first.

    Args:
        criterion: What decides the best.
        converged: Whether some trial converged; where none did, nothing is shown of convergence.

    Example:
        >>> [layer.column for layer in layers_of(Criterion("accuracy", "max"), converged=True)]
        ['median_final_accuracy', 'converged', 'median_converged_at', 'median_final_loss']
        >>> [layer.column for layer in layers_of(Criterion(), converged=False)]
        ['median_final_loss', 'diverged']
    """
    layers = [Layer("final_loss", "median final loss")]
    if converged:
        share = Layer("converged", "share of trials that converged", is_max=True)
        layers = [share, Layer(CONVERGED_AT, "median updates to converge"), *layers]
    else:
        layers.append(Layer("diverged", "share of trials that diverged"))
    if criterion.name != LOSS:
        name = criterion.name.replace("_", " ")
        layers.insert(0, Layer(final(criterion.name), f"median final {name}", is_max=criterion.mode == MAX))
    return layers


def draw_heatmap(
    x: ColumnAxis,
    x_bins: Bins,
    y: ColumnAxis,
    y_bins: Bins,
    aggregated: pd.DataFrame,
    filters: Sequence[Filter],
    layers: Sequence[Layer],
) -> figure:
    """Draws a heatmap of the share that converged, and of medians; the page shows one of these at a time.

    Args:
        x: The horizontal axis.
        x_bins: Its bins.
        y: The vertical axis.
        y_bins: Its bins.
        aggregated: What `aggregate` returns for both.
        filters: The filters that narrow it.
        layers: What it shows.
    """
    visible = Range1d(start=x_bins.borders[0], end=x_bins.borders[-1])
    low, high = y_bins.borders[[0, -1]]
    chart = empty_chart(x, y.scale._replace(start=low, end=high), x.name, y.name, visible)
    if y.words is not None:
        label_ticks(chart.yaxis[0], y.words)
    elif not y_bins.are_ranges and len(y_bins.middles) <= MOST_VALUES:
        chart.yaxis.ticker = FixedTicker(ticks=y_bins.middles.tolist(), minor_ticks=[])
    column, row = aggregated[X].to_numpy(), aggregated[Y].to_numpy()
    values = {layer.column: aggregated[layer.column].to_numpy() for layer in layers}
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
        *((layer.label, [_write(layer, value) for value in values[layer.column]]) for layer in layers),
    ]
    saved = [*values_in_bins(x, x_bins, column), *values_in_bins(y, y_bins, row), ("trials", aggregated["trials"])]
    saved += [(layer.column, values[layer.column]) for layer in layers]
    source, tooltips = chart_data(numbers, texts, aggregated, filters, saved)
    view, drawn = filtered_view(), []
    for layer in layers:
        mapper = _colours(layer, values[layer.column])
        quads = chart.quad(
            "left", "right", "top", "bottom", source=source, view=view,
            color={"field": layer.column, "transform": mapper},
        )  # fmt: skip
        bar = ColorBar(color_mapper=mapper, width=12, background_fill_color=None)
        show_alone([quads, bar], KEY, layer.column, first=not drawn)
        bar.formatter = PrintfTickFormatter(format="%.4g")
        chart.add_layout(bar, "right")
        drawn.append(quads)
    chart.add_tools(hover_tool(drawn, tooltips))
    return chart


def _write(layer: Layer, value: float) -> str:
    return write_share(value) if layer.is_share else write(value)


def _colours(layer: Layer, values: np.ndarray) -> ColorMapper:
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    # Bright is good: few updates, a small loss, a great accuracy.
    palette = Cividis256 if layer.is_max else Cividis256[::-1]
    if layer.is_share:
        return LinearColorMapper(palette=palette, low=0, high=1)
    if low > 0 and high > low and not layer.is_max:
        return LogColorMapper(palette=palette, low=low, high=high, nan_color=_NONE)
    return LinearColorMapper(palette=palette, low=low, high=high if high > low else low + 1, nan_color=_NONE)
