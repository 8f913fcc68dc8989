"""A summary laid out for a screen: its best rows where there are many, folded to the width there is."""

from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from lrsweep.best import rank
from lrsweep.objective import LOSS

# More settings than this are not a table to read: the best of them are shown.
MOST_SHOWN = 40
SHOWN_OF_MANY = 20

# What is shown of the trials that every table has; of a metric it is the median at the end.
SHOWN = ("trials", "converged", "diverged", "median_converged_at", "median_final_loss")

_BETWEEN = 3


def lay_out(summary: pd.DataFrame, *, room: int | None, best_by: str = LOSS) -> Table:
    """A summary as a table of text. Names are folded where there is little room, numbers never.

    Args:
        summary: What `summarize` gives.
        room: The width there is, in characters, or None where there is no edge.
        best_by: What decides which rows are the best.

    Returns:
        A Rich table; its `width` is set, and larger than `room` where not even the numbers fit.

    Example:
        >>> table = lay_out(lrsweep.summarize(result.table), room=40)
        >>> table.row_count, table.width
        (3, 40)
    """
    shown = rank(summary, best_by).head(SHOWN_OF_MANY) if len(summary) > MOST_SHOWN else summary
    shown = shown[_columns(summary)]
    cells = {name: [_show(name, value) for value in shown[name]] for name in shown.columns}
    headers = {name: name.replace("median_", "median ") for name in cells}
    widths = _widths(cells, headers, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, width=_total(widths))
    for name, header in headers.items():
        table.add_column(Text(header), justify="right", overflow="fold", width=widths[name])
    for row in zip(*cells.values(), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def _columns(summary: pd.DataFrame) -> list[str]:
    """The settings, and of their statistics what fits on a line: no intervals, no outer quartiles."""
    names = list(summary.columns)
    of_settings = names[: names.index("trials")]
    statistics = names[len(of_settings) :]
    return of_settings + [name for name in statistics if name in SHOWN or name.startswith("median_final_")]


def _widths(cells: dict[str, list[str]], headers: dict[str, str], room: int | None) -> dict[str, int]:
    full = {name: max(len(text) for text in [headers[name], *column]) for name, column in cells.items()}
    if room is None or _total(full) <= room:
        return full
    # What room the numbers leave goes, character by character, to the name most in need of it.
    widths = {name: max((len(cell) for cell in column), default=1) for name, column in cells.items()}
    for _ in range(room - _total(widths)):
        widths[max(widths, key=lambda name: full[name] - widths[name])] += 1
    return widths


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + _BETWEEN * (len(widths) - 1)


def _show(name: Any, value: Any) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    if name in ("converged", "diverged"):
        return f"{value:.0%}"
    if isinstance(value, int | np.integer):
        return f"{value:,}" if name == "trials" else str(value)
    return f"{value:.4g}"
