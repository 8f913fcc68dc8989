"""Objectives of models of Flax Linen."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lrsweep.inputs._errors import InputTypeError
from lrsweep.models._wrapping import objective_of
from lrsweep.problems._filled import Filled
from lrsweep.problems._objective import Objective


def from_linen(
    module: Any,
    loss: Callable[..., Any],
    example: Any,
    *,
    keywords: Callable[[bool], Mapping[str, Any]] = lambda training: {"training": training},
    **options: Any,
) -> Objective:
    """Makes an objective of a model of Flax Linen.

    The collection `params` holds the parameters. All others that its `init` gives, `batch_stats` among them, are the
    model state, and what an update makes of them is kept. The stream `dropout` gets the key of the update.

    Args:
        module: The `flax.linen.Module`.
        loss: `loss(model, data) -> scalar`, or `loss(model)` without data, where `model(x)` applies the module.
            Keyword-only arguments are columns.
        example: An input to initialise the module with, such as the first examples.
        keywords: The keywords that tell the module whether this is an update, where they are not `training=True` or
            `training=False`: `lambda training: {"train": training}`, say.
        options: What `lrsweep.Objective` takes beside loss and init. A metric is `metric(model, data)`, as the loss.

    Returns:
        The objective.

    Raises:
        TypeError: `loss` or `keywords` cannot be called, or what `lrsweep.Objective` raises.
        ValueError: What `lrsweep.Objective` raises.

    Example:
        >>> from flax import linen
        >>> import jax.numpy as jnp, numpy as np, optax
        >>> class Normed(linen.Module):
        ...     @linen.compact
        ...     def __call__(self, x, training):
        ...         return linen.BatchNorm(use_running_average=not training)(linen.Dense(4)(x))
        >>> def spread(model, data):
        ...     return jnp.mean(model(data) ** 2)
        >>> data = np.ones((8, 2), np.float32)
        >>> objective = lrsweep.models.from_linen(Normed(), spread, data[:1], data=data, batch_size=4)
        >>> result = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2], seed=0), steps=4)
        >>> result.replay(0).state["batch_stats"]["BatchNorm_0"]["mean"].shape
        (4,)
    """
    if not callable(keywords):
        raise InputTypeError(
            f"keywords must be a function, such as lambda training: {{'train': training}}, not a "
            f"{type(keywords).__name__}"
        )

    def init(key: Any) -> tuple[Any, Any]:
        # As in a measurement, so that no running mean is one of the example.
        variables = dict(module.init(key, example, **keywords(False)))
        return variables.pop("params"), variables

    def call_loss(loss_of: Callable[[Any], Any], params: Any, filled: Filled) -> tuple[Any, Any]:
        state = dict(filled.state)

        def model(*inputs: Any, **more: Any) -> Any:
            output, changed = module.apply(
                {"params": params, **state},
                *inputs,
                rngs={"dropout": filled.key},
                mutable=list(state) if filled.training else [],
                **{**keywords(filled.training), **more},
            )
            state.update(changed)
            return output

        return loss_of(model), state

    def call_metric(metric_of: Callable[[Any], Any], params: Any, filled: Filled) -> Any:
        variables = {"params": params, **filled.state}
        return metric_of(partial(module.apply, variables, rngs={"dropout": filled.key}, **keywords(False)))

    needs = "key", "state", "training"
    return objective_of(init, loss, options, call_loss=call_loss, call_metric=call_metric, needs=needs)
