"""Arguments checked: counts, finite numbers, names."""

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lrsweep.errors import InputError, InputTypeError
from lrsweep.messages import quote

# Counts are kept in 32 bits, and one more than the largest of them must still be one.
LARGEST_COUNT = 2**31 - 2


def check_count(name: str, value: Any, *, least: int = 1, most: int = LARGEST_COUNT) -> int:
    """A whole number, as Python's own.

    Args:
        name: What messages call it.
        value: What was handed in: an integer of Python, NumPy or JAX.
        least: The least that it may be.
        most: The most.

    Raises:
        InputTypeError: It is not a whole number.
        InputError: It is out of range.

    Example:
        >>> check_count("steps", 1000)
        1000
    """
    try:
        count = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        count = None
    if count is None:
        raise InputTypeError(f"{name}={quote(value)} must be a whole number")
    if count < least:
        raise InputError(f"{name}={quote(count)} must be {least} or more")
    if count > most:
        raise InputError(f"{name}={quote(count)} must be {most} or less")
    return count


def as_names(argument: str, value: Any) -> list[str]:
    """Names, as a list; one alone stands for itself.

    Args:
        argument: What messages call them.
        value: What was handed in: text, or any iterable of names.

    Raises:
        InputTypeError: It is neither, or a name is none.

    Example:
        >>> as_names("static", "width")
        ['width']
    """
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        raise InputTypeError(f"{argument}={quote(value)} must be names of columns: a list of text")
    names = list(value)
    for name in names:
        if not isinstance(name, str):
            raise InputTypeError(f"{argument} names {quote(name)}: names of columns must be text")
    return names


def check_number(name: str, value: Any, wanted: str, is_allowed: Callable[[float], bool] = math.isfinite) -> float:
    """A number, as Python's own; an integer beyond all floats is infinite.

    Args:
        name: What messages call it.
        value: What was handed in: a number, or an array that holds one and has no axis.
        wanted: What it must be, for the message.
        is_allowed: Whether it is.

    Raises:
        InputTypeError: It is not a number.
        InputError: It is not allowed.

    Example:
        >>> check_number("width", 0.01, "a finite number above 0", lambda width: 0 < width < math.inf)
        0.01
    """
    is_number = isinstance(value, int | float | np.number) or getattr(value, "ndim", None) == 0
    if not is_number or isinstance(value, bool | complex | np.bool_ | np.complexfloating):
        raise InputTypeError(f"{name}={quote(value)} must be {wanted}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        raise InputTypeError(f"{name}={quote(value)} must be {wanted}") from None
    if not is_allowed(number):
        raise InputError(f"{name}={quote(number)} must be {wanted}")
    return number
