"""MLflow: runs in a database, read back by its own client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from tests.export import check_same_statistics


def test_what_search_runs_gives_becomes_a_table() -> None:
    frame = pd.DataFrame(
        {
            "run_id": list("abcde"),
            "status": ["FINISHED", "FINISHED", "FINISHED", "RUNNING", "FINISHED"],
            "start_time": pd.Timestamp("2026-01-01"),
            "params.optimizer.lr": ["0.1", "0.01", "3.0", "0.1", None],
            "params.seed": ["0", "0", "0", "1", None],
            "params.epochs": ["3", "3", "3", "3", None],
            "metrics.val_loss": [0.25, 0.5, np.nan, 0.9, np.nan],
            "tags.mlflow.parentRunId": ["e", "e", "e", "e", None],
        }
    )
    runs = lrsweep.export.from_mlflow(frame, "val_loss", missing="drop")
    assert runs.table.columns[:3].tolist() == ["learning_rate", "seed", "status"]
    assert runs.table["status"].tolist() == ["finished", "finished", "diverged"]
    assert runs.table["run_id"].tolist() == ["a", "b", "c"]
    assert lrsweep.best_learning_rate(runs.table).learning_rate == 0.1
    assert len(runs.curves) == 0


def test_a_table_that_is_not_of_mlflow_is_refused() -> None:
    with pytest.raises(ValueError, match="not what mlflow.search_runs gives: it has no column 'run_id'"):
        lrsweep.export.from_mlflow(pd.DataFrame({"lr": [0.1]}), "loss")
    with pytest.raises(TypeError, match="must be what mlflow.search_runs gives, not a list"):
        lrsweep.export.from_mlflow([], "loss")  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a database of its own, which takes MLflow seconds to make."""
    mlflow = pytest.importorskip("mlflow")
    folder: Path = tmp_path_factory.mktemp("mlflow")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    yield mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    patch.undo()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of one another
def test_a_run_has_a_setting_its_statistics_and_its_curves(swept: lrsweep.Sweep, client: Any) -> None:
    whole = lrsweep.export.to_mlflow(swept, tracking_uri=client.tracking_uri, experiment="settings")
    experiment = client.get_experiment_by_name("settings").experiment_id
    runs = client.search_runs(
        [experiment], f"tags.mlflow.parentRunId = '{whole}'", order_by=["attributes.start_time ASC"]
    )
    summary = lrsweep.summarize(swept.table)
    assert len(runs) == len(summary)
    for _, row in summary.iterrows():
        (run,) = [
            run
            for run in runs
            if (run.data.params["optimizer"], float(run.data.params["learning_rate"]))
            == (row["optimizer"], row["learning_rate"])
        ]
        for name in ("trials", "converged", "converged_low", "median_best_loss"):
            assert run.data.metrics[name] == min(row[name], np.finfo(float).max)
        points = client.get_metric_history(run.info.run_id, "loss/median")
        assert points[0].step == 0
        assert len(points) > 1
    artifacts = {file.path for file in client.list_artifacts(whole)}
    assert artifacts == {"table.csv", "curves.csv", "provenance.json", "overview.png", "loss.png"}
    table = lrsweep.read_table(client.download_artifacts(whole, "table.csv"))
    pd.testing.assert_frame_equal(table, swept.table)
    assert "Use optimizer sgd, learning_rate 0.1" in client.get_run(whole).data.tags["mlflow.note.content"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_runs_of_trials_come_back_as_the_table(swept: lrsweep.Sweep, client: Any) -> None:
    import mlflow  # pyright: ignore[reportMissingImports]

    uri = client.tracking_uri
    lrsweep.export.to_mlflow(swept, tracking_uri=uri, experiment="trials", per_trial=True, pictures=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    frame = mlflow.search_runs(experiment_names=["trials"])
    mlflow.set_tracking_uri(before)
    runs = lrsweep.export.from_mlflow(frame, client=client)
    check_same_statistics(runs.table, swept.table)
    assert runs.curves["loss"].shape == (18, 5)
