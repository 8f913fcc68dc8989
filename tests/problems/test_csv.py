"""A CSV file as a regression: real data, and everything that is refused."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import lrsweep


@pytest.mark.usefixtures("x64")
def test_the_diabetes_regression_reaches_the_least_squares_solution(diabetes: Path) -> None:
    objective = lrsweep.regression_from_csv(diabetes, "target")
    trials = lrsweep.grid(learning_rate=[0.2], seed=range(3))
    stopping = lrsweep.Stopping(tolerance=1e-12)
    sweep = lrsweep.sweep(objective, optax.sgd, trials, steps=20_000, stopping=stopping)
    assert (sweep.table["status"] == "converged").all()

    frame = pd.read_csv(diabetes)
    standard = (frame - frame.mean()) / frame.std(ddof=0)
    features, target = standard.drop(columns="target").to_numpy(), standard["target"].to_numpy()
    exact = LinearRegression().fit(features, target)
    assert objective.minimum == pytest.approx(1 - exact.score(features, target), rel=1e-12)
    for trial in trials.index:
        assert sweep.table["final_loss"][trial] == pytest.approx(objective.minimum, rel=1e-10)
        params = sweep.replay(trial).params
        # The flattest direction's sharpness is 0.017: a gap of 1e-11 leaves it uncertain to 4e-5.
        np.testing.assert_allclose(params["coefficients"], exact.coef_, atol=1e-4)
        assert params["intercept"] == pytest.approx(0.0, abs=1e-4)


def test_raw_columns_keep_the_files_units(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("x,y\n0,-1\n1,1\n3,5.5\n")
    objective = lrsweep.regression_from_csv(path, "y", raw=True)
    assert objective.data["X"].tolist() == [[0.0], [1.0], [3.0]]
    slope, intercept = np.polyfit([0, 1, 3], [-1, 1, 5.5], 1)
    assert objective.minimum == pytest.approx(np.mean((np.polyval([slope, intercept], [0, 1, 3]) - [-1, 1, 5.5]) ** 2))
    assert float(objective.loss({"coefficients": jnp.zeros(1), "intercept": jnp.zeros(())}, objective.data)) == (
        pytest.approx((1 + 1 + 5.5**2) / 3)
    )


def test_text_is_left_out_and_a_boolean_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text("name,x,ok,y\nann,1,True,2\nbob,2,False,1\ncat,4,True,7\n")
    objective = lrsweep.regression_from_csv(path, "y", raw=True)
    assert objective.data["X"].tolist() == [[1, 1], [2, 0], [4, 1]]
    assert objective.source is not None
    assert objective.source["left_out"] == {"name": "3 different words in 3 rows"}


def test_a_byte_order_mark_spaces_and_quotes_are_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "spaced.csv"
    path.write_bytes('\ufeffx, "y"\r\n1, 2\r\n2, 5\r\n3, 1\r\n'.encode())
    assert lrsweep.regression_from_csv(path, "y").data["X"].shape == (3, 1)


REFUSED: list[Any] = [
    pytest.param(b"x,y\n1,2\n2,4\n", "z", "there is no column 'z': there is: x, y", id="no such target"),
    pytest.param(b"Price,y\n1,2\n2,4\n", "price", "did you mean 'Price'", id="nearly such a target"),
    pytest.param(b"name,y\nann,1\nbob,2\n", "y", "no column beside the target 'y' .*different words", id="only text"),
    pytest.param(b"x,y\n1,low\n2,high\n", "y", "the target 'y' is not numeric: row 1 holds 'low'", id="text target"),
    pytest.param(
        b"x,y\n1,2\n,4\n3,1\n", "y", r"missing values in 1 of 3 rows \('x' 1\): say .*--missing", id="missing value"
    ),
    pytest.param(b"x,y\n1,2\n3\n", "y", r"1 of 2 rows \('y' 1\): --missing drop", id="short row"),
    pytest.param(b"x,y\n1,2\n2,4\n3,-inf\n", "y", "has an infinite value in row 3 of column 'y'", id="infinite value"),
    pytest.param(b"x,y\n1,3\n2,3\n", "y", r"the target 'y' is constant \(3\)", id="constant target"),
    pytest.param(b"x,y\n1,2\n", "y", "has 1 row of data: at least two", id="one row"),
    pytest.param(b"x,y\n", "y", "has 0 rows of data: at least two", id="no row"),
    pytest.param(b"x,x,y\n1,2,3\n2,3,4\n", "y", "has two columns 'x': names must differ", id="duplicate column"),
    pytest.param(b"", "y", "is not CSV", id="empty file"),
    pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00\x00", "y", "is not CSV", id="picture"),
    pytest.param(b"x,y\n1,2\n2,3,4\n", "y", "is not CSV: .*Expected 2 fields in line 3, saw 3", id="long row"),
    pytest.param(b"x,y\n1,2,3\n2,3,4\n", "y", "row 1 has 3 fields, and the header 2", id="long rows"),
    pytest.param(b"1,2\n2,4\n", "2", "has no header: its first row is '1, 2': write a line", id="no header"),
    pytest.param(b'x,y\n1,"a\n', "y", "is not CSV", id="open quote"),
]


@pytest.mark.parametrize(("content", "target", "said"), REFUSED)
def test_a_file_that_is_no_regression_is_refused(content: bytes, target: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as raised:
        lrsweep.regression_from_csv(path, target)
    assert "data.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lrsweep.regression_from_csv(tmp_path / "none.csv", "y")
    with pytest.raises(ValueError, match="is a folder: name a file"):
        lrsweep.regression_from_csv(tmp_path, "y")
