"""Legends: a colour per setting, named in a legend where settings are few, or measured by a colour bar."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.plots._axes import label_of, plain_text, write_ticks
from lrsweep.plots._style import COLOURS, LEGEND, MARKERS
from lrsweep.statistics._bins import gathered, is_logarithmic, is_numeric
from lrsweep.statistics._settings import settings_in
from lrsweep.statistics._summary import resolve_by
from lrsweep.tables._parts import Table, head_of, is_empty
from lrsweep.tables._schema import settings_of
from lrsweep.tables._text import write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

# More settings than this are not named one by one.
MOST_NAMED = 8

# The values of one column of numbers are gathered into so many; more settings of several columns than this are refused.
MOST_SHADES, MOST_SETTINGS = 32, 500

# The colour of a single setting, and of one whose value is missing: one of the palette's that no status has.
ALONE = "#0072B2"

# From dark to light, even in grey; its lightest end is too light for a line.
COLOUR_MAP, LIGHTEST = "viridis", 0.92

# The height of a legend's line in inches; a letter's width as a share of the font's size; a handle's width in letters.
_LINE, _LETTER, _HANDLE = 0.16, 0.55, 4


def prepare_settings(table: Table, by: str | Sequence[str] | None, x: str | None = None) -> tuple[Any, list[str]]:
    """Checks the columns whose settings a picture tells apart, and gathers a column of too many numbers.

    Args:
        table: A result table, in parts or not.
        by: The columns, by name; None for every one of the caller's but `seed` and `x`.
        x: The column along the picture's axis.

    Returns:
        The table, in which the values of a single column of numbers are gathered where they are too many; and the names
        of the columns that make a setting.

    Raises:
        ValueError: The table is empty, it has no such column, or there are too many settings.
    """
    head = head_of(table)
    own = settings_of(head)
    if is_empty(table):
        raise InputError("the table is empty: there is nothing to draw of no trials")
    if x is not None and x not in own:
        raise InputError(unknown("column", x, own))
    names = resolve_by(table, by)
    if x in names and by is not None:
        raise InputError(f"by names column {x!r}, which lies along the axis: leave it out")
    names = [name for name in names if name != x]
    if len(names) == 1 and is_numeric(head[names[0]]):
        table = gathered(table, names[0], MOST_SHADES)
    settings = len(settings_in(table, names))
    if settings > MOST_SETTINGS:
        raise InputError(f"there are {settings:,} settings of {', '.join(names)}, too many to draw: name fewer in by")
    return table, names


def band_opacity(settings: int, *, repeated: bool) -> float:
    """Gives the opacity of the bands of quartiles: 0 where no setting has several trials, faint for many settings."""
    if not repeated:
        return 0.0
    return 0.2 if settings <= MOST_NAMED else 0.06


class Styles(NamedTuple):
    """The colours and the names by which a picture tells settings apart.

    Attributes:
        colours: One per setting.
        title: The labels of their columns.
        names: One per setting, for a legend; none for a single setting, and an empty one where a colour bar says it.
        scale: What a colour bar shows, or None.
    """

    colours: list[Any]
    title: str
    names: list[str]
    scale: "ScalarMappable | None"


def style_settings(settings: pd.DataFrame) -> Styles:
    """Gives each setting a colour and a name; many numbers of one column get a colour bar instead of names.

    Args:
        settings: One row per setting: the columns that make it.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    colours, columns = colormaps[COLOUR_MAP], [str(name) for name in settings.columns]
    title = ", ".join(map(label_of, columns))
    if len(settings) <= 1:
        return Styles([ALONE] * len(settings), title, [], None)
    order = np.arange(len(settings))
    if len(columns) == 1 and is_numeric(settings[columns[0]]):
        values = settings[columns[0]].to_numpy(float, na_value=np.nan)
        if len(values) > MOST_NAMED:
            norm = (LogNorm if is_logarithmic(values) else Normalize)(np.nanmin(values), np.nanmax(values))
            scale = ScalarMappable(norm, colours)
            shown = [ALONE if np.isnan(value) else scale.to_rgba(value) for value in values]
            return Styles(shown, title, ["-" if np.isnan(value) else "" for value in values], scale)
        # Shades go from the least number to the greatest, in whatever order settings come.
        order = np.argsort(np.argsort(values))
    shades = np.linspace(0, LIGHTEST, len(settings))[order]
    names = [", ".join(plain_text(write(value)) for value in row) for row in settings.itertuples(index=False)]
    return Styles([colours(shade) for shade in shades], title, names, None)


def status_entry(status: str) -> "tuple[Artist, str]":
    """Makes the entry of a status for a legend: its marker, in its colour, and its name."""
    from matplotlib.lines import Line2D

    mark = Line2D([], [], color=COLOURS[status], marker=MARKERS[status], linestyle="none", markersize=5)
    return mark, LEGEND[status]


def add_legend(ax: "Axes", entries: Sequence[tuple[Any, str]], *, title: str = "", grow: bool) -> None:
    """Puts a legend above the axes, where it covers nothing.

    Args:
        ax: The axes.
        entries: Artists, each with its name.
        title: The title above them.
        grow: Whether the figure becomes higher by the height of the legend.
    """
    from matplotlib import rcParams

    if not entries:
        return
    handles, texts = zip(*entries, strict=True)
    # How many letters of the size "small", which is 0.83 of the font's, go on a line; each name has a handle beside it.
    letters = ax.bbox.width / ax.figure.dpi * 72 / (_LETTER * 0.83 * rcParams["font.size"])
    columns = min(max(1, int(letters / (max(map(len, texts)) + _HANDLE))), len(texts))
    legend = ax.legend(
        handles,
        ["" for _ in texts],
        title=title or None,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.0,
        labelspacing=0.3,
    )
    # Named afterwards, because Matplotlib leaves out labels that begin with an underscore.
    for artist, text in zip(legend.get_texts(), texts, strict=True):
        artist.set_text(text)
    figure = ax.get_figure(root=True)
    if grow and figure is not None:
        rows = -(-len(texts) // columns) + bool(title)
        figure.set_figheight(figure.get_figheight() + _LINE * rows)


def legend_entries(lines: Sequence[Any], styles: Styles) -> list[tuple[Any, str]]:
    """Gives the legend's entries for settings: all where they are few, else the first ones and how many more.

    Args:
        lines: An artist for each setting.
        styles: What `style_settings` gives.
    """
    from matplotlib.lines import Line2D

    entries = [(line, name) for line, name in zip(lines, styles.names, strict=False) if name]
    if len(entries) <= MOST_NAMED:
        return entries
    return [*entries[: MOST_NAMED - 1], (Line2D([], [], linestyle="none"), f"… {len(entries) - MOST_NAMED + 1} more")]


def add_colour_bar(axes: "Axes | list[Axes]", scale: Any, label: str) -> None:
    """Puts a colour bar beside some axes of one figure, as high as they are together."""
    figure = (axes[0] if isinstance(axes, list) else axes).figure
    bar = figure.colorbar(scale, ax=axes, label=label, pad=0.02, fraction=0.06, aspect=30)
    write_ticks(bar.ax.yaxis, scale.norm.vmin, scale.norm.vmax)
