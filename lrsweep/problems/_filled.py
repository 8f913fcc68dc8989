"""The keyword-only arguments that lrsweep itself fills: a key, the model state, and whether this is an update."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple


class Filled(NamedTuple):
    """What a loss or a metric is given beside its columns, where it names it as a keyword-only argument.

    Attributes:
        key: A JAX key.
        state: The model state.
        training: Whether this is an update, rather than a measurement.
    """

    key: Any = None
    state: Any = None
    training: bool = False

    def asked_by(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Gives those that a function names."""
        return {name: getattr(self, name) for name in filled_names(function)}


def filled_names(function: Callable[..., Any]) -> list[str]:
    """Lists which of the fields of `Filled` a function names as keyword-only arguments.

    One that `functools.partial` has set already is the function's own. A function that does not say what it takes, as
    some built-in ones do not, names none.

    Example:
        >>> filled_names(lambda params, data, *, penalty, key, training: 0.0)
        ['key', 'training']
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    named = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    own = function.keywords if isinstance(function, functools.partial) else {}
    return [name for name in Filled._fields if name in named and name not in own]
