"""Checkpoints: what has become of a shard while it is computed, so that another process goes on from there."""

import re
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import psutil

from lrsweep.engine._memory import show_bytes
from lrsweep.inputs._errors import UnwrittenError
from lrsweep.store._arrays import decode_arrays, describe_arrays, encode_arrays
from lrsweep.store._folder import Folder

# What runs is written after so many seconds, and so many after that again: later where writing would otherwise take
# more than a share of the time.
EVERY = 60.0
_MOST_OF_TIME = 0.05

_NAME = re.compile(r"checkpoint-(\d{6,})(-\d+-\d+)?")


def find_checkpoints(names: Iterable[str]) -> dict[int, list[str]]:
    """Finds the files of checkpoints among the names of files, by the number of their shard.

    Example:
        >>> find_checkpoints(["checkpoint-000012", "checkpoint-000012-0-3", "lock"])
        {12: ['checkpoint-000012', 'checkpoint-000012-0-3']}
    """
    found: dict[int, list[str]] = {}
    for name in names:
        if match := _NAME.fullmatch(name):
            found.setdefault(int(match[1]), []).append(name)
    return found


class _Part(NamedTuple):
    """A part of a shard: the place of its group in the shard, and its number in the group."""

    group: int
    number: int


class ShardCheckpoints:
    """The checkpoints of a shard: a file for each part that has run long, and one that says into how many there are.

    Where the shard takes no longer than `EVERY` there are none.
    """

    def __init__(self, folder: Folder, shard: int, about: Mapping[str, Any]) -> None:
        """Looks for what another process has left.

        Args:
            folder: The folder of the store.
            shard: The shard's number.
            about: What the shard says of itself, as JSON can hold it; what is left must say the same.
        """
        self._folder, self._shard, self._about = folder, shard, dict(about)
        # Whether there are files of the shard, whole or not.
        self._there = False
        # Into how many parts groups are divided: as the files have it, and as they are computed now.
        self._kept: dict[str, int] = {}
        self._divided: dict[str, int] = {}
        # The results of the parts that have ended since the last time that such were written, and when that was.
        self._ended: dict[_Part, Any] = {}
        self._ended_written = time.monotonic()
        # Of each part that runs: when it was written last, or first seen, and how many seconds that took.
        self._running: dict[_Part, tuple[float, float]] = {}
        found = self._read()
        if found is not None and {**found[0], "parts": None} == {**self._about, "parts": None, "arrays": []}:
            self._kept = found[0]["parts"]

    def of(self, group: int) -> "GroupCheckpoints":
        """Gives those of a group, by its place in the shard."""
        return GroupCheckpoints(self, group)

    def parts_of(self, group: int) -> int | None:
        """Gives into how many parts a group was divided that there are files of; None where there are none."""
        return self._kept.get(str(group))

    def divide(self, group: int, parts: int) -> None:
        """Is told into how many parts a group is divided now, see `Checkpoints` of the engine."""
        if self.parts_of(group) not in (None, parts):
            self._warn("is of more trials at a time than there is memory for now: they begin anew")
        self._divided[str(group)] = parts

    def read(self, group: int, number: int, likes: tuple[Any, ...]) -> Any:
        """Gives what was kept of a part, as one of the pytrees that it may be; None where it begins anew."""
        part = _Part(group, number)
        if self.parts_of(group) != self._divided[str(group)]:
            return None
        found = self._read(part)
        if found is None:
            return None
        header, arrays = found
        for like in likes:
            if header == {**self._header(part), "arrays": describe_arrays(like)}:
                return jax.tree.structure(like).unflatten(arrays)
        self._warn("is of other trials than these: they begin anew")
        return None

    def keep_running(self, group: int, number: int, state: Any) -> None:
        """Writes the state of a part that runs, where it is time."""
        part, now = _Part(group, number), time.monotonic()
        written, _ = self._running.setdefault(part, (now, 0.0))
        self._write_ended()
        if now - written >= self._pause:
            self._write(part, state)
            self._running[part] = time.monotonic(), time.monotonic() - now

    def keep_ended(self, group: int, number: int, results: Any) -> None:
        """Writes the results of parts that have ended, where it is time; otherwise they wait for it."""
        part = _Part(group, number)
        self._running.pop(part, None)
        self._ended[part] = results
        self._write_ended()

    def release(self) -> None:
        """Lets go of the results that wait: all parts have ended, and the shard is about to be written."""
        self._ended.clear()

    def remove(self) -> None:
        """Removes the files, once the shard is there."""
        if self._there:
            for name in find_checkpoints(self._folder.names()).get(self._shard, ()):
                self._folder.remove(name)

    @property
    def _pause(self) -> float:
        """After how many seconds to write again."""
        return max(EVERY, sum(took for _, took in self._running.values()) / _MOST_OF_TIME)

    def _write_ended(self) -> None:
        if self._ended and time.monotonic() - self._ended_written >= self._pause:
            for part in list(self._ended):
                self._write(part, self._ended.pop(part))
            self._ended_written = time.monotonic()

    def _write(self, part: _Part, tree: Any) -> None:
        """Writes the file of a part; a sweep does not end where that fails, since nothing of it is lost yet."""
        needed, available = sum(leaf.nbytes for leaf in jax.tree.leaves(tree)), psutil.virtual_memory().available
        if needed > available:
            self._warn(f"needs {show_bytes(needed)} of memory, and there are {show_bytes(available)}: it is left out")
            return
        group, self._there = str(part.group), True
        try:
            if self._kept.get(group) != self._divided[group]:
                kept = {**self._kept, group: self._divided[group]}
                self._folder.write(self._name(), encode_arrays({**self._about, "parts": kept}, ()))
                self._kept = kept
            self._folder.write(self._name(part), encode_arrays(self._header(part), tree))
        except UnwrittenError as error:
            self._warn(f"is left out: {error}")

    def _read(self, part: _Part | None = None) -> tuple[dict[str, Any], list[Any]] | None:
        """Reads the file of a part, or the one that says into how many there are; None where there is none."""
        content = self._folder.read(self._name(part))
        if content is None:
            return None
        self._there = True
        try:
            return decode_arrays(content)
        except (ValueError, KeyError, TypeError):
            self._warn("is damaged: its trials begin anew")
            return None

    def _name(self, part: _Part | None = None) -> str:
        of_part = "" if part is None else f"-{part.group}-{part.number}"
        return f"checkpoint-{self._shard:06d}{of_part}"

    def _header(self, part: _Part) -> dict[str, Any]:
        """Gives what the file of a part says of itself, beside the description of its arrays."""
        return {**self._about, "part": [*part, self._divided[str(part.group)]]}

    def _warn(self, what: str) -> None:
        warnings.warn(f"a checkpoint of shard {self._shard} of the store {self._folder} {what}", stacklevel=2)


class GroupCheckpoints:
    """The checkpoints of a group in a shard, as the engine asks for them."""

    def __init__(self, shard: ShardCheckpoints, group: int) -> None:
        """Names the group by its place in the shard."""
        self._shard, self._group = shard, group

    @property
    def parts(self) -> int | None:
        """Into how many parts the trials were divided that there are files of; None where there are none."""
        return self._shard.parts_of(self._group)

    def divide(self, parts: int) -> None:
        """See `ShardCheckpoints`, as for the others."""
        self._shard.divide(self._group, parts)

    def read(self, part: int, *likes: Any) -> Any:
        """Gives what was kept of a part."""
        return self._shard.read(self._group, part, likes)

    def keep_running(self, part: int, state: Any) -> None:
        """Is given the state of a part that runs."""
        self._shard.keep_running(self._group, part, state)

    def keep_ended(self, part: int, results: Any) -> None:
        """Is given the results of a part that has ended."""
        self._shard.keep_ended(self._group, part, results)
