"""The compiled program: blocks of trials under `jax.vmap` and `jax.jit`."""

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
from lrsweep.training._trial import TrainState, loss_in_table

# The policy of blocks that never pause.
NEVER_COMPACT = CompactionPolicy(2**30, 0)


class GroupJob(NamedTuple):
    """A group of trials to run: its program, its rows, the arrays that all trials share, and the limits."""

    program: Program
    group: Group
    shared: SharedInputs
    limits: StopLimits


class Plan(NamedTuple):
    """How one call of the compiled program is laid out: the block width, how many blocks it runs, and the layout."""

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
    """Runs blocks of trials, one block after another: the function that is compiled.

    Args:
        program: The functions that a trial calls.
        state_spec: The description of a trial's state.
        layout: How the loop of a block is laid out.
        values: The columns by name, ``[block, lane]`` each.
        seeds: ``[block, lane] uint32``.
        used: ``[block, lane] bool``, whether there is a trial in the lane.
        states: The trials' states, ``[block, lane, ...]``, or ``[block, ...]`` where the lanes have them in common. A
            block whose `k` is below 0 is started afresh.
        shared: The arrays that all trials share.
        limits: The limits that end a trial.
        compaction: When a block pauses.

    Returns:
        The states after the run, and the outcomes, which hold for the trials that have ended.
    """
    by_lane = jax.tree.structure(states).unflatten(None if common else 0 for common in state_spec.common)

    def run_block(values: Mapping[str, Any], seeds: Any, used: Any, state: TrialState) -> tuple[TrialState, Outcome]:
        def start_one(row: Mapping[str, Any], seed: Any) -> TrialState:
            return start_lane(program, row, seed, shared, state_spec.records, guarded=state_spec.guarded)

        def start() -> TrialState:
            fresh = jax.vmap(start_one, out_axes=by_lane)(values, seeds)
            return as_numbers(fresh._replace(monitor=fresh.monitor._replace(active=used)))

        def diagnose_one(row: Mapping[str, Any], train: TrainState) -> Diagnosis:
            return diagnose(loss_in_table(program, row, shared, train), train.params, train.overshot)

        state = with_keys(lax.cond(state.k < 0, start, lambda: state), state_spec.kinds)
        state = Block(program, values, shared, limits, compaction, layout, by_lane.train).run(state)
        outcome = outcome_of(state.monitor, state.train.predicted_decrease, limits)
        if program.diagnoses:
            diagnosis = jax.vmap(diagnose_one, in_axes=(0, by_lane.train))(values, state.train)
            outcome = outcome._replace(diagnosis=diagnosis)
        return as_numbers(state), outcome

    blocks = values, seeds, used, states
    if len(seeds) > 1:
        return lax.map(lambda block: run_block(*block), blocks)
    ran = run_block(*jax.tree.map(lambda array: array[0], blocks))
    return jax.tree.map(lambda array: array[None], ran)


def state_shapes(spec: ProgramSpec, plan: Plan, sharding: Any = None) -> TrialState:
    """Gives the shapes and dtypes of the states of the trials that one call runs."""
    leaves, structure = jax.tree.flatten(spec.state)
    axes = [(plan.blocks,) if common else (plan.blocks, plan.width) for common in spec.state_spec.common]
    return structure.unflatten(
        jax.ShapeDtypeStruct((*leading, *leaf.shape), leaf.dtype, sharding=sharding)
        for leading, leaf in zip(axes, leaves, strict=True)
    )


def empty_states(spec: ProgramSpec, plan: Plan) -> TrialState:
    """Makes the states that one call takes where all of its blocks are started afresh."""
    states = jax.tree.map(lambda like: np.zeros(like.shape, like.dtype), state_shapes(spec, plan))
    return states._replace(k=np.full(plan.blocks, -1, np.int32))


def spec_of(job: GroupJob, records: int) -> ProgramSpec:
    """Describes a group's trials."""
    return find_spec(job.program, job.group.values, job.shared, job.limits, records)


def lower_blocks(job: GroupJob, plan: Plan, records: int, device: Any) -> jax.stages.Lowered:
    """Traces and lowers the program of a group for one device; from the cache where it has been before."""
    sharding, spec = SingleDeviceSharding(device), spec_of(job, records)
    lanes = plan.blocks, plan.width

    def like(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type, sharding=sharding)

    arguments = (
        {name: weak(lanes, column.dtype, sharding) for name, column in job.group.values.items()},
        jax.ShapeDtypeStruct(lanes, np.uint32, sharding=sharding),
        jax.ShapeDtypeStruct(lanes, bool, sharding=sharding),
        state_shapes(spec, plan, sharding),
        jax.tree.map(like, job.shared),
        job.limits,
        NEVER_COMPACT,
    )
    return jitted(run_blocks, (job.program, spec.state_spec, plan.layout), arguments, donated=(3,)).lower(*arguments)


def compile_blocks(lowered: jax.stages.Lowered, layout: Layout) -> jax.stages.Compiled:
    """Compiles a lowered program; JAX caches it."""
    # In these layouts the innermost loops run over lanes, which fill the widest registers.
    return lowered.compile({"xla_cpu_prefer_vector_width": "512"} if layout.one_kernel or layout.lanes_last else None)
