"""What has become of the trials of a store, shard by shard, and the sweep that it makes."""

import datetime
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.engine._compile import Plan
from lrsweep.inputs._messages import listed
from lrsweep.store._ahead import map_ahead
from lrsweep.store._checkpoints import find_checkpoints
from lrsweep.store._folder import Folder
from lrsweep.store._manifest import Manifest
from lrsweep.store._shards import curve_column, curve_in, encode, find_shards, name_of
from lrsweep.store._store import Store, read_shard, results_of, with_causes
from lrsweep.studies._asked import Asked
from lrsweep.studies._fitting import wanted_of
from lrsweep.studies._part import RanShard
from lrsweep.studies._ran import Tabulated, tabulate
from lrsweep.studies._replay import Replayable, follow, replay, without_columns
from lrsweep.studies._result import Sweep
from lrsweep.tables._curves import label_curves
from lrsweep.tables._lazy import LazyTrials
from lrsweep.tables._notes import PROVENANCE, Provenance
from lrsweep.tables._schema import CAUSE, INDEX


def store_shard(folder: Folder, manifest: Manifest, shard: RanShard, computed: Tabulated) -> str:
    """Writes a shard that has been computed into the folder of its store; gives the name of its file.

    Its checkpoints are removed.

    Args:
        folder: The folder.
        manifest: The manifest of the store.
        shard: The shard.
        computed: What has become of its trials.

    Raises:
        UnwrittenError: It cannot be written.
    """
    table = _without_causes(computed.table)
    content = encode(table, _widen(computed.recorded), manifest.table["types"], manifest.about(shard.number))
    name = name_of(shard.number, content)
    folder.write(name, content)
    shard.checkpoints.remove()
    return name


class _Piece(NamedTuple):
    """What has become of some trials.

    Attributes:
        rows: Their positions among the trials.
        is_kept: Whether they are in the store.
        results: The columns of results, on any index; None where they are in the store alone.
        curves: What was recorded, ``[row, record]`` by name.
        least: The least loss that fell below the stated minimum, or None; where they were run now.
    """

    rows: np.ndarray | range
    is_kept: bool
    results: pd.DataFrame | None = None
    curves: Mapping[str, np.ndarray] | None = None
    least: float | None = None


class Stored:
    """What has become of the trials of a store, as far as that has come.

    Attributes:
        folder: The folder of the store.
        manifest: Its manifest.
        asked: What the call of `sweep` asks for.
    """

    def __init__(self, folder: Folder, manifest: Manifest, asked: Asked) -> None:
        self.folder, self.manifest, self.asked = folder, manifest, asked
        # By the numbers of shards.
        self._pieces: dict[int, _Piece] = {}

    @property
    def ended(self) -> int:
        """Of how many trials it is known what has become of them."""
        return sum(len(piece.rows) for piece in self._pieces.values())

    @property
    def kept(self) -> int:
        """How many trials are in the store."""
        return sum(len(piece.rows) for piece in self._pieces.values() if piece.is_kept)

    @property
    def least(self) -> float | None:
        """The least loss that fell below the stated minimum in trials that were run now, or None."""
        return min((piece.least for piece in self._pieces.values() if piece.least is not None), default=None)

    def read(self) -> list[int]:
        """Reads the shards that are there; lists the numbers of those that are missing or damaged."""
        damaged, there = [], self.folder.names()
        found = sorted(find_shards(there).items())
        for (shard, names), piece in zip(found, map_ahead(lambda each: self._read(*each), found), strict=True):
            if piece is not None:
                self._pieces[shard] = piece
            else:
                damaged.append(shard)
                for name in names:
                    self.folder.remove(name)
        if damaged:
            warnings.warn(
                f"the store {self.folder} held damaged shards ({listed(damaged)}): they are computed again",
                stacklevel=5,
            )
        for shard, names in find_checkpoints(there).items():
            # Of a process that was killed after it had written the shard.
            for name in names if shard in self._pieces else ():
                self.folder.remove(name)
        return [shard for shard in range(self.manifest.shards) if shard not in self._pieces]

    def keep(self, shard: RanShard) -> None:
        """Tabulates and writes a shard of which all trials have been run."""
        computed = tabulate(self.asked.objective, shard.trials, shard.ran)
        store_shard(self.folder, self.manifest, shard, computed)
        self._add(shard, computed, is_kept=True)

    def take(self, shard: int, name: str, least: float | None) -> bool:
        """Takes over a shard that a worker has written; tells whether its file is there, and whole.

        Args:
            shard: The shard's number.
            name: Its file.
            least: See `Tabulated`.
        """
        is_lazy = isinstance(self.asked.trials, LazyTrials)
        piece = self._kept(shard) if is_lazy else self._read(shard, [name])
        if piece is None:
            return False
        self._pieces[shard] = piece._replace(least=least)
        return True

    def add_ended(self, shard: RanShard) -> None:
        """Adds those trials of a shard that have ended, where the rest of it has not and so nothing is written."""
        if not isinstance(self.asked.trials, LazyTrials):
            self._add(shard, tabulate(self.asked.objective, shard.trials, shard.ran), is_kept=False)

    def _read(self, shard: int, names: Sequence[str]) -> _Piece | None:
        """Reads a shard; gives what has become of its trials, or None where none of its files is whole."""
        trials = self.asked.trials
        is_lazy = isinstance(trials, LazyTrials)
        arrow = read_shard(self.folder, self.manifest, shard, names, [INDEX] if is_lazy else None)
        if arrow is None or is_lazy:
            return None if arrow is None else self._kept(shard)
        names = self.manifest.table["curves"]
        others = [INDEX, *trials.columns, *map(curve_column, names)]
        results, curves = results_of(arrow.drop_columns(others)), {name: curve_in(arrow, name) for name in names}
        return self._kept(shard)._replace(results=results, curves=curves)

    def _kept(self, shard: int) -> _Piece:
        return _Piece(range(*self.manifest.rows_of(shard)), is_kept=True)

    def _add(self, shard: RanShard, computed: Tabulated, *, is_kept: bool) -> None:
        piece = _Piece(shard.rows, is_kept, least=computed.least)
        if not isinstance(self.asked.trials, LazyTrials):
            results = _without_causes(computed.table.iloc[:, len(self.asked.trials.columns) :])
            piece = piece._replace(results=results, curves=_widen(computed.recorded))
        self._pieces[shard.number] = piece

    def result(self, clock: float) -> Sweep | Store:
        """Gives the sweep of all trials of which it is known what became; of rows made by range, the store.

        Args:
            clock: When the call began, by `time.perf_counter`.
        """
        manifest, asked, trials = self.manifest, self.asked, self.asked.trials
        if isinstance(trials, LazyTrials):
            return Store(self.folder, manifest)
        pieces = [piece for _, piece in sorted(self._pieces.items())]
        rows: Any = range(manifest.rows)
        if self.ended < manifest.rows:
            rows = np.concatenate([np.asarray(piece.rows) for piece in pieces])
        ended = trials if isinstance(rows, range) else trials.iloc[rows]
        results = pd.concat([piece.results for piece in pieces if piece.results is not None])
        results.index = ended.index
        table = with_causes(pd.concat([ended, results], axis=1).rename_axis(INDEX), manifest)
        recorded: dict[str, Any] = {
            name: np.concatenate([piece.curves[name] for piece in pieces if piece.curves is not None])
            for name in manifest.table["curves"]
        }
        curves = label_curves(recorded, table.index, asked.limits.record_every)
        seconds = round(time.perf_counter() - clock, 3)
        started = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)
        times = {"started": started.isoformat(timespec="seconds"), "seconds": seconds}
        table.attrs[PROVENANCE] = provenance = Provenance({**manifest.provenance, **times})
        wanted = [wanted_of(job.group, manifest.provenance["groups"]) for job in asked.jobs]
        groups = [
            Replayable(without_columns(job), Plan(width, 1, 1, layout), asked.objective)
            for job, (width, layout) in zip(asked.jobs, wanted, strict=True)
        ]
        places = rows, groups, trials.copy(deep=False)
        return Sweep(table, curves, provenance, partial(_at, replay, *places), partial(_at, follow, *places))


def _at(again: Callable[..., Any], rows: Sequence[int], groups: Any, trials: pd.DataFrame, row: int, *how: Any) -> Any:
    """Replays the trial at a position of a table, of whose rows `rows` are the positions in the trials table."""
    return again(groups, trials, int(rows[row]), *how)


def _without_causes(table: pd.DataFrame) -> pd.DataFrame:
    """Takes out the causes, which compare a trial with all others of its sweep."""
    return table.drop(columns=CAUSE) if CAUSE in table.columns else table


def _widen(recorded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gives what was recorded in the dtype that it was computed in, or one of Arrow's that holds it exactly."""
    return {
        name: curve.astype(np.float64 if curve.dtype == np.float64 else np.float32, copy=False)
        for name, curve in recorded.items()
    }
