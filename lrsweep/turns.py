"""Several updates to a turn of the loop: turns of which nothing can come but a better loss are passed over quickly."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from lrsweep.watch import Bounds, Limits, Watch, half_of, keep_best, late_of, may_matter, quiet_between, where

# The axis that trials run side by side on. A trial asks along it only whether any of them is still going, or is due.
LANE = "lane"

# From the count of updates and what the next one changes: that after it, the loss before it, and whether the parameters
# before it were finite.
Update = Callable[[Any, Any], tuple[Any, Any, Any]]


class Layout(NamedTuple):
    """How a trial's loop is laid out for the machine; what two layouts give differs by no more than rounding.

    Attributes:
        turn: How many updates a turn of the loop makes before it looks at what has become of the trial.
        unrolled: Whether small arrays are kept as separate scalars.
        one_kernel: Whether XLA's CPU backend is asked to compile turns into one kernel.
        lanes_last: Whether the trials side by side are the last axis of every array, rather than the first.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.01])
        >>> laid_out = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, layout=Layout(turn=4, unrolled=True))
        >>> laid_out.provenance["groups"][0]["layout"]
        {'turn': 4, 'unrolled': True, 'one_kernel': False, 'lanes_last': False}
    """

    turn: int = 1
    unrolled: bool = False
    one_kernel: bool = False
    lanes_last: bool = False


class Pauses(NamedTuple):
    """When the trials side by side pause, so that others can take the place of those that have ended.

    Attributes:
        every: int32, after multiples of how many updates they may; itself a multiple of the layout's turn.
        most: int32, they do where no more than so many of them go on.
    """

    every: Any
    most: Any


class Turn(NamedTuple):
    """The last turn that was made.

    Attributes:
        end: int32, the updates made by its end.
        moving: What they came to.
        losses: The loss before each of its updates, ``[update]``.
        finite: int32, before how many of them the parameters were finite. Those are the first: an update is added to
            the parameters, and what is not finite stays so.
        best: The least loss before it, and where it was.
        busy: bool, whether more may have come of it than a better loss.
    """

    end: Any
    moving: Any
    losses: Any
    finite: Any
    best: tuple[Any, Any]
    busy: Any


def any_lane(condition: Any) -> Any:
    """Whether a condition holds for any of the trials side by side."""
    return lax.pmax(condition.astype(jnp.int32), LANE) > 0


def pass_quiet_turns(
    update: Update, k: Any, moving: Any, watch: Watch, limits: Limits, layout: Layout, is_stop: Callable[[Any], Any]
) -> Turn:
    """Makes turns until, for some trial, more may come of one than a better loss; that one is left to be looked at.

    Args:
        update: An update, of a trial whose loss is measured at every one.
        k: int32, the number of updates so far.
        moving: What an update changes.
        watch: What is known of the trial.
        limits: What ends it.
        layout: How many updates a turn makes.
        is_stop: Whether the turn that begins at an update is to be looked at in any case.
    """

    def take(turn: Turn, quiet: Bounds) -> Turn:
        def one(now: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
            k, moving, finite = now
            moving, loss, is_finite = update(k, moving)
            return (k + 1, moving, finite + is_finite), loss

        (end, moving, finite), losses = lax.scan(one, (turn.end, turn.moving, jnp.int32(0)), length=layout.turn)
        each = [losses[place] for place in range(layout.turn)]
        matters = may_matter(watch, quiet, each, limits) | (watch.going & (finite < layout.turn))
        busy = any_lane(matters) | is_stop(turn.end) | _is_mark(turn.end, limits, layout.turn)
        best = where(busy, turn.best, keep_best(turn.best, turn.end, each))
        return Turn(end, moving, losses, finite, best, busy)

    def until_busy(k: Any, moving: Any, watch: Watch) -> Turn:
        losses = jnp.zeros(layout.turn, watch.best_loss.dtype)
        first = Turn(k, moving, losses, jnp.int32(0), (watch.best_loss, watch.best_at), jnp.bool_(False))
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
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)

    def kernel(constants: list[Any], arguments: list[Any]) -> tuple[list[Any], Any]:
        # The backend gives up where an argument is not used, so that every one is.
        used = sum(jnp.sum(array, dtype=jnp.float32) for array in (*constants, *arguments))
        return jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, constants))(*arguments), used

    results, _ = jax.jit(kernel)(closed.consts, jax.tree.leaves(arguments))
    asked = {"xla_cpu_small_call": "true", "inlineable": "false"}
    results = [set_xla_metadata(results[0], **asked), *results[1:]]
    return jax.tree.unflatten(jax.tree.structure(shapes), results)
