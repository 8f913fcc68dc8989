"""The program of a trial: the functions of an objective and an optimizer, each called with its own keywords."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.inputs._errors import InputError
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._filled import Filled, filled_names
from lrsweep.problems._objective import Objective
from lrsweep.tables._schema import LOSS, MAX, MIN
from lrsweep.training._batches import Stream, next_batches, open_stream
from lrsweep.training._binding import Binding
from lrsweep.training._monitor import BestMetric
from lrsweep.training._partition import Static
from lrsweep.training._slices import count_examples, mean_in_slices


class SharedInputs(NamedTuple):
    """The arrays that all trials share. They are arguments of the compiled program, and on the device only once.

    Attributes:
        start: The parameters to start from, or with a model state the pair of both; None where the program draws them.
        data: The objective's data, or None.
        metrics: The data of each metric; None for a metric of the parameters alone.
        seeds: ``[seed] uint32``, ascending, the distinct seeds of the trials where many trials share each of them;
            otherwise None.
        sample: The examples that the loss is measured on, or None where that is all of the data.
    """

    start: Any
    data: Any
    metrics: tuple[Any, ...]
    seeds: Any = None
    sample: Any = None

    @property
    def measured(self) -> Any:
        """The examples that the loss in the table is measured on."""
        return self.data if self.sample is None else self.sample


class Program(NamedTuple):
    """The functions that a trial calls, and the keywords that each of them takes. Equal programs share one compilation.

    In its methods `row` is a trial's columns, scalars by name, without those that are static.

    Attributes:
        loss: The objective's loss.
        init: The objective's init, or None where every trial starts from the same parameters.
        optimizer: The optimizer's factory.
        binding: The columns that each of these functions takes as keywords.
        static: The keywords whose values the program is compiled for.
        batch_size: How many examples an update sees, or None for all.
        metrics: The metrics' names and functions.
        best_by: What decides the best update: `loss`, or the name of a metric.
        mode: Whether its least value is the best, `min`, or its greatest, `max`.
        diagnoses: Whether to measure what says why a trial ended as it did.
        evaluation_slice: How many examples are seen at once where the loss and the metrics are measured, or None.
        evaluation_sample: On how many examples the loss is measured, or None for all.
        on_batches: Whether the loss of the next minibatch is what is evaluated, instead of the loss over all the data.
        recorded: What is recorded where there are curves: `loss`, names of metrics, and names of `MEASURES`.
    """

    loss: Callable[..., Any]
    init: Callable[..., Any] | None
    optimizer: Factory
    binding: Binding
    static: tuple[Static, ...] = ()
    batch_size: int | None = None
    metrics: tuple[tuple[str, Callable[..., Any]], ...] = ()
    best_by: str = LOSS
    mode: str = MIN
    diagnoses: bool = False
    evaluation_slice: int | None = None
    evaluation_sample: int | None = None
    on_batches: bool = False
    recorded: tuple[str, ...] = (LOSS,)

    @property
    def measures(self) -> tuple[str, ...]:
        """What is recorded of the updates themselves: names of `MEASURES`."""
        evaluated = [LOSS, *(name for name, _ in self.metrics)]
        return tuple(name for name in self.recorded if name not in evaluated)

    @property
    def keeps_state(self) -> bool:
        """Whether there is a model state."""
        return "state" in filled_names(self.loss)

    @property
    def names_key(self) -> bool:
        """Whether the loss or a metric takes a key."""
        return any("key" in filled_names(function) for function in (self.loss, *(each for _, each in self.metrics)))

    @property
    def updates_measure(self) -> bool:
        """Whether the loss that an update computes is the one in the table."""
        sees_all = self.batch_size is None and self.evaluation_sample is None and not filled_names(self.loss)
        return self.on_batches or sees_all

    @property
    def sees_loss(self) -> bool:
        """Whether an update already computes all that is observed: the loss in the table, and nothing else."""
        return self.updates_measure and not self.metrics and not self.measures

    @property
    def best_metric(self) -> BestMetric | None:
        """The metric that decides the best update, or None where the loss does."""
        if self.best_by == LOSS:
            return None
        return BestMetric([name for name, _ in self.metrics].index(self.best_by), self.mode == MAX)

    def at_once(self) -> "Program":
        """Gives the program that sees all examples at once."""
        return self._replace(evaluation_slice=None)

    def start(self, row: Mapping[str, Any], seed: Any, shared: SharedInputs) -> Any:
        """Gives what a trial starts from: the parameters, or with a model state the pair of both."""
        if self.init is None:
            return shared.start
        key, columns = jax.random.key(seed), self._pick(row, self.binding.init)
        return self.init(key=key, **columns) if "key" in filled_names(self.init) else self.init(key, **columns)

    def build_optimizer(self, row: Mapping[str, Any]) -> optax.GradientTransformation:
        """Calls the optimizer's factory with the row's keywords."""
        optimizer = self.optimizer(**self.optimizer_keywords(row))
        # MultiSteps is no transformation itself, but a class that wraps one.
        return optimizer.gradient_transformation() if isinstance(optimizer, optax.MultiSteps) else optimizer

    def optimizer_keywords(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Gives the row's keywords for the optimizer's factory."""
        return self._pick(row, self.binding.optimizer)

    def loss_on(self, row: Mapping[str, Any], data: Any, filled: Filled) -> Callable[[Any], tuple[Any, Any]]:
        """Gives the loss on some examples as a function of the parameters, with the model state that it leaves.

        It is computed in slices of the examples, but for an update whose loss takes something that `Filled` has: noise
        or the statistics of a batch are those of all its examples.
        """

        def loss_of(params: Any) -> tuple[Any, Any]:
            if filled.training and filled_names(self.loss):
                returned = self.call_loss(row, params, data, filled)
                return returned if self.keeps_state else (returned, filled.state)

            def compute(examples: Any) -> Any:
                returned = self.call_loss(row, params, examples, filled)
                return returned[0] if self.keeps_state else returned

            return mean_in_slices(compute, data, self.evaluation_slice), filled.state

        return loss_of

    def measured_loss(self, row: Mapping[str, Any], data: Any, filled: Filled) -> Callable[[Any], Any]:
        """Gives the loss on some examples as a function of the parameters alone."""
        loss_of = self.loss_on(row, data, filled)
        return lambda params: loss_of(params)[0]

    def call_loss(self, row: Mapping[str, Any], params: Any, data: Any, filled: Filled) -> Any:
        """Calls the loss with all its arguments; gives what it returns."""
        return self._call(self.loss, self.binding.loss, row, params, data, filled)

    def compute_metric(self, index: int, row: Mapping[str, Any], params: Any, data: Any, filled: Filled) -> Any:
        """Computes the metric of that index in slices of its data, in floating point."""
        function, columns = self.metrics[index][1], self.binding.metrics[index]

        def compute(examples: Any) -> Any:
            value = self._call(function, columns, row, params, examples, filled)
            return jnp.asarray(value, None if jnp.issubdtype(jnp.result_type(value), jnp.floating) else float)

        return mean_in_slices(compute, data, self.evaluation_slice)

    def all_metrics(self, row: Mapping[str, Any], params: Any, shared: SharedInputs, filled: Filled) -> tuple[Any, ...]:
        """Computes every metric, as a scalar array."""
        places = range(len(self.metrics))
        return tuple(self.compute_metric(index, row, params, shared.metrics[index], filled) for index in places)

    def open_stream(self, seed: Any, shared: SharedInputs) -> Stream | None:
        """Opens a trial's stream of batches; None where an update sees all the data."""
        if self.batch_size is None:
            return None
        return open_stream(seed, count_examples(shared.data), shared.seeds)

    def next_batches(self, stream: Stream | None, count: int, shared: SharedInputs) -> tuple[Any, Stream | None]:
        """Gives the next batches of a stream as indices of examples, see `next_batches`, and the stream after them.

        Without a stream both are None.
        """
        if stream is None or self.batch_size is None:
            return None, None
        return next_batches(stream, count, self.batch_size, shared.seeds)

    def _call(
        self,
        function: Callable[..., Any],
        columns: Iterable[str],
        row: Mapping[str, Any],
        params: Any,
        data: Any,
        filled: Filled,
    ) -> Any:
        examples = () if data is None else (data,)
        return function(params, *examples, **self._pick(row, columns), **filled.asked_by(function))

    def _pick(self, row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Gives some of the keywords by name, static or not."""
        static = {keyword.name: keyword.value for keyword in self.static}
        return {name: static[name] if name in static else row[name] for name in names}


def extra_arguments(
    optimizer: optax.GradientTransformation, loss: Any, grads: Any, loss_of: Callable[[Any], Any]
) -> dict[str, Any]:
    """Gives the arguments that an optimizer's `update` takes beside the gradient, its state and the parameters.

    Line searches, Polyak steps, Sophia, SAM and the like need the loss, its gradient, or the loss as a function.

    Args:
        optimizer: The optimizer. Only what its `update` takes is given: nothing, what it names, or everything.
        loss: The loss at the parameters.
        grads: The gradient there.
        loss_of: The loss as a function of the parameters.
    """

    # A line search passes the extra arguments that it does not know on to this function.
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
    return {name: value for name, value in (offered | {"grad_fn": grad_fn}).items() if name in parameters}


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
        evaluation_slice=objective.evaluation_slice,
        evaluation_sample=objective.evaluation_sample,
        mode=objective.mode,
    )


def make_loss(objective: Objective, keywords: Iterable[str], state: Any) -> Program:
    """Makes a program of an objective's loss alone, which takes some keywords, without metrics.

    Args:
        objective: The objective.
        keywords: The names of the keywords.
        state: The model state that the loss is to be measured with, or None.

    Raises:
        InputError: A model state is missing, or of no use.
    """
    if objective.keeps_state and state is None:
        raise InputError(
            f"the loss of objective {objective.name!r} takes a model state: give one with the parameters, state=..., "
            "such as Sweep.replay(trial).state"
        )
    if state is not None and not objective.keeps_state:
        raise InputError(f"the loss of objective {objective.name!r} names no 'state': leave out state")
    return make_program(objective, optax.identity, Binding((), (), tuple(keywords)))._replace(metrics=())
