"""TensorBoard: event files that its own reader reads, and those of PyTorch's writer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lrsweep
from tests.export import check_same_statistics

EventAccumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator
make_ndarray = pytest.importorskip("tensorboard.util.tensor_util").make_ndarray


def test_a_folder_of_a_setting_has_its_statistics_and_its_curves(swept: lrsweep.Sweep, tmp_path: Path) -> None:
    whole, *folders = lrsweep.export.to_tensorboard(swept, tmp_path / "logs")
    summary = lrsweep.summarize(swept.table)
    for folder, (_, row) in zip(folders, summary.iterrows(), strict=True):
        events = EventAccumulator(str(folder))
        events.Reload()
        (last,) = events.Tensors("statistics/median_final_loss")
        assert make_ndarray(last.tensor_proto) == np.float32(row["median_final_loss"])
        assert {"loss/median", "loss/lower_quartile", "loss/upper_quartile"} <= set(events.Tags()["tensors"])
        assert [event.step for event in events.Tensors("loss/median")][:1] == [0]
    events = EventAccumulator(str(whole))
    events.Reload()
    assert sorted(events.Tags()["images"]) == ["loss", "overview"]
    assert events.Images("overview")[0].encoded_image_string[:4] == b"\x89PNG"
    assert (
        make_ndarray(events.Tensors("answer")[0].tensor_proto)
        .item()
        .startswith(b"Use optimizer sgd, learning_rate 0.1")
    )


def test_event_files_of_trials_come_back_as_the_table(swept: lrsweep.Sweep, tmp_path: Path) -> None:
    lrsweep.export.to_tensorboard(swept, tmp_path, per_trial=True, pictures=False)
    runs = lrsweep.export.from_tensorboard(tmp_path)
    # TensorBoard keeps numbers in 32 bits.
    check_same_statistics(runs.table, swept.table, rtol=1e-6)
    assert runs.curves["loss"].shape == (18, 5)


def test_a_folder_that_is_not_empty_is_left_alone(search: lrsweep.Sweep, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(ValueError, match="is there and not empty: name a new folder"):
        lrsweep.export.to_tensorboard(search, tmp_path)


def log(folder: Path, losses: list[float], hparams: dict[str, object] | None = None) -> None:
    """Logs a run as a PyTorch user does."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    with torch_writer(str(folder)) as writer:
        for epoch, loss in enumerate(losses):
            writer.add_scalar("loss/val", loss, epoch * 100)
        if hparams is not None:
            writer.add_hparams(hparams, {"hparam/loss": losses[-1]})


def test_what_pytorch_logs_becomes_a_table(tmp_path: Path) -> None:
    log(tmp_path / "a", [2.0, 0.25, 0.5], {"lr": 0.1, "width": 8, "seed": 0})
    log(tmp_path / "b", [2.0, 1.5, 1.0], {"lr": 0.01, "width": 8, "seed": 0})
    log(tmp_path / "c", [2.0, float("nan"), float("nan")], {"lr": 1.0, "width": 8, "seed": 0})
    runs = lrsweep.export.from_tensorboard(tmp_path, "loss/val")
    table = runs.table
    assert table["learning_rate"].tolist() == [0.1, 0.01, 1.0]
    assert table["status"].tolist() == ["finished", "finished", "diverged"]
    assert table["final_loss"].tolist()[:2] == [0.5, 1.0]
    assert table["best_loss"].tolist() == [0.25, 1.0, 2.0]
    assert table["best_at"].tolist() == [100, 200, 0]
    assert table["steps"].tolist() == [200, 200, 200]
    assert table["diverged_at"].tolist()[2] == 100
    assert table["run"].tolist() == ["a", "b", "c"]
    assert runs.curves["loss"].columns.tolist() == [0, 100, 200]
    medians = lrsweep.summarize_curves(table, runs.curves["loss"])["median"].tolist()
    assert medians == [2.0, 0.25, 0.5, 2.0, 1.5, 1.0, 2.0, np.inf, np.inf]


def test_settings_are_read_from_the_names_of_folders_where_none_were_logged(tmp_path: Path) -> None:
    log(tmp_path / "lr=0.1" / "seed=0", [1.0, 0.5])
    log(tmp_path / "lr=0.1" / "seed=1", [1.0, 0.7])
    table = lrsweep.export.from_tensorboard(tmp_path, "loss/val").table
    assert table[["learning_rate", "seed", "final_loss"]].to_numpy().round(6).tolist() == [[0.1, 0, 0.5], [0.1, 1, 0.7]]
    with pytest.raises(ValueError, match="no run has the tag 'loss/train': there is: loss/val"):
        lrsweep.export.from_tensorboard(tmp_path, "loss/train")


def test_a_folder_without_event_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no event files of TensorBoard with scalars"):
        lrsweep.export.from_tensorboard(tmp_path, "loss")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        lrsweep.export.from_tensorboard(tmp_path / "none", "loss")


def test_a_metric_decides_where_it_is_named(scored: pd.DataFrame, tmp_path: Path) -> None:
    lrsweep.export.to_tensorboard(scored, tmp_path, per_trial=True)
    table = lrsweep.export.from_tensorboard(tmp_path, metric="statistics/final_accuracy", settings=[]).table
    assert lrsweep.best_learning_rate(table)[:3] == lrsweep.best_learning_rate(scored)[:3]
