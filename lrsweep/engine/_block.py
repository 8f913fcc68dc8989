"""One block: trials side by side in one loop, until all of them have ended or the block pauses."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._batch_last import like_lane, vmap_last
from lrsweep.engine._chunks import Chunk, call, run_quiet_chunks
from lrsweep.engine._layout import CompactionPolicy, Layout
from lrsweep.engine._scalarize import join, split, unroll
from lrsweep.training._monitor import (
    Evaluation,
    Monitor,
    StopLimits,
    last_quarter_of,
    note_quiet,
    observe,
    start_monitor,
)
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState, evaluate, start_trial, update

# One update of all lanes. It takes whether to add to the predicted decrease, the number of updates so far, and the
# train states as they are laid out; it gives what `update` in training gives, for every lane.
_UpdateLanes = Callable[[bool, Any, Any], tuple[Any, Any, Any]]


class TrialState(NamedTuple):
    """The state of a block's trials, ``[lane, ...]`` except for what all lanes have in common.

    Attributes:
        k: int32, the number of updates so far, which all lanes have in common.
        train: The train states.
        monitor: The monitors.
        curve: The recorded losses, ``[lane, record]``, NaN after a trial's end; or None.
    """

    k: Any
    train: TrainState
    monitor: Monitor
    curve: Any


def start_lane(
    program: Program, row: Mapping[str, Any], seed: Any, shared: SharedInputs, records: int, *, guarded: bool
) -> TrialState:
    """Gives the state of one trial before its first update.

    Args:
        program: See `start_trial`.
        row: See `start_trial`.
        seed: See `start_trial`.
        shared: See `start_trial`.
        records: How many losses to record: those of the updates 0, `record_every`, 2 `record_every`, ...
        guarded: See `start_trial`.
    """
    train = start_trial(program, row, seed, shared, guarded=guarded)
    metrics = jax.eval_shape(lambda: evaluate(program, row, shared, train, train.predicted_decrease))[1]
    curve = jnp.full(records, jnp.nan, train.predicted_decrease.dtype) if records else None
    return TrialState(jnp.int32(0), train, start_monitor(train.predicted_decrease, metrics), curve)


class Block(NamedTuple):
    """One block: trials side by side, and the loop in which they run.

    Attributes:
        program: The functions that a trial calls.
        rows: The trials' columns, ``[lane]`` by name.
        shared: The arrays that all trials share.
        limits: The limits that end a trial.
        compaction: When the block pauses.
        layout: How the loop is laid out.
        by_lane: `jax.vmap`'s axis for every leaf of a train state: 0, or None where the lanes have it in common.
    """

    program: Program
    rows: Mapping[str, Any]
    shared: SharedInputs
    limits: StopLimits
    compaction: CompactionPolicy
    layout: Layout
    by_lane: Any

    def run(self, state: TrialState) -> TrialState:
        """Runs the trials until all have ended, or until so few are active that the block pauses."""
        first, plain = state.k, state.train
        train, update_lanes = self._lay_out(plain)
        advance = self._run_update if self.layout.chunk == 1 else self._run_chunks

        def keeps_running(state: TrialState) -> Any:
            may_pause = (state.k > first) & (state.k % self.compaction.every == 0)
            return state.monitor.active.any() & ~(may_pause & self._few_are_active(state.monitor))

        state = lax.while_loop(keeps_running, partial(advance, update_lanes), state._replace(train=train))
        return state._replace(train=_undo_layout(state.train, plain, self.layout, self.by_lane))

    def _run_update(self, update_lanes: _UpdateLanes, state: TrialState) -> TrialState:
        """Evaluates all lanes, and updates those that stay active."""
        k, train, monitor, curve = state
        updated, losses, finite = update_lanes(True, k, train)
        evaluation = self._evaluate(k, train, losses, finite, monitor.active)
        monitor_after, curve = self._observe(k, monitor, curve, evaluation)
        # A trial that has ended keeps its parameters: on later ones a loop in its loss might never end.
        train_after = _choose(monitor_after.active, updated, train, self.by_lane, self.layout)
        if self.program.diagnoses:
            # The gradient at the end still says whether the last update overshot.
            train_after = train_after._replace(overshot=jnp.where(monitor.active, updated.overshot, train.overshot))
        return TrialState(k + 1, train_after, monitor_after, curve)

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

    def _run_chunks(self, update_lanes: _UpdateLanes, state: TrialState) -> TrialState:
        """Runs chunks up to one in which a trial may stop, and observes every update of that one."""
        k, train, monitor, curve = state
        limits, layout, records = self.limits, self.layout, curve is not None
        few = self._few_are_active(monitor)

        def is_wanted(k: Any) -> Any:
            # The steps are never negative, but the compiler does not know: it compiles the same updates, to the bit,
            # whether losses are recorded or not.
            is_recorded = (limits.steps >= 0) & records
            return is_recorded | (few & ((k + layout.chunk) % self.compaction.every == 0))

        def run_quiet(predicting: bool, k: Any, train: Any, monitor: Monitor) -> Chunk:
            return run_quiet_chunks(partial(update_lanes, predicting), k, train, monitor, limits, layout, is_wanted)

        def observe_chunk(k: Any, chunk: Chunk, monitor: Monitor, curve: Any) -> tuple[Monitor, Any]:
            def observe_update(carry: tuple[Monitor, Any], place: Any) -> tuple[tuple[Monitor, Any], None]:
                evaluation = Evaluation(jnp.bool_(True), place < chunk.finite, chunk.losses[place], ())
                return self._observe(k + place, *carry, evaluation), None

            before = note_quiet(monitor, k, chunk.best, limits), curve
            return lax.scan(observe_update, before, jnp.arange(layout.chunk, dtype=jnp.int32))[0]

        in_last_quarter = last_quarter_of(limits.steps) - k < layout.chunk
        chunk = lax.cond(in_last_quarter, partial(run_quiet, True), partial(run_quiet, False), k, train, monitor)
        one_kernel = layout.one_kernel and not records
        monitor, curve = call(observe_chunk, chunk.end - layout.chunk, chunk, monitor, curve, one_kernel=one_kernel)
        return TrialState(chunk.end, chunk.train, monitor, curve)

    def _observe(self, k: Any, monitor: Monitor, curve: Any, evaluation: Evaluation) -> tuple[Monitor, Any]:
        curve = _record(curve, k, evaluation.loss, monitor.active, self.limits.record_every)
        return observe(monitor, k, evaluation, self.limits, self.program.best_metric), curve

    def _few_are_active(self, monitor: Monitor) -> Any:
        return monitor.active.sum(dtype=jnp.int32) <= self.compaction.most

    def _lay_out(self, train: TrainState) -> tuple[Any, _UpdateLanes]:
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


def _record(curve: Any, k: Any, losses: Any, active: Any, every: Any) -> Any:
    """Records the losses at the update `k` of the lanes that are active, where it is one to record."""
    if curve is None:
        return None
    place = jnp.minimum(k // every, curve.shape[1] - 1)
    return curve.at[:, place].set(jnp.where(active & (k % every == 0), losses, curve[:, place]))
