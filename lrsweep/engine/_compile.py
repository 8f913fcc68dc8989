"""Many trials side by side: one trial under vmap and jit, laid out for the device, as wide as its memory allows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import SingleDeviceSharding

from lrsweep.curvature._diagnosis import Diagnosis, diagnose
from lrsweep.engine._block import State, run_block, start_lane
from lrsweep.engine._cache import jitted
from lrsweep.engine._layout import Layout, Pauses
from lrsweep.engine._spec import Sort, Traits, as_numbers, find_traits, weak, with_keys
from lrsweep.training._monitor import Limits, Outcome, outcome_of
from lrsweep.training._partition import Group
from lrsweep.training._program import Given, Program
from lrsweep.training._trial import Moving

# Where no lane is to make room for another.
NEVER_PAUSE = Pauses(2**30, 0)


class Task(NamedTuple):
    """Everything that the trials of a group have in common."""

    program: Program
    group: Group
    given: Given
    limits: Limits


class Plan(NamedTuple):
    """How one call of the compiled program is laid out: how many blocks it runs, one by one, and how wide they are."""

    width: int
    blocks: int
    layout: Layout


def run_blocks(
    program: Program,
    sort: Sort,
    layout: Layout,
    values: Mapping[str, Any],
    seeds: Any,
    used: Any,
    states: State,
    given: Given,
    limits: Limits,
    pauses: Pauses,
) -> tuple[State, Outcome]:
    """Runs blocks of trials, each side by side, as one compiled program; a block ends, or pauses, with its trials.

    Args:
        program: What is compiled.
        sort: What sort of trials they are.
        layout: How the loop of a trial is laid out.
        values: Each column, ``[block, lane]``.
        seeds: ``[block, lane] uint32``.
        used: ``[block, lane] bool``, whether there is a trial in the lane.
        states: Where they are, ``[block, lane, ...]``, and ``[block, ...]`` where the lanes have it in common; a block
            whose `k` is below 0 is to be started.
        given: What all trials share.
        limits: What ends a trial.
        pauses: When a block pauses.

    Returns:
        Where they are now, and what has become of those that have ended.
    """
    by_lane = jax.tree.structure(states).unflatten(None if shared else 0 for shared in sort.shared)

    def go_on(values: Mapping[str, Any], seeds: Any, used: Any, state: State) -> tuple[State, Outcome]:
        def start_one(row: Mapping[str, Any], seed: Any) -> State:
            return start_lane(program, row, seed, given, sort.records, guarded=sort.guarded)

        def start() -> State:
            fresh = jax.vmap(start_one, out_axes=by_lane)(values, seeds)
            return as_numbers(fresh._replace(watch=fresh.watch._replace(going=used)))

        def diagnose_one(row: Mapping[str, Any], moving: Moving) -> Diagnosis:
            return diagnose(program.loss_on(row, given.data), moving.params, moving.overshot)

        state = with_keys(lax.cond(state.k < 0, start, lambda: state), sort.kinds)
        state = run_block(program, values, given, limits, state, pauses, layout, by_lane.moving)
        outcome = outcome_of(state.watch, state.moving.promised, limits)
        if program.diagnoses:
            found = jax.vmap(diagnose_one, in_axes=(0, by_lane.moving))(values, state.moving)
            outcome = outcome._replace(diagnosis=found)
        return as_numbers(state), outcome

    lanes = values, seeds, used, states
    if len(seeds) > 1:
        return lax.map(lambda block: go_on(*block), lanes)
    only = go_on(*jax.tree.map(lambda array: array[0], lanes))
    return jax.tree.map(lambda array: array[None], only)


def state_shapes(traits: Traits, plan: Plan, sharding: Any = None) -> State:
    """The shapes and dtypes of the states of as many trials as a call runs."""
    leaves, structure = jax.tree.flatten(traits.state)
    lanes = [(plan.blocks,) if shared else (plan.blocks, plan.width) for shared in traits.sort.shared]
    return structure.unflatten(
        jax.ShapeDtypeStruct((*led, *leaf.shape), leaf.dtype, sharding=sharding)
        for led, leaf in zip(lanes, leaves, strict=True)
    )


def empty_states(traits: Traits, plan: Plan) -> State:
    """States of as many trials as a call runs, of blocks that are all to be started."""
    states = jax.tree.map(lambda like: np.zeros(like.shape, like.dtype), state_shapes(traits, plan))
    return states._replace(k=np.full(plan.blocks, -1, np.int32))


def traits_of(task: Task, records: int) -> Traits:
    """What is known of a group's trials."""
    return find_traits(task.program, task.group.values, task.given, task.limits, records)


def lower_blocks(task: Task, plan: Plan, records: int, device: Any) -> jax.stages.Lowered:
    """The program of a group for one device, traced; it is kept, and given again."""
    there, traits = SingleDeviceSharding(device), traits_of(task, records)
    lanes = plan.blocks, plan.width

    def like(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type, sharding=there)

    arguments = (
        {name: weak(lanes, column.dtype, there) for name, column in task.group.values.items()},
        jax.ShapeDtypeStruct(lanes, np.uint32, sharding=there),
        jax.ShapeDtypeStruct(lanes, bool, sharding=there),
        state_shapes(traits, plan, there),
        jax.tree.map(like, task.given),
        task.limits,
        NEVER_PAUSE,
    )
    return jitted(run_blocks, (task.program, traits.sort, plan.layout), arguments, donated=(3,)).lower(*arguments)


def compile_blocks(lowered: jax.stages.Lowered, layout: Layout) -> jax.stages.Compiled:
    """The compiled program; JAX keeps it, and gives it again."""
    # Loops over lanes are all that one kernel holds, and the widest registers suit them.
    return lowered.compile({"xla_cpu_prefer_vector_width": "512"} if layout.one_kernel or layout.lanes_last else None)
