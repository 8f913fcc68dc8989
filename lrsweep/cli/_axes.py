"""Axes: the values of a column, as the command line writes them."""

from collections.abc import Sequence
from typing import Any

from lrsweep.cli._counts import whole
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote
from lrsweep.tables._grid import log_grid
from lrsweep.tables._schema import LEARNING_RATE

_FORMS = "write values as 0.1,0.01,0.001 or a range as 1e-4:1:25 (from:to:count)"


def read_axes(*, learning_rate: str | None = None, settings: Sequence[str] | None = None) -> dict[str, Any]:
    """Reads the values of each column from the options that give them.

    Args:
        learning_rate: `--learning-rate`, an axis of numbers.
        settings: Every `--set`, written `NAME=AXIS`.

    Raises:
        InputError: A text is not written so, or a column is given twice.

    Example:
        >>> read_axes(learning_rate="0.1,0.2", settings=["momentum=0,0.9", "nesterov=true"])
        {'learning_rate': [0.1, 0.2], 'momentum': [0.0, 0.9], 'nesterov': [True]}
    """
    axes: dict[str, Any] = {} if learning_rate is None else {LEARNING_RATE: parse_axis(learning_rate)}
    for text in settings or ():
        name, equals, axis = text.partition("=")
        if not (name and equals):
            raise InputError(f"--set {quote(text)} must be NAME=AXIS, such as momentum=0,0.9")
        if name in axes:
            raise InputError(f"column {quote(name)} is given twice: name it once")
        axes[name] = parse_setting(axis)
    return axes


def parse_axis(text: str) -> list[int] | list[float]:
    """Gives the numbers of an axis: `0.1,0.01,0.001`, or `1e-4:1:25` for a `log_grid`.

    Whole numbers stay integers where all of them are.

    Raises:
        InputError: The text is neither form, or a value is not a number.

    Example:
        >>> parse_axis("0.1,0.01,0.001")
        [0.1, 0.01, 0.001]
        >>> parse_axis("1e-2:1:3")
        [0.01, 0.1, 1.0]
    """
    if ":" in text:
        return _parse_range(text)
    parts = [part.strip() for part in text.split(",")]
    numbers = [_parse_number(part) for part in parts]
    # A whole number that does not fit 64 bits stays a floating-point one, which is then in range or out of it.
    whole = all(part.lstrip("+-").isdecimal() for part in parts) and all(abs(value) < 2**63 for value in numbers)
    return [int(part) for part in parts] if whole else numbers


def parse_setting(text: str) -> list[int] | list[float] | list[bool] | list[str]:
    """Gives the values of any hyperparameter: an axis of numbers, or words.

    `true` and `false` are booleans where all of the words are.

    Raises:
        InputError: A part of it is a number and another is not.

    Example:
        >>> parse_setting("relu,tanh"), parse_setting("true,false"), parse_setting("0,0.9")
        (['relu', 'tanh'], [True, False], [0.0, 0.9])
    """
    parts = [part.strip() for part in text.split(",")]
    if any(_is_number(part) or ":" in part or not part for part in parts):
        return parse_axis(text)
    booleans = {"true": True, "false": False}
    if all(part.lower() in booleans for part in parts):
        return [booleans[part.lower()] for part in parts]
    return parts


def _parse_range(text: str) -> list[float]:
    """Gives the numbers of a range, `FROM:TO:COUNT`."""
    parts = text.split(":")
    count = whole(parts[-1])
    if len(parts) != 3 or count is None or count < 0:
        raise InputError(f"{quote(text)} is not a range: {_FORMS}")
    return log_grid(_parse_number(parts[0]), _parse_number(parts[1]), count).tolist()


def _parse_number(text: str) -> float:
    """Gives the number that a text writes, or refuses it."""
    if not _is_number(text):
        raise InputError(f"{quote(text.strip())} is not a number: {_FORMS}")
    return float(text)


def _is_number(text: str) -> bool:
    """Says whether a text is a number as Python writes them."""
    try:
        float(text)
    except ValueError:
        return False
    return True
