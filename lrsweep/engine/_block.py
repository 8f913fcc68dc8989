"""One block: trials side by side in one loop, chunk after chunk, until all of them have ended."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._batch_last import like_lane, vmap_last
from lrsweep.engine._kernel import call
from lrsweep.engine._layout import Layout
from lrsweep.engine._recording import Recorded, record, start_curves
from lrsweep.engine._scalarize import join, split, unroll
from lrsweep.training._monitor import (
    Evaluation,
    Monitor,
    StopLimits,
    half_of,
    last_quarter_of,
    may_stop,
    note_quiet,
    observe,
    quiet_bounds,
    start_monitor,
    tree_where,
    update_best,
)
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState, evaluate, is_finite, start_trial, update

# One update of all lanes. It takes the number of updates so far, and the train states as they are laid out; it gives
# what `update` in training gives, for every lane.
_UpdateLanes = Callable[[Any, Any], tuple[Any, Any, Any]]

# So many updates of a chunk are observed in one turn of a loop.
_TOGETHER = 8


class TrialState(NamedTuple):
    """The state of a block's trials, ``[lane, ...]`` except for what all lanes have in common.

    Attributes:
        k: int32, the number of updates so far, which all lanes have in common.
        train: The train states.
        monitor: The monitors.
        curves: What is recorded, ``[lane, record]`` by name, NaN after a trial's end; empty where that is nothing.
    """

    k: Any
    train: TrainState
    monitor: Monitor
    curves: Recorded


def start_lane(
    program: Program, row: Mapping[str, Any], seed: Any, shared: SharedInputs, records: int, *, guarded: bool
) -> TrialState:
    """Gives the state of one trial before its first update.

    Args:
        program: See `start_trial`.
        row: See `start_trial`.
        seed: See `start_trial`.
        shared: See `start_trial`.
        records: At how many updates to record: 0, `record_every`, 2 `record_every`, ...; 0 for no curves.
        guarded: See `start_trial`.
    """
    train = start_trial(program, row, seed, shared, guarded=guarded)
    metrics = jax.eval_shape(lambda: evaluate(program, row, shared, train, train.predicted_decrease))[1]
    seen = Evaluation(True, True, train.predicted_decrease, metrics, train.measures)
    monitor = start_monitor(train.predicted_decrease, metrics)
    return TrialState(jnp.int32(0), train, monitor, start_curves(program, seen, records))


class _Losses(NamedTuple):
    """What is seen of the trials in a chunk whose updates see all that is measured.

    Attributes:
        losses: ``[update, lane]``, the loss before each update.
        finite: ``[lane] int32``, before how many of the updates the parameters were finite. These come first: since an
            update is added to the parameters, what is not finite stays so.
    """

    losses: Any
    finite: Any

    def at(self, place: Any) -> Evaluation:
        return Evaluation(jnp.bool_(True), place < self.finite, self.losses[place], ())


class _QuietRun(NamedTuple):
    """Chunks in a row by which no trial may stop, up to one by which one may.

    Attributes:
        end: int32, the number of updates at the end of the last chunk.
        train: The train states there.
        seen: What is seen of the trials in the last chunk.
        best: ``[lane]`` each, the best loss, without the last chunk if that is busy, and its update.
        busy: bool, whether the monitors must observe the last chunk: a trial may stop in it, or come nearer to a stop.
    """

    end: Any
    train: Any
    seen: _Losses
    best: tuple[Any, Any]
    busy: Any


class Block(NamedTuple):
    """One block: trials side by side, and the loop in which they run.

    Attributes:
        program: The functions that a trial calls.
        rows: The trials' columns, ``[lane]`` by name.
        shared: The arrays that all trials share.
        limits: The limits that end a trial.
        layout: How the loop is laid out.
        observed_at: int32, the end of a chunk that is observed in any case.
        by_lane: `jax.vmap`'s axis for every leaf of a train state: 0, or None where the lanes have it in common.
    """

    program: Program
    rows: Mapping[str, Any]
    shared: SharedInputs
    limits: StopLimits
    layout: Layout
    observed_at: Any
    by_lane: Any

    def run(self, state: TrialState, until: Any) -> TrialState:
        """Runs the trials until all have ended, or to the update `until`, the end of a chunk."""
        plain = state.train
        train, update_lanes = self._lay_out(plain)
        state = state._replace(train=train)
        if self.layout.unrolled:
            # So small an update is much shorter without the sum that counts in the last quarter only.
            before = last_quarter_of(self.limits.steps) // self.layout.chunk * self.layout.chunk
            state = self._loop(partial(update_lanes, False), state, jnp.minimum(until, before))
        state = self._loop(partial(update_lanes, True), state, until)
        return state._replace(train=_undo_layout(state.train, plain, self.layout, self.by_lane))

    def _loop(self, update_lanes: _UpdateLanes, state: TrialState, until: Any) -> TrialState:
        is_quiet = self.layout.chunk > 1 and self.program.sees_loss

        def run(state: TrialState, until: Any) -> TrialState:
            def keeps_running(state: TrialState) -> Any:
                return state.monitor.active.any() & (state.k < until)

            def advance(state: TrialState) -> TrialState:
                if is_quiet:
                    return self._advance_quietly(update_lanes, state, until)
                return self._advance(update_lanes, state)

            return lax.while_loop(keeps_running, advance, state)

        captured = self.rows, self.shared, self.limits, self.observed_at
        return call(run, state, until, captured=captured, one_kernel=self.layout.one_kernel and not state.curves)

    def _advance(self, update_lanes: _UpdateLanes, state: TrialState) -> TrialState:
        """Runs a chunk, and observes its updates."""
        k, train, monitor, curves = state

        def run_update(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Evaluation]:
            k, train = carry
            updated, losses, finite = self._update(update_lanes, k, train)
            after = k + 1, updated
            seen = self._evaluate(k, train, losses, finite, monitor.active)
            return after, seen._replace(measures=updated.measures)

        (end, updated), seen = lax.scan(run_update, (k, train), length=self.layout.chunk)
        monitor_after, curves = self._observe(k, partial(_pick, seen), monitor, curves)
        if train.finite is None and not self.program.diagnoses:
            # Nobody looks at the parameters of a trial that has ended, and to keep them would take time and memory.
            return TrialState(end, updated, monitor_after, curves)
        # On later ones a loop in its loss might never end.
        train_after = _choose(monitor_after.active, updated, train, self.by_lane, self.layout)
        if self.program.diagnoses:
            # The gradient at the end still says whether the last update overshot.
            train_after = train_after._replace(overshot=jnp.where(monitor.active, updated.overshot, train.overshot))
        return TrialState(end, train_after, monitor_after, curves)

    def _advance_quietly(self, update_lanes: _UpdateLanes, state: TrialState, until: Any) -> TrialState:
        """Runs chunks up to one by which a trial may stop, and observes the updates of that one."""
        start, train, monitor, curves = state
        length, limits, quiet = self.layout.chunk, self.limits, quiet_bounds(monitor, self.limits)
        none = jnp.zeros(monitor.best_at.shape, jnp.int32)

        def run_update(carry: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
            k, train, finite = carry
            train, loss, is_finite = update_lanes(k, train)
            return (k + 1, train, finite + is_finite), loss

        def run_chunk(run: _QuietRun) -> _QuietRun:
            # Written out, an accelerator's updates of few scalars are one kernel; a CPU's loop is one already.
            written_out = self.layout.unrolled and not self.layout.one_kernel
            (end, train, finite), stacked = lax.scan(
                run_update, (run.end, run.train, none), length=length, unroll=written_out
            )
            losses = [stacked[place] for place in range(length)]
            matters = may_stop(monitor, quiet, losses, limits) | (monitor.active & (finite < length))
            # The steps are never negative, but the compiler does not know: it compiles the same updates, to the bit,
            # whether losses are recorded or not.
            busy = matters.any() | ((limits.steps >= 0) & bool(curves))
            busy |= (end >= self.observed_at) | _reaches_milestone(run.end, length, limits)
            best = tree_where(busy, run.best, update_best(run.best, run.end, losses))
            return _QuietRun(end, train, _Losses(stacked, finite), best, busy)

        unseen = _Losses(jnp.zeros((length, *monitor.best_loss.shape), monitor.best_loss.dtype), none)
        run = _QuietRun(start, train, unseen, (monitor.best_loss, monitor.best_at), jnp.bool_(False))
        run = lax.while_loop(lambda run: ~run.busy & (run.end < until), run_chunk, run)
        monitor = note_quiet(monitor, start, run.best, limits)
        monitor, curves = self._observe(run.end - length, run.seen.at, monitor, curves, run.busy)
        return TrialState(run.end, run.train, monitor, curves)

    def _update(self, update_lanes: _UpdateLanes, k: Any, train: Any) -> tuple[Any, Any, Any]:
        """Updates all lanes; once the steps are over only where something is still learned from the update."""
        if self.program.updates_measure or self.program.diagnoses or self.program.measures:
            return update_lanes(k, train)

        def stay(k: Any, train: Any) -> tuple[Any, Any, Any]:
            losses = jax.eval_shape(update_lanes, k, train)[1]
            finite = jax.vmap(is_finite, in_axes=(_axes(self.by_lane, self.layout),))(train)
            return train, jnp.zeros(losses.shape, losses.dtype), finite

        return lax.cond(k < self.limits.steps, update_lanes, stay, k, train)

    def _evaluate(self, k: Any, train: TrainState, losses: Any, finite: Any, active: Any) -> Evaluation:
        """Evaluates all lanes, and spares the work where no active lane is due."""
        limits = self.limits
        finite = finite & jnp.isfinite(losses)
        due = (k % limits.evaluate_every == 0) | (k >= limits.steps) | ~finite
        if self.program.sees_loss:
            return Evaluation(due, finite, losses, ())

        def compute() -> tuple[Any, Any]:
            axes = 0, None, _axes(self.by_lane, self.layout), 0
            return jax.vmap(partial(evaluate, self.program), in_axes=axes)(self.rows, self.shared, train, losses)

        def skip() -> tuple[Any, Any]:
            return jax.tree.map(lambda like: jnp.full(like.shape, jnp.nan, like.dtype), jax.eval_shape(compute))

        return Evaluation(due, finite, *lax.cond((due & active).any(), compute, skip))

    def _observe(
        self,
        k: Any,
        evaluation_at: Callable[[Any], Evaluation],
        monitor: Monitor,
        curves: Recorded,
        wanted: Any = True,
    ) -> tuple[Monitor, Recorded]:
        """Observes the updates of the chunk that begins at `k`, one by one, where it is wanted."""
        length = self.layout.chunk

        def observe_next(place: Any, carry: tuple[Monitor, Recorded]) -> tuple[Monitor, Recorded]:
            (monitor, curves), evaluation = carry, evaluation_at(place)
            curves = record(self.program, curves, k + place, evaluation, monitor.active, self.limits.record_every)
            return observe(monitor, k + place, evaluation, self.limits, self.program.best_metric), curves

        def observe_all(monitor: Monitor, curves: Recorded) -> tuple[Monitor, Recorded]:
            return lax.fori_loop(0, length, observe_next, (monitor, curves), unroll=math.gcd(length, _TOGETHER))

        if self.layout.one_kernel:
            # A branch would need a kernel of its own.
            return lax.fori_loop(0, jnp.where(wanted, length, 0), observe_next, (monitor, curves))
        return lax.cond(wanted, observe_all, lambda *unchanged: unchanged, monitor, curves)

    def _lay_out(self, train: TrainState) -> tuple[Any, Callable[..., Any]]:
        """Lays out the train states; gives them, and the update of all lanes that are laid out so."""
        layout, by_lane = self.layout, self.by_lane
        axes = _axes(by_lane, layout)
        lane = jax.tree.map(_like_lane, by_lane, train, is_leaf=_is_none)

        def update_lane(predicting: bool, k: Any, row: Mapping[str, Any], train: Any) -> Any:
            update_arrays = partial(update, self.program, row, self.shared, self.limits, predicting=predicting)
            if not layout.unrolled:
                return update_arrays(k, train)
            train, loss, finite = unroll(update_arrays, jnp.int32(0), lane)(split(k), train)
            return train, loss.elements[0], finite.elements[0]

        def update_lanes(predicting: bool, k: Any, train: Any) -> Any:
            vmap, axis = (vmap_last, -1) if layout.lanes_last else (jax.vmap, 0)
            mapped = vmap(partial(update_lane, predicting), in_axes=(None, axis, axes), out_axes=(axes, axis, axis))
            return mapped(k, self.rows, train)

        if layout.unrolled:
            return jax.vmap(split, in_axes=(by_lane,), out_axes=by_lane)(train), update_lanes
        return _move_lanes(train, by_lane, 0, -1) if layout.lanes_last else train, update_lanes


def _pick(seen: Evaluation, place: Any) -> Evaluation:
    return jax.tree.map(lambda leaf: leaf[place], seen)


def _reaches_milestone(k: Any, length: int, limits: StopLimits) -> Any:
    """Tells whether the chunk that begins at `k` is the first one, or one in which a share of the steps is over."""
    reaches = k == 0
    for milestone in (half_of(limits.steps), last_quarter_of(limits.steps), limits.steps):
        reaches |= (k <= milestone) & (milestone - k < length)
    return reaches


def _undo_layout(train: Any, plain: TrainState, layout: Layout, by_lane: Any) -> TrainState:
    """Gives the train states with the lanes as the first axis; `plain` are the ones that were laid out at first."""
    if layout.unrolled:
        return jax.vmap(join, in_axes=(by_lane, by_lane), out_axes=by_lane)(train, plain)
    return _move_lanes(train, by_lane, -1, 0) if layout.lanes_last else train


def _axes(by_lane: Any, layout: Layout) -> Any:
    """Gives the lanes' axis in every leaf of the train states as laid out, or None where they have it in common."""
    return jax.tree.map(lambda _: -1, by_lane) if layout.lanes_last else by_lane


def _move_lanes(train: TrainState, by_lane: Any, source: int, destination: int) -> TrainState:
    def move(axis: Any, array: Any) -> Any:
        return array if axis is None else jnp.moveaxis(array, source, destination)

    return jax.tree.map(move, by_lane, train, is_leaf=_is_none)


def _choose(condition: Any, new: TrainState, old: TrainState, by_lane: Any, layout: Layout) -> TrainState:
    """Chooses the new state or the old, lane by lane; what the lanes have in common is taken from the new."""

    def choose(axis: Any, new: Any, old: Any) -> Any:
        if axis is None:
            return new
        by_element = condition if layout.lanes_last else condition.reshape(-1, *[1] * (new.ndim - 1))
        return jnp.where(by_element, new, old)

    return jax.tree.map(choose, by_lane, new, old, is_leaf=_is_none)


def _is_none(axis: Any) -> bool:
    return axis is None


def _like_lane(axis: Any, array: Any) -> Any:
    return None if array is None else like_lane(array, axis)
