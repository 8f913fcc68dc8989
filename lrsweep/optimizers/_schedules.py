"""Schedules whose peak is the learning rate, so that a sweep over it compiles one program."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote, unknown
from lrsweep.optimizers._factories import Factory, add_keywords, label
from lrsweep.tables._schema import LEARNING_RATE

# From the count of updates, and keyword-only arguments, to a factor of the learning rate: 1 at the peak.
Shape = Callable[..., Any]


class Schedule(NamedTuple):
    """A learning rate that follows a shape, as a function of the count of updates.

    Attributes:
        peak: The learning rate where the factor is 1.
        factor: From the count of updates, int32, to the factor of the peak.

    Example:
        >>> Schedule(0.5, lambda k: 1 / (1 + k))(3)
        0.125
    """

    peak: Any
    factor: Callable[[Any], Any]

    def __call__(self, k: Any) -> Any:
        """Gives the learning rate of update `k`."""
        return self.peak * self.factor(k)


def scheduled(factory: Factory, shape: Shape, **fixed: Any) -> Factory:
    """Has an optimizer's learning rate follow a shape: at update `k` it is `learning_rate * shape(k)`.

    The learning rate is then the schedule's peak, and a column like any other. It is multiplied inside the compiled
    program, where a schedule of optax that is given it decides in Python and needs `static`, which compiles a program
    for every value. The shape's keyword-only arguments are columns too, unless they are fixed here.

    Args:
        factory: An optimizer's factory whose `learning_rate` may be a function of the count, as with most of optax's.
        shape: One of `warmup_cosine`, `warmup_linear`, `warmup_stable_decay`, `one_cycle` and `cosine_restarts`; a
            schedule of optax with a peak of 1; or any function from the count of updates, int32, and keyword-only
            arguments to a factor.
        **fixed: Arguments of the shape that are the same for all trials.

    Returns:
        A factory that takes what `factory` takes, and the rest of the shape's arguments. Define it once: what is
        compiled is kept as long as it lives.

    Raises:
        TypeError: `factory` or `shape` cannot be called.
        ValueError: `factory` takes no `learning_rate`, `shape` no argument of a name in `fixed`, or both take one of
            the same name.

    Example:
        >>> import optax
        >>> adam = scheduled(optax.adam, warmup_cosine, steps=100)
        >>> trials = lrsweep.grid(learning_rate=[0.3, 0.1], warmup=[0, 20])
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), adam, trials, steps=100)
        >>> len(swept.provenance["groups"])  # one program for all of them
        1
    """
    for name, function in (("factory", factory), ("shape", shape)):
        if not callable(function):
            raise InputTypeError(f"{name}={quote(function)} must be a function")
    parameters = inspect.signature(factory).parameters
    own = {name: each for name, each in inspect.signature(shape).parameters.items() if each.kind is each.KEYWORD_ONLY}
    if LEARNING_RATE not in parameters:
        raise InputError(f"the optimizer {label(factory)} takes no {LEARNING_RATE}, which a schedule multiplies")
    for name in fixed:
        if name not in own:
            raise InputError(f"the shape {label(shape)}: {unknown('argument', name, own)}")
    free = {name: each for name, each in own.items() if name not in fixed}
    for name in free:
        if name in parameters:
            raise InputError(f"the optimizer {label(factory)} and the shape {label(shape)} both take {name!r}: fix it")

    def schedule(learning_rate: Any, **keywords: Any) -> Schedule:
        arguments = fixed | {name: keywords[name] for name in free if name in keywords}
        return Schedule(learning_rate, lambda k: shape(k, **arguments))

    def build(learning_rate: Any, **keywords: Any) -> Any:
        rest = {name: value for name, value in keywords.items() if name not in free}
        return factory(learning_rate=schedule(learning_rate, **keywords), **rest)

    build.__signature__ = add_keywords(factory, free.values())  # pyright: ignore[reportFunctionMemberAccess]
    build.__name__ = build.__qualname__ = f"{label(factory)}_{label(shape)}"
    build.schedule = schedule  # pyright: ignore[reportFunctionMemberAccess]
    build.shape, build.fixed = shape, fixed  # pyright: ignore[reportFunctionMemberAccess]
    return build


def schedule_of(factory: Factory, keywords: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    """Gives the learning rate of an optimizer that `scheduled` has made, as a function of the count of updates.

    Args:
        factory: The optimizer's factory.
        keywords: What it is called with, by name.

    Returns:
        That function; or None where `scheduled` has not made the factory.

    Example:
        >>> import optax
        >>> rate = schedule_of(scheduled(optax.sgd, warmup_cosine, steps=10), {"learning_rate": 0.5})
        >>> round(float(rate(5)), 2)
        0.25
        >>> schedule_of(optax.sgd, {"learning_rate": 0.5})
    """
    schedule = getattr(factory, "schedule", None)
    return None if schedule is None else schedule(**keywords)


def check_rise(factory: Factory, columns: Mapping[str, Any]) -> None:
    """Refuses a schedule of this module that would rise for all of its steps, and never fall.

    Args:
        factory: An optimizer's factory, made by `scheduled` or not.
        columns: The values of its keywords over the trials, by name: numbers, or arrays ``[trial]``.

    Raises:
        InputError: In some trial it would.

    Example:
        >>> import optax
        >>> check_rise(scheduled(optax.sgd, warmup_cosine, steps=10), {"warmup": np.array([0, 5, 10])})
        Traceback (most recent call last):
        lrsweep.inputs._errors.InputError: warmup=10 must be below steps=10, over which warmup_cosine rises and falls
    """
    shape: Any = getattr(factory, "shape", None)
    arguments = {**columns, **getattr(factory, "fixed", {})}
    if shape not in SHAPES.values() or not {"warmup", "steps"} <= arguments.keys():
        return
    warmup, steps = np.broadcast_arrays(arguments["warmup"], arguments["steps"])
    late = np.flatnonzero(warmup >= steps)
    if len(late) > 0:
        rise, end = warmup.flat[late[0]], steps.flat[late[0]]
        raise InputError(f"warmup={rise:g} must be below steps={end:g}, over which {label(shape)} rises and falls")


def warmup_cosine(k: Any, *, steps: Any, warmup: Any = 0, end: Any = 0.0) -> Any:
    """Rises from 0 to 1 in a straight line, and falls to its end as half a cosine (arXiv:1608.03983, without restarts).

    Args:
        k: int32, the count of updates.
        steps: The update at which it has fallen, above `warmup`.
        warmup: The update at which it reaches 1; 0 for no rise.
        end: The factor that is left from `steps` on.

    Example:
        >>> [round(float(warmup_cosine(k, steps=10, warmup=2)), 2) for k in (0, 1, 2, 6, 10)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return jnp.where(k < warmup, k / jnp.maximum(warmup, 1), _cosine(1.0, end, _share(k, warmup, steps)))


def warmup_linear(k: Any, *, steps: Any, warmup: Any = 0, end: Any = 0.0) -> Any:
    """Rises from 0 to 1 in a straight line, and falls to its end in another.

    Args:
        k: int32, the count of updates.
        steps: The update at which it has fallen, above `warmup`.
        warmup: The update at which it reaches 1; 0 for no rise.
        end: The factor that is left from `steps` on.

    Example:
        >>> [round(float(warmup_linear(k, steps=10, warmup=2)), 2) for k in (0, 1, 2, 6, 10)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return jnp.where(k < warmup, k / jnp.maximum(warmup, 1), 1 + (end - 1) * _share(k, warmup, steps))


def warmup_stable_decay(k: Any, *, steps: Any, decay: Any, warmup: Any = 0, end: Any = 0.0) -> Any:
    """Rises from 0 to 1 in a straight line, stays there, and falls to its end in another (arXiv:2404.06395).

    Args:
        k: int32, the count of updates.
        steps: The update at which it has fallen.
        decay: How many updates the fall takes, at most `steps - warmup`.
        warmup: The update at which it reaches 1; 0 for no rise.
        end: The factor that is left from `steps` on.

    Example:
        >>> [round(float(warmup_stable_decay(k, steps=10, decay=4, warmup=2)), 2) for k in (0, 1, 2, 6, 8, 10)]
        [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    return jnp.where(k < warmup, k / jnp.maximum(warmup, 1), 1 + (end - 1) * _share(k, steps - decay, steps))


def one_cycle(k: Any, *, steps: Any, rise: Any = 0.3, start: Any = 1 / 25, end: Any = 1 / 250_000) -> Any:
    """Rises from its start to 1 as half a cosine, and falls to its end as another (arXiv:1708.07120).

    Args:
        k: int32, the count of updates.
        steps: The update at which it has fallen.
        rise: The share of `steps` that the rise takes, above 0 and below 1; its updates are rounded down.
        start: The factor at the start.
        end: The factor that is left from `steps` on.

    Example:
        >>> [round(float(one_cycle(k, steps=10, rise=0.2)), 2) for k in (0, 1, 2, 6, 10)]
        [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    peak = jnp.floor(rise * steps)
    return jnp.where(k < peak, _cosine(start, 1.0, _share(k, 0, peak)), _cosine(1.0, end, _share(k, peak, steps)))


def cosine_restarts(k: Any, *, period: Any, end: Any = 0.0) -> Any:
    """Falls from 1 to its end as half a cosine, and begins anew, again and again (SGDR, arXiv:1608.03983).

    Args:
        k: int32, the count of updates.
        period: After how many updates it begins anew.
        end: The factor that it falls towards.

    Example:
        >>> [round(float(cosine_restarts(k, period=4)), 2) for k in (0, 2, 3, 4, 6)]
        [1.0, 0.5, 0.15, 1.0, 0.5]
    """
    return _cosine(1.0, end, k % period / period)


# Those that the command line knows, by name.
SHAPES: dict[str, Shape] = {
    shape.__name__: shape for shape in (warmup_cosine, warmup_linear, warmup_stable_decay, one_cycle, cosine_restarts)
}


def _share(k: Any, start: Any, end: Any) -> Any:
    """Gives the share of the way from one update to another, from 0 to 1."""
    return jnp.clip((k - start) / jnp.maximum(end - start, 1), 0, 1)


def _cosine(start: Any, end: Any, share: Any) -> Any:
    """Goes from one factor to another as half a cosine."""
    return end + (start - end) * (1 + jnp.cos(jnp.pi * share)) / 2
