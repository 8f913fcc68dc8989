"""Checkpoints: when they are written, what they may cost, and what they are taken for."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lrsweep.store import _checkpoints as checkpoints
from lrsweep.store._checkpoints import ShardCheckpoints
from lrsweep.store._folder import Folder

ABOUT = {"sweep": "sha256:0", "shard": 3, "rows": [0, 4]}
STATE = {"w": np.arange(6.0).reshape(2, 3), "k": np.int32(5)}
RESULTS = (np.array([1, 2], np.float32), np.array([True, False]))


class Clock:
    """A clock for `time.monotonic`, which a test sets, and which writing a file makes go on."""

    def __init__(self) -> None:
        self.now, self.of_a_file = 0.0, 0.0
        self.written: list[tuple[float, str]] = []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def write(self: Folder, name: str, content: bytes) -> None:
        clock.written.append((clock.now, name.removeprefix("checkpoint-000003")))
        clock.now += clock.of_a_file
        written(self, name, content)

    written = Folder.write
    monkeypatch.setattr(Folder, "write", write)
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock.now)
    return clock


def begun(path: Path, parts: int = 2) -> ShardCheckpoints:
    shard = ShardCheckpoints(Folder(path), 3, ABOUT)
    shard.divide(0, parts)
    return shard


def test_a_part_is_written_every_minute_from_when_it_was_first_seen(tmp_path: Path, clock: Clock) -> None:
    shard = begun(tmp_path)
    for clock.now in range(10, 200):
        shard.keep_running(0, 1, STATE)
    assert clock.written == [(70, ""), (70, "-0-1"), (130, "-0-1"), (190, "-0-1")]


def test_writing_takes_at_most_a_twentieth_of_the_time(tmp_path: Path, clock: Clock) -> None:
    shard = begun(tmp_path)
    clock.of_a_file = 10.0
    while clock.now < 5000:
        for part in (0, 1):
            clock.now += 1
            shard.keep_running(0, part, STATE)
    assert len(clock.written) > 10
    assert 10.0 * len(clock.written) < 0.06 * clock.now


def test_results_wait_for_the_next_writing_and_are_written_once(tmp_path: Path, clock: Clock) -> None:
    shard = begun(tmp_path, parts=4)
    for part, clock.now in enumerate((30, 59, 61)):
        shard.keep_ended(0, part, RESULTS)
    clock.now = 130
    shard.keep_running(0, 3, STATE)
    assert clock.written == [(61, ""), *((61, f"-0-{part}") for part in range(3))]
    again = begun(tmp_path, parts=4)
    for part in range(3):
        for array, result in zip(again.read(0, part, (STATE, RESULTS)), RESULTS, strict=True):
            assert array.tolist() == result.tolist()
    assert again.read(0, 3, (STATE, RESULTS)) is None


def test_a_shard_that_takes_less_than_a_minute_writes_nothing(tmp_path: Path, clock: Clock) -> None:
    shard = begun(tmp_path)
    for clock.now in range(60):
        shard.keep_running(0, 0, STATE)
        shard.keep_ended(0, 1, RESULTS)
    shard.remove()
    assert clock.written == []


def kept(path: Path, clock: Clock) -> Path:
    """Keeps a part that runs; gives its file."""
    shard = begun(path)
    shard.keep_running(0, 1, STATE)
    clock.now += 60
    shard.keep_running(0, 1, STATE)
    return path / "checkpoint-000003-0-1"


@pytest.mark.parametrize(
    ("about", "like"),
    [
        ({**ABOUT, "sweep": "sha256:1"}, STATE),
        ({**ABOUT, "rows": [0, 5]}, STATE),
        (ABOUT, {"w": STATE["w"].astype(np.float32), "k": STATE["k"]}),
        (ABOUT, {"w": STATE["w"].T, "k": STATE["k"]}),
        (ABOUT, {"v": STATE["w"], "k": STATE["k"]}),
    ],
)
@pytest.mark.filterwarnings("ignore:a checkpoint of shard 3 .* is of other trials")
def test_what_is_of_another_sweep_or_other_arrays_is_not_taken(
    about: dict[str, Any], like: Any, tmp_path: Path, clock: Clock
) -> None:
    kept(tmp_path, clock)
    same, other = begun(tmp_path), ShardCheckpoints(Folder(tmp_path), 3, about)
    assert same.read(0, 1, (STATE,))["w"].tolist() == STATE["w"].tolist()
    other.divide(0, 2)
    assert other.read(0, 1, (like,)) is None


def test_the_files_are_removed_by_whoever_goes_on(tmp_path: Path, clock: Clock) -> None:
    kept(tmp_path, clock)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint-000003", "checkpoint-000003-0-1"]
    begun(tmp_path).remove()
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_of_and_the_sweep_goes_on(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kept(tmp_path, clock)
    before = file.read_bytes()

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.warns(UserWarning, match="a checkpoint of shard 3 .* is left out: .*No space left on device"):
        kept(tmp_path, clock)
    assert file.read_bytes() == before


def test_a_state_for_which_the_host_has_no_memory_is_left_out(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=20))
    with pytest.warns(UserWarning, match="needs 52 bytes of memory, and there are 20 bytes: it is left out"):
        file = kept(tmp_path, clock)
    assert not file.exists()
