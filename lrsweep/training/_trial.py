"""One trial as scalar JAX code: how it starts, an update of it, and what is measured on its way."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.training._monitor import Limits, late_of, where
from lrsweep.training._program import Given, Program, extra_arguments


class Moving(NamedTuple):
    """What an update changes; `promised` adds up the changes of the loss that the gradient promised, at the end.

    Where trials are diagnosed, `last` is the update before, and `overshot` counts those after which the gradient
    pointed back along them. Where the parameters are guarded they stay at the last that were finite, and `sound` says
    whether those that should have followed are.
    """

    params: Any
    optimizer: Any
    batches: Any
    promised: Any
    last: Any = None
    overshot: Any = None
    sound: Any = None


def start_trial(program: Program, row: Mapping[str, Any], seed: Any, given: Given, *, guarded: bool) -> Moving:
    """A trial before its first update.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        given: What all trials share.
        guarded: Whether the parameters must stay finite: with others, a loop in the loss might not come to its end.
    """
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), program.start(row, seed, given))
    optimizer = program.build_optimizer(row).init(params)
    loss = jax.eval_shape(program.loss_on(row, given.data), params)
    moving = Moving(params, optimizer, program.open_stream(seed, given), jnp.zeros((), loss.dtype))
    if program.diagnoses:
        moving = moving._replace(last=jax.tree.map(jnp.zeros_like, params), overshot=jnp.int32(0))
    return moving._replace(sound=_all_finite(params)) if guarded else moving


def update(
    program: Program,
    row: Mapping[str, Any],
    given: Given,
    limits: Limits,
    k: Any,
    moving: Moving,
    *,
    promising: bool,
) -> tuple[Moving, Any, Any]:
    """One step of gradient descent: the next update, the loss before it, and whether the parameters were finite.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        given: What all trials share.
        limits: What says which is the last update, and where the last quarter begins.
        k: int32, the number of updates so far.
        moving: What they came to.
        promising: Whether what the gradient promises may count.
    """
    batch, batches = program.next_batch(moving.batches, given)
    loss_of = program.loss_on(row, batch)
    loss, grads = jax.value_and_grad(loss_of)(moving.params)
    optimizer = program.build_optimizer(row)
    extra = extra_arguments(optimizer, loss, grads, loss_of)
    updates, optimizer_state = optimizer.update(grads, moving.optimizer, moving.params, **extra)
    params, promised = optax.apply_updates(moving.params, updates), moving.promised
    params = where(k < limits.last, params, moving.params)
    if promising:
        counts = (k >= late_of(limits.steps)) & (k < limits.steps)
        promised += jnp.where(counts, abs(optax.tree.vdot(grads, updates)), 0).astype(promised.dtype)
    after = moving._replace(params=params, optimizer=optimizer_state, batches=batches, promised=promised)
    if program.diagnoses:
        after = after._replace(
            last=updates, overshot=moving.overshot + (jnp.asarray(optax.tree.vdot(grads, moving.last)) > 0)
        )
    if moving.sound is None:
        return after, loss, _all_finite(moving.params)
    sound = _all_finite(params)
    after = after._replace(params=where(sound, params, moving.params), sound=sound)
    return after, jnp.where(moving.sound, loss, jnp.nan), moving.sound


def measure(program: Program, row: Mapping[str, Any], given: Given, moving: Moving, loss: Any) -> tuple[Any, Any]:
    """The loss over all the data, and the metrics.

    Args:
        program: What is compiled.
        row: The trial's columns.
        given: What all trials share.
        moving: Where they are measured.
        loss: The loss there on the examples that the next update sees.
    """
    over_all = loss if program.batch_size is None else program.loss_on(row, given.data)(moving.params)
    measured = over_all, program.measure_all(row, moving.params, given)
    if moving.sound is None:
        return measured
    return jax.tree.map(lambda value: jnp.where(moving.sound, value, jnp.nan), measured)


def _all_finite(params: Any) -> Any:
    finite = jnp.bool_(True)
    for leaf in jax.tree.leaves(params):
        finite &= jnp.isfinite(leaf).all()
    return finite
