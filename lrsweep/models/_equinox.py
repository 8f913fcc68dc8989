"""Objectives of models of Equinox."""

from collections.abc import Callable
from typing import Any

import jax

from lrsweep.models._wrapping import objective_of
from lrsweep.problems._filled import Filled, filled_names
from lrsweep.problems._objective import Objective


def from_equinox(build: Callable[[Any], Any], loss: Callable[..., Any], **options: Any) -> Objective:
    """Makes an objective of a model of Equinox.

    Its floating-point arrays are the parameters, and its `eqx.nn.State`, where the loss names `state`, is the model
    state. Measurements see the model after `eqx.nn.inference_mode`.

    Args:
        build: `build(key) -> model`.
        loss: `loss(model, data) -> scalar`, or `loss(model)` without data: what a loss of `lrsweep.Objective` is, with
            the model in place of the parameters. It may name `key` and `state`, and with `state` returns
            `(loss, state)`.
        options: What `lrsweep.Objective` takes beside loss and init. A metric is `metric(model, data)`, and may name
            `key` and `state` too.

    Returns:
        The objective.

    Raises:
        TypeError: `loss` cannot be called, or what `lrsweep.Objective` raises.
        ValueError: What `lrsweep.Objective` raises.

    Example:
        >>> import equinox as eqx
        >>> import jax, jax.numpy as jnp, numpy as np, optax
        >>> def build(key):
        ...     return eqx.nn.Sequential([eqx.nn.Linear(2, 4, key=key), eqx.nn.Dropout(0.5)])
        >>> def spread(model, data, *, key):
        ...     return jnp.mean(jax.vmap(model)(data, key=jax.random.split(key, len(data))) ** 2)
        >>> objective = lrsweep.models.from_equinox(build, spread, data=np.ones((8, 2), np.float32), batch_size=4)
        >>> table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2], seed=0), steps=4).table
        >>> bool((table["final_loss"] < table["initial_loss"]).all())
        True
    """
    import equinox as eqx

    def build_all(key: Any) -> tuple[Any, Any]:
        return eqx.nn.make_with_state(build)(key)

    def init(key: Any) -> Any:
        model, state = build_all(key)
        params = eqx.filter(model, eqx.is_inexact_array)
        return (params, state) if "state" in filled_names(loss) else params

    def call(function: Callable[[Any], Any], params: Any, filled: Filled) -> Any:
        _, rest = eqx.partition(build_all(jax.random.key(0))[0], eqx.is_inexact_array)
        return function(eqx.nn.inference_mode(eqx.combine(params, rest), value=not filled.training))

    return objective_of(init, loss, options, call_loss=call, call_metric=call, needs=("training",))
