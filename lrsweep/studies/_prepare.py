"""From a trials table to the jobs that the engine runs: groups of its rows, each with its program, checked."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import pandas as pd

from lrsweep.engine._cache import cached
from lrsweep.engine._compile import GroupJob
from lrsweep.engine._devices import on_first_device
from lrsweep.engine._modes import promotion_mode
from lrsweep.engine._shared import check_precision, share_inputs
from lrsweep.engine._spec import MOST_SPECS, Like, precision
from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError
from lrsweep.optimizers._factories import Factory
from lrsweep.optimizers._schedules import check_rise
from lrsweep.problems._objective import Objective
from lrsweep.studies._means import check_means
from lrsweep.studies._recorded import check_rate
from lrsweep.studies._validate import check_program, check_start
from lrsweep.tables._schema import OPTIMIZER
from lrsweep.training._binding import bind
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import Group, optimizers_of, partition
from lrsweep.training._program import make_program
from lrsweep.training._stopping import Stopping

# Where permutations of minibatches are shared, every block draws those of all seeds: with more seeds than this it is
# less work to draw one per trial.
MAX_SHARED_SEEDS = 32


def prepare(
    objective: Objective,
    optimizers: Mapping[Any, Factory],
    trials: pd.DataFrame,
    static: list[str],
    limits: StopLimits,
    *,
    diagnose: bool = False,
    on_batches: bool = False,
    recorded: tuple[str, ...] = (),
) -> list[GroupJob]:
    """Checks a trials table against its objective and optimizers, and divides it into the jobs that the engine runs.

    Args:
        objective: The objective.
        optimizers: The optimizers' factories by name; a single one without a name is under None.
        trials: The trials table.
        static: The columns of numbers whose values programs are compiled for.
        limits: The limits that end a trial.
        diagnose: Whether to measure what says why each trial ended as it did.
        on_batches: Whether the loss of each minibatch is evaluated, instead of the loss over all the data.
        recorded: What is recorded, as `recorded_names` gives it.

    Returns:
        The jobs, in the order of their first rows.

    Raises:
        TypeError: An argument or a column is of the wrong kind.
        ValueError: Nobody takes a column, a value is out of range, a schedule never falls, or objective and optimizer
            do not fit.
    """
    names = list(optimizers) if None in optimizers else optimizers_of(trials, optimizers)
    columns = [name for name in trials.columns if name != OPTIMIZER or None in optimizers]
    bindings = bind(columns, objective, {name: optimizers[name] for name in names})
    groups = partition(trials, bindings, static)
    for group in groups:
        check_rise(optimizers[group.optimizer], group.values | {each.name: each.value for each in group.static})
    if not objective.draws_start:
        check_start(objective, objective.init)
    # Everything is checked on shapes before the data moves to the device.
    shapes, programs = jax.eval_shape(lambda: share_inputs(objective)), []
    for group in groups:
        program = make_program(objective, optimizers[group.optimizer], group.binding, group.static)
        program = program._replace(diagnoses=diagnose, on_batches=on_batches)
        # What is compiled for a replay, which records the loss, then serves for a sweep that records nothing.
        program = program._replace(recorded=recorded or program.recorded)
        row = {name: jax.ShapeDtypeStruct((), column.dtype, weak_type=True) for name, column in group.values.items()}
        sample = {name: column[0].item() for name, column in group.values.items()}
        passed = _passed(program, Like.of(shapes), Like.of(row), (*precision(), *promotion_mode()))
        if not passed:
            check_program(objective, program, shapes, row, sample)
            check_rate(program, shapes, row, jax.ShapeDtypeStruct((), np.uint32))
            passed.append(True)
        programs.append(program)
    shared = share_inputs(objective)
    for program, group in zip(programs, groups, strict=True):
        check_means(objective, program, shared, {name: c[0] for name, c in group.values.items()}, group.seeds[0])
    return [
        GroupJob(program, group, shared._replace(seeds=shared_seeds(objective, group)), limits)
        for program, group in zip(programs, groups, strict=True)
    ]


@cached(MOST_SPECS)
def _passed(*_: Any) -> list[bool]:
    """Gives the note that a program of the arguments has passed its check: empty until it has."""
    return []


def shared_seeds(objective: Objective, group: Group) -> Any:
    """Gives the distinct seeds of a group that trains on minibatches, where many trials share each; otherwise None."""
    if objective.batch_size is None:
        return None
    seeds = np.unique(group.seeds)
    return on_first_device(seeds) if len(seeds) <= min(MAX_SHARED_SEEDS, len(group.seeds) // 2) else None


def limits_of(
    objective: Objective,
    stopping: Stopping,
    steps: int,
    evaluate_every: int | None = None,
    record_every: int | None = None,
) -> StopLimits:
    """Gives the limits that end a trial, as the compiled program takes them; for the arguments see `sweep`.

    Raises:
        InputError: A number is out of range, or beyond the precision that JAX computes in.
    """
    record_every = None if record_every is None else check_count("record_every", record_every)
    if evaluate_every is not None:
        evaluate_every = check_count("evaluate_every", evaluate_every)
    elif objective.batch_size is not None:
        evaluate_every = record_every or math.ceil(objective.examples / objective.batch_size)
    else:
        evaluate_every = 1
    if record_every is not None and record_every % evaluate_every != 0:
        raise InputError(
            f"record_every={record_every} must be a multiple of evaluate_every={evaluate_every}: "
            "a loss is recorded where it is measured"
        )
    stated = {"minimum": objective.minimum, "baseline": objective.baseline}
    for name, value in (vars(stopping) | stated).items():
        if value is not None:
            check_precision(name, float(value))
    return StopLimits(
        steps=check_count("steps", steps),
        tolerance=float(stopping.tolerance),
        target=None if stopping.target is None else float(stopping.target),
        hold=int(stopping.hold),
        divergence=float(stopping.divergence),
        minimum=float(objective.minimum),
        evaluate_every=evaluate_every,
        record_every=record_every or evaluate_every,
        baseline=None if objective.baseline is None else float(objective.baseline),
    )
