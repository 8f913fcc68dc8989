"""Products of arrays whose last axis is the lanes."""

import functools
import math
from collections.abc import Sequence
from typing import Any

from jax import lax

from lrsweep.engine._jaxpr import Operation

# Sums of more products than this are not written out term by term.
MAX_TERMS = 128


def is_long(operation: Operation) -> bool:
    """Tells whether the elements of a product are sums too long to be written out."""
    ((contracted, _), _), shape = operation.params["dimension_numbers"], operation.operands[0].shape
    return math.prod(shape[axis] for axis in contracted) > MAX_TERMS


def product(operation: Operation, left: Any, left_differs: bool, right: Any, right_differs: bool) -> Any:
    """Multiplies two arrays for all lanes; gives ``[..., lane]``.

    Args:
        operation: The product of one lane.
        left: The first array.
        left_differs: Whether it differs by lane, and is ``[..., lane]``. One of the two is.
        right: The second array.
        right_differs: The same of it.
    """
    params = operation.params
    (left_contracted, right_contracted), (left_batch, right_batch) = dimensions = params["dimension_numbers"]
    numerics = {"precision": params["precision"], "preferred_element_type": params["preferred_element_type"]}
    if left_differs and right_differs:
        return _term_by_term(left, right, dimensions, operation.results[0].dtype)
    if right_differs:
        return lax.dot_general(left, _materialized(right), dimensions, **numerics)
    swapped = (right_contracted, left_contracted), (right_batch, left_batch)
    # ``[batch..., right free..., left free..., lane]``
    swapped_product = lax.dot_general(right, _materialized(left), swapped, **numerics)
    batch = len(left_batch)
    right_free = right.ndim - batch - len(right_contracted)
    left_free = swapped_product.ndim - 1 - batch - right_free
    left_axes = range(batch + right_free, batch + right_free + left_free)
    order = [*range(batch), *left_axes, *range(batch, batch + right_free)]
    return swapped_product.transpose([*order, swapped_product.ndim - 1])


def _materialized(array: Any) -> Any:
    """Makes XLA write an array to memory before it takes the product.

    XLA would otherwise compute the array's elements within the product, as those of a matrix, and find the indices of
    each by division.
    """
    return lax.dynamic_update_slice(array, array[:1], [0] * array.ndim) if array.ndim > 2 else array


def _term_by_term(left: Any, right: Any, dimensions: Any, dtype: Any) -> Any:
    """Multiplies two arrays ``[..., lane]`` as a sum of elementwise products, one for each contracted element."""
    (left_contracted, right_contracted), (left_batch, right_batch) = dimensions
    left, left_free = _factors(left, left_batch, left_contracted, dtype)
    right, right_free = _factors(right, right_batch, right_contracted, dtype)
    # ``[contracted, batch..., left free..., right free..., lane]``
    left = lax.expand_dims(left, range(left.ndim - 1, left.ndim - 1 + right_free))
    first = 1 + len(left_batch)
    right = lax.expand_dims(right, range(first, first + left_free))
    return functools.reduce(lax.add, (factor * other for factor, other in zip(left, right, strict=True)))


def _factors(array: Any, batch: Sequence[int], contracted: Sequence[int], dtype: Any) -> tuple[Any, int]:
    """Gives an array as ``[contracted, batch..., free..., lane]``, and the number of its free axes, the others."""
    free = [axis for axis in range(array.ndim - 1) if axis not in (*batch, *contracted)]
    moved = array.transpose([*contracted, *batch, *free, array.ndim - 1])
    return lax.convert_element_type(moved, dtype).reshape(-1, *moved.shape[len(contracted) :]), len(free)
