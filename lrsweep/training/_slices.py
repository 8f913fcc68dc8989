"""The mean over many examples, computed slice by slice, so that memory holds what is computed for one slice."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def count_examples(data: Any) -> int:
    """Counts the examples of some data, 0 where there is none."""
    leaves = jax.tree.leaves(data)
    return leaves[0].shape[0] if leaves else 0


def sizes_of_slices(examples: int, size: int | None) -> set[int]:
    """Gives how many examples the slices of some examples have, each number once.

    Example:
        >>> sizes_of_slices(10, 4), sizes_of_slices(10, None)
        ({2, 4}, {10})
    """
    if size is None or examples <= size:
        return {examples}
    return {size, examples % size} - {0}


def mean_in_slices(function: Callable[[Any], Any], data: Any, size: int | None) -> Any:
    """Computes a mean over examples as the mean over slices of them, each weighted by its number of examples.

    Its derivatives are computed slice by slice too: what a slice computes on the way is computed again for them rather
    than kept (`jax.checkpoint`).

    Args:
        function: `function(examples) -> mean`, a pytree of floating-point arrays: means over the examples it is given.
        data: The examples, along the first axis of each array of a pytree.
        size: How many examples a slice has; the last one holds what is left over. Where there are no more examples than
            that, or for None, the function is called once, on all of them.

    Returns:
        What the function gives for all the examples, up to rounding, in the same dtypes.

    Example:
        >>> float(mean_in_slices(jnp.mean, jnp.array([1.0, 2.0, 3.0, 10.0, 9.0]), 2))
        5.0
    """
    examples = count_examples(data)
    if size is None or examples <= size:
        return function(data)

    def compute(first: Any, count: int) -> Any:
        return function(jax.tree.map(lambda array: lax.dynamic_slice_in_dim(array, first, count), data))

    def add(total: Any, first: Any, count: int) -> Any:
        values = jax.checkpoint(compute, static_argnums=1, prevent_cse=False)(first, count)
        return jax.tree.map(lambda sum, value: sum + count * value.astype(sum.dtype), total, values)

    like = jax.eval_shape(lambda: compute(0, size))
    # A sum of many numbers in 16 bits would lose the smallest of them.
    zeros = jax.tree.map(lambda value: jnp.zeros(value.shape, jnp.promote_types(value.dtype, jnp.float32)), like)
    slices, left_over = divmod(examples, size)
    total, _ = lax.scan(lambda total, index: (add(total, index * size, size), None), zeros, jnp.arange(slices))
    if left_over:
        total = add(total, slices * size, left_over)
    return jax.tree.map(lambda sum, value: (sum / examples).astype(value.dtype), total, like)
