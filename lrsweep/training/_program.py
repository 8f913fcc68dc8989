"""What a trial is compiled from: the functions of an objective and an optimizer, each called with its keywords."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.tables._schema import LOSS
from lrsweep.training._batches import Stream, next_batch, open_stream
from lrsweep.training._binding import Binding
from lrsweep.training._partition import Static


class SharedInputs(NamedTuple):
    """The arrays that all trials share, arguments of the compiled program: they are on the device once.

    Attributes:
        start: The parameters to start from, or None where the program draws them.
        data: The objective's data, or None.
        metrics: The data of each metric, None for one of the parameters alone.
        seeds: ``[seed] uint32``, the trials' seeds, ascending, where each is that of many; or None.
    """

    start: Any
    data: Any
    metrics: tuple[Any, ...]
    seeds: Any = None


class Program(NamedTuple):
    """What a trial is compiled from. Equal programs share one compilation.

    `row` in its methods is a trial's columns, scalars by name; what is static is known here.

    Attributes:
        loss: The objective's loss.
        init: The objective's init, or None where every trial starts from the same parameters.
        optimizer: The optimizer's factory.
        binding: Who takes which column.
        static: The keywords it is compiled for.
        batch_size: How many examples an update sees, or None for all.
        metrics: The metrics' names and functions.
        best_by: What decides the best update: the loss, or a metric.
        diagnoses: Whether to say of a trial why it ended as it did.
    """

    loss: Callable[..., Any]
    init: Callable[..., Any] | None
    optimizer: Factory
    binding: Binding
    static: tuple[Static, ...] = ()
    batch_size: int | None = None
    metrics: tuple[tuple[str, Callable[..., Any]], ...] = ()
    best_by: str = LOSS
    diagnoses: bool = False

    @property
    def sees_loss(self) -> bool:
        """Whether what an update computes is already all there is to measure: the loss over all the data."""
        return self.batch_size is None and not self.metrics

    @property
    def best_place(self) -> int | None:
        """The place among the metrics of the one that decides the best update, or None where the loss does."""
        return None if self.best_by == LOSS else [name for name, _ in self.metrics].index(self.best_by)

    def start(self, row: Mapping[str, Any], seed: Any, shared: SharedInputs) -> Any:
        """Gives the parameters that a trial starts from."""
        if self.init is None:
            return shared.start
        return self.init(jax.random.key(seed), **self._pick(row, self.binding.init))

    def build_optimizer(self, row: Mapping[str, Any]) -> optax.GradientTransformation:
        """Calls the factory with the row's keywords; a wrapper of optax that is a class gives its transformation."""
        optimizer = self.optimizer(**self._pick(row, self.binding.optimizer))
        return optimizer.gradient_transformation() if isinstance(optimizer, optax.MultiSteps) else optimizer

    def loss_on(self, row: Mapping[str, Any], data: Any) -> Callable[[Any], Any]:
        """Gives the loss on some examples as a function of the parameters."""
        keywords = self._pick(row, self.binding.loss)
        if data is None:
            return lambda params: self.loss(params, **keywords)
        return lambda params: self.loss(params, data, **keywords)

    def metric_at(self, place: int, row: Mapping[str, Any], params: Any, data: Any) -> Any:
        """Computes one metric, by its place among them, in floating point."""
        function, keywords = self.metrics[place][1], self._pick(row, self.binding.metrics[place])
        value = function(params, **keywords) if data is None else function(params, data, **keywords)
        return value if jnp.issubdtype(jnp.result_type(value), jnp.floating) else jnp.asarray(value, float)

    def all_metrics(self, row: Mapping[str, Any], params: Any, shared: SharedInputs) -> tuple[Any, ...]:
        """Computes every metric, as arrays."""
        return tuple(jnp.asarray(self.metric_at(at, row, params, data)) for at, data in enumerate(shared.metrics))

    def open_stream(self, seed: Any, shared: SharedInputs) -> Stream | None:
        """Opens a trial's stream of batches; None where an update sees all the data."""
        if self.batch_size is None:
            return None
        return open_stream(seed, jax.tree.leaves(shared.data)[0].shape[0], shared.seeds)

    def next_batch(self, stream: Stream | None, shared: SharedInputs) -> tuple[Any, Stream | None]:
        """Gives the examples that the next update sees."""
        if stream is None or self.batch_size is None:
            return shared.data, stream
        places, stream = next_batch(stream, self.batch_size, shared.seeds)
        return jax.tree.map(lambda array: array[places], shared.data), stream

    def _pick(self, row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        known = {static.name: static.value for static in self.static}
        return {name: known[name] if name in known else row[name] for name in names}


def extra_arguments(
    optimizer: optax.GradientTransformation, loss: Any, grads: Any, loss_of: Callable[[Any], Any]
) -> dict[str, Any]:
    """Gives what `update` takes beside the gradient, for line searches, Polyak steps, Sophia, SAM and their like.

    Args:
        optimizer: It gets what its `update` takes: nothing, what it names, or all.
        loss: The loss at the parameters.
        grads: Its gradient.
        loss_of: The loss as a function of the parameters.
    """

    # A line search hands the extra arguments that it does not know on to this function.
    def value_fn(params: Any, *, obj_fn: Any = None) -> Any:
        del obj_fn
        return loss_of(params)

    def grad_fn(params: Any, _: Any) -> Any:
        return jax.grad(loss_of)(params)

    offered = {"value": loss, "grad": grads, "value_fn": value_fn, "obj_fn": loss_of}
    if not isinstance(optimizer, optax.GradientTransformationExtraArgs):
        return {}
    parameters = inspect.signature(optimizer.update).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return offered
    return {name: shared for name, shared in (offered | {"grad_fn": grad_fn}).items() if name in parameters}


def make_program(objective: Objective, factory: Factory, binding: Binding, static: tuple[Static, ...] = ()) -> Program:
    """Makes the program of an objective, an optimizer and their keywords."""
    return Program(
        loss=objective.loss,
        init=objective.init if objective.draws_start else None,
        optimizer=factory,
        binding=binding,
        static=static,
        batch_size=objective.batch_size,
        metrics=tuple((name, function) for name, (function, _) in objective.measures.items()),
        best_by=objective.best_by,
    )
