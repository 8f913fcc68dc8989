"""xarray: Datasets that its own selection and arithmetic read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lrsweep
from tests.export import check_same_statistics

xarray = pytest.importorskip("xarray")


def test_a_grid_has_a_dimension_per_column(swept: lrsweep.Sweep) -> None:
    dataset = lrsweep.export.to_xarray(swept)
    assert dict(dataset.sizes) == {"optimizer": 2, "learning_rate": 3, "seed": 3, "step": 5}
    for label, row in swept.table.iterrows():
        trial = dataset.sel({name: row[name] for name in ("optimizer", "learning_rate", "seed")})
        assert trial["trial"].item() == label
        assert trial["status"].item() == row["status"]
        assert trial["final_loss"].item() == row["final_loss"]
        np.testing.assert_array_equal(trial["loss_curve"], swept.curves["loss"].loc[[label]].to_numpy()[0])
    assert np.isnan(dataset["converged_at"].sel(learning_rate=1.0, optimizer="sgd")).all()
    assert json.loads(dataset.attrs["provenance"])["objective"] == "line"


def test_a_dataset_comes_back_as_the_table(swept: lrsweep.Sweep) -> None:
    frame = lrsweep.export.to_xarray(swept.table).to_dataframe().reset_index()
    check_same_statistics(lrsweep.from_runs(frame, "final_loss", settings=["optimizer"]), swept.table)


def test_trials_that_are_no_grid_have_one_dimension(swept: lrsweep.Sweep) -> None:
    dataset = lrsweep.export.to_xarray(swept.table.iloc[1:])
    assert dict(dataset.sizes) == {"trial": 17}
    assert dataset["learning_rate"].dims == ("trial",)
    np.testing.assert_array_equal(dataset["final_loss"], swept.table["final_loss"].iloc[1:])


def test_what_is_not_known_of_runs_is_nan(scored: pd.DataFrame) -> None:
    dataset = lrsweep.export.to_xarray(scored)
    assert dataset["final_accuracy"].dims == ("learning_rate", "seed")
    assert np.isnan(dataset["steps"]).all()


def test_a_dataset_goes_through_a_file(swept: lrsweep.Sweep, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    # The oldest of the formats, which SciPy writes, has no text of several lengths: numbers alone go into it.
    dataset = lrsweep.export.to_xarray(swept).drop_vars(["optimizer", "status"])
    dataset.to_netcdf(tmp_path / "sweep.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "sweep.nc", engine="scipy") as read:
        np.testing.assert_array_equal(read["final_loss"], dataset["final_loss"])
