"""The compiled program of a group's trials: its arguments, and its compilation."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from lrsweep.engine._block import TrialState
from lrsweep.engine._cache import MOST_PROGRAMS, cached, jitted
from lrsweep.engine._call import Columns, Part, Report, run_call
from lrsweep.engine._layout import Layout
from lrsweep.engine._memory import needed_bytes
from lrsweep.engine._spec import Like, ProgramSpec, find_spec, like_limits, precision, weak
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import Group
from lrsweep.training._program import Program, SharedInputs


class GroupJob(NamedTuple):
    """A group of trials to run: its program, its rows, the arrays that all trials share, and the limits."""

    program: Program
    group: Group
    shared: SharedInputs
    limits: StopLimits


class Plan(NamedTuple):
    """How a group is run.

    Attributes:
        width: The block width.
        blocks: How many blocks a call of the compiled program runs.
        parts: Into how many parts the trials are divided, each of which a call runs.
        layout: How the loop of a block is laid out.
    """

    width: int
    blocks: int
    parts: int
    layout: Layout


def state_shapes(spec: ProgramSpec, plan: Plan) -> TrialState:
    """Gives the shapes and dtypes of the state of the trials that one call runs."""
    leaves, structure = jax.tree.flatten(spec.state)
    axes = [() if common else (plan.blocks, plan.width) for common in spec.state_spec.common]
    return structure.unflatten(
        jax.ShapeDtypeStruct((*leading, *leaf.shape), leaf.dtype) for leading, leaf in zip(axes, leaves, strict=True)
    )


def empty_state(spec: ProgramSpec, plan: Plan, device: Any = None) -> TrialState:
    """Makes the state that a call takes where its trials start: on an accelerator there, otherwise by the host."""
    on_host = device is None or device.platform == "cpu"
    zeros = np.zeros if on_host else partial(jnp.zeros, device=device)
    state = jax.tree.map(lambda like: zeros(like.shape, like.dtype), state_shapes(spec, plan))
    return state._replace(k=np.int32(-1))


def spec_of(job: GroupJob, records: int) -> ProgramSpec:
    """Describes a group's trials."""
    return find_spec(job.program, job.group.values, job.shared, job.limits, records)


class CompiledCall(NamedTuple):
    """The compiled program of a group on a device.

    Attributes:
        run: The program.
        needed: How much memory in bytes a call takes, as far as XLA says.
        shapes: The shapes and dtypes of what a call gives.
    """

    run: jax.stages.Compiled
    needed: int
    shapes: tuple[TrialState, Report]


def compile_calls(job: GroupJob, plan: Plan, records: int, devices: Sequence[Any]) -> list[CompiledCall]:
    """Compiles the program of a group for some devices, all at the same time; from the cache where it was before."""
    spec, lanes = spec_of(job, records), (plan.blocks, plan.width)
    values = {name: weak(lanes, column.dtype) for name, column in job.group.values.items()}
    columns, number = Columns(values, jax.ShapeDtypeStruct(lanes, np.uint32)), jax.ShapeDtypeStruct((), np.int32)
    part = Part(jax.ShapeDtypeStruct(lanes, bool), number, number)
    like = Like.of((columns, job.shared, like_limits(job.limits), part, state_shapes(spec, plan)))
    slots = [_slot(job.program, spec.state_spec, plan.layout, like, device, precision()) for device in devices]
    lowered: list[tuple[list[CompiledCall], Any]] = []
    for slot, device in zip(slots, devices, strict=True):
        if not slot:
            # Traced in this thread, since JAX's modes hold in one thread only.
            shapes = like.shapes(SingleDeviceSharding(device))
            function = jitted(run_call, (job.program, spec.state_spec, plan.layout), shapes, donated=(4,))
            lowered.append((slot, function.lower(*shapes)))
    # In these layouts the innermost loops run over lanes, which fill the widest registers.
    is_wide = plan.layout.one_kernel or plan.layout.lanes_last
    options: Any = {"xla_cpu_prefer_vector_width": "512"} if is_wide else None

    def fill(slot: list[CompiledCall], lowered: jax.stages.Lowered) -> None:
        compiled = lowered.compile(options)
        slot.append(CompiledCall(compiled, needed_bytes(compiled), lowered.out_info))

    with ThreadPoolExecutor(max_workers=max(1, len(lowered))) as pool:
        list(pool.map(lambda pair: fill(*pair), lowered))
    return [slot[0] for slot in slots]


@cached(MOST_PROGRAMS)
def _slot(*_: Any) -> list[CompiledCall]:
    """Gives the place for the compiled program of the arguments: empty until it has been compiled."""
    return []
