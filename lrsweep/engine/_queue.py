"""Trials that wait for a device, fresh or paused; the next call takes blocks of them."""

from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from lrsweep.engine._block import TrialState
from lrsweep.engine._compile import Plan, empty_states
from lrsweep.engine._spec import ProgramSpec


class Call(NamedTuple):
    """What one call runs: `places` ``[block, lane]`` among the sorted trials, and in which lanes there is one.

    `states` are those of trials that have paused, ``[block, lane, ...]``, or None where all are to be started.
    """

    places: np.ndarray
    used: np.ndarray
    states: TrialState | None


class _Paused(NamedTuple):
    """Some trials that have come equally far: their places, and every leaf of their states, ``[trial, ...]``."""

    places: np.ndarray
    states: list[np.ndarray]


class TrialQueue:
    """The trials that no device runs: fresh ones, and those that have paused, by their count of updates."""

    def __init__(self, trials: int, spec: ProgramSpec) -> None:
        self.fresh: deque[Any] = deque([range(trials)])
        self.paused: dict[int, list[_Paused]] = {}
        self.spec = spec

    def pause(self, states: TrialState, block: int, lanes: np.ndarray, places: np.ndarray) -> None:
        """Takes in what has paused in some lanes of a block, whose trials are at `places`."""
        arrays = [np.asarray(leaf)[block] for leaf in jax.tree.leaves(states)]
        each = [
            np.repeat(array[None], len(lanes), 0) if shared else array[lanes]
            for array, shared in zip(arrays, self.spec.state_spec.common, strict=True)
        ]
        self._put(int(arrays[0]), _Paused(places[lanes], each))

    def _put(self, k: int, paused: "_Paused") -> None:
        self.paused.setdefault(k, []).append(paused)

    def put_back(self, call: Call) -> None:
        """Takes back what a call has not run; it starts anew."""
        self.fresh.appendleft(np.sort(call.places[call.used]))

    def drop(self, dropped: np.ndarray) -> None:
        """Lets go of trials; `dropped` is ``[trial] bool``."""
        for k, parts in list(self.paused.items()):
            kept = [(part, ~dropped[part.places]) for part in parts]
            self.paused[k] = [
                _Paused(part.places[stay], [array[stay] for array in part.states]) for part, stay in kept if stay.any()
            ]

    def take(self, plan: Plan, before: float) -> Call | None:
        """Takes what the next call runs: blocks of trials that have paused, where they fill one, and of fresh ones.

        Args:
            plan: How many blocks, and how wide.
            before: What has made so many updates stays where it is.
        """
        blocks: list[_Paused] = []
        for least in (plan.width, None, 1):
            # Those that fill no block go on by themselves only where nothing else is left to do.
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
        for at, (mine, each) in enumerate(blocks):
            places[at, : len(mine)], places[at, len(mine) :] = mine, mine[-1]
            used[at, : len(mine)] = True
            if each:
                for to, array, shared in zip(jax.tree.leaves(states), each, self.spec.state_spec.common, strict=True):
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

    def _next_paused(self, width: int, least: int, before: float) -> "_Paused | None":
        for k, parts in self.paused.items():
            if k < before and sum(len(part.places) for part in parts) >= least:
                del self.paused[k]
                places = np.concatenate([part.places for part in parts])
                states = [np.concatenate(arrays) for arrays in zip(*(part.states for part in parts), strict=True)]
                if len(places) > width:
                    self._put(k, _Paused(places[width:], [array[width:] for array in states]))
                return _Paused(places[:width], [array[:width] for array in states])
        return None
