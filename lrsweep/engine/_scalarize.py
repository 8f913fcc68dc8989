"""Small arrays as separate scalars: side by side on lanes, what is computed on them can stay in registers."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lrsweep.engine._jaxpr import Operation, is_elementwise, operations, read, walk

# What computes more scalars than this is not small: it would not fit into the registers.
MAX_OPERATIONS = 400

# What takes the elements along some axes together, two by two.
REDUCTIONS = {
    "reduce_sum": lax.add_p,
    "reduce_max": lax.max_p,
    "reduce_min": lax.min_p,
    "reduce_prod": lax.mul_p,
    "reduce_and": lax.and_p,
    "reduce_or": lax.or_p,
}


class TooLargeError(Exception):
    """A function computes more than a small one does, on nothing at all, or in a way that only works on arrays."""


class Split(NamedTuple):
    """The elements of an array, each a scalar array of its own, in row-major order."""

    elements: tuple[Any, ...]


class Unrolled(NamedTuple):
    """A function of arrays written out as one of their elements; to be called with `Split` for every array.

    Attributes:
        computation: What it computes.
        arguments: The shapes of its arguments.
        results: The structure of what it returns.
    """

    computation: Any
    arguments: list[tuple[int, ...]]
    results: Any

    def __call__(self, *trees: Any) -> Any:
        """Computes what the function returns, split."""
        leaves = jax.tree.leaves(trees, is_leaf=_is_split)
        arrays = [_array(leaf.elements, shape) for leaf, shape in zip(leaves, self.arguments, strict=True)]
        values = walk(self.computation, arrays, _apply, _elements)
        return jax.tree.unflatten(self.results, [Split(tuple(value.ravel())) for value in values])


def unroll(function: Callable[..., Any], *like: Any) -> Unrolled:
    """Writes a function of arrays out as one of their elements.

    Sums and products are taken from the first element to the last; everything else is computed as it was.

    Args:
        function: It takes and returns pytrees of arrays.
        like: Arguments to it.

    Raises:
        TooLargeError: It computes more than `MAX_OPERATIONS` scalars, or by what is not known element by element.

    Example:
        >>> total = unroll(lambda x: 2 * x.sum(), jnp.zeros(2))
        >>> float(total(split(jnp.array([1.0, 3.0]))).elements[0])
        8.0
    """
    computation, results = read(function, *like)
    if count_scalars(computation) > MAX_OPERATIONS:
        raise TooLargeError
    return Unrolled(computation, [np.shape(leaf) for leaf in jax.tree.leaves(like)], jax.tree.structure(results))


def count_scalars(computation: Any) -> int:
    """Counts the scalars that a computation comes to, as `read` gives it.

    Raises:
        TooLargeError: It computes by what is not known element by element, or on nothing at all.
    """
    return sum(map(_scalars, operations(computation)))


def split(tree: Any) -> Any:
    """Puts the elements of each array of a pytree in its place."""
    return jax.tree.map(lambda array: Split(tuple(_elements(array).ravel())), tree)


def join(tree: Any, like: Any) -> Any:
    """Makes arrays, shaped as those of `like`, of a pytree that has been split."""
    leaves, structure = jax.tree.flatten(like)
    parts = jax.tree.leaves(tree, is_leaf=_is_split)
    return structure.unflatten(_joined(part.elements, leaf) for part, leaf in zip(parts, leaves, strict=True))


def _joined(elements: tuple[Any, ...], like: Any) -> Any:
    if np.shape(like) == ():
        return elements[0]
    return jnp.stack(elements).reshape(np.shape(like)) if elements else like


def _is_split(value: Any) -> bool:
    return isinstance(value, Split)


def _array(elements: Iterable[Any], shape: Sequence[int]) -> np.ndarray:
    array = np.empty(shape, object)
    for place, element in zip(np.ndindex(*shape), elements, strict=True):
        array[place] = element
    return array


def _elements(array: Any) -> np.ndarray:
    places = np.ndindex(*np.shape(array))
    return _array(
        (
            lax.squeeze(lax.slice(array, place, [at + 1 for at in place]), range(len(place))) if place else array
            for place in places
        ),
        np.shape(array),
    )


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
    name, params, result = operation.name, operation.params, operation.results[0]
    if name in MOVES:
        move: Callable[..., np.ndarray] = MOVES[name]
        return [move(*operands, result.shape, params)]
    if name in REDUCTIONS:
        return [_reduce(REDUCTIONS[name].bind, operands[0], params["axes"], result.shape)]
    if name == "dot_general":
        return [_dot(operands[0], operands[1], params, result)]
    one_by_one = zip(*(np.broadcast_to(operand, result.shape).ravel() for operand in operands), strict=True)
    return [_array((operation.compute(*scalars)[0] for scalars in one_by_one), result.shape)]


def _reduce(combine: Callable[..., Any], array: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    kept = [axis for axis in range(array.ndim) if axis not in axes]
    rows = array.transpose([*kept, *axes]).reshape(-1, _size(array.shape, axes))
    return _array((functools.reduce(combine, row) for row in rows), shape)


def _dot(left: np.ndarray, right: np.ndarray, params: Mapping[str, Any], result: Any) -> np.ndarray:
    (left_contracted, right_contracted), (left_batch, right_batch) = params["dimension_numbers"]

    def rows(array: np.ndarray, batch: Sequence[int], contracted: Sequence[int]) -> np.ndarray:
        free = [axis for axis in range(array.ndim) if axis not in (*batch, *contracted)]
        return array.transpose([*batch, *free, *contracted]).reshape(
            _size(array.shape, batch), -1, _size(array.shape, contracted)
        )

    def inner(one: np.ndarray, other: np.ndarray) -> Any:
        products = (lax.mul(_typed(a, result), _typed(b, result)) for a, b in zip(one, other, strict=True))
        return functools.reduce(lax.add, products)

    pairs = zip(rows(left, left_batch, left_contracted), rows(right, right_batch, right_contracted), strict=True)
    return _array((inner(one, other) for ones, others in pairs for one in ones for other in others), result.shape)


def _typed(scalar: Any, like: Any) -> Any:
    return lax.convert_element_type(scalar, like.dtype)


def _broadcast(array: np.ndarray, shape: Sequence[int], params: Any) -> np.ndarray:
    axes = params["broadcast_dimensions"]
    return np.broadcast_to(
        array.reshape([array.shape[axes.index(axis)] if axis in axes else 1 for axis in range(len(shape))]), shape
    )


def _cut(array: np.ndarray, _: Sequence[int], params: Any) -> np.ndarray:
    strides = params["strides"] or [1] * array.ndim
    ranges = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return array[tuple(slice(*bounds) for bounds in ranges)]


def _pad(array: np.ndarray, padding: np.ndarray, shape: Sequence[int], params: Any) -> np.ndarray:
    padded = np.full(shape, padding[()], object)
    # A negative width cuts: what falls outside is dropped.
    for place in np.ndindex(*array.shape):
        there = tuple(
            low + at * (1 + inside) for at, (low, _, inside) in zip(place, params["padding_config"], strict=True)
        )
        if all(0 <= at < size for at, size in zip(there, shape, strict=True)):
            padded[there] = array[place]
    return padded


def _iota(shape: Sequence[int], params: Any) -> np.ndarray:
    places = np.indices(shape)[params["dimension"]]
    return _array(places.astype(params["dtype"]).ravel(), shape)


# What only rearranges elements, or makes some up.
MOVES: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *operands: np.concatenate(operands[:-2], operands[-1]["dimension"]),
    "iota": _iota,
    "pad": _pad,
    "reshape": lambda array, shape, _: array.reshape(shape),
    "rev": lambda array, _, params: np.flip(array, params["dimensions"]),
    "slice": _cut,
    "squeeze": lambda array, shape, _: array.reshape(shape),
    "transpose": lambda array, _, params: array.transpose(params["permutation"]),
}
