"""A file of data on the command line: what is taken is said, and what cannot be is refused in one line."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run

FLOWERS = "".join(
    f"{size:.3f},{'red' if place % 3 else 'blue'},{'tall' if size + shift > 0 else 'low'}\n"
    for place, (size, shift) in enumerate(np.random.default_rng(0).normal(size=(40, 2)).tolist())
)
QUICK = ("--learning-rate", "0.1,1", "--seeds", "2", "--steps", "20")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flowers.csv").write_text(f"size,color,kind\n{FLOWERS}")


def test_one_line_says_what_was_taken_and_the_note_beside_the_table_holds_it(run: Run) -> None:
    answer = run("run", "flowers.csv", "--target", "kind", "--validation", "0.25", "--out", "out.csv", *QUICK)
    assert answer.code == 0, answer.err
    line = answer.out.splitlines()[0]
    assert line.startswith("flowers.csv: 40 rows; softmax regression of kind, 2 classes (low ")
    assert line.endswith("on 2 columns: size, color; encoded: color (2); 10 rows held out")
    data = json.loads(Path("out.json").read_text())["data"]
    assert (data["taken"], data["features"]) == (line, ["size", "color=blue", "color=red"])
    assert "final_validation_accuracy" in Path("out.csv").read_text().partition("\n")[0]


@pytest.mark.parametrize("command", ["refine", "critical", "range-test"])
def test_every_command_that_runs_trials_takes_a_file_of_data(command: str, run: Run) -> None:
    options = {"refine": (*QUICK, "--rounds", "1"), "critical": ("--seeds", "1", "--steps", "20", "--width", "0.5")}
    answer = run(command, "flowers.csv", "--target", "size", *options.get(command, ("--seeds", "1", "--steps", "20")))
    assert answer.code == 0, answer.err
    assert answer.out.startswith("flowers.csv: 40 rows; linear regression of size on 2 columns: color, kind;")


def test_standard_input_is_a_file_of_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(f"size;color;kind\n{FLOWERS.replace(',', ';')}".encode()))
    )
    answer = run("run", "-", "--target", "size", "--only", "color", *QUICK)
    assert answer.out.startswith(
        "standard input: 40 rows, separated by semicolons; linear regression of size on 1 column"
    )
    answer = run("run", "-", "--target", "size", "--store", "kept")
    assert (answer.code, answer.out) == (2, "")
    assert "standard input is gone by then" in answer.err


def test_columns_are_named_with_commas_between_and_in_quotes_where_they_hold_one(run: Run) -> None:
    Path("x.csv").write_text('a,"b,c",d,y\n1,2,3,0.5\n2,1,4,1.5\n3,5,0,2\n4,4,1,7\n')
    answer = run("run", "x.csv", "--target", "y", "--drop", '"b,c"', "--drop", "d", *QUICK)
    assert "on 1 column: a\n" in answer.out
    answer = run("run", "x.csv", "--target", "y", "--only", 'a,"b,c"', *QUICK)
    assert "on 2 columns: a, b,c\n" in answer.out


def test_doubts_about_the_data_are_warnings(run: Run) -> None:
    rows = "".join(f"{row},{2 * row},{row * row % 7 + 0.5}\n" for row in range(5, 25))
    Path("x.csv").write_text(f"a,b,y\n{rows}")
    answer = run("run", "x.csv", "--target", "y", *QUICK)
    assert (answer.code, answer.err.count("\n")) == (0, 1)
    assert answer.err.startswith("lrsweep: warning: 'x.csv': columns 'a', 'b' follow from one another")


MISTAKES = {
    "run flowers.csv": "needs --target, the column to predict: one of size, color, kind",
    "run flowers.csv --target kinds": "there is no column 'kinds': did you mean 'kind'",
    "run flowers.csv --target kind --task regression": "the target 'kind' is not numeric",
    "run flowers.csv --target kind --hidden 64,x": "--hidden '64,x' must be the widths of layers",
    "run flowers.csv --target kind --drop size,color": "has no column beside the target 'kind'",
    "run flowers.csv --target kind --validation 2": "validation=2.0 must be a share between 0 and 1",
    "run gaps.csv --target y": "'gaps.csv' has missing values in 1 of 3 rows ('x' 1): say what becomes of them by --",
    "run one.csv --target y": "'one.csv' has one column, 'y': there is nothing to predict it from",
    "run empty.csv --target y": "'empty.csv' is not CSV: it has no header",
    "run header.csv --target y": "'header.csv' has 0 rows of data",
    "run same.csv --target y": "the target 'y' is constant ('a'): there is nothing to predict",
    "run picture.csv --target y": "'picture.csv' is not CSV: it holds bytes that are no text",
    "run infinite.csv --target y": "has an infinite value in row 2 of column 'x'",
    "run . --target y": "'.' is a folder: name a file",
    "run line --hidden 64": "--hidden goes with a file of data, such as a CSV file, not with 'line'",
    "run line --best-by loss": "--best-by goes with a file of data",
}


@pytest.mark.parametrize(("words", "said"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_about_data_is_one_line(words: str, said: str, run: Run) -> None:
    Path("gaps.csv").write_text("x,y\n1,2\n,4\n3,1\n")
    Path("one.csv").write_text("y\n1\n2\n")
    Path("empty.csv").write_text("")
    Path("header.csv").write_text("x,y\n")
    Path("same.csv").write_text("x,y\n1,a\n2,a\n")
    Path("picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    Path("infinite.csv").write_text("x,y\n1,2\ninf,3\n4,9\n")
    answer = run(*words.split())
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert said in answer.err
