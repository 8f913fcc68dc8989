"""The names of what a sweep or a replay records, checked before anything compiles."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax

from lrsweep.inputs._arguments import as_names
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.problems._objective import Objective
from lrsweep.tables._schema import INDEX, LEARNING_RATE, LOSS, STEP
from lrsweep.training._measures import MEASURES, rate_of
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import start_trial


def recorded_names(
    record: str | Iterable[str] | None, objective: Objective, record_every: int | None = None
) -> tuple[str, ...]:
    """Gives the names of what is recorded, each once; nothing where neither names nor their distance are given.

    Args:
        record: The names, see `lrsweep.sweep`, or None.
        objective: The objective, whose metrics are among the names that there are.
        record_every: At every which update it is recorded, or None.

    Raises:
        InputTypeError: These are no names.
        InputError: Nothing is called so, or there are none.

    Example:
        >>> recorded_names(("loss", "gradient_norm"), lrsweep.problems.line())
        ('loss', 'gradient_norm')
    """
    if record is None:
        return () if record_every is None else (LOSS,)
    names = tuple(dict.fromkeys(as_names("record", record)))
    known = list(dict.fromkeys([LOSS, *objective.metrics, *MEASURES]))
    if not names:
        raise InputError(f"record=() names nothing: leave it out, or give some of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise InputError(f"record: {unknown('name', name, known)}")
        if name in (INDEX, STEP):
            raise InputError(f"record names the metric {name!r}, which is a column of every table of curves: rename it")
    return names


def check_rate(program: Program, shared: SharedInputs, row: Mapping[str, Any], seed: Any) -> None:
    """Refuses to record a learning rate that the optimizer does not tell. Nothing is computed or compiled.

    Args:
        program: The functions that a trial calls, which fit each other.
        shared: The arrays that all trials share, or their shapes and dtypes.
        row: The columns of one trial, or their shapes and dtypes.
        seed: The seed of one trial, or its shape and dtype.

    Raises:
        InputError: See `rate_of`.
    """

    def rate(row: Mapping[str, Any], seed: Any, shared: SharedInputs) -> Any:
        state = start_trial(program, row, seed, shared, guarded=False).optimizer
        return rate_of(program, row, state, state)

    if LEARNING_RATE in program.measures:
        jax.eval_shape(rate, row, seed, shared)
