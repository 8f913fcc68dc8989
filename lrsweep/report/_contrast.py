"""Colours that stand out enough from what they lie on, in the light and in the dark page.

Contrast is that of the Web Content Accessibility Guidelines 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio: 4.5
is the least for text, 3 for marks.
"""

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lrsweep.plots._style import COLOURS

# The least contrast of a mark.
LEAST_OF_MARKS = 3.0

# By so much a colour is moved at a time, from itself towards black or white.
_STEPS = 64

_BLACK, _WHITE = "#000000", "#ffffff"


class Themes(NamedTuple):
    """Something for the light page and for the dark one."""

    light: str
    dark: str


@functools.cache
def cards() -> Themes:
    """Gives the colours that charts lie on, as the page's style has them.

    Example:
        >>> cards()
        Themes(light='#f6f7f9', dark='#1d2026')
    """
    return Themes(*re.findall(r"--card: (#[0-9a-f]{6})", Path(__file__).with_name("page.css").read_text("utf-8")))


def contrast(colour: str, ground: str) -> float:
    """Gives the contrast of two colours, from 1, none, to 21, that of black and white.

    Example:
        >>> contrast("#000000", "#ffffff"), contrast("#ffffff", "#ffffff")
        (21.0, 1.0)
    """
    low, high = sorted((_luminance(colour), _luminance(ground)))
    return (high + 0.05) / (low + 0.05)


def outline(colour: str, ground: str) -> str:
    """Gives the colour nearest to another, towards black or white, that stands out from what it lies on.

    Example:
        >>> outline("#0072b2", "#ffffff"), outline("#56b4e9", "#ffffff")
        ('#0072b2', '#4a9bc8')
    """
    towards = _BLACK if _luminance(ground) > 0.5 else _WHITE
    mixed = (_mix(colour, towards, at / _STEPS) for at in range(_STEPS + 1))
    return next(each for each in mixed if contrast(each, ground) >= LEAST_OF_MARKS)


def outlines() -> list[tuple[str, Themes]]:
    """Gives the colours that outline the marks of each status: those of the pictures where they stand out enough."""
    light, dark = cards()
    return [(status, Themes(outline(colour, light), outline(colour, dark))) for status, colour in COLOURS.items()]


def distinct_shades(palette: Sequence[str], ground: str) -> list[str]:
    """Gives those shades of a palette that stand out from what they lie on, in its order.

    Example:
        >>> distinct_shades(["#000000", "#808080", "#eeeeee"], "#ffffff")
        ['#000000', '#808080']
    """
    return [shade for shade in palette if contrast(shade, ground) >= LEAST_OF_MARKS]


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _mix(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(own + share * (its - own)):02x}" for own, its in pairs)


def _luminance(colour: str) -> float:
    """Gives the relative luminance of an sRGB colour, as the guidelines define it."""
    parts = [channel / 255 for channel in _channels(colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
