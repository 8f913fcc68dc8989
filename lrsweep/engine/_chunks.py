"""Updates in chunks: the monitors are skipped for chunks in which no trial can stop."""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._jaxpr import compute, constants_of, trace
from lrsweep.engine._layout import Layout
from lrsweep.training._monitor import (
    Bounds,
    Monitor,
    StopLimits,
    half_of,
    last_quarter_of,
    may_stop,
    quiet_bounds,
    tree_where,
    update_best,
)

# One update of all lanes. It takes the number of updates so far and the train states; it gives the states after the
# update, and for each lane the loss before it and whether the parameters before it were finite.
Update = Callable[[Any, Any], tuple[Any, Any, Any]]


class Chunk(NamedTuple):
    """The last chunk of updates that was run.

    Attributes:
        end: int32, the number of updates at its end.
        train: The train states there.
        losses: ``[update, lane]``, the loss before each of its updates.
        finite: ``[lane] int32``, before how many of its updates the parameters were finite. These come first: since an
            update is added to the parameters, what is not finite stays so.
        best: ``[lane]`` each, the best loss before the chunk, and its update.
        busy: bool, whether the monitors must observe the chunk: a trial may stop in it, or come nearer to a stop.
    """

    end: Any
    train: Any
    losses: Any
    finite: Any
    best: tuple[Any, Any]
    busy: Any


def run_quiet_chunks(
    update: Update,
    k: Any,
    train: Any,
    monitor: Monitor,
    limits: StopLimits,
    layout: Layout,
    is_wanted: Callable[[Any], Any],
) -> Chunk:
    """Runs chunks up to and including the first one that the monitors must observe.

    Args:
        update: One update of all lanes, which gives the loss over all the data.
        k: int32, the number of updates so far.
        train: The train states.
        monitor: The trials' monitors, ``[lane]``.
        limits: The limits that end a trial.
        layout: The layout, which says how many updates a chunk has.
        is_wanted: Whether the caller wants the chunk that begins at an update in any case.

    Returns:
        The last chunk. Those before it were quiet: of their losses its `best` says all that the monitors need.
    """

    def run_chunk(chunk: Chunk, quiet: Bounds) -> Chunk:
        def run_update(carry: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
            k, train, finite = carry
            train, loss, is_finite = update(k, train)
            return (k + 1, train, finite + is_finite), loss

        none = jnp.zeros(monitor.best_at.shape, jnp.int32)
        (end, train, finite), stacked = lax.scan(run_update, (chunk.end, chunk.train, none), length=layout.chunk)
        losses = [stacked[place] for place in range(layout.chunk)]
        matters = may_stop(monitor, quiet, losses, limits) | (monitor.active & (finite < layout.chunk))
        busy = matters.any() | is_wanted(chunk.end) | _reaches_milestone(chunk.end, limits, layout.chunk)
        best = tree_where(busy, chunk.best, update_best(chunk.best, chunk.end, losses))
        return Chunk(end, train, stacked, finite, best, busy)

    def run_until_busy(k: Any, train: Any, monitor: Monitor) -> Chunk:
        losses = jnp.zeros((layout.chunk, *monitor.best_loss.shape), monitor.best_loss.dtype)
        finite = jnp.zeros(monitor.best_at.shape, jnp.int32)
        first = Chunk(k, train, losses, finite, (monitor.best_loss, monitor.best_at), jnp.bool_(False))
        advance = partial(run_chunk, quiet=quiet_bounds(monitor, limits))
        return lax.while_loop(lambda chunk: ~chunk.busy, advance, first)

    return call(run_until_busy, k, train, monitor, one_kernel=layout.one_kernel)


def _reaches_milestone(k: Any, limits: StopLimits, chunk: int) -> Any:
    """Tells whether the chunk that begins at `k` is one that the monitors must observe whatever its losses.

    It is the first one; one with the end of the first half, the start of the last quarter or the last update in it; and
    the one before the start of the last quarter, from which on the predicted decrease is added up.
    """
    last_quarter = last_quarter_of(limits.steps)
    reaches = (k == 0) | ((last_quarter - k >= chunk) & (last_quarter - k < 2 * chunk))
    for milestone in (half_of(limits.steps), last_quarter, limits.steps):
        reaches |= (k <= milestone) & (milestone - k < chunk)
    return reaches


def call(function: Callable[..., Any], *arguments: Any, one_kernel: bool) -> Any:
    """Calls a function, and where `one_kernel` is set asks XLA's CPU backend to compile it into one kernel.

    The backend would otherwise start a kernel for every few operations, which takes longer than small ones do.
    """
    if not one_kernel:
        return function(*arguments)
    # `has_one_kernel` finds out whether this version of JAX has it: where it has not, no layout asks for one kernel.
    from jax.experimental.xla_metadata import set_xla_metadata

    computation, shapes = trace(function, *arguments)

    def kernel(constants: list[Any], arguments: list[Any]) -> tuple[list[Any], Any]:
        # The backend gives up where an argument is unused, so each of them goes into a sum.
        total = sum(jnp.sum(array, dtype=jnp.float32) for array in (*constants, *arguments))
        return compute(computation, constants, arguments), total

    results, _ = jax.jit(kernel)(constants_of(computation), jax.tree.leaves(arguments))
    request = {"xla_cpu_small_call": "true", "inlineable": "false"}
    results = [set_xla_metadata(results[0], **request), *results[1:]]
    return jax.tree.unflatten(jax.tree.structure(shapes), results)


@functools.cache
def has_one_kernel(device: Any) -> bool:
    """Tries once whether XLA can compile a loop into one kernel, with the same results as otherwise.

    Args:
        device: The device to compile for.
    """

    def run(scale: Any, x: Any, *, one_kernel: bool) -> Any:
        def double(x: Any) -> Any:
            return lax.while_loop(lambda x: x.max() < 100, lambda x: scale * x + 1, x)

        return call(double, x, one_kernel=one_kernel)

    try:
        with jax.default_device(device):
            scale, x = jnp.float32(2), jnp.arange(8, dtype=jnp.float32)
            many, one = (jax.jit(partial(run, one_kernel=one_kernel))(scale, x) for one_kernel in (False, True))
            return bool((many == one).all())
    except Exception:  # whatever the reason, the sweep does without
        return False
