"""Pytrees of arrays: the names and the values of their scalars, in the order of their leaves, and their precision."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def names_of(params: Any) -> list[str]:
    """Names the scalar parameters: each by the path of its leaf, and in an array by its index in brackets.

    Args:
        params: A pytree of arrays, or of anything that has a shape.

    Returns:
        ``[parameter]`` str; a pytree that is a single array calls it `params`.

    Example:
        >>> names_of({"layers": [{"w": np.zeros((2, 2))}], "b": 0.0})
        ['b', 'layers.0.w[0, 0]', 'layers.0.w[0, 1]', 'layers.0.w[1, 0]', 'layers.0.w[1, 1]']
    """
    names = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "params"
        names += [f"{name}{list(index) if index else ''}" for index in np.ndindex(np.shape(leaf))]
    return names


def values_of(params: Any) -> np.ndarray:
    """Lists the scalar parameters, ``[parameter]`` float64, in the order of their names.

    Example:
        >>> values_of({"w": np.ones(2), "b": 0.5})
        array([0.5, 1. , 1. ])
    """
    leaves = [np.asarray(leaf).ravel().astype(float) for leaf in jax.tree.leaves(params)]
    return np.concatenate(leaves) if leaves else np.empty(0)


def widen(tree: Any, like: Any) -> Any:
    """Converts floating-point arrays to the dtypes of others where these are wider.

    Args:
        tree: A pytree of arrays.
        like: A pytree of arrays, or of their shapes and dtypes, of the same structure.

    Example:
        >>> widen([jnp.float16(1), jnp.int32(2)], [jnp.float32(0), jnp.float32(0)])[0].dtype
        dtype('float32')
    """

    def convert(array: Any, like: Any) -> Any:
        are_floats = all(jnp.issubdtype(each.dtype, jnp.floating) for each in (array, like))
        return array.astype(jnp.promote_types(array.dtype, like.dtype)) if are_floats else array

    return jax.tree.map(convert, tree, like)
