"""The map of a report: outcomes over two columns of settings, cell by cell."""

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

from lrsweep.report._base import choosable, data_of, frame, hover
from lrsweep.report._bins import Across, Cells
from lrsweep.report._filters import MOST_VALUES, Choice
from lrsweep.report._wording import tell_share
from lrsweep.tables._text import write

# Cells in which there is no such number: none converged, or all diverged.
_NONE = "#b0b0b0"

# What the page finds these by.
SHOWN_ONE_AT_A_TIME = "shown"

# What can be seen on a map: columns of what is summed up, and what they are called.
SHOWN = {
    "converged": "share of trials that converged",
    "median_converged_at": "median updates to converge",
    "median_final_loss": "median final loss",
}


def draw_plane(
    across: Across, cells: Cells, beside: Across, rows: Cells, found: pd.DataFrame, choices: Sequence[Choice]
) -> figure:
    """A map whose colours are the share that converged, or a median; the page shows one of them at a time.

    Args:
        across: The first axis.
        cells: It in cells.
        beside: The second axis.
        rows: It in cells.
        found: What `sum_up` gives for both.
        choices: The columns to choose among.
    """
    seen = Range1d(start=cells.borders[0], end=cells.borders[-1])
    low, high = rows.borders[[0, -1]]
    chart = frame(across, beside.scale._replace(start=low, end=high), across.name, beside.name, seen)
    if not rows.binned and len(rows.places) <= MOST_VALUES:
        chart.yaxis.ticker = FixedTicker(ticks=rows.places.tolist(), minor_ticks=[])
    x, y = found["x"].to_numpy(), found["y"].to_numpy()
    values = {name: found[name].to_numpy() for name in SHOWN}
    data = {
        "left": cells.borders[x],
        "right": cells.borders[x + 1],
        "bottom": rows.borders[y],
        "top": rows.borders[y + 1],
    }
    data |= {name: np.where(np.isfinite(column), column, np.nan) for name, column in values.items()}
    told = [
        (across.name, [cells.texts[at] for at in x]),
        (beside.name, [rows.texts[at] for at in y]),
        ("trials", [f"{trials:,}" for trials in found["trials"]]),
        ("converged", [tell_share(share) for share in values["converged"]]),
        *((SHOWN[name], [write(value) for value in values[name]]) for name in list(SHOWN)[1:]),
    ]
    source, columns = data_of(data, told, found, choices)
    view, drawn = choosable(), []
    for name in SHOWN:
        mapper = _mapper(name, values[name])
        area = chart.quad(
            "left", "right", "top", "bottom", source=source, view=view,
            color={"field": name, "transform": mapper}, visible=not drawn,
        )  # fmt: skip
        bar = ColorBar(color_mapper=mapper, visible=not drawn, width=12, background_fill_color=None)
        area.tags = bar.tags = [SHOWN_ONE_AT_A_TIME, name]
        bar.formatter = PrintfTickFormatter(format="%.4g")
        chart.add_layout(bar, "right")
        drawn.append(area)
    chart.add_tools(hover(drawn, columns))
    return chart


def _mapper(name: str, values: np.ndarray) -> ColorMapper:
    if name == "converged":
        return LinearColorMapper(palette=Cividis256, low=0, high=1)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if low > 0 and high > low:
        return LogColorMapper(palette=Cividis256[::-1], low=low, high=high, nan_color=_NONE)
    return LinearColorMapper(palette=Cividis256[::-1], low=low, high=high if high > low else low + 1, nan_color=_NONE)
