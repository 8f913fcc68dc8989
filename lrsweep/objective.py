"""An objective: a loss, where it starts, its data, its minimum."""

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.messages import first_line


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss to minimise, where it starts, the data it is computed on, and the least value it can reach.

    Attributes:
        loss: `loss(params) -> scalar`, or `loss(params, data) -> scalar` where there is `data`. Written in JAX,
            for one trial: no batch axis of trials.
        init: `init(key, **columns) -> params`, a pytree of floating-point arrays, drawn with a JAX key; or such a
            pytree itself, to start every trial from. A keyword of `init` is filled by the column of that name;
            one called `seed` gets the integer that the key was made from, and is left at its default where the
            trials have no such column.
        data: A pytree of arrays with a common leading axis (the examples), or None. It is handed to the compiled
            program as an argument, and all of it is used at every update.
        minimum: The least value the loss can reach, in the loss's unit. 0 suits any loss that is never negative.
        name: What messages call it; the name of `loss` where it is left out.

    Raises:
        TypeError: `loss` cannot be called, or `data` holds something that is not a numeric array.
        ValueError: `minimum` is not finite, or the arrays of `data` differ in their leading axis.

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
    minimum: float = 0.0
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise TypeError(f"an objective's loss must be a function of the parameters, not {self.loss!r}")
        if self.name is None:
            object.__setattr__(self, "name", getattr(self.loss, "__name__", type(self.loss).__name__))
        if not math.isfinite(self.minimum):
            raise ValueError(f"objective {self.name!r} states minimum={self.minimum}: it must be a finite number")
        sizes = {}
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.data):
            place = f"objective {self.name!r}, data{jax.tree_util.keystr(path)}"
            array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
            if not (jnp.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
                raise TypeError(f"{place} holds {array.dtype} values: data must be numeric arrays")
            if array.ndim == 0:
                raise ValueError(f"{place} is a scalar: data must be arrays with the examples along their first axis")
            sizes[place] = array.shape[0]
        if len(set(sizes.values())) > 1:
            told = "; ".join(f"{place} has {size}" for place, size in sizes.items())
            raise ValueError(f"data must have one leading axis in common, but {told}")

    def loss_at(self, params: Any) -> Any:
        """The loss of the parameters, on all of the data where there is any: a scalar.

        Example:
            >>> scaled = Objective(lambda params, data: (params * data).sum(), 0.0, data=np.array([1.0, 2.0]))
            >>> float(scaled.loss_at(3.0))
            9.0
        """
        return self.loss(params) if self.data is None else self.loss(params, self.data)

    @property
    def draws_start(self) -> bool:
        """Whether `init` is a function to call, rather than the parameters themselves."""
        return callable(self.init) and jax.tree_util.all_leaves([self.init])


def check_objective(objective: Objective, keywords: Mapping[str, Any]) -> Any:
    """Evaluates an objective's start and loss abstractly: nothing is compiled or computed.

    Args:
        objective: The objective to check.
        keywords: One trial's values for the keywords of `init` (shapes and dtypes are what count).

    Returns:
        The parameters, as a pytree of `jax.ShapeDtypeStruct`.

    Raises:
        TypeError: A parameter is not a floating-point array.
        ValueError: `init` or `loss` fails, there are no parameters, or the loss is not a real scalar.
    """
    try:
        if objective.draws_start:
            params = jax.eval_shape(lambda rest: objective.init(jax.random.key(0), **rest), dict(keywords))
        else:
            params = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, objective.init))
    except Exception as error:
        raise ValueError(f"the init of objective {objective.name!r} fails with {first_line(error)}") from error
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError(f"the init of objective {objective.name!r} gives no parameters: it must give at least one")
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(
                f"the init of objective {objective.name!r} gives {leaf.dtype} at params{jax.tree_util.keystr(path)}: "
                "parameters must be floating-point arrays (0.0, not 0)"
            )
    try:
        loss = jax.eval_shape(objective.loss_at, params)
    except Exception as error:
        given = "its parameters" if objective.data is None else "its parameters and data"
        raise ValueError(
            f"the loss of objective {objective.name!r} does not fit {given}: {first_line(error)}"
        ) from error
    if not hasattr(loss, "shape") or loss.shape != () or not jnp.issubdtype(loss.dtype, jnp.floating):
        told = f"{loss.dtype}{list(loss.shape)}" if hasattr(loss, "shape") else f"a {type(loss).__name__}"
        raise ValueError(
            f"the loss of objective {objective.name!r} returns {told}: it must return one floating-point scalar"
        )
    return params
