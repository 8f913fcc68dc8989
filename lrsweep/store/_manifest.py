"""The manifest of a store: what makes its sweep, and how its rows are divided into shards."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote
from lrsweep.store._folder import Folder

MANIFEST = "manifest.json"

# How a hash is written, so that a message does not quote it.
HASH = "sha256:"

# Stores of another format are refused.
_FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The manifest of a store.

    Attributes:
        sweep: What makes the sweep, as JSON can hold it: another sweep differs in some of it.
        unhashed: What makes the sweep too, and could not be hashed: a sentence each.
        rows: How many trials there are.
        shard_size: How many rows each shard has; the last may have fewer.
        table: What becomes a table with the rows: see `lrsweep.store._reading`.
        provenance: The provenance of the sweep; its `groups` say in which blocks and layout each is computed.
        command: The options of the command that made it, by name, or None.
    """

    sweep: Mapping[str, Any]
    unhashed: list[str]
    rows: int
    shard_size: int
    table: Mapping[str, Any]
    provenance: Mapping[str, Any]
    command: Mapping[str, Any] | None = None

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.rows // self.shard_size)

    @property
    def identity(self) -> str:
        """The hash of all that the bits of a shard depend on, which each shard repeats."""
        return _hash([self.sweep, self.shard_size, self.provenance["groups"]])

    def rows_of(self, shard: int) -> tuple[int, int]:
        """Gives the first row of a shard, and the one after its last."""
        return shard * self.shard_size, min((shard + 1) * self.shard_size, self.rows)

    def about(self, shard: int) -> dict[str, Any]:
        """Gives what a shard says of itself."""
        first, end = self.rows_of(shard)
        return {"sweep": self.identity, "shard": shard, "rows": [first, end]}

    def write(self, folder: Folder) -> None:
        """Writes the manifest into the folder of the store.

        Raises:
            UnwrittenError: It cannot be written.
        """
        content = {"format": _FORMAT, **asdict(self)}
        text = json.dumps({**content, "hash": _hash(content)}, indent=2, ensure_ascii=False) + "\n"
        folder.write(MANIFEST, text.encode("utf-8", "backslashreplace"))


def read_manifest(folder: Folder) -> Manifest | None:
    """Reads the manifest of a store; None where there is none.

    Raises:
        InputError: It is damaged, or an other version's.
    """
    content = folder.read(MANIFEST)
    if content is None:
        return None
    try:
        read = json.loads(content)
        whole = read.pop("hash") == _hash(read)
        version = read.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole, read, version = False, {}, None
    if not whole:
        raise InputError(
            f"{MANIFEST!r} in {folder} is damaged: put back a copy of it, or name another folder; "
            "the shards beside it are untouched"
        )
    if version != _FORMAT:
        raise InputError(f"the store {folder} is of another version of lrsweep (format {version}, not {_FORMAT})")
    return Manifest(**read)


def check_same(folder: Folder, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuses to go on with another sweep than the one that a store is of.

    Args:
        folder: The folder of the store.
        there: What makes the sweep of the store.
        here: What makes the one that is to go on.

    Raises:
        InputError: They differ; the message names the first difference.

    Example:
        >>> check_same(Folder("e"), {"steps": 100}, {"steps": 200})
        Traceback (most recent call last):
            ...
        lrsweep.inputs._errors.InputError: 'e' is the store of another sweep (steps: 100, not 200): name another folder
    """
    difference = _first_difference(there, here, [])
    if difference is None:
        return
    names, was, is_now = difference
    if str(was).startswith(HASH) and str(is_now).startswith(HASH):
        differs = "its code, or the values that it holds, differ"
    else:
        differs = f"{_shown(was)}, not {_shown(is_now)}"
    raise InputError(f"{folder} is the store of another sweep ({', '.join(names)}: {differs}): name another folder")


_ABSENT = object()


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else "there" if str(value).startswith(HASH) else quote(value)


def _first_difference(there: Any, here: Any, names: list[str]) -> tuple[list[str], Any, Any] | None:
    """Finds the first place at which two values differ: the names on the way to it, and the two values there."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in [*there, *(name for name in here if name not in there)]:
            inner = _first_difference(there.get(name, _ABSENT), here.get(name, _ABSENT), [*names, name])
            if inner is not None:
                return inner
        return None
    same = type(there) is type(here) and there == here
    return None if same else (names, there, here)


def _hash(value: Any) -> str:
    return HASH + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
