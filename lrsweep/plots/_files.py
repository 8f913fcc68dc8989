"""Pictures as files: where they may be written; the same picture gives the same file."""

import io
import os
from typing import TYPE_CHECKING, Any

from lrsweep.tables._files import check_path

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

# What drew the file, and no date, which would make every file different.
METADATA = {
    ".png": {"Software": "lrsweep"},
    ".svg": {"Creator": "lrsweep", "Date": None},
    ".pdf": {"Creator": "lrsweep", "CreationDate": None},
}

# What each format calls the words that tell what a picture shows, beside its title.
_TOLD_AS = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}

# By these bytes a file is recognised as one of `render`'s.
_DRAWN = {".png": b"Software\0lrsweep", ".svg": b"<dc:title>lrsweep</dc:title>", ".pdf": b"/Creator (lrsweep)"}

# Without a salt the ids in an SVG are random; and journals refuse a PDF whose fonts are of type 3.
SETTINGS: dict[Any, Any] = {"svg.hashsalt": "lrsweep", "pdf.fonttype": 42}

DOTS_PER_INCH = 200


def check_picture(path: str | os.PathLike[str]) -> "Path":
    """Refuses a path that a picture cannot be written to.

    Raises:
        ValueError: The ending is not `.png`, `.svg` or `.pdf`, the folder does not exist or cannot be written to, or
            `path` is a folder.

    Example:
        >>> check_picture("sweep.png").name
        'sweep.png'
    """
    return check_path(path, tuple(METADATA))


def is_drawn(path: "Path") -> bool:
    """Tells whether a picture is one that `render` made.

    Args:
        path: A file that ends in `.png`, `.svg` or `.pdf`.

    Example:
        >>> (folder / "sweep.pdf").write_bytes(render(lrsweep.plots.overview(result.table), ".pdf")) > 0
        True
        >>> is_drawn(folder / "sweep.pdf")
        True
    """
    return _DRAWN[path.suffix.lower()] in path.read_bytes()


def describe(figure: "Figure") -> str:
    """Says in words what a figure shows: what is drawn against what, and what its legends name.

    Example:
        >>> describe(lrsweep.plots.overview(result.table))
        'converged at (updates) against learning rate; final loss against learning rate; share of trials against
        learning rate; marked: converged, slow (still improving)'
    """
    charts, legends = [], list(figure.legends)
    for ax in figure.axes:
        # Of charts below one another the lowest alone bears the label that they share.
        beside = ax.get_shared_x_axes().get_siblings(ax)
        across = next(filter(None, (each.get_xlabel() for each in [ax, *beside])), "")
        against = f"{ax.get_ylabel()} against {across}" if across and ax.get_ylabel() else ax.get_ylabel() or across
        charts.append(" ".join(filter(None, [ax.get_title(), against])))
        legends += [legend] if (legend := ax.get_legend()) is not None else []
    marks = []
    for legend in legends:
        names = ", ".join(text.get_text() for text in legend.get_texts())
        marks.append(f"{legend.get_title().get_text() or 'marked'}: {names}")
    return " ".join("; ".join(filter(None, dict.fromkeys([*charts, *marks]))).split())


def render(figure: "Figure", ending: str) -> bytes:
    """Gives a figure as the content of a file, with what it shows in words; the same figure gives the same bytes.

    Args:
        figure: The figure.
        ending: The ending of the file's name: `.png`, `.svg` or `.pdf`.

    Example:
        >>> render(lrsweep.plots.overview(result.table), ".pdf")[:4]
        b'%PDF'
    """
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        # The layout is made first: only then are all legends and labels there.
        figure.draw_without_rendering()
        words = describe(figure)
        told = {name: words for name in ("Title", _TOLD_AS[ending.lower()]) if words}
        metadata = METADATA[ending.lower()] | told
        figure.savefig(content, format=ending.lower()[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    return content.getvalue()
