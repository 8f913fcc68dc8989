"""One trial as scalar JAX code: it starts, follows the gradient until it ends, and says what became of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lrsweep.program import Given, Program, extra_arguments
from lrsweep.status import classify, gap

# The axis that trials run side by side on. A trial asks along it only whether any of them is still going.
LANE = "lane"

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


class Ran(NamedTuple):
    """An outcome, the parameters that it ended with, and the losses recorded: ``[record]``, NaN after its end."""

    outcome: Outcome
    params: Any
    curve: Any


class Measured(NamedTuple):
    """What is known of the parameters after some update.

    `due` says whether the loss over all the data and the metrics have been measured there; `sound`, known always,
    whether the parameters and the loss that the update saw are finite.
    """

    due: Any
    sound: Any
    loss: Any
    metrics: tuple[Any, ...]


class _Watch(NamedTuple):
    """What is kept of a trial while it runs, whatever the number of steps."""

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


class _State(NamedTuple):
    k: Any
    params: Any
    optimizer: Any
    batches: Any
    watch: _Watch
    curve: Any


def run_trial(program: Program, row: Mapping[str, Any], seed: Any, given: Given, limits: Limits, records: int) -> Ran:
    """Runs one trial; to be called under `jax.vmap(..., axis_name=LANE)`.

    The loop goes on while any trial beside this one does, so that its condition, and the count of updates, are the
    same for all of them. A trial that has ended stands still.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        given: What all trials share.
        limits: What ends it.
        records: How many losses to record: those of the updates 0, `record_every`, 2 `record_every`, ...
    """
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), program.start(row, seed, given))
    optimizer = program.build_optimizer(row)

    def step(state: _State) -> _State:
        batch, batches = program.next_batch(state.batches, given)
        loss_of = program.loss_on(row, batch)
        loss, grads = jax.value_and_grad(loss_of)(state.params)
        measured = measure(program, row, state.k, state.params, loss, state.watch.going, given, limits)
        watch = observe(state.watch, state.k, measured, limits, program.best_place)
        extra = extra_arguments(optimizer, loss, grads, loss_of)
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params, **extra)
        params = _where(watch.going, optax.apply_updates(state.params, updates), state.params)
        watch = _note_promise(watch, state.k, grads, updates, limits)
        curve = _record(state.curve, state.k, measured.loss, state.watch.going, limits.record_every)
        return _State(state.k + 1, params, optimizer_state, batches, watch, curve)

    watch = _first_watch(program, row, params, given)
    curve = jnp.full(records, jnp.nan, watch.final_loss.dtype)
    state = lax.while_loop(
        lambda state: lax.pmax(state.watch.going.astype(jnp.int32), LANE) > 0,
        step,
        _State(jnp.int32(0), params, optimizer.init(params), program.open_stream(seed, given), watch, curve),
    )
    return Ran(_outcome(state.watch, limits), state.params, state.curve)


def measure(
    program: Program,
    row: Mapping[str, Any],
    k: Any,
    params: Any,
    loss: Any,
    going: Any,
    given: Given,
    limits: Limits,
) -> Measured:
    """Measures the loss over all the data and the metrics, where they are due.

    They are at every `evaluate_every`-th update, at the last, and where something is no longer finite. What is
    measured for one trial is measured for all beside it, since they run in step; who is not due pays no attention.

    Args:
        program: What is compiled.
        row: The trial's columns.
        k: int32, the number of updates so far.
        params: The parameters after them.
        loss: Their loss on the examples that the next update sees.
        going: bool, whether the trial has not ended.
        given: What all trials share.
        limits: What says when.
    """
    sound = jnp.isfinite(loss)
    for leaf in jax.tree.leaves(params):
        sound &= jnp.isfinite(leaf).all()
    due = (k % limits.evaluate_every == 0) | (k >= limits.steps) | ~sound
    if program.sees_loss:
        return Measured(due, sound, loss, ())

    def now() -> tuple[Any, tuple[Any, ...]]:
        over_all = loss if program.batch_size is None else program.loss_on(row, given.data)(params)
        return over_all, program.measure_all(row, params, given)

    def later() -> tuple[Any, tuple[Any, ...]]:
        return jax.tree.map(lambda like: jnp.full(like.shape, jnp.nan, like.dtype), jax.eval_shape(now))

    anyone = lax.pmax((due & going).astype(jnp.int32), LANE) > 0
    return Measured(due, sound, *lax.cond(anyone, now, later))


def observe(watch: _Watch, k: Any, measured: Measured, limits: Limits, best_place: int | None) -> _Watch:
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
        best_metrics=_where(better, measured.metrics, watch.best_metrics),
        half_loss=jnp.where(k <= limits.steps // 2, jnp.fmin(loss, watch.half_loss), watch.half_loss),
        late_loss=jnp.where(k <= _late(limits.steps), jnp.fmin(loss, watch.late_loss), watch.late_loss),
    )
    return _where(watch.going & measured.due, seen, watch)


def _score(loss: Any, metrics: tuple[Any, ...], best_place: int | None) -> Any:
    return loss if best_place is None else metrics[best_place]


def _note_promise(watch: _Watch, k: Any, grads: Any, updates: Any, limits: Limits) -> _Watch:
    """Adds up the changes of the loss that the gradient promised, over the updates of the last quarter."""
    promised = jnp.asarray(abs(optax.tree.vdot(grads, updates)), watch.promised.dtype)
    counts = watch.going & (k >= _late(limits.steps))
    return watch._replace(promised=watch.promised + jnp.where(counts, promised, 0))


def _first_watch(program: Program, row: Mapping[str, Any], params: Any, given: Given) -> _Watch:
    loss_like = jax.eval_shape(program.loss_on(row, given.data), params)
    metrics_like = jax.eval_shape(lambda: program.measure_all(row, params, given))
    nan, zero, never = jnp.full((), jnp.nan, loss_like.dtype), jnp.int32(0), jnp.int32(NEVER)
    metrics = tuple(jnp.full((), jnp.nan, like.dtype) for like in metrics_like)
    return _Watch(
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


def _where(condition: Any, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)


def _late(steps: Any) -> Any:
    # Where the last quarter begins: three quarters of the steps, rounded down, without overflow.
    return steps - (steps + 3) // 4


def _record(curve: Any, k: Any, loss: Any, going: Any, every: Any) -> Any:
    if curve.size == 0:
        return curve
    place = jnp.minimum(k // every, curve.size - 1)
    return curve.at[place].set(jnp.where(going & (k % every == 0), loss, curve[place]))


def _outcome(watch: _Watch, limits: Limits) -> Outcome:
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
