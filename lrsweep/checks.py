"""What can be known before anything compiles: start, loss, metrics and optimizer are tried on shapes alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lrsweep.errors import InputError, InputTypeError
from lrsweep.messages import first_line
from lrsweep.modes import callers_promotion
from lrsweep.objective import Objective
from lrsweep.optimizers import label
from lrsweep.program import Given, Program, extra_arguments


def check_leaves(objective: Objective, params: Any) -> None:
    """Refuses parameters that are not a pytree of floating-point arrays.

    Raises:
        TypeError: A leaf is something else; the message names its place in the tree.
        ValueError: There are no parameters.

    Example:
        >>> check_leaves(Objective(lambda params: params["w"], None), {"w": 0.5})
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise InputError(f"the init of objective {objective.name!r} gives no parameters: it must give at least one")
    for path, leaf in leaves:
        is_number = isinstance(leaf, bool | int | float | complex)
        if not hasattr(leaf, "dtype") and not is_number:
            kind = f"a {type(leaf).__name__}"
        elif not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            kind = str(jnp.result_type(leaf))
        else:
            continue
        raise InputTypeError(
            f"the init of objective {objective.name!r} gives {kind} at params{jax.tree_util.keystr(path)}: parameters "
            "must be floating-point arrays (0.0, not 0); of a model take those alone, "
            "equinox.filter(model, equinox.is_inexact_array) or flax.nnx.state(model, flax.nnx.Param)"
        )


def check_program(
    objective: Objective, program: Program, given: Given, row: Mapping[str, Any], sample: Mapping[str, Any]
) -> None:
    """Tries a program on shapes: nothing is computed or compiled.

    Args:
        objective: What messages call by name.
        program: What would be compiled.
        given: What all trials share.
        row: The columns of one trial, as `jax.ShapeDtypeStruct`.
        sample: The same columns with the values of some trial.

    Raises:
        TypeError: A parameter is not a floating-point array, the factory does not give an
            `optax.GradientTransformation`, or the optimizer's state changes its shape or dtype at an update.
        ValueError: `init`, the loss, a metric, the factory or the optimizer fails, the loss is not a real scalar, or
            one of them needs the value of a column while it is compiled.
    """
    owner = ""

    def attempt(row: Mapping[str, Any]) -> None:
        nonlocal owner
        with callers_promotion():
            owner = f"the init of objective {objective.name!r}"
            params = _check_start(objective, program, given, row)
            owner = f"the loss of objective {objective.name!r}"
            _check_loss(owner, program, given, row, params)
            for place, (name, _) in enumerate(program.metrics):
                owner = f"metric {name!r} of objective {objective.name!r}"
                _check_metric(owner, program, given, row, params, place)
        owner = f"the optimizer {label(program.optimizer)}"
        _check_optimizer(owner, program, given, row, params)

    try:
        attempt(row)
    except (TypeError, ValueError) as error:
        culprit = owner
        needed = _needed(attempt, row, sample)
        if not needed:
            raise
        named, listed = " and ".join(map(repr, needed)), "".join(f"{name!r}, " for name in needed)
        raise InputError(
            f"{culprit} needs the value of column {named} while it is compiled: list it in static, "
            f"sweep(..., static=({listed.strip()})), which compiles a program for each of its values"
        ) from error


def _needed(attempt: Callable[[Mapping[str, Any]], None], row: Mapping[str, Any], sample: Mapping[str, Any]) -> list:
    """The columns without whose values the attempt fails, where it succeeds with all of them."""

    def succeeds(known: Iterable[str]) -> bool:
        try:
            attempt({**row, **{name: sample[name] for name in known}})
        except (TypeError, ValueError):
            return False
        return True

    needed = list(row)
    if not succeeds(needed):
        return []
    for name in row:
        fewer = [other for other in needed if other != name]
        if succeeds(fewer):
            needed = fewer
    return needed


def _abstractly(function: Callable[..., Any], row: Mapping[str, Any], *arguments: Any) -> Any:
    traced = {name: value for name, value in row.items() if isinstance(value, jax.ShapeDtypeStruct)}
    known = {name: value for name, value in row.items() if name not in traced}
    return jax.eval_shape(lambda rest, *arguments: function({**known, **rest}, *arguments), traced, *arguments)


def _check_start(objective: Objective, program: Program, given: Given, row: Mapping[str, Any]) -> Any:
    wrong: list[Exception] = []

    def start(row: Mapping[str, Any], given: Given) -> Any:
        drawn = program.start(row, np.uint32(0), given)
        try:
            check_leaves(objective, drawn)
        except (TypeError, ValueError) as error:
            wrong.append(error)
            return None
        return jax.tree.map(jnp.asarray, drawn)

    try:
        params = _abstractly(start, row, given)
    except Exception as error:
        raise InputError(f"the init of objective {objective.name!r} fails with {first_line(error)}") from error
    if wrong:
        raise wrong[0]
    return params


def _check_loss(owner: str, program: Program, given: Given, row: Mapping[str, Any], params: Any) -> None:
    for examples in {None, program.batch_size}:
        data = _some(given.data, examples)
        try:
            loss = _abstractly(lambda row, params, data: program.loss_on(row, data)(params), row, params, data)
        except Exception as error:
            fits = "its parameters" if data is None else "its parameters and data"
            raise InputError(f"{owner} does not fit {fits}: {first_line(error)}") from error
        if not _is_scalar(loss) or not jnp.issubdtype(loss.dtype, jnp.floating):
            raise InputError(f"{owner} returns {_described(loss)}: it must return one floating-point scalar")


def _check_metric(owner: str, program: Program, given: Given, row: Mapping[str, Any], params: Any, place: int) -> None:
    try:
        value = _abstractly(lambda *arguments: program.measure(place, *arguments), row, params, given.metrics[place])
    except Exception as error:
        raise InputError(f"{owner} does not fit its parameters and data: {first_line(error)}") from error
    if not _is_scalar(value):
        raise InputError(f"{owner} returns {_described(value)}: it must return one number")


def _check_optimizer(owner: str, program: Program, given: Given, row: Mapping[str, Any], params: Any) -> None:
    built = ""

    def update(row: Mapping[str, Any], params: Any, data: Any) -> Any:
        nonlocal built
        # Its name alone leaves the trace, so that nothing traced does.
        optimizer = program.build_optimizer(row)
        built = type(optimizer).__name__
        if not isinstance(optimizer, optax.GradientTransformation):
            return None
        state = optimizer.init(params)
        loss_of = program.loss_on(row, data)
        value, grads = jax.value_and_grad(loss_of)(params)
        extra = extra_arguments(optimizer, value, grads, loss_of)
        return state, optimizer.update(grads, state, params, **extra)[1]

    try:
        states = _abstractly(update, row, params, _some(given.data, program.batch_size))
    except Exception as error:
        raise InputError(f"{owner} fails with {first_line(error)}") from error
    if states is None:
        raise InputTypeError(f"{owner} gives a {built}: a factory must return an optax.GradientTransformation")
    before, after = ([(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state)] for state in states)
    if before != after:
        raise InputTypeError(
            f"{owner} starts with a state of {_told(before)} and goes on with {_told(after)}: "
            "its state must keep its shapes and dtypes"
        )


def _some(data: Any, examples: int | None) -> Any:
    return jax.tree.map(
        lambda array: jax.ShapeDtypeStruct((examples or array.shape[0], *array.shape[1:]), array.dtype), data
    )


def _is_scalar(value: Any) -> bool:
    return hasattr(value, "shape") and value.shape == ()


def _described(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else f"a {type(value).__name__}"


def _told(leaves: list[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(f"{dtype}{list(shape)}" for shape, dtype in leaves) or "nothing"
