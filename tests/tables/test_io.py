"""The result table: in and out of files unchanged, replaced only when complete."""

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.studies._result import result_table
from lrsweep.tables._files import check_path
from lrsweep.tables._schema import RESULT_DTYPES
from lrsweep.training._monitor import Outcome


@pytest.fixture(scope="module")
def mixed() -> pd.DataFrame:
    """A table with every status that the line gives, with infinite and missing values."""
    trials = lrsweep.grid(learning_rate=[1 / 3, 0.1, 1e-5, 1e25], seed=range(2))
    result = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=200).table
    result.loc[7, ["final_loss", "rate"]] = [np.nan, np.nan]
    assert np.isinf(result["final_loss"]).any()
    return result


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".CSV"])
def test_a_table_reads_back_equal_to_what_was_written(mixed: pd.DataFrame, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"sweep{ending}"
    lrsweep.write_table(mixed, path)
    assert_frame_equal(lrsweep.read_table(path), mixed, check_exact=True)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_of_no_rows_still_has_every_column(mixed: pd.DataFrame, ending: str, tmp_path: Path) -> None:
    lrsweep.write_table(mixed.head(0), tmp_path / f"none{ending}")
    back = lrsweep.read_table(tmp_path / f"none{ending}")
    assert (len(back), list(back.columns)) == (0, list(mixed.columns))
    assert {name: back[name].dtype for name in RESULT_DTYPES} == RESULT_DTYPES


def test_csv_tells_missing_from_not_a_number(mixed: pd.DataFrame, tmp_path: Path) -> None:
    lrsweep.write_table(mixed, tmp_path / "sweep.csv")
    header, *lines = (tmp_path / "sweep.csv").read_text().splitlines()
    last = dict(zip(header.split(","), lines[7].split(","), strict=True))
    assert (last["converged_at"], last["final_loss"]) == ("", "nan")


def test_the_rate_is_the_mean_factor_of_the_gap() -> None:
    outcome = Outcome(
        status=np.array([2, 2, 1, 0]),
        steps=np.array([4, 3, 0, 5]),
        converged_at=np.array([-1, -1, -1, 0]),
        diverged_at=np.array([-1, -1, 0, -1]),
        initial_loss=np.array([17.0, 9.0, np.inf, 1.0]),
        final_loss=np.array([2.0, 65.0, np.inf, 1.0]),
        best_loss=np.array([2.0, 9.0, np.inf, 1.0]),
        best_at=np.array([4, 0, 0, 0]),
        final_metrics=(),
        best_metrics=(),
    )
    table = result_table(pd.DataFrame(index=range(4)), outcome._asdict(), minimum=1.0)
    # (1 / 16) ** (1 / 4), (64 / 8) ** (1 / 3); no update was made; no gap to begin with.
    assert table["rate"].tolist()[:2] == pytest.approx([0.5, 2.0])
    assert table["rate"].isna().tolist() == [False, False, True, True]
    assert table["converged_at"].tolist() == [pd.NA, pd.NA, pd.NA, 0]
    assert table["status"].tolist() == ["slow", "slow", "diverged", "converged"]


def outcome_of(losses: np.ndarray, steps: np.ndarray, *, at: int) -> Outcome:
    """An outcome of given first and last losses, whose every end is at one update, or never."""
    ends = np.full(len(losses), at, np.int32)
    return Outcome(np.full_like(ends, 2), steps, ends, ends, losses[:, 0], losses[:, 1], losses[:, 1], steps, (), ())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("minimum", [0.0, -3.0])
def test_the_rate_of_every_trial_is_that_of_its_own_losses(dtype: type[Any], minimum: float) -> None:
    draw = np.random.default_rng(5)
    losses = (draw.lognormal(sigma=3, size=(500, 2)) + minimum).astype(dtype)
    steps = draw.integers(1, 2000, 500).astype(np.int32)
    rate = result_table(pd.DataFrame(index=range(500)), outcome_of(losses, steps, at=-1)._asdict(), minimum)["rate"]
    for (first, last), count, found in zip(losses - dtype(minimum), steps.tolist(), rate, strict=True):
        logarithm = math.log(last) - math.log(first)
        # What the logarithms are rounded to is what their difference is known to.
        assert found == pytest.approx(math.exp(logarithm / count), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("first", "last", "steps", "rate"),
    [
        (5.0, 1.0, 3, 0.0),
        (5.0, math.inf, 3, math.inf),
        (5.0, math.nan, 3, math.nan),
        (math.inf, 5.0, 3, 0.0),
        (math.inf, math.inf, 3, math.nan),
        (1.0, 5.0, 3, math.inf),
        (1.0, 1.0, 3, math.nan),
        (5.0, 5.0, 3, 1.0),
        (5.0, 5.0, 0, math.nan),
        (5.0, 9.0, 0, math.nan),
        # Below the stated minimum nothing is left, and of a start there nothing is said.
        (2.0, 0.0, 3, 0.0),
        (-7.0, 0.0, 3, math.nan),
        # A gap within rounding is none.
        (5.0, "next", 3, 0.0),
    ],
)
def test_the_rate_at_the_edges(dtype: type[Any], first: float, last: Any, steps: int, rate: float) -> None:
    last = np.nextafter(dtype(1), dtype(2)) if last == "next" else last
    outcome = outcome_of(np.array([[first, last]], dtype), np.array([steps], np.int32), at=-1)
    table = result_table(pd.DataFrame(index=[0]), outcome._asdict(), minimum=1.0)
    assert table["rate"][0] == pytest.approx(rate, rel=1e-15, nan_ok=True)


@pytest.mark.parametrize("at", [-1, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_has_its_dtypes_and_arrays_of_its_own(at: int, dtype: type[Any]) -> None:
    trials = pd.DataFrame({"learning_rate": [0.1, 0.2]}, index=["a", "b"])
    outcome = outcome_of(np.ones((2, 2), dtype), np.array([4, 4]), at=at)
    for array in outcome[:8]:
        array.flags.writeable = False  # as what comes from a device is
    table = result_table(trials, outcome._asdict(), minimum=0.0)
    assert list(table.columns) == ["learning_rate", *RESULT_DTYPES]
    assert {name: table[name].dtype for name in RESULT_DTYPES} == RESULT_DTYPES
    assert table[["converged_at", "diverged_at"]].isna().all(axis=None) == (at == -1)
    table.loc["a", ["learning_rate", "steps", "final_loss"]] = [7.0, 7, 7.0]
    assert table.loc["a", "final_loss"] == 7.0
    assert (trials["learning_rate"]["a"], outcome.steps[0], outcome.final_loss[0]) == (0.1, 4, 1.0)
    assert (trials.index.name, table.index.name) == (None, "trial")


def test_an_old_file_stays_until_the_new_one_is_complete(
    mixed: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sweep.csv"
    path.write_text("precious")

    def fail(file: int) -> None:
        assert os.fstat(file).st_size > 0
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left on device: .*sweep.csv"):
        lrsweep.write_table(mixed, path)
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.csv"]
    assert path.read_text() == "precious"


def test_a_replaced_file_keeps_its_permissions_and_its_link(mixed: pd.DataFrame, tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    lrsweep.write_table(mixed, link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(lrsweep.read_table(real)) == len(mixed)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sweep.txt", "cannot tell the format of .*sweep.txt.* by its ending: use .csv or .parquet"),
        ("nowhere/sweep.csv", "there is no folder .*nowhere.* to write 'sweep.csv' into"),
        ("folder.csv", "is a folder: name a file"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused(
    mixed: pd.DataFrame, name: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match=said):
        lrsweep.write_table(mixed, tmp_path / name)


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ValueError, match="cannot be written to: name another"):
        check_path(tmp_path / "sweep.csv", [".csv"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "it has no column 'trial'"),
        ("trial,b\n1,2\n", "it has no column 'status'"),
        (f"trial,{','.join(RESULT_DTYPES)}\n0,fine,1,,,1,1,1,1,1\n", "holds the status 'fine': there is converged"),
    ],
)
def test_a_file_that_is_no_result_table_is_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(content)
    with pytest.raises(ValueError, match=said):
        lrsweep.read_table(tmp_path / "other.csv")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lrsweep.read_table(tmp_path / "none.csv")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_what_made_a_table_is_kept_with_it(ending: str, search: lrsweep.Sweep, tmp_path: Path) -> None:
    path = tmp_path / f"sweep{ending}"
    lrsweep.write_table(search.table, path)
    read = lrsweep.read_table(path)
    assert read.attrs["provenance"] == search.provenance == search.table.attrs["provenance"]
    # And so through another file, whatever the format.
    lrsweep.write_table(read, tmp_path / "again.csv")
    assert lrsweep.read_table(tmp_path / "again.csv").attrs["provenance"] == search.provenance


def test_a_note_replaces_no_other_programs_file(search: lrsweep.Sweep, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("mine")
    lrsweep.write_table(search.table, tmp_path / "sweep.csv")
    assert (tmp_path / "sweep.json").read_text() == "mine"
    assert lrsweep.read_table(tmp_path / "sweep.csv").attrs["provenance"] == search.provenance
    (tmp_path / "sweep.csv.json").write_text("mine too")
    with pytest.raises(lrsweep.InputError, match="would replace another program's 'sweep"):
        lrsweep.write_table(search.table, tmp_path / "sweep.csv")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_curves_are_read_back_as_they_were_written(ending: str, tmp_path: Path) -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 3.0])
    record = ("loss", "update_norm")
    swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=30, record=record, record_every=5)
    table = swept.curves.table()
    lrsweep.write_table(table, tmp_path / f"curves{ending}")
    assert_frame_equal(lrsweep.read_table(tmp_path / f"curves{ending}"), table, check_exact=True)
    assert table.groupby("trial")["step"].max().tolist() == [min(30, steps // 5 * 5) for steps in swept.table["steps"]]
    tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, steps=20, seeds=range(2)).curves
    lrsweep.write_table(tested, tmp_path / f"tested{ending}")
    assert_frame_equal(lrsweep.read_table(tmp_path / f"tested{ending}"), tested, check_exact=True)
