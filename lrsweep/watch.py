"""What is kept of a trial while it runs, whatever the number of steps, and what is said of it in the end."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lrsweep.status import classify, gap

# What stands for "never" where the table has a missing value.
NEVER = -1


class Limits(NamedTuple):
    """The numbers that end a trial, arguments of the compiled program: another value compiles nothing.

    `target` is a loss, or None for a share of the starting gap (`tolerance`). Losses and metrics are measured at every
    `evaluate_every`-th update, and those of every `record_every`-th, a multiple of it, recorded. The parameters stay as
    the update `last` leaves them.
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


class Measured(NamedTuple):
    """What is known of the parameters after some update.

    `due` says whether the loss over all the data and the metrics have been measured there; `sound`, known always,
    whether the parameters and the loss that the update saw are finite.
    """

    due: Any
    sound: Any
    loss: Any
    metrics: tuple[Any, ...]


class Watch(NamedTuple):
    """What is kept of a trial while it runs.

    Beside what its outcome says: whether it is `going`; since when it has been at the target; and the least loss of
    the first half and of the first three quarters of the steps.
    """

    going: Any
    at_target_since: Any
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


def first_watch(loss_like: Any, metrics_like: tuple[Any, ...]) -> Watch:
    """What is known before anything has been observed, in the dtypes of the loss and the metrics."""
    nan, zero, never = jnp.full((), jnp.nan, loss_like.dtype), jnp.int32(0), jnp.int32(NEVER)
    metrics = tuple(jnp.full((), jnp.nan, like.dtype) for like in metrics_like)
    return Watch(
        going=jnp.bool_(True),
        at_target_since=never,
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


def observe(watch: Watch, k: Any, measured: Measured, limits: Limits, best_place: int | None) -> Watch:
    """Takes note of what was measured after `k` updates, where it was, and decides whether the trial ends there."""
    loss = measured.loss
    minimum = jnp.asarray(limits.minimum, loss.dtype)
    initial_loss = jnp.where(k == 0, loss, watch.initial_loss)
    gap_0, gap_k = gap(initial_loss, minimum), gap(loss, minimum)
    diverged = ~measured.sound | ~jnp.isfinite(loss) | (gap_k > limits.divergence * abs(gap_0))
    at_target = _is_near(loss, gap_k, gap_0, limits) & ~diverged
    since = jnp.where(at_target, jnp.where(watch.at_target_since == NEVER, k, watch.at_target_since), NEVER)
    last = k >= limits.steps
    converged = at_target & ((k - since + 1 >= limits.hold) | last)

    score, best_score = (
        _score(loss, measured.metrics, best_place),
        _score(watch.best_loss, watch.best_metrics, best_place),
    )
    better = (score < best_score) | (jnp.isnan(best_score) & ~jnp.isnan(score)) | (k == 0)
    seen = watch._replace(
        going=~(converged | diverged | last),
        at_target_since=since,
        converged_at=jnp.where(converged, since, NEVER),
        diverged_at=jnp.where(diverged, k, NEVER),
        steps=k,
        initial_loss=initial_loss,
        final_loss=loss,
        final_metrics=measured.metrics,
        best_loss=jnp.where(better, loss, watch.best_loss),
        best_at=jnp.where(better, k, watch.best_at),
        best_metrics=where(better, measured.metrics, watch.best_metrics),
        half_loss=jnp.where(k <= half_of(limits.steps), jnp.fmin(loss, watch.half_loss), watch.half_loss),
        late_loss=jnp.where(k <= late_of(limits.steps), jnp.fmin(loss, watch.late_loss), watch.late_loss),
    )
    return where(watch.going & measured.due, seen, watch)


def _is_near(loss: Any, gap_k: Any, gap_0: Any, limits: Limits) -> Any:
    if limits.target is not None:
        return loss <= limits.target
    # A start below the stated minimum counts as at it: no share of a negative gap would be nearer.
    return gap_k <= limits.tolerance * jnp.maximum(gap_0, 0)


def _score(loss: Any, metrics: tuple[Any, ...], best_place: int | None) -> Any:
    return loss if best_place is None else metrics[best_place]


def may_matter(watch: Watch, losses: Sequence[Any], limits: Limits) -> Any:
    """Whether more can come of some losses in a row than a better one: an end, or the way to it.

    Args:
        watch: What was known before them.
        losses: The loss at each update.
        limits: What ends a trial.
    """
    highest, lowest = functools.reduce(jnp.maximum, losses), functools.reduce(jnp.minimum, losses)
    minimum = jnp.asarray(limits.minimum, highest.dtype)
    gap_0 = gap(watch.initial_loss, minimum)
    away = ~jnp.isfinite(highest) | ~(gap(highest, minimum) <= limits.divergence * abs(gap_0))
    near = _is_near(lowest, gap(lowest, minimum), gap_0, limits)
    return watch.going & (away | near | (watch.at_target_since != NEVER))


def keep_best(best: tuple[Any, Any], k: Any, losses: Sequence[Any]) -> tuple[Any, Any]:
    """The least loss and where it was, from those before and some losses in a row, from the update `k` on."""
    least = functools.reduce(jnp.minimum, losses)
    place = jnp.int32(len(losses) - 1)
    for at in reversed(range(len(losses) - 1)):
        place = jnp.where(losses[at] == least, at, place)
    better = least < best[0]
    return jnp.where(better, least, best[0]), jnp.where(better, k + place, best[1])


def note_best(watch: Watch, k: Any, best: tuple[Any, Any], limits: Limits) -> Watch:
    """Takes note of what `keep_best` gave, of losses before the update `k` and on its side of each mark."""
    seen = watch._replace(
        best_loss=best[0],
        best_at=best[1],
        half_loss=jnp.where(k <= half_of(limits.steps), jnp.fmin(best[0], watch.half_loss), watch.half_loss),
        late_loss=jnp.where(k <= late_of(limits.steps), jnp.fmin(best[0], watch.late_loss), watch.late_loss),
    )
    return where(watch.going, seen, watch)


def outcome_of(watch: Watch, promised: Any, limits: Limits) -> Outcome:
    """What became of a trial that has ended.

    Args:
        watch: What was kept of it.
        promised: The sum of the changes of the loss that the gradient promised, over the updates of the last quarter.
        limits: What ended it.
    """
    status = classify(
        converged=watch.converged_at != NEVER,
        diverged=watch.diverged_at != NEVER,
        half_loss=watch.half_loss,
        late_loss=watch.late_loss,
        final_loss=watch.final_loss,
        promised=promised,
        minimum=limits.minimum,
    )
    return Outcome(
        status=status,
        steps=watch.steps,
        converged_at=watch.converged_at,
        diverged_at=watch.diverged_at,
        initial_loss=watch.initial_loss,
        final_loss=watch.final_loss,
        best_loss=watch.best_loss,
        best_at=watch.best_at,
        final_metrics=watch.final_metrics,
        best_metrics=watch.best_metrics,
    )


def where(condition: Any, new: Any, old: Any) -> Any:
    """One pytree or the other, leaf by leaf."""
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)


def half_of(steps: Any) -> Any:
    """The last update of the first half."""
    return steps // 2


def late_of(steps: Any) -> Any:
    """Where the last quarter begins: three quarters of the steps, rounded down, without overflow."""
    return steps - (steps + 3) // 4
