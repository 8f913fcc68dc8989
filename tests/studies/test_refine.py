"""Zooming into learning rates: against closed forms, the dense uniform grid, and one sweep of the same rows."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep

COARSE = lrsweep.log_grid(1e-4, 1, 25)


def test_the_best_learning_rate_of_a_quadratic_is_found_to_two_digits() -> None:
    # From x_i = 1 / eigenvalue_i the two terms of the loss's slope in the learning rate cancel after any number of
    # updates at 2 / (least + greatest), so that it is the best one for every tolerance.
    for eigenvalues in ([1.0, 10.0], [0.3, 2.0], [3.0, 100.0]):
        objective = lrsweep.problems.quadratic(eigenvalues, start=1 / np.array(eigenvalues))
        found = lrsweep.refine(objective, optax.sgd, lrsweep.grid(learning_rate=COARSE * 2)).found.loc[0].to_dict()
        assert found["low"] < 2 / sum(eigenvalues) < found["high"] <= 1.01 * found["low"]
        assert found["low"] < found["learning_rate"] < found["high"]


def test_the_edge_of_a_quadratic_is_where_its_closed_form_outgrows_the_limit() -> None:
    # loss_k / loss_0 = (1 - learning_rate * sharpness) ** (2 * k), which exceeds 2 from the last quarter of 1000 on.
    edge = (1 + 2 ** (1 / (2 * 751))) / 10
    objective, trials = lrsweep.problems.quadratic([10.0]), lrsweep.grid(learning_rate=COARSE, seed=range(3))
    refined = lrsweep.refine(objective, optax.sgd, trials, around="edge", width=0.001)
    found = refined.found.loc[0].to_dict()
    assert found["learning_rate"] == found["low"] < edge < found["high"] <= 1.001 * found["low"]
    above = refined.table["learning_rate"] >= found["high"]
    assert ((refined.table["status"] == "diverged") == above).all()


@pytest.fixture(params=["line", "line from ten starts", "diabetes from five starts"])
def compared(request: pytest.FixtureRequest, diabetes: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trials of a zoom, and those of a uniform grid with a ratio of 1.01."""
    line = lrsweep.problems.line()
    cases: dict[str, tuple[lrsweep.Objective, dict[str, Any]]] = {
        "line": (line, {}),
        "line from ten starts": (line, {"seed": range(10)}),
        "diabetes from five starts": (lrsweep.regression_from_csv(diabetes, "target"), {"seed": range(5)}),
    }
    objective, seeds = cases[request.param]
    uniform = lrsweep.log_grid(1e-4, 1, 1 + math.ceil(math.log(1e4) / math.log(1.01)))
    zoom = lrsweep.refine(objective, optax.sgd, lrsweep.grid(learning_rate=COARSE, **seeds)).table
    return zoom, lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=uniform, **seeds)).table


def test_a_tenth_of_the_trials_of_a_uniform_grid_finds_its_answer(compared: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    zoom, uniform = compared
    ours, theirs = lrsweep.best_setting(zoom), lrsweep.best_setting(uniform)
    assert 1 / 1.01 < ours["learning_rate"] / theirs["learning_rate"] < 1.01
    assert ours["converged"] == theirs["converged"] == 1
    assert ours["median_converged_at"] <= theirs["median_converged_at"]
    assert len(zoom) <= len(uniform) / 10
    assert zoom["steps"].sum() <= uniform["steps"].sum() / 10


def test_a_round_repeats_the_seeds_at_learning_rates_that_were_not_tried_before(
    compilations: Callable[[], int],
) -> None:
    objective = lrsweep.problems.line()
    trials = lrsweep.grid(learning_rate=[0.01, 0.1, 1.0], momentum=[0.0, 0.5], seed=[3, 5, 8])
    lrsweep.sweep(objective, optax.sgd, trials)
    compilations()
    table = lrsweep.refine(objective, optax.sgd, trials, rounds=3, width=0.001, points=5).table
    assert compilations() == 0
    assert table.groupby("round").size().to_dict() == {0: 18, 1: 30, 2: 30, 3: 30}
    assert table.groupby(["momentum", "learning_rate"])["seed"].agg(list).map([3, 5, 8].__eq__).all()
    assert_frame_equal(table.loc[table["round"] == 0, list(trials.columns)], trials.rename_axis("trial"))
    # The columns before the results are the caller's, so that one sweep of all rows is the same table.
    rows = table.loc[:, :"seed"]
    assert_frame_equal(
        lrsweep.sweep(objective, optax.sgd, rows, block_width=32).table, table.drop(columns="round"), check_exact=True
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_rounds_are_kept_in_files(ending: str, tmp_path: Path) -> None:
    trials = lrsweep.grid(learning_rate=[0.01, 0.1, 1.0], seed=range(2))
    table = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials, rounds=1).table
    assert list(table.columns[-2:]) == ["rate", "round"]
    assert table.index.tolist() == list(range(6 + 16))
    lrsweep.write_table(table, tmp_path / f"zoom.{ending}")
    assert_frame_equal(lrsweep.read_table(tmp_path / f"zoom.{ending}"), table, check_exact=True)
    assert len(lrsweep.summarize(table)) == 3 + 8


@pytest.mark.parametrize(("rates", "around"), [([1e-4, 2e-4], "best"), ([8.0, 4.0], "best"), ([1e-3, 2e-3], "edge")])
def test_where_the_answer_lies_beyond_the_grid_the_zoom_goes_there(rates: list[float], around: Any) -> None:
    # Above the edge an eleventh of the loss grows, which must be twice the whole from the last quarter on.
    objective = lrsweep.problems.quadratic([1.0, 10.0], start=[1.0, 0.1])
    refined = lrsweep.refine(objective, optax.sgd, lrsweep.grid(learning_rate=rates), around=around, rounds=6)
    found, answer = (
        refined.found.loc[0].to_dict(),
        {"best": 2 / 11, "edge": (1 + 22 ** (1 / (2 * 751))) / 10}[around],
    )
    assert found["low"] < answer < found["high"] <= 1.01 * found["low"]
    # Outward by the ratio of the grid.
    first = np.sort(refined.table.query("round == 1")["learning_rate"])
    np.testing.assert_allclose(first[1:] / first[:-1], 2, rtol=0.01)


@pytest.mark.parametrize("around", ["best", "edge"])
def test_where_every_trial_diverged_nothing_is_found_and_the_zoom_looks_below(around: Any) -> None:
    trials = lrsweep.grid(learning_rate=[8.0, 9.0], seed=range(2))
    refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials, around=around, rounds=0)
    np.testing.assert_equal(refined.found.loc[0].to_dict(), {"learning_rate": np.nan, "low": np.nan, "high": 8.0})
    further = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials, around=around, rounds=1).table
    assert (further.loc[further["round"] == 1, "learning_rate"] < 8).all()


def test_no_learning_rate_is_tried_that_the_program_cannot_tell_from_another() -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.1 * (1 + 1e-6)])
    table = lrsweep.refine(lrsweep.problems.quadratic([10.0]), optax.sgd, trials, width=1e-9, rounds=9).table
    assert len(table) > 10
    assert table["learning_rate"].astype("float32").is_unique


def test_without_rounds_the_grid_is_all_there_is(search: lrsweep.Sweep) -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])
    refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials, rounds=0)
    assert_frame_equal(refined.table, search.table.assign(round=0))
    assert refined.found.loc[0].to_dict() == pytest.approx(
        {"learning_rate": 0.1, "low": 0.01, "high": np.nan}, nan_ok=True
    )
    everywhere = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials * 100, around="edge", rounds=0)
    assert everywhere.found.loc[0].to_dict() == pytest.approx(
        {"learning_rate": 0.1, "low": 0.1, "high": 1.0}, nan_ok=True
    )


def test_each_setting_is_zoomed_into_and_one_without_learning_rates_is_left_alone() -> None:
    optimizers = {"sgd": optax.sgd, "adam": optax.adam, "adadelta": lambda: optax.adadelta(1.0)}
    trials = lrsweep.grid(optimizer=["sgd", "adam"], learning_rate=[0.01, 0.1, 1.0], seed=range(2))
    trials = pd.concat([trials, lrsweep.grid(optimizer="adadelta", seed=range(2))], ignore_index=True)
    refined = lrsweep.refine(lrsweep.problems.line(), optimizers, trials.set_axis(list("abcdefghijklmn")), rounds=2)
    assert refined.found["optimizer"].tolist() == ["sgd", "adam"]
    assert refined.table.groupby("optimizer").size().to_dict() == {"adadelta": 2, "adam": 38, "sgd": 38}
    for name, found in refined.found.set_index("optimizer").iterrows():
        rows = refined.table[refined.table["optimizer"] == name]
        assert lrsweep.best_setting(rows)["learning_rate"] == found["learning_rate"]
    assert refined.table.index.is_unique
    assert set(refined.table["final_loss"].isna()) == {False}
    assert refined.provenance["trials"] == len(refined.table) == sum(r["trials"] for r in refined.provenance["rounds"])


def test_what_cannot_be_zoomed_into_is_refused_before_anything_compiles(compilations: Callable[[], int]) -> None:
    grid, line = lrsweep.grid, lrsweep.problems.line()
    two = grid(learning_rate=[0.1, 0.2])
    refused: list[tuple[pd.DataFrame, dict[str, Any], str]] = [
        (two.head(0), {}, "the trials table is empty"),
        (grid(seed=range(2)), {}, "the trials have no column 'learning_rate'"),
        (two.assign(round=1), {}, "column 'round' of the trials is named like one of the result's own"),
        (grid(learning_rate=0.1, seed=range(2)), {}, "the trials have one learning rate, 0.1: a zoom starts from two"),
        (two.assign(momentum=[0.0, 0.9]), {}, "one learning rate for momentum 0.0, 0.1: .* two or more in each"),
        (grid(learning_rate=[0.1, 0.0]), {}, "holds 0 at row 1: a zoom needs learning rates above 0"),
        (grid(learning_rate=[np.nan, np.nan]), {}, "column 'learning_rate' of the trials holds no learning rate"),
        (grid(learning_rate=["a", "b"]), {}, "column 'learning_rate' of the trials holds 'a'"),
        (two, {"around": "egde"}, "around: there is no place 'egde': did you mean 'edge'"),
        (two, {"rounds": -1}, "rounds=-1 must be 0 or more"),
        (two, {"rounds": 1.5}, "rounds=1.5 must be a whole number"),
        (two, {"points": 0}, "points=0 must be 1 or more"),
        (two, {"width": 0.0}, "width=0.0 must be a finite number above 0"),
        (two, {"width": np.nan}, "width=nan must be a finite number"),
        (two, {"steps": 0}, "steps=0 must be 1 or more"),
    ]
    compilations()
    for trials, options, said in refused:
        with pytest.raises((ValueError, TypeError), match=said):
            lrsweep.refine(line, optax.sgd, trials, **options)
    assert compilations() == 0
