"""What tells lines apart: a colour per setting, named in a legend of a few lines or measured by a colour bar."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import number, unknown
from lrsweep.plots._axes import label_of, plain, write_out
from lrsweep.plots._style import COLOURS, MARKERS
from lrsweep.statistics._bins import gather, is_logarithmic, is_numeric
from lrsweep.statistics._summary import check_by, group
from lrsweep.tables._schema import settings_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

# More settings than this are not named one by one.
MOST_NAMED = 8

# The values of one column of numbers are gathered to so many; settings of several columns can be no more than these.
MOST_SHADES, MOST_SETTINGS = 32, 500

# The colour of one setting alone: one of the palette's that no status has.
ALONE = "#0072B2"

# From dark to light, even in grey; its lightest end is too light for a line.
COLOUR_MAP, LIGHTEST = "viridis", 0.92

# The height of a line of a legend, in inches; a letter's width as a share of the font's height; a handle's, in letters.
_LINE, _LETTER, _HANDLE = 0.16, 0.55, 4


def gather_settings(
    table: pd.DataFrame, by: str | Sequence[str] | None, x: str | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """The trials whose settings are to be told apart, and the columns that make these.

    Args:
        table: A result table.
        by: The columns, by name; None for every one of the caller's but `seed` and `x`.
        x: The column along the picture's axis.

    Returns:
        The table, in which the values of one column of numbers alone are gathered where they are too many; the names.

    Raises:
        ValueError: The table is empty, it has no such column, or there are too many settings.
    """
    own = settings_of(table)
    if len(table) == 0:
        raise InputError("the table is empty: there is nothing to draw of no trials")
    if x is not None and x not in own:
        raise InputError(unknown("column", x, own))
    names = check_by(table, by)
    if x in names and by is not None:
        raise InputError(f"by names column {x!r}, which lies along the axis: leave it out")
    names = [name for name in names if name != x]
    if len(names) == 1 and is_numeric(table[names[0]]):
        table = gather(table, names[0], MOST_SHADES)
    settings = len(group(table, names)[0])
    if settings > MOST_SETTINGS:
        raise InputError(f"there are {settings:,} settings of {', '.join(names)}, too many to draw: name fewer in by")
    return table, names


def band_of(settings: int, *, repeated: bool) -> float:
    """How opaque the bands of the quartiles are: not there where nothing is `repeated`, faint where they are many."""
    if not repeated:
        return 0.0
    return 0.2 if settings <= MOST_NAMED else 0.06


class Looks(NamedTuple):
    """How settings are told apart.

    Attributes:
        colours: One per setting.
        title: What their columns are called.
        names: One per setting, to be put in a legend; none where there is but one setting, and an empty one where a
            colour bar says it.
        scale: What a colour bar shows, or None.
    """

    colours: list[Any]
    title: str
    names: list[str]
    scale: "ScalarMappable | None"


def look_of(settings: pd.DataFrame) -> Looks:
    """A colour and a name for each setting; where they are many numbers of one column, a colour bar instead of names.

    Args:
        settings: One row per setting, its columns.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    colours, columns = colormaps[COLOUR_MAP], [str(name) for name in settings.columns]
    title = ", ".join(map(label_of, columns))
    if len(settings) <= 1:
        return Looks([ALONE] * len(settings), title, [], None)
    order = np.arange(len(settings))
    if len(columns) == 1 and is_numeric(settings[columns[0]]):
        values = settings[columns[0]].to_numpy(float, na_value=np.nan)
        if len(values) > MOST_NAMED:
            norm = (LogNorm if is_logarithmic(values) else Normalize)(np.nanmin(values), np.nanmax(values))
            scale = ScalarMappable(norm, colours)
            there = ~np.isnan(values)
            shown = [scale.to_rgba(value) if at else ALONE for value, at in zip(values, there, strict=True)]
            return Looks(shown, title, ["" if at else "-" for at in there], scale)
        # From the least to the greatest, in whatever order they come.
        order = np.argsort(np.argsort(values))
    shades = np.linspace(0, LIGHTEST, len(settings))[order]
    names = [", ".join(map(_told, row)) for row in settings.itertuples(index=False)]
    return Looks([colours(shade) for shade in shades], title, names, None)


def _told(value: Any) -> str:
    if isinstance(value, str | bool | np.bool_):
        return plain(value)
    return "-" if pd.isna(value) else number(value)


def status_mark(status: str) -> "Artist":
    """What a legend shows of a status: its marker in its colour."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=COLOURS[status], marker=MARKERS[status], linestyle="none", markersize=5)


def add_legend(ax: "Axes", named: Sequence[tuple[Any, str]], *, title: str = "", grow: bool) -> None:
    """Puts a legend above the axes, where it covers nothing.

    Args:
        ax: The axes.
        named: Artists, and what each is called.
        title: What is written above them.
        grow: Whether the figure becomes higher by what the legend takes.
    """
    from matplotlib import rcParams

    if not named:
        return
    handles, texts = zip(*named, strict=True)
    # Letters of the size "small", which is 0.83 of the font's; beside each name there is a handle of some letters.
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
    # Not before: Matplotlib leaves out what is called by a name that begins with an underscore.
    for shown, text in zip(legend.get_texts(), texts, strict=True):
        shown.set_text(text)
    figure = ax.get_figure(root=True)
    if grow and figure is not None:
        rows = -(-len(texts) // columns) + bool(title)
        figure.set_figheight(figure.get_figheight() + _LINE * rows)


def name_settings(lines: Sequence[Any], looks: Looks) -> list[tuple[Any, str]]:
    """What a legend says of the settings: all of them where they are few, or the first ones and how many more.

    Args:
        lines: An artist for each setting.
        looks: What `look_of` says of them.
    """
    from matplotlib.lines import Line2D

    named = [(line, name) for line, name in zip(lines, looks.names, strict=False) if name]
    if len(named) <= MOST_NAMED:
        return named
    return [*named[: MOST_NAMED - 1], (Line2D([], [], linestyle="none"), f"… {len(named) - MOST_NAMED + 1} more")]


def add_colour_bar(axes: "Axes | list[Axes]", scale: Any, label: str) -> None:
    """Puts a colour bar beside some axes of one figure, as high as they are together."""
    figure = (axes[0] if isinstance(axes, list) else axes).figure
    bar = figure.colorbar(scale, ax=axes, label=label, pad=0.02, fraction=0.06, aspect=30)
    write_out(bar.ax.yaxis, scale.norm.vmin, scale.norm.vmax)
