"""The compiled program: blocks of trials under vmap and jit."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import SingleDeviceSharding

from lrsweep.curvature._diagnosis import Diagnosis, diagnose
from lrsweep.engine._block import Block, TrialState, start_lane
from lrsweep.engine._cache import jitted
from lrsweep.engine._layout import CompactionPolicy, Layout
from lrsweep.engine._spec import ProgramSpec, StateSpec, as_numbers, find_spec, weak, with_keys
from lrsweep.training._monitor import Outcome, StopLimits, outcome_of
from lrsweep.training._partition import Group
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState

# For blocks that do not pause.
NEVER_COMPACT = CompactionPolicy(2**30, 0)


class GroupJob(NamedTuple):
    """Everything that the trials of a group have in common."""

    program: Program
    group: Group
    shared: SharedInputs
    limits: StopLimits


class Plan(NamedTuple):
    """How one call of the compiled program is laid out: how many blocks it runs, one by one, and how wide they are."""

    width: int
    blocks: int
    layout: Layout


def run_blocks(
    program: Program,
    state_spec: StateSpec,
    layout: Layout,
    values: Mapping[str, Any],
    seeds: Any,
    used: Any,
    states: TrialState,
    shared: SharedInputs,
    limits: StopLimits,
    compaction: CompactionPolicy,
) -> tuple[TrialState, Outcome]:
    """Runs blocks of trials, each side by side, as one compiled program; a block ends, or pauses, with its trials.

    Args:
        program: What is compiled.
        state_spec: How a trial's state is made up.
        layout: How the loop of a trial is laid out.
        values: Each column, ``[block, lane]``.
        seeds: ``[block, lane] uint32``.
        used: ``[block, lane] bool``, whether there is a trial in the lane.
        states: Where they are, ``[block, lane, ...]``, and ``[block, ...]`` where the lanes have it in common; a block
            whose `k` is below 0 is to be started.
        shared: What all trials share.
        limits: What ends a trial.
        compaction: When a block pauses.

    Returns:
        Where they are now, and what has become of those that have ended.
    """
    by_lane = jax.tree.structure(states).unflatten(None if shared else 0 for shared in state_spec.common)

    def go_on(values: Mapping[str, Any], seeds: Any, used: Any, state: TrialState) -> tuple[TrialState, Outcome]:
        def start_one(row: Mapping[str, Any], seed: Any) -> TrialState:
            return start_lane(program, row, seed, shared, state_spec.records, guarded=state_spec.guarded)

        def start() -> TrialState:
            fresh = jax.vmap(start_one, out_axes=by_lane)(values, seeds)
            return as_numbers(fresh._replace(monitor=fresh.monitor._replace(active=used)))

        def diagnose_one(row: Mapping[str, Any], train: TrainState) -> Diagnosis:
            return diagnose(program.loss_on(row, shared.data), train.params, train.overshot)

        state = with_keys(lax.cond(state.k < 0, start, lambda: state), state_spec.kinds)
        state = Block(program, values, shared, limits, compaction, layout, by_lane.train).run(state)
        outcome = outcome_of(state.monitor, state.train.predicted_decrease, limits)
        if program.diagnoses:
            found = jax.vmap(diagnose_one, in_axes=(0, by_lane.train))(values, state.train)
            outcome = outcome._replace(diagnosis=found)
        return as_numbers(state), outcome

    lanes = values, seeds, used, states
    if len(seeds) > 1:
        return lax.map(lambda block: go_on(*block), lanes)
    only = go_on(*jax.tree.map(lambda array: array[0], lanes))
    return jax.tree.map(lambda array: array[None], only)


def state_shapes(spec: ProgramSpec, plan: Plan, sharding: Any = None) -> TrialState:
    """Gives the shapes and dtypes of the states of as many trials as a call runs."""
    leaves, structure = jax.tree.flatten(spec.state)
    lanes = [(plan.blocks,) if shared else (plan.blocks, plan.width) for shared in spec.state_spec.common]
    return structure.unflatten(
        jax.ShapeDtypeStruct((*led, *leaf.shape), leaf.dtype, sharding=sharding)
        for led, leaf in zip(lanes, leaves, strict=True)
    )


def empty_states(spec: ProgramSpec, plan: Plan) -> TrialState:
    """States of as many trials as a call runs, of blocks that are all to be started."""
    states = jax.tree.map(lambda like: np.zeros(like.shape, like.dtype), state_shapes(spec, plan))
    return states._replace(k=np.full(plan.blocks, -1, np.int32))


def spec_of(job: GroupJob, records: int) -> ProgramSpec:
    """Describes a group's trials."""
    return find_spec(job.program, job.group.values, job.shared, job.limits, records)


def lower_blocks(job: GroupJob, plan: Plan, records: int, device: Any) -> jax.stages.Lowered:
    """Traces the program of a group for one device; it is kept, and given again."""
    there, spec = SingleDeviceSharding(device), spec_of(job, records)
    lanes = plan.blocks, plan.width

    def like(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type, sharding=there)

    arguments = (
        {name: weak(lanes, column.dtype, there) for name, column in job.group.values.items()},
        jax.ShapeDtypeStruct(lanes, np.uint32, sharding=there),
        jax.ShapeDtypeStruct(lanes, bool, sharding=there),
        state_shapes(spec, plan, there),
        jax.tree.map(like, job.shared),
        job.limits,
        NEVER_COMPACT,
    )
    return jitted(run_blocks, (job.program, spec.state_spec, plan.layout), arguments, donated=(3,)).lower(*arguments)


def compile_blocks(lowered: jax.stages.Lowered, layout: Layout) -> jax.stages.Compiled:
    """Compiles the program; JAX keeps it, and gives it again."""
    # Loops over lanes are all that one kernel holds, and the widest registers suit them.
    return lowered.compile({"xla_cpu_prefer_vector_width": "512"} if layout.one_kernel or layout.lanes_last else None)
