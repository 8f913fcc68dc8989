"""Attempts of a user's functions on shapes: what they raise is told from lrsweep's own errors, and described."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import listed
from lrsweep.training._program import Program


def columns_needed(
    attempt: Callable[[Mapping[str, Any]], None], row: Mapping[str, Any], sample: Mapping[str, Any]
) -> list[str]:
    """Finds the columns whose values an attempt needs to succeed; none where it fails with all of them too."""

    def succeeds(known: Iterable[str]) -> bool:
        try:
            attempt({**row, **{name: sample[name] for name in known}})
        except InputError:
            return False
        return True

    needed = list(row)
    if not succeeds(needed):
        return []
    for name in row:
        fewer = [other for other in needed if other != name]
        if succeeds(fewer):
            needed = fewer
    return needed


class UserError(Exception):
    """An error raised by a function of the user's. Any other that is raised while it is tried is lrsweep's own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def mark(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function of the user's raise its errors as `UserError`."""

    @functools.wraps(function, updated=())
    def marked(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except UserError:
            raise
        except Exception as error:
            raise UserError(error) from error

    return marked


def mark_all(program: Program) -> Program:
    """Makes all of a program's functions raise their errors as `UserError`."""
    return program._replace(
        loss=mark(program.loss),
        init=None if program.init is None else mark(program.init),
        optimizer=mark(program.optimizer),
        metrics=tuple((name, mark(function)) for name, function in program.metrics),
    )


def evaluate_shapes(function: Callable[..., Any], row: Mapping[str, Any], *arguments: Any) -> Any:
    """Does what `jax.eval_shape` does for a function of a row, of which some columns may have values."""
    traced = {name: value for name, value in row.items() if isinstance(value, jax.ShapeDtypeStruct)}
    valued = {name: value for name, value in row.items() if name not in traced}
    return jax.eval_shape(lambda traced, *arguments: function({**valued, **traced}, *arguments), traced, *arguments)


def note(returned: list[Any], value: Any) -> Any:
    """Notes in a list what a user's function returned, and gives it on, or None where JAX could not return it.

    Of arrays that JAX traces it notes the shapes, since they must not leave the trace.
    """
    returned[:] = [jax.tree.map(lambda leaf: jax.typeof(leaf) if isinstance(leaf, Tracer) else leaf, value)]
    leaves = jax.tree.leaves(value)
    is_returnable = all(isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int) for leaf in leaves)
    return value if is_returnable else None


def shapes_of(tree: Any) -> list[tuple[tuple[int, ...], Any]]:
    """Lists the shape and dtype of every leaf of a pytree."""
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def is_scalar(value: Any) -> bool:
    """Tells whether a value is an array without axes."""
    return hasattr(value, "shape") and value.shape == ()


def is_real_scalar(value: Any) -> bool:
    """Tells whether a value is one real number, or an array of one."""
    if isinstance(value, bool | int | float):
        return True
    return is_scalar(value) and not jnp.issubdtype(value.dtype, jnp.complexfloating)


def describe(value: Any) -> str:
    """Describes a value for a message: an array by its dtype and shape, anything else by its kind."""
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else f"a {type(value).__name__}"


def list_shapes(leaves: list[tuple[tuple[int, ...], Any]]) -> str:
    """Lists shapes and dtypes for a message."""
    return listed(f"{dtype}{list(shape)}" for shape, dtype in leaves) or "nothing"
