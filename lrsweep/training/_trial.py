"""One trial as scalar JAX code: its start, an update, and an evaluation of where it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.training._monitor import StopLimits, late_of, where
from lrsweep.training._program import Program, SharedInputs, extra_arguments


class TrainState(NamedTuple):
    """State carried from one update to the next.

    Attributes:
        params: The parameters.
        optimizer: The optimizer's state.
        batches: Where the trial is in its stream of batches, or None.
        predicted_decrease: The sum of ``|gradient . update|`` over the last quarter's updates: by how much the loss
            would have changed if it were linear.
        last: Where trials are diagnosed, the last update.
        overshot: Where trials are diagnosed, int32, after how many updates the gradient pointed back along them.
        sound: Where the parameters are guarded, bool, whether they are those that the last update gave. They stay at
            the last that were finite, and from then on this is False.
    """

    params: Any
    optimizer: Any
    batches: Any
    predicted_decrease: Any
    last: Any = None
    overshot: Any = None
    sound: Any = None


def start_trial(
    program: Program, row: Mapping[str, Any], seed: Any, shared: SharedInputs, *, guarded: bool
) -> TrainState:
    """Gives a trial before its first update.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        shared: What all trials share.
        guarded: Whether the parameters must stay finite: with others, a loop in the loss might never end.
    """
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), program.start(row, seed, shared))
    optimizer = program.build_optimizer(row).init(params)
    loss = jax.eval_shape(program.loss_on(row, shared.data), params)
    train = TrainState(params, optimizer, program.open_stream(seed, shared), jnp.zeros((), loss.dtype))
    if program.diagnoses:
        train = train._replace(last=jax.tree.map(jnp.zeros_like, params), overshot=jnp.int32(0))
    return train._replace(sound=_all_finite(params)) if guarded else train


def update(
    program: Program,
    row: Mapping[str, Any],
    shared: SharedInputs,
    limits: StopLimits,
    k: Any,
    train: TrainState,
    *,
    predicting: bool,
) -> tuple[TrainState, Any, Any]:
    """Takes one step of gradient descent.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        shared: What all trials share.
        limits: What says which is the last update, and where the last quarter begins.
        k: int32, the number of updates so far.
        train: The state after them.
        predicting: Whether to add up the predicted decrease, which counts in the last quarter only.

    Returns:
        The state after the update, the loss before it, and whether the parameters before it were finite.
    """
    batch, batches = program.next_batch(train.batches, shared)
    loss_of = program.loss_on(row, batch)
    loss, grads = jax.value_and_grad(loss_of)(train.params)
    optimizer = program.build_optimizer(row)
    extra = extra_arguments(optimizer, loss, grads, loss_of)
    updates, optimizer_state = optimizer.update(grads, train.optimizer, train.params, **extra)
    params = where(k < limits.last, optax.apply_updates(train.params, updates), train.params)
    after = train._replace(params=params, optimizer=optimizer_state, batches=batches)
    if predicting:
        is_late, total = (k >= late_of(limits.steps)) & (k < limits.steps), train.predicted_decrease
        decrease = jnp.where(is_late, abs(optax.tree.vdot(grads, updates)), 0)
        after = after._replace(predicted_decrease=total + decrease.astype(total.dtype))
    if program.diagnoses:
        after = after._replace(
            last=updates, overshot=train.overshot + (jnp.asarray(optax.tree.vdot(grads, train.last)) > 0)
        )
    if train.sound is None:
        return after, loss, _all_finite(train.params)
    sound = _all_finite(params)
    after = after._replace(params=where(sound, params, train.params), sound=sound)
    return after, jnp.where(train.sound, loss, jnp.nan), train.sound


def evaluate(
    program: Program, row: Mapping[str, Any], shared: SharedInputs, train: TrainState, loss: Any
) -> tuple[Any, Any]:
    """Computes the loss over all the data, and the metrics.

    Args:
        program: What is compiled.
        row: The trial's columns.
        shared: What all trials share.
        train: The state they are computed at.
        loss: The loss there on the examples that the next update sees.
    """
    over_all = loss if program.batch_size is None else program.loss_on(row, shared.data)(train.params)
    evaluation = over_all, program.all_metrics(row, train.params, shared)
    if train.sound is None:
        return evaluation
    return jax.tree.map(lambda value: jnp.where(train.sound, value, jnp.nan), evaluation)


def _all_finite(params: Any) -> Any:
    finite = jnp.bool_(True)
    for leaf in jax.tree.leaves(params):
        finite &= jnp.isfinite(leaf).all()
    return finite
