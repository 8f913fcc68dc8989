"""One trial of a sweep run again, for its parameters and its whole curve."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.binding import SEED
from lrsweep.columns import read_numbers
from lrsweep.lanes import NEVER_PAUSE, Plan, Task, empty_states, traits_of
from lrsweep.planning import fit_plan
from lrsweep.schedule import Done, first_ready
from lrsweep.watch import Outcome


@dataclass(frozen=True)
class Replay:
    """One trial run again.

    Attributes:
        params: The parameters it ended with: the objective's pytree, as NumPy arrays.
        curve: float64 Series, the loss at every update at which it was measured, from 0 to the trial's last.
    """

    params: Any
    curve: pd.Series


class Again(NamedTuple):
    """What it takes to run a group's trials again: all but their columns, and the block width of each."""

    task: Task
    plan: Plan
    widths: np.ndarray


def again(task: Task, done: Done) -> Again:
    """What it takes to run a group's trials again, without another copy of the trials table's numbers."""
    group = task.group
    values = {name: np.empty(0, column.dtype) for name, column in group.values.items()}
    return Again(
        task._replace(group=group._replace(values=values, seeds=group.seeds[:0].copy())), done.plan, done.widths
    )


def replay(groups: list[Again], trials: pd.DataFrame, row: int, steps: int) -> Replay:
    """Runs the trial of a row again, in every lane of a block as wide as the one it was run in.

    Args:
        groups: What the sweep ran.
        trials: The table that went in.
        row: The place of the trial in it.
        steps: How many updates it made.
    """
    task, plan, widths = next(each for each in groups if row in each.task.group.rows)
    width, every = int(widths[np.searchsorted(task.group.rows, row)]), task.limits.evaluate_every
    # Beside other trials it went on, unwatched.
    limits = task.limits._replace(record_every=every, last=steps)
    task = task._replace(group=_only(task.group, trials.iloc[[row]]), limits=limits)
    params, curve, outcome = _run_again(task, plan._replace(width=width, blocks=1), steps // every + 1)
    updates = np.arange(0, steps + 1, every)
    if steps % every != 0:
        # It ended between two of the updates at which losses are recorded, and was measured there.
        updates, curve = np.append(updates, steps), np.append(curve, outcome.final_loss)
    return Replay(params, pd.Series(curve.astype(float), pd.Index(updates, name="step"), name="loss"))


def _only(group: Any, row: pd.DataFrame) -> Any:
    """The group with no trial but one."""
    values = {name: read_numbers(row[name]).astype(like.dtype) for name, like in group.values.items()}
    seeds = read_numbers(row[SEED]) if SEED in row.columns else np.zeros(1, np.uint32)
    return group._replace(rows=np.zeros(1, int), values=values, seeds=seeds)


def _run_again(task: Task, plan: Plan, records: int) -> tuple[Any, np.ndarray, Outcome]:
    """A group's only trial, in every lane of a block: its last parameters, its curve, and what became of it."""
    plan, compiled = fit_plan(task, plan, records, exact=True)
    shape = 1, plan.width
    values = {name: np.full(shape, column) for name, column in task.group.values.items()}
    keys, used = np.full(shape, task.group.seeds), np.ones(shape, bool)
    states = empty_states(traits_of(task, records), plan)
    states, outcome = compiled(values, keys, used, states, task.given, task.limits, NEVER_PAUSE)
    first_ready({None: outcome.status})
    states, outcome = jax.device_get((states, outcome))
    return jax.tree.map(lambda array: array[0, 0], (states.moving.params, states.curve, outcome))
