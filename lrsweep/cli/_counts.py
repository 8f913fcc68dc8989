"""Counts, as people write them on a command line: `1000`, or `1e3`."""

from typing import Any

import typer

from lrsweep.inputs._messages import quote

# Beyond it a floating-point number does not tell every whole number apart.
_MOST = 2.0**53


def read_count(text: Any) -> int:
    """Gives the whole number that an option says, also where it is written as `1e3` or `1000.0`.

    Args:
        text: What it says, or its default, which is a number already.

    Raises:
        typer.BadParameter: It is no whole number.

    Example:
        >>> read_count("1000"), read_count("1e3"), read_count("2.5e2")
        (1000, 1000, 250)
    """
    try:
        return int(text)
    except ValueError:
        count = whole(text)
        if count is None:
            raise typer.BadParameter(f"{quote(text)} must be a whole number, such as 1000 or 1e3") from None
        return count


def whole(text: str) -> int | None:
    """Gives the whole number that a text writes with a point or an exponent, or None.

    Example:
        >>> whole("1e3"), whole("1.5"), whole("many")
        (1000, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) <= _MOST else None
