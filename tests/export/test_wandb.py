"""Weights & Biases: what its own library writes offline, read back record by record; and runs as it hands them out."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from tests.export import check_same_statistics

# The log of a run is one of LevelDB's: blocks of 32 KiB, in which records may go on in the next.
BLOCK, HEADER = 32768, 7
FULL, FIRST, LAST = 1, 2, 4


class Run:
    """A run as `wandb.Api().runs` gives it."""

    def __init__(self, name: str, config: dict[str, Any], summary: dict[str, Any], state: str = "finished") -> None:
        self.name, self.config, self.summary, self.state, self.job_type = name, config, summary, state, None
        self.rows = [{"_step": step, "val_loss": loss} for step, loss in ((0, 2.0), (5, 0.25), (10, "NaN"))]

    def scan_history(self, keys: list[str]) -> Iterator[dict[str, Any]]:
        return iter([{key: row[key] for key in keys} for row in self.rows])


RUNS = [
    Run("a", {"optimizer": {"lr": 0.1}, "seed": 0, "epochs": 3}, {"val_loss": 0.5, "_step": 10}),
    Run("b", {"optimizer": {"lr": 0.01}, "seed": 0, "epochs": 3}, {"val_loss": 0.75, "_step": 10}),
    Run("c", {"optimizer": {"lr": 3.0}, "seed": 0, "epochs": 3}, {"val_loss": "NaN"}),
    Run("d", {"optimizer": {"lr": 0.1}, "seed": 1, "epochs": 3}, {}, "crashed"),
]


def test_runs_of_the_api_become_a_table() -> None:
    with pytest.raises(ValueError, match=r"1 of 4 runs came to no outcome \(1 failed\)"):
        lrsweep.export.from_wandb(RUNS, "val_loss")
    runs = lrsweep.export.from_wandb(RUNS, "val_loss", missing="drop", curves=True)
    assert runs.table.columns[:3].tolist() == ["learning_rate", "seed", "status"]
    assert runs.table["status"].tolist() == ["finished", "finished", "diverged"]
    assert runs.table["final_loss"].tolist()[:2] == [0.5, 0.75]
    assert runs.table["best_loss"].tolist() == [0.25] * 3
    assert runs.table["steps"].tolist() == [10] * 3
    assert runs.table["diverged_at"].tolist()[2] == 10
    assert runs.curves["loss"].shape == (3, 3)
    assert lrsweep.best_learning_rate(runs.table).learning_rate == 0.1


def test_tables_of_dictionaries_are_read_also_where_they_are_text(tmp_path: Path) -> None:
    parts = ("name", "config", "summary", "state")
    frame = pd.DataFrame([{name: getattr(run, name) for name in parts} for run in RUNS])
    frame.to_csv(tmp_path / "project.csv", index=False)
    table = lrsweep.export.from_wandb(frame, "val_loss", missing="drop").table
    read = lrsweep.export.from_wandb(pd.read_csv(tmp_path / "project.csv"), "val_loss", missing="drop").table
    pd.testing.assert_frame_equal(table, read)
    assert table["learning_rate"].tolist() == [0.1, 0.01, 3.0]


def test_what_the_page_exports_is_read() -> None:
    frame = pd.DataFrame(
        {
            "Name": ["glad-sun-1", "deep-sea-2"],
            "State": ["finished", "finished"],
            "Created": ["2026-01-01", "2026-01-02"],
            "Runtime": [10, 12],
            "lr": [0.1, 0.01],
            "seed": [0, 0],
            "val_loss": [0.5, 0.75],
        }
    )
    table = lrsweep.export.from_wandb(frame, "val_loss").table
    assert table.index.tolist() == ["glad-sun-1", "deep-sea-2"]
    assert table.columns[:3].tolist() == ["learning_rate", "seed", "status"]
    assert table["status"].tolist() == ["finished", "finished"]


def test_what_are_no_runs_is_refused() -> None:
    with pytest.raises(TypeError, match="must be what wandb.Api\\(\\).runs gives, or a table, not a str"):
        lrsweep.export.from_wandb("team/project", "val_loss")
    with pytest.raises(ValueError, match="there are no runs"):
        lrsweep.export.from_wandb([], "val_loss")
    with pytest.raises(ValueError, match="a run's config, 'lr: 1', is no dictionary"):
        lrsweep.export.from_wandb(pd.DataFrame({"config": ["lr: 1"], "summary": ["{}"]}), "val_loss")


def records(folder: Path) -> Iterator[Any]:
    """The records of a run that was written offline, in W&B's own messages."""
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")

    (file,) = folder.glob("*.wandb")
    content, at, whole = file.read_bytes(), HEADER, b""
    while at + HEADER <= len(content):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        part, at = content[at + HEADER : at + HEADER + length], at + HEADER + length
        whole = part if kind in (FULL, FIRST) else whole + part
        if kind in (FULL, LAST):
            record = messages.Record()
            record.ParseFromString(whole)
            yield record


def read_offline(folder: Path) -> dict[str, Any]:
    """A run that was written offline: its config, its summary and its history."""
    run: dict[str, Any] = {"config": {}, "summary": {}, "history": []}
    # W&B's own process may still be writing when the run has finished.
    for _ in range(200):
        if any(record.HasField("exit") for record in records(folder)):
            break
        time.sleep(0.1)
    for record in records(folder):
        if record.HasField("run"):
            run["name"], run["job_type"], run["notes"] = record.run.display_name, record.run.job_type, record.run.notes
            run["config"] |= {each.key: json.loads(each.value_json) for each in record.run.config.update}
            run["group"] = record.run.run_group
        if record.HasField("summary"):
            names = [(each.key or each.nested_key[0], each.value_json) for each in record.summary.update]
            run["summary"] |= {name: json.loads(value) for name, value in names}
        if record.HasField("history"):
            items = [(each.key or "/".join(each.nested_key), each.value_json) for each in record.history.item]
            row = {name: json.loads(value) for name, value in items}
            run["history"].append(row | {"_step": record.history.step.num})
    run["config"] = {name: value for name, value in run["config"].items() if name != "_wandb"}
    return run | {"state": "finished"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that W&B writes into, without a network."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # W&B leaves what it has opened to the end of the process
def test_runs_of_settings_have_their_statistics_and_their_curves(swept: lrsweep.Sweep, offline: Path) -> None:
    ids = lrsweep.export.to_wandb(swept, mode="offline", folder=str(offline), name="lines")
    whole, *settings = [read_offline(next(offline.glob(f"wandb/offline-run-*-{each}"))) for each in ids]
    assert whole["notes"].startswith("Use optimizer sgd, learning_rate 0.1")
    assert whole["config"]["objective"] == "line"
    assert {run["group"] for run in (whole, *settings)} == {"lines"}
    for run, (_, row) in zip(settings, lrsweep.summarize(swept.table).iterrows(), strict=True):
        assert run["config"] == {"optimizer": row["optimizer"], "learning_rate": row["learning_rate"]}
        assert float(run["summary"]["median_final_loss"]) == row["median_final_loss"]
        assert run["history"][0]["_step"] == 0
    losses = swept.curves["loss"].loc[swept.table["learning_rate"] == 0.01].iloc[:3]
    slow = next(run for run in settings if run["config"] == {"optimizer": "sgd", "learning_rate": 0.01})
    assert [row["loss/median"] for row in slow["history"]] == losses.median().tolist()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_runs_of_trials_come_back_as_the_table(swept: lrsweep.Sweep, offline: Path) -> None:
    ids = lrsweep.export.to_wandb(swept, mode="offline", folder=str(offline), per_trial=True, pictures=False)
    read = [read_offline(next(offline.glob(f"wandb/offline-run-*-{each}"))) for each in ids]
    runs = lrsweep.export.from_wandb(read, curves=True)
    check_same_statistics(runs.table, swept.table)
    np.testing.assert_array_equal(runs.curves["loss"], swept.curves["loss"])
