"""The monitor of a trial: it sees every evaluation, decides when the trial stops, and sums it up in the end."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lrsweep.training._stopping import classify, gap

# Stands for an update that has not come, where the result table has a missing value.
NEVER = -1


class StopLimits(NamedTuple):
    """The numbers that end a trial. They are arguments of the compiled program: other values compile nothing new.

    Attributes:
        steps: The most updates.
        tolerance: The share of the starting gap that counts as converged.
        target: A loss that counts as converged instead, or None.
        hold: For how many updates in a row a trial must stay there.
        divergence: By how many times its scale a loss must rise to have diverged at once.
        minimum: The least value the loss can reach.
        evaluate_every: The loss over all the data and the metrics are evaluated at every such update.
        record_every: The loss is recorded at every such update, a multiple of `evaluate_every`.
        freeze_at: The update from which on the parameters no longer move, so that a replay gives those of one update.
        baseline: A loss above which no share of the gap counts as converged, or None.
    """

    steps: Any
    tolerance: Any
    target: Any
    hold: Any
    divergence: Any
    minimum: Any
    evaluate_every: Any
    record_every: Any
    freeze_at: Any = 2**31 - 1
    baseline: Any = None


class Outcome(NamedTuple):
    """What became of a trial: scalars here, ``[trial]`` once many have run.

    `status` is a `Status`; `steps`, `converged_at`, `diverged_at` and `best_at` are int32 in updates, with `NEVER`
    where there is none; the losses are in the loss's dtype, the metrics in their own. `diagnosis` is a `Diagnosis`, or
    None where none was asked for.
    """

    status: Any
    steps: Any
    converged_at: Any
    diverged_at: Any
    initial_loss: Any
    final_loss: Any
    best_loss: Any
    best_at: Any
    final_metrics: tuple[Any, ...]
    best_metrics: tuple[Any, ...]
    diagnosis: Any = None


class Evaluation(NamedTuple):
    """What is known of a trial's parameters after some update.

    Attributes:
        due: bool, whether the loss over all the data and the metrics were computed. Where they were not, only `finite`
            means something.
        finite: bool, whether the parameters, and the loss of the next minibatch, are finite.
        loss: The loss over all the data.
        metrics: The metrics.
        measures: What is recorded of the update that follows, see `Program.measures`; None where that is nothing.
    """

    due: Any
    finite: Any
    loss: Any
    metrics: tuple[Any, ...]
    measures: tuple[Any, ...] | None = None


class BestMetric(NamedTuple):
    """The metric that decides the best update.

    Attributes:
        place: Which of the metrics it is.
        is_max: Whether its greatest value is the best, and not its least.
    """

    place: int
    is_max: bool


class Monitor(NamedTuple):
    """A summary of a trial so far, whose size does not depend on the number of steps.

    What it shares with `Outcome` means what it does there. Beside that:

    Attributes:
        active: bool, whether the trial still runs.
        diverged_at: int32, of an active trial the update at which it has ceased to be finite, where the next look will
            be at it.
        at_target_since: int32, since which update the trial has been at its target, or `NEVER` where it is not there.
        high_since: int32, since which update the loss has been above the lower of the `divergence_bounds`, or `NEVER`.
        least_of_half: The least loss of the first half of the steps.
        least_of_three_quarters: The least loss of the first three quarters.
    """

    active: Any
    at_target_since: Any
    high_since: Any
    converged_at: Any
    diverged_at: Any
    steps: Any
    initial_loss: Any
    final_loss: Any
    final_metrics: tuple[Any, ...]
    best_loss: Any
    best_at: Any
    best_metrics: tuple[Any, ...]
    least_of_half: Any
    least_of_three_quarters: Any


def start_monitor(loss_like: Any, metrics_like: tuple[Any, ...], is_finite: Any) -> Monitor:
    """Starts a monitor that has seen no more than whether the parameters are finite where the trial starts.

    Args:
        loss_like: The dtype of the loss.
        metrics_like: Those of the metrics.
        is_finite: Whether the parameters are finite.
    """
    nan, zero, never = jnp.full((), jnp.nan, loss_like.dtype), jnp.int32(0), jnp.int32(NEVER)
    metrics = tuple(jnp.full((), jnp.nan, like.dtype) for like in metrics_like)
    return Monitor(
        active=jnp.bool_(True),
        at_target_since=never,
        high_since=never,
        converged_at=never,
        diverged_at=jnp.where(is_finite, never, zero),
        steps=zero,
        initial_loss=nan,
        final_loss=nan,
        final_metrics=metrics,
        best_loss=nan,
        best_at=zero,
        best_metrics=metrics,
        least_of_half=nan,
        least_of_three_quarters=nan,
    )


class Bounds(NamedTuple):
    """A lower and an upper loss."""

    lower: Any
    upper: Any


def divergence_bounds(initial_loss: Any, limits: StopLimits) -> Bounds:
    """Gives the loss above which a trial must not stay, and the one above which it has diverged at once.

    Both are infinite where the starting loss and the starting gap are 0: then there is no scale to measure a rise by.
    """
    minimum = jnp.asarray(limits.minimum, initial_loss.dtype)
    scale = jnp.maximum(abs(gap(initial_loss, minimum)), abs(initial_loss))
    scale = jnp.where(scale == 0, jnp.inf, scale)
    return Bounds(initial_loss + scale, initial_loss + limits.divergence * scale)


def observe(
    monitor: Monitor, k: Any, evaluation: Evaluation, limits: StopLimits, best_metric: BestMetric | None
) -> Monitor:
    """Updates the monitor with an evaluation, and decides whether the trial stops there.

    Args:
        monitor: The monitor before it. That of a trial that has ended stays as it is.
        k: int32, after how many updates the trial was evaluated.
        evaluation: The evaluation; one that is not due changes nothing.
        limits: The limits that end a trial.
        best_metric: The metric that decides the best update, or None where the loss does.
    """
    loss = evaluation.loss
    initial_loss = jnp.where(k == 0, loss, monitor.initial_loss)
    bounds = divergence_bounds(initial_loss, limits)
    diverged = ~evaluation.finite | ~jnp.isfinite(loss) | (loss > bounds.upper)
    at_target = _is_at_target(loss, initial_loss, limits) & ~diverged
    at_target_since = _since(at_target, monitor.at_target_since, k)
    high_since = _since(loss > bounds.lower, monitor.high_since, k)
    is_last = k >= limits.steps
    converged = at_target & ((k - at_target_since + 1 >= limits.hold) | is_last)
    stayed_high = is_last & ~converged & _lasted_the_last_quarter(high_since, limits)

    score = _score(loss, evaluation.metrics, best_metric)
    best_score = _score(monitor.best_loss, monitor.best_metrics, best_metric)
    is_best = (score < best_score) | (jnp.isnan(best_score) & ~jnp.isnan(score)) | (k == 0)
    after = monitor._replace(
        active=~(converged | diverged | is_last),
        at_target_since=at_target_since,
        high_since=high_since,
        converged_at=jnp.where(converged, at_target_since, NEVER),
        diverged_at=jnp.where(diverged, k, jnp.where(stayed_high, high_since, NEVER)),
        steps=k,
        initial_loss=initial_loss,
        final_loss=loss,
        final_metrics=evaluation.metrics,
        best_loss=jnp.where(is_best, loss, monitor.best_loss),
        best_at=jnp.where(is_best, k, monitor.best_at),
        best_metrics=tree_where(is_best, evaluation.metrics, monitor.best_metrics),
    )
    return tree_where(monitor.active & evaluation.due, _note_loss(after, k, loss, limits), monitor)


def _note_loss(monitor: Monitor, k: Any, loss: Any, limits: StopLimits) -> Monitor:
    """Updates the least losses of the first half, and of the first three quarters, with a loss at the update `k`."""
    half, three_quarters = monitor.least_of_half, monitor.least_of_three_quarters
    return monitor._replace(
        least_of_half=jnp.where(k <= half_of(limits.steps), jnp.fmin(loss, half), half),
        least_of_three_quarters=jnp.where(
            k <= last_quarter_of(limits.steps), jnp.fmin(loss, three_quarters), three_quarters
        ),
    )


def _since(holds: Any, since: Any, k: Any) -> Any:
    """Gives the update since which something has held: `k` where it begins to hold there, `NEVER` where it does not."""
    return jnp.where(holds, jnp.where(since == NEVER, k, since), NEVER)


def _lasted_the_last_quarter(since: Any, limits: StopLimits) -> Any:
    """Tells whether what has held since some update held at every evaluation of the last quarter."""
    # It did where the evaluation before `since` is no later than the start of the last quarter.
    every = limits.evaluate_every
    return (since != NEVER) & ((since - 1) // every * every <= last_quarter_of(limits.steps))


def _is_at_target(loss: Any, initial_loss: Any, limits: StopLimits) -> Any:
    if limits.target is not None:
        return loss <= limits.target
    minimum = jnp.asarray(limits.minimum, loss.dtype)
    # A start below the stated minimum counts as at it: no share of a negative gap would be nearer.
    is_near = gap(loss, minimum) <= limits.tolerance * jnp.maximum(gap(initial_loss, minimum), 0)
    return is_near if limits.baseline is None else is_near & (loss <= limits.baseline)


def _score(loss: Any, metrics: tuple[Any, ...], best_metric: BestMetric | None) -> Any:
    """Scores an evaluation; less is better."""
    if best_metric is None:
        return loss
    metric = metrics[best_metric.place]
    return -metric if best_metric.is_max else metric


def quiet_bounds(monitor: Monitor, limits: StopLimits) -> Bounds:
    """Gives the losses between which a trial neither diverges nor begins or ceases to be high.

    A loss is quiet where it is above the lower of them, and not above the upper one.
    """
    bounds, is_high = divergence_bounds(monitor.initial_loss, limits), monitor.high_since != NEVER
    upper = jnp.where(is_high, bounds.upper, bounds.lower)
    # An infinite loss must lie above it.
    upper = jnp.minimum(upper, jnp.finfo(upper.dtype).max)
    return Bounds(jnp.where(is_high, bounds.lower, -jnp.inf), upper)


def may_stop(monitor: Monitor, quiet: Bounds, losses: Sequence[Any], limits: StopLimits) -> Any:
    """Tells whether any of some losses in a row could stop a trial, or lead to a stop.

    Args:
        monitor: The trial's monitor before them.
        quiet: Its `quiet_bounds`.
        losses: The losses, one per update.
        limits: The limits that end a trial.
    """
    highest, lowest = functools.reduce(jnp.maximum, losses), functools.reduce(jnp.minimum, losses)
    # Written so that a NaN leaves the bounds.
    leaves = ~(highest <= quiet.upper) | (lowest <= quiet.lower)
    reaches_target = _is_at_target(lowest, monitor.initial_loss, limits)
    return monitor.active & (leaves | reaches_target | (monitor.at_target_since != NEVER))


def update_best(best: tuple[Any, Any], k: Any, losses: Sequence[Any]) -> tuple[Any, Any]:
    """Updates the best loss and its update with some losses in a row, the first of them at the update `k`."""
    least = functools.reduce(jnp.minimum, losses)
    first = jnp.int32(len(losses) - 1)
    for place in reversed(range(len(losses) - 1)):
        first = jnp.where(losses[place] == least, place, first)
    is_better = least < best[0]
    return jnp.where(is_better, least, best[0]), jnp.where(is_better, k + first, best[1])


def note_quiet(monitor: Monitor, k: Any, best: tuple[Any, Any], limits: StopLimits) -> Monitor:
    """Updates the monitor after quiet updates, of which it needs no more than the best loss.

    Args:
        monitor: The monitor before them.
        k: int32, the number of updates so far. The first half does not end among the quiet ones, nor does the last
            quarter begin there: all of them fall on the side of `k`.
        best: What `update_best` gives: the best loss so far, and its update.
        limits: The limits that end a trial.
    """
    after = _note_loss(monitor._replace(best_loss=best[0], best_at=best[1]), k, best[0], limits)
    return tree_where(monitor.active, after, monitor)


def outcome_of(monitor: Monitor, predicted_decrease: Any, limits: StopLimits) -> Outcome:
    """Sums up a trial that has ended.

    Args:
        monitor: The trial's monitor.
        predicted_decrease: See `TrainState`.
        limits: The limits that ended it.
    """
    status = classify(
        converged=monitor.converged_at != NEVER,
        diverged=monitor.diverged_at != NEVER,
        least_of_half=monitor.least_of_half,
        least_of_three_quarters=monitor.least_of_three_quarters,
        final_loss=monitor.final_loss,
        predicted_decrease=predicted_decrease,
        minimum=limits.minimum,
    )
    summary = {name: value for name, value in monitor._asdict().items() if name in Outcome._fields}
    return Outcome(status, **summary)


def tree_where(condition: Any, new: Any, old: Any) -> Any:
    """Chooses between two pytrees, leaf by leaf."""
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)


def half_of(steps: Any) -> Any:
    """Gives the last update of the first half."""
    return steps // 2


def last_quarter_of(steps: Any) -> Any:
    """Gives the update at which the last quarter begins: three quarters of the steps, rounded down."""
    return steps - (steps + 3) // 4
