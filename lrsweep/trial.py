"""One trial as scalar JAX code: it starts, follows the gradient until it ends, and says what became of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lrsweep.binding import Binding
from lrsweep.optimizers import build_optimizer
from lrsweep.status import classify, gap

# The axis that trials run side by side on. A trial asks along it only whether any of them is still going.
LANE = "lane"

# What stands for "never" where the table has a missing value.
NEVER = -1


class Program(NamedTuple):
    """What a trial is compiled from. Equal programs share one compilation.

    `init` is None where every trial starts from the same parameters, which are then an argument of `run_trial`.
    """

    loss: Callable[..., Any]
    init: Callable[..., Any] | None
    optimizer: Callable[..., optax.GradientTransformation]
    binding: Binding


class Limits(NamedTuple):
    """The numbers that end a trial, arguments of the compiled program: another value compiles nothing.

    `target` is a loss, or None for a share of the starting gap (`tolerance`).
    """

    steps: Any
    tolerance: Any
    target: Any
    hold: Any
    divergence: Any
    minimum: Any
    record_every: Any


class Outcome(NamedTuple):
    """What became of a trial: scalars here, ``[trial]`` once many have run.

    `status` is a `Status`; `steps`, `converged_at`, `diverged_at` and `best_at` are int32 in updates, with `NEVER`
    where there is none; the losses are in the loss's dtype.
    """

    status: Any
    steps: Any
    converged_at: Any
    diverged_at: Any
    initial_loss: Any
    final_loss: Any
    best_loss: Any
    best_at: Any


class Ran(NamedTuple):
    """An outcome, the parameters that it ended with, and the losses recorded: ``[record]``, NaN after its end."""

    outcome: Outcome
    params: Any
    curve: Any


class _Watch(NamedTuple):
    """What is kept of a trial while it runs, whatever the number of steps."""

    going: Any
    at_target_since: Any
    converged_at: Any
    diverged_at: Any
    steps: Any
    initial_loss: Any
    final_loss: Any
    best_loss: Any
    best_at: Any
    half_loss: Any
    late_loss: Any
    promised: Any


class _State(NamedTuple):
    k: Any
    params: Any
    optimizer: Any
    watch: _Watch
    curve: Any


def run_trial(
    program: Program,
    row: Mapping[str, Any],
    seed: Any,
    start: Any,
    data: Any,
    limits: Limits,
    records: int,
) -> Ran:
    """Runs one trial; to be called under `jax.vmap(..., axis_name=LANE)`.

    The loop goes on while any trial beside this one does, so that its condition, and the count of updates, are the
    same for all of them. A trial that has ended stands still.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        start: The parameters to start from, or None where the program has an `init`.
        data: The objective's data, or None.
        limits: What ends it.
        records: How many losses to record: those of the updates 0, `record_every`, 2 `record_every`, ...
    """
    loss_of = program.loss if data is None else lambda params: program.loss(params, data)
    if program.init is not None:
        start = program.init(jax.random.key(seed), **{name: row[name] for name in program.binding.init})
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), start)
    dtype = jax.eval_shape(loss_of, params).dtype
    settings = {name: row[name] for name in program.binding.optimizer}
    optimizer = optax.with_extra_args_support(build_optimizer(program.optimizer, settings, params))

    def step(state: _State) -> _State:
        loss, grads = jax.value_and_grad(loss_of)(state.params)
        watch = observe(state.watch, state.k, loss, state.params, limits)
        updates, optimizer_state = optimizer.update(
            grads, state.optimizer, state.params, value=loss, grad=grads, value_fn=loss_of
        )
        params = _where(watch.going, optax.apply_updates(state.params, updates), state.params)
        watch = _note_promise(watch, state.k, grads, updates, limits)
        curve = _record(state.curve, state.k, loss, state.watch.going, limits.record_every)
        return _State(state.k + 1, params, optimizer_state, watch, curve)

    state = lax.while_loop(
        lambda state: lax.pmax(state.watch.going.astype(jnp.int32), LANE) > 0,
        step,
        _State(jnp.int32(0), params, optimizer.init(params), _first_watch(dtype), jnp.full(records, jnp.nan, dtype)),
    )
    return Ran(_outcome(state.watch, limits), state.params, state.curve)


def observe(watch: _Watch, k: Any, loss: Any, params: Any, limits: Limits) -> _Watch:
    """Takes note of the loss at the parameters after `k` updates, and decides whether the trial ends there."""
    minimum = jnp.asarray(limits.minimum, loss.dtype)
    initial_loss = jnp.where(k == 0, loss, watch.initial_loss)
    gap_0, gap_k = gap(initial_loss, minimum), gap(loss, minimum)

    finite = jnp.isfinite(loss)
    for leaf in jax.tree.leaves(params):
        finite &= jnp.isfinite(leaf).all()
    diverged = ~finite | (gap_k > limits.divergence * abs(gap_0))

    # A start below the stated minimum counts as at it: no share of a negative gap would be nearer.
    near = gap_k <= limits.tolerance * jnp.maximum(gap_0, 0) if limits.target is None else loss <= limits.target
    at_target = near & ~diverged
    since = jnp.where(at_target, jnp.where(watch.at_target_since == NEVER, k, watch.at_target_since), NEVER)
    last = k >= limits.steps
    converged = at_target & ((k - since + 1 >= limits.hold) | last)

    better = (loss < watch.best_loss) | (jnp.isnan(watch.best_loss) & ~jnp.isnan(loss))
    best_loss = jnp.where(better, loss, watch.best_loss)
    seen = watch._replace(
        going=~(converged | diverged | last),
        at_target_since=since,
        converged_at=jnp.where(converged, since, NEVER),
        diverged_at=jnp.where(diverged, k, NEVER),
        steps=k,
        initial_loss=initial_loss,
        final_loss=loss,
        best_loss=best_loss,
        best_at=jnp.where(better, k, watch.best_at),
        half_loss=jnp.where(k <= limits.steps // 2, best_loss, watch.half_loss),
        late_loss=jnp.where(k <= _late(limits.steps), best_loss, watch.late_loss),
    )
    return _where(watch.going, seen, watch)


def _note_promise(watch: _Watch, k: Any, grads: Any, updates: Any, limits: Limits) -> _Watch:
    """Adds up the changes of the loss that the gradient promised, over the updates of the last quarter."""
    promised = jnp.asarray(abs(optax.tree.vdot(grads, updates)), watch.promised.dtype)
    counts = watch.going & (k >= _late(limits.steps))
    return watch._replace(promised=watch.promised + jnp.where(counts, promised, 0))


def _first_watch(dtype: Any) -> _Watch:
    nan, zero, never = jnp.full((), jnp.nan, dtype), jnp.int32(0), jnp.int32(NEVER)
    return _Watch(
        going=jnp.bool_(True),
        at_target_since=never,
        converged_at=never,
        diverged_at=never,
        steps=zero,
        initial_loss=nan,
        final_loss=nan,
        best_loss=nan,
        best_at=zero,
        half_loss=nan,
        late_loss=nan,
        promised=jnp.zeros((), dtype),
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
    )
