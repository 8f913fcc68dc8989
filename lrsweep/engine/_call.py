"""One call of the compiled program: blocks that advance in step, and share their active trials as others end."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.curvature._diagnosis import Diagnosis, diagnose
from lrsweep.engine._block import Block, TrialState, start_lane
from lrsweep.engine._layout import Layout
from lrsweep.engine._spec import StateSpec, as_numbers, with_keys
from lrsweep.training._monitor import Outcome, StopLimits, outcome_of
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState, loss_in_table


class Columns(NamedTuple):
    """The columns of a call's trials; a lane without a trial repeats the last one.

    Attributes:
        values: ``[block, lane]`` each, by name.
        seeds: ``[block, lane] uint32``.
    """

    values: Mapping[str, Any]
    seeds: Any


class Part(NamedTuple):
    """Which lanes of a call hold trials to run, and how far it runs them.

    Attributes:
        kept: ``[block, lane] bool``, which lanes hold a trial that has not been dropped.
        every: int32, the blocks may share their active trials anew after every multiple of this number of updates.
        until: int32, the update to run to. Like `every` it is a multiple of the layout's chunk.
    """

    kept: Any
    every: Any
    until: Any


class Report(NamedTuple):
    """What the host is told of a call.

    Attributes:
        active: int32, how many of its trials still run.
        outcome: The outcomes, ``[block, lane]``. Those of active trials are as of now; the diagnosis holds only once
            none is active.
    """

    active: Any
    outcome: Outcome


class _Lanes(NamedTuple):
    """The trials of a call, wherever they are at the moment.

    Attributes:
        origin: ``[block, lane] int32``, where each was at the start: its lane, counted through the blocks.
        state: Their state, ``[block, lane, ...]``, without axes where all trials have it in common.
    """

    origin: Any
    state: TrialState


class _Trials(NamedTuple):
    """The trials of a call: what they run on, and the functions that take their blocks.

    Attributes:
        program: The functions that a trial calls.
        state_spec: The description of a trial's state.
        layout: How the loop of a block is laid out.
        columns: The columns of the trials.
        shared: The arrays that all trials share.
        limits: The limits that end a trial.
        part: The trials to run, and how far.
        by_lane: `jax.vmap`'s axis for every leaf of a block's state: 0, or None where the lanes have it in common.
    """

    program: Program
    state_spec: StateSpec
    layout: Layout
    columns: Columns
    shared: SharedInputs
    limits: StopLimits
    part: Part
    by_lane: Any

    def rows(self, origin: Any) -> Columns:
        return jax.tree.map(lambda column: column.ravel()[origin], self.columns)

    def start_block(self, origin: Any) -> TrialState:
        def start_one(row: Mapping[str, Any], seed: Any) -> TrialState:
            spec = self.state_spec
            return start_lane(self.program, row, seed, self.shared, spec.records, guarded=spec.guarded)

        return as_numbers(jax.vmap(start_one, out_axes=self.by_lane)(*self.rows(origin)))

    def run_block(self, origin: Any, active: Any, state: TrialState, until: Any) -> TrialState:
        """Runs a block from its state, or from the start where that has not begun."""
        state = lax.cond(state.k < 0, lambda: self.start_block(origin), lambda: state)
        state = state._replace(monitor=state.monitor._replace(active=active))
        rows, by_lane = self.rows(origin).values, self.by_lane.train
        block = Block(self.program, rows, self.shared, self.limits, self.layout, self.part.until, by_lane)
        return as_numbers(block.run(with_keys(state, self.state_spec.kinds), until))

    def run_blocks(self, state: TrialState, origin: Any) -> TrialState:
        """Runs several blocks in step, which share their active trials, to the end of the part."""
        common = self.state_spec.common
        lanes = lax.while_loop(
            lambda lanes: lanes.state.monitor.active.any() & (lanes.state.k < self.part.until),
            self._run_stage,
            _Lanes(origin, state),
        )
        have_moved = (lanes.origin != origin).any()
        back = partial(_reorder, order=_inverse(lanes.origin.ravel()), common=common)
        return lax.cond(have_moved, back, lambda lanes: lanes, lanes).state

    def _run_stage(self, lanes: _Lanes) -> _Lanes:
        """Runs the blocks that hold active trials until these may be shared anew."""
        common, part = self.state_spec.common, self.part
        origin, state = lanes = _share(lanes, common)
        until = jnp.minimum(part.until, (jnp.maximum(state.k, 0) // part.every + 1) * part.every)
        runs = state.monitor.active.any(axis=1)
        order = jnp.argsort(~runs)

        def run_next(turn: Any, after: TrialState) -> TrialState:
            place = order[turn]
            block = _by_leaf(common, lambda leaf, _: leaf[place], lambda _, leaf: leaf, after, state)
            ran = self.run_block(origin[place], state.monitor.active[place], block, until)
            # A block that ended early has not counted its updates to the end of the stage.
            counts = ran.monitor.active.any()
            put, agree = (lambda leaf, new: leaf.at[place].set(new)), (lambda leaf, new: jnp.where(counts, new, leaf))
            return _by_leaf(common, put, agree, after, ran)

        after = lax.fori_loop(0, runs.sum(dtype=jnp.int32), run_next, state)
        return _Lanes(origin, after._replace(k=until))

    def diagnose(self, state: TrialState, origin: Any) -> Diagnosis:
        """Finds why each trial ended as it did, ``[block, lane]``."""

        def diagnose_one(row: Mapping[str, Any], train: TrainState) -> Diagnosis:
            return diagnose(loss_in_table(self.program, row, self.shared, train), train.params, train.overshot)

        def diagnose_block(place: Any) -> Diagnosis:
            train = _block_of(state, place, self.state_spec.common).train
            return jax.vmap(diagnose_one, in_axes=(0, self.by_lane.train))(self.rows(origin[place]).values, train)

        return lax.map(diagnose_block, jnp.arange(len(origin)))


def run_call(
    program: Program,
    state_spec: StateSpec,
    layout: Layout,
    columns: Columns,
    shared: SharedInputs,
    limits: StopLimits,
    part: Part,
    state: TrialState,
) -> tuple[TrialState, Report]:
    """Runs a part of a group's trials: the function that is compiled.

    Args:
        program: See `_Trials`, as for all that follow but the last.
        state_spec: Likewise.
        layout: Likewise.
        columns: Likewise.
        shared: Likewise.
        limits: Likewise.
        part: Likewise.
        state: The state of the call's trials, ``[block, lane, ...]``, without axes where all trials have it in common.
            Where its `k` is below 0 they start.

    Returns:
        The state after the run, and the report.
    """
    (blocks, width), common = part.kept.shape, state_spec.common
    by_lane = jax.tree.structure(state).unflatten(None if is_common else 0 for is_common in common)
    trials = _Trials(program, state_spec, layout, columns, shared, limits, part, by_lane)
    origin = jnp.arange(blocks * width, dtype=jnp.int32).reshape(blocks, width)
    active = ((state.k < 0) | state.monitor.active) & part.kept
    state = state._replace(monitor=state.monitor._replace(active=active))
    if blocks == 1:
        ran = trials.run_block(origin[0], active[0], _block_of(state, 0, common), part.until)
        state = _by_leaf(common, lambda leaf: leaf[None], lambda leaf: leaf, ran)
    else:
        state = trials.run_blocks(state, origin)
    active = state.monitor.active.sum(dtype=jnp.int32)
    outcome = outcome_of(state.monitor, state.train.predicted_decrease, limits)
    if program.diagnoses:
        unknown = jax.eval_shape(trials.diagnose, state, origin)
        unknown = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), unknown)
        known = partial(trials.diagnose, state, origin)
        outcome = outcome._replace(diagnosis=lax.cond(active == 0, known, lambda: unknown))
    return state, Report(active, outcome)


def _share(lanes: _Lanes, common: Sequence[bool]) -> _Lanes:
    """Puts the active trials into as few blocks as hold them, where that spares a quarter of the blocks that run."""
    active = lanes.state.monitor.active
    width = active.shape[1]
    needed, running = -(-active.sum(dtype=jnp.int32) // width), active.any(axis=1).sum(dtype=jnp.int32)

    def reorder(lanes: _Lanes) -> _Lanes:
        # A stable sort by one bit, in linear time.
        stays = active.ravel()
        before = jnp.cumsum(stays, dtype=jnp.int32)
        target = jnp.where(stays, before - 1, before[-1] + jnp.cumsum(~stays, dtype=jnp.int32) - 1)
        return _reorder(lanes, _inverse(target), common)

    return lax.cond(4 * needed <= 3 * running, reorder, lambda lanes: lanes, lanes)


def _reorder(lanes: _Lanes, order: Any, common: Sequence[bool]) -> _Lanes:
    """Moves trials: to each lane, counted through the blocks, that of the lane in `order`."""

    def move(leaf: Any) -> Any:
        return leaf.reshape(order.size, *leaf.shape[2:])[order].reshape(leaf.shape)

    return _Lanes(move(lanes.origin), _by_leaf(common, move, lambda leaf: leaf, lanes.state))


def _inverse(order: Any) -> Any:
    """Inverts a permutation ``[place] int32``."""
    return jnp.zeros_like(order).at[order].set(jnp.arange(len(order), dtype=order.dtype), unique_indices=True)


def _block_of(state: TrialState, place: Any, common: Sequence[bool]) -> TrialState:
    """Gives the state of one block of a call's."""
    return _by_leaf(common, lambda leaf: leaf[place], lambda leaf: leaf, state)


def _by_leaf(
    common: Sequence[bool], of_lanes: Callable[..., Any], of_all: Callable[..., Any], *states: TrialState
) -> TrialState:
    """Applies one function to the leaves of states that differ by lane, and another to those that do not."""
    leaves = zip(common, *map(jax.tree.leaves, states), strict=True)
    results = [(of_all if is_common else of_lanes)(*leaf) for is_common, *leaf in leaves]
    return jax.tree.unflatten(jax.tree.structure(states[0]), results)
