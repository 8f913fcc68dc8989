"""Objectives of models of Flax NNX."""

from collections.abc import Callable
from typing import Any

from lrsweep.models._wrapping import objective_of
from lrsweep.problems._filled import Filled
from lrsweep.problems._objective import Objective


def from_nnx(build: Callable[[Any], Any], loss: Callable[..., Any], **options: Any) -> Objective:
    """Makes an objective of a model of Flax NNX.

    Its `nnx.Param`s are the parameters. All else that it keeps, running means and the streams of dropout's keys among
    it, is the model state: updates change it as a loop in Flax does. Updates see the model after `model.train()`,
    measurements after `model.eval()`.

    Args:
        build: `build(rngs) -> nnx.Module`, with an `nnx.Rngs` made of the trial's key.
        loss: `loss(model, data) -> scalar`, or `loss(model)` without data. Keyword-only arguments are columns.
        options: What `lrsweep.Objective` takes beside loss and init. A metric is `metric(model, data)`, as the loss.

    Returns:
        The objective.

    Raises:
        TypeError: `loss` cannot be called, or what `lrsweep.Objective` raises.
        ValueError: What `lrsweep.Objective` raises.

    Example:
        >>> from flax import nnx
        >>> import jax.numpy as jnp, numpy as np, optax
        >>> def build(rngs):
        ...     return nnx.Sequential(nnx.Linear(2, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs))
        >>> def spread(model, data):
        ...     return jnp.mean(model(data) ** 2)
        >>> objective = lrsweep.models.from_nnx(build, spread, data=np.ones((8, 2), np.float32), batch_size=4)
        >>> result = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2], seed=0), steps=4)
        >>> result.replay(0).state["layers"][1]["mean"][...].shape
        (4,)
    """
    from flax import nnx

    def split(model: Any) -> Any:
        return nnx.split(model, nnx.Param, ...)

    def init(key: Any) -> tuple[Any, Any]:
        return split(build(nnx.Rngs(key)))[1:]

    def restore(params: Any, filled: Filled) -> Any:
        graph, _, _ = split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))
        model = nnx.merge(graph, params, filled.state, copy=True)
        model.train() if filled.training else model.eval()
        return model

    def call_loss(loss_of: Callable[[Any], Any], params: Any, filled: Filled) -> tuple[Any, Any]:
        model = restore(params, filled)
        value = loss_of(model)
        # What was sown for a look at it is no state to keep.
        nnx.pop(model, nnx.Intermediate)
        return value, split(model)[2]

    def call_metric(metric_of: Callable[[Any], Any], params: Any, filled: Filled) -> Any:
        return metric_of(restore(params, filled))

    return objective_of(init, loss, options, call_loss=call_loss, call_metric=call_metric, needs=("state", "training"))
