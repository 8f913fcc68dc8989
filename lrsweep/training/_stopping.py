"""When a trial stops, and the one rule that decides how it ended."""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.tables._schema import Status


@dataclass(frozen=True)
class Stopping:
    """When a trial has converged, and when it has diverged.

    Converged: with `gap_k = loss_k - minimum`, a trial has converged at `k` when `gap_k <= tolerance * gap_0` (or
    `loss_k <= target`, where a target is given) and that stays true for `hold` updates in a row, counting `k`, or to
    the end of the steps. A loss above the objective's `baseline` never counts as converged by its share of the gap.

    Diverged at once: at the first `k` at which the loss or a parameter is not finite, or the loss is above `loss_0` by
    more than `divergence` times its scale, `max(|gap_0|, |loss_0|)`.

    Diverged at the end of the steps: where the trial has not converged, and every loss measured in the last quarter
    was above `loss_0` by more than that scale. `diverged_at` is then the update since which it was. So a loss that goes
    from 2 to 1,000 and stays there has diverged, one that shoots up and comes back has not, and noise around a start at
    the minimum is no divergence. Where `loss_0` and `gap_0` are both 0 there is no scale, and a trial diverges only by
    not being finite.

    A start below the stated minimum has a negative gap and counts as at the minimum: the trial has converged at 0
    where its loss stays at or below the stated minimum. Its `rate` is NaN, and `sweep` warns of the minimum.

    Attributes:
        tolerance: The share of the starting gap that counts as converged, 0 or more.
        target: A loss that counts as converged instead, or None.
        hold: For how many updates in a row a trial must stay there, 1 or more.
        divergence: By how many times its scale a loss must rise to have diverged at once, above 1. With `math.inf` a
            trial diverges before the end of the steps only by not being finite.

    Raises:
        ValueError: A value is outside these bounds.

    Example:
        >>> Stopping(tolerance=1e-6).hold
        10
    """

    tolerance: float = 1e-4
    target: float | None = None
    hold: int = 10
    divergence: float = 1e6

    def __post_init__(self) -> None:
        check_number("tolerance", self.tolerance, "a finite number, 0 or more", lambda share: 0 <= share < math.inf)
        if self.target is not None:
            check_number("target", self.target, "a finite loss, or None")
        check_count("hold", self.hold)
        check_number("divergence", self.divergence, "above 1", lambda multiple: multiple > 1)


def gap(loss: Any, minimum: Any) -> Any:
    """Computes `loss - minimum`, or 0 where the two differ by no more than rounding (4 units in the last place).

    Args:
        loss: Any shape, floating point, of NumPy or JAX.
        minimum: The least value the loss can reach, of the loss's dtype.

    Example:
        >>> float(gap(jnp.float32(2.0), jnp.float32(0.5)))
        1.5
    """
    difference = loss - minimum
    rounding = 4 * jnp.finfo(difference.dtype).eps * abs(minimum)
    return difference * (abs(difference) > rounding)


# A change of the loss by less than this share of its gap counts as none.
_SHARE = 0.01


def classify(
    *,
    converged: Any,
    diverged: Any,
    least_of_half: Any,
    least_of_three_quarters: Any,
    final_loss: Any,
    predicted_decrease: Any,
    minimum: Any,
) -> Any:
    """Decides the status of a trial that has ended, from a few numbers of its run.

    A trial that has neither converged nor diverged when the steps run out is

    - `slow`, still improving: the last loss is below every loss of the first three quarters, by at least 1% of its
      gap, or by at least half of what the third quarter gained (at that pace it has not settled, however small);
    - `oscillating`, bouncing without improving: it is not slow, though by the gradient the updates of the last quarter
      should have changed the loss, down or up, by 1% of its gap or more in all;
    - `stalled`, at rest above the target: neither of these.

    Args:
        converged: bool, whether it converged.
        diverged: bool, whether it diverged.
        least_of_half: float, the least loss of the first half of the steps.
        least_of_three_quarters: float, the least loss of the first three quarters.
        final_loss: float, the last loss.
        predicted_decrease: float, the sum over the last quarter's updates of ``|gradient . update|``.
        minimum: float, the least value the loss can reach.

    Returns:
        int32, a `Status`, of the arguments' common shape.

    Example:
        >>> Status(int(classify(converged=False, diverged=False, least_of_half=5.0, least_of_three_quarters=4.0,
        ...                     final_loss=3.0, predicted_decrease=1.0, minimum=0.0))).label
        'slow'
    """
    final_loss = jnp.asarray(final_loss)
    share = _SHARE * abs(gap(final_loss, jnp.asarray(minimum, final_loss.dtype)))
    gain = least_of_three_quarters - final_loss
    gain = gain * (gain > 4 * jnp.finfo(final_loss.dtype).eps * abs(final_loss))
    slow = (gain > 0) & ((gain >= share) | (gain >= 0.5 * (least_of_half - least_of_three_quarters)))
    unfinished = jnp.where(
        slow,
        Status.SLOW,
        jnp.where((predicted_decrease > 0) & (predicted_decrease >= share), Status.OSCILLATING, Status.STALLED),
    )
    finished = jnp.where(diverged, Status.DIVERGED, Status.CONVERGED)
    return jnp.where(jnp.logical_or(converged, diverged), finished, unfinished).astype(jnp.int32)
