"""Executors that run in turn: what each gives, when the next is asked for, and what they share."""

from collections.abc import Iterator

import jax
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.engine import _executor as schedule
from lrsweep.engine._executor import GroupExecutor, GroupResult
from lrsweep.engine._plan import choose_plan, fit_plan
from lrsweep.engine._turns import run_in_turn
from lrsweep.studies._asked import ask, part_of

LINE = lrsweep.problems.line()
TRIALS = lrsweep.grid(learning_rate=[0.02, 0.1, 0.5], seed=range(8))
(JOB,) = ask(LINE, optax.sgd, TRIALS, steps=30).jobs
PARTS = [JOB._replace(group=part_of(JOB.group, first, first + 8)) for first in range(0, 24, 8)]


def executors(*, shares: bool, asked: list[GroupExecutor] | None = None) -> Iterator[GroupExecutor]:
    """An executor for each third of the trials; `asked` are those that have been asked for."""
    last = None
    for job in PARTS:
        last = GroupExecutor(
            job, *fit_plan(job, choose_plan(job, 4), 0, exact=True), records=0, after=last if shares else None
        )
        if asked is not None:
            asked.append(last)
        yield last


def outcome(result: GroupResult) -> list[np.ndarray]:
    return jax.tree.leaves(result.outcome)


@pytest.mark.parametrize("shares", [True, False])
def test_each_executor_gives_what_it_gives_alone(shares: bool) -> None:
    alone = [executor.run().result() for executor in executors(shares=False)]
    ran = {id(executor.job.group): executor.result() for executor in run_in_turn(executors(shares=shares))}
    for job, expected in zip(PARTS, alone, strict=True):
        for here, there in zip(outcome(ran[id(job.group)]), outcome(expected), strict=True):
            np.testing.assert_array_equal(here, there)


def test_the_next_is_asked_for_while_the_last_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "CALL_SECONDS", 0.0)
    asked: list[GroupExecutor] = []
    beside = [len(asked) - place for place, _ in enumerate(run_in_turn(executors(shares=True, asked=asked)), 1)]
    assert beside == [1, 1, 0]


def test_one_that_finds_no_memory_starts_anew_and_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [executor.run().result() for executor in executors(shares=False)]
    dispatch, calls = schedule.dispatch, []

    def fail_once(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return dispatch(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(schedule, "dispatch", fail_once)
    ran = {id(executor.job.group): executor.result() for executor in run_in_turn(executors(shares=True))}
    for job, expected in zip(PARTS, alone, strict=True):
        assert ran[id(job.group)].ended.all()
        for here, there in zip(outcome(ran[id(job.group)]), outcome(expected), strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-5)


def test_without_executors_nothing_runs() -> None:
    assert list(run_in_turn([])) == []
