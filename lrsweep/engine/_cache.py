"""A cache of what is made of functions, compiled programs above all, for as long as these functions live."""

import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from types import MethodType
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from lrsweep.inputs._errors import InputTypeError

# Each compiled program takes some megabytes, and up to 150 of the 65,530 mappings of memory that Linux allows.
MOST_PROGRAMS = 128

T = TypeVar("T")


class CachedFunction(Generic[T]):
    """A function that caches its results by its arguments.

    It refers only weakly to the functions among its arguments, or in tuples among them: once one of them is garbage
    collected, the results made of it go too. Beyond a number of results, the least recently used go. It is thread-safe.

    Example:
        >>> doubled = CachedFunction(lambda function: [function(1), function(2)], most=10)
        >>> square = lambda x: x * x
        >>> doubled(square) is doubled(square)
        True
        >>> del square
        >>> len(doubled)
        0
    """

    def __init__(self, make: Callable[..., T], most: int) -> None:
        """Wraps a function.

        Args:
            make: The function, whose arguments can be hashed. Its results must not refer to the functions among its
                arguments, or these would never be garbage collected.
            most: How many results to cache.
        """
        self._make, self._most = make, most
        # Whatever changes it is one step, since functions are garbage collected at any time, and in any thread.
        self._results: OrderedDict[Any, T] = OrderedDict()
        functools.update_wrapper(self, make)

    def __call__(self, *arguments: Any) -> T:
        """Gives the function's result for some arguments, from the cache where equal ones have been given before."""
        key: Any = None
        key = _weaken(arguments, lambda _: self._results.pop(key, None))
        with suppress(KeyError):
            self._results.move_to_end(key)
            return self._results[key]
        # Another thread may make it meanwhile.
        result = self._results.setdefault(key, self._make(*arguments))
        if len(self._results) > self._most:
            self._results.popitem(last=False)
        return result

    def __len__(self) -> int:
        return len(self._results)


def cached(most: int) -> Callable[[Callable[..., T]], CachedFunction[T]]:
    """Decorates a function as a `CachedFunction`."""
    return lambda make: CachedFunction(make, most)


def jitted(function: Callable[..., Any], static: tuple[Any, ...], arguments: Any, donated: tuple[int, ...] = ()) -> Any:
    """Puts a function under `jax.jit`, and caches it for as long as the functions among its static arguments live.

    `jax.jit` with static arguments would keep them and the compiled program for as long as the process runs.

    Args:
        function: A function at the top level of a module. It takes the static arguments first, and then the arrays.
        static: The static arguments.
        arguments: The arrays, or their shapes and dtypes. Each combination of these is cached by itself.
        donated: The positions, among the arrays, of those whose memory the program may reuse.

    Example:
        >>> def scale(factor, x):
        ...     return factor * x
        >>> jitted(scale, (3,), (np.ones(2),))(np.ones(2)).tolist()
        [3.0, 3.0]
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)
    return _jitted(function, static, structure, shapes, donated)


@cached(MOST_PROGRAMS)
def _jitted(function: Callable[..., Any], static: tuple[Any, ...], _: Any, __: Any, donated: tuple[int, ...]) -> Any:
    weak = _weaken(static, None)

    def call(*arguments: Any) -> Any:
        return function(*_restore(weak), *arguments)

    return jax.jit(call, donate_argnums=donated)


def _weaken(value: Any, on_death: Callable[[Any], Any] | None) -> Any:
    """Replaces the functions in a value by weak references, which call `on_death` once their function is gone."""
    if isinstance(value, tuple):
        parts = [_weaken(part, on_death) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if not callable(value):
        return value
    try:
        hash(value)
    except TypeError as error:
        raise InputTypeError(
            f"a {type(value).__name__} cannot be hashed, so that what is compiled for it would not be known again: "
            "make it a function, or a frozen dataclass"
        ) from error
    owner = value.__self__ if isinstance(value, MethodType) else value
    # Two that are compared by value can be equal: with the first of them would go what the other still uses.
    if type(owner).__eq__ is not object.__eq__:
        return value
    refer = weakref.WeakMethod if isinstance(value, MethodType) else weakref.ref
    try:
        return refer(value, on_death)
    except TypeError:
        return value


def _restore(weak: Any) -> Any:
    """Undoes `_weaken` while the functions live."""
    if isinstance(weak, tuple):
        parts = [_restore(part) for part in weak]
        return type(weak)(*parts) if hasattr(weak, "_fields") else tuple(parts)
    return weak() if isinstance(weak, weakref.ref) else weak
