"""One block: trials side by side in one loop, chunk after chunk, until all of them have ended."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._batch_last import is_none, like_lane, vmap_last
from lrsweep.engine._kernel import call
from lrsweep.engine._layout import Layout
from lrsweep.engine._recording import Recorded, record, start_curves
from lrsweep.engine._scalarize import join, split, unroll
from lrsweep.training._monitor import (
    NEVER,
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

# One update of all lanes. It takes the number of updates so far, the train states as they are laid out, and the lanes'
# batches; it gives what `update` in training gives, for every lane.
_UpdateLanes = Callable[[Any, Any, Any], tuple[Any, Any, Any]]

# Parameters of a block that take more bytes than this do not fit into the caches.
_LARGE = 2**24

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
    monitor = start_monitor(train.predicted_decrease, metrics, is_finite(train))
    return TrialState(jnp.int32(0), train, monitor, start_curves(program, seen, records))


class _QuietRun(NamedTuple):
    """Chunks in a row by which no trial may stop, up to one by which one may.

    Attributes:
        end: int32, the number of updates at the end of the last chunk.
        train: The train states there.
        losses: ``[update, lane]``, the loss before each update of the last chunk.
        finite: ``[lane] int32``, before how many of these the parameters were finite. They come first: since an update
            is added to the parameters, what is not finite stays so.
        best: ``[lane]`` each, the best loss, without the last chunk if that is busy, and its update.
        busy: bool, whether the monitors must observe the last chunk: a trial may stop in it, or come nearer to a stop.
    """

    end: Any
    train: Any
    losses: Any
    finite: Any
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
        update_lanes = partial(update_lanes, joined=self._joins_arrays(plain.params))
        state, sums_apart = state._replace(train=train), self._sums_apart(plain.params)
        if sums_apart:
            before = last_quarter_of(self.limits.steps) // self.layout.chunk * self.layout.chunk
            state = self._loop(partial(update_lanes, predicting=False), state, jnp.minimum(until, before))
        branching = not (sums_apart or self.program.sees_loss)
        state = self._loop(partial(update_lanes, predicting=True, branching=branching), state, until)
        return state._replace(train=_undo_layout(state.train, plain, self.layout, self.by_lane))

    def _sums_apart(self, params: Any) -> bool:
        """Tells whether updates with the sum that counts in the last quarter only have a loop of their own.

        Two loops take longer to compile than one. They pay where an update is small; where an accelerator runs a chunk,
        since it would wait for the host at every branch; and where parameters are large, since an update in place is
        faster, and the sum needs those before it.
        """
        if self.program.sees_loss:
            return self.layout.unrolled
        return self.layout.chunk > 1 or _are_large(params)

    def _joins_arrays(self, params: Any) -> bool:
        """Tells whether what is computed of all parameters is computed of one array.

        An accelerator starts kernels for each array otherwise. To read large ones once more takes longer than that.
        """
        if self.program.sees_loss or self.layout.unrolled or self.layout.lanes_last:
            return False
        return self.layout.chunk > 1 and not _are_large(params)

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
        """Looks at the trials where that is due, and runs a chunk of updates."""
        k, train, monitor, curves = state
        if self.program.updates_measure or self.program.measures:
            # The first of the updates computes what is looked at.
            updated, lost_at, losses, measures = self._run_chunk(update_lanes, state, runs=True)
            after, curves = self._look(state, lost_at, losses, measures)
        else:
            after, curves = self._look(state, monitor.diverged_at, None, None)
            # The updates wait for the look: at parameters that it would still need they could not be made in place.
            updated, lost_at, _, _ = self._run_chunk(update_lanes, state, runs=after.active.any())
        after = after._replace(diverged_at=jnp.where(after.active, lost_at, after.diverged_at))
        end = k + self.layout.chunk
        if train.finite is None and not self.program.diagnoses:
            # Nobody looks at the parameters of a trial that has ended, and to keep them would take time and memory.
            return TrialState(end, updated, after, curves)
        # On later ones a loop in its loss might never end.
        train_after = _choose(after.active, updated, train, self.by_lane, self.layout)
        if self.program.diagnoses:
            # The gradient at the end still says whether the last update overshot.
            train_after = train_after._replace(overshot=jnp.where(monitor.active, updated.overshot, train.overshot))
        return TrialState(end, train_after, after, curves)

    def _look(self, state: TrialState, lost_at: Any, losses: Any, measures: Any) -> tuple[Monitor, Recorded]:
        """Looks at the trials where that is due; gives the monitors and the curves after.

        Args:
            state: The state of the trials.
            lost_at: ``[lane] int32``, the update at which each trial has ceased to be finite, or `NEVER`.
            losses: ``[lane]``, their losses, where the updates have computed the ones in the table.
            measures: What is recorded of the update that follows, ``[lane]`` each; None where that is nothing.
        """
        k, train, monitor, curves = state
        limits, now = self.limits, jnp.minimum(k, self.limits.steps)
        is_lost = (lost_at != NEVER) & (lost_at <= now)
        due = (now % limits.evaluate_every == 0) | (now >= limits.steps) | is_lost

        def look(monitor: Monitor, curves: Recorded) -> tuple[Monitor, Recorded]:
            axes = 0, None, _axes(self.by_lane, self.layout), 0
            evaluate_lanes = jax.vmap(partial(evaluate, self.program), in_axes=axes)
            loss, metrics = evaluate_lanes(self.rows, self.shared, train, losses)
            seen, at = Evaluation(due, ~is_lost, loss, metrics, measures), jnp.where(is_lost, lost_at, now)
            curves = record(self.program, curves, now, seen, monitor.active & (at == now), limits.record_every)
            return observe(monitor, at, seen, limits, self.program.best_metric), curves

        if self.program.sees_loss:
            # In a branch, a loss would be rounded in one way where a call runs one block, in another where more.
            return look(monitor, curves)
        return lax.cond((due & monitor.active).any(), look, lambda *unchanged: unchanged, monitor, curves)

    def _run_chunk(self, update_lanes: _UpdateLanes, state: TrialState, *, runs: Any) -> tuple[Any, Any, Any, Any]:
        """Runs a chunk of updates. A trial that ceases to be finite within it stops there.

        Args:
            update_lanes: Makes one update of all lanes.
            state: The state of the trials.
            runs: bool, whether any trial runs on.

        Returns:
            The train states after the chunk; the update at which each trial has ceased to be finite, or `NEVER`,
            ``[lane] int32``; the losses before its first update, ``[lane]``, where these are the ones in the table; and
            what is recorded of that update.
        """
        k, train, lost_at = state.k, state.train, state.monitor.diverged_at
        program, steps, by_lane = self.program, self.limits.steps, self.by_lane
        by_product = self.layout == Layout()
        are_finite = partial(is_finite, joined=self._joins_arrays(train.params), by_product=by_product)

        def run_update(carry: tuple[Any, Any], given: tuple[Any, Any]) -> tuple[tuple[Any, Any], Any]:
            (train, lost_at), (at, batches) = carry, given
            updated, losses, _ = update_lanes(at, train, batches)
            if self.layout.chunk == 1:
                # How a loss is rounded must not depend on what is made of it, and in what surroundings.
                updated, losses = lax.optimization_barrier((updated, losses))
            lost_at = jnp.where((lost_at == NEVER) & (at < steps) & ~jnp.isfinite(losses), at, lost_at)
            if self.layout.chunk > 1:
                moves = (lost_at == NEVER) & (at < steps)
                kept = _choose(moves, updated, train, by_lane, self.layout)
                updated = updated._replace(params=kept.params, state=kept.state)
            finite = jax.vmap(are_finite, in_axes=(_axes(by_lane, self.layout),))(updated)
            lost_at = jnp.where((lost_at == NEVER) & ~finite, at + 1, lost_at)
            return (updated, lost_at), (losses if program.updates_measure else None, updated.measures)

        def run(train: Any, lost_at: Any) -> tuple[Any, Any, Any, Any]:
            batches, train = self._next_batches(train)
            given = k + jnp.arange(self.layout.chunk, dtype=jnp.int32), batches
            (train, lost_at), told = lax.scan(run_update, (train, lost_at), given)
            return train, lost_at, *jax.tree.map(lambda leaf: leaf[0], told)

        if program.updates_measure or program.diagnoses or program.measures:
            return run(train, lost_at)
        # Once the steps are over nothing is learned from another update.
        runs &= k < steps
        return lax.cond(runs, run, lambda *unchanged: (*unchanged, None, train.measures), train, lost_at)

    def _advance_quietly(self, update_lanes: _UpdateLanes, state: TrialState, until: Any) -> TrialState:
        """Runs chunks up to one by which a trial may stop, and observes the updates of that one."""
        start, train, monitor, curves = state
        length, limits, quiet = self.layout.chunk, self.limits, quiet_bounds(monitor, self.limits)
        none = jnp.zeros(monitor.best_at.shape, jnp.int32)

        def run_update(carry: tuple[Any, Any, Any], batches: Any) -> tuple[tuple[Any, Any, Any], Any]:
            k, train, finite = carry
            train, loss, is_finite = update_lanes(k, train, batches)
            return (k + 1, train, finite + is_finite), loss

        def run_chunk(run: _QuietRun) -> _QuietRun:
            # Written out, an accelerator's updates of few scalars are one kernel; a CPU's loop is one already.
            written_out = self.layout.unrolled and not self.layout.one_kernel
            batches, train = self._next_batches(run.train)
            (end, train, finite), stacked = lax.scan(
                run_update, (run.end, train, none), batches, length=length, unroll=written_out
            )
            losses = [stacked[place] for place in range(length)]
            matters = may_stop(monitor, quiet, losses, limits) | (monitor.active & (finite < length))
            # The steps are never negative, but the compiler does not know: it compiles the same updates, to the bit,
            # whether losses are recorded or not.
            busy = matters.any() | ((limits.steps >= 0) & bool(curves))
            busy |= (end >= self.observed_at) | _reaches_milestone(run.end, length, limits)
            best = tree_where(busy, run.best, update_best(run.best, run.end, losses))
            return _QuietRun(end, train, stacked, finite, best, busy)

        unseen = jnp.zeros((length, *monitor.best_loss.shape), monitor.best_loss.dtype)
        run = _QuietRun(start, train, unseen, none, (monitor.best_loss, monitor.best_at), jnp.bool_(False))
        run = lax.while_loop(lambda run: ~run.busy & (run.end < until), run_chunk, run)
        monitor = note_quiet(monitor, start, run.best, limits)
        monitor, curves = self._observe(run, monitor, curves)
        return TrialState(run.end, run.train, monitor, curves)

    def _next_batches(self, train: Any) -> tuple[Any, Any]:
        """Gives the batches of the next chunk, ``[update, lane, example]`` as laid out, and the train states after.

        Where all lanes see the same there is no axis for lanes; where an update sees all the data there are none.
        """
        if train.batches is None:
            return None, train
        axes = _axes(self.by_lane, self.layout).batches
        by_lane = None if axes.order is None else -1 if self.layout.lanes_last else 1
        take = partial(self.program.next_batches, count=self.layout.chunk, shared=self.shared)
        batches, after = jax.vmap(take, in_axes=(axes,), out_axes=(by_lane, axes))(train.batches)
        return batches, train._replace(batches=after)

    def _observe(self, run: _QuietRun, monitor: Monitor, curves: Recorded) -> tuple[Monitor, Recorded]:
        """Observes the updates of the last chunk of a run, one by one, where it is busy."""
        length = self.layout.chunk
        start = run.end - length

        def observe_next(place: Any, carry: tuple[Monitor, Recorded]) -> tuple[Monitor, Recorded]:
            (monitor, curves), k = carry, start + place
            evaluation = Evaluation(jnp.bool_(True), place < run.finite, run.losses[place], ())
            curves = record(self.program, curves, k, evaluation, monitor.active, self.limits.record_every)
            return observe(monitor, k, evaluation, self.limits, self.program.best_metric), curves

        def observe_all(monitor: Monitor, curves: Recorded) -> tuple[Monitor, Recorded]:
            return lax.fori_loop(0, length, observe_next, (monitor, curves), unroll=math.gcd(length, _TOGETHER))

        if self.layout.one_kernel:
            # A branch would need a kernel of its own.
            return lax.fori_loop(0, jnp.where(run.busy, length, 0), observe_next, (monitor, curves))
        return lax.cond(run.busy, observe_all, lambda *unchanged: unchanged, monitor, curves)

    def _lay_out(self, train: TrainState) -> tuple[Any, Callable[..., Any]]:
        """Lays out the train states; gives them, and the update of all lanes that are laid out so."""
        layout, by_lane = self.layout, self.by_lane
        axes = _axes(by_lane, layout)
        lane = jax.tree.map(_like_lane, by_lane, train, is_leaf=is_none)

        def update_lane(k: Any, row: Mapping[str, Any], train: Any, batch: Any, **how: bool) -> Any:
            update_arrays = partial(update, self.program, row, self.shared, self.limits, batch=batch, **how)
            if not layout.unrolled:
                return update_arrays(k, train)
            train, loss, finite = unroll(update_arrays, jnp.int32(0), lane)(split(k), train)
            return train, loss.elements[0], finite.elements[0]

        def update_lanes(k: Any, train: Any, batches: Any, **how: bool) -> Any:
            vmap, axis = (vmap_last, -1) if layout.lanes_last else (jax.vmap, 0)
            own = axis if train.batches is not None and axes.batches.order is not None else None
            mapped = vmap(partial(update_lane, **how), in_axes=(None, axis, axes, own), out_axes=(axes, axis, axis))
            return mapped(k, self.rows, train, batches)

        if layout.unrolled:
            return jax.vmap(split, in_axes=(by_lane,), out_axes=by_lane)(train), update_lanes
        return _move_lanes(train, by_lane, 0, -1) if layout.lanes_last else train, update_lanes


def _are_large(params: Any) -> bool:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(params)) > _LARGE


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

    return jax.tree.map(move, by_lane, train, is_leaf=is_none)


def _choose(condition: Any, new: TrainState, old: TrainState, by_lane: Any, layout: Layout) -> TrainState:
    """Chooses the new state or the old, lane by lane; what the lanes have in common is taken from the new."""

    def choose(axis: Any, new: Any, old: Any) -> Any:
        if axis is None:
            return new
        by_element = condition if layout.lanes_last else condition.reshape(-1, *[1] * (new.ndim - 1))
        return jnp.where(by_element, new, old)

    return jax.tree.map(choose, by_lane, new, old, is_leaf=is_none)


def _like_lane(axis: Any, array: Any) -> Any:
    return None if array is None else like_lane(array, axis)
