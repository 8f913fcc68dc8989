"""What is written of a result: an entry per setting with its statistics and curves, or per trial."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.export._entries import contents_of, entries_of, pictures_of


def test_an_entry_per_setting_has_what_summarize_has(swept: lrsweep.Sweep) -> None:
    summary = lrsweep.summarize(swept.table)
    entries = entries_of(contents_of(swept), per_trial=False)
    assert [entry.settings["learning_rate"] for entry in entries] == summary["learning_rate"].tolist()
    for entry, (_, row) in zip(entries, summary.iterrows(), strict=True):
        numbers = row.drop(["optimizer", "learning_rate"])
        assert entry.numbers == {name: value for name, value in numbers.items() if not pd.isna(value)}


def test_curves_of_a_setting_are_its_quartiles_up_to_its_end(swept: lrsweep.Sweep) -> None:
    entries = entries_of(contents_of(swept), per_trial=False)
    table = swept.table.reset_index(drop=True)
    for entry in entries:
        rows = table.index[(table[list(entry.settings)] == pd.Series(entry.settings)).all(axis=1)]
        curve, losses = entry.curves["loss"], swept.curves["loss"].iloc[rows]
        assert curve.columns.tolist() == ["lower_quartile", "median", "upper_quartile"]
        assert curve["median"].iloc[0] == np.median(losses[0])
        assert curve.index[-1] >= table.loc[rows, "steps"].max() or curve.index[-1] == 40


def test_an_entry_per_trial_has_its_row(swept: lrsweep.Sweep) -> None:
    entry = entries_of(contents_of(swept), per_trial=True)[4]
    row = swept.table.iloc[4]
    assert entry.name == "optimizer=sgd, learning_rate=0.1, seed=1"
    assert entry.settings == {"optimizer": "sgd", "learning_rate": 0.1, "seed": 1}
    assert entry.words == {"status": row["status"]}
    assert entry.numbers["final_loss"] == row["final_loss"]
    assert "diverged_at" not in entry.numbers
    assert entry.curves["loss"]["value"].tolist() == swept.curves["loss"].iloc[4].dropna().tolist()


def test_the_median_of_what_is_better_the_greater_lies_between_its_quartiles(swept: lrsweep.Sweep) -> None:
    curves = lrsweep.Curves({"accuracy": 1 / (1 + swept.curves["loss"])})
    entries = entries_of(contents_of(lrsweep.export.Runs(swept.table, curves)), per_trial=False)
    curve = next(entry for entry in entries if entry.settings["learning_rate"] == 0.01).curves["accuracy"]
    assert (curve["lower_quartile"] <= curve["median"]).all()
    assert (curve["median"] <= curve["upper_quartile"]).all()


def test_a_long_curve_is_thinned(search: lrsweep.Sweep) -> None:
    long = pd.DataFrame(np.ones((3, 4001)), search.table.index, pd.RangeIndex(4001, name="step"))
    table = search.table.assign(steps=4000)
    (entry, *_) = entries_of(contents_of(lrsweep.export.Runs(table, lrsweep.Curves(loss=long))), per_trial=False)
    assert len(entry.curves["loss"]) == 500
    assert entry.curves["loss"].index[[0, -1]].tolist() == [0, 4000]


def test_pictures_are_png(swept: lrsweep.Sweep, scored: pd.DataFrame) -> None:
    assert {name: picture[:4] for name, picture in pictures_of(contents_of(swept)).items()} == dict.fromkeys(
        ("overview", "loss"), b"\x89PNG"
    )
    assert list(pictures_of(contents_of(scored))) == ["overview"]


@pytest.mark.parametrize("result", [3, [1, 2], None, pd.DataFrame({"a": [1]})])
def test_what_is_no_result_is_refused(result: Any) -> None:
    with pytest.raises(ValueError, match="must be a Sweep or a result table, not a|it has no column 'status'"):
        contents_of(result)
