"""The studies run, and say what they claim."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler

import lrsweep

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_every_figure_of_the_article_is_computed_again() -> None:
    command = [sys.executable, EXPERIMENTS / "article.py", "--quick"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # 4 lines and 5 errors at 0.1, 5 errors at 0.5, 6 printed updates of 3 starts of the PyTorch version.
    assert "32 of 32 figures agree." in ran.stdout
    assert "5223270089.75743  agrees" in ran.stdout


def test_a_figure_that_differs_fails(tmp_path: Path) -> None:
    shutil.copy(EXPERIMENTS / "common.py", tmp_path)
    copy = tmp_path / "article.py"
    copy.write_text((EXPERIMENTS / "article.py").read_text().replace('29: "537407805.94885"', '29: "537407805.94886"'))
    ran = subprocess.run([sys.executable, copy, "--quick"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "537407805.94885  DIFFERS, should be 537407805.94886" in ran.stdout


def load(name: str) -> Any:
    """Imports a study, or a part of one, from where Python looks when it runs a script of that folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXPERIMENTS)
        return importlib.import_module(name)


def test_a_picture_has_no_more_colours_than_it_may(tmp_path: Path) -> None:
    figure = Figure(figsize=(1, 1))
    figure.subplots().imshow(np.random.default_rng(0).random((20, 20, 3)))
    load("common").write_picture(figure, tmp_path / "noise.png", colours=8, dpi=100)
    with Image.open(tmp_path / "noise.png") as picture:
        assert picture.size == (100, 100)
        assert len(picture.convert("RGB").getcolors() or []) == 8


def test_the_data_are_those_of_scikit_learn() -> None:
    common = load("common")
    digits: Any = load_digits()
    diabetes: Any = load_diabetes(scaled=False)
    pixels, labels = common.read_digits()
    assert (pixels.dtype, pixels.min(), pixels.max(), labels.dtype) == (np.float32, 0, 1, np.int32)
    np.testing.assert_array_equal(16 * pixels.reshape(-1, 8, 8), digits.images)
    features, target = common.standardized_diabetes()
    expected = StandardScaler().fit_transform(diabetes.data)
    np.testing.assert_allclose(features, expected, rtol=1e-9, atol=1e-12)
    assert (target.mean(), target.std()) == pytest.approx((0, 1))


@pytest.fixture
def digits() -> Any:
    return load("digits")


@pytest.fixture
def width() -> Any:
    return load("width")


def test_the_digits_are_compared_at_the_best_learning_rate_and_around_it(digits: Any) -> None:
    # A parabola in the logarithm of the learning rate, whose top is the eighth of 16; a seed is a constant beside it.
    rows = [
        {"learning_rate": rate, "seed": seed, "final_accuracy": 0.9 - 0.01 * (place - 7) ** 2 + 0.02 * seed}
        for place, rate in enumerate(digits.LEARNING_RATES)
        for seed in range(3)
    ]
    found = digits.compare(pd.DataFrame(rows))
    assert found["learning_rate"] == digits.LEARNING_RATES[7]
    assert found["cost"] == pytest.approx(9.0)
    assert found["error"] == pytest.approx(0.0, abs=1e-9)
    assert (found["best"], found["* 10"]) == ("92.0 ±2.0", "83.0 ±2.0")
    assert found["within 1"] == 3 / 16


def test_the_convolution_is_that_of_jax(digits: Any) -> None:
    draw = np.random.default_rng(0)
    maps, weights = draw.normal(size=(2, 8, 8, 4)), draw.normal(size=(9 * 4, 5))
    ours = digits.convolve({"weights": weights, "biases": np.arange(5.0)}, jnp.asarray(maps))
    kernel = weights.reshape(3, 3, 4, 5)
    theirs = jax.lax.conv_general_dilated(
        jnp.asarray(maps),
        jnp.asarray(kernel),
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )
    np.testing.assert_allclose(ours, theirs + np.arange(5.0), rtol=1e-4, atol=1e-4)


def test_the_best_width_is_refined_by_a_parabola_in_logarithms(width: Any) -> None:
    rates = 2.0 ** np.arange(-4, 4)
    losses = np.exp2((np.log2(rates) - 0.3) ** 2)
    assert width.refine(pd.Series(losses, index=rates)) == pytest.approx(0.3)
    with pytest.raises(SystemExit, match="the grid"):
        width.refine(pd.Series(losses[:4], index=rates[:4]))


def test_mup_is_the_standard_parametrisation_at_the_smallest_width_and_shrinks_above_it(width: Any) -> None:
    key = jax.random.key(0)
    standard, mup = (width.init(key, width=256, shrink=shrink) for shrink in (1.0, 0.25))
    np.testing.assert_allclose(mup["output"]["weights"], 0.5 * standard["output"]["weights"], rtol=1e-6)
    np.testing.assert_array_equal(mup["hidden 1"]["weights"], standard["hidden 1"]["weights"])
    # Adam's first update is the learning rate itself, whatever the gradient.
    grads = jax.tree.map(jnp.ones_like, mup)
    optimizer = width.adam(0.5, shrink=0.25)
    updates, _ = optimizer.update(grads, optimizer.init(mup), mup)
    first = {layer: abs(float(arrays["weights"][0, 0])) for layer, arrays in updates.items()}
    assert first == pytest.approx({"input": 0.5, "hidden 1": 0.125, "hidden 2": 0.125, "output": 0.125}, rel=1e-5)
    assert abs(float(updates["hidden 1"]["biases"][0])) == pytest.approx(0.5, rel=1e-5)


def test_what_a_layer_gives_has_the_size_that_numpy_computes(width: Any) -> None:
    params = width.init(jax.random.key(0), width=32, shrink=0.5)
    pixels = np.random.default_rng(0).random((7, 64))
    features = pixels
    for layer in width.LAYERS:
        weights, biases = (np.asarray(params[layer][name]) for name in ("weights", "biases"))
        given = features @ weights + biases
        expected = np.sqrt((given**2).mean())
        assert float(width.size(params, {"pixels": pixels}, layer=layer)) == pytest.approx(expected, rel=1e-5)
        features = np.tanh(given)


@pytest.fixture
def catapult() -> Any:
    return load("catapult")


@pytest.mark.usefixtures("x64")
def test_the_catapult_follows_the_recursion_of_output_and_curvature(catapult: Any) -> None:
    # Lewkowycz et al. (2020), arXiv:2003.02218, section 2: two variables stand for all of the parameters.
    swept = catapult.run_trials([1.0, 2.5, 3.9, 4.1], width=64, steps=40)
    assert {"converged", "diverged"} <= set(swept.table["status"])
    for trial, row in swept.table.iterrows():
        start = catapult.init(jax.random.key(row["seed"]), width=64)
        output, curvature, losses = float(start["u"] @ start["v"]) / 8, 1.0, []
        for _ in range(row["steps"]):
            losses.append(output**2 / 2)
            push = row["learning_rate"] * output**2 / 64
            factor = 1 - row["learning_rate"] * curvature + row["learning_rate"] * push
            output, curvature = output * factor, curvature + push * (row["learning_rate"] * curvature - 4)
        losses.append(output**2 / 2)
        np.testing.assert_allclose(swept.curves["loss"].loc[trial].dropna(), losses, rtol=1e-6, atol=1e-12)
        assert row["final_curvature"] == pytest.approx(curvature, rel=1e-6)


def test_a_catapult_that_breaks_its_claim_says_where(catapult: Any) -> None:
    rows = [
        # As it is claimed: learning rate, converged, diverged, rises, the peaks' least, median, most, the curvatures.
        *((rate, 1, 0, 0, 1, 1, 1, 0.999, 1.0) for rate in catapult.FALLING),
        *((rate, 1, 0, 1, 200, 2e3, 2e4, 0.1, 0.5) for rate in catapult.CATAPULT),
        *((rate, 0, 1, 1, 1e6, 1e7, 1e8, 4.0, 9.0) for rate in catapult.TOO_LARGE),
    ]
    names = ("learning_rate", "converged", "diverged", "rises", "peak_least", "peak_median", "peak_most")
    found = pd.DataFrame(rows, columns=pd.Index([*names, "curvature_least", "curvature_most"]))
    assert catapult.failures(found, {"low": 3.99, "high": 4.01}) == []
    assert catapult.failures(found, {"low": 4.2, "high": 4.21}) == ["the edge is within 1% of 4"]
    found.loc[found["learning_rate"] == 3.5, "curvature_most"] = 0.6
    wrong = catapult.failures(found, {"low": 3.99, "high": 4.01})
    assert wrong == ["between 2 and 4 the curvature ends below 2 / learning rate"]


@pytest.fixture
def edge() -> Any:
    return load("edge")


def test_an_edge_outside_what_is_claimed_is_told(edge: Any) -> None:
    held = {"quadratics": 1.0, "regression": 1.0, "deep linear": 1.5, "digits MLP": 2.25}
    rows = [
        {
            "objective": kind,
            "optimizer": name,
            "critical_learning_rate": 0.1 * ratio,
            "found": "found",
            "window": False,
            "ratio": 1000 if name == "Adam" else ratio,
        }
        for kind, ratio in held.items()
        for name in edge.OPTIMIZERS
    ]
    compared = edge.compare(pd.DataFrame(rows))
    assert compared["median"].tolist() == pytest.approx(np.repeat([0.1, 0.1, 0.15, 0.225], 3))
    assert edge.misses(compared) == []
    rows[0]["ratio"], rows[3]["found"] = 1.001, "never diverges"
    told = edge.misses(edge.compare(pd.DataFrame(rows)))
    assert [line.split(":")[0] for line in told] == ["quadratics, GD", "regression, GD"]


@pytest.mark.usefixtures("x64")
def test_the_random_bowls_have_the_eigenvalues_drawn_and_their_edges_are_theorys(edge: Any) -> None:
    bowls = edge.random_bowls(40)
    matrices = np.array([[[a, b], [b, c]] for a, b, c in bowls[["a", "b", "c"]].to_numpy()])
    eigenvalues = np.linalg.eigvalsh(matrices)
    assert 0.1 < eigenvalues.min() < eigenvalues.max() < 10
    assert (abs(matrices[:, 0, 1]) > 1e-3).mean() > 0.9
    objective = lrsweep.Objective(edge.bowl, edge.draw_point)
    found = lrsweep.critical_learning_rate(objective, optax.sgd, trials=bowls, low=0.05, high=100, steps=20_000)
    np.testing.assert_allclose(found["theory"], 2 / eigenvalues[:, -1], rtol=1e-9)
    np.testing.assert_allclose(found["ratio"], 1, rtol=1e-3)
    assert max(edge.measure_errors(1e-3, count=20).values()) <= 1e-3


@pytest.mark.usefixtures("x64")
def test_layers_without_a_bend_are_one_matrix(edge: Any) -> None:
    objective = edge.deep_linear()
    params = objective.init(jax.random.key(0))
    weights = np.linalg.multi_dot([np.asarray(layer) for layer in params])
    X, y = edge.standardized_diabetes()
    assert objective.loss(params, objective.data) == pytest.approx(np.mean((X @ weights - y) ** 2), rel=1e-9)
