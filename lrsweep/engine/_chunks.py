"""Several updates to a turn of the loop: turns of which nothing can come but a better loss are passed over quickly."""

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
    Limits,
    Watch,
    half_of,
    keep_best,
    late_of,
    may_matter,
    quiet_between,
    where,
)

# From the count of updates and what the next one changes: that after it, and of each trial side by side the loss before
# it, and whether the parameters before it were finite.
Update = Callable[[Any, Any], tuple[Any, Any, Any]]


class Turn(NamedTuple):
    """The last turn that was made.

    Attributes:
        end: int32, the updates made by its end.
        moving: What they came to.
        losses: The losses before each of its updates, ``[update, lane]``.
        finite: ``[lane] int32``, before how many of them the parameters were finite. Those are the first: an update is
            added to the parameters, and what is not finite stays so.
        best: ``[lane]`` each, the least loss before it, and where it was.
        busy: bool, whether for some trial more may have come of it than a better loss.
    """

    end: Any
    moving: Any
    losses: Any
    finite: Any
    best: tuple[Any, Any]
    busy: Any


def pass_quiet_turns(
    update: Update, k: Any, moving: Any, watch: Watch, limits: Limits, layout: Layout, is_stop: Callable[[Any], Any]
) -> Turn:
    """Makes turns until, for some trial, more may come of one than a better loss; that one is left to be looked at.

    Args:
        update: An update, of trials whose losses are measured at every one.
        k: int32, the number of updates so far.
        moving: What an update changes.
        watch: What is known of the trials, ``[lane]``.
        limits: What ends them.
        layout: How many updates a turn makes.
        is_stop: Whether the turn that begins at an update is to be looked at in any case.
    """

    def take(turn: Turn, quiet: Bounds) -> Turn:
        def one(now: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
            k, moving, finite = now
            moving, loss, is_finite = update(k, moving)
            return (k + 1, moving, finite + is_finite), loss

        none = jnp.zeros(watch.best_at.shape, jnp.int32)
        (end, moving, finite), losses = lax.scan(one, (turn.end, turn.moving, none), length=layout.turn)
        each = [losses[place] for place in range(layout.turn)]
        matters = may_matter(watch, quiet, each, limits) | (watch.going & (finite < layout.turn))
        busy = matters.any() | is_stop(turn.end) | _is_mark(turn.end, limits, layout.turn)
        best = where(busy, turn.best, keep_best(turn.best, turn.end, each))
        return Turn(end, moving, losses, finite, best, busy)

    def until_busy(k: Any, moving: Any, watch: Watch) -> Turn:
        losses = jnp.zeros((layout.turn, *watch.best_loss.shape), watch.best_loss.dtype)
        finite = jnp.zeros(watch.best_at.shape, jnp.int32)
        first = Turn(k, moving, losses, finite, (watch.best_loss, watch.best_at), jnp.bool_(False))
        return lax.while_loop(lambda turn: ~turn.busy, partial(take, quiet=quiet_between(watch, limits)), first)

    return call(until_busy, k, moving, watch, one_kernel=layout.one_kernel)


def _is_mark(k: Any, limits: Limits, turn: int) -> Any:
    """Whether the turn from `k` on holds an update that decides something, or the next one begins the last quarter."""
    late = late_of(limits.steps)
    found = (k == 0) | ((late - k >= turn) & (late - k < 2 * turn))
    for mark in (half_of(limits.steps), late, limits.steps):
        found |= (k <= mark) & (mark - k < turn)
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
    """Whether XLA, asked to compile a loop into one kernel, still gives what it gives otherwise: it is tried once.

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
