"""One trial as scalar JAX code: its start, an update, and an evaluation of where it is."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from lrsweep.problems._filled import Filled
from lrsweep.training._keys import key_of_measurement, key_of_update, open_key
from lrsweep.training._measures import Step, measure
from lrsweep.training._monitor import StopLimits, last_quarter_of, tree_where
from lrsweep.training._program import Program, SharedInputs, extra_arguments
from lrsweep.training._pytree import widen


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
            None. Guarded parameters stay at the last finite ones, and the model state with them.
        state: The model state; None where there is none.
        key: The key that those of its updates and measurements are made from; None where nothing takes one.
        measures: What is recorded of the last update, in the order of `Program.measures`; None where that is nothing.
    """

    params: Any
    optimizer: Any
    batches: Any
    predicted_decrease: Any
    last_update: Any = None
    overshot: Any = None
    finite: Any = None
    state: Any = None
    key: Any = None
    measures: Any = None


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
    start = jax.tree.map(_as_array, program.start(row, seed, shared))
    params, state = start if program.keeps_state else (start, None)
    optimizer = program.build_optimizer(row).init(params)
    key = open_key(seed) if program.names_key else None
    loss = jax.eval_shape(program.measured_loss(row, shared.measured, filled_in_measurements(key, state)), params)
    batches = program.open_stream(seed, shared)
    if program.keeps_state:
        # Flax's running means begin in 32 bits and go on in the precision of the data.
        batch = examples_of(shared, None if batches is None else batches.order[: program.batch_size])
        loss_of = program.loss_on(row, batch, Filled(key, state, training=True))
        state = widen(state, jax.eval_shape(loss_of, params)[1])
    train = TrainState(params, optimizer, batches, jnp.zeros((), loss.dtype), state=state, key=key)
    if program.measures:
        train = train._replace(measures=tuple(jnp.zeros((), loss.dtype) for _ in program.measures))
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
    batch: Any,
    *,
    predicting: bool,
    branching: bool = False,
    joined: bool = False,
) -> tuple[TrainState, Any, Any]:
    """Takes one step of gradient descent: a minibatch, the gradient of its loss, and the optimizer's update.

    Args:
        program: The functions that the trial calls.
        row: The trial's columns, scalars by name.
        shared: The arrays that all trials share.
        limits: The limits that say where the last quarter of the steps begins, and when the parameters freeze.
        k: int32, the number of updates so far.
        train: The state after them, but for the stream of minibatches, which is beyond this update's.
        batch: ``[size] int32``, the indices of the update's examples; None for all.
        predicting: Whether to add to the predicted decrease, which counts in the last quarter only.
        branching: Whether a branch spares the updates before it the work, rather than a factor of 0.
        joined: Whether to compute the predicted decrease of one array, into which the others are copied.

    Returns:
        The state after the update; the loss of the minibatch before it; and whether the parameters before it were
        finite.
    """
    key = None if train.key is None else key_of_update(train.key, k)
    loss_of = program.loss_on(row, examples_of(shared, batch), Filled(key, train.state, training=True))
    (loss, state), grads = jax.value_and_grad(loss_of, has_aux=True)(train.params)
    optimizer = program.build_optimizer(row)
    extra = extra_arguments(optimizer, loss, grads, lambda params: loss_of(params)[0])
    updates, optimizer_state = optimizer.update(grads, train.optimizer, train.params, **extra)
    params = optax.apply_updates(train.params, updates)

    moves = k < limits.freeze_at
    if not program.updates_measure:
        # A trial that stops here is measured here.
        moves &= jnp.isfinite(loss)
    params, state = tree_where(moves, (params, state), (train.params, train.state))
    after = train._replace(params=params, state=state, optimizer=optimizer_state)
    if predicting:
        total, in_last_quarter = train.predicted_decrease, (k >= last_quarter_of(limits.steps)) & (k < limits.steps)
        # A branch spares the work only if no update has to be kept for it.
        changes = updates if program.sees_loss else optax.tree.sub(params, train.params)
        factors = (_join(grads), _join(changes)) if joined else (grads, changes)
        if branching:
            decrease = lax.cond(
                in_last_quarter, lambda: _absolute_product(*factors, total), lambda: jnp.zeros_like(total)
            )
        else:
            decrease = jnp.where(in_last_quarter, _absolute_product(*factors, total), 0)
        after = after._replace(predicted_decrease=total + decrease)
    if program.measures:
        step = Step(row, train.params, grads, updates, train.optimizer, optimizer_state)
        after = after._replace(measures=measure(program, step, train.predicted_decrease.dtype))
    if program.diagnoses:
        points_back = jnp.asarray(optax.tree.vdot(grads, train.last_update)) > 0
        after = after._replace(last_update=updates, overshot=train.overshot + points_back)
    if train.finite is None:
        return after, loss, is_finite(train)
    finite = _all_finite(params)
    params, state = tree_where(finite, (params, state), (train.params, train.state))
    measures = jax.tree.map(lambda value: jnp.where(train.finite, value, jnp.nan), after.measures)
    after = after._replace(params=params, state=state, finite=finite, measures=measures)
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
    loss = batch_loss if program.updates_measure else loss_in_table(program, row, shared, train)(train.params)
    filled = filled_in_measurements(train.key, train.state)
    evaluation = loss, program.all_metrics(row, train.params, shared, filled)
    if train.finite is None:
        return evaluation
    return jax.tree.map(lambda value: jnp.where(train.finite, value, jnp.nan), evaluation)


def examples_of(shared: SharedInputs, batch: Any) -> Any:
    """Gives the examples of a batch, or all of them where there is none."""
    return shared.data if batch is None else jax.tree.map(lambda array: array[batch], shared.data)


def loss_in_table(
    program: Program, row: Mapping[str, Any], shared: SharedInputs, train: TrainState
) -> Callable[[Any], Any]:
    """Gives the loss that the table holds as a function of the parameters, at the model state of a trial."""
    return program.measured_loss(row, shared.measured, filled_in_measurements(train.key, train.state))


def filled_in_measurements(key: Any, state: Any) -> Filled:
    """Gives what a measurement fills in; `key` is what `open_key` gives, or None."""
    return Filled(None if key is None else key_of_measurement(key), state, training=False)


def _as_array(leaf: Any) -> Any:
    """Gives a number as an array of its dtype, so that an update does not change it."""
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else jnp.asarray(leaf, jnp.result_type(leaf))


def is_finite(train: TrainState, *, joined: bool = False, by_product: bool = False) -> Any:
    """Tells whether the parameters of a trial are finite, and have been so far where they are guarded.

    Args:
        train: The trial's state.
        joined: Whether to find it out of all arrays at once, for which they are copied into one.
        by_product: Whether to multiply them by zeros, rather than to look at each of their scalars: a CPU does that
            several times as fast.
    """
    if train.finite is not None:
        return train.finite
    if by_product:
        return _all_finite([_times_zeros(leaf) for leaf in jax.tree.leaves(train.params)])
    return _all_finite(_join(train.params) if joined else train.params)


def _times_zeros(array: Any) -> Any:
    """Gives 0 where all of an array is finite, otherwise NaN."""
    axes = tuple(range(array.ndim))
    # In a lower precision the largest numbers would overflow.
    return lax.dot_general(array, jnp.zeros_like(array), ((axes, axes), ((), ())), precision=lax.Precision.HIGHEST)


def _join(tree: Any) -> Any:
    # Without the barrier XLA would make the arrays anew for the copy.
    return ravel_pytree(lax.optimization_barrier(tree))[0]


def _absolute_product(grads: Any, updates: Any, like: Any) -> Any:
    return jnp.asarray(abs(optax.tree.vdot(grads, updates)), like.dtype)


def _all_finite(params: Any) -> Any:
    finite = jnp.bool_(True)
    for leaf in jax.tree.leaves(params):
        finite &= jnp.isfinite(leaf).all()
    return finite
