"""Successive halving: after some updates the worse part of the settings is dropped, and the others run on."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.engine._compile import Plan
from lrsweep.engine._executor import GroupExecutor
from lrsweep.engine._plan import one_by_one
from lrsweep.inputs._arguments import check_count, check_number
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.problems._objective import Objective
from lrsweep.statistics._summary import group_trials
from lrsweep.tables._schema import LOSS, SEED, Criterion, Status
from lrsweep.training._monitor import Outcome


@dataclass(frozen=True)
class Halving:
    """When a sweep drops the worse part of its settings, and how large the part is.

    A setting is a combination of values in the trials' columns other than `seed`; its trials are dropped together.
    Settings are compared by the loss last evaluated, or by the metric that decides the best: by its lower median over
    the seeds. A trial that has diverged counts as infinite. Where the loss decides, one that has converged counts as
    better than any that has not, since it takes no more updates (Jamieson and Talwalkar, 2016, arXiv:1502.07943, with
    the loss in place of the reward); where a metric does, it is compared by its metric like any other.

    Attributes:
        at: The updates after which settings are dropped, ascending, each 1 or more.
        keep: The share of the remaining settings that are not dropped, above 0 and below 1. Their number is rounded up.

    Raises:
        ValueError: A value is outside these bounds.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.3, 0.1, 0.03, 0.01])
        >>> halved = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, halving=Halving(at=[20, 40]))
        >>> halved.table[["learning_rate", "status", "steps"]]
               learning_rate     status  steps
        trial
        0               0.30    dropped     20
        1               0.10  converged     60
        2               0.03    dropped     40
        3               0.01    dropped     20
    """

    at: Sequence[int]
    keep: float = 0.5

    def __post_init__(self) -> None:
        steps = list(self.at) if isinstance(self.at, Iterable) else []
        wanted = f"halving at={quote(self.at)} must be whole numbers of updates, 1 or more, in ascending order"
        try:
            counts = [check_count("at", step) for step in steps]
        except InputError as error:
            raise InputError(wanted) from error
        if not counts or any(before >= after for before, after in pairwise(counts)):
            raise InputError(wanted)
        check_number("halving keep", self.keep, "a share above 0 and below 1", lambda share: 0 < share < 1)


def check_halving(halving: Any, steps: int) -> None:
    """Refuses a halving that does not suit a sweep of a number of steps.

    Raises:
        TypeError: It is not a `Halving`.
        ValueError: Its last update is not below `steps`.
    """
    if not isinstance(halving, Halving):
        raise InputTypeError(f"halving must be a lrsweep.Halving, not a {type(halving).__name__}")
    if halving.at[-1] >= steps:
        raise InputError(f"halving at={list(halving.at)} must be below steps={steps}: later nothing is left to drop")


def in_step(plan: Plan, halving: Halving) -> Plan:
    """Makes a plan's chunks short enough to end at every update at which settings are dropped."""
    if all((step + 1) % plan.layout.chunk == 0 for step in halving.at):
        return plan
    return one_by_one(plan)


def halve(executors: Sequence[GroupExecutor], trials: pd.DataFrame, objective: Objective, halving: Halving) -> None:
    """Runs the groups of a sweep to the last update after which settings are dropped, and drops them on the way.

    Args:
        executors: Those of all groups.
        trials: The trials table.
        objective: The objective, which says what decides the best.
        halving: When to drop settings, and how many.
    """
    settings = group_trials(trials, [name for name in trials.columns if name != SEED])[1]
    remaining = np.ones(len(trials), bool)
    for step in halving.at:
        scores, active = np.empty(len(trials)), np.empty(len(trials), bool)
        for executor in executors:
            rows = executor.job.group.rows
            result = executor.run(until=int(step)).result()
            scores[rows], active[rows] = _scores(result.outcome, objective), ~result.ended
        medians = pd.Series(scores[remaining]).groupby(settings[remaining]).quantile(0.5, interpolation="lower")
        worse = medians.sort_values(kind="stable").index[math.ceil(halving.keep * len(medians)) :]
        is_worse = np.isin(settings, worse)
        dropped = active & remaining & is_worse
        remaining &= ~is_worse
        for executor in executors:
            executor.drop(dropped[executor.job.group.rows])


def _scores(outcome: Outcome, objective: Objective) -> np.ndarray:
    """Scores each trial, ``[trial] float64``; less is better."""
    criterion, last = Criterion(objective.best_by, objective.mode), outcome.final_loss
    if criterion.name != LOSS:
        last = outcome.final_metrics[list(objective.metrics).index(criterion.name)]
    last = criterion.sign * last.astype(float)
    scores = np.where(np.isnan(last), np.inf, last)
    scores[outcome.status == Status.DIVERGED] = np.inf
    if criterion.name == LOSS:
        scores[outcome.status == Status.CONVERGED] = -np.inf
    return scores
