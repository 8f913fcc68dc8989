"""`jax.vmap` with the lanes as the last axis of every array: what each computes by itself then runs along memory."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._jaxpr import Operation, is_elementwise, read, results_differ, walk
from lrsweep.engine._products import is_long, product
from lrsweep.engine._scalarize import MOVES, REDUCTIONS


class UnsuitedError(Exception):
    """A function computes something that is better done with the lanes as the first axis, lane by lane."""


# An array, and whether it is ``[..., lane]`` rather than the same for all lanes.
_Value = tuple[Any, bool]


def vmap_last(function: Callable[..., Any], *, in_axes: Any, out_axes: Any) -> Callable[..., Any]:
    """Runs a function of one lane on many, as `jax.vmap` does, with the lanes as the last axis of every array.

    `jax.vmap` moves them to the front: sums over examples then run across the registers, and products with data that
    all lanes share are laid out for the data. What is not known here, loops among it, goes through `jax.vmap`.

    Args:
        function: It takes and returns pytrees of arrays.
        in_axes: -1 for what differs by lane, None for what does not: prefixes of its arguments' pytrees.
        out_axes: The same for what it returns.

    Example:
        >>> doubled = vmap_last(lambda w: jnp.ones((3, 2)) @ w, in_axes=(-1,), out_axes=-1)
        >>> doubled(jnp.ones((2, 5))).shape
        (3, 5)
    """

    def on_lanes(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        mine = [axis is not None for axis in _leaf_by_leaf(in_axes, arguments)]
        lanes = next(leaf.shape[-1] for leaf, own in zip(leaves, mine, strict=True) if own)
        one = [like_lane(leaf, -1 if own else None) for leaf, own in zip(leaves, mine, strict=True)]
        computation, results = read(lambda *leaves: function(*structure.unflatten(leaves)), *one)

        def apply(operation: Operation, operands: list[_Value]) -> list[_Value]:
            return _apply(operation, operands, lanes)

        values = list(zip(leaves, mine, strict=True))
        computed = walk(computation, values, apply, lambda constant: (jnp.asarray(constant), False))
        back = [
            array if axis is None else _widened(array, own, (*jnp.shape(array)[: jnp.ndim(array) - own], lanes))
            for axis, (array, own) in zip(_leaf_by_leaf(out_axes, results), computed, strict=True)
        ]
        return jax.tree.unflatten(jax.tree.structure(results), back)

    return on_lanes


def like_lane(array: Any, axis: int | None) -> jax.ShapeDtypeStruct:
    """Gives the shape and dtype of one lane of an array; `axis` is that of the lanes, or None where all have the same.

    Example:
        >>> like_lane(jnp.ones((3, 5)), -1).shape, like_lane(jnp.ones((3, 5)), None).shape
        ((3,), (3, 5))
    """
    aval = jax.typeof(array)
    shape = list(aval.shape)
    if axis is not None:
        del shape[axis]
    return jax.ShapeDtypeStruct(tuple(shape), aval.dtype, weak_type=aval.weak_type)


def widest(computation: Any, own: Sequence[bool]) -> int:
    """Gives the size in bytes of the largest array that a computation with the lanes last makes for one lane.

    Args:
        computation: What one lane computes, as `read` gives it.
        own: Which of its arguments differ by lane.

    Raises:
        UnsuitedError: It does not suit.

    Example:
        >>> computation, _ = read(lambda w, x: jnp.sum((x @ w) ** 2), jnp.ones(2), jnp.ones((100, 2)))
        >>> widest(computation, [True, False])
        400
    """
    most = 0

    def apply(operation: Operation, operands: list[bool]) -> list[bool]:
        nonlocal most
        results = results_differ(operation, operands)
        if any(results):
            _check_suited(operation, operands)
            most = max(most, *(aval.size * aval.dtype.itemsize for aval in operation.results))
        return results

    walk(computation, own, apply, lambda _: False)
    return most


def _check_suited(operation: Operation, own: Sequence[bool]) -> None:
    if operation.name == "dot_general":
        suited = not (all(own) and is_long(operation))
    else:
        suited = operation.name in REDUCTIONS or operation.name in MOVES or is_elementwise(operation)
    if not suited:
        raise UnsuitedError


def _leaf_by_leaf(axes: Any, tree: Any) -> list[Any]:
    found: list[Any] = []

    def add(axis: Any, part: Any) -> None:
        found.extend([axis] * len(jax.tree.leaves(part)))

    jax.tree.map(add, axes, tree, is_leaf=lambda axis: axis is None)
    return found


def _apply(operation: Operation, operands: list[_Value], lanes: int) -> list[_Value]:
    arrays = [array for array, _ in operands]
    owned = [own for _, own in operands]
    if not any(owned):
        return [(result, False) for result in operation.compute(*arrays)]
    shape = (*operation.results[0].shape, lanes)
    if operation.name == "broadcast_in_dim":
        axes = (*operation.params["broadcast_dimensions"], len(shape) - 1)
        return [(lax.broadcast_in_dim(arrays[0], shape, axes), True)]
    if operation.name == "reshape" and operation.params["dimensions"] is None:
        return [(arrays[0].reshape(shape), True)]
    if operation.name == "dot_general" and not (all(owned) and is_long(operation)):
        return [(product(operation, *operands), True)]
    if is_elementwise(operation):
        return [(operation.compute(*(_widened(*value, shape) for value in operands))[0], True)]
    differ = results_differ(operation, owned)
    each = jax.vmap(
        lambda *arrays: operation.compute(*arrays),
        in_axes=[-1 if own else None for own in owned],
        out_axes=[-1 if own else None for own in differ],
        axis_size=lanes,
    )
    return list(zip(each(*arrays), differ, strict=True))


def _widened(array: Any, own: bool, shape: Sequence[int]) -> Any:
    """Broadcasts an array to ``[..., lane]`` of the shape."""
    axes = (*range(array.ndim - own), *([len(shape) - 1] if own else []))
    return array if array.shape == tuple(shape) else lax.broadcast_in_dim(array, shape, axes)
