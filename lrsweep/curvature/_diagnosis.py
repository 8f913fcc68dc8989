"""The diagnosis of a trial: the curvature where it ended, the gradient there, and how often it overshot."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from lrsweep.curvature._hessian import extreme_eigenvalues


class Diagnosis(NamedTuple):
    """What is measured of a trial that has ended: scalars here, ``[trial]`` once many have run.

    Attributes:
        largest: The largest eigenvalue of the Hessian of the loss over all the data.
        least: The least eigenvalue.
        residual: See `Spectrum`.
        gradient_norm: The Euclidean norm of the gradient of the loss over all the data.
        overshot: int32, after how many updates the next gradient pointed back along the update.
    """

    largest: Any
    least: Any
    residual: Any
    gradient_norm: Any
    overshot: Any


def diagnose(loss_of: Callable[[Any], Any], params: Any, overshot: Any) -> Diagnosis:
    """Measures the curvature and the gradient where a trial has ended.

    Args:
        loss_of: The loss over all the data, as a function of the parameters.
        params: The parameters that the trial ended with.
        overshot: See `Diagnosis`.

    Example:
        >>> import jax.numpy as jnp
        >>> found = diagnose(lambda x: jnp.sum(jnp.array([1.0, -4.0]) * x**2) / 2, jnp.array([3.0, 1.0]), jnp.int32(0))
        >>> float(found.largest), float(found.least), float(found.gradient_norm)
        (1.0, -4.0, 5.0)
    """
    ends = extreme_eigenvalues(loss_of, params)
    return Diagnosis(*ends, optax.tree.norm(jax.grad(loss_of)(params)).astype(ends.largest.dtype), overshot)
