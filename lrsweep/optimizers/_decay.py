"""Weight decay that does not scale with the learning rate."""

import inspect
from typing import Any

import optax

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.optimizers._factories import Factory, add_keywords, label
from lrsweep.optimizers._schedules import Schedule
from lrsweep.tables._schema import LEARNING_RATE

WEIGHT_DECAY = "weight_decay"

# That of optax.adamw.
DEFAULT = 1e-4


def independent_decay(factory: Factory, *, mask: Any = None) -> Factory:
    """Gives an optimizer weight decay that does not scale with its learning rate.

    An update takes `shape(k) * weight_decay` times the parameters off them, beside what the optimizer does, where
    `shape` is that of `lrsweep.optimizers.scheduled`, or 1 without a schedule. So Loshchilov and Hutter define it
    (2019, arXiv:1711.05101, algorithms 1 and 2). In `optax.adamw`, as in PyTorch, it is `learning_rate * weight_decay`
    times the parameters, so that a sweep over the learning rate changes how much they decay as well.

    Args:
        factory: An optimizer's factory, without a weight decay of its own: `optax.adam` rather than `optax.adamw`.
        mask: Which parameters decay: what `optax.add_decayed_weights` takes by this name; None for all of them.

    Returns:
        A factory that takes what `factory` takes, and `weight_decay`: the share of the parameters that an update takes
        off them at the peak of the schedule. Define it once: what is compiled is kept as long as it lives.

    Raises:
        TypeError: `factory` cannot be called.
        ValueError: It takes no `learning_rate`, or has a `weight_decay` of its own; or, from what is returned, the
            learning rate is a schedule whose peak is not known.

    Example:
        >>> import optax
        >>> optimizer = independent_decay(optax.sgd)(0.5, weight_decay=0.1)
        >>> update, _ = optimizer.update(1.0, optimizer.init(2.0), 2.0)
        >>> round(float(update), 3)  # -0.5 * 1 - 0.1 * 2
        -0.7
        >>> adam = independent_decay(optax.adam)
        >>> scheduled = lrsweep.optimizers.scheduled(adam, lrsweep.optimizers.warmup_cosine, steps=100, warmup=10)
        >>> trials = lrsweep.grid(learning_rate=[0.3, 0.1], weight_decay=[0.0, 1e-3])
        >>> lrsweep.sweep(lrsweep.problems.line(), scheduled, trials, steps=100).table["final_loss"].nunique()
        4
    """
    if not callable(factory):
        raise InputTypeError(f"factory={quote(factory)} must be a function")
    own = inspect.signature(factory).parameters
    if LEARNING_RATE not in own:
        raise InputError(
            f"the optimizer {label(factory)} takes no {LEARNING_RATE}, of which decay is to be independent"
        )
    if WEIGHT_DECAY in own:
        raise InputError(
            f"the optimizer {label(factory)} has a {WEIGHT_DECAY} of its own: take the one without, such as optax.adam"
        )

    def build(learning_rate: Any, *, weight_decay: Any = DEFAULT, **keywords: Any) -> optax.GradientTransformation:
        if isinstance(learning_rate, Schedule):
            factor = learning_rate.factor
        elif callable(learning_rate):
            raise InputError(
                f"the {WEIGHT_DECAY} of {build.__name__} follows the shape of a schedule, which this one does not "
                "tell: make it with lrsweep.optimizers.scheduled"
            )
        else:
            factor = _constant
        optimizer = factory(learning_rate=learning_rate, **keywords)
        return optax.chain(optimizer, optax.add_decayed_weights(lambda k: -weight_decay * factor(k), mask))

    decay = inspect.Parameter(WEIGHT_DECAY, inspect.Parameter.KEYWORD_ONLY, default=DEFAULT)
    build.__signature__ = add_keywords(factory, [decay])  # pyright: ignore[reportFunctionMemberAccess]
    build.__name__ = build.__qualname__ = f"{label(factory)}_independent_decay"
    return build


def _constant(k: Any) -> float:
    del k
    return 1.0
