"""What a learning-rate range test says: the smoothed losses, where they diverge, and the learning rates suggested."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number, plural
from lrsweep.inputs._showing import MOST_SHOWN, paragraphs, show_safely

# The suggestions in use leave out the first tenth of the losses, and the last five before the end.
SKIPPED_SHARE, SKIPPED_AT_END = 10, 5


# The columns of the tables beside the caller's own.
STEP, SMOOTHED, SEEDS, ENDED_AT = "step", "smoothed", "seeds", "ended_at"


# A table has no one answer to whether it equals another: a range test is equal to itself.
@dataclass(frozen=True, eq=False, repr=False)
class RangeTest:
    """What `range_test` returns. A setting is a combination of the caller's columns but `seed`.

    Attributes:
        suggestions: One row per setting, from the median over its seeds: the caller's columns; `seeds` (int), how many;
            `ended_at` (float), the learning rate of the last loss of a curve that diverged, NaN of one that did not;
            and the suggestions of `range_test`, `steepest`, `minimum_over_ten` and `valley` (float), each a
            learning rate or NaN.
        by_seed: One row per setting and seed, with the same columns but `seeds`, from the curve of that seed alone.
        curves: One row per setting, seed and step: the caller's columns, `seed` where there is one; `step` (int), from
            0; `learning_rate` (float); `loss` (float), of the examples of that update, before it, NaN from where it is
            no longer finite; and `smoothed` (float), NaN after the curve's end.
        medians: The same per setting and step, the medians over its seeds. A seed whose curve has ended counts as above
            the others.
        provenance: What made it, as in `Sweep`, with the arguments of `range_test`. JSON can hold it.
    """

    suggestions: pd.DataFrame
    by_seed: pd.DataFrame
    curves: pd.DataFrame
    medians: pd.DataFrame
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        return show_safely(self, lambda: _describe(self))

    def _repr_html_(self) -> str:
        return show_safely(self, lambda: _present(self), as_html=True)


def smooth(losses: np.ndarray, smoothing: float) -> np.ndarray:
    """Smooths losses by an exponential average whose start is corrected for its bias.

    It is `average_k / (1 - smoothing ** (k + 1))` with `average_k = smoothing * average_(k-1) + (1 - smoothing) *
    loss_k` and an average of 0 before the first (Kingma and Ba, 2015, arXiv:1412.6980, section 3, for Adam's moments).

    Args:
        losses: ``[..., step]`` float. From the first that is not finite on the average is NaN.
        smoothing: How much of the average is kept at every loss, from 0, for none, to below 1.

    Returns:
        ``[..., step]`` float64.

    Example:
        >>> smooth(np.array([4.0, 1.0, np.nan, 1.0]), 0.5)
        array([ 4.,  2., nan, nan])
    """
    smoothed, average = np.empty(losses.shape), np.zeros(losses.shape[:-1])
    for k in range(losses.shape[-1]):
        loss = np.where(np.isfinite(losses[..., k]), losses[..., k], np.nan)
        average = smoothing * average + (1 - smoothing) * loss
        smoothed[..., k] = average / (1 - smoothing ** (k + 1))
    return smoothed


def end_where_diverged(smoothed: np.ndarray, divergence: float, minimum: float = 0.0) -> np.ndarray:
    """Replaces all that comes after a curve has diverged by NaN; the loss that says so is kept.

    A curve has diverged where it has risen above its least value so far by more than `divergence - 1` times the
    distance of that value from the minimum: where the minimum is 0 and no loss is below it, that is above `divergence`
    times the least, as the published tests have it.

    Args:
        smoothed: ``[..., step]`` float, NaN from some step on.
        divergence: See above; infinite for never.
        minimum: The least value that the loss can reach.

    Returns:
        ``[..., step]`` float64.

    Example:
        >>> end_where_diverged(np.array([4.0, 1.0, 3.0, 5.0, 1.0]), divergence=4.0)
        array([ 4.,  1.,  3.,  5., nan])
    """
    least = np.fmin.accumulate(smoothed, axis=-1)
    if np.isinf(divergence):
        return smoothed.copy()
    diverged = smoothed - least > (divergence - 1) * abs(least - minimum)
    after = np.zeros(smoothed.shape, bool)
    after[..., 1:] = np.logical_or.accumulate(diverged, axis=-1)[..., :-1]
    return np.where(after, np.nan, smoothed)


def median_over_seeds(smoothed: np.ndarray) -> np.ndarray:
    """Gives the median over seeds of their smoothed losses: NaN from where it lies among those that have ended.

    A curve that has ended counts as above all others.

    Args:
        smoothed: ``[seed, step]`` float, NaN after a curve's end.

    Returns:
        ``[step]`` float64.

    Example:
        >>> median_over_seeds(np.array([[3.0, 1.0, 1.0], [5.0, 2.0, np.nan], [4.0, np.nan, np.nan]]))
        array([ 4.,  2., nan])
    """
    # The sum of the two in the middle, where there are two of them, is infinite if one of them is.
    median = np.median(np.where(np.isnan(smoothed), np.inf, smoothed), axis=0)
    return np.where(np.isinf(median), np.nan, median)


def suggest(learning_rates: np.ndarray, smoothed: np.ndarray) -> dict[str, float]:
    """Suggests a learning rate in each of the ways in use, from one curve of a range test.

    All of them look at a part of the curve: from a tenth of the steps on, to five losses before the end.

    Args:
        learning_rates: ``[step]`` float, ascending.
        smoothed: ``[step]`` float, the smoothed losses, NaN after the curve's end.

    Returns:
        By the names in `SUGGESTIONS` a learning rate, or NaN where there is none.

    Example:
        >>> rates = np.geomspace(1e-3, 1e3, 25)
        >>> {name: round(rate, 3) for name, rate in suggest(rates, (np.log10(rates) - 1) ** 2).items()}
        {'steepest': 0.003, 'minimum_over_ten': 1.0, 'valley': 0.1}
    """
    part = slice(len(smoothed) // SKIPPED_SHARE, max(0, int(np.isfinite(smoothed).sum()) - SKIPPED_AT_END))
    rates, losses = learning_rates[part], smoothed[part]
    return {name: function(rates, losses) for name, function in SUGGESTIONS.items()}


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Gives the learning rate after which a curve falls the most, as fastai's `steep` does.

    It is where the slope `(loss_(k+1) - loss_k) / log(rate_(k+1) / rate_k)` is the least. (torch-lr-finder takes the
    mean of the slopes on either side.)

    Args:
        rates: ``[step]`` float, ascending.
        losses: ``[step]`` float.

    Returns:
        The learning rate, NaN where the losses nowhere fall.

    Example:
        >>> steepest(np.array([0.1, 1.0, 10.0]), np.array([3.0, 2.5, 1.0]))
        1.0
    """
    slopes = np.diff(losses) / np.diff(np.log(rates))
    return float(rates[slopes.argmin()]) if (slopes < 0).any() else np.nan


def minimum_over_ten(rates: np.ndarray, losses: np.ndarray) -> float:
    """Gives a tenth of the learning rate at a curve's least loss, as fastai's `minimum` does.

    Args:
        rates: ``[step]`` float, ascending.
        losses: ``[step]`` float.

    Returns:
        The learning rate, NaN where the first loss is the least.

    Example:
        >>> minimum_over_ten(np.array([0.1, 1.0, 10.0]), np.array([3.0, 1.0, 2.0]))
        0.1
    """
    least = int(losses.argmin()) if losses.size else 0
    return float(rates[least]) / 10 if least else np.nan


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """Gives the learning rate in the middle of a curve's longest valley, as fastai's `valley`, its default, does.

    The valley is the longest subsequence of losses each of which is below the one before, of several the one that ends
    first. With `length` losses of which the last is loss `end`, it is taken to begin at `end - length`, and the answer
    is a third and a half of a third, each rounded down, further on.

    Args:
        rates: ``[step]`` float, ascending.
        losses: ``[step]`` float.

    Returns:
        The learning rate, NaN where the losses nowhere fall.

    Example:
        >>> valley(np.arange(1.0, 9.0), np.array([9.0, 9.5, 8.0, 7.0, 6.0, 5.0, 4.0, 10.0]))
        4.0
    """
    lengths = np.ones(losses.size, int)
    for k in range(1, losses.size):
        lengths[k] += lengths[:k][losses[:k] > losses[k]].max(initial=0)
    if losses.size == 0 or lengths.max() == 1:
        return np.nan
    end = int(lengths.argmax())
    third = float(lengths[end]) / 3
    return float(rates[max(0, end - int(lengths[end]) + int(third) + int(third / 2))])


# The ways to suggest a learning rate, by their names in tables.
SUGGESTIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "steepest": steepest,
    "minimum_over_ten": minimum_over_ten,
    "valley": valley,
}


def advise_range_test(suggestions: pd.DataFrame, *, low: float, high: float) -> str:
    """Says where to begin, from what a range test suggests.

    Args:
        suggestions: Those of a `RangeTest`, one row per setting.
        low: The first learning rate.
        high: The last.

    Example:
        >>> import optax
        >>> tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, low=1e-4, seeds=range(5))
        >>> advise_range_test(tested.suggestions, low=1e-4, high=10.0)
        'Begin with learning_rate 0.08697, a tenth of that at the least loss; a sweep from 0.01485 to 1.556 tells which
        is best.'
    """
    found = suggestions[list(SUGGESTIONS)]
    where = f"from {number(low, 6)} to {number(high, 6)}"
    if found.isna().all(axis=None):
        diverged = suggestions[ENDED_AT].notna().all()
        return (
            f"There is no suggestion: the loss diverged before it had fallen for long {where}; search lower."
            if diverged
            else f"There is no suggestion: the loss fell nowhere {where}; search higher, or give it more steps."
        )
    ends = suggestions[ENDED_AT]
    top = float(ends.max()) if ends.notna().any() else high
    sweep = f"a sweep from {number(np.nanmin(found.to_numpy()))} to {number(top)} tells which is best"
    first = found["minimum_over_ten"].dropna()
    if len(suggestions) > 1 or first.empty:
        return f"Begin with these learning rates by setting; {sweep}."
    return f"Begin with learning_rate {number(first.iloc[0])}, a tenth of that at the least loss; {sweep}."


def _lead(test: RangeTest) -> list[str]:
    """Says what was tested, and where to begin."""
    made = test.provenance
    starts, steps = plural(len(test.by_seed), "start"), plural(made["steps"], "step")
    where = f"from {number(made['low'], 6)} to {number(made['high'], 6)}"
    answer = advise_range_test(test.suggestions, low=made["low"], high=made["high"])
    return [f"RangeTest of {made['objective']} with {made['optimizer']}: {starts}, {where} in {steps}", answer]


def _describe(test: RangeTest) -> str:
    more = "Each setting: result.suggestions; each start: result.by_seed; what was measured: result.curves"
    return "\n".join([*_lead(test), more])


def _present(test: RangeTest) -> str:
    return f"{paragraphs(*_lead(test))}\n{test.suggestions.to_html(index=False, border=0, max_rows=MOST_SHOWN)}"
