"""The loss along one or two of the parameters, the others held still."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax


class Scalar(NamedTuple):
    """One scalar parameter's place in a pytree: which leaf, and which of its elements, counted row by row."""

    leaf: int
    element: int


def losses_along(
    loss: Callable[..., Any],
    places: tuple[Scalar, ...],
    values: list[np.ndarray],
    params: Any,
    data: Any,
    keywords: dict[str, Any],
) -> Any:
    """Computes the loss at every combination of values of some scalars, the first of them varying slowest."""
    leaves, tree = jax.tree.flatten(params)
    examples = () if data is None else (data,)

    def at(*point: Any) -> Any:
        moved = list(leaves)
        for (leaf, element), value in zip(places, point, strict=True):
            array = moved[leaf]
            moved[leaf] = array.ravel().at[element].set(value.astype(array.dtype)).reshape(array.shape)
        return loss(tree.unflatten(moved), *examples, **keywords)

    if len(values) == 1:
        return jax.vmap(at)(*values)
    # Row by row, so that memory holds the predictions of one row at a time.
    return lax.map(lambda first: jax.vmap(partial(at, first))(values[1]), values[0])
