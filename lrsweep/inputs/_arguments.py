"""Checks of arguments: counts, numbers, names, paths."""

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote

# Counts are 32-bit integers, and one more than the largest must still fit.
LARGEST_COUNT = 2**31 - 2


def check_count(name: str, value: Any, *, least: int = 1, most: int = LARGEST_COUNT) -> int:
    """Gives a whole number as Python's own.

    Args:
        name: What messages call it.
        value: The value: an integer of Python, NumPy or JAX.
        least: The least value allowed.
        most: The greatest value allowed.

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
    """Gives names as a list; a single name may stand for a list of one.

    Args:
        argument: What messages call them.
        value: The value: text, or any iterable of text.

    Raises:
        InputTypeError: It is neither.

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


def check_keywords(value: Any) -> dict[str, Any]:
    """Gives the keyword-only arguments of a loss by name; for None there are none.

    Raises:
        InputTypeError: The value is not a mapping from names.

    Example:
        >>> check_keywords({"penalty": 0.1}), check_keywords(None)
        ({'penalty': 0.1}, {})
    """
    if value is not None and not (isinstance(value, Mapping) and all(isinstance(name, str) for name in value)):
        raise InputTypeError(f"keywords={quote(value)} must be values by name, {{'penalty': 0.1}}")
    return dict(value or {})


def check_numbers(name: str, value: Any) -> np.ndarray:
    """Gives numbers as an array of float64, of whatever shape they have.

    Raises:
        InputTypeError: The value is not an array of numbers.

    Example:
        >>> check_numbers("y", [0, 1.5])
        array([0. , 1.5])
    """
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError, OverflowError):
        raise InputTypeError(f"{name}={quote(value)} must be an array of numbers") from None


def check_number(name: str, value: Any, wanted: str, is_allowed: Callable[[float], bool] = math.isfinite) -> float:
    """Gives a number as Python's own; an integer beyond all floats is infinite.

    Args:
        name: What messages call it.
        value: The value: a number, or an array without axes.
        wanted: What it must be, for the message.
        is_allowed: Tells whether a number is that.

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
        raise InputError(f"{name}={quote(value)} must be {wanted}")
    return number


def as_path(path: str | os.PathLike[str]) -> Path:
    """Gives the path of a file as a `Path`.

    Raises:
        TypeError: It is not a path.
        ValueError: No file can have that name.

    Example:
        >>> as_path("sweep.csv").suffix
        '.csv'
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise InputTypeError(f"{quote(path)} must be the path of a file")
    if "\0" in os.fspath(path):
        raise InputError(f"{quote(os.fspath(path))} cannot be the name of a file")
    return Path(path)
