"""The settings of a table, and statistics of the trials of each, whether all trials fit into memory or not."""

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc

from lrsweep.tables._parts import Table, head_of, parts_of
from lrsweep.tables._schema import BEST_BY, BEST_MODE

# Of a table in parts so many rows are in memory at once, as far as single settings have no more; and the most files
# that they are sorted into, where the rows of a setting lie far apart.
ROWS_AT_ONCE, _MOST_FILES = 2_000_000, 250

# The settings of several parts are put together once there are so many.
_MANY = 4_000_000


def group_trials(table: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers the combinations of some columns, the settings, in the order they first appear.

    Returns:
        These columns, one row per setting, and ``[trial]`` int, the row of each trial's setting.

    Example:
        >>> group_trials(result.table, ["learning_rate"])[1]
        array([0, 1, 2])
    """
    # Without a column the whole table is one setting.
    keys: Any = [table[name] for name in names] or np.zeros(len(table), int)
    setting = table.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    firsts = np.unique(setting, return_index=True)[1]
    return table[names].iloc[firsts].reset_index(drop=True), setting


class Settings:
    """The settings of a table in parts, in the order they first appear.

    Attributes:
        names: The columns that make a setting.
        rows: These columns, one row per setting.
        trials: ``[setting]`` int, how many trials each has.
        in_order: Whether the trials of each setting lie together.
    """

    def __init__(self, table: Table, names: list[str]) -> None:
        """Finds the settings, in one pass over their columns."""
        self.names, runs = names, _Runs()

        def counted() -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
            for part in parts_of(table, names):
                settings, setting = group_trials(part, names)
                runs.add(part, setting)
                yield settings, np.bincount(setting)

        self.rows, self.trials = add_up(counted(), head_of(table)[names].iloc[:0])
        self.in_order = runs.count == len(self.rows)
        self._columns = [_Codes(self.rows[name]) for name in names]
        # The settings by their first column, by their first two, and so on.
        self._prefixes, prefix = [], np.zeros(len(self.rows), np.int64)
        for name, codes in zip(names, self._columns, strict=True):
            pairs = prefix * codes.count + codes.of(self.rows[name])
            self._prefixes.append(pd.Index(pd.unique(pairs)))
            prefix = self._prefixes[-1].get_indexer(pairs)
        # The last place is that of a row of no setting.
        self._setting = np.full(len(self.rows) + 1, -1)
        self._setting[prefix] = np.arange(len(self.rows))

    def number(self, part: pd.DataFrame) -> np.ndarray:
        """Gives the setting of each of some rows, ``[trial]`` int; -1 where it is none of these."""
        prefix = np.zeros(len(part), np.int64)
        for name, codes, known in zip(self.names, self._columns, self._prefixes, strict=True):
            prefix = _indexer(known, prefix * codes.count + codes.of(part[name]))
        return self._setting[prefix]


class _Runs:
    """How many runs of trials of one setting follow one another in a table."""

    def __init__(self) -> None:
        self.count, self._last = 0, None

    def add(self, part: pd.DataFrame, setting: np.ndarray) -> None:
        if self._last is None or not self._last.equals(part.iloc[:1].reset_index(drop=True)):
            self.count += 1
        self.count += np.count_nonzero(np.diff(setting))
        self._last = part.iloc[-1:].reset_index(drop=True)


class _Codes:
    """A number for every value of a column, one for a missing value, and one for all others."""

    def __init__(self, column: pd.Series) -> None:
        self._values = pd.Index(column.dropna().unique())
        self.count = len(self._values) + 2

    def of(self, column: pd.Series) -> np.ndarray:
        codes, values = pd.factorize(column)
        places = self._values.get_indexer(pd.Index(values))
        # The code -1, of a missing value, finds the last.
        return np.append(np.where(places < 0, self.count - 1, places), self.count - 2)[codes]


def _indexer(known: pd.Index, pairs: np.ndarray) -> np.ndarray:
    """Finds numbers among known ones, of which neighbouring rows mostly have the same."""
    firsts = np.flatnonzero(np.diff(pairs, prepend=pairs[:1] - 1))
    places = known.get_indexer(pd.Index(pairs[firsts]))
    return places if len(firsts) == len(pairs) else np.repeat(places, np.diff(firsts, append=len(pairs)))


def add_up(
    counted: Iterable[tuple[pd.DataFrame, np.ndarray]], without: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    """Adds up the counts of settings that were found in one part of a table after another.

    Args:
        counted: Of each part its settings, and counts, ``[setting, ...]`` int.
        without: The columns of the settings, without rows, for a table that has none.

    Returns:
        The settings in the order they first appear, and their counts.
    """
    names, waiting, rows = list(without.columns), [], 0
    whole = without, np.zeros(0, np.int64)
    for found in counted:
        waiting.append(found)
        rows += len(found[0])
        if rows > max(_MANY, len(whole[0])):
            whole, waiting, rows = _added([whole, *waiting], names), [], 0
    return _added([whole, *waiting], names) if waiting else whole


def _added(counted: list[tuple[pd.DataFrame, np.ndarray]], names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    counted = [each for each in counted if len(each[0])] or counted[-1:]
    if len(counted) == 1:
        return counted[0]
    settings, setting = group_trials(pd.concat([found for found, _ in counted], ignore_index=True), names)
    counts = np.concatenate([counts for _, counts in counted])
    total = np.zeros((len(settings), *counts.shape[1:]), np.int64)
    np.add.at(total, setting, counts)
    return settings, total


def settings_in(table: Table, names: list[str]) -> pd.DataFrame:
    """Gives the settings of a table, in parts or not: some columns, one row for every combination of their values.

    Example:
        >>> settings_in(result.table, ["status"])["status"].tolist()
        ['converged', 'slow']
    """
    without = head_of(table)[names].iloc[:0]
    found = (group_trials(part, names)[0] for part in parts_of(table, names))
    return add_up(((settings, np.zeros(len(settings), int)) for settings in found), without)[0]


class Block(NamedTuple):
    """All trials of some neighbouring settings.

    Attributes:
        first: The first of the settings.
        trials: The wanted columns of their trials, in the order of the table.
        setting: ``[trial]`` int, each trial's setting, the first being 0.
    """

    first: int
    trials: pd.DataFrame
    setting: np.ndarray


def per_setting(
    table: Table,
    names: list[str],
    columns: Sequence[str],
    statistics: Callable[[pd.DataFrame, np.ndarray], dict[str, Any]],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Gives statistics of the trials of each setting.

    Args:
        table: A result table, in parts or not.
        names: The columns that make a setting.
        columns: The columns of results that the statistics are made of; what decides the best is there anyway.
        statistics: Takes the trials of some settings, and ``[trial]`` int, the setting of each; gives columns, with
            one value per setting.

    Returns:
        The settings' columns, one row per setting in the order they first appear, and the columns of statistics.
    """
    if isinstance(table, pd.DataFrame):
        settings, setting = group_trials(table, names)
        return settings, statistics(table, setting)
    settings = Settings(table, names)
    made = [statistics(block.trials, block.setting) for block in blocks_of(table, settings, columns)]
    if not made:
        made = [statistics(head_of(table).iloc[:0], np.empty(0, int))]
    return settings.rows, {
        name: pd.concat([pd.Series(each[name]) for each in made], ignore_index=True).array for name in made[0]
    }


def blocks_of(table: Table, settings: Settings, columns: Sequence[str]) -> Iterator[Block]:
    """Gives the trials setting by setting: all of one are in one block, and blocks are small where settings are.

    A DataFrame is one block. In a table in parts, where the trials of each setting lie together, one pass does.
    Otherwise they are sorted into files of a temporary folder, one per block.

    Args:
        table: The table, in parts or not.
        settings: Its settings.
        columns: The columns that are wanted of the trials, beside those of what decides the best.
    """
    if isinstance(table, pd.DataFrame):
        yield Block(0, table, settings.number(table))
        return
    head = table.head()
    decides = {name: head[name].iloc[0] for name in (BEST_BY, BEST_MODE) if name in head.columns}
    wanted = [name for name in head.columns if name in columns and name not in decides]
    # By the place of its first trial, so that a block has few more than so many.
    before = np.cumsum(settings.trials) - settings.trials
    limit = max(ROWS_AT_ONCE, -(-int(settings.trials.sum()) // _MOST_FILES))
    firsts, block_of = np.unique(before // limit, return_index=True, return_inverse=True)[1:]
    numbered = (
        (part[wanted], settings.number(part)) for part in table.parts(list(dict.fromkeys([*settings.names, *wanted])))
    )
    lies_together = settings.in_order or len(firsts) == 1
    for block, trials, setting in (_one_by_one if lies_together else _by_files)(numbered, block_of):
        first: Any = np.zeros(len(trials), np.int8)
        constant = {name: pd.Categorical.from_codes(first, pd.Index([word])) for name, word in decides.items()}
        yield Block(int(firsts[block]), trials.assign(**constant), setting - firsts[block])


def trials_of(table: Table, settings: Settings, chosen: np.ndarray, columns: Sequence[str]) -> Block:
    """Gives the trials of some settings as a block, in which these are numbered in ascending order.

    Args:
        table: The table, in parts or not.
        settings: Its settings.
        chosen: ``[setting]`` int, ascending, which of them.
        columns: The columns that are wanted of the trials.
    """
    found = []
    for part in parts_of(table, list(dict.fromkeys([*settings.names, *columns]))):
        setting = settings.number(part)
        here = np.isin(setting, chosen)
        found.append((part.loc[here, list(columns)], np.searchsorted(chosen, setting[here])))
    return Block(0, *_joined(found))


# Some columns of trials, and the setting of each.
_Numbered = tuple[pd.DataFrame, np.ndarray]


def _one_by_one(numbered: Iterable[_Numbered], block_of: np.ndarray) -> Iterator[tuple[int, pd.DataFrame, np.ndarray]]:
    """Gives the trials of each block, where those of one block lie together."""
    here, waiting = 0, []
    for trials, setting in numbered:
        blocks = block_of[setting]
        ends = np.flatnonzero(np.diff(blocks, append=-1)) + 1
        for start, end in itertools.pairwise([0, *ends]):
            if blocks[start] != here and waiting:
                yield here, *_joined(waiting)
                waiting = []
            here = int(blocks[start])
            waiting.append((trials.iloc[start:end], setting[start:end]))
    if waiting:
        yield here, *_joined(waiting)


def _joined(numbered: list[_Numbered]) -> _Numbered:
    trials = pd.concat([trials for trials, _ in numbered], ignore_index=True)
    return trials, np.concatenate([setting for _, setting in numbered])


def _by_files(numbered: Iterable[_Numbered], block_of: np.ndarray) -> Iterator[tuple[int, pd.DataFrame, np.ndarray]]:
    """Gives the trials of each block, which have been sorted into a file for each."""
    count = int(block_of.max()) + 1
    with tempfile.TemporaryDirectory(prefix="lrsweep-") as folder:
        files = [Path(folder) / str(block) for block in range(count)]
        with contextlib.ExitStack() as opened:
            writers: dict[int, Any] = {}
            for trials, setting in numbered:
                blocks = block_of[setting]
                order = np.argsort(blocks, kind="stable")
                ends = np.cumsum(np.bincount(blocks, minlength=count))
                arrow = pa.Table.from_pandas(trials.assign(**{_NUMBER: setting}).iloc[order], preserve_index=False)
                for block in np.unique(blocks):
                    if block not in writers:
                        writers[block] = opened.enter_context(pa.ipc.new_stream(str(files[block]), arrow.schema))
                    start = ends[block - 1] if block else 0
                    writers[block].write_table(arrow.slice(start, ends[block] - start))
        for block, file in enumerate(files):
            with pa.ipc.open_stream(str(file)) as stream:
                rows: Any = stream.read_pandas()
            yield block, rows.drop(columns=_NUMBER), rows[_NUMBER].to_numpy()
            file.unlink()


# What no column of results, and no column of seeds, is called.
_NUMBER = "number of the setting"
