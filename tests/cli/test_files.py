"""The command line and its files: what it may replace, what it rescues, and that it ends what it began."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optax
import pandas as pd
import pytest
from PIL import Image

import lrsweep
from lrsweep.cli._output import write_or_rescue
from lrsweep.tables._notes import read_provenance
from tests import kills
from tests.conftest import Run

ANSWER = "Use learning_rate 0.1: it converged after 51 updates."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def swept(run: Run, folder: Path) -> Path:
    """The table of a run, in the current folder."""
    assert run("run", "--out", "sweep.csv").code == 0
    return folder / "sweep.csv"


FOREIGN = {
    "table": ("run --out mine.csv", "mine.csv", b"x,y\n1,2\n"),
    "table of text in no known encoding": ("run --out mine.csv", "mine.csv", b"caf\xe9,y\n1,2\n"),
    "table in Parquet": ("run --out mine.parquet", "mine.parquet", pd.DataFrame({"x": [1]}).to_parquet()),
    "file that is no Parquet": ("run --out mine.parquet", "mine.parquet", b"PAR1"),
    "table of a zoom": ("refine --out mine.csv", "mine.csv", b"x,y\n1,2\n"),
    "table of edges": ("critical --out mine.csv", "mine.csv", b"x,y\n1,2\n"),
    "summary": ("summarize sweep.csv --out mine.csv", "mine.csv", b"x,y\n1,2\n"),
    "comparison": ("compare sweep.csv sweep.csv --out mine.csv", "mine.csv", b"x,y\n1,2\n"),
    "note": ("run --out mine.csv", "mine.json", b'{"mine": true}'),
    "picture": ("plot sweep.csv --out mine.png", "mine.png", b"\x89PNG mine"),
    "picture of a run": ("run --plot mine.svg", "mine.svg", b"<svg/>"),
    "picture in PDF": ("plot sweep.csv --out mine.pdf", "mine.pdf", b"%PDF mine"),
    "report": ("report sweep.csv --out mine.html", "mine.html", b"<p>Notes</p>"),
}


@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize(("words", "name", "content"), FOREIGN.values(), ids=FOREIGN)
def test_what_lrsweep_did_not_write_is_replaced_by_force_only(
    words: str, name: str, content: bytes, run: Run, folder: Path
) -> None:
    (folder / name).write_bytes(content)
    said = run(*words.split())
    assert (said.code, said.out) == (2, "")
    wrong = f"would replace {name!r}, which lrsweep did not write: name another file, or add --force\n"
    assert said.err.startswith("lrsweep: --")
    assert said.err.endswith(wrong)
    assert (folder / name).read_bytes() == content
    short = ["--steps", "5"] if words.startswith(("refine", "critical")) else []
    assert run(*words.split(), *short, "--force").code == 0
    assert (folder / name).read_bytes() != content
    assert run(*words.split(), *short).code == 0


@pytest.mark.parametrize("name", ["sweep.csv", "sweep.parquet"])
def test_results_and_empty_files_are_replaced_as_they_are(name: str, run: Run, folder: Path) -> None:
    (folder / name).touch()
    for words in ("run", "critical --steps 5", "run"):
        assert run(*words.split(), "--out", name).code == 0
    lrsweep.write_table(lrsweep.read_table(name), folder / f"other.{name}")
    for by in ("", "learning_rate", "status"):
        assert run("summarize", name, "--by", by, "--out", f"other.{name}").code == 0
    assert run("compare", name, name, "--out", f"other.{name}").code == 0


def rescued(said: str) -> Path:
    """Where a file is that could not be written."""
    found = re.search("it is in '(.*)' instead\n$", said)
    assert found is not None, said
    return Path(found[1])


@pytest.mark.usefixtures("folder")
def test_a_name_too_long_for_the_table_or_its_note_is_refused_before_the_run(
    run: Run, compilations: Callable[[], int]
) -> None:
    compilations()
    for length, ending in ((252, "csv"), (251, "json")):  # 256 bytes of name, or of the note's
        said = run("run", "--out", f"{'x' * length}.csv")
        assert (said.code, said.out) == (2, "")
        assert re.search(f"x.{ending}' cannot be written to: File name too long", said.err)
    assert (os.listdir(), compilations()) == ([], 0)


LOST: dict[str, tuple[str, Callable[[], None], str]] = {
    "full disk": ("full.csv", lambda: None, "No space left on device"),
    "folder that is gone": ("gone/sweep.csv", lambda: Path("gone").rmdir(), "No such file or directory"),
    "folder in its place": ("there.csv", lambda: Path("there.csv").mkdir(), "Is a directory"),
}


@pytest.mark.parametrize(("name", "happen", "why"), LOST.values(), ids=LOST)
@pytest.mark.usefixtures("folder")
def test_a_table_that_cannot_be_written_is_rescued_after_the_answer(
    name: str,
    happen: Callable[[], None],
    why: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    search: lrsweep.Sweep,
) -> None:
    Path("full.csv").symlink_to("/dev/full")
    Path("gone").mkdir()
    sweep: Any = lrsweep.sweep

    def swept_meanwhile(*words: object, **options: object) -> lrsweep.Sweep:
        happen()
        return sweep(*words, **options)

    monkeypatch.setattr("lrsweep.studies._sweep.sweep", swept_meanwhile)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))
    said = run("run", "--out", name, "--plot", "sweep.png")
    assert said.code == 3
    assert ANSWER in said.out
    assert said.out.endswith("Drew sweep.png.\n")
    assert said.err.startswith(f"lrsweep: '{name}' could not be written ({why}): it is in ")
    table = rescued(said.err)
    pd.testing.assert_frame_equal(lrsweep.read_table(table), search.table)
    made = read_provenance(table)
    assert made is not None
    assert made["command"] == f"lrsweep run --out {name} --plot sweep.png"


@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize(
    "words", ["plot sweep.csv --out full.png", "report sweep.csv --out full.html", "run --plot full.png"]
)
def test_a_picture_and_a_report_are_rescued_too(
    words: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for ending in ("png", "html"):
        Path(f"full.{ending}").symlink_to("/dev/full")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))
    said = run(*words.split())
    assert said.code == 3
    assert rescued(said.err).stat().st_size > 1000


@pytest.mark.usefixtures("folder")
def test_where_there_is_room_nowhere_it_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    said = run("run", "--out", "sweep.csv")
    assert said.code == 3
    assert ANSWER in said.out
    wrong = "lrsweep: 'sweep.csv' could not be written (No space left on device), and nowhere else either\n"
    assert said.err == wrong
    assert os.listdir() == []


@pytest.mark.usefixtures("folder")
def test_what_goes_wrong_in_telling_or_drawing_it_loses_no_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("lrsweep.plots.overview", fail)
    with pytest.raises(ZeroDivisionError):
        run("run", "--out", "drawn.csv", "--plot", "sweep.png")
    monkeypatch.setattr("lrsweep.statistics._advice.advise", fail)
    with pytest.raises(ZeroDivisionError):
        run("run", "--out", "told.csv")
    for name in ("drawn.csv", "told.csv"):
        assert len(lrsweep.read_table(name)) == 3


def test_an_error_of_the_system_is_one_line_only_where_it_is_about_a_file_that_was_named(
    run: Run, swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> Callable[[object], None]:
        def failing(_: object) -> None:
            raise PermissionError(13, "Permission denied", name)

        return failing

    monkeypatch.setattr("lrsweep.cli._objective.open_table", fail("data.csv"))
    (swept.parent / "data.csv").write_text("x,y\n1,2\n")
    said = run("run", "data.csv")
    assert (said.code, said.out, said.err) == (2, "", "lrsweep: 'data.csv': Permission denied\n")
    monkeypatch.setattr("lrsweep.cli._objective.open_table", fail("of a library"))
    with pytest.raises(PermissionError):
        run("run", "data.csv")


@pytest.mark.usefixtures("folder")
def test_a_table_that_cannot_be_read_is_one_line(run: Run) -> None:
    Path("sweep.csv").mkdir()
    said = run("summarize", "sweep.csv")
    assert (said.code, said.err) == (
        2,
        "lrsweep: 'sweep.csv' is no store: there is no 'manifest.json' in it, it is empty\n",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_is_written_and_told(run: Run, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    said = run("run", "--out", f"{name}.csv", "--plot", f"{name}.png")
    assert (said.code, said.err) == (0, "")
    assert "to caf\\udce9.csv, and what made them to caf\\udce9.json." in said.out
    made = read_provenance(folder / f"{name}.csv")
    assert made is not None
    assert f"--out '{name}.csv'" in made["command"]
    assert run("report", f"{name}.csv").code == 0
    assert "caf\\udce9" in (folder / f"{name}.html").read_text(encoding="utf-8")
    assert run("summarize", f"{name}.csv", "--out", f"{name}.summary.csv").code == 0
    assert run("run", "--out", f"{name}.xlsx").code == 2


def shell(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Runs a line of shell in a folder, in which `lrsweep` is the command line."""
    command = f'lrsweep() {{ "{sys.executable}" -m lrsweep "$@"; }}; set -o pipefail; {line}'
    words, caches = ["bash", "-c", command], folder.parent
    return subprocess.run(words, cwd=folder, env=kills.environment(caches), capture_output=True, text=True, timeout=120)


# An objective that prints more than a pipe holds back, and when nobody reads any more.
OWN = """
import time
import jax.numpy as jnp
from lrsweep import Objective
time.sleep(0.5)
print("loaded " * 10_000)
own = Objective(lambda p: jnp.sum(p**2), jnp.ones(2))
"""

RUN = "lrsweep run --out again.csv --plot again.png"
CLOSED = {
    "output": f"{RUN} >&-",
    "error": f"{RUN} 2>&-",
    "all": f"{RUN} <&- >&- 2>&-",
    "output whose reader has gone": f"{RUN} | true",
    "error whose reader has gone": f"{RUN} --set unused=1 2>&1 | true; {RUN} 2>&1 | true",
    "reader that has gone before an objective prints": (
        f"lrsweep run own.py:own --learning-rate 0.1,0.2,0.3 --seeds 1 {RUN.partition('run')[2]} | true"
    ),
    "output whose reader has seen enough": f"{RUN} | head -1",
}


@pytest.mark.slow
@pytest.mark.parametrize("line", CLOSED.values(), ids=CLOSED)
def test_a_run_is_completed_whoever_reads_what_it_says(line: str, folder: Path) -> None:
    (folder / "own.py").write_text(OWN)
    ended = shell(line, folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(lrsweep.read_table(folder / "again.csv")) == 3
    assert read_provenance(folder / "again.csv") is not None
    with Image.open(folder / "again.png") as picture:
        picture.load()
    (folder / "own.py").unlink()
    assert {*os.listdir(folder)} - {"__pycache__"} == {"again.csv", "again.json", "again.png"}


@pytest.mark.slow
def test_a_full_standard_output_is_told_and_the_files_are_complete(folder: Path) -> None:
    ended = shell(f"{RUN} > /dev/full", folder)
    said = "lrsweep: standard output could not be written to: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (3, said)
    assert sorted(os.listdir(folder)) == ["again.csv", "again.json", "again.png"]


@pytest.mark.slow
def test_a_help_that_cannot_be_printed_is_one_line(folder: Path) -> None:
    said = "lrsweep: standard output could not be written to: No space left on device\n"
    ended = shell("lrsweep run --help > /dev/full", folder)
    assert (ended.returncode, ended.stderr) == (3, said)


@pytest.mark.slow
def test_a_terminal_that_closes_does_not_end_what_nohup_started(folder: Path) -> None:
    ended = shell(f"trap '' HUP; {RUN} > said.txt & sleep 0.5; kill -HUP $!; wait $!", folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(lrsweep.read_table(folder / "again.csv")) == 3


@pytest.mark.slow
def test_ctrl_c_while_the_interpreter_ends_is_no_traceback(swept: Path) -> None:
    words = [sys.executable, "-m", "lrsweep", "plot", "sweep.csv", "--out", "sweep.png"]
    pipe = subprocess.PIPE
    for pause in (0, 0.002, 0.005, 0.01, 0.02, 0.05):
        alone = kills.environment(swept.parent.parent)
        process = subprocess.Popen(words, cwd=swept.parent, env=alone, stdout=pipe, stderr=pipe, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "Drew sweep.png.\n"
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode in (0, 130)
        assert said == ""


@pytest.mark.slow
def test_runs_killed_at_random_moments_damage_nothing_and_leave_nothing() -> None:
    counts = kills.count(8)
    assert [what for what in counts if what.startswith("wrong")] == []
    assert sum(counts[f"ended by {name}"] for name in ("SIGKILL", "SIGTERM", "SIGINT")) > 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_curves_go_beside_the_table_and_are_what_a_sweep_records(ending: str, run: Run, folder: Path) -> None:
    words = f"run --steps 40 --record loss,gradient_norm --record-every 20 --out sweep.{ending}"
    for _ in range(2):  # the second replaces the first
        said = run(*words.split())
        assert said.code == 0
        assert f"Wrote 3 trials to sweep.{ending}, their curves to sweep.curves.{ending}, and what made" in said.out
    curves = lrsweep.read_table(folder / f"sweep.curves.{ending}")
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])
    how: dict[str, Any] = {"steps": 40, "record": ("loss", "gradient_norm"), "record_every": 20}
    swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, **how)
    pd.testing.assert_frame_equal(curves, swept.curves.table(), check_exact=True)
    assert curves.attrs["provenance"]["record"] == ["loss", "gradient_norm"]
    (folder / f"sweep.curves.{ending}").write_text("mine")
    assert run(*words.split()).code == 2
    assert (folder / f"sweep.curves.{ending}").read_text() == "mine"


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_recorded_is_one_line(run: Run) -> None:
    said = run("run", "--record", "acuracy", "--out", "sweep.csv")
    assert said.code == 2
    assert "there is no name 'acuracy'" in said.err
    said = run("run", "--record", "loss")
    assert said.code == 2
    assert "by --out FILE" in said.err


def test_curves_are_rescued_with_their_table(tmp_path: Path) -> None:
    names = ["sweep.csv", "sweep.curves.csv", "sweep.json"]
    said = write_or_rescue({tmp_path / "none" / name: name.encode() for name in names})
    assert said is not None
    rescued = Path(said.split("'")[-2])
    contents = {file.name: file.read_text() for file in rescued.parent.iterdir()}
    assert contents == {name.replace("sweep", "rescued"): name for name in names}
