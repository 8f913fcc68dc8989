"""What can be recorded of an update beside the loss and the metrics: norms, and the learning rate it was made with."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.inputs._errors import InputError
from lrsweep.optimizers._factories import label
from lrsweep.optimizers._schedules import schedule_of
from lrsweep.tables._schema import LEARNING_RATE
from lrsweep.training._program import Program


class Step(NamedTuple):
    """One update as it was made.

    Attributes:
        row: The trial's columns, scalars by name.
        params: The parameters before it.
        grads: The gradient there, of the loss of its minibatch.
        updates: What the optimizer added to the parameters.
        before: The optimizer's state before it.
        after: The optimizer's state after it.
    """

    row: Mapping[str, Any]
    params: Any
    grads: Any
    updates: Any
    before: Any
    after: Any


# What each name stands for.
MEASURES: dict[str, Callable[[Program, Step], Any]] = {
    "gradient_norm": lambda _, step: _norm(step.grads),
    LEARNING_RATE: lambda program, step: rate_of(program, step.row, step.before, step.after),
    "parameter_norm": lambda _, step: _norm(step.params),
    "update_norm": lambda _, step: _norm(step.updates),
}


def measure(program: Program, step: Step, dtype: Any) -> tuple[Any, ...]:
    """Measures an update: what the program records of it, as scalars of a dtype."""
    return tuple(jnp.asarray(MEASURES[name](program, step)).astype(dtype) for name in program.measures)


def rate_of(program: Program, row: Mapping[str, Any], before: Any, after: Any) -> Any:
    """Gives the learning rate that an optimizer has used at an update.

    It is what the optimizer's state says, as that of `optax.inject_hyperparams` and of a line search does; or the
    column times the shape of `lrsweep.optimizers.scheduled`; or the column itself, where there is no schedule.

    Args:
        program: The functions that the trial calls.
        row: The trial's columns, scalars by name.
        before: The optimizer's state before the update.
        after: The optimizer's state after it.

    Raises:
        InputError: The optimizer has no learning rate, follows a schedule of its own, or has several rates.
    """
    owner = f"record={LEARNING_RATE!r}: the optimizer {label(program.optimizer)}"
    told = [rate for _, rate in optax.tree.get_all_with_path(after, LEARNING_RATE, _is_told)]
    if not told:
        told = _rates_of(program, row, before)
    if not told:
        raise InputError(f"{owner} has no {LEARNING_RATE} among its keywords or in its state: leave it out")
    if len(told) > 1:
        raise InputError(f"{owner} has {len(told)} learning rates in its state, and no single one: leave it out")
    # What multiplies the learning rate in steps of its own, as optax.contrib.reduce_on_plateau does.
    for state in _states(after, optax.contrib.ReduceLROnPlateauState):
        told = [told[0] * state.scale]
    return told[0]


def _rates_of(program: Program, row: Mapping[str, Any], before: Any) -> list[Any]:
    """Gives the learning rates of an optimizer whose state does not hold them."""
    keywords = program.optimizer_keywords(row)
    counts = [state.count for state in _states(before, optax.ScaleByScheduleState)]
    schedule = schedule_of(program.optimizer, keywords)
    if schedule is not None and counts:
        return [schedule(count) for count in counts]
    if schedule is not None or counts:
        raise InputError(
            f"record={LEARNING_RATE!r}: the optimizer {label(program.optimizer)} follows a schedule that its state "
            "does not tell: make it by lrsweep.optimizers.scheduled or by optax.inject_hyperparams"
        )
    parameter = inspect.signature(program.optimizer).parameters.get(LEARNING_RATE)
    default = None if parameter is None or parameter.default is parameter.empty else parameter.default
    rate = keywords.get(LEARNING_RATE, default)
    return [] if rate is None else [rate]


def _is_told(path: Any, _: Any) -> bool:
    """Tells whether an entry of that name is the optimizer's own, and does not belong to a parameter called so."""
    return hasattr(path[-1], "tuple_name") or any(getattr(key, "name", None) == "hyperparams" for key in path)


def _states(state: Any, kind: type) -> list[Any]:
    """Finds the states of a kind within an optimizer's state."""
    leaves = jax.tree.leaves(state, is_leaf=lambda leaf: isinstance(leaf, kind))
    return [leaf for leaf in leaves if isinstance(leaf, kind)]


def _norm(tree: Any) -> Any:
    """Computes the Euclidean norm over all arrays of a pytree, in 32 bits at least."""
    return optax.tree.norm(jax.tree.map(lambda leaf: leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)), tree))
