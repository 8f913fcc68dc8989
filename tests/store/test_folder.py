"""The folder of a store: files that are whole, names in sentences, a lock that ends with its process."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lrsweep
from lrsweep.store import _local as local
from lrsweep.store._folder import Folder

HOLDS = """
import sys
from lrsweep.store._folder import Folder
with Folder(sys.argv[1]).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "deep" / "store")
    folder.make()
    folder.write("a", b"one")
    folder.write("a", b"two")
    assert (folder.read("a"), folder.read("b")) == (b"two", None)
    assert os.listdir(folder.path) == ["a"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_file_that_cannot_be_written_is_named_and_the_one_before_stays(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.write("a", b"one")

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=rf"'a' could not be written into .* \({os.strerror(code)}\): what the") as raised:
        folder.write("a", b"two")
    assert isinstance(raised.value, lrsweep.InputError)
    assert folder.read("a") == b"one"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("below", [(), ("store",)])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, below: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lrsweep.InputError, match="is a file, or lies in one: name a folder"):
        Folder(tmp_path.joinpath("file", *below)).make()


def test_a_url_that_has_become_a_path_is_refused() -> None:
    with pytest.raises(lrsweep.InputError, match="'s3:/bucket/store' was a URL before it became a path: give"):
        Folder(Path("s3://bucket/store"))


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    if local.fcntl is None:
        pytest.skip("there are no such locks")
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(lrsweep.InputError, match=rf"process {process.pid} on .* is computing into"):
            Folder(tmp_path).lock().__enter__()
        process.kill()
    with Folder(tmp_path).lock():
        pass
