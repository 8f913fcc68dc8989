"""The queue of trials that wait for a device, fresh or paused, from which the next call takes its blocks."""

from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.engine._block import TrialState
from lrsweep.engine._compile import Plan, empty_states
from lrsweep.engine._spec import ProgramSpec


class Call(NamedTuple):
    """The trials that one call of the compiled program runs.

    Attributes:
        places: ``[block, lane] int``, their positions among the sorted trials. An unused lane repeats the last one's.
        used: ``[block, lane] bool``, whether there is a trial in the lane.
        states: The states of paused trials, ``[block, lane, ...]``, or None where all blocks are started afresh.
    """

    places: np.ndarray
    used: np.ndarray
    states: TrialState | None


class _Waiting(NamedTuple):
    """Trials after the same number of updates: their positions, and every leaf of their states, ``[trial, ...]``.

    Fresh ones have no states.
    """

    places: np.ndarray
    states: list[np.ndarray]


class TrialQueue:
    """The trials that no device runs.

    Attributes:
        fresh: The positions of those that have not started.
        paused: Those that have paused, by their number of updates.
        spec: The description of the trials.
    """

    def __init__(self, trials: int, spec: ProgramSpec) -> None:
        self.fresh: deque[Any] = deque([range(trials)])
        self.paused: dict[int, list[_Waiting]] = {}
        self.spec = spec

    def pause(self, states: TrialState, block: int, lanes: np.ndarray, places: np.ndarray) -> None:
        """Takes in the trials in some lanes of a block that has paused; `places` are those of all its lanes."""
        arrays = [np.asarray(leaf)[block] for leaf in jax.tree.leaves(states)]
        by_trial = [
            np.repeat(array[None], len(lanes), 0) if common else array[lanes]
            for array, common in zip(arrays, self.spec.state_spec.common, strict=True)
        ]
        self._put(int(arrays[0]), _Waiting(places[lanes], by_trial))

    def _put(self, k: int, paused: _Waiting) -> None:
        self.paused.setdefault(k, []).append(paused)

    def put_back(self, call: Call) -> None:
        """Takes back the trials of a call that has failed; they start afresh."""
        self.fresh.appendleft(np.sort(call.places[call.used]))

    def drop(self, dropped: np.ndarray) -> None:
        """Removes paused trials; `dropped` is ``[trial] bool``."""
        for k, parts in list(self.paused.items()):
            stays = [(part, ~dropped[part.places]) for part in parts]
            self.paused[k] = [
                _Waiting(part.places[stay], [array[stay] for array in part.states])
                for part, stay in stays
                if stay.any()
            ]

    def take(self, plan: Plan, before: float) -> Call | None:
        """Takes the trials that the next call runs: full blocks of paused ones first, and then fresh ones.

        Args:
            plan: The plan, which says how many blocks a call runs, and how wide.
            before: Paused trials that have made this number of updates, or more, stay in the queue.

        Returns:
            The call, or None where there is nothing to run.
        """
        blocks: list[_Waiting] = []
        for least in (plan.width, None, 1):
            # Paused trials that do not fill a block run only where there is nothing else to do.
            if least == 1 and blocks:
                break
            while len(blocks) < plan.blocks:
                block = self._next_fresh(plan.width) if least is None else self._next_paused(plan.width, least, before)
                if block is None:
                    break
                blocks.append(block)
        if not blocks:
            return None
        places = np.zeros((plan.blocks, plan.width), int)
        used = np.zeros(places.shape, bool)
        states = empty_states(self.spec, plan) if any(block.states for block in blocks) else None
        for row, block in enumerate(blocks):
            filled = len(block.places)
            places[row, :filled], places[row, filled:] = block.places, block.places[-1]
            used[row, :filled] = True
            if block.states:
                common = self.spec.state_spec.common
                for target, array, is_common in zip(jax.tree.leaves(states), block.states, common, strict=True):
                    target[row if is_common else (row, slice(filled))] = array[0] if is_common else array
        return Call(places, used, states)

    def _next_fresh(self, width: int) -> _Waiting | None:
        if not self.fresh:
            return None
        places = self.fresh.popleft()
        if len(places) > width:
            self.fresh.appendleft(places[width:])
        places = places[:width]
        return _Waiting(np.arange(places.start, places.stop) if isinstance(places, range) else places, [])

    def _next_paused(self, width: int, least: int, before: float) -> _Waiting | None:
        for k, parts in self.paused.items():
            if k < before and sum(len(part.places) for part in parts) >= least:
                del self.paused[k]
                places = np.concatenate([part.places for part in parts])
                states = [np.concatenate(arrays) for arrays in zip(*(part.states for part in parts), strict=True)]
                if len(places) > width:
                    self._put(k, _Waiting(places[width:], [array[width:] for array in states]))
                return _Waiting(places[:width], [array[:width] for array in states])
        return None
