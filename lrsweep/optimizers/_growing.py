"""An optimizer whose learning rate grows by the same factor at every update, as a range test has it."""

import inspect
from functools import wraps
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.optimizers._factories import Factory, label
from lrsweep.tables._schema import LEARNING_RATE

# The keyword of the logarithm of the factor.
GROWTH = "log_growth"


# A tuple, which is equal to another of the same optimizer: so what is compiled for it is known again.
class Growing(NamedTuple):
    """A factory of optimizers whose learning rate is `learning_rate * exp(k * log_growth)` at update `k`.

    The optimizer is built anew at every update, with the learning rate of that update. So it need not take a schedule:
    whatever computes with a learning rate goes along.

    Attributes:
        func: The optimizer's own factory.

    Example:
        >>> optimizer = Growing(optax.sgd)(1.0, log_growth=jnp.log(2.0))
        >>> state = optimizer.init(0.0)
        >>> for _ in range(3):
        ...     update, state = optimizer.update(1.0, state)
        ...     print(round(float(update), 3))
        -1.0
        -2.0
        -4.0
    """

    func: Factory

    @property
    def __signature__(self) -> inspect.Signature:
        own = inspect.signature(self.func)
        growth = inspect.Parameter(GROWTH, inspect.Parameter.KEYWORD_ONLY)
        named = [each for each in own.parameters.values() if each.kind is not each.VAR_KEYWORD]
        rest = [each for each in own.parameters.values() if each.kind is each.VAR_KEYWORD]
        return own.replace(parameters=[*named, growth, *rest])

    def __call__(self, learning_rate: Any, *, log_growth: Any, **keywords: Any) -> optax.GradientTransformation:
        """Builds the optimizer."""

        def rate(k: Any) -> Any:
            return learning_rate * jnp.exp(k * log_growth)

        def build(k: Any) -> optax.GradientTransformation:
            built = self.func(learning_rate=rate(k), **keywords)
            return built.gradient_transformation() if isinstance(built, optax.MultiSteps) else built

        first = build(0)
        if not isinstance(first, optax.GradientTransformation):
            return first

        def init(params: Any) -> tuple[Any, Any]:
            return jnp.int32(0), first.init(params)

        # What else the optimizer's update takes is read from its signature, which is kept.
        @wraps(first.update)
        def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
            k, inner = state
            inner = _set_rate(inner, rate(k))
            updates, inner = build(k).update(updates, inner, params, **extra)
            return updates, (k + 1, inner)

        return type(first)(init, update)


def _set_rate(state: Any, rate: Any) -> Any:
    """Sets the learning rate in the state of `optax.inject_hyperparams`, which keeps the one that it began with."""

    def is_injected(path: Any, _: Any) -> bool:
        return any(getattr(key, "name", None) == "hyperparams" for key in path)

    kept = optax.tree.get_all_with_path(state, LEARNING_RATE, is_injected)
    if not kept:
        return state
    return optax.tree.set(state, is_injected, **{LEARNING_RATE: jnp.asarray(rate, kept[0][1].dtype)})


def check_growing(factory: Any) -> None:
    """Refuses what makes no optimizer of a learning rate.

    Raises:
        InputTypeError: It cannot be called, does not say what it takes, or is an optimizer that is already built.
        InputError: It takes no `learning_rate`, or a keyword that is called like the one added to it.

    Example:
        >>> check_growing(optax.adam)
    """
    if isinstance(factory, optax.GradientTransformation):
        raise InputTypeError("the optimizer is already built: pass its factory, optax.sgd rather than optax.sgd(0.1)")
    name = label(factory)
    if not callable(factory):
        raise InputTypeError(f"the optimizer must be a factory such as optax.sgd, not {quote(factory)}")
    try:
        takes = inspect.signature(factory).parameters
    except ValueError:
        raise InputTypeError(
            f"the optimizer {name} does not say which keywords it takes: wrap it in a function that does"
        ) from None
    if LEARNING_RATE not in takes and not any(each.kind is each.VAR_KEYWORD for each in takes.values()):
        raise InputError(
            f"the optimizer {name} takes no {LEARNING_RATE}, which a range test raises: wrap it in a function that does"
        )
    if GROWTH in takes:
        raise InputError(f"the optimizer {name} takes {GROWTH!r}, which is what a range test calls its own: rename it")
