"""Bundles of options: a command takes one as a single argument, and its help shows every option in it."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any


def unpack_bundles(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of its bundles in place of the bundles, so that typer sees only options.

    Args:
        command: A function of keywords. One that is annotated with a dataclass is a bundle: its options are the fields.

    Example:
        >>> from dataclasses import make_dataclass
        >>> Pair = make_dataclass("Pair", [("a", int, 1), ("b", int, 2)])
        >>> def add(*, first: int = 0, pair: Pair) -> int:
        ...     return first + pair.a + pair.b
        >>> list(inspect.signature(unpack_bundles(add)).parameters)
        ['first', 'a', 'b']
        >>> unpack_bundles(add)(first=10, a=20)
        32
    """
    parameters = inspect.signature(command).parameters.values()
    bundles: dict[str, Any] = {each.name: each.annotation for each in parameters if is_dataclass(each.annotation)}

    @wraps(command)
    def unpacked(**values: Any) -> int:
        packed = {
            name: bundle(**{field.name: values.pop(field.name) for field in fields(bundle) if field.name in values})
            for name, bundle in bundles.items()
        }
        return command(**values, **packed)

    options = [option for each in parameters for option in _options(each)]
    unpacked.__signature__ = inspect.Signature(options)  # pyright: ignore[reportAttributeAccessIssue]
    unpacked.__annotations__ = {option.name: option.annotation for option in options}
    return unpacked


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Gives the options that a command's parameter stands for: those of a bundle, or itself."""
    bundle: Any = parameter.annotation
    if not is_dataclass(bundle):
        return [parameter]
    return [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(bundle)
    ]
