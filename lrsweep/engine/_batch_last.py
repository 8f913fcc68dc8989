"""`jax.vmap` with the lanes as the last axis of every array, so that neighbouring lanes are neighbours in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._jaxpr import Operation, is_elementwise, results_differ, trace, walk
from lrsweep.engine._products import is_long, product
from lrsweep.engine._scalarize import MOVES, REDUCTIONS


class UnsuitedError(Exception):
    """A function computes something that is better done with the lanes as the first axis."""


# An array, and whether it differs by lane: then it is ``[..., lane]``, otherwise all lanes share it.
_Value = tuple[Any, bool]


def vmap_last(function: Callable[..., Any], *, in_axes: Any, out_axes: Any) -> Callable[..., Any]:
    """Vectorizes a function of one lane over many, as `jax.vmap` does, with the lanes as the last axis of every array.

    `jax.vmap` itself moves the lanes to the front. Sums over examples then run across the processor's registers, and
    products with data that all lanes share are laid out for the data rather than for the lanes. Operations that this
    module has no rule for, loops among them, are left to `jax.vmap`.

    Args:
        function: A function of pytrees of arrays that returns one.
        in_axes: -1 for the arguments that differ by lane, None for those that all lanes share: prefixes of their
            pytrees.
        out_axes: The same for what the function returns.

    Example:
        >>> doubled = vmap_last(lambda w: jnp.ones((3, 2)) @ w, in_axes=(-1,), out_axes=-1)
        >>> doubled(jnp.ones((2, 5))).shape
        (3, 5)
    """

    def on_lanes(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        differ = [axis is not None for axis in _leaf_by_leaf(in_axes, arguments)]
        values = list(zip(leaves, differ, strict=True))
        lanes = next(leaf.shape[-1] for leaf, differs in values if differs)
        lane = [like_lane(leaf, -1 if differs else None) for leaf, differs in values]
        computation, results = trace(lambda *leaves: function(*structure.unflatten(leaves)), *lane)

        def apply(operation: Operation, operands: list[_Value]) -> list[_Value]:
            return _apply(operation, operands, lanes)

        computed = walk(computation, values, apply, lambda constant: (jnp.asarray(constant), False))
        returned = [
            array
            if axis is None
            else _broadcast_to(array, differs, (*jnp.shape(array)[: jnp.ndim(array) - differs], lanes))
            for axis, (array, differs) in zip(_leaf_by_leaf(out_axes, results), computed, strict=True)
        ]
        return jax.tree.unflatten(jax.tree.structure(results), returned)

    return on_lanes


def like_lane(array: Any, axis: int | None) -> jax.ShapeDtypeStruct:
    """Gives the shape and dtype of one lane of an array; `axis` is the lanes', or None where they share the array.

    Example:
        >>> like_lane(jnp.ones((3, 5)), -1).shape, like_lane(jnp.ones((3, 5)), None).shape
        ((3,), (3, 5))
    """
    aval = jax.typeof(array)
    shape = list(aval.shape)
    if axis is not None:
        del shape[axis]
    return jax.ShapeDtypeStruct(tuple(shape), aval.dtype, weak_type=aval.weak_type)


def widest(computation: Any, differ: Sequence[bool]) -> int:
    """Gives the size in bytes of the largest array that a computation with the lanes last makes for one lane.

    Args:
        computation: The computation of one lane, as `trace` gives it.
        differ: Which of its arguments differ by lane.

    Raises:
        UnsuitedError: It is better done with the lanes as the first axis.

    Example:
        >>> computation, _ = trace(lambda w, x: jnp.sum((x @ w) ** 2), jnp.ones(2), jnp.ones((100, 2)))
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

    walk(computation, differ, apply, lambda _: False)
    return most


def _check_suited(operation: Operation, differ: Sequence[bool]) -> None:
    if operation.name == "dot_general":
        suited = not (all(differ) and is_long(operation))
    else:
        suited = operation.name in REDUCTIONS or operation.name in MOVES or is_elementwise(operation)
    if not suited:
        raise UnsuitedError


def _leaf_by_leaf(axes: Any, tree: Any) -> list[Any]:
    """Repeats the axes of a prefix of a pytree for each of the pytree's leaves."""
    by_leaf: list[Any] = []

    def add(axis: Any, part: Any) -> None:
        by_leaf.extend([axis] * len(jax.tree.leaves(part)))

    jax.tree.map(add, axes, tree, is_leaf=is_none)
    return by_leaf


def is_none(axis: Any) -> bool:
    """Tells whether an axis of `jax.vmap`, a leaf among others, says that the lanes share an array."""
    return axis is None


def _apply(operation: Operation, operands: list[_Value], lanes: int) -> list[_Value]:
    """Computes an operation of one lane for all of them."""
    arrays = [array for array, _ in operands]
    differ = [differs for _, differs in operands]
    if not any(differ):
        return [(result, False) for result in operation.compute(*arrays)]
    shape = (*operation.results[0].shape, lanes)
    if operation.name == "broadcast_in_dim":
        axes = (*operation.params["broadcast_dimensions"], len(shape) - 1)
        return [(lax.broadcast_in_dim(arrays[0], shape, axes), True)]
    if operation.name == "reshape" and operation.params["dimensions"] is None:
        return [(arrays[0].reshape(shape), True)]
    if operation.name == "dot_general" and not (all(differ) and is_long(operation)):
        return [(product(operation, *operands[0], *operands[1]), True)]
    if is_elementwise(operation):
        return [(operation.compute(*(_broadcast_to(*value, shape) for value in operands))[0], True)]
    returned_differ = results_differ(operation, differ)
    compute = jax.vmap(
        lambda *arrays: operation.compute(*arrays),
        in_axes=[-1 if differs else None for differs in differ],
        out_axes=[-1 if differs else None for differs in returned_differ],
        axis_size=lanes,
    )
    return list(zip(compute(*arrays), returned_differ, strict=True))


def _broadcast_to(array: Any, differs: bool, shape: Sequence[int]) -> Any:
    """Broadcasts an array to a shape ``[..., lane]``."""
    axes = (*range(array.ndim - differs), *([len(shape) - 1] if differs else []))
    return array if array.shape == tuple(shape) else lax.broadcast_in_dim(array, shape, axes)
