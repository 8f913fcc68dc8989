"""What is kept of a trial while it runs, whatever the number of steps, and what is said of it in the end."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.status import classify, gap

# What stands for "never" where the table has a missing value.
NEVER = -1


class Limits(NamedTuple):
    """The numbers that end a trial, arguments of the compiled program: another value compiles nothing.

    `target` is a loss, or None for a share of the starting gap (`tolerance`). Losses and metrics are measured at every
    `evaluate_every`-th update, and those of every `record_every`-th, a multiple of it, recorded.
    """

    steps: Any
    tolerance: Any
    target: Any
    hold: Any
    divergence: Any
    minimum: Any
    evaluate_every: Any
    record_every: Any


class Outcome(NamedTuple):
    """What became of a trial: scalars here, ``[trial]`` once many have run.

    `status` is a `Status`; `steps`, `converged_at`, `diverged_at` and `best_at` are int32 in updates, with `NEVER`
    where there is none; the losses are in the loss's dtype, the metrics in their own.
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

    Beside what its outcome says: whether it is `going`; since when it has been at the target; the least loss of the
    first half and of the first three quarters of the steps; and what the gradient promised in the last quarter.
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
    promised: Any


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
        promised=jnp.zeros((), nan.dtype),
    )


def observe(watch: Watch, k: Any, measured: Measured, limits: Limits, best_place: int | None) -> Watch:
    """Takes note of what was measured after `k` updates, where it was, and decides whether the trial ends there."""
    loss = measured.loss
    minimum = jnp.asarray(limits.minimum, loss.dtype)
    initial_loss = jnp.where(k == 0, loss, watch.initial_loss)
    gap_0, gap_k = gap(initial_loss, minimum), gap(loss, minimum)
    diverged = ~measured.sound | ~jnp.isfinite(loss) | (gap_k > limits.divergence * abs(gap_0))

    # A start below the stated minimum counts as at it: no share of a negative gap would be nearer.
    near = gap_k <= limits.tolerance * jnp.maximum(gap_0, 0) if limits.target is None else loss <= limits.target
    at_target = near & ~diverged
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
        half_loss=jnp.where(k <= limits.steps // 2, jnp.fmin(loss, watch.half_loss), watch.half_loss),
        late_loss=jnp.where(k <= _late(limits.steps), jnp.fmin(loss, watch.late_loss), watch.late_loss),
    )
    return where(watch.going & measured.due, seen, watch)


def _score(loss: Any, metrics: tuple[Any, ...], best_place: int | None) -> Any:
    return loss if best_place is None else metrics[best_place]


def note_promise(watch: Watch, k: Any, grads: Any, updates: Any, limits: Limits) -> Watch:
    """Adds up the changes of the loss that the gradient promised, over the updates of the last quarter."""
    promised = jnp.asarray(abs(optax.tree.vdot(grads, updates)), watch.promised.dtype)
    counts = watch.going & (k >= _late(limits.steps))
    return watch._replace(promised=watch.promised + jnp.where(counts, promised, 0))


def outcome_of(watch: Watch, limits: Limits) -> Outcome:
    """What became of a trial that has ended."""
    status = classify(
        converged=watch.converged_at != NEVER,
        diverged=watch.diverged_at != NEVER,
        half_loss=watch.half_loss,
        late_loss=watch.late_loss,
        final_loss=watch.final_loss,
        promised=watch.promised,
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


def _late(steps: Any) -> Any:
    # Where the last quarter begins: three quarters of the steps, rounded down, without overflow.
    return steps - (steps + 3) // 4
