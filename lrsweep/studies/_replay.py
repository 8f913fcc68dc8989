"""One trial of a sweep run again, for its parameters, its whole curve, or its path."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.engine._block import State
from lrsweep.engine._compile import NEVER_PAUSE, Plan, Task, empty_states, traits_of
from lrsweep.engine._executor import Done, first_ready
from lrsweep.engine._layout import Pauses
from lrsweep.engine._modes import ordinary
from lrsweep.engine._plan import fit_plan
from lrsweep.tables._columns import read_numbers
from lrsweep.tables._schema import SEED
from lrsweep.training._monitor import Outcome
from lrsweep.training._pytree import names_of, values_of


# Arrays and tables have no one answer to whether they are equal: a replay is equal to itself.
@dataclass(frozen=True, eq=False)
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


@ordinary()
def replay(groups: list[Again], trials: pd.DataFrame, row: int, steps: int) -> Replay:
    """Runs the trial of a row again, in every lane of a block as wide as the one it was run in.

    Args:
        groups: What the sweep ran.
        trials: The table that went in.
        row: The place of the trial in it.
        steps: How many updates it made.
    """
    task, plan = _only(groups, trials, row)
    every = task.limits.evaluate_every
    # Beside other trials it went on, unwatched: its parameters stay as its last update left them.
    again = _Again(task._replace(limits=task.limits._replace(record_every=every)), plan, steps // every + 1)
    states, outcome = again.run(again.fresh, last=steps)
    params, curve, final_loss = jax.tree.map(_of_one_lane, (states.moving.params, states.curve, outcome.final_loss))
    updates = np.arange(0, steps + 1, every)
    if steps % every != 0:
        # It ended between two of the updates at which losses are recorded, and was measured there.
        updates, curve = np.append(updates, steps), np.append(curve, final_loss)
    return Replay(params, pd.Series(curve.astype(float), pd.Index(updates, name="step"), name="loss"))


@ordinary()
def follow(groups: list[Again], trials: pd.DataFrame, row: int, steps: int, every: int) -> pd.DataFrame:
    """The parameters of the trial of a row after each of its updates, as `Sweep.path` has them.

    Args:
        groups: What the sweep ran.
        trials: The table that went in.
        row: The place of the trial in it.
        steps: How many updates it made.
        every: After which of them the parameters are wanted, beside the last.
    """
    task, plan = _only(groups, trials, row)
    again, turn = _Again(task, plan, 0), plan.layout.turn
    updates = np.unique([*range(0, steps, every), steps])
    states, at, reached = again.fresh, 0, []
    for k in updates:
        begin = int(k) // turn * turn
        if begin > at:
            states, at = again.run(states, last=begin, until=begin)[0], begin
        there = states
        if k > begin or k == 0:
            # Turns are made whole: this one changes nothing more once it is there.
            there = again.run(jax.device_get(states), last=int(k), until=begin + turn)[0]
        reached.append(jax.tree.map(_of_one_lane, there.moving.params))
    names = pd.Index(names_of(reached[0]))
    return pd.DataFrame([values_of(params) for params in reached], pd.Index(updates, name="step"), names)


def _only(groups: list[Again], trials: pd.DataFrame, row: int) -> tuple[Task, Plan]:
    """The group of a row with no trial but that one, to run in one block as wide as the one it was run in."""
    task, plan, widths = next(each for each in groups if row in each.task.group.rows)
    width = int(widths[np.searchsorted(task.group.rows, row)])
    alone, group = trials.iloc[[row]], task.group
    values = {name: read_numbers(alone[name], like.dtype) for name, like in group.values.items()}
    seeds = read_numbers(alone[SEED], None) if SEED in alone.columns else np.zeros(1, np.uint32)
    group = group._replace(rows=np.zeros(1, int), values=values, seeds=seeds)
    return task._replace(group=group), plan._replace(width=width, blocks=1)


class _Again:
    """A group's only trial, in every lane of a block."""

    def __init__(self, task: Task, plan: Plan, records: int) -> None:
        plan, self._compiled = fit_plan(task, plan, records, exact=True)
        shape = 1, plan.width
        self._task, self._keys, self._used = task, np.full(shape, task.group.seeds), np.ones(shape, bool)
        self._values = {name: np.full(shape, column) for name, column in task.group.values.items()}
        self.fresh = empty_states(traits_of(task, records), plan)

    def run(self, states: State, *, last: int, until: int | None = None) -> tuple[State, Outcome]:
        """Goes on until the trial ends, or to an update that a turn ends with; none after `last` moves anything."""
        limits = self._task.limits._replace(last=last)
        pauses = NEVER_PAUSE if until is None else Pauses(until, self._used.size)
        states, outcome = self._compiled(self._values, self._keys, self._used, states, self._task.given, limits, pauses)
        first_ready({None: outcome.status})
        return states, outcome


def _of_one_lane(array: Any) -> np.ndarray:
    return np.asarray(array)[0, 0].copy()
