"""The monitor of a trial: it sees every evaluation, decides when the trial stops, and sums it up in the end."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lrsweep.training._stopping import classify, gap

# What stands for "never" where the table has a missing value.
NEVER = -1


class StopLimits(NamedTuple):
    """The numbers that end a trial. They are arguments of the compiled program: another value compiles nothing.

    `target` is a loss, or None for a share of the starting gap (`tolerance`); above `baseline`, a loss or None, that
    share does not count. Losses and metrics are measured at every `evaluate_every`-th update, and those of every
    `record_every`-th, a multiple of it, are recorded. The parameters stay as the update `last` leaves them.
    """

    steps: Any
    tolerance: Any
    target: Any
    hold: Any
    divergence: Any
    minimum: Any
    evaluate_every: Any
    record_every: Any
    last: Any = 2**31 - 1
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
    """What is known of the parameters after some update.

    `due` says whether the loss over all the data and the metrics have been evaluated there; `sound`, known always,
    whether the parameters and the loss that the update saw are finite.
    """

    due: Any
    sound: Any
    loss: Any
    metrics: tuple[Any, ...]


class Monitor(NamedTuple):
    """A summary of a trial so far, which does not grow with the number of steps.

    Beside what its outcome will say: whether it is `active`; since when it has been at the target, and since when too
    high (see `bounds_of`); and the least loss of the first half and of the first three quarters of the steps.
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
    half_loss: Any
    late_loss: Any


def start_monitor(loss_like: Any, metrics_like: tuple[Any, ...]) -> Monitor:
    """Starts a monitor that has seen nothing, in the dtypes of the loss and the metrics."""
    nan, zero, never = jnp.full((), jnp.nan, loss_like.dtype), jnp.int32(0), jnp.int32(NEVER)
    metrics = tuple(jnp.full((), jnp.nan, like.dtype) for like in metrics_like)
    return Monitor(
        active=jnp.bool_(True),
        at_target_since=never,
        high_since=never,
        converged_at=never,
        diverged_at=never,
        steps=zero,
        initial_loss=nan,
        final_loss=nan,
        final_metrics=metrics,
        best_loss=nan,
        best_at=zero,
        best_metrics=metrics,
        half_loss=nan,
        late_loss=nan,
    )


class Bounds(NamedTuple):
    """Two losses between which a trial is."""

    lower: Any
    upper: Any


def bounds_of(initial_loss: Any, limits: StopLimits) -> Bounds:
    """Gives the losses above which a trial is too high, and above which it has diverged at once.

    Where it starts from a loss and a gap of 0 there are no such.
    """
    minimum = jnp.asarray(limits.minimum, initial_loss.dtype)
    scale = jnp.maximum(abs(gap(initial_loss, minimum)), abs(initial_loss))
    scale = jnp.where(scale == 0, jnp.inf, scale)
    return Bounds(initial_loss + scale, initial_loss + limits.divergence * scale)


def observe(monitor: Monitor, k: Any, evaluation: Evaluation, limits: StopLimits, best_place: int | None) -> Monitor:
    """Takes note of an evaluation after `k` updates, where one is due, and decides whether the trial stops there."""
    loss = evaluation.loss
    initial_loss = jnp.where(k == 0, loss, monitor.initial_loss)
    bounds = bounds_of(initial_loss, limits)
    away = ~evaluation.sound | ~jnp.isfinite(loss) | (loss > bounds.upper)
    at_target = _is_near(loss, initial_loss, limits) & ~away
    since = _since(at_target, monitor.at_target_since, k)
    high_since = _since(loss > bounds.lower, monitor.high_since, k)
    last = k >= limits.steps
    converged = at_target & ((k - since + 1 >= limits.hold) | last)
    stayed = last & ~converged & _is_whole_quarter(high_since, limits)

    score, best_score = (
        _score(loss, evaluation.metrics, best_place),
        _score(monitor.best_loss, monitor.best_metrics, best_place),
    )
    better = (score < best_score) | (jnp.isnan(best_score) & ~jnp.isnan(score)) | (k == 0)
    seen = monitor._replace(
        active=~(converged | away | last),
        at_target_since=since,
        high_since=high_since,
        converged_at=jnp.where(converged, since, NEVER),
        diverged_at=jnp.where(away, k, jnp.where(stayed, high_since, NEVER)),
        steps=k,
        initial_loss=initial_loss,
        final_loss=loss,
        final_metrics=evaluation.metrics,
        best_loss=jnp.where(better, loss, monitor.best_loss),
        best_at=jnp.where(better, k, monitor.best_at),
        best_metrics=where(better, evaluation.metrics, monitor.best_metrics),
        half_loss=jnp.where(k <= half_of(limits.steps), jnp.fmin(loss, monitor.half_loss), monitor.half_loss),
        late_loss=jnp.where(k <= late_of(limits.steps), jnp.fmin(loss, monitor.late_loss), monitor.late_loss),
    )
    return where(monitor.active & evaluation.due, seen, monitor)


def _since(holds: Any, before: Any, k: Any) -> Any:
    """Gives the update since which something has held, up to the update `k`."""
    return jnp.where(holds, jnp.where(before == NEVER, k, before), NEVER)


def _is_whole_quarter(since: Any, limits: StopLimits) -> Any:
    """Tells whether what has held from some update to the last held wherever the last quarter was evaluated."""
    every = limits.evaluate_every
    return (since != NEVER) & ((since - 1) // every * every <= late_of(limits.steps))


def _is_near(loss: Any, initial_loss: Any, limits: StopLimits) -> Any:
    if limits.target is not None:
        return loss <= limits.target
    minimum = jnp.asarray(limits.minimum, loss.dtype)
    # A start below the stated minimum counts as at it: no share of a negative gap would be nearer.
    near = gap(loss, minimum) <= limits.tolerance * jnp.maximum(gap(initial_loss, minimum), 0)
    return near if limits.baseline is None else near & (loss <= limits.baseline)


def _score(loss: Any, metrics: tuple[Any, ...], best_place: int | None) -> Any:
    return loss if best_place is None else metrics[best_place]


def quiet_between(monitor: Monitor, limits: StopLimits) -> Bounds:
    """Gives the losses between which nothing happens to a trial: above the first, and not above the second."""
    bounds, is_high = bounds_of(monitor.initial_loss, limits), monitor.high_since != NEVER
    upper = jnp.where(is_high, bounds.upper, bounds.lower)
    # So that what is not finite is above it.
    upper = jnp.minimum(upper, jnp.finfo(upper.dtype).max)
    return Bounds(jnp.where(is_high, bounds.lower, -jnp.inf), upper)


def may_stop(monitor: Monitor, quiet: Bounds, losses: Sequence[Any], limits: StopLimits) -> Any:
    """Tells whether any of some losses in a row could stop a trial, or lead to a stop.

    Args:
        monitor: The trial's before them.
        quiet: What `quiet_between` gives for it.
        losses: The loss at each update.
        limits: What ends a trial.
    """
    highest, lowest = functools.reduce(jnp.maximum, losses), functools.reduce(jnp.minimum, losses)
    leaves = ~(highest <= quiet.upper) | (lowest <= quiet.lower)
    near = _is_near(lowest, monitor.initial_loss, limits)
    return monitor.active & (leaves | near | (monitor.at_target_since != NEVER))


def keep_best(best: tuple[Any, Any], k: Any, losses: Sequence[Any]) -> tuple[Any, Any]:
    """Gives the least loss and its update, of those before and of some losses in a row from the update `k` on."""
    least = functools.reduce(jnp.minimum, losses)
    place = jnp.int32(len(losses) - 1)
    for at in reversed(range(len(losses) - 1)):
        place = jnp.where(losses[at] == least, at, place)
    better = least < best[0]
    return jnp.where(better, least, best[0]), jnp.where(better, k + place, best[1])


def note_best(monitor: Monitor, k: Any, best: tuple[Any, Any], limits: StopLimits) -> Monitor:
    """Takes note of the best loss that `keep_best` found before the update `k`, with no mark of the steps between."""
    seen = monitor._replace(
        best_loss=best[0],
        best_at=best[1],
        half_loss=jnp.where(k <= half_of(limits.steps), jnp.fmin(best[0], monitor.half_loss), monitor.half_loss),
        late_loss=jnp.where(k <= late_of(limits.steps), jnp.fmin(best[0], monitor.late_loss), monitor.late_loss),
    )
    return where(monitor.active, seen, monitor)


def outcome_of(monitor: Monitor, predicted_decrease: Any, limits: StopLimits) -> Outcome:
    """Sums up a trial that has ended.

    Args:
        monitor: Its monitor.
        predicted_decrease: See `TrainState`.
        limits: What ended it.
    """
    status = classify(
        converged=monitor.converged_at != NEVER,
        diverged=monitor.diverged_at != NEVER,
        half_loss=monitor.half_loss,
        late_loss=monitor.late_loss,
        final_loss=monitor.final_loss,
        predicted_decrease=predicted_decrease,
        minimum=limits.minimum,
    )
    return Outcome(
        status=status,
        steps=monitor.steps,
        converged_at=monitor.converged_at,
        diverged_at=monitor.diverged_at,
        initial_loss=monitor.initial_loss,
        final_loss=monitor.final_loss,
        best_loss=monitor.best_loss,
        best_at=monitor.best_at,
        final_metrics=monitor.final_metrics,
        best_metrics=monitor.best_metrics,
    )


def where(condition: Any, new: Any, old: Any) -> Any:
    """Chooses between two pytrees, leaf by leaf."""
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)


def half_of(steps: Any) -> Any:
    """Gives the last update of the first half."""
    return steps // 2


def late_of(steps: Any) -> Any:
    """Gives the update at which the last quarter begins: three quarters of the steps, rounded down."""
    return steps - (steps + 3) // 4
