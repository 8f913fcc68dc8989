"""Updates in chunks: the stopping test is skipped for chunks in which no trial can stop."""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._jaxpr import compute, held_by, read
from lrsweep.engine._layout import Layout
from lrsweep.training._monitor import (
    Bounds,
    Monitor,
    StopLimits,
    half_of,
    keep_best,
    late_of,
    may_stop,
    quiet_between,
    where,
)

# From the count of updates and the train states: the states after one more update, and for each lane the loss before it
# and whether the parameters before it were finite.
Update = Callable[[Any, Any], tuple[Any, Any, Any]]


class Chunk(NamedTuple):
    """The last chunk of updates that was run.

    Attributes:
        end: int32, the updates made by its end.
        train: The train states then.
        losses: The losses before each of its updates, ``[update, lane]``.
        finite: ``[lane] int32``, before how many of them the parameters were finite. Those are the first: an update is
            added to the parameters, and what is not finite stays so.
        best: ``[lane]`` each, the least loss before it, and where it was.
        busy: bool, whether any trial may have stopped in it, or come nearer to a stop.
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
    is_stop: Callable[[Any], Any],
) -> Chunk:
    """Runs chunks until a trial may have stopped in one; the caller looks at the losses of that one.

    Args:
        update: One update of all lanes, which gives the loss over all the data.
        k: int32, the number of updates so far.
        train: The train states.
        monitor: The trials' monitors, ``[lane]``.
        limits: What ends a trial.
        layout: How many updates a chunk has.
        is_stop: Whether the caller wants the chunk that begins at an update in any case.
    """

    def take(chunk: Chunk, quiet: Bounds) -> Chunk:
        def one(now: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
            k, train, finite = now
            train, loss, is_finite = update(k, train)
            return (k + 1, train, finite + is_finite), loss

        none = jnp.zeros(monitor.best_at.shape, jnp.int32)
        (end, train, finite), losses = lax.scan(one, (chunk.end, chunk.train, none), length=layout.chunk)
        each = [losses[place] for place in range(layout.chunk)]
        matters = may_stop(monitor, quiet, each, limits) | (monitor.active & (finite < layout.chunk))
        busy = matters.any() | is_stop(chunk.end) | _is_mark(chunk.end, limits, layout.chunk)
        best = where(busy, chunk.best, keep_best(chunk.best, chunk.end, each))
        return Chunk(end, train, losses, finite, best, busy)

    def until_busy(k: Any, train: Any, monitor: Monitor) -> Chunk:
        losses = jnp.zeros((layout.chunk, *monitor.best_loss.shape), monitor.best_loss.dtype)
        finite = jnp.zeros(monitor.best_at.shape, jnp.int32)
        first = Chunk(k, train, losses, finite, (monitor.best_loss, monitor.best_at), jnp.bool_(False))
        return lax.while_loop(lambda chunk: ~chunk.busy, partial(take, quiet=quiet_between(monitor, limits)), first)

    return call(until_busy, k, train, monitor, one_kernel=layout.one_kernel)


def _is_mark(k: Any, limits: StopLimits, chunk: int) -> Any:
    """Tells whether the chunk from `k` on holds a mark of the steps, or the next chunk begins the last quarter."""
    late = late_of(limits.steps)
    found = (k == 0) | ((late - k >= chunk) & (late - k < 2 * chunk))
    for mark in (half_of(limits.steps), late, limits.steps):
        found |= (k <= mark) & (mark - k < chunk)
    return found


def call(function: Callable[..., Any], *arguments: Any, one_kernel: bool) -> Any:
    """Calls a function; XLA's CPU backend can be asked to compile it into one kernel.

    It would otherwise start a kernel for every few operations, which takes longer than small ones do.
    """
    if not one_kernel:
        return function(*arguments)
    # Where JAX no longer has this, no layout asks for it: see `has_one_kernel`.
    from jax.experimental.xla_metadata import set_xla_metadata

    computation, shapes = read(function, *arguments)

    def kernel(held: list[Any], arguments: list[Any]) -> tuple[list[Any], Any]:
        # The backend gives up where an argument is not used, so that every one is.
        used = sum(jnp.sum(array, dtype=jnp.float32) for array in (*held, *arguments))
        return compute(computation, held, arguments), used

    results, _ = jax.jit(kernel)(held_by(computation), jax.tree.leaves(arguments))
    asked = {"xla_cpu_small_call": "true", "inlineable": "false"}
    results = [set_xla_metadata(results[0], **asked), *results[1:]]
    return jax.tree.unflatten(jax.tree.structure(shapes), results)


@functools.cache
def has_one_kernel(device: Any) -> bool:
    """Tries once whether XLA, asked to compile a loop into one kernel, gives what it gives otherwise.

    Args:
        device: The one that it is compiled for.
    """

    def run(scale: Any, x: Any, *, one_kernel: bool) -> Any:
        def double(x: Any) -> Any:
            return lax.while_loop(lambda x: x.max() < 100, lambda x: scale * x + 1, x)

        return call(double, x, one_kernel=one_kernel)

    try:
        with jax.default_device(device):
            scale, x = jnp.float32(2), jnp.arange(8, dtype=jnp.float32)
            plain, asked = (jax.jit(partial(run, one_kernel=asked))(scale, x) for asked in (False, True))
            return bool((plain == asked).all())
    except Exception:  # whatever is in the way, the sweep does without
        return False
