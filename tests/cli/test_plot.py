"""Pictures on the command line: what it draws, what it refuses, and that nothing is half written."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

import lrsweep
from tests.conftest import Run
from tests.statistics.test_summary import table

STARTS = {b"\x89PNG": ".png", b"<?xm": ".svg", b"%PDF": ".pdf"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: lrsweep.Sweep) -> Path:
    """The current folder, with some tables in it, and a picture that is a link to a table."""
    lrsweep.write_table(search.table, tmp_path / "sweep.csv")
    rows: list[Any] = [(1, name, "slow", None, 0.5) for name in ("a", "$\\frac_{$")]
    lrsweep.write_table(table(rows, ("width_$", "$_kind")), tmp_path / "words.csv")
    lrsweep.write_table(search.table[:0], tmp_path / "empty.csv")
    (tmp_path / "link.png").symlink_to(tmp_path / "sweep.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("ending", STARTS.values())
def test_a_table_is_drawn_as_the_ending_says(ending: str, run: Run, folder: Path) -> None:
    said = run("plot", "sweep.csv", "--out", f"sweep{ending}")
    assert (said.code, said.out, said.err) == (0, f"Drew sweep{ending}.\n", "")
    assert STARTS[(folder / f"sweep{ending}").read_bytes()[:4]] == ending


def test_a_picture_has_two_hundred_dots_per_inch_and_the_width_of_a_column(run: Run, folder: Path) -> None:
    assert run("plot", "sweep.csv", "--out", "sweep.png").code == 0
    assert imread(folder / "sweep.png").shape[1] == 700


def test_outcome_and_y_draw_other_pictures(run: Run, folder: Path) -> None:
    words = {"one": [], "two": ["--outcome", "final_loss"], "three": ["--y", "width_$"], "four": ["--y", "$_kind"]}
    for name, more in words.items():
        source, x = ("words.csv", "$_kind" if name == "three" else "width_$") if "--y" in more else ("sweep.csv", "")
        said = run("plot", source, "--out", f"{name}.png", *(["--x", x] if x else []), *more)
        assert (said.code, said.err) == (0, "")
    assert len({(folder / f"{name}.png").read_bytes() for name in words}) == len(words)


def test_run_draws_what_it_has_swept(run: Run, folder: Path) -> None:
    said = run("run", "--plot", "swept.png", "--out", "swept.csv")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("Drew swept.png.\n")
    assert run("plot", "swept.csv", "--out", "again.png").code == 0
    np.testing.assert_array_equal(imread(folder / "swept.png"), imread(folder / "again.png"))


REFUSED = {
    "no table": ("plot none.csv --out a.png", "there is no file 'none.csv'"),
    "unknown ending": ("plot sweep.csv --out a.gif", "cannot tell the format of 'a.gif' by its ending: use .png"),
    "no folder": ("plot sweep.csv --out b/a.png", "there is no folder 'b'"),
    "over its table": ("plot sweep.csv --out link.png", "--out link.png would replace 'sweep.csv', which this command"),
    "no trials": ("plot empty.csv --out a.png", "the table is empty"),
    "column that is not there": ("plot words.csv --out a.png", "no column 'learning_rate': there is: width_"),
    "map of one column": ("plot sweep.csv --y learning_rate --out a.png", "x and y are both 'learning_rate'"),
    "outcome that is not there": ("plot sweep.csv --outcome loss --out a.png", "there is no outcome 'loss'"),
    "sweep of unknown ending": ("run --plot a.gif", "cannot tell the format of 'a.gif' by its ending"),
    "sweep over its trials": ("run --trials sweep.csv --plot link.png", "--plot link.png would replace 'sweep.csv'"),
    "sweep without learning rates": (
        "run --trials words.csv --plot a.png",
        "--plot a.png is drawn against learning_rate, which these trials do not have",
    ),
    "nowhere to draw": ("plot sweep.csv", "Missing option '--out'"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_one_line_and_exit_code_2_and_leaves_no_file(
    words: str, said: str, run: Run, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    answer = run(*words.split())
    assert (answer.code, answer.out) == (2, "")
    assert re.fullmatch(f"lrsweep: .*{said}.*\n", answer.err), answer.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
