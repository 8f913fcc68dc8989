"""When a trial stops, and the one rule that says how it ended."""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.tables._schema import Status


@dataclass(frozen=True)
class Stopping:
    """When a trial has converged, and when it has diverged.

    With `gap_k = loss_k - minimum`, a trial has converged at `k` when `gap_k <= tolerance * gap_0` (or
    `loss_k <= target`, where one is given) and it stays so for `hold` updates in a row, counting `k`, or to the end
    of the steps. Above an objective's `baseline` no share of the gap counts.

    A trial has diverged at the first `k` at which the loss or a parameter is not finite, or the loss is above `loss_0`
    by more than `divergence` times its scale, `max(|gap_0|, |loss_0|)`. And at the end of the steps, where it has not
    converged and its loss was above `loss_0` plus once that scale during the whole last quarter (at every update at
    which it was measured): at the update since which it was. So a loss that goes from 2 to 1,000 and stays there has
    diverged, one that shoots up and comes back has not, and noise about a start at the minimum is no divergence. Where
    `loss_0` and `gap_0` are 0 there is no scale, and only what is not finite has diverged.

    A start below the stated minimum, whose gap is negative, counts as at the minimum: the trial has converged at 0
    where its loss stays at or below the stated minimum. Its `rate` is NaN, and `sweep` warns of the minimum.

    Attributes:
        tolerance: The share of the starting gap that counts as converged, 0 or more.
        target: A loss that counts as converged instead, or None.
        hold: For how many updates in a row it must stay there, 1 or more.
        divergence: By how many times its scale a loss must rise to have diverged at once, above 1; with `math.inf` only
            what is not finite has, before the end of the steps.

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
    """`loss - minimum`, and 0 where the two differ by no more than rounding can tell (4 units in the last place).

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


# Below this share of the gap, a change of the loss is none.
_SHARE = 0.01


def classify(
    *,
    converged: Any,
    diverged: Any,
    half_loss: Any,
    late_loss: Any,
    final_loss: Any,
    predicted_decrease: Any,
    minimum: Any,
) -> Any:
    """Decides the status of a trial from what was kept while it ran.

    `converged` and `diverged` speak for themselves. Where the steps ran out:

    - `slow`, still improving: the last loss is below every loss of the first three quarters, by at least 1% of its
      gap, or by at least half of what the quarter before brought (at that pace it has not settled, however small).
    - `oscillating`, bouncing without improving: the updates of the last quarter went along the gradient, down it or
      back up, by changes of the loss that sum to 1% of the gap or more, and yet it is not lower.
    - `stalled`, at rest above the target: neither.

    Args:
        converged: bool, whether it converged.
        diverged: bool, whether it diverged.
        half_loss: float, the least loss in the first half of the steps.
        late_loss: float, the least loss in the first three quarters.
        final_loss: float, the last loss.
        predicted_decrease: float, the sum over the last quarter's updates of ``|gradient . update|``.
        minimum: float, the least value the loss can reach.

    Returns:
        int32, a `Status`, of the arguments' common shape.

    Example:
        >>> Status(int(classify(converged=False, diverged=False, half_loss=5.0, late_loss=4.0, final_loss=3.0,
        ...                     predicted_decrease=1.0, minimum=0.0))).label
        'slow'
    """
    final_loss = jnp.asarray(final_loss)
    share = _SHARE * abs(gap(final_loss, jnp.asarray(minimum, final_loss.dtype)))
    fall = late_loss - final_loss
    fall = fall * (fall > 4 * jnp.finfo(final_loss.dtype).eps * abs(final_loss))
    slow = (fall > 0) & ((fall >= share) | (fall >= 0.5 * (half_loss - late_loss)))
    unfinished = jnp.where(
        slow,
        Status.SLOW,
        jnp.where((predicted_decrease > 0) & (predicted_decrease >= share), Status.OSCILLATING, Status.STALLED),
    )
    finished = jnp.where(diverged, Status.DIVERGED, Status.CONVERGED)
    return jnp.where(jnp.logical_or(converged, diverged), finished, unfinished).astype(jnp.int32)
