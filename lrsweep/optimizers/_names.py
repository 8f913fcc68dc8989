"""Optimizers by name, as the command line knows them."""

import inspect

import optax

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.optimizers._decay import independent_decay
from lrsweep.optimizers._factories import Factory, gauss_seidel
from lrsweep.tables._schema import is_learning_rate

# Beside optax's own. They are made once, since what is compiled for one is known again by it.
_OURS = gauss_seidel, independent_decay(optax.adam), independent_decay(optax.sgd)


def names() -> list[str]:
    """Lists the optimizers the command line knows: optax's factories with a learning rate, and lrsweep's own.

    Example:
        >>> {"adam", "sgd", "gauss_seidel"} <= set(names())
        True
    """
    return sorted(_factories())


def by_name(name: str) -> Factory:
    """Finds the factory of the optimizer called `name`.

    Raises:
        ValueError: There is no such optimizer; the message gives the nearest match and all there are.

    Example:
        >>> by_name("adam") is optax.adam
        True
    """
    factories = _factories()
    if not isinstance(name, str) or name not in factories:
        raise InputError(unknown("optimizer", name, sorted(factories)))
    return factories[name]


def _factories() -> dict[str, Factory]:
    # What takes a learning rate in optax is an optimizer, unless its name says that it is only a part of one.
    theirs = {
        name: factory
        for name, factory in vars(optax).items()
        if inspect.isroutine(factory)
        and not name.startswith(("_", "scale_by_"))
        and any(map(is_learning_rate, inspect.signature(factory).parameters))
    }
    return {factory.__name__: factory for factory in _OURS} | theirs
