"""Optuna: studies that are written and read, by Optuna itself."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lrsweep
from tests.export import check_same_statistics

optuna = pytest.importorskip("optuna")


def test_a_study_in_a_file_has_the_settings_and_their_medians(swept: lrsweep.Sweep, tmp_path: Path) -> None:
    written, storage = (optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}") for _ in range(2))
    lrsweep.export.to_optuna(swept, storage=written, name="line")
    study = optuna.load_study(study_name="line", storage=storage)
    summary = lrsweep.summarize(swept.table)
    assert [trial.params["learning_rate"] for trial in study.trials] == summary["learning_rate"].tolist()
    assert [trial.params["optimizer"] for trial in study.trials] == summary["optimizer"].tolist()
    assert [trial.value for trial in study.trials] == summary["median_final_loss"].tolist()
    assert study.best_value == summary["median_final_loss"].min()
    assert study.trials[1].intermediate_values[0] == pytest.approx(swept.curves["loss"][0].iloc[3:6].median())
    assert study.user_attrs["answer"].startswith("Use optimizer sgd, learning_rate 0.1")
    with pytest.raises(ValueError, match="has a study 'line' already: give another name"):
        lrsweep.export.to_optuna(swept, storage=storage, name="line")
    for each in (written, storage):
        each.remove_session()
        each.engine.dispose()


def test_a_study_goes_on_with_its_own_samplers(swept: lrsweep.Sweep) -> None:
    study = lrsweep.export.to_optuna(swept)
    study.sampler = optuna.samplers.RandomSampler(seed=1)
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 0.01, 1.0, log=True), n_trials=2)
    assert len(study.trials) == 8


def test_a_study_of_trials_comes_back_as_the_table(swept: lrsweep.Sweep) -> None:
    runs = lrsweep.export.from_optuna(lrsweep.export.to_optuna(swept, per_trial=True))
    check_same_statistics(runs.table, swept.table)
    pd.testing.assert_frame_equal(runs.table[swept.table.columns], swept.table, check_dtype=False)
    pd.testing.assert_frame_equal(runs.curves["loss"], swept.curves["loss"], check_column_type=False)


def test_a_metric_is_maximised(scored: pd.DataFrame) -> None:
    study = lrsweep.export.to_optuna(scored)
    best = scored.groupby("learning_rate")["final_accuracy"].median()
    assert study.best_params == {"learning_rate": best.idxmax()}
    assert study.best_value == best.max()
    runs = lrsweep.export.from_optuna(lrsweep.export.to_optuna(scored, per_trial=True))
    assert lrsweep.best_learning_rate(runs.table) == lrsweep.best_learning_rate(scored)


def searched(trial: Any) -> float:
    """An objective as people write it, in which a run may fail and may be pruned."""
    rate = trial.suggest_float("lr", 1e-3, 1, log=True)
    trial.suggest_categorical("width", [8, 16])
    trial.set_user_attr("seed", trial.number % 3)
    for epoch in range(1, 4):
        trial.report(abs(math.log10(rate) + 1.5) + 1 / epoch, epoch)
        if trial.number == 4 and epoch == 2:
            raise optuna.TrialPruned
    return math.nan if trial.number == 6 else abs(math.log10(rate) + 1.5)


def test_a_study_that_optuna_ran_becomes_a_table() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    study.optimize(searched, n_trials=8)
    with pytest.raises(ValueError, match=r"1 of 8 runs came to no outcome \(1 failed\)"):
        lrsweep.export.from_optuna(study)
    runs = lrsweep.export.from_optuna(study, missing="diverged")
    table = runs.table
    assert table.columns[:3].tolist() == ["learning_rate", "width", "seed"]
    assert table["status"].tolist() == ["finished"] * 4 + ["dropped", "finished", "diverged", "finished"]
    assert table["final_loss"].drop(6).tolist() == [trial.value for trial in study.trials if trial.number != 6]
    assert table[["steps", "best_at"]].to_numpy()[4].tolist() == [2, 2]
    assert runs.curves["loss"].shape == (8, 3)
    best = lrsweep.best_setting(table)
    assert best["learning_rate"] == study.best_params["lr"]


def test_what_is_no_study_of_one_objective_is_refused() -> None:
    with pytest.raises(TypeError, match=r"must be an optuna\.Study, not a str"):
        lrsweep.export.from_optuna("study")
    with pytest.raises(ValueError, match="the study has 2 objectives"):
        lrsweep.export.from_optuna(optuna.create_study(directions=["minimize", "maximize"]))
    with pytest.raises(ValueError, match="the study has no trials"):
        lrsweep.export.from_optuna(optuna.create_study())
