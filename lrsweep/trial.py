"""One trial as scalar JAX code: it starts, follows the gradient until it ends, and says what became of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lrsweep.program import Given, Program, extra_arguments
from lrsweep.watch import Limits, Measured, Outcome, Watch, first_watch, note_promise, observe, outcome_of, where

# The axis that trials run side by side on. A trial asks along it only whether any of them is still going, or is due.
LANE = "lane"


class Ran(NamedTuple):
    """An outcome, the parameters that it ended with, and the losses recorded: ``[record]``, NaN after its end."""

    outcome: Outcome
    params: Any
    curve: Any


class _State(NamedTuple):
    k: Any
    params: Any
    optimizer: Any
    batches: Any
    watch: Watch
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
        params = where(watch.going, optax.apply_updates(state.params, updates), state.params)
        watch = note_promise(watch, state.k, grads, updates, limits)
        curve = _record(state.curve, state.k, measured.loss, state.watch.going, limits.record_every)
        return _State(state.k + 1, params, optimizer_state, batches, watch, curve)

    watch = first_watch(*_shapes(program, row, params, given))
    curve = jnp.full(records, jnp.nan, watch.final_loss.dtype)
    state = lax.while_loop(
        lambda state: lax.pmax(state.watch.going.astype(jnp.int32), LANE) > 0,
        step,
        _State(jnp.int32(0), params, optimizer.init(params), program.open_stream(seed, given), watch, curve),
    )
    return Ran(outcome_of(state.watch, limits), state.params, state.curve)


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


def _record(curve: Any, k: Any, loss: Any, going: Any, every: Any) -> Any:
    if curve.size == 0:
        return curve
    place = jnp.minimum(k // every, curve.size - 1)
    return curve.at[place].set(jnp.where(going & (k % every == 0), loss, curve[place]))


def _shapes(program: Program, row: Mapping[str, Any], params: Any, given: Given) -> tuple[Any, tuple[Any, ...]]:
    loss = jax.eval_shape(program.loss_on(row, given.data), params)
    return loss, jax.eval_shape(lambda: program.measure_all(row, params, given))
