"""The study of the boundary of trainability: its box counting, its zooms, its maps, its pictures."""

import subprocess
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from tests.experiments.test_studies import EXPERIMENTS, load

study = load("trainability")
trials, boundary = load("trainability_parts.trials"), load("trainability_parts.boundary")
loops, pictures = load("trainability_parts.loops"), load("trainability_parts.pictures")

# Sets of known dimension: each is made of copies of itself, put where a pattern is marked, and that again and again.
PATTERNS = {
    "carpet": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool),
    "cross": np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool),
    "triangle": np.array([[1, 0], [1, 1]], bool),
}


def fractal(pattern: np.ndarray, times: int) -> np.ndarray:
    return reduce(np.kron, [pattern] * times)


@pytest.mark.parametrize(
    ("cells", "dimension"),
    [
        (np.arange(128)[:, None] == np.full(128, 40), 1.0),
        (np.eye(128, dtype=bool), 1.0),
        (np.ones((128, 128), bool), 2.0),
    ],
    ids=["row", "diagonal", "square"],
)
def test_a_line_has_dimension_1_and_a_square_2(cells: np.ndarray, dimension: float) -> None:
    assert boundary.box_dimension(cells) == pytest.approx(dimension)


@pytest.mark.parametrize(("name", "times"), [("carpet", 5), ("cross", 5), ("triangle", 8)])
def test_a_set_of_copies_of_itself_has_its_dimension_by_similarity(name: str, times: int) -> None:
    # Hausdorff's for such sets: log copies over log how many times smaller they are (Hutchinson, 1981).
    pattern = PATTERNS[name]
    side = len(pattern)
    exact = np.log(pattern.sum()) / np.log(side)
    cells = fractal(pattern, times)
    assert boundary.box_dimension(cells, [side**power for power in range(times)]) == pytest.approx(exact)
    # Boxes that do not fit the pattern see less of it.
    assert boundary.box_dimension(cells) == pytest.approx(exact, abs=0.2)


def test_the_boundary_of_a_disc_has_a_dimension_near_1() -> None:
    places = np.arange(256) - 127.3
    disc = places[:, None] ** 2 + places**2 < 90**2
    assert boundary.box_dimension(boundary.mark_boundary(disc)) == pytest.approx(1.0, abs=0.05)


def test_no_boundary_has_no_dimension() -> None:
    assert np.isnan(boundary.box_dimension(boundary.mark_boundary(np.ones((16, 16), bool))))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)), st.integers(1, 15))
def test_boxes_are_counted_as_by_a_loop_over_the_marked_cells(cells: np.ndarray, size: int) -> None:
    hit = {(row // size, column // size) for row, column in np.argwhere(cells).tolist()}
    assert boundary.box_counts(cells, [size]).tolist() == [len(hit)]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)))
def test_a_cell_is_on_the_boundary_where_it_and_those_after_it_differ(trainable: np.ndarray) -> None:
    rows, columns = trainable.shape
    expected = [
        [
            row + 1 < rows
            and column + 1 < columns
            and len(set(trainable[row : row + 2, column : column + 2].flat)) == 2
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    assert boundary.mark_boundary(trainable).tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_a_zoom_goes_to_the_window_of_the_median_count_nearest_to_the_middle(seed: int) -> None:
    cells, side = 24, 6
    draw = np.random.default_rng(seed)
    # Rough on the right and a straight line on the left.
    trainable = np.arange(cells)[:, None] < 12 + (np.arange(cells) > 12) * draw.integers(-4, 4, (cells, cells))
    on_it = boundary.mark_boundary(trainable)
    windows = []
    for row, column in np.argwhere(on_it).tolist():
        low, left = row - side // 2, column - side // 2
        if 0 <= low <= cells - side and 0 <= left <= cells - side:
            distance = (low + 3 - 12) ** 2 + (left + 3 - 12) ** 2
            windows.append((on_it[low : low + side, left : left + side].sum(), distance, low, left))
    median = sorted(windows)[(len(windows) - 1) // 2][0]
    _, nearest, *_ = min(window for window in windows if window[0] == median)
    found = boundary.zoom(trials.Window(-1.0, 2.0, 2.4), trainable, factor=4)
    low, left = round((found.bottom - 2) * 10), round((found.left + 1) * 10)
    assert (median, nearest, low, left) in windows
    assert found == pytest.approx((left / 10 - 1, low / 10 + 2, 0.6))


def test_a_map_without_a_boundary_cannot_be_zoomed_into() -> None:
    with pytest.raises(ValueError, match="no window of 4 x 4 cells on the boundary"):
        boundary.zoom(trials.WHOLE, np.ones((32, 32), bool))


def test_learning_rates_are_in_the_middle_of_their_cells_evenly_in_the_logarithm() -> None:
    window = trials.Window(-1.0, 0.5, 3.0)
    for rates, edges, start in zip(window.learning_rates(6), window.edges(6), (-1.0, 0.5), strict=True):
        np.testing.assert_allclose(np.log10(edges), start + np.arange(7) / 2)
        np.testing.assert_allclose(rates**2, edges[:-1] * edges[1:])


@pytest.mark.usefixtures("x64")
def test_the_gradient_by_hand_is_that_of_jax() -> None:
    objective = trials.network(width=5)
    loss, grads = loops.loss_and_grads(objective.init, objective.data)
    expected, theirs = jax.value_and_grad(trials.squared_error)(objective.init, objective.data)
    assert loss == pytest.approx(float(expected), rel=1e-12)
    for layer in ("input", "output"):
        np.testing.assert_allclose(grads[layer], theirs[layer], rtol=1e-9, atol=1e-12)


def test_with_the_input_layer_at_rest_the_output_layer_diverges_above_two_over_its_sharpness() -> None:
    # The loss is then a quadratic in the output weights, and its Hessian is known.
    objective = trials.network()
    hidden = np.tanh(np.sqrt(2 / 8) * objective.data["x"] @ objective.init["input"]) / 8
    sharpness = np.linalg.eigvalsh(2 / len(hidden) * hidden.T @ hidden)[-1]

    def diverged_at(factor: float) -> int | None:
        rates = {"input": 0.0, "output": factor * 2 / sharpness}
        return loops.numpy_loop(objective, rates, 500)

    assert diverged_at(0.99) is None
    assert diverged_at(1.05) is not None


@pytest.fixture(scope="module")
def frame() -> Any:
    with jax.enable_x64(True):
        return trials.sweep_frame(trials.network(), trials.WHOLE, 32, steps=30)


@pytest.mark.usefixtures("x64")
def test_the_map_agrees_trial_for_trial_with_a_plain_loop_on_a_random_sample_of_its_cells(frame: Any) -> None:
    compared = loops.compare(trials.network(), [frame], count=20, steps=30)
    assert compared["kind"].value_counts().to_dict() == {"anywhere": 20, "boundary": 20}
    for _, outcomes in compared.groupby("kind")["map"]:
        assert 0 < outcomes.isna().sum() < 20
    for other in ("numpy", "jax", "nudged", "plain"):
        pd.testing.assert_series_equal(compared[other], compared["map"], check_names=False)


def test_a_frame_is_laid_out_as_its_table_says(frame: Any) -> None:
    columns, rows = trials.WHOLE.learning_rates(32)
    for trial in np.random.default_rng(0).integers(0, 32**2, 20):
        told, (row, column) = frame.table.loc[trial], divmod(trial, 32)
        assert (told["learning_rate_0"], told["learning_rate_1"]) == (columns[column], rows[row])
        # One that the sweep calls diverged for where it ended has gone on to the end.
        trainable = told["status"] != "diverged" or told["diverged_at"] < told["steps"]
        assert frame.trainable[row, column] == trainable
        assert np.isnan(frame.mean_loss[row, column]) != trainable
        assert frame.trainable[row, column] or frame.diverged_at[row, column] == told["diverged_at"]


def test_cells_that_end_otherwise_or_at_another_update_are_counted_apart() -> None:
    compared = pd.DataFrame(
        {
            "frame": 3,
            "kind": "anywhere",
            "map": pd.array([None, 5, 5, 7], dtype="Int64"),
            "numpy": pd.array([None, 5, 8, None], dtype="Int64"),
            "nudged": pd.array([2, 5, 5, 7], dtype="Int64"),
            "plain": pd.array([None, 6, 5, 7], dtype="Int64"),
            "jax": pd.array([None, 6, 5, 7], dtype="Int64"),
        }
    )
    (told,) = loops.agreement(compared).to_dict("records")
    assert told["cells"] == 4
    assert [told[f"numpy_{what}"] for what in ("status", "update", "apart")] == [3, 2, 3]
    assert [told[f"nudged_{what}"] for what in ("status", "update", "apart")] == [3, 3, 0]
    assert [told[f"jax_{what}"] for what in ("status", "update", "apart")] == [4, 4, 0]


def test_what_of_the_claim_does_not_hold_is_told() -> None:
    found = pd.DataFrame({"dimension": [1.0, 1.5, 1.6, 1.7]})
    agreed = pd.DataFrame({"kind": ["anywhere", "boundary"], "cells": 9, "numpy_status": [9, 7], "jax_update": 9})
    assert study.failures(found, agreed, quick=False) == []
    (told,) = study.failures(found.assign(dimension=[1.0, 1.2, 1.6, 1.7]), agreed, quick=False)
    assert told == "every zoom's dimension is above 1.3"
    wrong = agreed.assign(numpy_status=8, jax_update=8)
    assert len(study.failures(found.assign(dimension=1.0), wrong, quick=False)) == 4
    assert len(study.failures(found.assign(dimension=1.0), wrong, quick=True)) == 1


def test_the_picture_shows_what_became_of_every_trial_on_logarithmic_axes(frame: Any) -> None:
    following = boundary.zoom(frame.window, frame.trainable)
    ax, *bars = pictures.draw_map(frame, following).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "learning rate of the input layer",
        "learning rate of the output layer",
    )
    trained, diverged = (mesh.get_array().filled(np.nan) for mesh in ax.collections)
    assert np.array_equal(~np.isnan(trained), frame.trainable)
    assert np.array_equal(~np.isnan(diverged), ~frame.trainable)
    within = frame.trainable & (frame.mean_loss > pictures.LOSSES[0]) & (frame.mean_loss < pictures.LOSSES[-1])
    assert within.any()
    np.testing.assert_array_equal(trained[within], frame.mean_loss[within])
    np.testing.assert_array_equal(diverged[~frame.trainable], frame.diverged_at[~frame.trainable])
    (left, right), (low, high) = following.edges(1)
    for line in ax.lines:
        assert (min(line.get_xdata()), max(line.get_xdata())) == (left, right)
        assert (min(line.get_ydata()), max(line.get_ydata())) == (low, high)
    assert [bar.get_title() for bar in bars] == ["trainable: mean loss / first", "diverged: at update"]


def test_the_strip_names_every_frame_its_magnification_and_its_dimension(frame: Any) -> None:
    nearer = frame._replace(window=boundary.zoom(frame.window, frame.trainable))
    found = pd.DataFrame({"dimension": [1.234, 1.567]})
    axes = pictures.draw_zoom([frame, nearer], found).axes
    assert [ax.get_title() for ax in axes] == ["1 times, dimension 1.23", "8 times, dimension 1.57"]


def test_a_folder_that_is_not_there_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["trainability.py", "--out", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as left:
        study.main()
    assert left.value.code == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_quick_study_runs_and_its_loops_agree(tmp_path: Path) -> None:
    command = [sys.executable, EXPERIMENTS / "trainability.py", "--quick", "--out", tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "frame 1 of 0 to 1" in ran.stdout
    assert "NumPy agrees." in ran.stdout
    for name in ("trainability.png", "trainability-zoom.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
