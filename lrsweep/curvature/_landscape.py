"""The loss along one or two of the parameters, the others unchanged."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax


class Scalar(NamedTuple):
    """The place of a scalar parameter in a pytree: the index of its leaf, and of its element in row-major order."""

    leaf: int
    element: int


def losses_along(
    loss_of: Callable[[Any], Any], places: tuple[Scalar, ...], values: list[np.ndarray], params: Any
) -> Any:
    """Computes the loss at every combination of values of one or two scalar parameters.

    Args:
        loss_of: The loss as a function of the parameters.
        places: The places of the scalar parameters.
        values: The values to give to each, ``[value]``.
        params: The values of the other parameters.

    Returns:
        ``[value]``, or ``[value of the first, value of the second]``.
    """
    leaves, tree = jax.tree.flatten(params)

    def at(*point: Any) -> Any:
        moved = list(leaves)
        for (leaf, element), value in zip(places, point, strict=True):
            array = moved[leaf]
            moved[leaf] = array.ravel().at[element].set(value.astype(array.dtype)).reshape(array.shape)
        return loss_of(tree.unflatten(moved))

    if len(values) == 1:
        return jax.vmap(at)(*values)
    # Row by row, so that memory holds what the loss computes on the way for one row only.
    return lax.map(lambda first: jax.vmap(partial(at, first))(values[1]), values[0])
