"""The result table: in and out of files unchanged, replaced only when complete."""

from pathlib import Path

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep import table as table_module
from lrsweep.table import RESULT_DTYPES
from lrsweep.watch import Outcome


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
    table = table_module.result_table(pd.DataFrame(index=range(4)), outcome, minimum=1.0)
    # (1 / 16) ** (1 / 4), (64 / 8) ** (1 / 3); no update was made; no gap to begin with.
    assert table["rate"].tolist()[:2] == pytest.approx([0.5, 2.0])
    assert table["rate"].isna().tolist() == [False, False, True, True]
    assert table["converged_at"].tolist() == [pd.NA, pd.NA, pd.NA, 0]
    assert table["status"].tolist() == ["slow", "slow", "diverged", "converged"]


def test_an_old_file_stays_until_the_new_one_is_complete(
    mixed: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sweep.csv"
    path.write_text("precious")

    def fail(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space left"):
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
        table_module.check_path(tmp_path / "sweep.csv")


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
