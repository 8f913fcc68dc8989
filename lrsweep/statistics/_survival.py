"""Quantiles of a time that some trials never reach, by the method of Kaplan and Meier."""

from collections.abc import Sequence

import numpy as np

# The estimate is a product of fractions: where it should be exactly a half, rounding may leave it just above.
_ROUNDING = 1e-9


def time_quantiles(
    times: np.ndarray, arrived: np.ndarray, quantiles: Sequence[float], counts: np.ndarray | None = None
) -> list[np.ndarray]:
    """Estimates the times by which shares of the trials have arrived, for many groups of trials at once.

    With `d(t)` the number of trials that arrive at a time `t`, and `n(t)` the number that are still observed then and
    have not arrived before (one that is censored at `t` is still observed at `t`), the share that has not arrived by
    `t` is estimated as `S(t) = product over t' <= t of (1 - d(t') / n(t'))` (Kaplan and Meier, 1958,
    doi:10.1080/01621459.1958.10501452). The quantile `q` is the least `t` at which `S(t) <= 1 - q`.

    Args:
        times: ``[group, trial]`` float, when each trial arrived, or until when it was observed; infinite for one that
            never arrives.
        arrived: ``[group, trial]`` bool, whether it arrived; otherwise it was censored.
        quantiles: Shares, above 0 and at most 1.
        counts: ``[..., group, trial]`` integers, how many times each trial counts; None counts each once.

    Returns:
        For each of the quantiles ``[..., group]`` float, in the unit of `times`; NaN where too few arrive.

    Example:
        >>> times, arrived = np.array([[10.0, 20, 30, 99]]), np.array([[True, True, True, False]])
        >>> time_quantiles(times, arrived, [0.5, 0.9])
        [array([20.]), array([nan])]
    """
    order = np.lexsort((~arrived, times))
    times, arrived = np.take_along_axis(times, order, -1), np.take_along_axis(arrived, order, -1)
    if counts is None:
        counts = np.ones(times.shape)
    else:
        counts = np.take_along_axis(counts, np.broadcast_to(order, counts.shape), -1)
    # Equal times take a factor each, whose product is the same: (n - 1) / n * (n - 2) / (n - 1) = (n - 2) / n.
    at_risk = np.flip(np.cumsum(np.flip(counts, -1), -1), -1)
    not_arrived = np.cumprod(1 - np.where(arrived, counts, 0) / np.maximum(at_risk, 1), -1)
    at_quantiles = []
    for quantile in quantiles:
        reached = not_arrived <= 1 - quantile + _ROUNDING
        first = np.expand_dims(reached.argmax(-1), -1)
        time = np.take_along_axis(np.broadcast_to(times, reached.shape), first, -1)[..., 0]
        at_quantiles.append(np.where(reached.any(-1), time, np.nan))
    return at_quantiles
