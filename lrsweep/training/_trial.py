"""One trial as scalar JAX code: its start, an update, and an evaluation of where it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.training._monitor import StopLimits, last_quarter_of, tree_where
from lrsweep.training._program import Program, SharedInputs, extra_arguments


class TrainState(NamedTuple):
    """The state that one update hands to the next.

    Attributes:
        params: The parameters.
        optimizer: The optimizer's state.
        batches: The position in the stream of minibatches, or None where every update sees all the data.
        predicted_decrease: The sum of ``|gradient . update|`` over the updates of the last quarter: by how much the
            loss would have changed if it were linear.
        last_update: The last update, where trials are diagnosed; otherwise None.
        overshot: int32, how many updates were followed by a gradient that points back along them, where trials are
            diagnosed; otherwise None.
        finite: bool, whether every update so far gave finite parameters, where the parameters are guarded; otherwise
            None. Guarded parameters stay at the last finite ones.
    """

    params: Any
    optimizer: Any
    batches: Any
    predicted_decrease: Any
    last_update: Any = None
    overshot: Any = None
    finite: Any = None


def start_trial(
    program: Program, row: Mapping[str, Any], seed: Any, shared: SharedInputs, *, guarded: bool
) -> TrainState:
    """Gives the state of a trial before its first update.

    Args:
        program: The functions that the trial calls.
        row: The trial's columns, scalars by name.
        seed: uint32, the seed that its key is made from.
        shared: The arrays that all trials share.
        guarded: Whether to keep the parameters finite, since a loop in the loss might never end on others.
    """
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), program.start(row, seed, shared))
    optimizer = program.build_optimizer(row).init(params)
    loss = jax.eval_shape(program.loss_on(row, shared.measured), params)
    train = TrainState(params, optimizer, program.open_stream(seed, shared), jnp.zeros((), loss.dtype))
    if program.diagnoses:
        train = train._replace(last_update=jax.tree.map(jnp.zeros_like, params), overshot=jnp.int32(0))
    return train._replace(finite=_all_finite(params)) if guarded else train


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
    """Takes one step of gradient descent: a minibatch, the gradient of its loss, and the optimizer's update.

    Args:
        program: The functions that the trial calls.
        row: The trial's columns, scalars by name.
        shared: The arrays that all trials share.
        limits: The limits that say where the last quarter of the steps begins, and when the parameters freeze.
        k: int32, the number of updates so far.
        train: The state after them.
        predicting: Whether to add to the predicted decrease, which counts in the last quarter only.

    Returns:
        The state after the update; the loss of the minibatch before it; and whether the parameters before it were
        finite.
    """
    batch, batches = program.next_batch(train.batches, shared)
    loss_of = program.loss_on(row, batch)
    loss, grads = jax.value_and_grad(loss_of)(train.params)
    optimizer = program.build_optimizer(row)
    extra = extra_arguments(optimizer, loss, grads, loss_of)
    updates, optimizer_state = optimizer.update(grads, train.optimizer, train.params, **extra)
    params = tree_where(k < limits.freeze_at, optax.apply_updates(train.params, updates), train.params)

    after = train._replace(params=params, optimizer=optimizer_state, batches=batches)
    if predicting:
        in_last_quarter = (k >= last_quarter_of(limits.steps)) & (k < limits.steps)
        decrease = jnp.where(in_last_quarter, abs(optax.tree.vdot(grads, updates)), 0)
        total = train.predicted_decrease
        after = after._replace(predicted_decrease=total + decrease.astype(total.dtype))
    if program.diagnoses:
        points_back = jnp.asarray(optax.tree.vdot(grads, train.last_update)) > 0
        after = after._replace(last_update=updates, overshot=train.overshot + points_back)
    if train.finite is None:
        return after, loss, _all_finite(train.params)
    finite = _all_finite(params)
    after = after._replace(params=tree_where(finite, params, train.params), finite=finite)
    return after, jnp.where(train.finite, loss, jnp.nan), train.finite


def evaluate(
    program: Program, row: Mapping[str, Any], shared: SharedInputs, train: TrainState, batch_loss: Any
) -> tuple[Any, tuple[Any, ...]]:
    """Computes the loss in the table, over all the data, a sample of it or the next minibatch, and the metrics.

    Args:
        program: The functions that the trial calls.
        row: The trial's columns, scalars by name.
        shared: The arrays that all trials share.
        train: The state whose parameters are evaluated.
        batch_loss: The loss that the next update computes there, which is the one in the table where `updates_measure`
            says so.

    Returns:
        The loss and the metrics, NaN once guarded parameters have stopped being finite.
    """
    loss = batch_loss if program.updates_measure else program.loss_on(row, shared.measured)(train.params)
    evaluation = loss, program.all_metrics(row, train.params, shared)
    if train.finite is None:
        return evaluation
    return jax.tree.map(lambda value: jnp.where(train.finite, value, jnp.nan), evaluation)


def _all_finite(params: Any) -> Any:
    finite = jnp.bool_(True)
    for leaf in jax.tree.leaves(params):
        finite &= jnp.isfinite(leaf).all()
    return finite
