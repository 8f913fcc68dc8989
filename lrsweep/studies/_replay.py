"""The replay of one trial of a sweep, for its parameters, its whole curve, or its path."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.engine._block import TrialState
from lrsweep.engine._call import Columns, Part
from lrsweep.engine._compile import GroupJob, Plan, empty_state, spec_of
from lrsweep.engine._layout import Layout
from lrsweep.engine._modes import ordinary_modes
from lrsweep.engine._parts import first_ready
from lrsweep.engine._plan import fit_plan, stage_of
from lrsweep.engine._spec import with_keys
from lrsweep.inputs._messages import number, plural
from lrsweep.inputs._showing import show_safely
from lrsweep.problems._objective import Objective
from lrsweep.studies._recorded import check_rate, recorded_names
from lrsweep.tables._columns import read_numbers
from lrsweep.tables._schema import LOSS, SEED, STEP
from lrsweep.training._monitor import Outcome
from lrsweep.training._pytree import names_of, values_of


# Comparing tables and arrays gives one answer per element, not one in all: a replay is equal only to itself.
@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """One trial of a sweep, replayed.

    Attributes:
        params: The parameters that it ended with: the objective's pytree, as NumPy arrays.
        curves: float64, one row per update at which it was evaluated, from 0 to the trial's last, under the index
            `step`; one column for each recorded name, and `loss` among them in any case.
        state: The model state that it ended with, as NumPy arrays and JAX's keys; None where there is none.
    """

    params: Any
    curves: pd.DataFrame
    state: Any = None

    @property
    def curve(self) -> pd.Series:
        """The loss at these updates."""
        return self.curves[LOSS]

    def __repr__(self) -> str:
        return show_safely(self, lambda: _describe(self))


def _describe(replay: Replay) -> str:
    losses, arrays = replay.curve, jax.tree.leaves(replay.params)
    first, last = (number(loss) for loss in losses.iloc[[0, -1]])
    parameters = f"{plural(sum(map(np.size, arrays)), 'parameter')} in {plural(len(arrays), 'array')}"
    state = "" if replay.state is None else "; its model state: replay.state"
    return (
        f"Replay of a trial: {plural(int(losses.index[-1]), 'update')}, loss {first} at the start, {last} at the end\n"
        f"{parameters}: replay.params; {', '.join(replay.curves.columns)}: replay.curves{state}"
    )


class Replayable(NamedTuple):
    """A group whose trials can be replayed from the trials table.

    Attributes:
        job: The job of the group, without its columns.
        plan: The plan that it was run by.
        objective: The objective.
    """

    job: GroupJob
    plan: Plan
    objective: Objective


def without_columns(job: GroupJob) -> GroupJob:
    """Gives the job of a group without its copy of the trials table's numbers, of which the dtypes stay."""
    group = job.group
    values = {name: np.empty(0, column.dtype) for name, column in group.values.items()}
    return job._replace(group=group._replace(values=values, seeds=group.seeds[:0].copy()))


@ordinary_modes()
def replay(
    groups: list[Replayable], trials: pd.DataFrame, row: int, steps: int, record: str | Iterable[str] | None = None
) -> Replay:
    """Replays the trial of a row, in every lane of a block as wide as the one it was run in: so the bits are the same.

    Args:
        groups: The sweep's groups.
        trials: The trials table.
        row: The position of the trial in it.
        steps: How many updates the trial made.
        record: The names of what to record; None for those of the sweep.
    """
    job, plan = _job_of_row(groups, trials, row)
    job, plan = _recording(job, plan, groups[0].objective, record)
    every = job.limits.evaluate_every
    # The trial was evaluated where it ended, perhaps between two of the other evaluations.
    distance = math.gcd(every, steps) if job.program.measures else every
    limits = job.limits._replace(record_every=distance)
    replayer = _Replayer(job._replace(limits=limits), plan, steps // distance + 1)
    # Chunks run to their ends: without freezing, the parameters would move on after the trial has ended.
    states, outcome = replayer.run(replayer.start, freeze_at=steps)
    params, recorded, outcome = jax.tree.map(_first_lane, (states.train.params, states.curves, outcome))
    updates = np.unique([*range(0, steps, every), steps])
    curves = {name: values[updates // distance].astype(float) for name, values in recorded.items()}
    if steps % distance != 0:
        finals = dict(zip((name for name, _ in job.program.metrics), outcome.final_metrics, strict=True))
        for name, curve in curves.items():
            curve[-1] = (finals | {LOSS: outcome.final_loss})[name]
    index = pd.Index(updates, name=STEP)
    return Replay(params, pd.DataFrame(curves, index)[list(job.program.recorded)], replayer.model_state(states))


def _recording(
    job: GroupJob, plan: Plan, objective: Objective, record: str | Iterable[str] | None
) -> tuple[GroupJob, Plan]:
    """Gives the job and the plan by which a trial is replayed: with the loss, and whatever else is to be recorded."""
    names = job.program.recorded if record is None else recorded_names(record, objective)
    program = job.program._replace(recorded=tuple(dict.fromkeys((LOSS, *names))))
    if set(program.measures) != set(job.program.measures):
        row = {name: column[0] for name, column in job.group.values.items()}
        check_rate(program, job.shared, row, job.group.seeds[0])
        # Updates that are measured are of another program, which may not have the layout of the sweep's.
        plan = plan._replace(layout=Layout())
    return job._replace(program=program), plan


@ordinary_modes()
def follow(groups: list[Replayable], trials: pd.DataFrame, row: int, steps: int, every: int) -> pd.DataFrame:
    """Replays the trial of a row for the parameters on its way, as `Sweep.path` has them.

    Args:
        groups: The sweep's groups.
        trials: The trials table.
        row: The position of the trial in it.
        steps: How many updates the trial made.
        every: The parameters are wanted after every such number of updates, and after the last.
    """
    job, plan = _job_of_row(groups, trials, row)
    replayer, chunk = _Replayer(job, plan, 0), plan.layout.chunk
    updates = np.unique([*range(0, steps, every), steps])
    # The program is compiled for whole chunks. So the states advance chunk by chunk, and for an update within a chunk a
    # copy of them runs that chunk with its parameters frozen there.
    states, reached, path = replayer.start, 0, []
    for k in map(int, updates):
        chunk_start = k // chunk * chunk
        if chunk_start > reached:
            states, reached = replayer.run(states, freeze_at=chunk_start, until=chunk_start)[0], chunk_start
        states_at_k = states
        if k > chunk_start or k == 0:
            states_at_k = replayer.run(jax.device_get(states), freeze_at=k, until=chunk_start + chunk)[0]
        path.append(jax.tree.map(_first_lane, states_at_k.train.params))
    names = pd.Index(names_of(path[0]))
    return pd.DataFrame([values_of(params) for params in path], pd.Index(updates, name="step"), names)


def _job_of_row(groups: list[Replayable], trials: pd.DataFrame, row: int) -> tuple[GroupJob, Plan]:
    """Gives a job that holds the trial of one row only, and a plan with a block as wide as the one it was run in."""
    job, plan, _ = next(each for each in groups if row in each.job.group.rows)
    trial, group = trials.iloc[[row]], job.group
    values = {name: read_numbers(trial[name], like.dtype) for name, like in group.values.items()}
    seeds = read_numbers(trial[SEED], None) if SEED in trial.columns else np.zeros(1, np.uint32)
    group = group._replace(rows=np.zeros(1, int), values=values, seeds=seeds)
    return job._replace(group=group), plan._replace(blocks=1, parts=1)


class _Replayer:
    """A single trial, in every lane of a block."""

    def __init__(self, job: GroupJob, plan: Plan, records: int) -> None:
        plan, self._compiled = fit_plan(job, plan, records, exact=True)
        self._job, self._plan = job, plan
        group, spec = job.group, spec_of(job, records)
        self._columns = jax.tree.map(
            lambda column: np.full((1, plan.width), column), Columns(group.values, group.seeds)
        )
        self.start, self._kinds = empty_state(spec, plan), spec.state_spec.kinds

    def run(self, state: TrialState, *, freeze_at: int, until: int = 2**30) -> tuple[TrialState, Outcome]:
        """Runs the trial until it ends, or to an update at the end of a chunk.

        Args:
            state: The state to continue from. The program reuses its memory.
            freeze_at: The update from which on the parameters no longer move.
            until: The update to run to.
        """
        limits, width = self._job.limits._replace(freeze_at=freeze_at), self._plan.width
        every = stage_of(self._plan.layout, limits.steps)
        part = Part(np.ones((1, width), bool), np.int32(every), np.int32(until))
        state, report = self._compiled.run(self._columns, self._job.shared, limits, part, state)
        first_ready({None: report.active})
        return state, report.outcome

    def model_state(self, states: TrialState) -> Any:
        """Gives the trial's model state, with its keys."""
        # The place of every leaf among those of the whole state, which the kinds of keys are listed by.
        leaves, structure = jax.tree.flatten(states)
        places = jax.tree.leaves(structure.unflatten(range(len(leaves))).train.state)
        return with_keys(jax.tree.map(_first_lane, states.train.state), [self._kinds[place] for place in places])


def _first_lane(array: Any) -> np.ndarray:
    return np.asarray(array)[0, 0].copy()
