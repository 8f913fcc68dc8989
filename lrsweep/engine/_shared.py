"""The arrays that all trials share, on the device; numbers that JAX would change to fit 32 bits are refused."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.engine._devices import on_first_device
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import HOW_TO_WIDEN
from lrsweep.problems._objective import Objective
from lrsweep.training._program import SharedInputs


def check_precision(name: str, value: float) -> None:
    """Refuses a finite number that would be infinite in the precision that JAX computes in.

    Raises:
        InputError: It would be infinite.

    Example:
        >>> check_precision("tolerance", 1e-4)
    """
    most = float(jnp.finfo(jnp.result_type(float)).max)
    if most < abs(value) < math.inf:
        raise InputError(f"{name}={value:g} is beyond 32-bit floating point ({most:.3g} at most): {HOW_TO_WIDEN}")


def to_device(name: str, tree: Any) -> Any:
    """Puts a pytree of arrays on the first device.

    Args:
        name: What messages call it.
        tree: A pytree of NumPy's or JAX's arrays.

    Raises:
        InputError: A finite number does not fit the dtype that JAX would give it.

    Example:
        >>> to_device("data", np.array([1.0, 3.0])).tolist()
        [1.0, 3.0]
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, np.ndarray | np.generic | int | float):
            _check_fits(name + jax.tree_util.keystr(path), np.asarray(leaf))
    return on_first_device(tree)


def _check_fits(name: str, array: np.ndarray) -> None:
    """Refuses an array with a number that does not fit the dtype that JAX would give it."""
    narrow = jax.dtypes.canonicalize_dtype(array.dtype)
    if array.size == 0 or narrow == array.dtype or array.dtype.kind not in "iufc":
        return
    bounds: Any = np.iinfo(narrow) if array.dtype.kind in "iu" else np.finfo(narrow)
    # The usual case, without a copy of the array.
    if array.dtype.kind != "c" and bounds.min <= array.min() and array.max() <= bounds.max:
        return
    if array.dtype.kind in "iu":
        wrong = array[(array < bounds.min) | (array > bounds.max)]
        problem = f"which {narrow} does not hold: make it floating point"
    else:
        with np.errstate(over="ignore"):
            wrong = array[np.isfinite(array) & ~np.isfinite(array.astype(narrow))]
        problem = f"which {narrow} does not hold: scale it"
    if wrong.size:
        raise InputError(f"{name} holds {wrong.flat[0]}, {problem}, or {HOW_TO_WIDEN}")


def share_inputs(objective: Objective) -> SharedInputs:
    """Puts the objective's arrays on the device. Metrics that are measured on its data share that one copy of it.

    The sample that the loss is measured on, where there is one, is drawn with a seed that is always the same.

    Raises:
        InputError: An array holds a number that does not fit the dtype that JAX would give it.
    """
    owner = f"objective {objective.name!r}"
    data, sample = to_device(f"{owner}, data", objective.data), None
    if objective.evaluation_sample is not None:
        places = np.random.default_rng(0).choice(objective.examples, objective.evaluation_sample, replace=False)
        sample = jax.tree.map(lambda array: array[np.sort(places)], data)
    measured = data if sample is None else sample
    return SharedInputs(
        start=None if objective.draws_start else to_device(f"{owner}, init", objective.init),
        data=data,
        metrics=tuple(
            measured if metric_data is objective.data else to_device(f"{owner}, metric {name!r}, data", metric_data)
            for name, (_, metric_data) in objective.measures.items()
        ),
        sample=sample,
    )
