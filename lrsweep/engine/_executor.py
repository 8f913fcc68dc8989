"""Runs a group on all devices: parts of its trials in bounded calls, whose outcomes the host collects."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.engine._block import TrialState
from lrsweep.engine._call import Columns, Part, Report
from lrsweep.engine._checkpoints import Checkpoints
from lrsweep.engine._compile import CompiledCall, GroupJob, Plan, compile_calls, empty_state, spec_of, state_shapes
from lrsweep.engine._devices import devices
from lrsweep.engine._order import similar_first
from lrsweep.engine._parts import Call, RunningPart, first_ended
from lrsweep.engine._plan import OUT_OF_MEMORY, fit_plan, narrower, stage_of, too_large
from lrsweep.inputs._errors import InputError
from lrsweep.tables._schema import Status
from lrsweep.training._monitor import Outcome

# About how long, in seconds, a device may be busy with the calls that it has, so that an interruption frees it and
# progress is seen. What a call works with takes new memory: shorter calls made large networks take a fifth longer.
CALL_SECONDS = 1.0

# Beyond any update.
_BEYOND = 2**30


class GroupResult(NamedTuple):
    """The results of a group's trials.

    Attributes:
        outcome: The outcomes, ``[trial]``.
        curves: What is recorded, ``[trial, record]`` by name; empty where that is nothing.
        ended: ``[trial] bool``, whether each has ended; of the others the outcome means nothing.
        plan: The plan that they were run by in the end.
    """

    outcome: Outcome
    curves: dict[str, np.ndarray]
    ended: np.ndarray
    plan: Plan


class GroupExecutor:
    """The executor of a group, which runs its trials on all devices, and collects their outcomes and curves.

    Where a call does not find the memory it needs, all starts anew with fewer trials at a time.
    """

    def __init__(
        self,
        job: GroupJob,
        plan: Plan,
        compiled: CompiledCall,
        *,
        records: int,
        advance: Callable[[int, int, int], None] = lambda *_: None,
        checkpoints: Checkpoints | None = None,
        after: "GroupExecutor | None" = None,
    ) -> None:
        """Compiles the program for the other devices, and puts the columns on each.

        Args:
            job: The group to run.
            plan: The plan to run it by.
            compiled: The program, compiled for the first device.
            records: At how many updates to record each trial.
            advance: Called with how many updates have been made, or need not be made any more, how many trials have
                ended, and how many updates are kept from before, since the last call.
            checkpoints: What keeps the trials while they run, none of which may be dropped then; None to keep nothing.
            after: The executor of another part of the same group, or None. What that has put on the devices serves this
                one too where both have one plan.
        """
        self.job, self._records, self._advance, self._checkpoints = job, records, advance, checkpoints
        self._steps, self._trials = job.limits.steps, len(job.group.seeds)
        self._dropped = np.zeros(self._trials, bool)
        # Of trials that had been dropped before all started anew: their rows, their outcomes and curves.
        self._dropped_before: list[tuple[np.ndarray, Any]] = []
        self._prepare(plan, compiled, after)

    def _prepare(self, plan: Plan, compiled: CompiledCall, after: "GroupExecutor | None" = None) -> None:
        """Puts everything in place before the first call."""
        self.plan, self._compiled = plan, compiled
        self._order = similar_first(self.job.group, plan.width)
        if after is not None and after.plan == plan and after.job.shared is self.job.shared:
            self._programs, self._inputs, self._spare = after._programs, after._inputs, after._spare
            self._pace = after._pace
        else:
            used = devices()[: plan.parts]
            self._programs = dict(zip(used, compile_calls(self.job, plan, self._records, used), strict=True))
            self._inputs = {device: jax.device_put((self.job.shared, self.job.limits), device) for device in used}
            self._spare: dict[Any, list[TrialState]] = {device: [] for device in used}
            # The seconds that an update of one block takes, once that is known.
            self._pace: float | None = None
        self.running: list[Call] = []
        self.waiting: deque[RunningPart] = deque()
        # By lane, as the trials are sorted: their outcomes and curves; which are not dropped, and which still run.
        lanes, (state, report) = plan.parts * plan.blocks * plan.width, compiled.shapes
        self._results: tuple[Outcome, Any] = jax.tree.map(
            lambda like: np.zeros((lanes, *like.shape[2:]), like.dtype), (report.outcome, state.curves)
        )
        self._kept = np.ones(lanes, bool)
        self._kept[: self._trials] = ~self._dropped[self._order]
        self._active = self._kept & (np.arange(lanes) < self._trials)
        parts = [(index, int(self._of(index, self._active).sum())) for index in range(plan.parts)]
        self._parts = [RunningPart(index, trials, trials) for index, trials in parts if trials]
        self._go_on()

    def _go_on(self) -> None:
        """Puts the parts that have been kept where they were then."""
        if self._checkpoints is None:
            return
        self._checkpoints.divide(self.plan.parts)
        state = state_shapes(spec_of(self.job, self._records), self.plan)
        for part in self._parts:
            kept = self._checkpoints.read(part.index, self._results_of(part), state)
            if isinstance(kept, TrialState):
                # Which of its trials have ended is known once its next call is over.
                part.state, part.k = kept, int(kept.k)
                self._note(part, part.active, kept=True)
            elif kept is not None:
                self._store(part, kept)
                self._of(part.index, self._active)[:] = False
                self._note(part, 0, kept=True)

    def _columns_of(self, part: RunningPart) -> Columns:
        """Gives the columns of a part's trials; lanes without a trial repeat the last one."""
        blocks = part.index + self.plan.parts * np.arange(self.plan.blocks)
        places = np.minimum(blocks[:, None] * self.plan.width + np.arange(self.plan.width), self._trials - 1)
        rows = places if isinstance(self._order, slice) else self._order[places]
        group = self.job.group
        return jax.tree.map(lambda column: column[rows], Columns(group.values, group.seeds))

    def _of(self, index: int, lanes: np.ndarray) -> np.ndarray:
        """Views the lanes of a part, ``[block, lane, ...]``, among those of all."""
        return lanes.reshape(-1, self.plan.width, *lanes.shape[1:])[index :: self.plan.parts]

    def run(self, until: int | None = None) -> "GroupExecutor":
        """Runs the trials until they end, or all active ones to the same update.

        Args:
            until: That update, which is the last one evaluated; or None. The layout's chunk must divide `until + 1`.

        Returns:
            The executor itself.

        Raises:
            ValueError: Not even one trial finds the memory it needs.
        """
        self.begin(until).keep_busy()
        while self.running:
            self.keep_busy(first_ended(self.running))
        if len(self._parts) > len(self._programs):
            # A device would not find room for the states of several parts.
            for part in self._parts:
                part.state, part.device, part.columns = jax.device_get(part.state), None, None
        return self

    def wait(self) -> "GroupExecutor":
        """Waits for the calls that run, collects what has become of their trials, and starts no others."""
        # Whoever is told may raise what has ended the trials once more, and to keep them would take time.
        self._advance, self._checkpoints = lambda *_: None, None
        while self.running:
            self._collect(first_ended(self.running))
        return self

    def drop(self, dropped: np.ndarray) -> None:
        """Drops active trials; `dropped` is ``[trial] bool``, in the order of the group's rows."""
        self._dropped |= dropped
        self._kept[: self._trials] = ~self._dropped[self._order]
        self._active &= self._kept
        for part in self._parts:
            self._note(part, int(self._of(part.index, self._active).sum()))

    def result(self) -> GroupResult:
        """Gives what has become of the trials so far, in the order of the group's rows."""
        # The index that puts sorted trials back into the order of the group's rows.
        back = self._order if isinstance(self._order, slice) else np.argsort(self._order)
        outcome, curves, active = jax.tree.map(
            lambda lanes: lanes[: self._trials][back], (*self._results, self._active)
        )
        for rows, before in self._dropped_before:
            for array, dropped in zip(jax.tree.leaves((outcome, curves)), jax.tree.leaves(before), strict=True):
                array[rows] = dropped
        outcome.status[self._dropped] = Status.DROPPED
        return GroupResult(outcome, curves, ~active, self.plan)

    def _parts_before(self, goal: int) -> "deque[RunningPart]":
        """Gives the parts with trials that have not come to an update."""
        return deque(part for part in self._parts if part.active and part.k < goal)

    def begin(self, until: int | None = None) -> "GroupExecutor":
        """Puts the trials in line that are to run, see `run`; nothing runs yet."""
        self._goal = _BEYOND if until is None else until + 1
        self.waiting = self._parts_before(self._goal)
        return self

    def keep_busy(self, ended: Call | None = None, beside: Sequence[Call] = ()) -> None:
        """Collects a call that has ended, and starts others on every device that has too few of them.

        Args:
            ended: The call, or None.
            beside: The calls of other executors that run.

        Raises:
            ValueError: Not even one trial finds the memory it needs.
        """
        try:
            if ended is not None:
                part = self._collect(ended)
                if part.active and part.k < self._goal:
                    self.waiting.appendleft(part)
            self._start_all(beside)
        except jax.errors.JaxRuntimeError as error:
            if OUT_OF_MEMORY not in str(error):
                raise
            self._narrow(error)
            self.waiting = self._parts_before(self._goal)
            self.keep_busy(beside=beside)

    def _start_all(self, beside: Sequence[Call]) -> None:
        for device in self._programs:
            for _ in range(self._calls_at_once - sum(call.device == device for call in (*self.running, *beside))):
                part = next((part for part in self.waiting if part.device in (None, device)), None)
                if part is not None:
                    self.waiting.remove(part)
                    self._start(part, device)

    @property
    def _calls_at_once(self) -> int:
        # Small trials are over so soon that the next call must be there before the host looks.
        return 2 if self.plan.layout.unrolled else 1

    def _start(self, part: RunningPart, device: Any) -> None:
        plan, chunk = self.plan, self.plan.layout.chunk
        # The program takes over the memory of the state that it is given.
        state, part.state = part.state, None
        if state is None and self._spare[device]:
            state = self._spare[device].pop()._replace(k=np.int32(-1))
        elif state is None:
            state = empty_state(spec_of(self.job, self._records), plan, device)
        # The first call makes but one chunk of updates: how long they take is not known before.
        seconds = CALL_SECONDS / self._calls_at_once
        updates = 0 if self._pace is None else int(seconds / (self._pace * self._blocks_of(part)))
        until = min(self._goal, part.k + max(1, updates // chunk) * chunk)
        span = Part(self._of(part.index, self._active), np.int32(stage_of(plan.layout, self._steps)), np.int32(until))
        if part.columns is None:
            columns = self._columns_of(part)
            part.columns = columns if device.platform == "cpu" else jax.device_put(columns, device)
        since = time.perf_counter()
        states_and_report = dispatch(self._programs[device], part.columns, *self._inputs[device], span, state)
        self.running.append(Call(part, device, until, since, *states_and_report))

    def _blocks_of(self, part: RunningPart) -> int:
        """Gives in how many blocks the active trials of a part run."""
        return -(-part.active // self.plan.width)

    def _collect(self, call: Call) -> RunningPart:
        """Stores what a call gives; gives its part."""
        part, made = call.part, min(call.until, self._steps + 1) - call.part.k
        report, active = jax.device_get((call.report, call.state.monitor.active))
        if self._pace is None or report.active:
            # Trials that have all ended may have made fewer updates than these.
            self._pace = (time.perf_counter() - call.since) / (made * self._blocks_of(part))
        self.running.remove(call)
        self._store(part, (report.outcome, call.state.curves))
        self._of(part.index, self._active)[:] = active
        part.k = call.until
        if report.active:
            part.device, part.state = call.device, call.state
        else:
            part.columns = None
            self._spare[call.device].append(call.state)
        self._note(part, int(report.active))
        if self._checkpoints is not None and report.active:
            self._checkpoints.keep_running(part.index, part.state)
        elif self._checkpoints is not None:
            self._checkpoints.keep_ended(part.index, self._results_of(part))
        return part

    def _store(self, part: RunningPart, results: tuple[Outcome, Any]) -> None:
        """Stores what has become of a part's trials, ``[block, lane, ...]``, without those that were dropped before."""
        kept: Any = self._of(part.index, self._kept)
        kept = ... if kept.all() else kept
        for array, result in zip(jax.tree.leaves(self._results_of(part)), jax.tree.leaves(results), strict=True):
            array[kept] = np.asarray(result)[kept]

    def _results_of(self, part: RunningPart) -> tuple[Outcome, Any]:
        """Views what is stored of a part's trials, ``[block, lane, ...]``."""
        return jax.tree.map(lambda array: self._of(part.index, array), self._results)

    def _note(self, part: RunningPart, active: int, *, kept: bool = False) -> None:
        """Notes how many trials of a part still run, and tells how far it has come since the last time."""
        advanced = (part.trials - active) * self._steps + active * min(part.k, self._steps)
        more, ended = advanced - part.advanced, part.active - active
        self._advance(*((0, ended, more) if kept else (more, ended, 0)))
        part.advanced, part.active = advanced, active

    def _narrow(self, error: Exception) -> None:
        """Starts anew with fewer trials at a time, after a call that has not found the memory it needs."""
        if self.plan.width == 1 and self.plan.blocks == 1:
            raise InputError(too_large(self._compiled.needed)) from error
        result = self.result()
        if self._dropped.any():
            rows = np.flatnonzero(self._dropped)
            self._dropped_before.append(
                (rows, jax.tree.map(lambda array: array[rows], (result.outcome, result.curves)))
            )
        self._prepare(*fit_plan(self.job, narrower(self.job, self.plan), self._records, exact=True))


def dispatch(compiled: CompiledCall, *arguments: Any) -> tuple[TrialState, Report]:
    """Starts a call on its device, and does not wait for it."""
    return compiled.run(*arguments)
