"""Checks before anything compiles: start, loss, metrics and optimizer are tried on shapes alone."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from lrsweep.engine._modes import callers_promotion
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, listed, quote
from lrsweep.optimizers._factories import label
from lrsweep.problems._objective import Objective, is_known_to_jax
from lrsweep.tables._schema import is_learning_rate
from lrsweep.training._program import Program, SharedInputs, extra_arguments
from lrsweep.training._slices import sizes_of_slices


def check_objective(objective: Any) -> None:
    """Refuses what is no objective.

    Raises:
        TypeError: It is something else.

    Example:
        >>> check_objective(lrsweep.problems.line())
    """
    if not isinstance(objective, Objective):
        raise InputTypeError(f"the objective must be a lrsweep.Objective, not a {type(objective).__name__}")


def check_leaves(objective: Objective, params: Any) -> None:
    """Refuses parameters that are not a pytree of floating-point arrays.

    Raises:
        TypeError: A leaf is something else; the message names its path in the tree.
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
        elif isinstance(leaf, np.ndarray) and not is_known_to_jax(leaf.dtype):
            kind = str(leaf.dtype)
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
    objective: Objective, program: Program, shared: SharedInputs, row: Mapping[str, Any], sample: Mapping[str, Any]
) -> None:
    """Tries a program on shapes: nothing is computed or compiled.

    Args:
        objective: The objective, which messages call by its name.
        program: The program to try.
        shared: The shapes and dtypes of the arrays that all trials share.
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
            params = _check_start(objective, program, shared, row)
            owner = f"the loss of objective {objective.name!r}"
            _check_loss(owner, program, shared, row, params)
            for index, (name, _) in enumerate(program.metrics):
                owner = f"metric {name!r} of objective {objective.name!r}"
                _check_metric(owner, program, shared, row, params, index)
        owner = f"the optimizer {label(program.optimizer)}"
        _check_optimizer(owner, program, shared, row, params)

    program = _mark_all(program)
    try:
        attempt(row)
    except InputError as error:
        # Further attempts change `owner`.
        culprit = owner
        needed = _columns_needed(attempt, row, sample)
        if not needed:
            raise
        columns, static = " and ".join(map(repr, needed)), "".join(f"{name!r}, " for name in needed)
        other = "; or, for a schedule, give it a peak of 1: lrsweep.optimizers.scheduled"
        raise InputError(
            f"{culprit} needs the value of column {columns} while it is compiled: list it in static, "
            f"sweep(..., static=({static.strip()})), which compiles a program for each of its values"
            + (other if any(map(is_learning_rate, needed)) else "")
        ) from error


def _columns_needed(
    attempt: Callable[[Mapping[str, Any]], None], row: Mapping[str, Any], sample: Mapping[str, Any]
) -> list[str]:
    """Finds the columns whose values an attempt needs to succeed; none where it fails with all of them too."""

    def succeeds(known: Iterable[str]) -> bool:
        try:
            attempt({**row, **{name: sample[name] for name in known}})
        except InputError:
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


class _UserError(Exception):
    """An error raised by a function of the user's. Any other that is raised while it is tried is lrsweep's own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _mark(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function of the user's raise its errors as `_UserError`."""

    @functools.wraps(function, updated=())
    def marked(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except _UserError:
            raise
        except Exception as error:
            raise _UserError(error) from error

    return marked


def _mark_all(program: Program) -> Program:
    return program._replace(
        loss=_mark(program.loss),
        init=None if program.init is None else _mark(program.init),
        optimizer=_mark(program.optimizer),
        metrics=tuple((name, _mark(function)) for name, function in program.metrics),
    )


def _evaluate_shapes(function: Callable[..., Any], row: Mapping[str, Any], *arguments: Any) -> Any:
    """Does what `jax.eval_shape` does for a function of a row, of which some columns may have values."""
    traced = {name: value for name, value in row.items() if isinstance(value, jax.ShapeDtypeStruct)}
    valued = {name: value for name, value in row.items() if name not in traced}
    return jax.eval_shape(lambda traced, *arguments: function({**valued, **traced}, *arguments), traced, *arguments)


def _note(returned: list[Any], value: Any) -> Any:
    """Notes in a list what a user's function returned, and gives it on, or None where JAX could not return it.

    Of arrays that JAX traces it notes the shapes, since they must not leave the trace.
    """
    returned[:] = [jax.tree.map(lambda leaf: jax.typeof(leaf) if isinstance(leaf, Tracer) else leaf, value)]
    leaves = jax.tree.leaves(value)
    is_returnable = all(isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int) for leaf in leaves)
    return value if is_returnable else None


def _check_start(objective: Objective, program: Program, shared: SharedInputs, row: Mapping[str, Any]) -> Any:
    wrong: list[Exception] = []

    def start(row: Mapping[str, Any], shared: SharedInputs) -> Any:
        drawn = program.start(row, np.uint32(0), shared)
        try:
            check_leaves(objective, drawn)
        except InputError as error:
            wrong.append(error)
            return None
        return jax.tree.map(jnp.asarray, drawn)

    try:
        params = _evaluate_shapes(start, row, shared)
    except _UserError as failed:
        raise InputError(
            f"the init of objective {objective.name!r} fails with {first_line(failed.error)}"
        ) from failed.error
    if wrong:
        raise wrong[0]
    return params


def _check_loss(owner: str, program: Program, shared: SharedInputs, row: Mapping[str, Any], params: Any) -> None:
    of_updates = _sizes(shared.data, program, program.batch_size)
    for examples in sorted(of_updates | _sizes(shared.measured, program)):
        data, returned = _some(shared.data, examples), []

        def loss_at(row: Any, params: Any, data: Any, returned: list[Any] = returned) -> Any:
            return _note(returned, program.at_once().loss_on(row, data)(params))

        try:
            loss = _evaluate_shapes(loss_at, row, params, data)
        except _UserError as failed:
            fits = "its parameters" if data is None else "its parameters and data"
            raise InputError(f"{owner} does not fit {fits}: {first_line(failed.error)}") from failed.error
        if isinstance(returned[0], float | np.floating):
            raise InputError(
                f"{owner} returns {quote(returned[0])}, which does not depend on the parameters: "
                "compute it by jax.numpy"
            )
        if loss is None or not _is_scalar(loss) or not jnp.issubdtype(loss.dtype, jnp.floating):
            description = _describe(returned[0] if loss is None else loss)
            raise InputError(f"{owner} returns {description}: it must return one floating-point scalar")


def _check_metric(
    owner: str, program: Program, shared: SharedInputs, row: Mapping[str, Any], params: Any, index: int
) -> None:
    name, function = program.metrics[index]
    returned: list[Any] = []

    def noted(*arguments: Any, **keywords: Any) -> Any:
        # What is no number is replaced by one here, and refused below.
        value = _note(returned, function(*arguments, **keywords))
        return 0.0 if value is None or not _is_real_scalar(value) else value

    metrics = (*program.metrics[:index], (name, noted), *program.metrics[index + 1 :])
    noting = program.at_once()._replace(metrics=metrics)
    try:
        for examples in sorted(_sizes(shared.metrics[index], program)):
            data = _some(shared.metrics[index], examples)
            _evaluate_shapes(lambda *arguments: noting.compute_metric(index, *arguments), row, params, data)
    except _UserError as failed:
        raise InputError(f"{owner} does not fit its parameters and data: {first_line(failed.error)}") from failed.error
    if not _is_real_scalar(returned[0]):
        raise InputError(f"{owner} returns {_describe(returned[0])}: it must return one number")


def _check_optimizer(owner: str, program: Program, shared: SharedInputs, row: Mapping[str, Any], params: Any) -> None:
    kind = ""
    returned: list[Any] = []

    def update(row: Mapping[str, Any], params: Any, data: Any) -> Any:
        nonlocal kind
        optimizer = program.build_optimizer(row)
        # The optimizer itself may hold traced arrays, which must not leave the trace.
        kind = type(optimizer).__name__
        if not isinstance(optimizer, optax.GradientTransformation):
            return None
        state = _mark(optimizer.init)(params)
        loss_of = program.loss_on(row, data)
        value, grads = _mark(jax.value_and_grad(loss_of))(params)
        extra = extra_arguments(optimizer, value, grads, loss_of)
        updated = _mark(optimizer.update)(grads, state, params, **extra)
        is_pair = isinstance(updated, tuple) and len(updated) == 2
        returned[:] = [is_pair, _describe(updated)]
        return _note([], (state, updated[1])), _note([], updated[0]) if is_pair else None

    try:
        shapes = _evaluate_shapes(update, row, params, _some(shared.data, program.batch_size))
    except _UserError as failed:
        raise InputError(f"{owner} fails with {first_line(failed.error)}") from failed.error
    if not returned:
        raise InputTypeError(f"{owner} gives a {kind}: a factory must return an optax.GradientTransformation")
    is_pair, description = returned
    if not is_pair:
        raise InputTypeError(f"{owner} gives {description} at an update: it must return updates and its state")
    states, updates = shapes
    if states is None:
        raise InputTypeError(f"{owner} has a state that does not consist of arrays: JAX cannot carry it along")
    before, after = (_shapes(state) for state in states)
    if before != after or jax.tree.structure(states[0]) != jax.tree.structure(states[1]):
        raise InputTypeError(
            f"{owner} starts with a state of {_list_shapes(before)} and goes on with {_list_shapes(after)}: "
            "its state must keep its structure, its shapes and dtypes"
        )
    _check_updates(owner, updates, params)


def _check_updates(owner: str, updates: Any, params: Any) -> None:
    same = jax.tree.structure(updates) == jax.tree.structure(params)
    if not same or [shape for shape, _ in _shapes(updates)] != [shape for shape, _ in _shapes(params)]:
        raise InputError(
            f"{owner} gives updates of {_list_shapes(_shapes(updates))} for parameters of "
            f"{_list_shapes(_shapes(params))}: they must have the structure and the shapes of the parameters"
        )
    for _, dtype in _shapes(updates):
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise InputError(f"{owner} gives updates of {dtype}: they must be real, as the parameters are")


def _shapes(tree: Any) -> list[tuple[tuple[int, ...], Any]]:
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _sizes(data: Any, program: Program, size: int | None = None) -> set[int]:
    """Gives how many examples of some data a loss or a metric is given at once; `size` are those it is computed on."""
    leaves = jax.tree.leaves(data)
    examples = size or (leaves[0].shape[0] if leaves else 0)
    return sizes_of_slices(examples, program.evaluation_slice)


def _some(data: Any, examples: int | None) -> Any:
    """Gives the shapes and dtypes of a number of examples of some data, or of all of it."""
    return jax.tree.map(
        lambda array: jax.ShapeDtypeStruct((examples or array.shape[0], *array.shape[1:]), array.dtype), data
    )


def _is_scalar(value: Any) -> bool:
    return hasattr(value, "shape") and value.shape == ()


def _is_real_scalar(value: Any) -> bool:
    if isinstance(value, bool | int | float):
        return True
    return _is_scalar(value) and not jnp.issubdtype(value.dtype, jnp.complexfloating)


def _describe(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else f"a {type(value).__name__}"


def _list_shapes(leaves: list[tuple[tuple[int, ...], Any]]) -> str:
    return listed(f"{dtype}{list(shape)}" for shape, dtype in leaves) or "nothing"
