"""Blocks handed out to the devices: similar trials together, and those that outlive the rest gathered anew."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.groups import Group
from lrsweep.lanes import (
    NEVER_PAUSE,
    OUT_OF_MEMORY,
    Plan,
    Task,
    compile_blocks,
    devices,
    empty_states,
    fit_plan,
    lower_blocks,
    narrower,
    too_large,
    traits_of,
)
from lrsweep.memory import needed_bytes
from lrsweep.traits import Traits
from lrsweep.trial import State
from lrsweep.turns import Layout, Pauses
from lrsweep.watch import Outcome

# At how many places along the steps a block may pause, and what share of its trials then goes on at most. To gather
# trials anew takes the host about as long as a block of small ones takes to run.
_SMALL_PAUSES = 8, 0.5
_PAUSES = 32, 0.75


class Done(NamedTuple):
    """What is kept of a group's trials: outcomes and curves ``[trial, ...]``, the block width of each, and the plan."""

    outcome: Outcome
    curves: np.ndarray | None
    widths: np.ndarray
    plan: Plan


class Call(NamedTuple):
    """What one call runs: `places` ``[block, lane]`` among the sorted trials, and in which lanes there is one.

    `states` are those of trials that have paused, ``[block, lane, ...]``, or None where all are to be started.
    """

    places: np.ndarray
    used: np.ndarray
    states: State | None


class _Running(NamedTuple):
    call: Call
    states: State
    outcome: Outcome


class _Ran(NamedTuple):
    device: Any
    call: Call
    states: State
    going: np.ndarray
    results: Any


class _Paused(NamedTuple):
    """Some trials that have come equally far: their places, and every leaf of their states, ``[trial, ...]``."""

    places: np.ndarray
    states: list[np.ndarray]


class _Waiting:
    """The trials that no device runs: those to be started, and those that have paused, by their count of updates."""

    def __init__(self, trials: int, traits: Traits) -> None:
        self.fresh: deque[Any] = deque([range(trials)])
        self.paused: dict[int, list[_Paused]] = {}
        self.traits = traits

    def pause(self, states: State, block: int, lanes: np.ndarray, places: np.ndarray) -> None:
        arrays = [np.asarray(leaf)[block] for leaf in jax.tree.leaves(states)]
        each = [
            np.repeat(array[None], len(lanes), 0) if shared else array[lanes]
            for array, shared in zip(arrays, self.traits.sort.shared, strict=True)
        ]
        self._put(int(arrays[0]), _Paused(places[lanes], each))

    def _put(self, k: int, paused: "_Paused") -> None:
        self.paused.setdefault(k, []).append(paused)

    def put_back(self, call: Call) -> None:
        self.fresh.appendleft(np.sort(call.places[call.used]))

    def take(self, plan: Plan) -> Call | None:
        """What the next call runs: blocks of trials that have paused, where they fill one, and of fresh ones."""
        blocks: list[_Paused] = []
        for least in (plan.width, None, 1):
            # Those that fill no block go on by themselves only where nothing else is left to do.
            if least == 1 and blocks:
                break
            while len(blocks) < plan.blocks:
                block = self._next_fresh(plan.width) if least is None else self._next_paused(plan.width, least)
                if block is None:
                    break
                blocks.append(block)
        if not blocks:
            return None
        places = np.zeros((plan.blocks, plan.width), int)
        used = np.zeros(places.shape, bool)
        states = empty_states(self.traits, plan) if any(block.states for block in blocks) else None
        for at, (mine, each) in enumerate(blocks):
            places[at, : len(mine)], places[at, len(mine) :] = mine, mine[-1]
            used[at, : len(mine)] = True
            if each:
                for to, array, shared in zip(jax.tree.leaves(states), each, self.traits.sort.shared, strict=True):
                    to[at if shared else (at, slice(len(mine)))] = array[0] if shared else array
        return Call(places, used, states)

    def _next_fresh(self, width: int) -> "_Paused | None":
        if not self.fresh:
            return None
        places = self.fresh.popleft()
        if len(places) > width:
            self.fresh.appendleft(places[width:])
        places = places[:width]
        return _Paused(np.arange(places.start, places.stop) if isinstance(places, range) else places, [])

    def _next_paused(self, width: int, least: int) -> "_Paused | None":
        for k, parts in self.paused.items():
            if sum(len(part.places) for part in parts) >= least:
                del self.paused[k]
                places = np.concatenate([part.places for part in parts])
                states = [np.concatenate(arrays) for arrays in zip(*(part.states for part in parts), strict=True)]
                if len(places) > width:
                    self._put(k, _Paused(places[width:], [array[width:] for array in states]))
                return _Paused(places[:width], [array[:width] for array in states])
        return None


def run_lanes(
    task: Task,
    plan: Plan,
    compiled: jax.stages.Compiled,
    *,
    records: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Done:
    """Runs any number of trials on all devices; what is kept of them is their outcomes and curves.

    A call that does not find the memory it needs is run again at half the width, and so are those after it.

    Args:
        task: What to run.
        plan: How.
        compiled: The program, for the first device.
        records: How many losses to record of each trial.
        advance: Called with the number of trials that have ended since it was last called.

    Raises:
        ValueError: Not even one trial finds the memory it needs.
    """
    trials, order = len(task.group.rows), similar_first(task.group, plan.width)
    values = {name: column[order] for name, column in task.group.values.items()}
    seeds = task.group.seeds[order]
    waiting = _Waiting(trials, traits_of(task, records))
    programs = _compile_all(task, plan, compiled, records)
    given = {device: jax.device_put(task.given, device) for device in programs}
    running: dict[Any, _Running] = {}
    spare: dict[Any, list[State]] = {}
    kept, widths = None, np.empty(trials, np.int32)

    def start(device: Any, call: Call) -> None:
        alone = not (waiting.fresh or running or call.used[1:].any())
        states = call.states
        if states is None and spare.get(device):
            states = spare[device].pop()._replace(k=np.full(plan.blocks, -1, np.int32))
        elif states is None:
            states = empty_states(waiting.traits, plan)
        places, shape = _span(call.places), call.places.shape
        mine = {name: column[places].reshape(shape) for name, column in values.items()}
        keys = seeds[places].reshape(shape)
        pauses = NEVER_PAUSE if alone else pauses_of(plan.layout, task.limits.steps, call.used)
        arguments = mine, keys, call.used, states, given[device], task.limits, pauses
        running[device] = _Running(call, *dispatch(programs[device], *arguments))

    def start_all() -> None:
        for device in list(programs.keys() - running.keys()):
            call = waiting.take(plan)
            if call is None:
                break
            with _given_back(waiting, call):
                start(device, call)

    def fetch() -> _Ran:
        device = first_ready({device: each.outcome.status for device, each in running.items()})
        call, states, outcome = running.pop(device)
        with _given_back(waiting, call):
            return _Ran(device, call, states, np.asarray(states.watch.going), jax.device_get((outcome, states.curve)))

    def look_at(ran: _Ran) -> None:
        nonlocal kept
        call, states, ended = ran.call, ran.states, ran.call.used & ~ran.going
        if kept is None:
            kept = jax.tree.map(lambda array: np.empty((trials, *array.shape[2:]), array.dtype), ran.results)
        _keep((kept, widths), (ran.results, np.full(ended.shape, ended.shape[1])), call.places, ended)
        advance(int(ended.sum()))
        for block in np.flatnonzero((call.used & ran.going).any(axis=1)):
            waiting.pause(states, int(block), np.flatnonzero(call.used[block] & ran.going[block]), call.places[block])
        if call.places.shape == (plan.blocks, plan.width):
            spare.setdefault(ran.device, []).append(states)

    ran: _Ran | None = None
    while True:
        try:
            # A device has its next call before the host looks at what came of its last.
            start_all()
            if ran is None and not running:
                break
            before, ran = ran, None if ran is not None else fetch()
        except jax.errors.JaxRuntimeError as error:
            if OUT_OF_MEMORY not in str(error):
                raise
            if plan.width == 1:
                raise ValueError(too_large(needed_bytes(compiled))) from error
            plan, compiled = fit_plan(task, narrower(task, plan, plan.width // 2), records, exact=True)
            programs, spare = _compile_all(task, plan, compiled, records), {}
            continue
        if before is not None:
            look_at(before)
    back = order if isinstance(order, slice) else np.argsort(order)
    outcome, curves = jax.tree.map(lambda array: array[back], kept)
    uniform = (widths == widths[0]).all()
    return Done(outcome, curves, np.broadcast_to(widths[0], trials) if uniform else widths[back], plan)


def dispatch(program: jax.stages.Compiled, *arguments: Any) -> tuple[State, Outcome]:
    """Hands a call to its device, which goes on by itself."""
    return program(*arguments)


def similar_first(group: Group, width: int) -> np.ndarray | slice:
    """The order of a group's rows in which those that take similarly long stand together: by the optimizer's columns.

    A column of few values comes before one of many, so that blocks differ in as few columns as they can.

    Args:
        group: The rows.
        width: The block width.

    Returns:
        Their places, or a slice of all of them where they are in order.

    Example:
        >>> from lrsweep.binding import Binding
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


def _compile_all(task: Task, plan: Plan, compiled: jax.stages.Compiled, records: int) -> dict[Any, jax.stages.Compiled]:
    """The program for as many devices as there are calls, compiled side by side."""
    calls = -(-len(task.group.rows) // (plan.width * plan.blocks))
    first, *others = devices()[:calls]
    lowered = [lower_blocks(task, plan, records, device) for device in others]
    with ThreadPoolExecutor(max_workers=max(1, len(others))) as pool:
        programs = pool.map(lambda one: compile_blocks(one, plan.layout), lowered)
        return {first: compiled, **dict(zip(others, programs, strict=True))}


@contextmanager
def _given_back(waiting: _Waiting, call: Call) -> Iterator[None]:
    try:
        yield
    except jax.errors.JaxRuntimeError:
        waiting.put_back(call)
        raise


def _keep(kept: Any, results: Any, places: np.ndarray, ended: np.ndarray) -> None:
    there, here = (_span(places), ...) if ended.all() else (places[ended], ended)
    for array, result in zip(jax.tree.leaves(kept), jax.tree.leaves(results), strict=True):
        array[there] = result[here].reshape(-1, *array.shape[1:])


def _span(places: np.ndarray) -> Any:
    """The places in order, as a slice where they are neighbours: that copies faster."""
    flat = places.ravel()
    if len(flat) and (np.diff(flat) == 1).all():
        return slice(flat[0], flat[-1] + 1)
    return flat


def pauses_of(layout: Layout, steps: int, used: np.ndarray) -> Pauses:
    """When the blocks of a call pause; `used` is ``[block, lane] bool``, whether there is a trial in the lane."""
    places, share = _SMALL_PAUSES if layout.unrolled else _PAUSES
    turns = -(-steps // (places * layout.turn))
    return Pauses(turns * layout.turn, int(share * used.sum(axis=1).min()))


def first_ready(awaited: Mapping[Any, Any]) -> Any:
    """The key of the first array to be there. Blocking inside JAX would hold Ctrl-C back until then."""
    pause = 1e-5
    while True:
        for key, array in awaited.items():
            if array.is_ready():
                return key
        time.sleep(pause)
        pause = min(2 * pause, 1e-3)
