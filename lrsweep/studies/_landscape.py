"""The landscape: the loss over all the data along one or two of the parameters, the others unchanged."""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lrsweep.curvature._landscape import Scalar, losses_along
from lrsweep.engine._cache import jitted
from lrsweep.engine._devices import on_first_device
from lrsweep.engine._modes import ordinary_modes
from lrsweep.engine._shared import to_device
from lrsweep.inputs._arguments import check_keywords, check_numbers
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, quote, unknown
from lrsweep.problems._filled import filled_names
from lrsweep.problems._objective import Objective
from lrsweep.studies._validate import check_leaves, check_objective, check_start
from lrsweep.training._keys import open_key
from lrsweep.training._program import Program, make_loss
from lrsweep.training._pytree import names_of
from lrsweep.training._trial import filled_in_measurements

# A message lists no more parameters than this.
_MOST_LISTED = 20


@ordinary_modes()
def landscape(
    objective: Objective,
    along: Mapping[str, Any],
    *,
    params: Any = None,
    keywords: Mapping[str, Any] | None = None,
    state: Any = None,
) -> Any:
    """Computes the loss over all the data along one or two scalar parameters, the others unchanged.

    Args:
        objective: The objective.
        along: One parameter or two, by the names they have in `Sweep.path` (`w1`, `x[0]`), with the values to give to
            each: ``[value] float``, ascending, in the parameter's unit.
        params: The values of the other parameters: a pytree such as `init` gives. Where it is left out, the objective's
            start, as in a sweep whose trials have no columns for `init`.
        keywords: The keyword-only arguments of the loss, where it has any.
        state: The model state that belongs to `params`, where the objective has one.

    Returns:
        The losses, float64 in the loss's unit, computed in the parameters' own precision. Along one parameter a Series
        called `loss`, whose index is called like the parameter. Along two a DataFrame with the first parameter along
        its columns and the second along its index, which are called like them.

    Raises:
        TypeError: `objective` is not an `Objective`, `along` is no mapping, or a parameter is not a floating-point
            array.
        ValueError: There is no such parameter, more than two or none are named, some values are not finite numbers
            in ascending order, the objective's `init` needs a column, or a model state is missing or of no use.

    Example:
        >>> line = lrsweep.problems.line()
        >>> lrsweep.landscape(line, {"w1": [1.0, 2.0, 3.0]}, params={"w0": -1.0, "w1": 0.0}).round(2).tolist()
        [3.33, 0.0, 3.33]
        >>> lrsweep.landscape(line, {"w1": [1.0, 2.0], "w0": [-1.0, 0.0]}).round(2)
        w1     1.0  2.0
        w0
        -1.0  3.33  0.0
         0.0  1.67  1.0
    """
    check_objective(objective)
    if not isinstance(along, Mapping):
        raise InputTypeError(
            f"along={quote(along)} must give the values to take by the parameter's name, {{'w1': [0.0, 1.0]}}"
        )
    if params is None:
        start = _start(objective)
        check_start(objective, start)
        params, state = start if objective.keeps_state else (start, state)
    check_leaves(objective, params)
    params = on_first_device(jax.tree.map(jnp.asarray, params))
    names = _scalars_by_name(params)
    for name in along:
        if name not in names:
            raise InputError(unknown("parameter", str(name), _first_names(names)))
    if not 1 <= len(along) <= 2:
        raise InputError(
            f"along names {len(along)} parameters: it must name one or two of {', '.join(_first_names(names))}"
        )
    values = {name: _values(name, column) for name, column in along.items()}
    (x_name, x), *rest = values.items()
    places = tuple(names[name] for name in reversed(values))
    y = next((values for _, values in rest), None)
    data = to_device(f"objective {objective.name!r}, data", objective.data)
    axes = [values for values in (y, x) if values is not None]
    keywords = check_keywords(keywords)
    arguments, program = (axes, params, state, data, keywords), make_loss(objective, keywords, state)
    losses = np.asarray(jitted(_losses, (program, places), arguments)(*arguments), float)
    if y is None:
        return pd.Series(losses, pd.Index(x, name=x_name), name="loss")
    return pd.DataFrame(losses, pd.Index(y, name=rest[0][0]), pd.Index(x, name=x_name))


def _losses(
    program: Program,
    places: tuple[Scalar, ...],
    axes: list[Any],
    params: Any,
    state: Any,
    data: Any,
    keywords: dict[str, Any],
) -> Any:
    filled = filled_in_measurements(open_key(0), state)
    return losses_along(program.measured_loss(keywords, data, filled), places, axes, params)


def _scalars_by_name(params: Any) -> dict[str, Scalar]:
    sizes = [np.size(leaf) for leaf in jax.tree.leaves(params)]
    places = [Scalar(leaf, element) for leaf, size in enumerate(sizes) for element in range(size)]
    return dict(zip(names_of(params), places, strict=True))


def _first_names(names: Collection[str]) -> list[str]:
    more = len(names) - _MOST_LISTED
    return [*islice(names, _MOST_LISTED), *([f"{more} more"] if more > 0 else [])]


def _start(objective: Objective) -> Any:
    if not objective.draws_start:
        return objective.init
    try:
        # The seed of trials that have no such column.
        key = jax.random.key(0)
        return objective.init(key=key) if "key" in filled_names(objective.init) else objective.init(key)
    except Exception as error:
        raise InputError(
            f"the init of objective {objective.name!r} fails with {first_line(error)}: give params, "
            "such as Sweep.replay(trial).params"
        ) from error


def _values(name: str, values: Any) -> np.ndarray:
    column = check_numbers(f"along {name!r}", values)
    if column.ndim != 1 or column.size == 0 or not np.isfinite(column).all() or (np.diff(column) <= 0).any():
        raise InputError(f"the values of {name!r} must be a list of finite numbers, each above the one before")
    return column
