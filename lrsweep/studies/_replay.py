"""One trial of a sweep run again, for its parameters, its whole curve, or its path."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.engine._block import TrialState
from lrsweep.engine._compile import NEVER_COMPACT, GroupJob, Plan, empty_states, spec_of
from lrsweep.engine._executor import GroupResult, first_ready
from lrsweep.engine._layout import CompactionPolicy
from lrsweep.engine._modes import ordinary_modes
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


class Rerun(NamedTuple):
    """What it takes to run a group's trials again: all but their columns, and the block width of each."""

    job: GroupJob
    plan: Plan
    widths: np.ndarray


def rerun(job: GroupJob, done: GroupResult) -> Rerun:
    """Keeps what it takes to run a group's trials again, without another copy of the trials table's numbers."""
    group = job.group
    values = {name: np.empty(0, column.dtype) for name, column in group.values.items()}
    return Rerun(
        job._replace(group=group._replace(values=values, seeds=group.seeds[:0].copy())), done.plan, done.widths
    )


@ordinary_modes()
def replay(groups: list[Rerun], trials: pd.DataFrame, row: int, steps: int) -> Replay:
    """Runs the trial of a row again, in every lane of a block as wide as the one it was run in.

    Args:
        groups: What the sweep ran.
        trials: The table that went in.
        row: The place of the trial in it.
        steps: How many updates it made.
    """
    job, plan = _only(groups, trials, row)
    every = job.limits.evaluate_every
    # Beside other trials it went on, unwatched: its parameters stay as its last update left them.
    rerun = _Rerun(job._replace(limits=job.limits._replace(record_every=every)), plan, steps // every + 1)
    states, outcome = rerun.run(rerun.fresh, last=steps)
    params, curve, final_loss = jax.tree.map(_of_one_lane, (states.train.params, states.curve, outcome.final_loss))
    updates = np.arange(0, steps + 1, every)
    if steps % every != 0:
        # It ended between two of the updates at which losses are recorded, and was measured there.
        updates, curve = np.append(updates, steps), np.append(curve, final_loss)
    return Replay(params, pd.Series(curve.astype(float), pd.Index(updates, name="step"), name="loss"))


@ordinary_modes()
def follow(groups: list[Rerun], trials: pd.DataFrame, row: int, steps: int, every: int) -> pd.DataFrame:
    """Runs the trial of a row again for its parameters after each of its updates, as `Sweep.path` has them.

    Args:
        groups: What the sweep ran.
        trials: The table that went in.
        row: The place of the trial in it.
        steps: How many updates it made.
        every: After which of them the parameters are wanted, beside the last.
    """
    job, plan = _only(groups, trials, row)
    rerun, chunk = _Rerun(job, plan, 0), plan.layout.chunk
    updates = np.unique([*range(0, steps, every), steps])
    states, at, reached = rerun.fresh, 0, []
    for k in updates:
        begin = int(k) // chunk * chunk
        if begin > at:
            states, at = rerun.run(states, last=begin, until=begin)[0], begin
        there = states
        if k > begin or k == 0:
            # Chunks are run whole: this one changes nothing more once it is there.
            there = rerun.run(jax.device_get(states), last=int(k), until=begin + chunk)[0]
        reached.append(jax.tree.map(_of_one_lane, there.train.params))
    names = pd.Index(names_of(reached[0]))
    return pd.DataFrame([values_of(params) for params in reached], pd.Index(updates, name="step"), names)


def _only(groups: list[Rerun], trials: pd.DataFrame, row: int) -> tuple[GroupJob, Plan]:
    """Gives the job of a row with no trial but that one, in one block as wide as the one it was run in."""
    job, plan, widths = next(each for each in groups if row in each.job.group.rows)
    width = int(widths[np.searchsorted(job.group.rows, row)])
    alone, group = trials.iloc[[row]], job.group
    values = {name: read_numbers(alone[name], like.dtype) for name, like in group.values.items()}
    seeds = read_numbers(alone[SEED], None) if SEED in alone.columns else np.zeros(1, np.uint32)
    group = group._replace(rows=np.zeros(1, int), values=values, seeds=seeds)
    return job._replace(group=group), plan._replace(width=width, blocks=1)


class _Rerun:
    """A group's only trial, in every lane of a block."""

    def __init__(self, job: GroupJob, plan: Plan, records: int) -> None:
        plan, self._compiled = fit_plan(job, plan, records, exact=True)
        shape = 1, plan.width
        self._task, self._keys, self._used = job, np.full(shape, job.group.seeds), np.ones(shape, bool)
        self._values = {name: np.full(shape, column) for name, column in job.group.values.items()}
        self.fresh = empty_states(spec_of(job, records), plan)

    def run(self, states: TrialState, *, last: int, until: int | None = None) -> tuple[TrialState, Outcome]:
        """Runs until the trial ends, or to an update that a chunk ends with; none after `last` moves anything."""
        limits = self._task.limits._replace(freeze_at=last)
        compaction = NEVER_COMPACT if until is None else CompactionPolicy(until, self._used.size)
        states, outcome = self._compiled(
            self._values, self._keys, self._used, states, self._task.shared, limits, compaction
        )
        first_ready({None: outcome.status})
        return states, outcome


def _of_one_lane(array: Any) -> np.ndarray:
    return np.asarray(array)[0, 0].copy()
