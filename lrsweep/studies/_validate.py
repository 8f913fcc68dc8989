"""Checks before anything compiles: start, loss, metrics and optimizer are tried on shapes alone."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lrsweep.engine._modes import callers_promotion
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, quote
from lrsweep.optimizers._factories import label
from lrsweep.problems._filled import Filled, filled_names
from lrsweep.problems._objective import Objective, is_known_to_jax
from lrsweep.studies._attempts import (
    UserError,
    columns_needed,
    describe,
    evaluate_shapes,
    is_real_scalar,
    is_scalar,
    list_shapes,
    mark,
    mark_all,
    note,
    shapes_of,
)
from lrsweep.tables._schema import is_learning_rate
from lrsweep.training._program import Program, SharedInputs, extra_arguments
from lrsweep.training._pytree import widen
from lrsweep.training._slices import count_examples, sizes_of_slices


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


def check_start(objective: Objective, start: Any) -> None:
    """Refuses a start that is neither parameters nor, with a model state, the pair of parameters and state.

    Raises:
        TypeError: A leaf of the parameters is no floating-point array, or one of the state no array.
        ValueError: There are no parameters, or it is no pair.

    Example:
        >>> check_start(Objective(lambda params, *, state: (params, state), None), (0.5, {"count": 0}))
    """
    if not objective.keeps_state:
        return check_leaves(objective, start)
    owner = f"the init of objective {objective.name!r}"
    if not (isinstance(start, tuple) and len(start) == 2):
        raise InputError(
            f"{owner} gives {describe(start)}: since the loss names 'state', it must give a pair (params, state)"
        )
    check_leaves(objective, start[0])
    for path, leaf in jax.tree_util.tree_leaves_with_path(start[1]):
        is_array = isinstance(leaf, jax.Array | bool | int | float | complex) or (
            isinstance(leaf, np.ndarray | np.generic | jax.ShapeDtypeStruct) and is_known_to_jax(leaf.dtype)
        )
        if not is_array:
            place = f"state{jax.tree_util.keystr(path)}"
            raise InputTypeError(f"{owner} gives {describe(leaf)} at {place}: a model state must be numeric arrays")
    return None


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
        ValueError: `init`, the loss, a metric, the factory or the optimizer fails, the loss is not a real scalar or
            changes the shapes of the model state, or one of them needs the value of a column while it is compiled.
    """
    owner = ""

    def attempt(row: Mapping[str, Any]) -> None:
        nonlocal owner
        with callers_promotion():
            owner = f"the init of objective {objective.name!r}"
            start = _check_start(objective, program, shared, row)
            owner = f"the loss of objective {objective.name!r}"
            _check_loss(owner, program, shared, row, start)
            for index, (name, _) in enumerate(program.metrics):
                owner = f"metric {name!r} of objective {objective.name!r}"
                _check_metric(owner, program, shared, row, start, index)
        owner = f"the optimizer {label(program.optimizer)}"
        _check_optimizer(owner, program, shared, row, start)

    program = mark_all(program)
    try:
        attempt(row)
    except InputError as error:
        # Further attempts change `owner`.
        culprit = owner
        needed = columns_needed(attempt, row, sample)
        if not needed:
            raise
        columns, static = " and ".join(map(repr, needed)), "".join(f"{name!r}, " for name in needed)
        other = "; or, for a schedule, give it a peak of 1: lrsweep.optimizers.scheduled"
        raise InputError(
            f"{culprit} needs the value of column {columns} while it is compiled: list it in static, "
            f"sweep(..., static=({static.strip()})), which compiles a program for each of its values"
            + (other if any(map(is_learning_rate, needed)) else "")
        ) from error


class _Start(NamedTuple):
    """The shapes of what a trial starts from: its parameters, and its model state or None."""

    params: Any
    state: Any


def _filled(state: Any, *, training: bool) -> Filled:
    return Filled(jax.random.key(0), state, training)


def _check_start(objective: Objective, program: Program, shared: SharedInputs, row: Mapping[str, Any]) -> _Start:
    wrong: list[Exception] = []

    def start(row: Mapping[str, Any], shared: SharedInputs) -> Any:
        drawn = program.start(row, np.uint32(0), shared)
        try:
            check_start(objective, drawn)
        except InputError as error:
            wrong.append(error)
            return None
        return jax.tree.map(jnp.asarray, drawn)

    try:
        shapes = evaluate_shapes(start, row, shared)
    except UserError as failed:
        raise InputError(
            f"the init of objective {objective.name!r} fails with {first_line(failed.error)}"
        ) from failed.error
    if wrong:
        raise wrong[0]
    return _Start(*shapes) if program.keeps_state else _Start(shapes, None)


def _check_loss(owner: str, program: Program, shared: SharedInputs, row: Mapping[str, Any], start: _Start) -> None:
    size = None if filled_names(program.loss) else program.evaluation_slice
    updates = sizes_of_slices(program.batch_size or count_examples(shared.data), size)
    measurements = sizes_of_slices(count_examples(shared.measured), program.evaluation_slice)
    # Where the loss takes nothing that tells the two apart, what fits the one fits the other.
    modes = [(True, updates), (False, measurements)] if filled_names(program.loss) else [(True, updates | measurements)]
    for training, examples in [(training, examples) for training, sizes in modes for examples in sorted(sizes)]:
        data, returned = _some(shared.data, examples), []

        def loss_at(
            row: Any, start: _Start, data: Any, returned: list[Any] = returned, training: bool = training
        ) -> Any:
            called = program.call_loss(row, start.params, data, _filled(start.state, training=training))
            return note(returned, called)

        try:
            loss = evaluate_shapes(loss_at, row, start, data)
        except UserError as failed:
            fits = "its parameters" if data is None else "its parameters and data"
            pair = isinstance(start.params, tuple) and len(start.params) == 2 and not program.keeps_state
            hint = " (if init gives (params, state), the loss must name state and return (loss, state))" if pair else ""
            raise InputError(f"{owner} does not fit {fits}: {first_line(failed.error)}{hint}") from failed.error
        if program.keeps_state:
            loss = _check_new_state(owner, returned, loss, start.state)
        if isinstance(returned[0], float | np.floating):
            raise InputError(
                f"{owner} returns {quote(returned[0])}, which does not depend on the parameters: "
                "compute it by jax.numpy"
            )
        if loss is None or not is_scalar(loss) or not jnp.issubdtype(loss.dtype, jnp.floating):
            description = describe(returned[0] if loss is None else loss)
            raise InputError(f"{owner} returns {description}: it must return one floating-point scalar")


def _check_new_state(owner: str, returned: list[Any], shapes: Any, before: Any) -> Any:
    """Refuses a loss that leaves no model state, or one of other shapes; gives the loss alone."""
    if not (isinstance(returned[0], tuple) and len(returned[0]) == 2):
        description = describe(returned[0])
        raise InputError(
            f"{owner} returns {description}: since it names 'state', it must return (loss, state), also where it "
            "leaves the state as it is"
        )
    returned[0], state = returned[0]
    if shapes is None:
        if note([], state) is None:
            raise InputTypeError(f"{owner} returns a state that does not consist of arrays: JAX cannot carry it along")
        return None
    loss, after = shapes
    # A state may become wider, as a running mean of 32 bits does on data of 64.
    same = jax.tree.structure(before) == jax.tree.structure(after)
    if not same or shapes_of(jax.eval_shape(widen, before, after)) != shapes_of(after):
        raise InputError(
            f"{owner} is given a state of {list_shapes(shapes_of(before))} and returns one of "
            f"{list_shapes(shapes_of(after))}: the state must keep its structure, its shapes and dtypes"
        )
    return loss


def _check_metric(
    owner: str, program: Program, shared: SharedInputs, row: Mapping[str, Any], start: _Start, index: int
) -> None:
    name, function = program.metrics[index]
    returned: list[Any] = []

    @functools.wraps(function, updated=())
    def noted(*arguments: Any, **keywords: Any) -> Any:
        # What is no number is replaced by one here, and refused below.
        value = note(returned, function(*arguments, **keywords))
        return 0.0 if value is None or not is_real_scalar(value) else value

    metrics = (*program.metrics[:index], (name, noted), *program.metrics[index + 1 :])
    noting = program.at_once()._replace(metrics=metrics)

    def metric_at(row: Any, start: _Start, data: Any) -> Any:
        return noting.compute_metric(index, row, start.params, data, _filled(start.state, training=False))

    try:
        for examples in sorted(sizes_of_slices(count_examples(shared.metrics[index]), program.evaluation_slice)):
            evaluate_shapes(metric_at, row, start, _some(shared.metrics[index], examples))
    except UserError as failed:
        raise InputError(f"{owner} does not fit its parameters and data: {first_line(failed.error)}") from failed.error
    if not is_real_scalar(returned[0]):
        raise InputError(f"{owner} returns {describe(returned[0])}: it must return one number")


def _check_optimizer(owner: str, program: Program, shared: SharedInputs, row: Mapping[str, Any], start: _Start) -> None:
    kind = ""
    returned: list[Any] = []

    def update(row: Mapping[str, Any], start: _Start, data: Any) -> Any:
        nonlocal kind
        optimizer = program.build_optimizer(row)
        # The optimizer itself may hold traced arrays, which must not leave the trace.
        kind = type(optimizer).__name__
        if not isinstance(optimizer, optax.GradientTransformation):
            return None
        params, state = start.params, mark(optimizer.init)(start.params)
        loss_of = program.measured_loss(row, data, _filled(start.state, training=True))
        value, grads = mark(jax.value_and_grad(loss_of))(params)
        extra = extra_arguments(optimizer, value, grads, loss_of)
        updated = mark(optimizer.update)(grads, state, params, **extra)
        is_pair = isinstance(updated, tuple) and len(updated) == 2
        returned[:] = [is_pair, describe(updated)]
        return note([], (state, updated[1])), note([], updated[0]) if is_pair else None

    try:
        shapes = evaluate_shapes(update, row, start, _some(shared.data, program.batch_size))
    except UserError as failed:
        raise InputError(f"{owner} fails with {first_line(failed.error)}") from failed.error
    if not returned:
        raise InputTypeError(f"{owner} gives a {kind}: a factory must return an optax.GradientTransformation")
    is_pair, description = returned
    if not is_pair:
        raise InputTypeError(f"{owner} gives {description} at an update: it must return updates and its state")
    states, updates = shapes
    if states is None:
        raise InputTypeError(f"{owner} has a state that does not consist of arrays: JAX cannot carry it along")
    before, after = (shapes_of(state) for state in states)
    if before != after or jax.tree.structure(states[0]) != jax.tree.structure(states[1]):
        raise InputTypeError(
            f"{owner} starts with a state of {list_shapes(before)} and goes on with {list_shapes(after)}: "
            "its state must keep its structure, its shapes and dtypes"
        )
    _check_updates(owner, updates, start.params)


def _check_updates(owner: str, updates: Any, params: Any) -> None:
    same = jax.tree.structure(updates) == jax.tree.structure(params)
    if not same or [shape for shape, _ in shapes_of(updates)] != [shape for shape, _ in shapes_of(params)]:
        raise InputError(
            f"{owner} gives updates of {list_shapes(shapes_of(updates))} for parameters of "
            f"{list_shapes(shapes_of(params))}: they must have the structure and the shapes of the parameters"
        )
    for _, dtype in shapes_of(updates):
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise InputError(f"{owner} gives updates of {dtype}: they must be real, as the parameters are")


def _some(data: Any, examples: int | None) -> Any:
    """Gives the shapes and dtypes of a number of examples of some data, or of all of it."""
    return jax.tree.map(
        lambda array: jax.ShapeDtypeStruct((examples or array.shape[0], *array.shape[1:]), array.dtype), data
    )
