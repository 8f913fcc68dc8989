"""Many trials side by side: one trial under vmap and jit, laid out for the device, as wide as its memory allows."""

import importlib.metadata
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import SingleDeviceSharding

from lrsweep.groups import Group
from lrsweep.memory import available_bytes, needed_bytes, show_bytes
from lrsweep.program import Given, Program
from lrsweep.trial import State, is_small, run_trial, start_trial
from lrsweep.turns import LANE, Layout
from lrsweep.watch import Limits, Outcome, outcome_of

# Past about a thousand lanes XLA's CPU backend splits even tiny operations over threads, and slows down.
MAX_WIDTH = 1024

# The widths at which small trials are laid out to run in few kernels: with fewer lanes there is nothing to gain by
# what takes longer to compile, and with more XLA's CPU backend splits operations, which one kernel cannot hold.
SMALL_WIDTHS = 128, 256

# How many trials a device must have for another to be given as many.
MIN_SHARE = 16

# How many updates a turn of small trials makes: more of them and a turn is more often one that must be looked at.
TURN = 8

# How many blocks one call runs, where they are small: a call takes the host as long as a small block takes to run.
MAX_BLOCKS = 64

# Where no lane is to make room for another.
NEVER_PAUSE = 2**30

# The jaxlib whose CPU backend has been seen to compile turns into one kernel: another might not survive being asked to.
ONE_KERNEL_VERSIONS = ("0.10.2",)

# How XLA's errors begin where there is not enough memory.
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


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


@partial(jax.jit, static_argnames=("program", "layout", "records"), donate_argnames=("states",))
def run_blocks(
    program: Program,
    values: Mapping[str, Any],
    seeds: Any,
    used: Any,
    states: State,
    given: Given,
    limits: Limits,
    pause_every: Any,
    *,
    layout: Layout,
    records: int = 0,
) -> tuple[State, Outcome]:
    """Runs blocks of trials, each side by side, as one compiled program; a block ends, or pauses, with its trials.

    Args:
        program: What is compiled.
        values: Each column, ``[block, lane]``.
        seeds: ``[block, lane] uint32``.
        used: ``[block, lane] bool``, whether there is a trial in the lane.
        states: Where they are, ``[block, lane, ...]``, with `k` ``[block] int32``, below 0 for a block to be started.
        given: What all trials share.
        limits: What ends a trial.
        pause_every: After multiples of how many updates a block pauses, once at least half of its trials have ended.
        layout: How the loop of a trial is laid out.
        records: How many losses to record.

    Returns:
        Where they are now, and what has become of those that have ended.
    """

    def run_block(values: Mapping[str, Any], seeds: Any, used: Any, state: State) -> tuple[State, Outcome]:
        start = jax.vmap(lambda row, seed: start_trial(program, row, seed, given, records), out_axes=_BY_LANE)

        def started() -> State:
            fresh = start(values, seeds)
            return _raw(fresh._replace(watch=fresh.watch._replace(going=used)))

        def go_on(row: Mapping[str, Any], state: State) -> tuple[State, Outcome]:
            state = run_trial(program, row, given, limits, state, pause_every, layout)
            return state, outcome_of(state.watch, state.moving.promised, limits)

        state = _typed(lax.cond(state.k < 0, started, lambda: state), _kinds_of_keys(start, values, seeds))
        axes = {"in_axes": (0, _BY_LANE), "out_axes": (_BY_LANE, 0)}
        state, outcome = jax.vmap(go_on, axis_name=LANE, **axes)(values, state)
        return _raw(state), outcome

    lanes = values, seeds, used, states
    if len(seeds) > 1:
        return lax.map(lambda block: run_block(*block), lanes)
    only = run_block(*jax.tree.map(lambda array: array[0], lanes))
    return jax.tree.map(lambda array: array[None], only)


# The count of updates is the same for all lanes.
_BY_LANE: Any = State(*(None, 0, 0, 0))  # pyright: ignore[reportArgumentType]


def _raw(state: State) -> State:
    """The same with keys as the numbers that they are made of, which the host can hold."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def _typed(raw: State, kinds: list[Any]) -> State:
    leaves, structure = jax.tree.flatten(raw)
    pairs = zip(leaves, kinds, strict=True)
    return structure.unflatten(jax.random.wrap_key_data(leaf, impl=kind) if kind else leaf for leaf, kind in pairs)


def _kinds_of_keys(function: Any, *arguments: Any) -> list[Any]:
    """What kind of key each leaf that a function returns is, or None where it is a number."""
    kinds: list[Any] = []

    def note(*arguments: Any) -> None:
        for leaf in jax.tree.leaves(function(*arguments)):
            kinds.append(jax.random.key_impl(leaf) if _is_key(leaf) else None)

    jax.eval_shape(note, *arguments)
    return kinds


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def state_shapes(task: Task, records: int) -> State:
    """The shapes and dtypes of one trial's state, as the host holds it."""

    def start(row: Mapping[str, Any], seed: Any, given: Given) -> State:
        return _raw(start_trial(task.program, row, seed, given, records))

    row = {name: _weak((), column.dtype) for name, column in task.group.values.items()}
    return jax.eval_shape(start, row, jax.ShapeDtypeStruct((), np.uint32), task.given)


def empty_states(like: State, plan: Plan) -> State:
    """States of as many trials as a call runs, of blocks that are all to be started."""
    states = jax.tree.map(lambda leaf: np.zeros((plan.blocks, plan.width, *leaf.shape), leaf.dtype), like)
    return states._replace(k=np.full(plan.blocks, -1, np.int32))


def _weak(shape: tuple[int, ...], dtype: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    # As Python's own numbers are, so that what they meet decides the precision. A strongly typed learning rate would
    # turn the state of an optimizer of 16-bit parameters to 32-bit at its first update.
    return jax.ShapeDtypeStruct(shape, dtype, weak_type=True, sharding=sharding)


def lower_blocks(task: Task, plan: Plan, records: int, device: Any) -> jax.stages.Lowered:
    """The program of a group for one device, traced; JAX keeps it, and gives it again."""
    there = SingleDeviceSharding(device)
    lanes = plan.blocks, plan.width

    def like(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type, sharding=there)

    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*lanes, *leaf.shape), leaf.dtype, sharding=there),
        state_shapes(task, records),
    )
    return run_blocks.lower(
        task.program,
        {name: _weak(lanes, column.dtype, there) for name, column in task.group.values.items()},
        jax.ShapeDtypeStruct(lanes, np.uint32, sharding=there),
        jax.ShapeDtypeStruct(lanes, bool, sharding=there),
        states._replace(k=jax.ShapeDtypeStruct(lanes[:1], np.int32, sharding=there)),
        jax.tree.map(like, task.given),
        task.limits,
        NEVER_PAUSE,
        layout=plan.layout,
        records=records,
    )


def compile_blocks(lowered: jax.stages.Lowered, layout: Layout) -> jax.stages.Compiled:
    """The compiled program; JAX keeps it, and gives it again."""
    # Loops over lanes are all that one kernel holds, and the widest registers suit them.
    return lowered.compile({"xla_cpu_prefer_vector_width": "512"} if layout.one_kernel else None)


def devices() -> list[Any]:
    """The devices that blocks are handed to: the one that JAX is told to use, or all of this process."""
    told = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    return [told] if isinstance(told, jax.Device) else jax.local_devices()


def choose_width(trials: int, *, small: bool = False) -> int:
    """The block width for a number of trials: the next power of two, up to `MAX_WIDTH`, or less where they are small.

    Example:
        >>> choose_width(3), choose_width(100_000), choose_width(100_000, small=True)
        (4, 1024, 256)
    """
    return min(SMALL_WIDTHS[1] if small else MAX_WIDTH, 1 << max(0, trials - 1).bit_length())


def choose_plan(task: Task, width: int | None = None, layout: Layout | None = None) -> Plan:
    """How a group is laid out: as the caller says, or as suits its trials, their number, and the devices.

    Args:
        task: What is to be run.
        width: The block width that the caller wants, or None.
        layout: The layout that the caller wants, or None.

    Raises:
        ValueError: The trials cannot be laid out as the caller wants.
    """
    trials = len(task.group.rows)
    if layout is not None:
        _check_layout(task, layout)
    small = layout is None and (width or trials) >= SMALL_WIDTHS[0] and _every_loss_is_seen(task) and _is_small(task)
    if width is None:
        share = -(-trials // len(devices()))
        # Each device has its share, unless that is less than is worth compiling for.
        width = choose_width(share if share >= MIN_SHARE else trials, small=small)
    if small:
        known = devices()[0].platform == "cpu" and importlib.metadata.version("jaxlib") in ONE_KERNEL_VERSIONS
        layout = Layout(TURN, unrolled=True, one_kernel=known and width <= SMALL_WIDTHS[1])
    calls = trials // (4 * width * len(devices())) if small else 1
    return Plan(width, max(1, min(MAX_BLOCKS, 1 << calls.bit_length() >> 1)), layout or Layout())


def _check_layout(task: Task, layout: Layout) -> None:
    if layout.turn < 1:
        raise ValueError(f"layout: turn={layout.turn} must be 1 or more")
    if layout.turn > 1 and not _every_loss_is_seen(task):
        raise ValueError(
            f"layout: turn={layout.turn} must be 1 where an update does not see what is measured: with a batch_size, "
            "metrics, or evaluate_every above 1"
        )
    if layout.unrolled and not _is_small(task):
        raise ValueError("layout: unrolled must be False, the updates are too large or not computed element by element")
    if layout.one_kernel and (layout.turn == 1 or not layout.unrolled):
        raise ValueError("layout: one_kernel must be False unless turn is above 1 and unrolled is True")


def _every_loss_is_seen(task: Task) -> bool:
    return task.program.sees_loss and task.limits.evaluate_every == 1


def _is_small(task: Task) -> bool:
    row = {name: _weak((), column.dtype) for name, column in task.group.values.items()}
    return is_small(task.program, row, task.given, task.limits)


def fit_plan(task: Task, plan: Plan, records: int, *, exact: bool) -> tuple[Plan, jax.stages.Compiled]:
    """A plan as it can be compiled, in blocks of half the width, and half of that, until one fits the memory there is.

    Args:
        task: What is to be run.
        plan: As it should be laid out.
        records: How many losses to record.
        exact: Whether the width is the caller's, and to be tried in any case.

    Raises:
        ValueError: Not even one trial fits.
    """
    device = devices()[0]
    there = available_bytes() // (len(devices()) if device.platform == "cpu" else 1)
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(task.given))
    while True:
        plan, compiled = _compile(task, plan, records, device)
        needed = needed_bytes(compiled)
        if needed <= there or exact:
            return plan, compiled
        if plan.width == 1:
            raise ValueError(too_large(needed))
        lane = max(1, (needed - shared) // (plan.width * plan.blocks))
        fits = max(1, (there - shared) // lane)
        plan = narrower(task, plan, min(plan.width // 2, 1 << (fits.bit_length() - 1)))


def narrower(task: Task, plan: Plan, width: int) -> Plan:
    """A plan for less memory; what is not small stays laid out as it is."""
    return choose_plan(task, width) if plan.layout.unrolled else Plan(width, 1, plan.layout)


def _compile(task: Task, plan: Plan, records: int, device: Any) -> tuple[Plan, jax.stages.Compiled]:
    try:
        return plan, compile_blocks(lower_blocks(task, plan, records, device), plan.layout)
    except jax.errors.JaxRuntimeError:
        if not plan.layout.one_kernel:
            raise
        plan = plan._replace(layout=plan.layout._replace(one_kernel=False))
        return _compile(task, plan, records, device)


def too_large(needed: int) -> str:
    """What to say where a single trial does not fit."""
    return (
        f"a single trial needs {show_bytes(needed)} of memory, and there are {show_bytes(available_bytes())} for it on "
        f"{devices()[0].device_kind}: take a smaller model, less data or a smaller batch_size"
    )
