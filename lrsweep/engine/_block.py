"""One block: trials side by side in one loop, until all have ended or the block pauses."""

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
from lrsweep.training._monitor import Evaluation, Monitor, StopLimits, late_of, note_best, observe, start_monitor
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState, evaluate, start_trial, update

# One update of all lanes: whether to add up the predicted decrease, the count of updates, the train states as laid out.
_Updates = Callable[[bool, Any, Any], tuple[Any, Any, Any]]


class TrialState(NamedTuple):
    """State of a block's trials after `k` updates, ``[lane, ...]`` but for `k` and what all lanes have in common.

    `curve` holds the losses recorded, ``[lane, record]``, NaN after a trial's end, or None.
    """

    k: Any
    train: TrainState
    monitor: Monitor
    curve: Any


def start_lane(
    program: Program, row: Mapping[str, Any], seed: Any, shared: SharedInputs, records: int, *, guarded: bool
) -> TrialState:
    """Gives the state of one trial before its first update; the arguments are those of `start_trial`.

    Args:
        program: What is compiled.
        row: The trial's columns, scalars by name.
        seed: uint32, what its key is made from.
        shared: What all trials share.
        records: How many losses to record: those of the updates 0, `record_every`, 2 `record_every`, ...
        guarded: Whether the parameters must stay finite.
    """
    train = start_trial(program, row, seed, shared, guarded=guarded)
    metrics = jax.eval_shape(lambda: program.all_metrics(row, train.params, shared))
    curve = jnp.full(records, jnp.nan, train.predicted_decrease.dtype) if records else None
    return TrialState(jnp.int32(0), train, start_monitor(train.predicted_decrease, metrics), curve)


class Block(NamedTuple):
    """One block: trials side by side, and the loop in which they run.

    Attributes:
        program: What is compiled.
        rows: The trials' columns, ``[lane]`` by name.
        shared: What all trials share.
        limits: What ends a trial.
        compaction: When the block pauses.
        layout: How the loop is laid out.
        by_lane: For every leaf of a train state 0, or None where the lanes have it in common.
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
        first, packed = state.k, state.train
        train, update = self._lay_out(packed)
        take = self._take_update if self.layout.chunk == 1 else self._take_chunk

        def goes_on(state: TrialState) -> Any:
            may_pause = (state.k > first) & (state.k % self.compaction.every == 0)
            return state.monitor.active.any() & ~(may_pause & self._few_are_active(state.monitor))

        state = lax.while_loop(goes_on, partial(take, update), state._replace(train=train))
        return state._replace(train=_lanes_first(state.train, packed, self.layout, self.by_lane))

    def _take_update(self, update: _Updates, state: TrialState) -> TrialState:
        k, train, monitor, curve = state
        after, losses, finite = update(True, k, train)
        evaluation = self._evaluate(k, train, losses, finite, monitor.active)
        seen, curve = self._look(k, monitor, curve, evaluation)
        # What has ended stays where it did: another update could take a loop in its loss for ever.
        kept = _choose(seen.active, after, train, self.by_lane, self.layout)
        if self.program.diagnoses:
            kept = kept._replace(overshot=jnp.where(monitor.active, after.overshot, train.overshot))
        return TrialState(k + 1, kept, seen, curve)

    def _evaluate(self, k: Any, train: TrainState, losses: Any, finite: Any, active: Any) -> Evaluation:
        """Evaluates all lanes, where the loss over all the data and the metrics of an active one are due."""
        limits = self.limits
        sound = finite & jnp.isfinite(losses)
        due = (k % limits.evaluate_every == 0) | (k >= limits.steps) | ~sound
        if self.program.sees_loss:
            return Evaluation(due, sound, losses, ())

        def now() -> tuple[Any, Any]:
            axes = 0, None, _axes(self.by_lane, self.layout), 0
            return jax.vmap(partial(evaluate, self.program), in_axes=axes)(self.rows, self.shared, train, losses)

        def later() -> tuple[Any, Any]:
            return jax.tree.map(lambda like: jnp.full(like.shape, jnp.nan, like.dtype), jax.eval_shape(now))

        return Evaluation(due, sound, *lax.cond((due & active).any(), now, later))

    def _take_chunk(self, update: _Updates, state: TrialState) -> TrialState:
        k, train, monitor, curve = state
        limits, layout, records = self.limits, self.layout, curve is not None
        few = self._few_are_active(monitor)

        def is_stop(k: Any) -> Any:
            # Said so that the compiler does not know it: it makes the same of a trial whether it is recorded or not.
            recorded = (limits.steps >= 0) & records
            return recorded | (few & ((k + layout.chunk) % self.compaction.every == 0))

        def run_quiet(predicting: bool, k: Any, train: Any, monitor: Monitor) -> Chunk:
            return run_quiet_chunks(partial(update, predicting), k, train, monitor, limits, layout, is_stop)

        def look_at(k: Any, last: Chunk, monitor: Monitor, curve: Any) -> tuple[Monitor, Any]:
            def one(now: tuple[Monitor, Any], place: Any) -> tuple[tuple[Monitor, Any], None]:
                evaluation = Evaluation(jnp.bool_(True), place < last.finite, last.losses[place], ())
                return self._look(k + place, *now, evaluation), None

            seen = note_best(monitor, k, last.best, limits), curve
            return lax.scan(one, seen, jnp.arange(layout.chunk, dtype=jnp.int32))[0]

        is_late = late_of(limits.steps) - k < layout.chunk
        last = lax.cond(is_late, partial(run_quiet, True), partial(run_quiet, False), k, train, monitor)
        one_kernel = layout.one_kernel and not records
        monitor, curve = call(look_at, last.end - layout.chunk, last, monitor, curve, one_kernel=one_kernel)
        return TrialState(last.end, last.train, monitor, curve)

    def _look(self, k: Any, monitor: Monitor, curve: Any, evaluation: Evaluation) -> tuple[Monitor, Any]:
        curve = _record(curve, k, evaluation.loss, monitor.active, self.limits.record_every)
        return observe(monitor, k, evaluation, self.limits, self.program.best_place), curve

    def _few_are_active(self, monitor: Monitor) -> Any:
        return monitor.active.sum(dtype=jnp.int32) <= self.compaction.most

    def _lay_out(self, train: TrainState) -> tuple[Any, _Updates]:
        """Lays out the train states; gives them, and the update of all lanes."""
        layout, by_lane = self.layout, self.by_lane
        axes = _axes(by_lane, layout)
        lane = jax.tree.map(_like_lane, by_lane, train, is_leaf=_is_none)

        def one(predicting: bool, k: Any, row: Mapping[str, Any], train: Any) -> Any:
            of_arrays = partial(update, self.program, row, self.shared, self.limits, predicting=predicting)
            if not layout.unrolled:
                return of_arrays(k, train)
            train, loss, finite = unroll(of_arrays, jnp.int32(0), lane)(split(k), train)
            return train, loss.elements[0], finite.elements[0]

        def all_lanes(predicting: bool, k: Any, train: Any) -> Any:
            vmap, last = (vmap_last, -1) if layout.lanes_last else (jax.vmap, 0)
            run = vmap(partial(one, predicting), in_axes=(None, last, axes), out_axes=(axes, last, last))
            return run(k, self.rows, train)

        if layout.unrolled:
            return jax.vmap(split, in_axes=(by_lane,), out_axes=by_lane)(train), all_lanes
        return _moved(train, by_lane, 0, -1) if layout.lanes_last else train, all_lanes


def _lanes_first(train: Any, packed: TrainState, layout: Layout, by_lane: Any) -> TrainState:
    """Gives the train states as they were before they were laid out: `packed` is what they were then."""
    if layout.unrolled:
        return jax.vmap(join, in_axes=(by_lane, by_lane), out_axes=by_lane)(train, packed)
    return _moved(train, by_lane, -1, 0) if layout.lanes_last else train


def _axes(by_lane: Any, layout: Layout) -> Any:
    """Tells along which axis the lanes are in every leaf of a train state; None where they have it in common."""
    return jax.tree.map(lambda _: -1, by_lane) if layout.lanes_last else by_lane


def _moved(train: TrainState, by_lane: Any, source: int, destination: int) -> TrainState:
    def move(axis: Any, array: Any) -> Any:
        return array if axis is None else jnp.moveaxis(array, source, destination)

    return jax.tree.map(move, by_lane, train, is_leaf=_is_none)


def _choose(condition: Any, new: TrainState, old: TrainState, by_lane: Any, layout: Layout) -> TrainState:
    """Chooses one state or the other, lane by lane; of what the lanes have in common the new."""

    def choose(axis: Any, new: Any, old: Any) -> Any:
        if axis is None:
            return new
        along = condition if layout.lanes_last else condition.reshape(-1, *[1] * (new.ndim - 1))
        return jnp.where(along, new, old)

    return jax.tree.map(choose, by_lane, new, old, is_leaf=_is_none)


def _is_none(axis: Any) -> bool:
    return axis is None


def _like_lane(axis: Any, array: Any) -> Any:
    return None if array is None else like_lane(array, axis)


def _record(curve: Any, k: Any, losses: Any, active: Any, every: Any) -> Any:
    if curve is None:
        return None
    place = jnp.minimum(k // every, curve.shape[1] - 1)
    return curve.at[:, place].set(jnp.where(active & (k % every == 0), losses, curve[:, place]))
