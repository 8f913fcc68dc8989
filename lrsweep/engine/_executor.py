"""Dispatches blocks to devices: similar trials together, and survivors compacted into new blocks."""

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

# At how many places along the steps a block may pause, and what share of its trials is then active at most. To compact
# trials takes the host about as long as a block of small ones takes to run.
_SMALL_COMPACTION = 8, 0.5
_COMPACTION = 32, 0.75


class GroupResult(NamedTuple):
    """Results of a group's trials: outcomes and curves ``[trial, ...]``, the block width of each, and the plan."""

    outcome: Outcome
    curves: np.ndarray | None
    widths: np.ndarray
    plan: Plan


class _Running(NamedTuple):
    call: Call
    states: TrialState
    outcome: Outcome


class _Ran(NamedTuple):
    device: Any
    call: Call
    states: TrialState
    active: np.ndarray
    results: Any


class GroupExecutor:
    """Runs any number of trials on all devices, and keeps their outcomes and curves.

    A call that does not find the memory it needs is run again at half the width, and so are those after it.
    """

    def __init__(
        self,
        job: GroupJob,
        plan: Plan,
        compiled: jax.stages.Compiled,
        *,
        records: int,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Gets everything ready.

        Args:
            job: What to run.
            plan: How.
            compiled: The program, for the first device.
            records: How many losses to record of each trial.
            advance: Called with the number of trials that have ended since it was last called.
        """
        self.job, self.plan, self._compiled = job, plan, compiled
        self._records, self._advance = records, advance
        trials, self._order = len(job.group.rows), similar_first(job.group, plan.width)
        self._values = {name: column[self._order] for name, column in job.group.values.items()}
        self._seeds = job.group.seeds[self._order]
        self._queue = TrialQueue(trials, spec_of(job, records))
        self._programs = _compile_all(job, plan, compiled, records)
        self._given = {device: jax.device_put(job.shared, device) for device in self._programs}
        self._running: dict[Any, _Running] = {}
        self._spare: dict[Any, list[TrialState]] = {}
        self._results: Any = None
        self._widths, self._active = np.empty(trials, np.int32), np.ones(trials, bool)

    def run(self, until: int | None = None) -> "GroupExecutor":
        """Runs the trials to their ends, or all active ones to the same update.

        Args:
            until: That update, the last one looked at, or None. The layout's chunk must divide `until + 1`.

        Raises:
            ValueError: Not even one trial finds the memory it needs.
        """
        ran: _Ran | None = None
        while True:
            try:
                # A device has its next call before the host looks at what came of its last.
                self._start_all(until)
                if ran is None and not self._running:
                    return self
                before, ran = ran, None if ran is not None else self._fetch()
            except jax.errors.JaxRuntimeError as error:
                if OUT_OF_MEMORY not in str(error):
                    raise
                self._narrow(error)
                continue
            if before is not None:
                self._look_at(before, until)

    def so_far(self) -> tuple[Outcome, np.ndarray]:
        """Gives what has become of each trial, and whether it is active: ``[trial]``, in the group's order of rows."""
        return jax.tree.map(lambda array: array[self._back], (self._results[0], self._active))

    def drop(self, dropped: np.ndarray) -> None:
        """Lets go of active trials; `dropped` is ``[trial] bool``, in the order of the group's rows."""
        mine = dropped[self._order]
        self._results[0].status[mine] = Status.DROPPED
        self._queue.drop(mine)
        self._active &= ~mine
        self._advance(int(dropped.sum()))

    def done(self) -> GroupResult:
        """Gives what is kept of the trials."""
        outcome, curves = jax.tree.map(lambda array: array[self._back], self._results)
        widths, trials = self._widths, len(self._widths)
        uniform = (widths == widths[0]).all()
        widths = np.broadcast_to(widths[0].copy(), trials) if uniform else widths[self._back]
        return GroupResult(outcome, curves, widths, self.plan)

    @property
    def _back(self) -> Any:
        return self._order if isinstance(self._order, slice) else np.argsort(self._order)

    def _start_all(self, until: int | None) -> None:
        for device in list(self._programs.keys() - self._running.keys()):
            call = self._queue.take(self.plan, math.inf if until is None else until + 1)
            if call is None:
                break
            with self._given_back(call):
                self._start(device, call, until)

    def _start(self, device: Any, call: Call, until: int | None) -> None:
        alone = not (self._queue.fresh or self._running or call.used[1:].any())
        states, spare = call.states, self._spare.get(device)
        if states is None and spare:
            states = spare.pop()._replace(k=np.full(self.plan.blocks, -1, np.int32))
        elif states is None:
            states = empty_states(self._queue.spec, self.plan)
        places, shape = _span(call.places), call.places.shape
        mine = {name: column[places].reshape(shape) for name, column in self._values.items()}
        keys = self._seeds[places].reshape(shape)
        if until is not None:
            compaction = CompactionPolicy(until + 1, self.plan.width)
        else:
            # To measure where trials have ended is worth waiting until all have.
            whole = alone or self.job.program.diagnoses
            compaction = NEVER_COMPACT if whole else compaction_of(self.plan.layout, self.job.limits.steps, call.used)
        arguments = mine, keys, call.used, states, self._given[device], self.job.limits, compaction
        self._running[device] = _Running(call, *dispatch(self._programs[device], *arguments))

    def _fetch(self) -> _Ran:
        device = first_ready({device: each.outcome.status for device, each in self._running.items()})
        call, states, outcome = self._running.pop(device)
        with self._given_back(call):
            return _Ran(
                device, call, states, np.asarray(states.monitor.active), jax.device_get((outcome, states.curve))
            )

    def _look_at(self, ran: _Ran, until: int | None) -> None:
        (places, used, _), states = ran.call, ran.states
        if self._results is None:
            trials = len(self._active)
            self._results = jax.tree.map(lambda array: np.empty((trials, *array.shape[2:]), array.dtype), ran.results)
        ended = used & ~ran.active
        said = ended if until is None else used
        _keep((self._results, self._widths), (ran.results, np.full(used.shape, used.shape[1])), places, said)
        self._active[places[ended]] = False
        self._advance(int(ended.sum()))
        for block in np.flatnonzero((used & ran.active).any(axis=1)):
            self._queue.pause(states, int(block), np.flatnonzero(used[block] & ran.active[block]), places[block])
        if places.shape == (self.plan.blocks, self.plan.width):
            self._spare.setdefault(ran.device, []).append(states)

    def _narrow(self, error: Exception) -> None:
        if self.plan.width == 1:
            raise InputError(too_large(needed_bytes(self._compiled))) from error
        plan = narrower(self.job, self.plan, self.plan.width // 2)
        self.plan, self._compiled = fit_plan(self.job, plan, self._records, exact=True)
        self._programs = _compile_all(self.job, self.plan, self._compiled, self._records)
        self._spare = {}

    @contextmanager
    def _given_back(self, call: Call) -> Iterator[None]:
        try:
            yield
        except jax.errors.JaxRuntimeError:
            self._queue.put_back(call)
            raise


def dispatch(program: jax.stages.Compiled, *arguments: Any) -> tuple[TrialState, Outcome]:
    """Hands a call to its device, which goes on by itself."""
    return program(*arguments)


def similar_first(group: Group, width: int) -> np.ndarray | slice:
    """Orders a group's rows so that those that take similarly long stand together: by the optimizer's columns.

    A column of few values comes before one of many, so that blocks differ in as few columns as they can.

    Args:
        group: The rows.
        width: The block width.

    Returns:
        Their places, or a slice of all of them where they are in order.

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
    """Compiles the program for as many devices as there are calls, side by side."""
    calls = -(-len(job.group.rows) // (plan.width * plan.blocks))
    first, *others = devices()[:calls]
    lowered = [lower_blocks(job, plan, records, device) for device in others]
    with ThreadPoolExecutor(max_workers=max(1, len(others))) as pool:
        programs = pool.map(lambda one: compile_blocks(one, plan.layout), lowered)
        return {first: compiled, **dict(zip(others, programs, strict=True))}


def _keep(kept: Any, results: Any, places: np.ndarray, ended: np.ndarray) -> None:
    there, here = (_span(places), ...) if ended.all() else (places[ended], ended)
    for array, result in zip(jax.tree.leaves(kept), jax.tree.leaves(results), strict=True):
        array[there] = result[here].reshape(-1, *array.shape[1:])


def _span(places: np.ndarray) -> Any:
    """Gives the places in order, as a slice where they are neighbours: that copies faster."""
    flat = places.ravel()
    if len(flat) and (np.diff(flat) == 1).all():
        return slice(flat[0], flat[-1] + 1)
    return flat


def compaction_of(layout: Layout, steps: int, used: np.ndarray) -> CompactionPolicy:
    """Decides when the blocks of a call pause; `used` is ``[block, lane] bool``, whether there is a trial."""
    places, share = _SMALL_COMPACTION if layout.unrolled else _COMPACTION
    chunks = -(-steps // (places * layout.chunk))
    return CompactionPolicy(chunks * layout.chunk, int(share * used.sum(axis=1).min()))


def first_ready(awaited: Mapping[Any, Any]) -> Any:
    """Waits for the first array to be there, and gives its key. Blocking inside JAX would hold Ctrl-C back."""
    pause = 1e-5
    while True:
        for key, array in awaited.items():
            if array.is_ready():
                return key
        time.sleep(pause)
        pause = min(2 * pause, 1e-3)
