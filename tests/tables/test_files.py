"""Writing files: whole or not at all, never over what is no file, with nothing left behind."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lrsweep.inputs._errors import InputError
from lrsweep.tables._files import check_path, is_file, replace_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and signals are those of Unix")

# Writes a file, and stops where it is complete and not yet in its place.
WRITER = """
import os, sys, time
from pathlib import Path
from lrsweep.cli import _signals as signals
from lrsweep.tables import _files as files
signals.end_at_once()
def wait(*_):
    print("writing", flush=True)
    time.sleep(60)
os.replace = wait
files.replace_files({Path(sys.argv[1]): b"new"})
"""


@pytest.fixture
def writer(tmp_path: Path) -> "subprocess.Popen[str]":
    """A process that is writing `a.txt`."""
    (tmp_path / "a.txt").write_text("old")
    words = [sys.executable, "-c", WRITER, str(tmp_path / "a.txt")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_is_being_written_is_removed_when_a_process_is_ended(
    writer: "subprocess.Popen[str]", name: str, tmp_path: Path
) -> None:
    number = getattr(signal, name)
    assert len(names(tmp_path)) == 2
    writer.send_signal(number)
    assert writer.communicate(timeout=30) == ("", "")
    assert writer.returncode == 128 + number
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_what_a_killed_process_left_goes_when_the_next_writes_there(
    writer: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    writer.kill()
    writer.communicate(timeout=30)
    assert len(names(tmp_path)) == 2
    replace_files({tmp_path / "b.txt": b"other"})
    assert names(tmp_path) == ["a.txt", "b.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_what_another_process_is_writing_and_what_only_looks_like_it_stays(
    writer: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    mine = [".a.txt.1234", ".lrsweep-mine.part", ".lrsweep-0123456789abcdef.part.txt"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    link = tmp_path / ".lrsweep-0123456789abcdef.part"
    link.symlink_to(tmp_path / "a.txt")
    before = names(tmp_path)
    replace_files({tmp_path / "b.txt": b"other"})
    assert names(tmp_path) == sorted([*before, "b.txt"])
    writer.kill()
    writer.communicate(timeout=30)
    replace_files({tmp_path / "b.txt": b"other"})
    assert names(tmp_path) == sorted(["a.txt", "b.txt", link.name, *mine])


def test_a_file_has_the_mode_of_a_new_one_or_of_the_one_that_it_replaces(tmp_path: Path) -> None:
    (tmp_path / "by hand.txt").write_text("")
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("")
    old.chmod(0o604)
    replace_files({old: b"1", new: b"2"})
    assert stat.S_IMODE(old.stat().st_mode) == 0o604
    assert new.stat().st_mode == (tmp_path / "by hand.txt").stat().st_mode


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("known.txt", "dangling.txt"):
        (tmp_path / name).symlink_to(tmp_path / "there" / name)
    (tmp_path / "there" / "known.txt").write_text("old")
    for name in ("known.txt", "dangling.txt"):
        replace_files({check_path(tmp_path / name, [".txt"]): b"new"})
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / name).read_text() == "new"
    assert names(tmp_path / "there") == ["dangling.txt", "known.txt"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.txt", tmp_path / "link.txt"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    read: list[bytes] = []
    for path in (pipe, link):
        reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
        reader.start()
        assert not is_file(path)
        replace_files({check_path(path, [".txt"]): b"all of it"})
        reader.join(30)
    assert read == [b"all of it"] * 2
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["link.txt", "pipe.txt"]


def test_a_link_to_a_device_leads_into_the_device(tmp_path: Path) -> None:
    for name in ("null", "full"):
        (tmp_path / f"{name}.txt").symlink_to(f"/dev/{name}")
    replace_files({check_path(tmp_path / "null.txt", [".txt"]): b"gone"})
    with pytest.raises(OSError, match="No space left on device: .*full.txt"):
        replace_files({check_path(tmp_path / "full.txt", [".txt"]): b"too much"})
    for name in ("null", "full"):
        assert os.readlink(tmp_path / f"{name}.txt") == f"/dev/{name}"
        assert stat.S_ISCHR(os.stat(f"/dev/{name}").st_mode)


def test_where_one_of_two_files_cannot_be_written_neither_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(FileNotFoundError) as error:
        replace_files({tmp_path / "a.txt": b"new", tmp_path / "none" / "b.txt": b"new"})
    assert error.value.filename == str(tmp_path / "none" / "b.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


LONGEST = "x" * 251 + ".txt"  # 255 bytes is the longest name on Linux and macOS


def test_the_longest_name_there_is_can_be_written(tmp_path: Path) -> None:
    replace_files({check_path(tmp_path / LONGEST, [".txt"]): b"new"})
    assert (tmp_path / LONGEST).read_text() == "new"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" + LONGEST, "cannot be written to: File name too long"),
        ("loop.txt", "cannot be written to: Too many levels of symbolic links"),
        ("lost.txt", "there is no folder .*none.* to write 'lost.txt' into"),
        ("folder.txt", "is a folder: name a file"),
        ("socket.txt", "is neither a file nor a pipe: name another"),
    ],
)
def test_what_cannot_be_written_is_refused_beforehand(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "lost.txt").symlink_to(tmp_path / "none" / "lost.txt")
    (tmp_path / "folder.txt").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.txt")
        with pytest.raises(InputError, match=said):
            check_path(name, [".txt"])


def test_a_file_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("precious")
    monkeypatch.setattr("os.access", lambda asked, mode: Path(asked) != path)  # root may write everywhere
    with pytest.raises(InputError, match="may not be written to: name another file"):
        check_path(path, [".txt"])
