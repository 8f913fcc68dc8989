"""The scalar parameters of a pytree: their names and values, in the order of its leaves."""

from typing import Any

import jax
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
