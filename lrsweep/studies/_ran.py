"""What has been run of a sweep, group by group, and the table that it makes."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.engine._compile import GroupJob
from lrsweep.engine._executor import GroupResult
from lrsweep.problems._objective import Objective
from lrsweep.statistics._causes import add_diagnosis
from lrsweep.studies._asked import loss_columns_of
from lrsweep.studies._minimum import least_below_minimum
from lrsweep.studies._result import result_table
from lrsweep.tables._schema import Criterion


class Ran(NamedTuple):
    """A group of trials that has been run, at least in part.

    Attributes:
        job: The job of the group.
        result: What has become of its trials.
        starts: What was measured where they start, ``[row]`` each; nothing where trials are not diagnosed.
    """

    job: GroupJob
    result: GroupResult
    starts: tuple[np.ndarray, ...]


class Tabulated(NamedTuple):
    """What has become of some trials.

    Attributes:
        table: Their result table.
        recorded: What was recorded, ``[trial, record]`` by name, in the dtype it was computed in.
        least: The least loss that fell below the stated minimum, or None.
    """

    table: pd.DataFrame
    recorded: dict[str, np.ndarray]
    least: float | None


def tabulate(objective: Objective, trials: pd.DataFrame, ran: list[Ran]) -> Tabulated:
    """Makes the result table of what has been run, with a diagnosis where there is one.

    Args:
        objective: The objective.
        trials: The trials table of all groups.
        ran: The groups. The list is emptied: arrays are freed as the table takes them over.
    """
    jobs = [each.job for each in ran]
    outcome = _in_row_order(jobs, [each.result.outcome for each in ran])._asdict()
    recorded = _in_row_order(jobs, [each.result.curves for each in ran])
    # JAX sorts names; here they are as they were asked for.
    recorded = {name: recorded[name] for name in jobs[0].program.recorded if name in recorded}
    at_start = _in_row_order(jobs, [each.starts for each in ran])
    loss_columns = loss_columns_of(jobs)
    ran.clear()
    del jobs
    least = least_below_minimum(objective, outcome["initial_loss"], outcome["best_loss"])
    diagnosis = outcome.pop("diagnosis")
    criterion = Criterion(objective.best_by, objective.mode)
    table = result_table(trials, outcome, objective.minimum, metrics=list(objective.metrics), criterion=criterion)
    if at_start:
        batches = objective.batch_size is not None
        table = add_diagnosis(
            table, diagnosis, *at_start, batches=batches, minimum=objective.minimum, loss_columns=loss_columns
        )
    return Tabulated(table, recorded, least)


def only_ended(ran: list[Ran]) -> tuple[np.ndarray, list[Ran]]:
    """Leaves out the trials that have not ended; gives the positions of the others in the trials table, too."""
    rows = np.sort(np.concatenate([np.asarray(each.job.group.rows)[each.result.ended] for each in ran]))

    def only(each: Ran) -> Ran:
        group, ended = each.job.group, np.flatnonzero(each.result.ended)
        places = np.searchsorted(rows, np.asarray(group.rows)[ended])
        by_row = group.values, group.seeds, each.result.outcome, each.result.curves, each.starts
        values, seeds, outcome, curves, starts = jax.tree.map(lambda array: array[ended], by_row)
        group = group._replace(rows=places, values=values, seeds=seeds)
        result = each.result._replace(outcome=outcome, curves=curves, ended=np.ones(len(ended), bool))
        return Ran(each.job._replace(group=group), result, starts)

    return rows, [only(each) for each in ran]


def _in_row_order(jobs: list[GroupJob], by_group: list[Any]) -> Any:
    """Merges pytrees of arrays ``[row, ...]``, one per group, into one of ``[trial, ...]`` in the table's order."""
    if len(by_group) == 1:
        return by_group[0]

    def merge(*parts: np.ndarray) -> np.ndarray:
        merged = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
        for job, part in zip(jobs, parts, strict=True):
            merged[job.group.rows] = part
        return merged

    return jax.tree.map(merge, *by_group)
