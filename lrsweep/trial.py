"""One trial as scalar JAX code: it starts, follows the gradient until it ends, and is watched on its way."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lrsweep.program import Given, Program, extra_arguments
from lrsweep.scalars import TooLargeError, gather, spread, unroll
from lrsweep.turns import LANE, Layout, Pauses, Turn, Update, any_lane, call, pass_quiet_turns
from lrsweep.watch import Limits, Measured, Watch, first_watch, late_of, note_best, observe, where


class Moving(NamedTuple):
    """What an update changes; `promised` adds up the changes of the loss that the gradient promised, at the end.

    Where trials are diagnosed, `last` is the update before, and `overshot` counts those after which the gradient
    pointed back along them.
    """

    params: Any
    optimizer: Any
    batches: Any
    promised: Any
    last: Any = None
    overshot: Any = None


class State(NamedTuple):
    """A trial after `k` updates; `curve` is the losses recorded, ``[record]``, NaN after its end, or None."""

    k: Any
    moving: Moving
    watch: Watch
    curve: Any


def start_trial(program: Program, row: Mapping[str, Any], seed: Any, given: Given, records: int) -> State:
    """A trial before its first update.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        given: What all trials share.
        records: How many losses to record: those of the updates 0, `record_every`, 2 `record_every`, ...
    """
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), program.start(row, seed, given))
    optimizer = program.build_optimizer(row).init(params)
    loss = jax.eval_shape(program.loss_on(row, given.data), params)
    metrics = jax.eval_shape(lambda: program.measure_all(row, params, given))
    moving = Moving(params, optimizer, program.open_stream(seed, given), jnp.zeros((), loss.dtype))
    if program.diagnoses:
        moving = moving._replace(last=jax.tree.map(jnp.zeros_like, params), overshot=jnp.int32(0))
    curve = jnp.full(records, jnp.nan, loss.dtype) if records else None
    return State(jnp.int32(0), moving, first_watch(loss, metrics), curve)


def run_trial(
    program: Program,
    row: Mapping[str, Any],
    given: Given,
    limits: Limits,
    state: State,
    pauses: Pauses,
    layout: Layout,
) -> State:
    """Goes on with a trial until it ends, or pauses; to be called under `jax.vmap(..., axis_name=LANE)`.

    The loop goes on while any trial beside this one does, so that its condition, and the count of updates, are the
    same for all of them; one that has ended is no longer watched. Where few are left, all pause.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        given: What all trials share.
        limits: What ends it.
        state: Where it is.
        pauses: When all pause.
        layout: How the loop is laid out.
    """
    packed, first, records = state.moving, state.k, state.curve is not None

    one = partial(update, program, row, given, limits)
    updates: dict[bool, Any] = {promising: partial(one, promising=promising) for promising in (False, True)}
    if layout.unrolled:
        updates = {promising: _written_out(arrays, packed) for promising, arrays in updates.items()}
        state = state._replace(moving=spread(packed))

    def take_one(state: State) -> State:
        k, moving, watch, curve = state
        after, loss, finite = updates[True](k, moving)
        measured = measure(program, row, k, moving.params, loss, finite, watch.going, given, limits)
        was_going = watch.going
        watch, curve = _look(program, k, watch, curve, measured, limits)
        if program.diagnoses:
            # It stays where it ended, to be measured there.
            after = after._replace(
                params=where(watch.going, after.params, moving.params),
                last=where(watch.going, after.last, moving.last),
                overshot=where(was_going, after.overshot, moving.overshot),
            )
        return State(k + 1, after, watch, curve)

    def take_several(state: State) -> State:
        k, moving, watch, curve = state
        few = _few_go_on(watch, pauses)

        def is_stop(k: Any) -> Any:
            # Said so that the compiler does not know it: it makes the same of a trial whether it is recorded or not.
            recorded = (limits.steps >= 0) & records
            return recorded | (few & ((k + layout.turn) % pauses.every == 0))

        def pass_quiet(promising: bool, k: Any, moving: Any, watch: Watch) -> Turn:
            return pass_quiet_turns(updates[promising], k, moving, watch, limits, layout, is_stop)

        def look_at(k: Any, last: Turn, watch: Watch, curve: Any) -> tuple[Watch, Any]:
            def one(now: tuple[Watch, Any], place: Any) -> tuple[tuple[Watch, Any], None]:
                loss = last.losses[place]
                measured = Measured(jnp.bool_(True), place < last.finite, loss, ())
                return _look(program, k + place, *now, measured, limits), None

            seen = note_best(watch, k, last.best, limits), curve
            return lax.scan(one, seen, jnp.arange(layout.turn, dtype=jnp.int32))[0]

        ends = late_of(limits.steps) - k < layout.turn
        last = lax.cond(ends, partial(pass_quiet, True), partial(pass_quiet, False), k, moving, watch)
        one_kernel = layout.one_kernel and not records
        watch, curve = call(look_at, last.end - layout.turn, last, watch, curve, one_kernel=one_kernel)
        return State(last.end, last.moving, watch, curve)

    def goes_on(state: State) -> Any:
        is_pause = (state.k > first) & (state.k % pauses.every == 0) & _few_go_on(state.watch, pauses)
        return any_lane(state.watch.going) & ~is_pause

    state = lax.while_loop(goes_on, take_one if layout.turn == 1 else take_several, state)
    return state._replace(moving=gather(state.moving, packed)) if layout.unrolled else state


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
    after = Moving(params, optimizer_state, batches, promised)
    if program.diagnoses:
        after = after._replace(
            last=updates, overshot=moving.overshot + (jnp.asarray(optax.tree.vdot(grads, moving.last)) > 0)
        )
    return after, loss, _all_finite(moving.params)


def is_small(program: Program, row: Mapping[str, Any], given: Given, limits: Limits) -> bool:
    """Whether the updates of a trial are small enough to be computed on separate scalars; `row` holds shapes."""

    def attempt(row: Mapping[str, Any], given: Given, limits: Limits) -> None:
        moving = start_trial(program, row, jnp.uint32(0), given, 0).moving
        _written_out(partial(update, program, row, given, limits, promising=True), moving)

    try:
        jax.eval_shape(attempt, row, given, limits)
    except TooLargeError:
        return False
    return True


def measure(
    program: Program,
    row: Mapping[str, Any],
    k: Any,
    params: Any,
    loss: Any,
    finite: Any,
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
        finite: bool, whether they are finite.
        going: bool, whether the trial has not ended.
        given: What all trials share.
        limits: What says when.
    """
    sound = finite & jnp.isfinite(loss)
    due = (k % limits.evaluate_every == 0) | (k >= limits.steps) | ~sound
    if program.sees_loss:
        return Measured(due, sound, loss, ())

    def now() -> tuple[Any, tuple[Any, ...]]:
        over_all = loss if program.batch_size is None else program.loss_on(row, given.data)(params)
        return over_all, program.measure_all(row, params, given)

    def later() -> tuple[Any, tuple[Any, ...]]:
        return jax.tree.map(lambda like: jnp.full(like.shape, jnp.nan, like.dtype), jax.eval_shape(now))

    return Measured(due, sound, *lax.cond(any_lane(due & going), now, later))


def _all_finite(params: Any) -> Any:
    finite = jnp.bool_(True)
    for leaf in jax.tree.leaves(params):
        finite &= jnp.isfinite(leaf).all()
    return finite


def _few_go_on(watch: Watch, pauses: Pauses) -> Any:
    return lax.psum(watch.going.astype(jnp.int32), LANE) <= pauses.most


def _written_out(update: Any, moving: Moving) -> Update:
    """The same update, of the elements of small arrays."""
    like = jnp.int32(0), moving
    function, shapes = unroll(update, *like), jax.eval_shape(update, *like)

    def on_elements(k: Any, moving: Any) -> tuple[Any, Any, Any]:
        moving, *rest = function(spread(k), moving)
        return moving, *gather(rest, list(shapes[1:]))

    return on_elements


def _look(program: Program, k: Any, watch: Watch, curve: Any, measured: Measured, limits: Limits) -> tuple[Watch, Any]:
    curve = _record(curve, k, measured.loss, watch.going, limits.record_every)
    return observe(watch, k, measured, limits, program.best_place), curve


def _record(curve: Any, k: Any, loss: Any, going: Any, every: Any) -> Any:
    if curve is None:
        return None
    place = jnp.minimum(k // every, curve.size - 1)
    return curve.at[place].set(jnp.where(going & (k % every == 0), loss, curve[place]))
