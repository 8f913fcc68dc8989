"""Files and options of the command line that cannot be used: one line and exit code 2, at once; or the right answer."""

import csv
import math
import os
from pathlib import Path

import numpy as np
import optax
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lrsweep
from tests.conftest import Run, Said

ROWS = "1,2\n2,3\n4,9\n"
LONG = "a" * 300_000


def refuses(answer: Said, said: str) -> None:
    """One line, not long, and exit code 2."""
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("lrsweep: ")
    assert said in answer.err
    assert len(answer.err) < 1100


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


OPTIONS = {
    "run --seeds 2147483648000": "--seeds 2147483648000 are more than there are: it must be 4294967296 or less",
    "run --seeds 99999999999999999999999": "are more than there are",
    "critical --seeds 99999999999999999999999": "are more than there are",
    "run --learning-rate 1e-4:1:10000000000000": "10,000,000,000,000 values are more than the",
    f"run --learning-rate 1e-4:1:{'9' * 5000}": "is not a range",
    f"run --learning-rate {'1' * 64}": "column 'learning_rate' of the trials holds 1.1111111111111112e+63 at row 0",
    f"run --learning-rate {'1' * 5000}": "holds inf at row 0",
    f"run --learning-rate {LONG}": "is not a number",
    "run --learning-rate 1e39": "or in size from 1.18e-38 to 3.4e+38, or compute in 64-bit (--x64",
    "run --learning-rate 1e-300:1:5": "holds 1e-300 at row 0",
    "run --set w0=1e39": "column 'w0' of the trials holds 1e+39",
    "run --set w0=1700000000000": "column 'w0' of the trials holds 1700000000000",
    f"run --set {LONG}=1": "nobody takes column",
    f"run --set w0={LONG}": "the init of objective 'line' fails with ValueError",
    "run --tolerance 1e39": "tolerance=1e+39 is beyond 32-bit floating point (3.4e+38 at most): compute in 64",
    "refine --tolerance 1e39": "tolerance=1e+39 is beyond 32-bit floating point",
    "refine --width nan": "width=nan must be a finite number above 0",
    "refine --rounds 99999999999999999999": "rounds=99999999999999999999 must be 2147483646 or less",
    "run --steps 99999999999999999999": "steps=99999999999999999999 must be 2147483646 or less",
    "run --batch-size 99999999999999999999": "a whole number from 1 to 3",
    f"run --optimizer {LONG}": "there is no optimizer 'aaa",
    "run --optimizer polyak_sgd": "optimizer 'polyak_sgd' takes no learning_rate: give --set NAME=AXIS",
    f"run --static {LONG}": "static: there is no column 'aaa",
    "critical --from 1e-300 --to 1e300": "high=1e+300 is beyond 32-bit floating point",
    "critical --from 1e-300": "low=1e-300 is too near 0 to be told from it: take 1.18e-38 or more",
    "critical --from nan": "must be finite learning rates",
    "run C:\\x.csv --target y": "there is no file 'C:\\\\x.csv'",
    "run none:x.csv --target y": "there is no file 'none:x.csv'",
    "run /dev/zero --target y": "'/dev/zero' is no regular file",
    "run --trials /dev/zero": "'/dev/zero' is no regular file",
    "run --trials zero.parquet": "'zero.parquet' is no regular file",
    "summarize zero.csv": "'zero.csv' is no regular file",
    "run pipe.csv --target y": "'pipe.csv' is no regular file",
    f"run {LONG}.csv --target y": "cannot be read: File name too long",
    f"run {LONG}": "there is no objective 'aaa",
    "run leaves.py:bowl": "'leaves.py' cannot be loaded: SystemExit: gone",
    "run endless.py:bowl": "'endless.py' cannot be loaded: RecursionError",
    "run own.py:leave": "'own.py:leave' fails with SystemExit: 3",
    "run own.py:word": "'own.py:word' is a str: it must be a lrsweep.Objective, or return one",
    "run folder.py:bowl": "'folder.py' is a folder",
}


@pytest.mark.parametrize(("words", "said"), OPTIONS.items(), ids=[words[:40] for words in OPTIONS])
def test_an_option_that_cannot_be_is_refused_in_one_line(words: str, said: str, run: Run) -> None:
    for link in ("zero.csv", "zero.parquet"):
        Path(link).symlink_to("/dev/zero")
    os.mkfifo("pipe.csv")
    Path("folder.py").mkdir()
    Path("leaves.py").write_text("import sys\nsys.exit('gone')\n")
    Path("endless.py").write_text("def endless():\n    endless()\nendless()\n")
    Path("own.py").write_text(f"import sys\nword = {LONG!r}\ndef leave():\n    sys.exit(3)\n")
    refuses(run(*words.split()), said)


CSV = {
    "more fields than names": ("x,y\n1,2,\n2,3,\n4,9,\n", "row 1 has 3 fields, and the header 2"),
    "column without a name": ("x,,y\n1,2,3\n2,3,4\n", "column 2 has no name: give it one, or take it out"),
    "long field": (f"x,y\n1,2\n2,{LONG}\n", "the target 'y' holds 2 different words in 2 rows, too many to be classes"),
    "long name": (f"x,{LONG[:9000]},z\n1,2,3\n2,3,4\n", "there is no column 'y'"),
    "one endless line": (LONG * 3, "field larger than field limit"),
    "zeros": ("\0" * 300_000, "it holds bytes that are no text"),
    "names twice": ("y,y\n1,2\n2,3\n", "has two columns 'y'"),
    "squares beyond all": ("x,y\n1e200,1\n2e200,3\n", "column 'x' holds 2e+200, whose square is beyond floating point"),
    "beyond all": ("x,y\n1e400,1\n2,3\n", "an infinite value in row 1 of column 'x'"),
}


@pytest.mark.parametrize(("content", "said"), CSV.values(), ids=CSV)
def test_a_csv_file_that_cannot_be_is_refused_in_one_line(content: str | bytes, said: str, run: Run) -> None:
    Path("x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    refuses(run("run", "x.csv", "--target", "y", "--raw"), said)


def test_numbers_beyond_the_precision_are_refused_once_it_is_known(run: Run) -> None:
    Path("x.csv").write_text("x,y\n1e39,1\n2e39,3\n")
    answer = run("run", "x.csv", "--target", "y", "--raw")
    assert answer.code == 2
    assert "holds 1e+39, which float32 does not hold: scale it, or" in answer.err


TRIALS = {
    "words for numbers": ("learning_rate\n0.1\nfast\n", "holds 'fast' at row 1: it must hold numbers"),
    "long words": (f"learning_rate\n0.1\n{LONG}\n", "holds 'aaa"),
    "decimal commas": ('learning_rate\n"0,1"\n', "holds '0,1' at row 0"),
    "NA for a number": ("learning_rate\n0.1\nNA\n", "holds nan at row 1"),
    "whole number beyond 32 bits": ("learning_rate,w0\n0.1,1700000000000\n", "holds 1700000000000 at row 0"),
    "whole number beyond all": (f"learning_rate,w0\n0.1,{'9' * 400}\n", "holds inf at row 0"),
    "result's own column": ("learning_rate,status\n0.1,slow\n", "is named like one of the result's own"),
    "no rows": ("learning_rate\n", "the trials table is empty"),
}


@pytest.mark.parametrize(("content", "said"), TRIALS.values(), ids=TRIALS)
def test_trials_that_cannot_be_are_refused_in_one_line(content: str, said: str, run: Run) -> None:
    Path("t.csv").write_text(content)
    refuses(run("run", "--trials", "t.csv"), said)
    refuses(run("refine", "--trials", "t.csv"), "")


@pytest.mark.parametrize("metadata", [b"{broken", b"[]", b"{}", b'{"index_columns": ["gone"], "columns": []}', b"\xff"])
def test_a_parquet_file_whose_metadata_is_broken_is_refused_in_one_line(metadata: bytes, run: Run) -> None:
    pq.write_table(pa.table({"learning_rate": [0.1]}).replace_schema_metadata({b"pandas": metadata}), "t.parquet")
    refuses(run("run", "--trials", "t.parquet"), "'t.parquet' cannot be read as Parquet: ")
    refuses(run("summarize", "t.parquet"), "'t.parquet' cannot be read as Parquet: ")


@pytest.mark.parametrize("cut", [0, 4, 100, 300])
def test_a_parquet_file_that_is_cut_off_is_refused_in_one_line(cut: int, run: Run) -> None:
    pq.write_table(pa.table({"learning_rate": [0.1]}), "whole.parquet")
    Path("t.parquet").write_bytes(Path("whole.parquet").read_bytes()[:cut])
    refuses(run("run", "--trials", "t.parquet"), "'t.parquet' cannot be read as Parquet: ")


def test_parquet_of_lists_and_of_two_columns_of_one_name_is_refused(run: Run) -> None:
    pq.write_table(pa.table({"learning_rate": pa.array([[0.1], [0.2]])}), "t.parquet")
    refuses(run("run", "--trials", "t.parquet"), "it must hold numbers, text or booleans")
    pq.write_table(pa.Table.from_arrays([pa.array([0.1])] * 2, ["learning_rate"] * 2), "t.parquet")
    refuses(run("run", "--trials", "t.parquet"), "cannot be read as Parquet")


def test_parquet_of_16_bits_is_swept_and_summed_up(run: Run) -> None:
    pd.DataFrame({"learning_rate": np.array([0.1, 0.25], np.float16)}).to_parquet("t.parquet")
    for out in ("out.csv", "out.parquet"):
        assert run("run", "--trials", "t.parquet", "--steps", "3", "--out", out).code == 0
        assert run("summarize", out).code == 0
        assert lrsweep.read_table(out)["learning_rate"].tolist() == [float(np.float16(0.1)), 0.25]


def test_settings_in_words_that_csv_takes_for_missing_are_swept_from_a_file(run: Run) -> None:
    Path("own.py").write_text(
        "from lrsweep import Objective\n"
        "STARTS = {'None': 1.0, 'NA': 2.0, 'null': 3.0, '': 4.0, 'batch': 5.0}\n"
        "bowl = Objective(lambda p: p**2, lambda key, *, norm: STARTS[norm])\n"
    )
    Path("t.csv").write_text('learning_rate,norm\n0.1,None\n0.1,NA\n0.1,null\n0.1,""\n0.1,batch\n')
    for read in ("t.csv", "written.csv"):
        assert run("run", "own.py:bowl", "--trials", read, "--steps", "3", "--out", "out.csv").code == 0
        table = lrsweep.read_table("out.csv")
        assert table["norm"].tolist() == ["None", "NA", "null", "", "batch"]
        assert table["initial_loss"].tolist() == [1.0, 4.0, 9.0, 16.0, 25.0]
        lrsweep.write_table(table[["learning_rate", "norm"]].rename_axis(None), "written.csv")


def test_a_setting_that_is_missing_stays_so(run: Run) -> None:
    Path("t.csv").write_text("optimizer,learning_rate,accumulator_dtype\nsgd,0.1,\nadam,0.1,\n")
    answer = run("run", "--trials", "t.csv", "--optimizer", "sgd,adam", "--steps", "3", "--out", "out.csv")
    assert answer.code == 0, answer.err
    assert lrsweep.read_table("out.csv")["accumulator_dtype"].isna().all()


def test_a_comma_at_the_end_of_every_row_makes_no_column(run: Run) -> None:
    Path("x.csv").write_text("x,y,,\n1,2,,\n2,3,,\n4,9,,\n")
    assert lrsweep.regression_from_csv("x.csv", "y").data["X"].shape == (3, 1)
    refuses(run("run", "x.csv"), "'x.csv' needs --target, the column to predict: one of x, y\n")


@pytest.mark.parametrize("first", [0, 1])
def test_an_index_that_pandas_wrote_is_left_out(first: int, run: Run) -> None:
    frame = pd.DataFrame({"x": [1, 2, 4], "y": [2, 3, 9]})
    frame.index += first
    frame.to_csv("x.csv")
    found = lrsweep.regression_from_csv("x.csv", "y")
    assert found.data["X"].shape == (3, 1)
    assert found.source is not None
    assert found.source["left_out"] == {"the first column": "it has no name"}
    pd.DataFrame({"learning_rate": [0.1]}).to_csv("t.csv")
    answer = run("run", "--trials", "t.csv", "--steps", "3")
    assert (answer.code, answer.err.count("counts the rows")) == (0, 1)


@pytest.mark.parametrize("name", ["a:b.csv", "own.py:data", "2026-11-26T10:00.csv", "a:b"])
def test_a_colon_may_be_part_of_a_files_name(name: str, run: Run) -> None:
    Path(name).write_text(f"x,y\n{ROWS}")
    assert run("run", name, "--target", "y", "--steps", "3").code == 0
    if name.endswith(".csv"):
        refuses(run("run", name, "--target", "y", "--out", name), f"would replace '{name}'")
        assert Path(name).read_text() == f"x,y\n{ROWS}"


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-160, 1e160, 1e200, 2e307])
def test_columns_of_any_size_are_standardised_as_those_of_size_one(scale: float) -> None:
    x, z, y = np.array([1.0, 2.0, 2.0, -1.5]), np.array([0.0, 1.0, -1.0, 2.0]), np.array([1.0, 3.0, 2.0, 5.0])
    with open("x.csv", "w", newline="") as file:
        csv.writer(file).writerows([["x", "z", "y"], *zip(x * scale, z, y * scale, strict=True)])
    found, as_they_are = lrsweep.regression_from_csv("x.csv", "y"), np.stack([x * scale, z, y * scale], axis=1)
    # The numbers that the file holds, at size one: near 1e-320 they are whole multiples of the least there is.
    columns = as_they_are / np.abs(as_they_are).max(axis=0)
    expected = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    np.testing.assert_allclose(found.data["X"], expected[:, :2], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.data["y"], expected[:, 2], rtol=1e-13, atol=1e-13)
    assert math.isfinite(found.minimum)


def test_a_file_of_very_many_columns_is_answered(run: Run) -> None:
    names = [f"c{place}" for place in range(5_000)]
    rows = np.random.default_rng(0).normal(size=(3, len(names))).round(3)
    Path("wide.csv").write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows.tolist()), ""]))
    with pytest.warns(UserWarning, match="there are 4,999 features for 3 rows"):
        assert lrsweep.regression_from_csv("wide.csv", "c7").data["X"].shape == (3, len(names) - 1)
    refuses(run("run", "wide.csv"), "and 4,940 more")
    refuses(run("run", "wide.csv", "--target", "c5000"), "there is no column 'c5000': did you mean")
    lines = [f"{','.join(names)},x,y", *("a," * len(names) + row for row in ROWS.split()), ""]
    Path("words.csv").write_text("\n".join(lines))
    answer = run("run", "words.csv", "--target", "y", "--steps", "3")
    assert (answer.code, answer.err) == (0, "")
    assert "left out: c0 (constant, 'a'), " in answer.out
    assert "and 4,992 more" in answer.out


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The fields of a result table as CSV."""
    path = tmp_path_factory.mktemp("good") / "good.csv"
    trials = lrsweep.grid(learning_rate=[0.1, 0.5], seed=range(2))
    lrsweep.write_table(lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=3).table, path)
    return [line.split(",") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "1e400", "9" * 30, "-1", "1.5", '"None"', LONG])
def test_a_result_table_with_a_strange_field_is_read_or_refused_in_one_line(
    value: str, good: list[list[str]], run: Run
) -> None:
    for place in range(len(good[0])):
        fields = [list(row) for row in good]
        fields[1][place] = value
        Path("sweep.csv").write_text("\n".join([*map(",".join, fields), ""]))
        answer = run("summarize", "sweep.csv")
        if answer.code:
            refuses(answer, "sweep.csv" if place > 2 else "")


def test_a_result_table_that_is_cut_off_anywhere_is_refused(good: list[list[str]], run: Run) -> None:
    whole = "\n".join([*map(",".join, good), ""])
    for cut in range(len(whole) - len(good[-1][0]) - 40, len(whole)):
        Path("sweep.csv").write_text(whole[:cut])
        if whole[cut - 1] != "\n":
            refuses(run("summarize", "sweep.csv"), "'sweep.csv' was cut within its last row")


def test_a_result_table_that_another_program_wrote_with_every_field_in_quotes_reads_back(good: list[list[str]]) -> None:
    Path("plain.csv").write_text("\n".join([*map(",".join, good), ""]))
    with open("quoted.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(good)
    pd.testing.assert_frame_equal(lrsweep.read_table("quoted.csv"), lrsweep.read_table("plain.csv"))
