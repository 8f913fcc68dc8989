"""Fingerprints: hashes of functions and of the values that they hold, the same in every process."""

import dataclasses
import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.store._manifest import HASH

# The functions of what is installed are known by their names; versions are told apart elsewhere.
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

# What lies deeper in values that hold each other is not looked at.
_DEEPEST = 60


def fingerprint(value: Any, owner: str, unhashed: list[str]) -> str:
    """Hashes a value: a function by its code, the values that it closes over and the functions that it calls by name.

    What is installed as a library is known by its name. Arrays are hashed by their bytes; of other objects the type and
    the attributes are.

    Args:
        value: The value.
        owner: What to call it.
        unhashed: Gets a sentence for everything in it that could not be hashed: then two values that differ there have
            the same hash.

    Example:
        >>> def make(factor):
        ...     return lambda params: factor * params
        >>> fingerprint(make(2), "loss", []) == fingerprint(make(2), "loss", [])
        True
        >>> fingerprint(make(2), "loss", []) == fingerprint(make(3), "loss", [])
        False
    """
    hasher = _Hasher(owner, unhashed)
    hasher.add(value, [])
    return HASH + hasher.hash.hexdigest()


class _Hasher:
    """The hash of a value, as it grows."""

    def __init__(self, owner: str, unhashed: list[str]) -> None:
        self.hash = hashlib.sha256()
        self._owner, self._unhashed = owner, unhashed
        # The hash of each object met, by its place in memory; of one that is still being hashed, a word instead.
        self._met: dict[int, str] = {}
        # Keeps what is made on the way, whose place in memory would otherwise become another's.
        self._kept: list[Any] = []

    def add(self, value: Any, way: list[str]) -> None:
        """Adds a value; `way` are the names that lead to it."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return self._word(f"{type(value).__name__} {value!r}")
        if id(value) not in self._met:
            self._met[id(value)] = "itself"
            self._kept.append(value)
            outer, self.hash = self.hash, hashlib.sha256()
            if len(way) > _DEEPEST:
                self._give_up(value, way)
            else:
                self._add_new(value, way)
            self._met[id(value)], self.hash = self.hash.hexdigest(), outer
        return self._word(self._met[id(value)])

    def _add_new(self, value: Any, way: list[str]) -> None:
        if isinstance(value, types.ModuleType):
            self._word(f"module {value.__name__}")
        elif isinstance(value, np.ndarray | np.generic | jax.Array):
            self._add_array(value)
        elif isinstance(value, np.dtype):
            self._word(f"dtype {value}")
        elif isinstance(value, type):
            self._add_class(value, way)
        elif isinstance(value, Mapping):
            self._word(f"mapping {type(value).__qualname__} {len(value)}")
            self._add_named(sorted(value.items(), key=lambda item: repr(item[0])), way)
        elif isinstance(value, list | tuple | range):
            self._word(f"sequence {type(value).__qualname__} {len(value)}")
            self._add_named(enumerate(value), way)
        elif isinstance(value, set | frozenset):
            self._word(f"set {sorted(map(repr, value))}")
        elif isinstance(value, functools.partial):
            self._word("partial")
            self._add_named(vars_of(value, ("func", "args", "keywords")), way)
        elif isinstance(value, types.MethodType):
            self._word("method")
            self._add_named(vars_of(value, ("__func__", "__self__")), way)
        elif isinstance(value, types.FunctionType):
            self._add_function(value, way)
        elif hasattr(value, "__wrapped__"):
            # What jax.jit and its like make of a function.
            self._word(f"wrapped {type(value).__qualname__}")
            self.add(value.__wrapped__, way)
        elif isinstance(value, types.BuiltinFunctionType):
            self._word(f"built in {value.__module__} {value.__qualname__}")
        else:
            self._add_object(value, way)

    def _add_array(self, value: Any) -> None:
        if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            self._word(f"keys {value.dtype}")
            value = jax.random.key_data(value)
        array = np.ascontiguousarray(value)
        self._word(f"array {array.dtype} {np.shape(value)}")
        self.hash.update(array.view(np.uint8).data if array.size else b"")

    def _add_function(self, value: types.FunctionType, way: list[str]) -> None:
        self._word(f"function {len(value.__closure__ or ())}")
        is_installed = value.__code__.co_filename.startswith(_INSTALLED)
        if is_installed:
            self._word(f"{value.__module__} {value.__qualname__}")
        else:
            self._add_code(value.__code__, value.__doc__)
            names = [name for name in _global_names(value.__code__) if name in value.__globals__]
            self._add_named(((name, value.__globals__[name]) for name in names), way)
        self._add_named(vars_of(value, ("__defaults__", "__kwdefaults__")), way)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                self._add_named([(name, cell.cell_contents)], way)
            except ValueError:  # a variable that has no value yet
                self._word(f"empty {name}")

    def _add_code(self, code: types.CodeType, doc: str | None) -> None:
        self._word(f"code {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}")
        self._word(repr((code.co_varnames, code.co_names, code.co_freevars, code.co_cellvars)))
        self.hash.update(code.co_code)
        for place, constant in enumerate(code.co_consts):
            if isinstance(constant, types.CodeType):
                self._add_code(constant, None)
            elif isinstance(constant, frozenset):
                self._word(f"constant {sorted(map(repr, constant))}")
            elif not (place == 0 and doc is not None and constant == doc):
                self._word(f"constant {type(constant).__name__} {constant!r}")

    def _add_class(self, value: type, way: list[str]) -> None:
        self._word(f"class {value.__module__} {value.__qualname__}")
        file = getattr(sys.modules.get(value.__module__), "__file__", None) or ""
        if value.__module__ == "builtins" or file.startswith(_INSTALLED):
            return
        self._add_named(enumerate(value.__bases__), way)
        for name, each in sorted(vars(value).items()):
            if isinstance(each, property):
                self._add_named([(name, each.fget)], way)
            elif isinstance(each, staticmethod | classmethod) or hasattr(each, "__wrapped__"):
                self._add_named([(name, inspect.unwrap(cast(Any, each)))], way)
            elif isinstance(each, types.FunctionType) or not (name.startswith("_") or hasattr(each, "__get__")):
                self._add_named([(name, each)], way)

    def _add_object(self, value: Any, way: list[str]) -> None:
        self._add_named([("type", type(value))], way)
        if dataclasses.is_dataclass(value):
            # Other attributes may be caches, or counted by the process.
            names = [each.name for each in dataclasses.fields(value) if each.compare]
            return self._add_named(vars_of(value, names), way)
        if getattr(value, "__dict__", None):
            return self._add_named(sorted(vars(value).items()), way)
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # whatever its author raises where it cannot be pickled
            return self._give_up(value, way)
        parts = (
            (reduced, None) if isinstance(reduced, str) else (reduced[1:3], list(map(list, filter(None, reduced[3:5]))))
        )
        return self._add_named(enumerate(parts), way)

    def _add_named(self, items: Iterable[tuple[Any, Any]], way: list[str]) -> None:
        for name, value in items:
            self._word(f"name {name!r}")
            self.add(value, [*way, str(name)])

    def _give_up(self, value: Any, way: list[str]) -> None:
        self._word(f"unknown {type(value).__module__} {type(value).__qualname__}")
        place = " of ".join(f"{name!r}" for name in reversed(way[:3]))
        inside = f"{place} in " if place else ""
        self._unhashed.append(f"{inside}{self._owner}, a {type(value).__qualname__}, is known by its type alone")

    def _word(self, text: str) -> None:
        self.hash.update(f"{len(text)} {text}\n".encode("utf-8", "backslashreplace"))


def vars_of(value: Any, names: Iterable[str]) -> list[tuple[str, Any]]:
    """Lists some attributes of an object, with their names.

    Example:
        >>> vars_of(1j, ("real", "imag"))
        [('real', 0.0), ('imag', 1.0)]
    """
    return [(name, getattr(value, name, None)) for name in names]


def _global_names(code: types.CodeType) -> list[str]:
    """Lists the names that a function, and those defined in it, look up among the globals."""
    inner = [name for each in code.co_consts if isinstance(each, types.CodeType) for name in _global_names(each)]
    own = [each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"]
    return sorted({*own, *inner})
