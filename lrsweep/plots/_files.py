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


def render(figure: "Figure", ending: str) -> bytes:
    """Gives a figure as the content of a file; the same figure gives the same bytes.

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
        figure.savefig(content, format=ending.lower()[1:], dpi=DOTS_PER_INCH, metadata=METADATA[ending.lower()])
    return content.getvalue()
