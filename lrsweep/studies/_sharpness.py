"""The sharpness of an objective at some parameters."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from lrsweep.curvature._hessian import ITERATIONS, extreme_eigenvalues
from lrsweep.engine._cache import jitted
from lrsweep.engine._devices import on_first_device
from lrsweep.engine._modes import ordinary_modes
from lrsweep.engine._shared import to_device
from lrsweep.inputs._arguments import check_count, check_keywords
from lrsweep.problems._objective import Objective
from lrsweep.studies._validate import check_leaves, check_objective
from lrsweep.training._keys import open_key
from lrsweep.training._program import Program, make_loss
from lrsweep.training._trial import filled_in_measurements


@ordinary_modes()
def sharpness(
    objective: Objective,
    params: Any,
    *,
    keywords: Mapping[str, Any] | None = None,
    iterations: int = ITERATIONS,
    state: Any = None,
) -> float:
    """Computes the largest eigenvalue of the Hessian of an objective's loss over all its data, at some parameters.

    Gradient descent is unstable where it is above 2 / learning rate. It is found by Lanczos's method.

    Args:
        objective: The objective.
        params: A pytree of floating-point arrays, such as `init` gives.
        keywords: The keyword-only arguments of the loss, where it has any.
        iterations: How many Hessian-vector products to take, 1 or more; the result is exact where there are no more
            parameters than that.
        state: The model state, where the objective has one, such as `Sweep.replay(trial).state`.

    Returns:
        The sharpness, in the loss's unit per squared unit of the parameters; NaN where the Hessian is not finite.

    Raises:
        TypeError: `objective` is not an `Objective`, or a parameter is not a floating-point array.
        ValueError: There are no parameters, a model state is missing or of no use, or `iterations` is below 1.

    Example:
        >>> lrsweep.sharpness(lrsweep.problems.quadratic([1.0, 4.0]), {"x": jnp.array([3.0, 5.0])})
        4.0
    """
    check_objective(objective)
    iterations = check_count("iterations", iterations)
    check_leaves(objective, params)
    params = on_first_device(jax.tree.map(jnp.asarray, params))
    keywords = check_keywords(keywords)
    arguments = params, state, to_device(f"objective {objective.name!r}, data", objective.data), keywords
    program = make_loss(objective, keywords, state)
    return float(jitted(_sharpness, (program, iterations), arguments)(*arguments))


def _sharpness(program: Program, iterations: int, params: Any, state: Any, data: Any, keywords: dict[str, Any]) -> Any:
    loss_of = program.measured_loss(keywords, data, filled_in_measurements(open_key(0), state))
    return extreme_eigenvalues(loss_of, params, iterations=iterations).largest
