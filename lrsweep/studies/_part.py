"""The shards of a sweep, run: in this process or another, at any time, with the same bits."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.engine._checkpoints import Checkpoints
from lrsweep.engine._compile import CompiledCall, GroupJob, Plan
from lrsweep.engine._executor import GroupExecutor
from lrsweep.engine._turns import run_in_turn
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import listed
from lrsweep.store._checkpoints import ShardCheckpoints
from lrsweep.store._folder import Folder
from lrsweep.store._manifest import Manifest
from lrsweep.studies._asked import Asked, part_of, rows_between, with_shared_seeds
from lrsweep.studies._fitting import fit, wanted_of
from lrsweep.studies._ran import Ran, Tabulated, only_ended, tabulate
from lrsweep.studies._starts import starts_of
from lrsweep.tables._lazy import LazyTrials
from lrsweep.training._partition import partition


class RanShard(NamedTuple):
    """A shard of which all trials have been run, or some.

    Attributes:
        number: Its number.
        rows: The positions of these trials among all of the sweep.
        trials: Their trials table.
        ran: Their groups.
        checkpoints: What kept them while they ran.
    """

    number: int
    rows: np.ndarray | range
    trials: pd.DataFrame
    ran: list[Ran]
    checkpoints: ShardCheckpoints


@dataclass
class _Begun:
    """A shard that has been begun.

    Attributes:
        rows: The positions of its trials among all of the sweep.
        trials: Their trials table.
        checkpoints: What keeps them while they run.
        groups: How many groups they are of.
        executors: The groups' executors so far, with what was measured where trials start.
        ended: How many of the groups have ended.
    """

    rows: range
    trials: pd.DataFrame
    checkpoints: ShardCheckpoints
    groups: int
    executors: list[tuple[GroupExecutor, tuple[np.ndarray, ...]]] = field(default_factory=list)
    ended: int = 0


class Shards:
    """The shards of a sweep, to be run. What is the same for all of them is asked for, planned and compiled once."""

    def __init__(self, folder: Folder, manifest: Manifest, asked: Asked) -> None:
        """Takes the folder of a store, its manifest, and what the call of `sweep` asks for."""
        self.folder, self.manifest, self.asked = folder, manifest, asked
        self._wanted = [wanted_of(job.group, manifest.provenance["groups"]) for job in asked.jobs]
        # Of each group the part that was cut last, how it was to be run, and its executor.
        self._parts = list(asked.jobs)
        self._fitted: dict[int, tuple[Any, tuple[Plan, CompiledCall]]] = {}
        self._last: tuple[int, GroupExecutor] | None = None
        self._begun: dict[int, _Begun] = {}

    def run(
        self, numbers: Iterable[int], advance: Callable[[int, int, int], None] = lambda *_: None
    ) -> Iterator[RanShard]:
        """Runs shards: the next one begins where the last leaves a device idle.

        Args:
            numbers: Their numbers.
            advance: See `GroupExecutor`.

        Returns:
            An iterator of the shards, each as soon as its trials have ended.

        Raises:
            InputError: There was too little memory for blocks as wide as those of the other shards.
        """
        self._begun.clear()
        of_shard: dict[GroupExecutor, int] = {}
        for executor in run_in_turn(self._executors(numbers, advance, of_shard)):
            number = of_shard.pop(executor)
            self._check_width(number, executor)
            begun = self._begun[number]
            begun.ended += 1
            if begun.ended == begun.groups:
                del self._begun[number]
                ran = [Ran(each.job, each.result(), starts) for each, starts in begun.executors]
                begun.checkpoints.release()
                yield RanShard(number, begun.rows, begun.trials, ran, begun.checkpoints)

    def stop(self) -> Iterator[RanShard]:
        """Waits for the calls that run, and gives of each shard that has been begun the trials that have ended."""
        for number, begun in self._begun.items():
            if begun.executors:
                all_ran = [Ran(each.job, each.wait().result(), starts) for each, starts in begun.executors]
                rows, ran = only_ended(all_ran)
                yield RanShard(number, begun.rows.start + rows, begun.trials.iloc[rows], ran, begun.checkpoints)

    def tabulate(self, shard: RanShard) -> Tabulated:
        """Makes the result table of a shard that has been run."""
        return tabulate(self.asked.objective, shard.trials, shard.ran)

    def _executors(
        self, numbers: Iterable[int], advance: Callable[[int, int, int], None], of_shard: dict[GroupExecutor, int]
    ) -> Iterator[GroupExecutor]:
        """Makes the executors of shards, one after another, and notes of which shard each is."""
        records, diagnose = self.asked.records, self.asked.diagnose
        for number in numbers:
            rows = range(*self.manifest.rows_of(number))
            trials = rows_between(self.asked.trials, rows.start, rows.stop)
            parts = self._cut(trials, rows)
            checkpoints = ShardCheckpoints(self.folder, number, self.manifest.about(number))
            begun = self._begun[number] = _Begun(rows, trials, checkpoints, len(parts))
            for place, job in parts:
                kept = checkpoints.of(place)
                fitted = self._fit(place, job, kept)
                starts = starts_of(job) if diagnose else ()
                after = self._last[1] if self._last is not None and self._last[0] == place else None
                executor = GroupExecutor(job, *fitted, records=records, advance=advance, checkpoints=kept, after=after)
                begun.executors.append((executor, starts))
                self._last, of_shard[executor] = (place, executor), number
                yield executor

    def _cut(self, trials: pd.DataFrame, rows: range) -> list[tuple[int, GroupJob]]:
        """Gives the parts of the groups' jobs that have some of these rows, with the groups' places."""
        asked = self.asked
        if isinstance(asked.trials, LazyTrials):
            bindings = {job.group.optimizer: job.group.binding for job in asked.jobs}
            places = {(job.group.optimizer, job.group.static): place for place, job in enumerate(asked.jobs)}
            groups = partition(trials, bindings, asked.static)
            cut = [(places[group.optimizer, group.static], group) for group in groups]
        else:
            cut = [(place, part_of(job.group, rows.start, rows.stop)) for place, job in enumerate(asked.jobs)]
        parts = []
        for place, group in cut:
            if len(group.rows) > 0:
                self._parts[place] = with_shared_seeds(asked.objective, self._parts[place]._replace(group=group))
                parts.append((place, self._parts[place]))
        return parts

    def _fit(self, place: int, job: GroupJob, kept: Checkpoints) -> tuple[Plan, CompiledCall]:
        """Plans and compiles a part of a group, unless the last one was like it."""
        seeds = job.shared.seeds
        like = len(job.group.seeds), None if seeds is None else len(seeds), kept.parts
        if place not in self._fitted or self._fitted[place][0] != like:
            records, wanted, diagnose = self.asked.records, [self._wanted[place]], self.asked.diagnose
            (fitted,) = fit([job], records, wanted, exact=True, diagnose=diagnose, checkpoints=[kept])
            self._fitted[place] = like, fitted
        return self._fitted[place][1]

    def _check_width(self, number: int, executor: GroupExecutor) -> None:
        planned = {group["block_width"] for group in self.manifest.provenance["groups"]}
        if executor.plan.width not in planned:
            raise InputError(
                f"shard {number} found memory for blocks of {executor.plan.width} trials only, and the others have "
                f"{listed(sorted(planned))}: free some memory and call again, or begin another store "
                f"with block_width={executor.plan.width}"
            )
