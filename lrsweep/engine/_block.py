"""Trials side by side, as one block: the loop in which they go on until all have ended, or pause."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._batch_last import vmap_last
from lrsweep.engine._chunks import Turn, call, pass_quiet_turns
from lrsweep.engine._layout import Layout, Pauses
from lrsweep.engine._scalarize import gather, spread, unroll
from lrsweep.training._monitor import Limits, Measured, Watch, first_watch, late_of, note_best, observe
from lrsweep.training._program import Given, Program
from lrsweep.training._trial import Moving, measure, start_trial, update


class State(NamedTuple):
    """The trials of a block after `k` updates, ``[lane, ...]`` but for `k` and what all of them have in common.

    `curve` is the losses recorded, ``[lane, record]``, NaN after a trial's end, or None.
    """

    k: Any
    moving: Moving
    watch: Watch
    curve: Any


def start_lane(
    program: Program, row: Mapping[str, Any], seed: Any, given: Given, records: int, *, guarded: bool
) -> State:
    """The state of one trial before its first update; the arguments are those of `start_trial`.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        given: What all trials share.
        records: How many losses to record: those of the updates 0, `record_every`, 2 `record_every`, ...
        guarded: Whether the parameters must stay finite.
    """
    moving = start_trial(program, row, seed, given, guarded=guarded)
    metrics = jax.eval_shape(lambda: program.measure_all(row, moving.params, given))
    curve = jnp.full(records, jnp.nan, moving.promised.dtype) if records else None
    return State(jnp.int32(0), moving, first_watch(moving.promised, metrics), curve)


def run_block(
    program: Program,
    rows: Mapping[str, Any],
    given: Given,
    limits: Limits,
    state: State,
    pauses: Pauses,
    layout: Layout,
    by_lane: Any,
) -> State:
    """Goes on with the trials of a block until all have ended; where few are left, those pause.

    Args:
        program: What is compiled.
        rows: The trials' columns, ``[lane]`` by name.
        given: What all trials share.
        limits: What ends a trial.
        state: Where they are.
        pauses: When all pause.
        layout: How the loop is laid out.
        by_lane: For every leaf of `state.moving` 0, or None where the lanes have it in common.
    """
    first, records, packed = state.k, state.curve is not None, state.moving
    moving, updates = _lay_out(program, rows, given, limits, packed, layout, by_lane)

    def take_one(state: State) -> State:
        k, moving, watch, curve = state
        after, losses, finite = updates[True](k, moving)
        measured = measure_due(k, moving, losses, finite, watch.going)
        seen, curve = look(k, watch, curve, measured)
        # What has ended stays where it did: to go on could take a loop in its loss for ever.
        kept = _choose(seen.going, after, moving, by_lane, layout)
        if program.diagnoses:
            kept = kept._replace(overshot=jnp.where(watch.going, after.overshot, moving.overshot))
        return State(k + 1, kept, seen, curve)

    def measure_due(k: Any, moving: Moving, losses: Any, finite: Any, going: Any) -> Measured:
        """Measures the loss over all the data and the metrics of all, where those of one that goes on are due."""
        sound = finite & jnp.isfinite(losses)
        due = (k % limits.evaluate_every == 0) | (k >= limits.steps) | ~sound
        if program.sees_loss:
            return Measured(due, sound, losses, ())
        axes = _axes(by_lane, layout)
        of_lane = partial(measure, program)

        def now() -> tuple[Any, Any]:
            return jax.vmap(of_lane, in_axes=(0, None, axes, 0))(rows, given, moving, losses)

        def later() -> tuple[Any, Any]:
            return jax.tree.map(lambda like: jnp.full(like.shape, jnp.nan, like.dtype), jax.eval_shape(now))

        return Measured(due, sound, *lax.cond((due & going).any(), now, later))

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
                measured = Measured(jnp.bool_(True), place < last.finite, last.losses[place], ())
                return look(k + place, *now, measured), None

            seen = note_best(watch, k, last.best, limits), curve
            return lax.scan(one, seen, jnp.arange(layout.turn, dtype=jnp.int32))[0]

        ends = late_of(limits.steps) - k < layout.turn
        last = lax.cond(ends, partial(pass_quiet, True), partial(pass_quiet, False), k, moving, watch)
        one_kernel = layout.one_kernel and not records
        watch, curve = call(look_at, last.end - layout.turn, last, watch, curve, one_kernel=one_kernel)
        return State(last.end, last.moving, watch, curve)

    def look(k: Any, watch: Watch, curve: Any, measured: Measured) -> tuple[Watch, Any]:
        curve = _record(curve, k, measured.loss, watch.going, limits.record_every)
        return observe(watch, k, measured, limits, program.best_place), curve

    def goes_on(state: State) -> Any:
        is_pause = (state.k > first) & (state.k % pauses.every == 0) & _few_go_on(state.watch, pauses)
        return state.watch.going.any() & ~is_pause

    take = take_one if layout.turn == 1 else take_several
    state = lax.while_loop(goes_on, take, state._replace(moving=moving))
    return state._replace(moving=_lanes_first(state.moving, packed, layout, by_lane))


def _lay_out(
    program: Program,
    rows: Mapping[str, Any],
    given: Given,
    limits: Limits,
    moving: Moving,
    layout: Layout,
    by_lane: Any,
) -> tuple[Any, dict[bool, Callable[[Any, Any], Any]]]:
    """What an update changes, laid out; and the update of all lanes, where what the gradient promises counts or not."""
    axes = _axes(by_lane, layout)
    lane = jax.tree.map(_like_lane, by_lane, moving, is_leaf=_is_none)

    def one(promising: bool, k: Any, row: Mapping[str, Any], moving: Any) -> Any:
        arrays = partial(update, program, row, given, limits, promising=promising)
        if not layout.unrolled:
            return arrays(k, moving)
        moving, loss, finite = unroll(arrays, jnp.int32(0), lane)(spread(k), moving)
        return moving, loss.elements[0], finite.elements[0]

    def all_lanes(promising: bool) -> Callable[[Any, Any], Any]:
        vmap, last = (vmap_last, -1) if layout.lanes_last else (jax.vmap, 0)
        run = vmap(partial(one, promising), in_axes=(None, last, axes), out_axes=(axes, last, last))
        return lambda k, moving: run(k, rows, moving)

    if layout.unrolled:
        moving = jax.vmap(spread, in_axes=(by_lane,), out_axes=by_lane)(moving)
    elif layout.lanes_last:
        moving = _moved(moving, by_lane, 0, -1)
    return moving, {promising: all_lanes(promising) for promising in (False, True)}


def _lanes_first(moving: Any, packed: Moving, layout: Layout, by_lane: Any) -> Moving:
    """What an update changes, as it was before it was laid out: `packed` is what it was then."""
    if layout.unrolled:
        return jax.vmap(gather, in_axes=(by_lane, by_lane), out_axes=by_lane)(moving, packed)
    return _moved(moving, by_lane, -1, 0) if layout.lanes_last else moving


def _axes(by_lane: Any, layout: Layout) -> Any:
    """Along which axis the lanes are in every leaf of what an update changes, None where they have it in common."""
    return jax.tree.map(lambda _: -1, by_lane) if layout.lanes_last else by_lane


def _moved(moving: Moving, by_lane: Any, source: int, destination: int) -> Moving:
    def move(axis: Any, array: Any) -> Any:
        return array if axis is None else jnp.moveaxis(array, source, destination)

    return jax.tree.map(move, by_lane, moving, is_leaf=_is_none)


def _choose(condition: Any, new: Moving, old: Moving, by_lane: Any, layout: Layout) -> Moving:
    """One or the other, lane by lane; of what the lanes have in common the new."""

    def choose(axis: Any, new: Any, old: Any) -> Any:
        if axis is None:
            return new
        along = condition if layout.lanes_last else condition.reshape(-1, *[1] * (new.ndim - 1))
        return jnp.where(along, new, old)

    return jax.tree.map(choose, by_lane, new, old, is_leaf=_is_none)


def _is_none(axis: Any) -> bool:
    return axis is None


def _like_lane(axis: Any, array: Any) -> jax.ShapeDtypeStruct | None:
    if array is None:
        return None
    aval = jax.typeof(array)
    shape = aval.shape if axis is None else aval.shape[1:]
    return jax.ShapeDtypeStruct(shape, aval.dtype, weak_type=aval.weak_type)


def _few_go_on(watch: Watch, pauses: Pauses) -> Any:
    return watch.going.sum(dtype=jnp.int32) <= pauses.most


def _record(curve: Any, k: Any, losses: Any, going: Any, every: Any) -> Any:
    if curve is None:
        return None
    place = jnp.minimum(k // every, curve.shape[1] - 1)
    return curve.at[:, place].set(jnp.where(going & (k % every == 0), losses, curve[:, place]))
