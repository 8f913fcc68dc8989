"""Folders at URLs: objects that are whole, a lock that is renewed, and what a service's errors become."""

import builtins
import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import lrsweep
from lrsweep.store import _remote as remote
from lrsweep.store._folder import LOCK, Folder


@pytest.fixture
def url(memory: dict[str, Any]) -> str:
    """The URL of a folder in this process's memory."""
    del memory  # which is empty
    return "memory://runs/edge"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that are renewed, and let go of, a hundred times as fast."""
    monkeypatch.setattr(remote, "RENEWED", 0.1)
    monkeypatch.setattr(remote, "NOBODYS", 0.6)


def test_a_file_is_there_under_its_name_and_hidden_ones_are_listed_when_asked_for(url: str) -> None:
    folder = Folder(url)
    folder.make()
    for name, content in {"a": b"one", "b": b"two", ".job-1": b"three", "a ": b""}.items():
        folder.write(name, content)
    folder.write("a", b"four")
    folder.remove("b")
    folder.remove("never there")
    folder.tidy()
    assert (folder.read("a"), folder.read("b")) == (b"four", None)
    assert (folder.names(), folder.names(".job-")) == (["a", "a "], [".job-1"])
    assert (str(folder.path), folder.address, str(folder)) == (url, url, f"'{url}'")
    assert Folder(f"{url}/").names() == folder.names()


def test_a_url_of_this_machine_is_a_folder_of_its_disk(tmp_path: Path) -> None:
    folder = Folder(f"file://{tmp_path}/deep/store")
    folder.make()
    folder.write("a", b"one")
    assert folder.path == tmp_path / "deep" / "store"
    assert (tmp_path / "deep" / "store" / "a").read_bytes() == b"one"


def test_a_folder_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(lrsweep.InputError, match=f"there is no folder '{url}'"):
        Folder(url).names()
    fsspec.filesystem("memory").pipe_file("/runs/edge", b"")
    with pytest.raises(lrsweep.InputError, match=f"'{url}' is a file: a store is a folder"):
        Folder(url).names()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere://a/b", "'nowhere://a/b' cannot be opened: ValueError: Protocol not known: nowhere"),
        ("cloud://a/b", "'cloud://a/b' cannot be opened: ImportError: Install cloudfs to read clouds"),
    ],
)
def test_a_url_that_nothing_reads_is_refused(url: str, message: str) -> None:
    fsspec.register_implementation("cloud", "cloudfs.Cloud", clobber=True, errtxt="Install cloudfs to read clouds")
    with pytest.raises(lrsweep.InputError, match=message):
        Folder(url)


def test_without_fsspec_a_sentence_says_what_to_install(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "fsspec":
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(lrsweep.InputError, match=r"which needs fsspec: pip install 'lrsweep\[remote\]'"):
        Folder(url)


class UnreachableError(Exception):
    """Of a library whose errors are no OSErrors."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnreachableError("no endpoint\nby far"), "UnreachableError: no endpoint"),
        (PermissionError("Access Denied"), "Access Denied"),
        (OSError(5, "the service is busy"), "the service is busy"),
        (PermissionError(), "PermissionError"),
    ],
)
def test_what_a_service_raises_is_one_sentence(
    url: str, error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(url)
    folder.write("a", b"one")

    def fail(*_: Any, **__: Any) -> None:
        raise error

    for name in ("pipe_file", "cat_file", "ls", "rm_file"):
        monkeypatch.setattr(MemoryFileSystem, name, fail)
    with pytest.raises(OSError, match=rf"'a' could not be written into .* \({reason}\): what the") as raised:
        folder.write("a", b"two")
    assert isinstance(raised.value, lrsweep.InputError)
    with pytest.raises(lrsweep.InputError, match=f"the folder '{url}' cannot be read: {reason}$"):
        folder.names()
    with pytest.raises(lrsweep.InputError, match=f"'a' in '{url}' cannot be read: {reason}$"):
        folder.read("a")
    with pytest.raises(lrsweep.InputError, match=f"the folder '{url}' cannot be written to: {reason}$"):
        folder.lock().__enter__()
    folder.remove("a")
    assert folder.user() is None
    monkeypatch.undo()
    assert folder.read("a") == b"one"


def test_a_lock_is_told_of_and_gone_at_its_end(url: str) -> None:
    folder = Folder(url)
    with folder.lock():
        assert folder.names() == [LOCK]
        assert (folder.user() or "").startswith("process ")
    assert folder.user() is None
    assert MemoryFileSystem.store == {}


def test_a_second_one_is_refused_once_the_first_shows_that_it_is_at_work(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "RENEWED", 0.1)
    folder = Folder(url)
    with folder.lock():
        with (
            pytest.warns(UserWarning, match=r"process \d+ on .* has locked 'memory://runs/edge'"),
            pytest.raises(lrsweep.InputError, match=r"process \d+ on .* is computing into 'memory://runs/edge': wait"),
        ):
            folder.lock().__enter__()
        assert folder.user() is not None


@pytest.mark.usefixtures("hurried")
def test_the_lock_of_a_process_that_was_killed_is_taken_over(url: str) -> None:
    folder, killed = Folder(url), remote._Holder("process 1 on moon", "1", time.time())
    folder.write(LOCK, killed.content())
    assert folder.user() == "process 1 on moon"
    with pytest.warns(UserWarning, match="process 1 on moon has locked"), folder.lock():
        assert json.loads(folder.read(LOCK) or b"")["token"] != "1"
    # One that is a day old needs no wait, and neither does one that says nothing.
    for content in (killed._replace(renewed=time.time() - 86_400).content(), b"?", b"{}"):
        folder.write(LOCK, content)
        assert folder.user() is None
        with folder.lock():
            pass


def test_one_that_waits_goes_on_as_soon_as_the_lock_is_gone(url: str) -> None:
    folder, first = Folder(url), ExitStack()
    first.enter_context(folder.lock())
    threading.Timer(0.2, first.close).start()
    with pytest.warns(UserWarning, match="has locked"), folder.lock():
        assert folder.names() == [LOCK]


@pytest.mark.usefixtures("hurried")
def test_who_finds_the_lock_taken_over_leaves_it_alone(url: str) -> None:
    folder, other = Folder(url), remote._Holder("process 2 on moon", "2", time.time())
    with folder.lock():
        folder.write(LOCK, other.content())
        time.sleep(0.3)
    assert folder.read(LOCK) == other.content()


def test_a_service_that_cannot_create_only_where_there_is_none_has_a_lock_too(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = MemoryFileSystem.pipe_file

    def plain(self: Any, path: str, value: bytes, mode: str = "overwrite") -> None:
        if mode == "create":
            raise NotImplementedError
        put(self, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", plain)
    folder = Folder(url)
    with folder.lock():
        assert folder.user() is not None
    assert folder.user() is None
