"""What has been made of functions, compiled programs above all: kept while they live, and no more than so many."""

import functools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import MethodType
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import numpy as np

from lrsweep.inputs._errors import InputTypeError

# Each compiled program takes some megabytes, and up to 150 of the 65,530 mappings of memory that Linux allows.
MOST_PROGRAMS = 128

T = TypeVar("T")


class _Entry(NamedTuple):
    value: Any
    functions: tuple[weakref.ref, ...]


class CachedFunction(Generic[T]):
    """A function whose results are kept, and given again for equal arguments.

    The functions among the arguments, and in tuples among them, are held weakly: once one of them is gone, so is what
    was made of it. Beyond `most` results, those go that have been asked for least recently. Threads may share it.

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
        """Keeps nothing yet.

        Args:
            make: It takes what can be hashed; what it returns must not hold the functions, or they never go.
            most: How many of its results to keep.
        """
        self._make, self._most = make, most
        self._entries: OrderedDict[Any, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        functools.update_wrapper(self, make)

    def __call__(self, *arguments: Any) -> T:
        """Gives what the function makes of some arguments, or has made of equal ones."""
        functions: list[weakref.ref] = []
        key = _loosen(arguments, functions, self._let_go)
        self._let_go()
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key].value
        made = _Entry(self._make(*arguments), tuple(functions))
        let_go = None
        with self._lock:
            # Another thread may have made it meanwhile.
            kept = self._entries.setdefault(key, made)
            if len(self._entries) > self._most:
                let_go = self._entries.popitem(last=False)
        del let_go
        return kept.value

    def __len__(self) -> int:
        self._let_go()
        return len(self._entries)

    def _let_go(self, _: Any = None) -> None:
        """Lets go of what was made of functions that are gone.

        It is called as they go, which may be while this very thread holds the lock: then it is left to the next call.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            gone = [key for key, entry in self._entries.items() if any(each() is None for each in entry.functions)]
            entries = [self._entries.pop(key) for key in gone]
        finally:
            self._lock.release()
        del entries


def cached(most: int) -> Callable[[Callable[..., T]], CachedFunction[T]]:
    """Decorates a function as a `CachedFunction`."""
    return lambda make: CachedFunction(make, most)


def jitted(function: Callable[..., Any], static: tuple[Any, ...], arguments: Any, donated: tuple[int, ...] = ()) -> Any:
    """Puts a function under `jax.jit`, kept for as long as the functions among its static arguments live.

    `jax.jit` itself would keep what it has compiled, and the functions with it, for as long as the process runs.

    Args:
        function: It takes the static arguments first, and then arrays; a module's own, which lives as long.
        static: The static arguments.
        arguments: The arrays, or their shapes and dtypes: each combination has an entry of its own.
        donated: The places among the arrays of those whose memory may be taken.

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
    loose = _loosen(static, [], None)

    def call(*arguments: Any) -> Any:
        return function(*_restore(loose), *arguments)

    return jax.jit(call, donate_argnums=donated)


def _loosen(value: Any, functions: list[weakref.ref], gone: Callable[[Any], None] | None) -> Any:
    """Puts weak references for the functions in a value, and adds them to a list."""
    if isinstance(value, tuple):
        parts = [_loosen(part, functions, gone) for part in value]
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
    # Another one could be equal to what is compared by value, and what was made of it would be gone with the first.
    if type(owner).__eq__ is not object.__eq__:
        return value
    try:
        loose = weakref.WeakMethod(value, gone) if isinstance(value, MethodType) else weakref.ref(value, gone)
    except TypeError:
        return value
    functions.append(loose)
    return loose


def _restore(loose: Any) -> Any:
    """Gives back the value that has been loosened, while its functions live."""
    if isinstance(loose, tuple):
        parts = [_restore(part) for part in loose]
        return type(loose)(*parts) if hasattr(loose, "_fields") else tuple(parts)
    return loose() if isinstance(loose, weakref.ref) else loose
