"""Options as one object: a command takes them as a dataclass, and its help shows every option in it."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import Field, fields, is_dataclass
from functools import wraps
from typing import Any


def unpack_bundles(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of its bundles in place of the bundles, so that typer sees only options.

    Args:
        command: A function of keywords. One that is annotated with a dataclass is a bundle: its options are the fields,
            and those of the bundles among them. What a class adds to that it is made from comes first.

    Example:
        >>> from dataclasses import make_dataclass
        >>> Pair = make_dataclass("Pair", [("a", int, 1), ("b", int, 2)])
        >>> Triple = make_dataclass("Triple", [("c", int, 3)], bases=(Pair,))
        >>> def add(*, first: int = 0, rest: Triple) -> int:
        ...     return first + rest.a + rest.b + rest.c
        >>> list(inspect.signature(unpack_bundles(add)).parameters)
        ['first', 'c', 'a', 'b']
        >>> unpack_bundles(add)(first=10, a=20)
        35
    """
    parameters = inspect.signature(command).parameters.values()
    bundles: dict[str, Any] = {each.name: each.annotation for each in parameters if is_dataclass(each.annotation)}

    @wraps(command)
    def unpacked(**values: Any) -> int:
        packed = {name: _pack(bundle, values) for name, bundle in bundles.items()}
        return command(**values, **packed)

    options = [option for each in parameters for option in _options(each)]
    unpacked.__signature__ = inspect.Signature(options)  # pyright: ignore[reportAttributeAccessIssue]
    unpacked.__annotations__ = {option.name: option.annotation for option in options}
    return unpacked


def values_of(bundle: Any) -> dict[str, Any]:
    """Gives the values of a bundle's options by name, those of the bundles within it too.

    Example:
        >>> from lrsweep.cli._options._study import Study
        >>> values = values_of(Study(steps=50))
        >>> values["steps"], values["objective"]
        (50, 'line')
    """
    values: dict[str, Any] = {}
    for field in fields(bundle):
        value = getattr(bundle, field.name)
        values |= values_of(value) if is_dataclass(value) else {field.name: value}
    return values


def _pack(bundle: Any, values: dict[str, Any]) -> Any:
    """Makes a bundle of the values of its options, which are taken out of `values`; one left out has its default."""
    given = {}
    for field in fields(bundle):
        if is_dataclass(field.type):
            given[field.name] = _pack(field.type, values)
        elif field.name in values:
            given[field.name] = values.pop(field.name)
    return bundle(**given)


def _options(parameter: "inspect.Parameter | Field[Any]") -> Iterator[inspect.Parameter]:
    """Gives the options that a command's parameter, or a bundle's field, stands for: those of a bundle, or itself."""
    bundle: Any = parameter.type if isinstance(parameter, Field) else parameter.annotation
    if is_dataclass(bundle):
        known = {field.name: field for field in fields(bundle)}
        classes: list[type] = inspect.getmro(bundle)  # pyright: ignore
        for name in dict.fromkeys(name for each in classes for name in inspect.get_annotations(each)):
            yield from _options(known[name])
    else:
        yield inspect.Parameter(
            parameter.name, inspect.Parameter.KEYWORD_ONLY, default=parameter.default, annotation=bundle
        )
