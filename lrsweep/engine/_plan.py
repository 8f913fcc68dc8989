"""The plan of a group: the width of its blocks, how many of them a call runs, and the layout of their loop."""

from typing import Any

import jax
import numpy as np

from lrsweep.engine._compile import CompiledCall, GroupJob, Plan, compile_calls, spec_of
from lrsweep.engine._devices import devices
from lrsweep.engine._kernel import has_one_kernel
from lrsweep.engine._layout import Layout
from lrsweep.engine._memory import available_bytes, show_bytes
from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.training._slices import count_examples

# Past about a thousand lanes XLA's CPU backend splits even tiny operations over threads, and slows down. Where there is
# a device per core, so that none has threads to spare, narrower blocks fit its caches better.
MAX_WIDTH = 1024
MAX_WIDTH_BESIDE_OTHERS = 256

# An accelerator wants as many lanes as there are trials: on an H200 with JAX 0.11 a million trials of the line took the
# longer the narrower the blocks were, 45 s in blocks that suit a CPU.
MAX_WIDTH_ACCELERATOR = 2**20

# The least and the greatest width of blocks of small trials, which are unrolled and run in one kernel. With fewer lanes
# that is not worth its longer compilation; with more XLA's CPU backend splits operations, which one kernel cannot hold.
SMALL_WIDTHS = 128, 256

# With the lanes as the last axis: the fewest lanes that fill a register; the most at which products with shared data
# are fast; and the size in bytes up to which a few of a block's arrays fit into a core's own cache.
REGISTER = 16
MAX_WIDTH_LAST = 128
MAX_ARRAY_LAST = 2**18

# How many trials each device must get for it to be worth compiling for several.
MIN_SHARE = 16

# How many updates a chunk of small trials has. The longer chunks are, the more of them a trial stops in.
CHUNK = 8

# How many an accelerator's chunk has where updates see every loss: on an H200 a regression took 1.05 times as long as
# without a look at its trials, and 1.2 times in chunks of 8.
CHUNK_ACCELERATOR = 64

# Where updates do not see what is measured, an accelerator waits for the host a few times in a chunk, for about as long
# as so many small updates take. They are small where the states side by side take up to so many bytes.
UPDATES_OF_A_CHUNK = 2
EPOCHS_OF_A_CHUNK = 2
MAX_STATES_OF_LONG_CHUNKS = 2**26

# The longest chunk that a caller may ask for: each of its losses is compared by code of its own.
MAX_CHUNK = 256

# The most blocks that one call runs: so many that the host has little to do, and few enough that results come steadily.
MAX_BLOCKS = 128

# The share of the memory that the states of a call's trials may take. They are there twice when they move.
_SHARE_OF_STATES = 0.2

# How often, evenly along the steps, blocks may share their active trials anew: small trials less often, since moving
# them takes about as long as a few of their updates.
_SMALL_STAGES = 4
_STAGES = 32

# How XLA's errors begin where memory does not suffice.
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


def choose_width(trials: int, *, most: int = MAX_WIDTH, multiple: int | None = None) -> int:
    """Chooses the block width for a number of trials: as few blocks as they fit, all about equally full.

    Args:
        trials: How many there are, 1 or more.
        most: The widest block that suits, a power of two.
        multiple: What the width is to be a multiple of, a power of two. None for one that leaves at most a sixteenth of
            a block empty: numbers of trials that are near each other then share a width, and so a compiled program.

    Example:
        >>> choose_width(3), choose_width(65), choose_width(1025), choose_width(65, multiple=16)
        (3, 68, 544, 80)
    """
    share = -(-trials // -(-trials // most))
    step = multiple or max(1, next_power_of_two(share) // 32)
    return min(most, -(-share // step) * step)


def next_power_of_two(number: int) -> int:
    """Gives the least power of two that a number does not exceed.

    Example:
        >>> next_power_of_two(3), next_power_of_two(4)
        (4, 4)
    """
    return 1 << max(0, number - 1).bit_length()


def choose_plan(
    job: GroupJob, width: int | None = None, layout: Layout | None = None, parts: int | None = None
) -> Plan:
    """Chooses the plan of a group: as the caller asks, otherwise as suits its trials, their number and the devices.

    Args:
        job: The group to run.
        width: The block width that the caller wants, or None.
        layout: The layout that the caller wants, or None.
        parts: Into how many parts the trials were divided before, if they are to be divided so again; or None.

    Raises:
        ValueError: The trials cannot be laid out as the caller wants.
    """
    if layout is not None:
        _check_layout(job, layout)
    choose = _choose_on_cpu if devices()[0].platform == "cpu" else _choose_on_accelerator
    width, chosen = choose(job, width, is_free=layout is None)
    layout = layout or chosen
    return Plan(width, *_divide(job, width, parts, pads=layout.unrolled), layout)


def _share_of_device(job: GroupJob) -> int:
    """Gives how many trials each device gets: its share, unless that is less than is worth compiling for."""
    trials = len(job.group.seeds)
    share = -(-trials // len(devices()))
    return share if share >= MIN_SHARE else trials


def _is_small(job: GroupJob, width: int | None) -> bool:
    """Tells whether to unroll trials: their updates are of few scalars, and there are lanes enough side by side."""
    lanes = len(job.group.seeds) if width is None else width
    return lanes >= SMALL_WIDTHS[0] and _updates_see_every_loss(job) and spec_of(job, 0).small


def _choose_on_cpu(job: GroupJob, width: int | None, *, is_free: bool) -> tuple[int, Layout]:
    """Chooses a width where there is none yet, and a layout where that is free; as measured on CPUs."""
    share = _share_of_device(job)
    if is_free and _is_small(job, width):
        # These take longer to compile than to run, and share a program whatever their number.
        width = width or min(SMALL_WIDTHS[1], next_power_of_two(share))
        one_kernel = width <= SMALL_WIDTHS[1] and has_one_kernel(devices()[0])
        return width, Layout(CHUNK, unrolled=True, one_kernel=one_kernel)
    widest = spec_of(job, 0).widest if is_free and _updates_see_every_loss(job) else None
    if width is None and widest is not None and widest * REGISTER <= MAX_ARRAY_LAST:
        most = min(MAX_WIDTH_LAST, next_power_of_two(MAX_ARRAY_LAST // widest + 1) // 2)
        width = choose_width(share, most=most, multiple=REGISTER if share >= REGISTER else 1)
    elif width is None:
        # Networks take longer to run than to compile: lanes that are left empty would cost more than is shared.
        most = MAX_WIDTH_BESIDE_OTHERS if len(devices()) > 1 else MAX_WIDTH
        width = choose_width(share, most=most, multiple=None if _updates_see_every_loss(job) else 1)
    suits = widest is not None and width % REGISTER == 0 and width * widest <= MAX_ARRAY_LAST
    return width, Layout(lanes_last=True) if suits else Layout()


def _choose_on_accelerator(job: GroupJob, width: int | None, *, is_free: bool) -> tuple[int, Layout]:
    """Chooses a width where there is none yet, and a layout where that is free; as measured on a GPU."""
    width = width or choose_width(_share_of_device(job), most=MAX_WIDTH_ACCELERATOR)
    if is_free and _is_small(job, width):
        return width, Layout(CHUNK, unrolled=True)
    if _skips_losses(job) or spec_of(job, 0).state_spec.guarded:
        return width, Layout()
    return width, Layout(CHUNK_ACCELERATOR if job.program.sees_loss else _chunk_between_looks(job, width))


def _chunk_between_looks(job: GroupJob, width: int) -> int:
    """Chooses the chunk of updates that do not see what is measured: it divides the updates between two looks.

    The last chunk is run to its end, past the steps. Large states make for updates so long that few of them are enough;
    and a chunk draws the permutations of its epochs at once, which are to take little memory.
    """
    steps, every, batch_size = job.limits.steps, job.limits.evaluate_every, job.program.batch_size
    most = CHUNK_ACCELERATOR if width * _state_bytes(job) <= MAX_STATES_OF_LONG_CHUNKS else CHUNK
    if batch_size is not None:
        most = min(most, EPOCHS_OF_A_CHUNK * count_examples(job.shared.data) // batch_size)
    chunks = [chunk for chunk in range(1, most + 1) if every % chunk == 0]
    return min(chunks, key=lambda chunk: -(-steps // chunk) * (chunk + UPDATES_OF_A_CHUNK))


def _divide(job: GroupJob, width: int, parts: int | None, *, pads: bool) -> tuple[int, int]:
    """Divides a group into parts, each of which a call runs; gives how many blocks a part has, and the number of parts.

    Args:
        job: The group.
        width: The block width.
        parts: The number of parts, or None where that is free.
        pads: Whether to round the blocks to a power of two, so that groups of similar size share a compiled program.
    """
    total = -(-len(job.group.seeds) // width)
    if parts is None:
        room = _SHARE_OF_STATES * available_bytes() / len(devices())
        most = max(1, min(MAX_BLOCKS, int(room / (width * _state_bytes(job)))))
        parts = min(total, len(devices()) * -(-total // (len(devices()) * most)))
    blocks = -(-total // parts)
    return next_power_of_two(blocks) if pads else blocks, parts


def _state_bytes(job: GroupJob) -> int:
    """Gives how many bytes the state of one trial takes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(spec_of(job, 0).state))


def stage_of(layout: Layout, steps: int) -> int:
    """Gives after how many updates blocks may share their active trials anew, a multiple of the layout's chunk."""
    stages = _SMALL_STAGES if layout.unrolled else _STAGES
    return -(-steps // (stages * layout.chunk)) * layout.chunk


def _check_layout(job: GroupJob, layout: Layout) -> None:
    if not isinstance(layout, Layout):
        raise InputTypeError(f"layout must be a lrsweep.Layout, not a {type(layout).__name__}")
    check_count("layout: chunk", layout.chunk, most=MAX_CHUNK)
    for name, value in layout._asdict().items():
        if name != "chunk" and not isinstance(value, bool | np.bool_):
            raise InputTypeError(f"layout: {name}={quote(value)} must be True or False")
    if layout.chunk > 1 and _skips_losses(job):
        raise InputError(
            f"layout: chunk={layout.chunk} must be 1 where updates compute the loss more often than it is measured: "
            "with evaluate_every above 1 and without a batch_size or metrics"
        )
    if not job.program.sees_loss and job.limits.evaluate_every % layout.chunk != 0:
        raise InputError(
            f"layout: chunk={layout.chunk} must divide evaluate_every={job.limits.evaluate_every}, since trials are "
            "measured between chunks"
        )
    if layout.chunk > 1 and spec_of(job, 0).state_spec.guarded:
        raise InputError(
            f"layout: chunk={layout.chunk} must be 1 where the loss or the optimizer holds a loop that goes on by its "
            "values, or a callback"
        )
    if layout.unrolled and not spec_of(job, 0).small:
        raise InputError("layout: unrolled must be False, the updates are too large or not computed element by element")
    if layout.one_kernel and (layout.chunk == 1 or not layout.unrolled):
        raise InputError("layout: one_kernel must be False unless chunk is above 1 and unrolled is True")
    if layout.lanes_last and layout.unrolled:
        raise InputError("layout: lanes_last must be False where unrolled is True: scalars have no other axis")


def _skips_losses(job: GroupJob) -> bool:
    """Tells whether updates compute what is measured, but more often than it is."""
    return job.program.sees_loss and job.limits.evaluate_every > 1


def _updates_see_every_loss(job: GroupJob) -> bool:
    """Tells whether the losses that updates compute are all that is evaluated, at every update."""
    return job.program.sees_loss and job.limits.evaluate_every == 1


def fit_plan(job: GroupJob, plan: Plan, records: int, *, exact: bool) -> tuple[Plan, CompiledCall]:
    """Compiles a plan, with ever fewer trials at a time until they fit in memory.

    Args:
        job: The group to run.
        plan: The plan to start from.
        records: At how many updates to record.
        exact: Whether to keep the width whatever memory it needs, since the caller asks for it.

    Returns:
        The plan that fits, and its compiled program.

    Raises:
        ValueError: Not even one trial fits.
    """
    device = devices()[0]
    # The devices of a CPU share its memory.
    available = available_bytes() // (len(devices()) if device.platform == "cpu" else 1)
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(job.shared))
    while True:
        plan, compiled = _compile(job, plan, records, device)
        if compiled.needed <= available or (exact and plan.blocks == 1):
            return plan, compiled
        if plan.width == 1 and plan.blocks == 1:
            raise InputError(too_large(compiled.needed))
        per_lane = max(1, (compiled.needed - shared) // (plan.width * plan.blocks))
        lanes = max(1, (available - shared) // per_lane)
        plan = narrower(job, plan, 1 << (lanes.bit_length() - 1))


def check_width(width: int, needed: int) -> None:
    """Refuses a block width that the caller asks for, where it needs more than all the memory of the machine.

    Raises:
        InputError: A block of that width needs more memory than there is.
    """
    available = available_bytes()
    # `available_bytes` is a cautious share of the memory that there is: what a block needs is only known roughly.
    if needed > 2 * available:
        raise InputError(
            f"block_width={width} needs {show_bytes(needed)} of memory, and there are {show_bytes(available)}: "
            "take less"
        )


def narrower(job: GroupJob, plan: Plan, width: int | None = None) -> Plan:
    """Makes a plan for fewer trials at a time: parts of one block each, and otherwise narrower blocks.

    Args:
        job: The group to run.
        plan: The plan that takes too much memory.
        width: The block width to come to, at most half of the plan's; None for half of it.
    """
    if plan.blocks > 1:
        return plan._replace(blocks=1, parts=-(-len(job.group.seeds) // plan.width))
    width = min(plan.width // 2, width or plan.width)
    # Small trials may need another layout there; others keep theirs.
    plan = choose_plan(job, width) if plan.layout.unrolled else plan._replace(width=width)
    return plan._replace(blocks=1, parts=-(-len(job.group.seeds) // width))


def _compile(job: GroupJob, plan: Plan, records: int, device: Any) -> tuple[Plan, CompiledCall]:
    try:
        return plan, compile_calls(job, plan, records, [device])[0]
    except Exception as error:
        if plan.layout == Layout() or OUT_OF_MEMORY in str(error):
            raise
    # This version of JAX or XLA does not compile the layout: do without the one kernel, and then without all of it.
    layout = plan.layout._replace(one_kernel=False) if plan.layout.one_kernel else Layout()
    return _compile(job, plan._replace(layout=layout), records, device)


def one_by_one(plan: Plan) -> Plan:
    """Makes a plan's chunks one update long."""
    return plan._replace(layout=plan.layout._replace(chunk=1, one_kernel=False))


def too_large(needed: int) -> str:
    """Writes the message that a single trial does not fit into memory."""
    return (
        f"a single trial needs {show_bytes(needed)} of memory, and there are {show_bytes(available_bytes())} for it on "
        f"{devices()[0].device_kind}: take a smaller model, less data or a smaller batch_size"
    )
