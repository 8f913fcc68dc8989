"""`open_store`: what a store holds so far, and what becomes of it as a table."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.dataset

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._showing import show_safely
from lrsweep.statistics._causes import causes, lowest_losses
from lrsweep.store._ahead import map_ahead
from lrsweep.store._folder import Folder
from lrsweep.store._manifest import MANIFEST, Manifest, read_manifest
from lrsweep.store._shards import curve_column, curve_in, decode, find_shards, is_whole
from lrsweep.tables._curves import Curves, label_curves
from lrsweep.tables._notes import PROVENANCE, Provenance
from lrsweep.tables._schema import CAUSE, INDEX, RESULT_DTYPES

# The memory of a row of a table in bytes, beside that of its recorded losses: what is read, and the table made of it.
_ROW_BYTES = 400


class Store:
    """What a sweep has left in a folder, whether it has ended or not; see `open_store`.

    Attributes:
        path: The folder: a `Path`, or the text of its URL.
        trials: How many trials have been run (int), as there are shards of. It is counted anew whenever it is asked
            for.
        of_trials: How many there are to run (int).
        table: The result table of the trials that have been run, read when it is first asked for.
        curves: What was recorded of them, as `Sweep.curves` has it, likewise.
        dataset: The shards as a `pyarrow.dataset.Dataset`, for what does not fit into memory. Its columns are those of
            the table without `cause`, which is found by comparing trials; and `trial`. What was recorded of a trial is
            a list in columns such as `curve_loss`.
        provenance: What makes it, as `Sweep.provenance`.
        command: The options of `lrsweep run` that began it, by name, and the folder it was called in; None where it was
            begun in Python.
        unhashed: Of what makes the sweep, all that could not be hashed: a sentence each. Whether that has changed
            between two calls, `sweep` cannot tell.
    """

    def __init__(self, folder: Folder, manifest: Manifest) -> None:
        """Opens the store in a folder; `manifest` is its manifest."""
        self.path, self.of_trials = folder.path, manifest.rows
        self.provenance, self.unhashed = Provenance(manifest.provenance), list(manifest.unhashed)
        self.command = manifest.command
        self._folder, self._manifest = folder, manifest

    def __repr__(self) -> str:
        return show_safely(self, lambda: f"Store({str(self.path)!r}, trials={self.trials}, of_trials={self.of_trials})")

    @property
    def trials(self) -> int:
        spans = map(self._manifest.rows_of, find_shards(self._folder.names()))
        return sum(end - first for first, end in spans)

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        self._check_room(_ROW_BYTES)
        table = table_of([arrow for _, arrow in self._read(self._names)], self._manifest)
        table.attrs[PROVENANCE] = self.provenance
        return table

    @functools.cached_property
    def curves(self) -> Curves:
        names, made = self._manifest.table["curves"], self.provenance
        if not names:
            return Curves()
        self._check_room(16 * len(names) * (made["steps"] // made["record_every"] + 1))
        parts = [arrow for _, arrow in self._read([INDEX, *map(curve_column, names)])]
        index = index_of([arrow[INDEX] for arrow in parts], self._manifest)
        recorded = {name: np.concatenate([curve_in(arrow, name) for arrow in parts]) for name in names}
        return label_curves(recorded, index, made["record_every"])

    @property
    def dataset(self) -> "pyarrow.dataset.Dataset":
        files = [self._folder.locate(names[0]) for _, names in sorted(find_shards(self._folder.names()).items())]
        if not files:
            raise InputError(f"the store {self._folder} holds no trials yet")
        return pyarrow.dataset.dataset(files, filesystem=self._folder.filesystem, format="parquet")

    def head(self) -> pd.DataFrame:
        """Gives the first rows of the table, as `DataFrame.head` does: its columns, their dtypes, and what they hold.

        Raises:
            ValueError: There are no trials yet, or the first shard is damaged.
        """
        return self._head.copy()

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Gives the table part after part, in the order of its rows, for what does not fit into memory.

        Args:
            columns: The columns that are wanted, by name; None for all.

        Yields:
            The rows of a shard, with the columns, dtypes and index of `table`; of a sweep that still runs, those
            that there were when parts were first asked for.

        Raises:
            ValueError: There are no trials yet, no such column, or a shard is damaged.

        Example:
            >>> import optax
            >>> trials = lrsweep.lazy_grid(learning_rate=[0.1, 0.01], seed=range(50))
            >>> store = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, store=folder / "parts", shard_size=40)
            >>> sum(len(part) for part in store.parts(["learning_rate", "status"]))
            100
        """
        known = [name for name in self._names if name != INDEX]
        how, span, first = self._manifest.table["causes"], self._manifest.table["index"], 0
        wanted = [*known, *([CAUSE] if how else [])] if columns is None else list(columns)
        # A cause is found by most of them.
        needed = known if CAUSE in wanted else wanted
        has_all = len(self._first_found) == self._manifest.shards
        labels = pd.RangeIndex(*span, name=INDEX) if has_all and span is not None else None
        for _, arrow in self._read(needed if labels is not None else [*needed, INDEX], self._first_found):
            if labels is None:
                part = frame_of(arrow, self._manifest)
            else:
                index = labels[first : first + arrow.num_rows]
                part = frame_of(arrow, self._manifest).set_axis(index) if needed else pd.DataFrame(index=index)
            first += arrow.num_rows
            yield with_causes(part, self._manifest, self._lowest)[wanted] if CAUSE in wanted else part[wanted]

    @functools.cached_property
    def _names(self) -> list[str]:
        """The columns of the shards, without what was recorded."""
        curves = [curve_column(name) for name in self._manifest.table["curves"]]
        return [name for name in self.dataset.schema.names if name not in curves]

    @functools.cached_property
    def _lowest(self) -> pd.DataFrame:
        names = self._manifest.table["causes"]["loss_columns"]
        return lowest_losses(self.parts([*names, "best_loss"]), names)

    @functools.cached_property
    def _first_found(self) -> dict[int, list[str]]:
        """The shards there are when parts are first asked for, so that all passes over them see the same trials."""
        found = find_shards(self._folder.names())
        if not found:
            raise InputError(f"the store {self._folder} holds no trials yet")
        return found

    @functools.cached_property
    def _head(self) -> pd.DataFrame:
        return next(self.parts()).head()

    def _read(
        self, columns: Sequence[str] | None, found: Mapping[int, list[str]] | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """Reads the shards that were found, or those there are, with their numbers."""
        shards = sorted((find_shards(self._folder.names()) if found is None else found).items())

        def read(shard: tuple[int, list[str]]) -> pa.Table | None:
            return read_shard(self._folder, self._manifest, *shard, columns)

        for (shard, _), arrow in zip(shards, map_ahead(read, shards), strict=True):
            if arrow is None:
                raise InputError(
                    f"shard {shard} of the store {self._folder} is damaged: the same sweep, called again, computes it "
                    "anew"
                )
            yield shard, arrow

    def _check_room(self, row: int) -> None:
        needed, available = self.trials * row, psutil.virtual_memory().available
        if needed > available:
            raise InputError(
                f"the {self.trials:,} trials of the store {self._folder} need {needed / 2**30:.1f} GiB of memory as a "
                f"table, and there are {available / 2**30:.1f}: read them by parts, from its dataset"
            )


def open_store(path: str | os.PathLike[str]) -> Store:
    """Opens the store that `sweep(..., store=path)` writes, while it is being written or later.

    Args:
        path: Its folder, or the URL of one.

    Returns:
        A `Store`.

    Raises:
        TypeError: It is not a path.
        ValueError: There is no such folder, it is no store, or its manifest is damaged.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, store=folder / "line")
        >>> store = open_store(folder / "line")
        >>> store.trials, store.of_trials, store.table.equals(swept.table)
        (3, 3, True)
        >>> store.dataset.count_rows()
        3
    """
    folder = Folder(path)
    names = folder.names()
    manifest = read_manifest(folder)
    if manifest is None:
        held = "it is empty" if not names else "it holds other files" if not find_shards(names) else "it has lost it"
        raise InputError(f"{folder} is no store: there is no {MANIFEST!r} in it, {held}")
    return Store(folder, manifest)


def read_shard(
    folder: Folder, manifest: Manifest, shard: int, names: Sequence[str], columns: Sequence[str] | None = None
) -> pa.Table | None:
    """Reads a shard; None where none of its files is whole and of this very sweep.

    Args:
        folder: The folder of the store.
        manifest: Its manifest.
        shard: The shard's number.
        names: Its files: one, unless two processes with different versions of Arrow have written it.
        columns: The columns to read, or None for all.
    """
    for name in names:
        content = folder.read(name)
        if content is None or not is_whole(name, content):
            continue
        try:
            return decode(content, manifest.about(shard), columns)
        except (ValueError, pa.ArrowException):
            continue
    return None


def table_of(parts: Sequence[pa.Table], manifest: Manifest) -> pd.DataFrame:
    """Makes a result table of shards in order.

    Args:
        parts: The shards, without recorded losses.
        manifest: The manifest of their store.
    """
    if not parts:
        raise InputError("the store holds no trials yet")
    arrow = pa.concat_tables(parts)
    table = frame_of(arrow, manifest)
    table.index = index_of([arrow[INDEX]], manifest, table.index)
    return with_causes(table, manifest)


def frame_of(arrow: pa.Table, manifest: Manifest) -> pd.DataFrame:
    """Gives columns of shards the dtypes that they have in a result table."""
    read: Any = arrow.to_pandas()
    dtypes = {**RESULT_DTYPES, **{name: _categories(each) for name, each in manifest.table["categories"].items()}}
    return read.astype({name: dtype for name, dtype in dtypes.items() if name in read.columns})


def results_of(arrow: pa.Table) -> pd.DataFrame:
    """Gives the columns of results of a shard that was read without those of its trials and what was recorded."""
    results: Any = arrow.to_pandas()
    return results.astype({name: dtype for name, dtype in RESULT_DTYPES.items() if name in results.columns})


def with_causes(table: pd.DataFrame, manifest: Manifest, lowest: pd.DataFrame | None = None) -> pd.DataFrame:
    """Adds the causes where trials were diagnosed, which no shard has: they compare each trial with all others.

    Args:
        table: A result table.
        manifest: The manifest of its store.
        lowest: What `lowest_losses` gives of the whole table, where this one is a part of it.
    """
    how = manifest.table["causes"]
    return table if how is None else table.assign(cause=causes(table, **how, lowest=lowest))


def index_of(labels: Sequence[Any], manifest: Manifest, index: pd.Index | None = None) -> pd.Index:
    """Gives the index of a table of shards: a range where that of the trials is one and all of them are there.

    Args:
        labels: The column `trial` of each shard.
        manifest: The manifest of their store.
        index: The index as pandas has read it, or None.
    """
    span = manifest.table["index"]
    if span is not None and sum(map(len, labels)) == manifest.rows:
        return pd.RangeIndex(*span, name=INDEX)
    if index is None:
        index = pd.Index(pa.chunked_array([chunk for each in labels for chunk in each.chunks]).to_pandas(), name=INDEX)
    return index


def _categories(stated: Mapping[str, Any]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(stated["values"], stated["ordered"])
