"""How an object shows itself: in a few lines, and whatever has become of it."""

import html
from collections.abc import Callable

from lrsweep.inputs._messages import first_line

# A table of more rows than this is not read.
MOST_SHOWN = 20


def show_safely(thing: object, write: Callable[[], str], *, as_html: bool = False) -> str:
    """Writes an object as `repr` does; where that fails, it names the object's class and no more.

    Debuggers and tracebacks ask objects for their text that are half made, or whose tables a caller has changed: an
    exception there would hide the one that matters.

    Args:
        thing: The object.
        write: Gives its text.
        as_html: Whether that text is HTML.

    Example:
        >>> show_safely([], lambda: f"{1 / 0}")
        '<list object that cannot be shown: ZeroDivisionError: division by zero>'
    """
    try:
        return write()
    except Exception as error:
        text = f"<{type(thing).__name__} object that cannot be shown: {first_line(error)}>"
        return html.escape(text) if as_html else text


def paragraphs(*texts: str) -> str:
    """Writes texts as paragraphs of HTML.

    Example:
        >>> paragraphs("a < b")
        '<p>a &lt; b</p>'
    """
    return "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)
