"""sweep(..., store=...) on a disk that is full, or whose folder is lost midway: a sentence, and all that was done."""

import ctypes
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optax
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.store._folder import Folder

resource: Any = pytest.importorskip("resource")

GRID = lrsweep.grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))
OPTIONS: dict[str, Any] = {"steps": 20, "record_every": 1, "block_width": 4, "shard_size": 4, "progress": False}

# Of Linux: the version of the call, and the bits that let root pass over permissions.
CAPABILITIES, PASS_OVER = 0x20080522, 0b110


def into(store: Path, **options: Any) -> lrsweep.Sweep:
    return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, GRID, store=store, **{**OPTIONS, **options})


@contextmanager
def most_bytes(count: int) -> Iterator[None]:
    """Has the system write no more bytes than this into any file, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def permissions() -> Iterator[None]:
    """Permissions that hold for root too, as they do for everybody else."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may do all there")
    system, header, held = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    system.capget(header, held)
    before, held[0] = held[0], held[0] & ~PASS_OVER
    system.capset(header, held)
    yield
    held[0] = before
    system.capset(header, held)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> lrsweep.Sweep:
    return into(tmp_path_factory.mktemp("whole") / "store")


def after(trials: int, act: Callable[[], object]) -> Callable[[lrsweep.Progress], None]:
    """A callback that acts once, when so many trials have ended."""
    done: list[object] = []

    def tell(state: lrsweep.Progress) -> None:
        if state.trials >= trials and not done:
            done.append(act())

    return tell


def test_a_disk_without_a_byte_left_is_a_sentence(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with (
        most_bytes(0),
        pytest.raises(OSError, match=r"'a' could not be written into .* \(File too large\)"),
        folder.lock(),
    ):
        folder.write("a", b"one")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"lock": b""}


@pytest.mark.parametrize("workers", [False, True])
def test_a_shard_that_the_disk_has_no_room_for_is_not_there_by_half(
    tmp_path: Path, whole: lrsweep.Sweep, workers: bool
) -> None:
    into(tmp_path)
    shards = sorted(tmp_path.glob("shard-*"))
    room = min(path.stat().st_size for path in shards[1:]) - 1
    for path in shards[1:]:
        path.unlink()
    assert room > (tmp_path / "manifest.json").stat().st_size
    with most_bytes(room), ThreadPoolExecutor(1) as pool, pytest.raises(OSError, match=r"'shard-.*\(File too large\)"):
        into(tmp_path, executor=pool if workers else None)
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "manifest.json", shards[0].name}
    assert_frame_equal(into(tmp_path).table, whole.table, check_exact=True)


@pytest.mark.usefixtures("permissions")
def test_permissions_that_are_lost_midway_lose_nothing_that_was_done(tmp_path: Path, whole: lrsweep.Sweep) -> None:
    store = tmp_path / "store"

    def lock_out() -> None:
        # The first shard is in writing when the second begins.
        while not list(store.glob("shard-000000*")):
            time.sleep(0.01)
        store.chmod(0o500)

    with pytest.raises(OSError, match=r"'shard-00000[12].* into .* \(Permission denied\): what the store held before"):
        into(store, progress=after(8, lock_out))
    store.chmod(0o700)
    assert lrsweep.open_store(store).trials >= 4
    assert_frame_equal(into(store).table, whole.table, check_exact=True)


@pytest.mark.usefixtures("permissions")
def test_a_folder_that_may_not_be_used_is_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    into(store)
    (shard,) = store.glob("shard-000001*")
    for path, mode, message in (
        (store, 0o000, "the folder .*store' cannot be written to: Permission denied"),
        (store / "lock", 0o400, "the folder .*store' cannot be written to: Permission denied"),
        (shard, 0o000, f"'{shard.name}' in .*store' cannot be read: Permission denied"),
        (tmp_path, 0o500, "the folder .*other' cannot be made: Permission denied"),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(lrsweep.InputError, match=message):
            into(tmp_path / "other" if path == tmp_path else store)
        path.chmod(before)
    store.chmod(0o000)
    with pytest.raises(lrsweep.InputError, match="the folder .*store' cannot be read: Permission denied"):
        lrsweep.open_store(store)
    store.chmod(0o700)


def test_a_folder_that_is_removed_midway_is_a_sentence(tmp_path: Path, whole: lrsweep.Sweep) -> None:
    store = tmp_path / "store"
    with pytest.raises(OSError, match=r"'shard-.* could not be written into .* \(No such file or directory\)"):
        into(store, progress=after(0, lambda: shutil.rmtree(store)))
    assert_frame_equal(into(store).table, whole.table, check_exact=True)


def test_a_manifest_that_is_damaged_is_refused_and_the_shards_stay(tmp_path: Path, whole: lrsweep.Sweep) -> None:
    into(tmp_path)
    manifest, content = tmp_path / "manifest.json", (tmp_path / "manifest.json").read_bytes()
    shards = {path: path.read_bytes() for path in tmp_path.glob("shard-*")}
    for damaged in (b"", content[:-9], content.replace(b'"rows": 12', b'"rows": 13'), b"[]"):
        manifest.write_bytes(damaged)
        for use in (into, lrsweep.open_store):
            with pytest.raises(lrsweep.InputError, match=r"'manifest.json' in .* is damaged: put back a copy of it"):
                use(tmp_path)
    manifest.write_bytes(content)
    assert {path: path.read_bytes() for path in tmp_path.glob("shard-*")} == shards
    assert_frame_equal(into(tmp_path).table, whole.table, check_exact=True)
