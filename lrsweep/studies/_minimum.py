"""Losses below the minimum that an objective states."""

import warnings

import jax.numpy as jnp
import numpy as np

from lrsweep.problems._objective import Objective

# By up to so many units in the last place of the starting loss, a fall below the minimum may be rounding alone.
_ROUNDING = 100


def least_below_minimum(objective: Objective, initial_loss: np.ndarray, best_loss: np.ndarray) -> float | None:
    """Gives the least loss where one fell below the stated minimum by more than rounding explains; otherwise None.

    Near the minimum the terms of a loss cancel, but each is rounded by its own size, which is that of the starting loss
    or more; and a function such as `exp` multiplies the rounding of its argument by some tens. A fall that small does
    not move a target by much.

    Args:
        objective: The objective.
        initial_loss: ``[trial]``, the losses at the start, in the dtype that trials were computed in.
        best_loss: ``[trial]``, the least losses.

    Example:
        >>> least_below_minimum(lrsweep.problems.line(), np.float32([8, 8]), np.float32([1e-7, -0.5]))
        -0.5
    """
    minimum = best_loss.dtype.type(objective.minimum)
    if not (best_loss < minimum).any():
        return None
    scale = np.maximum(abs(initial_loss - minimum), abs(initial_loss))
    fell = np.isfinite(best_loss) & (minimum - best_loss > _ROUNDING * jnp.finfo(best_loss.dtype).eps * scale)
    return float(best_loss[fell].min()) if fell.any() else None


def warn_of_minimum(objective: Objective, least: float, *, stacklevel: int) -> None:
    """Warns that a loss fell below the stated minimum; `stacklevel` counts from the caller, which is at 1."""
    warnings.warn(
        f"the loss of objective {objective.name!r} fell to {least:.6g}, below its stated minimum "
        f"{objective.minimum:.6g}, so that convergence is misjudged: state the least value that it can reach, "
        f"Objective(..., minimum={least:.6g}) or less, or give Stopping(target=...)",
        stacklevel=stacklevel + 1,
    )
