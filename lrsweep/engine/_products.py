"""Products of arrays with the lanes as their last axis."""

import functools
import math
from collections.abc import Sequence
from typing import Any

from jax import lax

from lrsweep.engine._jaxpr import Operation

# Longer sums of products than this are not written out term by term.
MAX_TERMS = 128


def is_long(operation: Operation) -> bool:
    """Tells whether a product is of sums too long to be written out."""
    ((contracted, _), _), shape = operation.params["dimension_numbers"], operation.operands[0].shape
    return math.prod(shape[axis] for axis in contracted) > MAX_TERMS


def product(operation: Operation, one: tuple[Any, bool], other: tuple[Any, bool]) -> Any:
    """Multiplies two arrays, at least one of which is ``[..., lane]``, to ``[..., lane]``.

    Args:
        operation: The product for one lane.
        one: The first array, and whether it differs by lane.
        other: The second.
    """
    (left, left_own), (right, right_own) = one, other
    params = operation.params
    (left_contracted, right_contracted), (left_batch, right_batch) = dimensions = params["dimension_numbers"]
    kind = {"precision": params["precision"], "preferred_element_type": params["preferred_element_type"]}
    if left_own and right_own:
        return _written_out(left, right, dimensions, operation.results[0].dtype)
    if right_own:
        return lax.dot_general(left, _made(right), dimensions, **kind)
    swapped = (right_contracted, left_contracted), (right_batch, left_batch)
    # ``[batch..., right free..., left free..., lane]``
    swapped_product = lax.dot_general(right, _made(left), swapped, **kind)
    first = len(left_batch)
    rights = right.ndim - first - len(right_contracted)
    lefts = swapped_product.ndim - 1 - first - rights
    order = [*range(first), *range(first + rights, first + rights + lefts), *range(first, first + rights)]
    return swapped_product.transpose([*order, swapped_product.ndim - 1])


def _made(array: Any) -> Any:
    """Has XLA make an array before it takes the product.

    It would otherwise compute its elements as those of a matrix, and find their places by division.
    """
    return lax.dynamic_update_slice(array, array[:1], [0] * array.ndim) if array.ndim > 2 else array


def _written_out(left: Any, right: Any, dimensions: Any, dtype: Any) -> Any:
    (left_contracted, right_contracted), (left_batch, right_batch) = dimensions
    left, lefts = _factors(left, left_batch, left_contracted, dtype)
    right, rights = _factors(right, right_batch, right_contracted, dtype)
    # ``[contracted, batch..., left free..., right free..., lane]``
    left = lax.expand_dims(left, range(left.ndim - 1, left.ndim - 1 + rights))
    first = 1 + len(left_batch)
    right = lax.expand_dims(right, range(first, first + lefts))
    return functools.reduce(lax.add, (one * other for one, other in zip(left, right, strict=True)))


def _factors(array: Any, batch: Sequence[int], contracted: Sequence[int], dtype: Any) -> tuple[Any, int]:
    """Gives an array as ``[contracted, batch..., free..., lane]``, and the number of its free axes."""
    free = [axis for axis in range(array.ndim - 1) if axis not in (*batch, *contracted)]
    moved = array.transpose([*contracted, *batch, *free, array.ndim - 1])
    return lax.convert_element_type(moved, dtype).reshape(-1, *moved.shape[len(contracted) :]), len(free)
