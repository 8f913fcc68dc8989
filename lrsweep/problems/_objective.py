"""The objective: a loss, the start, data and minibatches, metrics, and the minimum."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.inputs._arguments import LARGEST_COUNT, check_count, check_number
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import plural, quote, unknown
from lrsweep.inputs._showing import show_safely
from lrsweep.problems._filled import filled_names
from lrsweep.tables._schema import LOSS, MAX, MIN, sounds_greater


@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """A loss to minimise, with the parameters to start from, its data, and the least value it can reach.

    Attributes:
        loss: `loss(params) -> scalar`, or `loss(params, data) -> scalar` where there is `data`. It is written in JAX
            for one trial, without an axis of trials. Keyword-only arguments (a penalty, say) are filled by the columns
            of their names. Three of them lrsweep fills itself, where the loss or a metric names them:

            - `key`: a JAX key. Every update gets another, made from the seed and the number of updates; all
              measurements of a trial get one of their own, made from the seed.
            - `state`: the model state, such as running means. Then `init` returns `(params, state)`, and the loss
              `(loss, state)`: an update keeps the state that it returns, and a measurement drops it. The optimizer does
              not see it, and its structure, shapes and dtypes must stay as they are.
            - `training`: True in an update, False in a measurement.

            The loss in the table is then that of a measurement, made apart from the updates.
        init: `init(key, **columns) -> params`, which draws a pytree of floating-point arrays with a JAX key; or such a
            pytree itself, which every trial then starts from. With a model state it is a pair, `(params, state)`. The
            key may be keyword-only. Another keyword of `init` is filled by the column of that name. One called `seed`
            gets the integer that the key was made from, and is left at its default where the trials have no such
            column.
        data: A pytree of arrays with a common leading axis (the examples), or None. It is passed to the compiled
            program as an argument, once for all trials.
        batch_size: How many examples an update sees, or None for all of them. Every epoch is a fresh permutation
            of the examples, the same for all trials of one seed. The examples that it leaves over begin the first batch
            of the next one.
        metrics: What to measure beside the loss, by name: `metric(params) -> scalar`, or `metric(params, data)` on
            the objective's data; or a pair `(metric, data)`, to measure on data of its own (a validation set).
            Keyword-only arguments are filled as those of `loss` are; a metric sees the state, and returns none.
        best_by: What decides which update was a trial's best, and which setting is: `"loss"`, or the name of a metric.
        mode: Whether the least value of the metric is the best, `"min"`, or the greatest, `"max"`, as for an accuracy.
        evaluation_slice: How many examples are seen at once where the loss over all the data and the metrics are
            measured, so that memory holds what one such slice takes; None for all of them. It is for losses and metrics
            that are means over their examples: each is then the mean over its slices, weighted by their examples. An
            update that sees more examples than that is computed slice by slice too, its gradient included, unless its
            loss names `key`, `state` or `training`.
        evaluation_sample: On how many examples the loss in the table is measured, and every metric that has no data of
            its own: a fixed sample of the data, the same for every trial and every sweep; None for all of them.
            Updates still see all of the data.
        minimum: The least value the loss can reach, in the loss's unit. 0 suits any loss that is never negative.
        baseline: A loss above which no trial counts as converged, however small a share of its starting gap is left; or
            None. A start may be so far off that with a ten-thousandth of its gap left the model is still worse than
            none. `Stopping(target=...)` takes precedence over it.
        name: What messages call it; the name of `loss` where it is left out.
        source: What its data was made of, as JSON can hold it, or None. `problems.from_table` says so here, and every
            table that a sweep gives has it in its provenance, as `data`.

    Raises:
        TypeError: `loss` or a metric cannot be called, or the data holds something other than numeric arrays.
        ValueError: `minimum` or `baseline` is not finite, or the baseline is below the minimum; the arrays of some
            data differ in their leading axis, `batch_size` or `evaluation_sample` is not a whole number from 1 to the
            number of examples, `evaluation_slice` is not one from 1 on, or `best_by` names no metric; or `mode` is
            neither of the two, or `"max"` for a loss.

    Warns:
        UserWarning: `mode` is `"min"` and the metric of `best_by` is called like one that is the better the greater:
            accuracy, F1, AUC, R2, BLEU and the like.

    Example:
        >>> import jax.numpy as jnp
        >>> bowl = Objective(lambda params: jnp.sum(params**2), jnp.array([3.0, 4.0]), name="bowl")
        >>> float(bowl.loss(bowl.init))
        25.0
    """

    loss: Callable[..., Any]
    init: Any
    _: KW_ONLY
    data: Any = None
    batch_size: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    best_by: str = LOSS
    mode: str = MIN
    evaluation_slice: int | None = None
    evaluation_sample: int | None = None
    minimum: float = 0.0
    baseline: float | None = None
    name: str | None = None
    source: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise InputTypeError(f"an objective's loss must be a function of the parameters, not {quote(self.loss)}")
        if self.name is None:
            object.__setattr__(self, "name", getattr(self.loss, "__name__", type(self.loss).__name__))
        if not isinstance(self.name, str):
            raise InputTypeError(f"an objective's name must be text, not {quote(self.name)}")
        signature_of(self.loss, f"the loss of objective {self.name!r}")
        check_number(f"objective {self.name!r}: minimum", self.minimum, "a finite number")
        if self.baseline is not None:
            check_number(f"objective {self.name!r}: baseline", self.baseline, "a finite number")
            if self.baseline < self.minimum:
                raise InputError(
                    f"objective {self.name!r} states baseline={self.baseline}: it must be the minimum "
                    f"{self.minimum} or more"
                )
        _check_data(f"objective {self.name!r}, data", self.data)
        self._check_examples("batch_size", most=self.examples)
        self._check_examples("evaluation_sample", most=self.examples)
        self._check_examples("evaluation_slice")
        self._check_metrics()

    def __repr__(self) -> str:
        return show_safely(self, lambda: _describe(self))

    @property
    def examples(self) -> int:
        """The number of examples in its data, 0 where there is none."""
        leaves = jax.tree.leaves(self.data)
        return np.shape(leaves[0])[0] if leaves else 0

    @property
    def draws_start(self) -> bool:
        """Whether `init` is a function to call, rather than the parameters themselves."""
        return callable(self.init) and jax.tree_util.all_leaves([self.init])

    @property
    def keeps_state(self) -> bool:
        """Whether there is a model state: whether the loss names `state`."""
        return "state" in filled_names(self.loss)

    @property
    def measures(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """Each metric by name: its function, and the data to measure it on, or None where it takes none.

        Example:
            >>> norm = lambda params: jnp.linalg.norm(params)
            >>> Objective(lambda params: 0.0, jnp.ones(2), metrics={"norm": norm}).measures["norm"][1] is None
            True
        """
        measures = {}
        for name, metric in self.metrics.items():
            if isinstance(metric, tuple):
                measures[name] = metric
            else:
                measures[name] = metric, self.data if _takes_data(metric) else None
        return measures

    def _check_examples(self, name: str, most: int | None = None) -> None:
        """Refuses an attribute that is no number of examples, from 1 to `most` of them."""
        size = getattr(self, name)
        if size is None:
            return
        given = f"objective {self.name!r} has {name}={quote(size)}"
        if self.examples == 0:
            raise InputError(f"{given}, but no data to take examples from")
        try:
            size = check_count(name, size, most=LARGEST_COUNT if most is None else most)
        except InputError as error:
            upper = "on" if most is None else f"to {most}, the number of its examples"
            raise type(error)(f"{given}: it must be a whole number from 1 {upper}") from None
        object.__setattr__(self, name, size)

    def _check_metrics(self) -> None:
        if not isinstance(self.metrics, Mapping) or not all(isinstance(name, str) for name in self.metrics):
            raise InputTypeError(
                f"objective {self.name!r}: metrics must be functions by name, {{'accuracy': accuracy}}"
            )
        for name, metric in self.metrics.items():
            function, *rest = metric if isinstance(metric, tuple) else (metric,)
            owner = f"objective {self.name!r}, metric {name!r}"
            if not callable(function) or len(rest) > 1:
                raise InputTypeError(f"{owner} is {quote(metric)}: it must be a function, or a pair (function, data)")
            signature_of(function, owner)
            if name == LOSS:
                raise InputError(f"{owner} is named like the loss itself: call it something else")
            for data in rest:
                _check_data(f"{owner}, data", data)
                if not jax.tree.leaves(data):
                    raise InputError(f"{owner} is paired with no data: leave out the pair")
        if self.best_by not in [LOSS, *self.metrics]:
            raise InputError(f"objective {self.name!r}: " + unknown("metric", self.best_by, [LOSS, *self.metrics]))
        self._check_mode()

    def _check_mode(self) -> None:
        if self.mode not in (MIN, MAX):
            raise InputError(f"objective {self.name!r}: " + unknown("mode", str(self.mode), [MIN, MAX]))
        if self.mode == MAX and self.best_by == LOSS:
            raise InputError(f"objective {self.name!r} has mode='max', but its loss is minimised: best_by a metric")
        if self.mode == MIN and self.best_by != LOSS and sounds_greater(self.best_by):
            warnings.warn(
                f"objective {self.name!r} takes the least {self.best_by!r} for the best: give mode='max' if the "
                "greatest is",
                stacklevel=5,
            )


def _describe(objective: Objective) -> str:
    """Names an objective and what differs from the least that there can be; of its data, the number of examples."""
    said = [f"name={objective.name!r}", *([plural(objective.examples, "example")] if objective.examples else [])]
    if objective.metrics:
        said.append(f"metrics=[{', '.join(objective.metrics)}]")
    for attribute in fields(objective):
        value = getattr(objective, attribute.name)
        if attribute.name not in ("loss", "init", "data", "metrics", "name", "source") and value != attribute.default:
            said.append(f"{attribute.name}={value!r}")
    return f"Objective({', '.join(said)})"


def signature_of(function: Callable[..., Any], owner: str) -> inspect.Signature:
    """Finds out which arguments a function takes.

    Args:
        function: Anything that can be called.
        owner: What messages call it.

    Raises:
        InputTypeError: It does not say, as some built-in functions do not.

    Example:
        >>> list(signature_of(lambda params, data: 0.0, "the loss").parameters)
        ['params', 'data']
    """
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise InputTypeError(
            f"{owner} is {quote(function)}, which does not say what it takes: wrap it in a function that does"
        ) from None


def is_known_to_jax(dtype: Any) -> bool:
    """Tells whether JAX computes with a NumPy dtype: numbers or booleans, in this machine's byte order.

    Example:
        >>> is_known_to_jax(np.dtype("float32")), is_known_to_jax(np.dtype(object))
        (True, False)
    """
    is_wider = dtype.kind in "fc" and jnp.finfo(dtype).bits > 64
    return (jnp.issubdtype(dtype, np.number) or dtype == np.bool_) and dtype.isnative and not is_wider


def _check_data(owner: str, data: Any) -> None:
    """Refuses data that is not a pytree of numeric arrays with a common leading axis; messages call it `owner`."""
    sizes = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
        name = owner + jax.tree_util.keystr(path)
        if isinstance(leaf, np.ma.MaskedArray) or not isinstance(
            leaf, np.ndarray | np.generic | jax.Array | int | float | complex
        ):
            kind = "text" if isinstance(leaf, str) else f"a {type(leaf).__name__}"
            how = ", such as its .to_numpy()" if hasattr(leaf, "to_numpy") else ""
            raise InputTypeError(f"{name} holds {kind}: data must be arrays of NumPy or JAX{how}")
        array = leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)
        if not is_known_to_jax(array.dtype):
            raise InputTypeError(f"{name} holds {array.dtype} values: data must be numeric arrays")
        if array.ndim == 0:
            raise InputError(f"{name} is a scalar: data must be arrays with the examples along their first axis")
        sizes[name] = array.shape[0]
    if len(set(sizes.values())) > 1:
        listed = "; ".join(f"{name} has {size}" for name, size in sizes.items())
        raise InputError(f"data must have one leading axis in common, but {listed}")
    if sizes and 0 in sizes.values():
        raise InputError(f"{owner} holds no examples: it must have at least one")


def _takes_data(function: Callable[..., Any]) -> bool:
    kinds = [parameter.kind for parameter in signature_of(function, "the metric").parameters.values()]
    named = [kind for kind in kinds if kind.name in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    return len(named) > 1 or any(kind.name == "VAR_POSITIONAL" for kind in kinds)
