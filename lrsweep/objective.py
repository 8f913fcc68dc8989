"""An objective: a loss, where it starts, its data and batches, what is measured beside it, its minimum."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.errors import InputError, InputTypeError
from lrsweep.messages import unknown

# What decides which update was the best, unless a metric does.
LOSS = "loss"


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss to minimise, where it starts, the data it is computed on, and the least value it can reach.

    Attributes:
        loss: `loss(params) -> scalar`, or `loss(params, data) -> scalar` where there is `data`. Written in JAX,
            for one trial: no batch axis of trials. Keyword-only arguments (a penalty, say) are filled by the columns
            of their names.
        init: `init(key, **columns) -> params`, a pytree of floating-point arrays, drawn with a JAX key; or such a
            pytree itself, to start every trial from. A keyword of `init` is filled by the column of that name;
            one called `seed` gets the integer that the key was made from, and is left at its default where the
            trials have no such column.
        data: A pytree of arrays with a common leading axis (the examples), or None. It is handed to the compiled
            program as an argument, once for all trials.
        batch_size: How many examples an update sees, or None for all of them. Every epoch is a fresh permutation
            of the examples, the same for all trials of one seed; what one leaves over begins the next one's first
            batch.
        metrics: What to measure beside the loss, by name: `metric(params) -> scalar`, or `metric(params, data)` on
            the objective's data; or a pair `(metric, data)`, to measure on data of its own (a validation set).
            Keyword-only arguments are filled as those of `loss` are.
        best_by: What decides which update was a trial's best: `"loss"`, or the metric of that name; the least
            value is the best.
        minimum: The least value the loss can reach, in the loss's unit. 0 suits any loss that is never negative.
        baseline: A loss above which no trial is called converged, however small a share of its starting gap is left, or
            None. A start may be so far off that with a ten-thousandth of its gap the model is still worse than none.
            `Stopping(target=...)` goes before it.
        name: What messages call it; the name of `loss` where it is left out.

    Raises:
        TypeError: `loss` or a metric cannot be called, or data holds something that is not a numeric array.
        ValueError: `minimum` or `baseline` is not finite, or the baseline is below the minimum; the arrays of some
            data differ in their leading axis, `batch_size` is not a whole number from 1 to the number of examples, or
            `best_by` names no metric.

    Example:
        >>> import jax.numpy as jnp
        >>> bowl = Objective(lambda params: jnp.sum(params**2), jnp.array([3.0, 4.0]), name="bowl")
        >>> float(bowl.loss(bowl.init))
        25.0
    """

    loss: Callable[..., Any]
    init: Any
    _: KW_ONLY
    data: Any = field(default=None, repr=False)
    batch_size: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    best_by: str = LOSS
    minimum: float = 0.0
    baseline: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise InputTypeError(f"an objective's loss must be a function of the parameters, not {self.loss!r}")
        if self.name is None:
            object.__setattr__(self, "name", getattr(self.loss, "__name__", type(self.loss).__name__))
        if not math.isfinite(self.minimum):
            raise InputError(f"objective {self.name!r} states minimum={self.minimum}: it must be a finite number")
        if self.baseline is not None and not self.minimum <= self.baseline < math.inf:
            raise InputError(
                f"objective {self.name!r} states baseline={self.baseline}: it must be a finite number, "
                f"the minimum {self.minimum} or more"
            )
        _check_data(f"objective {self.name!r}, data", self.data)
        if self.batch_size is not None:
            self._check_batch_size(self.batch_size)
        self._check_metrics()

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
    def measures(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """Each metric by name: its function, and the data to measure on, or None for a function of the parameters.

        Example:
            >>> norm = lambda params: jnp.linalg.norm(params)
            >>> Objective(lambda params: 0.0, jnp.ones(2), metrics={"norm": norm}).measures["norm"][1] is None
            True
        """
        found = {}
        for name, metric in self.metrics.items():
            if isinstance(metric, tuple):
                found[name] = metric
            else:
                found[name] = metric, self.data if _takes_data(metric) else None
        return found

    def _check_batch_size(self, size: Any) -> None:
        place = f"objective {self.name!r} has batch_size={size!r}"
        if self.data is None:
            raise InputError(f"{place}, but no data to draw batches from")
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= self.examples:
            raise InputError(
                f"{place}: it must be a whole number from 1 to {self.examples}, the number of its examples"
            )

    def _check_metrics(self) -> None:
        if not isinstance(self.metrics, Mapping) or not all(isinstance(name, str) for name in self.metrics):
            raise InputTypeError(
                f"objective {self.name!r}: metrics must be functions by name, {{'accuracy': accuracy}}"
            )
        for name, metric in self.metrics.items():
            function, *rest = metric if isinstance(metric, tuple) else (metric,)
            place = f"objective {self.name!r}, metric {name!r}"
            if not callable(function) or len(rest) > 1:
                raise InputTypeError(f"{place} is {metric!r}: it must be a function, or a pair (function, data)")
            if name == LOSS:
                raise InputError(f"{place} is named like the loss itself: call it something else")
            for data in rest:
                _check_data(f"{place}, data", data)
                if data is None:
                    raise InputError(f"{place} is paired with no data: leave out the pair")
        if self.best_by != LOSS and self.best_by not in self.metrics:
            raise InputError(f"objective {self.name!r}: " + unknown("metric", self.best_by, [LOSS, *self.metrics]))


def _check_data(place: str, data: Any) -> None:
    sizes = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
        here = place + jax.tree_util.keystr(path)
        array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
        if not (jnp.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
            raise InputTypeError(f"{here} holds {array.dtype} values: data must be numeric arrays")
        if array.ndim == 0:
            raise InputError(f"{here} is a scalar: data must be arrays with the examples along their first axis")
        sizes[here] = array.shape[0]
    if len(set(sizes.values())) > 1:
        told = "; ".join(f"{here} has {size}" for here, size in sizes.items())
        raise InputError(f"data must have one leading axis in common, but {told}")
    if sizes and 0 in sizes.values():
        raise InputError(f"{place} holds no examples: it must have at least one")


def _takes_data(function: Callable[..., Any]) -> bool:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    named = [kind for kind in kinds if kind.name in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    return len(named) > 1 or any(kind.name == "VAR_POSITIONAL" for kind in kinds)
