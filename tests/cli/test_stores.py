"""Stores on the command line: --store, status, resume, and what they refuse."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.store._folder import Folder
from tests.conftest import Run

WORDS = ("run", "--steps", "50", "--seeds", "4", "--store", "kept")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_goes_on_from_its_store_wherever_it_is_called(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(*WORDS, "--out", "sweep.csv")
    table = lrsweep.open_store("kept").table
    assert_frame_equal(table, lrsweep.read_table("sweep.csv"), check_exact=True, check_index_type=False)
    said = run("status", "kept")
    assert said.out == "kept: 12 of 12 trials (100%) of line, with sgd, 50 steps.\n"
    (shard,) = Path("kept").glob("shard-*")
    shard.unlink()
    Path("sweep.csv").unlink()
    said = run("status", "kept")
    assert said.out.splitlines()[-1] == "Nobody is computing into it: lrsweep resume kept goes on."
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    resumed = run("resume", "../kept")
    assert (resumed.code, resumed.out, resumed.err) == (0, whole.out, "")
    assert len(lrsweep.read_table(folder / "sweep.csv")) == 12
    assert_frame_equal(lrsweep.open_store(folder / "kept").table, table, check_exact=True)


def test_a_store_at_a_url_is_written_told_of_and_gone_on_with(run: Run, folder: Path, memory: dict[str, Any]) -> None:
    url = "memory://command/kept"
    whole = run("run", "--steps", "50", "--seeds", "4", "--store", url)
    assert (whole.code, whole.err) == (0, "")
    assert run("status", url).out == f"{url}: 12 of 12 trials (100%) of line, with sgd, 50 steps.\n"
    MemoryFileSystem().rm_file(next(path for path in memory if "shard-" in path))
    assert run("status", url).out.splitlines()[-1] == f"Nobody is computing into it: lrsweep resume {url} goes on."
    assert run("resume", url) == whole
    assert run("status", "memory://command/none").err == "lrsweep: there is no folder 'memory://command/none'\n"
    assert list(folder.iterdir()) == []


def test_status_says_who_is_computing(run: Run, folder: Path) -> None:
    del folder
    run(*WORDS)
    with Folder("kept").lock():
        said = run("status", "kept")
        again = run(*WORDS)
    assert said.out.splitlines()[-1].startswith(f"Process {os.getpid()} on ")
    assert (again.code, again.out) == (2, "")
    assert "is computing into" in again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "none"), "there is no folder 'none'"),
        (("resume", "."), "'.' is no store: there is no 'manifest.json' in it, it is empty"),
        (("run", "--store", "a/b.txt/c"), "is a file, or lies in one: name a folder for the store"),
    ],
)
def test_a_mistake_is_one_line(run: Run, folder: Path, words: tuple[str, ...], message: str) -> None:
    if "a/b.txt/c" in words:
        (folder / "a").mkdir()
        (folder / "a" / "b.txt").write_text("")
    said = run(*words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_full_disk_is_one_line_and_exit_code_3(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del folder

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    said = run(*WORDS)
    assert (said.code, said.out) == (3, "")
    assert "(No space left on device): what the store held before is there" in said.err
    assert said.err.count("\n") == 1


def test_a_store_that_was_begun_in_python_is_resumed_there(run: Run, folder: Path) -> None:
    import optax

    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])
    lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, store=folder / "kept")
    said = run("resume", "kept")
    assert (said.code, said.out) == (2, "")
    assert "'kept' was begun in Python: the same call of lrsweep.sweep goes on with it" in said.err


def test_the_commands_that_read_tables_read_stores(run: Run, tmp_path: Path) -> None:
    store, table = str(tmp_path / "store"), str(tmp_path / "table.csv")
    assert run("run", "--steps", "50", "--seeds", "3", "--store", store, "--out", table).code == 0
    for words in (["summarize"], ["summarize", "--rule", "loss", "--by", "seed"]):
        of_store, of_table = run(words[0], store, *words[1:]), run(words[0], table, *words[1:])
        assert (of_store.code, of_store.out) == (0, of_table.out)
    assert run("report", store, "--out", str(tmp_path / "page.html")).code == 0
    assert "Use learning_rate" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert run("plot", store, "--out", str(tmp_path / "picture.png")).code == 0
