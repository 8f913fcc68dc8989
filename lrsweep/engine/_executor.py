"""Runs a group on all devices: similar trials share a block, and active trials are compacted into new blocks."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.engine._block import TrialState
from lrsweep.engine._compile import NEVER_COMPACT, GroupJob, Plan, compile_blocks, empty_states, lower_blocks, spec_of
from lrsweep.engine._devices import devices
from lrsweep.engine._layout import CompactionPolicy, Layout
from lrsweep.engine._memory import needed_bytes
from lrsweep.engine._plan import OUT_OF_MEMORY, fit_plan, narrower, too_large
from lrsweep.engine._queue import Call, TrialQueue
from lrsweep.inputs._errors import InputError
from lrsweep.tables._schema import Status
from lrsweep.training._monitor import Outcome
from lrsweep.training._partition import Group

# At how many updates a block may pause, evenly along the steps, and the share of its trials that may then be active at
# most. Both are less for small trials: compacting them takes the host about as long as a block of them takes to run.
_SMALL_COMPACTION = 8, 0.5
_COMPACTION = 32, 0.75


class GroupResult(NamedTuple):
    """The results of a group's trials.

    Attributes:
        outcome: The outcomes, ``[trial]``.
        curves: The recorded losses, ``[trial, record]``, or None.
        widths: ``[trial] int32``, the width of the block that each trial ended in.
        plan: The plan that they were run by in the end.
    """

    outcome: Outcome
    curves: np.ndarray | None
    widths: np.ndarray
    plan: Plan


class _Running(NamedTuple):
    """A call that runs on a device, and what it will give."""

    call: Call
    states: TrialState
    outcome: Outcome


class _Finished(NamedTuple):
    """A call that has run: its states, still on the device, and what the host has fetched of them."""

    device: Any
    call: Call
    states: TrialState
    active: np.ndarray
    results: Any


class GroupExecutor:
    """The executor of a group, which runs its trials on all devices, and collects their outcomes and curves.

    A call that does not find the memory it needs is repeated at half the width, which later calls keep.
    """

    def __init__(
        self,
        job: GroupJob,
        plan: Plan,
        compiled: jax.stages.Compiled,
        *,
        records: int,
        advance: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        """Compiles the program for the other devices, and puts all trials into the queue.

        Args:
            job: The group to run.
            plan: The plan to run it by.
            compiled: The program, compiled for the first device.
            records: How many losses of each trial to record.
            advance: Called with how many updates are done since the last call, and how many trials have ended; the
                updates that a trial which ended early no longer needs are done with it.
        """
        self.job, self.plan, self._compiled = job, plan, compiled
        self._records, self._advance = records, advance
        trials, self._order = len(job.group.rows), similar_first(job.group, plan.width)
        self._values = {name: column[self._order] for name, column in job.group.values.items()}
        self._seeds = job.group.seeds[self._order]
        self._queue = TrialQueue(trials, spec_of(job, records))
        self._programs = _compile_all(job, plan, compiled, records)
        self._shared = {device: jax.device_put(job.shared, device) for device in self._programs}
        self._running: dict[Any, _Running] = {}
        self._spare: dict[Any, list[TrialState]] = {}
        self._results: Any = None
        self._widths, self._active = np.empty(trials, np.int32), np.ones(trials, bool)

    def run(self, until: int | None = None) -> "GroupExecutor":
        """Runs the trials until they end, or all active ones to the same update.

        Args:
            until: That update, which is the last one evaluated; or None. The layout's chunk must divide `until + 1`.

        Returns:
            The executor itself.

        Raises:
            ValueError: Not even one trial finds the memory it needs.
        """
        finished: _Finished | None = None
        while True:
            try:
                # A device gets its next call before the host collects the results of its last, so that it never waits.
                self._start_all(until)
                if finished is None and not self._running:
                    return self
                to_collect, finished = finished, None if finished is not None else self._fetch()
            except jax.errors.JaxRuntimeError as error:
                if OUT_OF_MEMORY not in str(error):
                    raise
                self._narrow(error)
                continue
            if to_collect is not None:
                self._collect(to_collect, until)

    def so_far(self) -> tuple[Outcome, np.ndarray]:
        """Gives the outcome of each trial so far, and whether it is active: ``[trial]``, in the order of its rows."""
        return jax.tree.map(lambda array: array[self._in_row_order], (self._results[0], self._active))

    def drop(self, dropped: np.ndarray) -> None:
        """Drops active trials; `dropped` is ``[trial] bool``, in the order of the group's rows."""
        sorted_dropped = dropped[self._order]
        self._results[0].status[sorted_dropped] = Status.DROPPED
        self._queue.drop(sorted_dropped)
        self._active &= ~sorted_dropped
        self._end(int(dropped.sum()))

    def result(self) -> GroupResult:
        """Gives the results of trials that have all ended, in the order of the group's rows."""
        outcome, curves = jax.tree.map(lambda array: array[self._in_row_order], self._results)
        widths, trials = self._widths, len(self._widths)
        is_uniform = (widths == widths[0]).all()
        widths = np.broadcast_to(widths[0].copy(), trials) if is_uniform else widths[self._in_row_order]
        return GroupResult(outcome, curves, widths, self.plan)

    @property
    def _in_row_order(self) -> Any:
        """The index that puts sorted trials back into the order of the group's rows."""
        return self._order if isinstance(self._order, slice) else np.argsort(self._order)

    def _start_all(self, until: int | None) -> None:
        for device in list(self._programs.keys() - self._running.keys()):
            call = self._queue.take(self.plan, math.inf if until is None else until + 1)
            if call is None:
                break
            with self._put_back_on_error(call):
                self._start(device, call, until)

    def _start(self, device: Any, call: Call, until: int | None) -> None:
        is_last_block = not (self._queue.fresh or self._running or call.used[1:].any())
        states, spare = call.states, self._spare.get(device)
        if states is None and spare:
            states = spare.pop()._replace(k=np.full(self.plan.blocks, -1, np.int32))
        elif states is None:
            states = empty_states(self._queue.spec, self.plan)
        places, shape = _span(call.places), call.places.shape
        values = {name: column[places].reshape(shape) for name, column in self._values.items()}
        seeds = self._seeds[places].reshape(shape)
        if until is not None:
            compaction = CompactionPolicy(until + 1, self.plan.width)
        else:
            # A block that pauses would be diagnosed at every pause, which takes longer than the trials' waiting.
            never = is_last_block or self.job.program.diagnoses
            compaction = NEVER_COMPACT if never else compaction_of(self.plan.layout, self.job.limits.steps, call.used)
        arguments = values, seeds, call.used, states, self._shared[device], self.job.limits, compaction
        self._running[device] = _Running(call, *dispatch(self._programs[device], *arguments))

    def _fetch(self) -> _Finished:
        """Waits for the first call that finishes, and fetches its results."""
        device = first_ready({device: running.outcome.status for device, running in self._running.items()})
        call, states, outcome = self._running.pop(device)
        with self._put_back_on_error(call):
            active = np.asarray(states.monitor.active)
            return _Finished(device, call, states, active, jax.device_get((outcome, states.curve)))

    def _collect(self, finished: _Finished, until: int | None) -> None:
        """Stores the results of a call, and puts its active trials back into the queue."""
        (places, used, _), states = finished.call, finished.states
        if self._results is None:
            trials = len(self._active)
            self._results = jax.tree.map(
                lambda array: np.empty((trials, *array.shape[2:]), array.dtype), finished.results
            )
        ended, active = used & ~finished.active, used & finished.active
        widths = np.full(used.shape, used.shape[1])
        # Where all trials go to the same update, the results of active ones count too.
        has_results = ended if until is None else used
        _store((self._results, self._widths), (finished.results, widths), places, has_results)
        self._active[places[ended]] = False
        self._end(int(ended.sum()))
        for block in np.flatnonzero(active.any(axis=1)):
            self._queue.pause(states, int(block), np.flatnonzero(active[block]), places[block])
        if places.shape == (self.plan.blocks, self.plan.width):
            # A later call of the same shape reuses this memory.
            self._spare.setdefault(finished.device, []).append(states)

    def _end(self, trials: int) -> None:
        """Tells that so many trials have ended."""
        self._advance(trials * self.job.limits.steps, trials)

    def _narrow(self, error: Exception) -> None:
        """Halves the block width, after a call that has not found the memory it needs."""
        if self.plan.width == 1:
            raise InputError(too_large(needed_bytes(self._compiled))) from error
        plan = narrower(self.job, self.plan, self.plan.width // 2)
        self.plan, self._compiled = fit_plan(self.job, plan, self._records, exact=True)
        self._programs = _compile_all(self.job, self.plan, self._compiled, self._records)
        self._spare = {}

    @contextmanager
    def _put_back_on_error(self, call: Call) -> Iterator[None]:
        try:
            yield
        except jax.errors.JaxRuntimeError:
            self._queue.put_back(call)
            raise


def dispatch(program: jax.stages.Compiled, *arguments: Any) -> tuple[TrialState, Outcome]:
    """Starts a call on its device, and does not wait for it."""
    return program(*arguments)


def similar_first(group: Group, width: int) -> np.ndarray | slice:
    """Sorts a group's rows by the optimizer's columns, so that trials of similar length share a block.

    Columns of few values are sorted by before columns of many, so that the rows of a block differ in few columns.

    Args:
        group: The group.
        width: The block width.

    Returns:
        The positions of its rows, sorted; or a slice of all of them where they are sorted already.

    Example:
        >>> from lrsweep.training._binding import Binding
        >>> rates, momenta = np.array([0.1, 0.2, 0.1, 0.2]), np.array([0.9, 0.0, 0.0, 0.9])
        >>> binding = Binding(optimizer=("learning_rate", "momentum"), init=())
        >>> columns = {"learning_rate": rates, "momentum": momenta}
        >>> similar_first(Group(np.arange(4), None, binding, (), columns, np.zeros(4)), 2).tolist()
        [2, 0, 1, 3]
    """
    columns = [group.values[name] for name in group.binding.optimizer if name in group.values]
    if len(columns) > 1:
        columns.sort(key=lambda column: len(np.unique(column)) > len(column) // width)
    if len(columns) == 1 and (columns[0][1:] >= columns[0][:-1]).all():
        return slice(None)
    return np.lexsort(columns[::-1]) if columns else slice(None)


def _compile_all(
    job: GroupJob, plan: Plan, compiled: jax.stages.Compiled, records: int
) -> dict[Any, jax.stages.Compiled]:
    """Compiles the program for the other devices that there are calls for, all at the same time."""
    calls = -(-len(job.group.rows) // (plan.width * plan.blocks))
    first, *others = devices()[:calls]
    lowered = [lower_blocks(job, plan, records, device) for device in others]
    with ThreadPoolExecutor(max_workers=max(1, len(others))) as pool:
        programs = pool.map(lambda program: compile_blocks(program, plan.layout), lowered)
        return {first: compiled, **dict(zip(others, programs, strict=True))}


def _store(stored: Any, results: Any, places: np.ndarray, selected: np.ndarray) -> None:
    """Writes the selected results ``[block, lane, ...]`` into the arrays of all trials, at their places."""
    target, source = (_span(places), ...) if selected.all() else (places[selected], selected)
    for array, result in zip(jax.tree.leaves(stored), jax.tree.leaves(results), strict=True):
        array[target] = result[source].reshape(-1, *array.shape[1:])


def _span(places: np.ndarray) -> Any:
    """Gives the places in a row, as a slice where they are neighbours, which copies faster."""
    flat = places.ravel()
    if len(flat) and (np.diff(flat) == 1).all():
        return slice(flat[0], flat[-1] + 1)
    return flat


def compaction_of(layout: Layout, steps: int, used: np.ndarray) -> CompactionPolicy:
    """Decides when the blocks of a call pause; `used` is ``[block, lane] bool``, whether there is a trial."""
    pauses, share = _SMALL_COMPACTION if layout.unrolled else _COMPACTION
    chunks = -(-steps // (pauses * layout.chunk))
    return CompactionPolicy(chunks * layout.chunk, int(share * used.sum(axis=1).min()))


def first_ready(awaited: Mapping[Any, Any]) -> Any:
    """Waits for the first array that is computed, and gives its key."""
    # Blocking inside JAX would hold back Ctrl-C.
    pause = 1e-5
    while True:
        for key, array in awaited.items():
            if array.is_ready():
                return key
        time.sleep(pause)
        pause = min(2 * pause, 1e-3)
