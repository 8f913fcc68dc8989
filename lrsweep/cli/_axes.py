"""Axes as the command line writes them."""

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote
from lrsweep.tables._grid import log_grid

# More digits than those of any count are not read.
_MOST_DIGITS = 18


def parse_axis(text: str) -> list[int] | list[float]:
    """The values of an axis as the command line writes it: `0.1,0.01,0.001`, or `1e-4:1:25` for a `log_grid`.

    Whole numbers stay integers where all of them are.

    Raises:
        ValueError: The text is neither form, or a value is not a number.

    Example:
        >>> parse_axis("0.1,0.01,0.001")
        [0.1, 0.01, 0.001]
        >>> parse_axis("1e-2:1:3")
        [0.01, 0.1, 1.0]
    """
    forms = "write values as 0.1,0.01,0.001 or a range as 1e-4:1:25 (from:to:count)"
    if ":" in text:
        parts = text.split(":")
        # More digits than those of any count would not be read either.
        if len(parts) != 3 or not parts[2].strip().isdecimal() or len(parts[2]) > _MOST_DIGITS:
            raise InputError(f"{quote(text)} is not a range: {forms}")
        return log_grid(_number(parts[0], forms), _number(parts[1], forms), int(parts[2])).tolist()
    values = [_number(part, forms) for part in text.split(",")]
    if all(part.strip().lstrip("+-").isdecimal() for part in text.split(",")):
        # What does not fit 64 bits is one of the floating-point numbers, and as such out of range or not.
        return [int(part) for part in text.split(",")] if all(abs(value) < 2**63 for value in values) else values
    return values


def parse_setting(text: str) -> list[int] | list[float] | list[bool] | list[str]:
    """The values of any hyperparameter as the command line writes it: an axis of numbers, or words.

    `true` and `false` are booleans where all of the words are.

    Raises:
        ValueError: A part of it is a number and another is not.

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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, forms: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{quote(text.strip())} is not a number: {forms}") from None
