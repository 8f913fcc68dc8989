"""Runs of other programs as result tables: which column is what, how runs ended, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._verdict import judge
from lrsweep.tables._runs import read_runs

RATES, SEEDS = [0.001, 0.01, 0.1, 1.0], range(7)


def drawn(**columns: Any) -> pd.DataFrame:
    """Runs of two optimizers at four learning rates, seven seeds each, as a script of another library notes them."""
    draw = np.random.default_rng(3)
    rows = [(rate, seed, name) for name in ("sgd", "adam") for rate in RATES for seed in SEEDS]
    frame = pd.DataFrame(rows, columns=pd.Index(["lr", "seed", "optimizer"]))
    frame["val_loss"] = (np.log10(frame["lr"]) + 1.8) ** 2 + 0.3 + draw.gamma(2, 0.1, len(frame))
    frame.loc[frame["lr"] == 1, "val_loss"] = np.nan
    return frame.assign(**columns)


def test_statistics_of_runs_are_those_of_pandas() -> None:
    frame = drawn()
    summary = lrsweep.summarize(lrsweep.from_runs(frame, "val_loss"))
    losses = frame.groupby(["lr", "optimizer"], sort=False)["val_loss"]
    assert summary["trials"].tolist() == [7] * 8
    assert summary["diverged"].tolist() == [0, 0, 0, 1] * 2
    for name, share in {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}.items():
        expected = losses.quantile(share).fillna(np.inf).to_numpy()
        np.testing.assert_allclose(summary[f"{name}_final_loss"], expected)


def test_the_best_of_runs_is_the_least_median() -> None:
    frame = drawn()
    table = lrsweep.from_runs(frame, "val_loss")
    best = frame.groupby(["lr", "optimizer"])["val_loss"].median().idxmin()
    found = lrsweep.best_learning_rate(table)
    assert (found.learning_rate, found.setting["optimizer"]) == best
    assert found.low <= found.learning_rate <= found.high
    assert lrsweep.best_learning_rate(table, rule="safe").learning_rate == 0.1


def test_a_table_of_a_sweep_comes_back_as_it_was(search: lrsweep.Sweep) -> None:
    shuffled = search.table[search.table.columns[::-1]]
    table = lrsweep.from_runs(shuffled, "final_loss", settings=[])
    pd.testing.assert_frame_equal(table, search.table)


@pytest.mark.parametrize("name", ["lr", "learning_rate", "optimizer.lr", "config/lr", "Learning Rate", "eta"])
def test_a_learning_rate_is_found_by_what_it_is_called(name: str) -> None:
    table = lrsweep.from_runs(pd.DataFrame({name: [0.1], "val_loss": [1.0]}), "val_loss")
    assert table["learning_rate"].tolist() == [0.1]


def test_columns_can_be_named() -> None:
    frame = drawn().rename(columns={"lr": "peak", "seed": "draw"})
    table = lrsweep.from_runs(frame, "val_loss", learning_rate="peak", seed="draw")
    assert table.columns.tolist()[:3] == ["learning_rate", "seed", "optimizer"]


def test_what_makes_no_setting_stands_behind_the_outcomes() -> None:
    table = lrsweep.from_runs(drawn(seconds=np.arange(56.0)), "val_loss", settings="optimizer")
    assert table.columns.tolist()[-2:] == ["rate", "seconds"]
    assert lrsweep.summarize_outcome(table, "seconds", by="optimizer")["median"].tolist() == [13.5, 41.5]


def test_what_is_not_known_is_missing() -> None:
    table = lrsweep.from_runs(drawn(), "val_loss")
    assert table[["steps", "converged_at", "diverged_at", "best_at", "initial_loss", "rate"]].isna().all(axis=None)
    assert table["best_loss"].equals(table["final_loss"])
    assert set(table["status"]) == {"finished", "diverged"}


def test_what_is_known_is_taken() -> None:
    known = {"steps": 100, "initial_loss": 2.3, "converged_at": pd.array([40, None] * 28, dtype="Int64")}
    table = lrsweep.from_runs(drawn(**known, best_loss=0.1), "val_loss")
    assert table["steps"].dtype == np.int64
    assert table["initial_loss"].eq(2.3).all()
    assert table["best_loss"].eq(0.1).all()
    assert table.loc[table["learning_rate"] < 1, "status"].tolist()[:2] == ["converged", "finished"]
    # Of the three or four of seven that converged at 40, half do by then where there are four.
    medians = lrsweep.summarize(table)["median_converged_at"]
    assert medians.iloc[0] == 40
    assert pd.isna(medians.iloc[1])


def test_the_greatest_value_of_a_metric_is_the_best_where_its_name_tells() -> None:
    frame = drawn()
    frame["val_acc"] = 1 / (1 + frame["val_loss"])
    alone = lrsweep.from_runs(frame.drop(columns="val_loss"), metric="val_acc")
    beside = lrsweep.from_runs(frame, "val_loss", metric="val_acc")
    best: Any = frame.groupby(["lr", "optimizer"])["val_acc"].median().idxmax()
    for table in (alone, beside):
        assert lrsweep.best_learning_rate(table).learning_rate == best[0]
        assert lrsweep.best_learning_rate(table).rule == "metric"
    assert "its median final val acc, " in judge(alone)
    assert "median_final_loss" not in judge(alone)
    assert lrsweep.sensitivity(alone)["learning_rate"].isna().all()
    assert (lrsweep.sensitivity(beside)["decades"] > 0).all()


def test_what_missing_costs_is_told_where_the_start_is_known() -> None:
    losses = drawn().query("optimizer == 'sgd'").drop(columns="optimizer")
    table = lrsweep.from_runs(losses, "val_loss")
    assert lrsweep.sensitivity(table)["sensitivity"].isna().all()
    assert "at most 2 times the least" in judge(table)
    assert "on average" not in judge(table)
    costs = "From 0.002578 to 0.1 the final loss is at most 2 times the least."
    assert judge(table).endswith(f"{costs} Stay clear of learning_rate 1: trials diverged there.")
    assert judge(table, "safe").endswith(f"no trial diverged there or below. {costs}")
    started = lrsweep.from_runs(losses.assign(initial_loss=2.3), "val_loss")
    medians = losses.fillna({"val_loss": np.inf}).groupby("lr")["val_loss"].median().clip(upper=2.3)
    cost = lrsweep.sensitivity(started)["sensitivity"].item()
    assert cost == pytest.approx((medians - medians.min()).mean())
    assert "on average" in judge(started)
    assert "no median loss ended above its start" in judge(started, "safe")


def test_the_least_value_of_a_metric_is_the_best_where_mode_says_so() -> None:
    table = lrsweep.from_runs(drawn().rename(columns={"val_loss": "perplexity"}), metric="perplexity", mode="min")
    assert lrsweep.best_learning_rate(table) == lrsweep.best_learning_rate(
        lrsweep.from_runs(drawn(), "val_loss")
    )._replace(rule="metric")


def test_how_runs_ended_is_read_from_their_states() -> None:
    words = ["COMPLETE", "finished", "PRUNED", "FAIL", "crashed", "running"]
    frame = pd.DataFrame({"lr": 0.1, "seed": range(6), "state": words, "loss": [1.0, None, 3.0, 4.0, None, 6.0]})
    with pytest.raises(
        ValueError, match=r"3 of 6 runs came to no outcome \(2 failed, 1 have not ended\): missing='drop'"
    ):
        lrsweep.from_runs(frame, "loss")
    dropped = lrsweep.from_runs(frame, "loss", missing="drop")
    assert dropped["status"].tolist() == ["finished", "diverged", "dropped"]
    counted = lrsweep.from_runs(frame, "loss", missing="diverged")
    assert counted["status"].tolist() == ["finished", "diverged", "dropped", "diverged", "diverged"]
    assert counted.index.tolist() == [0, 1, 2, 3, 4]


def test_what_is_missing_is_told_from_what_is_not_a_number(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("lr,loss\n0.1,0.5\n1.0,nan\n2.0,\n3.0,inf\n")
    frame = read_runs(tmp_path / "runs.csv")
    assert lrsweep.from_runs(frame, "loss", missing="drop")["status"].tolist() == ["finished", "diverged", "diverged"]
    with pytest.raises(ValueError, match=r"1 of 4 runs came to no outcome \(1 have no loss\)"):
        lrsweep.from_runs(frame, "loss")


def test_numbers_may_be_words() -> None:
    frame = pd.DataFrame({"lr": ["0.1", "1e-2"], "seed": [0, 1], "loss": ["Infinity", "0.25"]})
    table = lrsweep.from_runs(frame, "loss")
    assert table["learning_rate"].tolist() == [0.1, 0.01]
    assert table["final_loss"].tolist() == [np.inf, 0.25]


def test_a_table_of_runs_goes_through_files_unchanged(tmp_path: Path) -> None:
    for mode in ("val_loss", "seconds"):
        table = lrsweep.from_runs(drawn(seconds=np.arange(56.0)), metric=mode, mode="min", settings="optimizer")
        for ending in (".csv", ".parquet"):
            lrsweep.write_table(table, tmp_path / f"runs{ending}")
            pd.testing.assert_frame_equal(lrsweep.read_table(tmp_path / f"runs{ending}"), table)


def test_a_report_of_runs_says_what_to_take(tmp_path: Path) -> None:
    lrsweep.write_report(lrsweep.from_runs(drawn(), "val_loss"), tmp_path / "runs.html")
    page = (tmp_path / "runs.html").read_text()
    assert "Use learning_rate 0.01" in page
    assert "does not tell whether it was still improving" in page


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no outcome": ({}, "name the column of the loss, loss='...', or of a metric; there is: lr, seed, val_loss"),
    "no such column": ({"loss": "vall_loss"}, "there is no column 'vall_loss': did you mean 'val_loss'?"),
    "a loss that is none": ({"loss": "val_acc"}, "'val_acc' is called like what is the better the greater"),
    "a loss to be great": ({"loss": "val_loss", "mode": "max"}, "name what mode='max' is of, metric='val_loss'"),
    "a metric of no mode": (
        {"metric": "seconds"},
        "the name 'seconds' does not tell whether its least or its greatest value is the best: say mode='min'",
    ),
    "an unknown mode": ({"metric": "seconds", "mode": "most"}, "mode='most' must be 'min' or 'max'"),
    "no such learning rate": ({"loss": "val_loss", "learning_rate": "rate"}, "there is no column 'rate'"),
    "no such setting": ({"loss": "val_loss", "settings": ["optimiser"]}, "settings: there is no column 'optimiser'"),
    "outcomes as settings": (
        {"loss": "val_loss"},
        "by column 'val_acc' most runs would be settings of their own, though they differ in their seeds: name the "
        "columns that make a setting, settings=['optimizer', 'seconds']",
    ),
    "an unknown way to go on": ({"loss": "val_loss", "missing": "zero"}, "missing='zero' must be None, 'drop' or"),
    "words for numbers": (
        {"loss": "optimizer", "settings": []},
        "column 'optimizer' holds 'sgd' at row 0: it must hold numbers",
    ),
    "parts of updates": ({"loss": "val_loss", "steps": 0.5}, "column 'steps' must hold counts of updates"),
    "an unknown status": ({"loss": "val_loss", "status": "lost"}, "column 'status': there is no status 'lost'"),
    "convergence alone": (
        {"loss": "val_loss", "converged_at": pd.array([3, None] * 28, dtype="Int64")},
        "beside 'converged_at' a column 'steps' must say how long",
    ),
    "two learning rates": ({"loss": "val_loss", "eta": 1.0}, "'lr' and 'eta' are both called like the learning_rate"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_in_a_sentence(arguments: dict[str, Any], message: str) -> None:
    options = {"loss", "metric", "mode", "learning_rate", "seed", "settings", "missing"}
    columns = {name: value for name, value in arguments.items() if name not in options}
    named = {name: value for name, value in arguments.items() if name in options}
    frame = drawn(seconds=3.0, **columns)
    frame["val_acc"] = np.linspace(0.1, 0.9, len(frame))
    if columns:
        named["settings"] = ["optimizer"]
    with pytest.raises(ValueError, match=".*") as refused:
        lrsweep.from_runs(frame, **named)
    assert message in str(refused.value)


def test_a_column_of_outcomes_is_no_setting_although_some_of_its_values_repeat() -> None:
    frame = pd.DataFrame({"lr": [0.1] * 5, "seed": range(5), "width": 8, "acc": [0.9, 0.9, 0.8, 0.7, 0.6]})
    with pytest.raises(ValueError, match=r"by column 'acc' most runs .* settings=\['width'\]"):
        lrsweep.from_runs(frame.assign(loss=1.0), "loss")
    # Of one seed, or of a random search, a column of many values may well be a setting.
    lrsweep.from_runs(frame.assign(loss=1.0, seed=0), "loss")
    lrsweep.from_runs(frame.assign(loss=1.0, lr=[0.1, 0.2, 0.3, 0.4, 0.5]), "loss")


def test_a_column_that_names_the_runs_is_no_setting() -> None:
    frame = pd.DataFrame({"run": ["a", "b", "c", "d"], "lr": [0.1, 0.1, 0.2, 0.2], "wd": [0.0, 0.1] * 2, "loss": 1.0})
    with pytest.raises(ValueError, match=r"column 'run' .* settings=\['wd'\] \(--settings 'wd'\)"):
        lrsweep.from_runs(frame, "loss")
    assert "run" in lrsweep.from_runs(frame, "loss", settings=["run"]).columns
    # Each of two runs may well be of another optimizer.
    lrsweep.from_runs(frame[:2], "loss")


def test_runs_with_gaps_in_a_column_of_words_are_judged() -> None:
    frame = pd.DataFrame({"lr": [0.1, 0.1, 0.2, 0.2], "note": [pd.NA, "again"] * 2, "loss": [1.0, 2.0, 0.5, 3.0]})
    for dtype in (object, "string", "category"):
        table = lrsweep.from_runs(frame.astype({"note": dtype}), "loss")
        assert judge(table).startswith("Use learning_rate 0.2: its median final loss, 0.5, is the least")


def test_a_frame_is_refused_that_is_none() -> None:
    with pytest.raises(TypeError, match="must be a pandas DataFrame"):
        lrsweep.from_runs([{"lr": 1}], "loss")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no column is called like a learning rate"):
        lrsweep.from_runs(pd.DataFrame({"a": [1.0], "loss": [1.0]}), "loss")
    with pytest.raises(ValueError, match="no run has an outcome: all 1 run"):
        lrsweep.from_runs(pd.DataFrame({"lr": [1.0], "loss": [1.0], "status": ["failed"]}), "loss", missing="drop")
    with pytest.raises(ValueError, match="there are no runs"):
        lrsweep.from_runs(pd.DataFrame({"lr": [], "loss": []}), "loss")
