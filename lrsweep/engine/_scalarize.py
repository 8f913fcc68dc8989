"""Small arrays as separate scalars: with many lanes side by side, what is computed on them can stay in registers."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lrsweep.engine._jaxpr import Operation, is_elementwise, operations, trace, walk

# The most scalars that a function may compute: more would not fit into the registers.
MAX_OPERATIONS = 400

# Reductions along axes, each with the operation that combines two elements.
REDUCTIONS = {
    "reduce_sum": lax.add_p,
    "reduce_max": lax.max_p,
    "reduce_min": lax.min_p,
    "reduce_prod": lax.mul_p,
    "reduce_and": lax.and_p,
    "reduce_or": lax.or_p,
}


class TooLargeError(Exception):
    """A function cannot be unrolled: it computes too much, on empty arrays, or in a way that only works on arrays."""


class Split(NamedTuple):
    """The elements of an array, each a scalar array of its own, in row-major order."""

    elements: tuple[Any, ...]


def unroll(function: Callable[..., Any], *like: Any) -> Callable[..., Any]:
    """Unrolls a function of arrays into one of their elements: it takes and returns a `Split` for every array.

    Reductions and products are computed from the first element to the last; everything else as it was.

    Args:
        function: A function of pytrees of arrays that returns one.
        like: Arguments to it; shapes and dtypes suffice.

    Raises:
        TooLargeError: The function computes more than `MAX_OPERATIONS` scalars, or holds an operation that
            `count_scalars` refuses.

    Example:
        >>> total = unroll(lambda x: 2 * x.sum(), jnp.zeros(2))
        >>> float(total(split(jnp.array([1.0, 3.0]))).elements[0])
        8.0
    """
    computation, results = trace(function, *like)
    if count_scalars(computation) > MAX_OPERATIONS:
        raise TooLargeError
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(like)]

    def unrolled(*trees: Any) -> Any:
        leaves = jax.tree.leaves(trees, is_leaf=_is_split)
        arrays = [_array(leaf.elements, shape) for leaf, shape in zip(leaves, shapes, strict=True)]
        values = walk(computation, arrays, _apply, _elements)
        return jax.tree.structure(results).unflatten(Split(tuple(value.ravel())) for value in values)

    return unrolled


def count_scalars(computation: Any) -> int:
    """Counts the scalars that a computation, as `trace` gives it, would compute if it were unrolled.

    Raises:
        TooLargeError: It holds an operation on empty arrays, or one that this module has no rule for.
    """
    return sum(map(_scalars, operations(computation)))


def split(tree: Any) -> Any:
    """Replaces each array of a pytree by its elements."""
    return jax.tree.map(lambda array: Split(tuple(_elements(array).ravel())), tree)


def join(tree: Any, like: Any) -> Any:
    """Undoes `split`: gives arrays of the shapes of those of `like`, and those that have no elements themselves."""

    def joined(split: Split, like: Any) -> Any:
        return jnp.stack(split.elements).reshape(np.shape(like)) if split.elements else like

    return jax.tree.map(joined, tree, like, is_leaf=_is_split)


def _is_split(value: Any) -> bool:
    return isinstance(value, Split)


def _array(elements: Iterable[Any], shape: Sequence[int]) -> np.ndarray:
    array = np.empty(shape, object)
    for index, element in zip(np.ndindex(*shape), elements, strict=True):
        array[index] = element
    return array


def _elements(array: Any) -> np.ndarray:
    def element_at(index: tuple[int, ...]) -> Any:
        if not index:
            return array
        return lax.squeeze(lax.slice(array, index, [at + 1 for at in index]), range(len(index)))

    return _array(map(element_at, np.ndindex(*np.shape(array))), np.shape(array))


def _scalars(operation: Operation) -> int:
    """Counts the scalars that an operation computes."""
    name, operands, results = operation.name, operation.operands, operation.results
    if any(aval.size == 0 for aval in operands):
        raise TooLargeError
    if is_elementwise(operation):
        return results[0].size
    if name in REDUCTIONS:
        return operands[0].size
    if name == "dot_general":
        (contracted, _), _ = operation.params["dimension_numbers"]
        return 2 * results[0].size * _size(operands[0].shape, contracted)
    if name in MOVES:
        return 0
    raise TooLargeError


def _size(shape: Sequence[int], axes: Sequence[int]) -> int:
    return int(np.prod([shape[axis] for axis in axes], dtype=int))


def _apply(operation: Operation, operands: list[np.ndarray]) -> list[np.ndarray]:
    """Computes an operation on arrays of scalars, scalar by scalar."""
    name, params, result = operation.name, operation.params, operation.results[0]
    if name in MOVES:
        move: Callable[..., np.ndarray] = MOVES[name]
        return [move(*operands, result.shape, params)]
    if name in REDUCTIONS:
        return [_reduce(REDUCTIONS[name].bind, operands[0], params["axes"], result.shape)]
    if name == "dot_general":
        return [_dot(operands[0], operands[1], params, result)]
    elements = zip(*(np.broadcast_to(operand, result.shape).ravel() for operand in operands), strict=True)
    return [_array((operation.compute(*scalars)[0] for scalars in elements), result.shape)]


def _reduce(combine: Callable[..., Any], array: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    remaining = [axis for axis in range(array.ndim) if axis not in axes]
    rows = array.transpose([*remaining, *axes]).reshape(-1, _size(array.shape, axes))
    return _array((functools.reduce(combine, row) for row in rows), shape)


def _dot(left: np.ndarray, right: np.ndarray, params: Mapping[str, Any], result: Any) -> np.ndarray:
    (left_contracted, right_contracted), (left_batch, right_batch) = params["dimension_numbers"]

    def rows(array: np.ndarray, batch: Sequence[int], contracted: Sequence[int]) -> np.ndarray:
        array = _array((lax.convert_element_type(scalar, result.dtype) for scalar in array.ravel()), array.shape)
        free = [axis for axis in range(array.ndim) if axis not in (*batch, *contracted)]
        return array.transpose([*batch, *free, *contracted]).reshape(
            _size(array.shape, batch), -1, _size(array.shape, contracted)
        )

    def inner(row: np.ndarray, column: np.ndarray) -> Any:
        return functools.reduce(lax.add, map(lax.mul, row, column))

    pairs = zip(rows(left, left_batch, left_contracted), rows(right, right_batch, right_contracted), strict=True)
    return _array((inner(a, b) for lefts, rights in pairs for a in lefts for b in rights), result.shape)


def _broadcast(array: np.ndarray, shape: Sequence[int], params: Any) -> np.ndarray:
    axes = params["broadcast_dimensions"]
    return np.broadcast_to(
        array.reshape([array.shape[axes.index(axis)] if axis in axes else 1 for axis in range(len(shape))]), shape
    )


def _slice(array: np.ndarray, _: Sequence[int], params: Any) -> np.ndarray:
    strides = params["strides"] or [1] * array.ndim
    ranges = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return array[tuple(slice(*bounds) for bounds in ranges)]


def _pad(array: np.ndarray, padding: np.ndarray, shape: Sequence[int], params: Any) -> np.ndarray:
    padded = np.full(shape, padding[()], object)
    # Where a width is negative, elements fall outside the result and are dropped.
    for index in np.ndindex(*array.shape):
        target = tuple(
            low + at * (1 + interior) for at, (low, _, interior) in zip(index, params["padding_config"], strict=True)
        )
        if all(0 <= at < size for at, size in zip(target, shape, strict=True)):
            padded[target] = array[index]
    return padded


def _iota(shape: Sequence[int], params: Any) -> np.ndarray:
    counts = np.indices(shape)[params["dimension"]]
    return _array(counts.astype(params["dtype"]).ravel(), shape)


# Operations that only rearrange elements, or make constants.
MOVES: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *operands: np.concatenate(operands[:-2], operands[-1]["dimension"]),
    "iota": _iota,
    "pad": _pad,
    "reshape": lambda array, shape, _: array.reshape(shape),
    "rev": lambda array, _, params: np.flip(array, params["dimensions"]),
    "slice": _slice,
    "squeeze": lambda array, shape, _: array.reshape(shape),
    "transpose": lambda array, _, params: array.transpose(params["permutation"]),
}
