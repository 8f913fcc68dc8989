"""sweep(..., store=URL): the table of a sweep on a disk, bit for bit, whatever the service does midway."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optax
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.store import _remote as remote
from lrsweep.store._folder import LOCK

LINE = lrsweep.problems.line()
GRID = lrsweep.grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))
OPTIONS: dict[str, Any] = {"steps": 20, "record_every": 5, "block_width": 4, "shard_size": 4, "progress": False}
URL = "memory://runs/edge"


def into(store: str | Path, **options: Any) -> lrsweep.Sweep:
    return lrsweep.sweep(LINE, optax.sgd, GRID, store=store, **{**OPTIONS, **options})


def objects() -> dict[str, bytes]:
    """The objects in memory, by the last part of their names."""
    return {path.rpartition("/")[2]: file.getvalue() for path, file in MemoryFileSystem.store.items()}


@pytest.fixture(autouse=True)
def emptied(memory: dict[str, Any]) -> None:
    del memory  # which is empty


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, lrsweep.Sweep]:
    """The sweep into a folder of the disk."""
    path = tmp_path_factory.mktemp("whole") / "store"
    return path, into(path)


def same(swept: lrsweep.Sweep | lrsweep.Store, whole: tuple[Path, lrsweep.Sweep]) -> None:
    assert_frame_equal(swept.table, whole[1].table, check_exact=True)
    assert_frame_equal(swept.curves["loss"], whole[1].curves["loss"], check_exact=True)


def test_the_shards_are_those_of_a_disk_byte_for_byte(whole: tuple[Path, lrsweep.Sweep]) -> None:
    same(into(URL), whole)
    shards = {path.name: path.read_bytes() for path in whole[0].glob("shard-*")}
    assert {name: content for name, content in objects().items() if name.startswith("shard-")} == shards
    assert sorted(set(objects()) - set(shards)) == ["manifest.json"]
    store = lrsweep.open_store(URL)
    same(store, whole)
    assert (store.path, store.dataset.count_rows(), repr(store)) == (
        URL,
        12,
        f"Store('{URL}', trials=12, of_trials=12)",
    )


def test_workers_write_to_the_url_and_leave_nothing_but_shards(whole: tuple[Path, lrsweep.Sweep]) -> None:
    MemoryFileSystem().pipe_file("/runs/edge/.job-0123456789abcdef", b"of a driver that was killed")
    with ThreadPoolExecutor(2) as pool:
        same(into(URL, executor=pool), whole)
    assert sorted(name[:6] for name in objects()) == ["manife", "shard-", "shard-", "shard-"]


def test_processes_that_do_not_see_the_memory_of_this_one_say_so() -> None:
    with pytest.raises(lrsweep.InputError, match=f"begin the store '{URL}': .*does not see that folder"):
        into(URL, executor="processes:1")
    assert objects() == {}


@pytest.mark.parametrize("put", range(1, 6))
def test_a_service_that_is_gone_at_any_put_loses_nothing_that_was_done(
    put: int, whole: tuple[Path, lrsweep.Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    write = MemoryFileSystem.pipe_file

    def fail_from_then(self: Any, path: str, value: bytes, **how: Any) -> None:
        names.append(path.rpartition("/")[2])
        if len(names) >= put:
            raise ConnectionError("no route to the service")
        write(self, path, value, **how)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", fail_from_then)
    with pytest.raises(lrsweep.InputError, match=r"no route to the service") as raised:
        into(URL)
    assert ("'memory://runs/edge'" in str(raised.value), names[0]) == (True, LOCK)
    # The lock, the manifest and then the shards.
    assert sorted(name[:6] for name in objects()) == ["manife", "shard-", "shard-"][: put - 2 if put > 2 else 0]
    monkeypatch.undo()
    same(into(URL), whole)


def test_an_object_that_is_cut_is_computed_again(whole: tuple[Path, lrsweep.Sweep]) -> None:
    into(URL)
    (name,) = (path for path in MemoryFileSystem.store if "shard-000001" in path)
    MemoryFileSystem().pipe_file(name, MemoryFileSystem.store[name].getvalue()[:-9])
    with pytest.warns(UserWarning, match=r"held damaged shards \(1\): they are computed again"):
        same(into(URL), whole)
    same(lrsweep.open_store(URL), whole)


def test_the_lock_of_a_killed_driver_is_waited_for_and_the_caller_told(
    whole: tuple[Path, lrsweep.Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "NOBODYS", 0.2)
    holder = remote._Holder("process 1 on moon", "1", time.time())
    MemoryFileSystem().pipe_file(f"/runs/edge/{LOCK}", holder.content())
    with pytest.warns(UserWarning, match=f"process 1 on moon has locked '{URL}'") as caught:
        same(into(URL), whole)
    assert [Path(each.filename).name for each in caught] == ["test_remote.py"]


def test_ctrl_c_names_the_url(whole: tuple[Path, lrsweep.Sweep]) -> None:
    def stop(state: lrsweep.Progress) -> None:
        if state.trials >= 8:
            raise KeyboardInterrupt

    with pytest.raises(lrsweep.Interrupted, match=rf"in the store '{URL}', and the same call") as stopped:
        into(URL, progress=stop)
    assert stopped.value.store == URL
    assert LOCK not in objects()
    same(into(URL), whole)


def test_another_sweep_and_other_files_are_refused() -> None:
    into(URL)
    with pytest.raises(lrsweep.InputError, match=rf"'{URL}' is the store of another sweep \(steps: 20, not 30\)"):
        into(URL, steps=30)
    MemoryFileSystem().pipe_file("/runs/other/thesis.tex", b"")
    with pytest.raises(lrsweep.InputError, match=r"holds other files \(thesis.tex\): name an empty one"):
        into("memory://runs/other")
    with pytest.raises(lrsweep.InputError, match="there is no folder 'memory://runs/none'"):
        lrsweep.open_store("memory://runs/none")
