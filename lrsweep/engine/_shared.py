"""What all trials share, put on the device; numbers that JAX would change to fit 32 bits are refused."""

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
    """Refuses a finite number that is none in the precision that is switched on.

    Raises:
        InputError: It would become infinite.

    Example:
        >>> check_precision("tolerance", 1e-4)
    """
    most = float(jnp.finfo(jnp.result_type(float)).max)
    if most < abs(value) < math.inf:
        raise InputError(f"{name}={value:g} is beyond 32-bit floating point ({most:.3g} at most): {HOW_TO_WIDEN}")


def to_device(place: str, tree: Any) -> Any:
    """Puts a pytree of arrays on the first device that is used.

    Args:
        place: What messages call it.
        tree: Arrays of NumPy or JAX.

    Raises:
        InputError: A whole number or a finite one does not fit the dtype that JAX would give it.

    Example:
        >>> to_device("data", np.array([1.0, 3.0])).tolist()
        [1.0, 3.0]
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, np.ndarray | np.generic | int | float):
            _check_fits(place + jax.tree_util.keystr(path), np.asarray(leaf))
    return on_first_device(tree)


def _check_fits(place: str, array: np.ndarray) -> None:
    narrow = jax.dtypes.canonicalize_dtype(array.dtype)
    if array.size == 0 or narrow == array.dtype:
        return
    if array.dtype.kind not in "iufc":
        return
    bounds: Any = np.iinfo(narrow) if array.dtype.kind in "iu" else np.finfo(narrow)
    # The usual case, without a copy.
    if array.dtype.kind != "c" and bounds.min <= array.min() and array.max() <= bounds.max:
        return
    if array.dtype.kind in "iu":
        wrong = array[(array < bounds.min) | (array > bounds.max)]
        said = f"which {narrow} does not hold: make it floating point"
    else:
        with np.errstate(over="ignore"):
            wrong = array[np.isfinite(array) & ~np.isfinite(array.astype(narrow))]
        said = f"which {narrow} does not hold: scale it"
    if wrong.size:
        raise InputError(f"{place} holds {wrong.flat[0]}, {said}, or {HOW_TO_WIDEN}")


def share_inputs(objective: Objective) -> SharedInputs:
    """Puts the objective's arrays on the device; what several share is put there once.

    Raises:
        InputError: They hold a number that the precision that is switched on does not.
    """
    called = f"objective {objective.name!r}"
    data = to_device(f"{called}, data", objective.data)
    return SharedInputs(
        start=None if objective.draws_start else to_device(f"{called}, init", objective.init),
        data=data,
        metrics=tuple(
            data if own is objective.data else to_device(f"{called}, metric {name!r}, data", own)
            for name, (_, own) in objective.measures.items()
        ),
    )
