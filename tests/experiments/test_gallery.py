"""The gallery names every study and shows every picture; the studies draw what they have computed."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from lrsweep.tables._schema import RESULT_DTYPES
from tests.experiments.test_studies import EXPERIMENTS, load

PICTURES = EXPERIMENTS / "pictures"
# What is commented out waits for its picture.
GALLERY = re.sub(r"<!--.*?-->", "", (EXPERIMENTS / "README.md").read_text(), flags=re.DOTALL)


# Each is a script; what they share is not.
STUDIES = sorted(path.name for path in EXPERIMENTS.glob("*.py") if '__name__ == "__main__"' in path.read_text())


@pytest.mark.parametrize("script", STUDIES)
def test_the_gallery_has_the_command_of_every_study(script: str) -> None:
    assert f"python experiments/{script}" in GALLERY


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.rglob("*.py")), ids=lambda path: path.stem)
def test_a_study_uses_only_what_is_public(path: Path) -> None:
    assert re.findall(r"lrsweep(?:\.\w+)*\._\w+", path.read_text()) == []


def test_the_gallery_shows_every_picture_and_says_what_is_seen() -> None:
    shown = dict(re.findall(r"!\[([^]]*)\]\(pictures/([^)]+)\)", GALLERY))
    assert set(shown.values()) == {path.name for path in PICTURES.iterdir() if path.suffix in (".png", ".gif")}
    assert all(len(said) > 20 for said in shown)


@pytest.mark.parametrize("picture", sorted(path.name for path in PICTURES.iterdir()))
def test_a_picture_is_small(picture: str) -> None:
    assert (PICTURES / picture).stat().st_size < 1e6


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The points of every line that has a label, by it."""
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
        for line in axes.lines
        if not str(line.get_label()).startswith("_")
    }


def test_the_digits_are_drawn_as_accuracies_against_the_learning_rate() -> None:
    digits = load("digits")
    rows = [
        (model, optimizer, rate, 90.0 + place, 2.0)
        for place, (model, optimizer) in enumerate((m, o) for m in ("mlp", "cnn") for o in digits.DRAWN)
        for rate in (0.01, 0.1)
    ]
    columns = pd.Index(["model", "optimizer", "learning_rate", "mean", "std"])
    mlp, cnn = digits.draw(pd.DataFrame(rows, columns=columns)).axes
    assert (mlp.get_title(), mlp.get_xscale(), mlp.get_xlabel()) == ("MLP", "log", "learning rate")
    assert mlp.get_ylabel() == "validation accuracy, %"
    assert lines(mlp)["sgd momentum 0"] == [(0.01, 90), (0.1, 90)]
    assert lines(cnn)["adam"] == [(0.01, 95), (0.1, 95)]
    (band,) = cnn.collections[-1].get_paths()
    assert (band.vertices[:, 1].min(), band.vertices[:, 1].max()) == (93, 97)


def test_the_digits_are_averaged_over_seeds_and_momentum_is_in_the_name() -> None:
    rows = [("mlp", "sgd", 0.9, 0.1, 0.5), ("mlp", "sgd", 0.9, 0.1, 0.7), ("mlp", "adam", np.nan, 0.1, 0.8)]
    columns = pd.Index(["model", "optimizer", "momentum", "learning_rate", "final_accuracy"])
    adam, sgd = load("digits").average(pd.DataFrame(rows, columns=columns)).to_dict("records")
    assert (sgd["optimizer"], adam["optimizer"]) == ("sgd momentum 0.9", "adam")
    assert (sgd["mean"], sgd["std"], adam["mean"]) == pytest.approx((60, 200**0.5, 80))


def test_the_widths_are_drawn_as_median_losses_with_the_best_of_each() -> None:
    width = load("width")
    table = results(
        {"parametrisation": parametrisation, "width": size, "learning_rate": rate, "seed": seed, "final_loss": loss}
        for parametrisation in (width.STANDARD, width.MUP)
        for size in width.WIDTHS
        for rate, losses in {0.01: (size, 5 * size, 2 * size), 0.02: (9.0, 7.0, 8.0)}.items()
        for seed, loss in enumerate(losses)
    )
    best = pd.DataFrame({"parametrisation": width.MUP, "width": width.WIDTHS, "learning_rate": 0.02, "loss": 8.0})
    standard, mup = width.draw(table, best).axes
    assert (standard.get_title(), mup.get_title(), mup.get_xscale(), mup.get_yscale()) == (
        "standard",
        "muP",
        "log",
        "log",
    )
    assert (standard.get_xlabel(), standard.get_ylabel()) == ("learning rate", "median final loss")
    assert lines(standard) == {str(size): [(0.01, 2 * size), (0.02, 8)] for size in width.WIDTHS}
    assert [tuple(dot.get_xydata()[0]) for dot in mup.lines[1::2]] == [(0.02, 8)] * len(width.WIDTHS)


def test_the_coordinate_check_is_drawn_as_sizes_against_the_width_beside_the_best_learning_rates() -> None:
    width = load("width")
    rows = [
        {"parametrisation": parametrisation, "width": size, "learning_rate": rate, "seed": seed, "final_loss": loss}
        for parametrisation in (width.STANDARD, width.MUP)
        for size in (64, 256)
        for rate, loss in ((0.01, 1.0 if size == 256 else 2.0), (0.02, 1.5))
        for seed in range(3)
    ]
    table = results(rows)
    metrics = {f"final_{layer}": table["width"] ** 0.5 + table["seed"] for layer in width.LAYERS}
    sizes = table.assign(**metrics, **{f"{layer}_at_best": 1.0 for layer in width.LAYERS})
    best, layers = width.draw_check(table, sizes).axes
    assert [bars.lines[0].get_xydata().tolist() for bars in best.containers] == [[[64, 0.02], [256, 0.01]]] * 2
    assert lines(layers) == {layer: [(64, 9), (256, 17)] for layer in width.LAYERS}
    assert len(layers.lines) == 2 * len(width.LAYERS)


def test_the_edges_are_drawn_as_ranges_of_the_ratio_about_their_medians() -> None:
    rows = [("quadratics", "GD", 0.5, 1.0, 2.0), ("quadratics", "Adam", 10.0, 30.0, 90.0), ("MLP", "GD", 2.0, 3.0, 4.0)]
    columns = pd.Index(["objective", "optimizer", "least", "typical", "most"])
    (axes,) = load("edge").draw(pd.DataFrame(rows, columns=columns)).axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "critical learning rate / theory's")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["quadratics", "MLP"]
    assert [ratio for ratio, _ in lines(axes)["GD"]] == [1, 3]
    assert lines(axes)["GD"][1][1] - lines(axes)["GD"][0][1] == 1
    assert [tuple(bar[:, 0]) for bar in axes.collections[0].get_segments()] == [(0.5, 2), (2, 4)]
    assert [tuple(bar[:, 0]) for bar in axes.collections[2].get_segments()] == [(10, 90)]


def test_the_catapult_is_drawn_with_its_divergence_marked() -> None:
    catapult = load("catapult")
    rows = [
        {"learning_rate": rate, "seed": 0, "status": "diverged" if rate > 4 else "converged"} for rate in catapult.DRAWN
    ]
    table = pd.DataFrame(rows).assign(initial_loss=2.0, final_curvature=[1.0, 0.5, 0.3, 7.0])
    curves = pd.DataFrame([[2.0, 1.0, 0.5], [2.0, 8.0, 0.1], [2.0, 40.0, 0.1], [2.0, 2e7, np.nan]])
    left, right = catapult.draw(SimpleNamespace(table=table, curves={"loss": curves})).axes
    assert (left.get_yscale(), left.get_xlabel(), left.get_ylabel()) == ("log", "updates", "loss / first loss")
    assert lines(left)["2.5"] == [(0, 1), (1, 4), (2, 0.05)]
    assert lines(left)["4.1"] == [(0, 1), (1, 1e7)]
    assert [(line.get_marker(), *line.get_xydata()[0]) for line in left.lines if line.get_marker() == "X"] == [
        ("X", 1, 1e7)
    ]
    assert right.lines[0].get_xydata().tolist() == [[0.5, 1.0], [2.5, 0.5], [3.9, 0.3]]
    limit = right.lines[1].get_xydata()
    np.testing.assert_allclose(limit[:, 0] * limit[:, 1], 2)


def test_the_benchmarks_bars_are_its_ratios_beside_their_targets() -> None:
    report = load("speed_parts.report")
    rows = [
        report.make_row("line", "C", [1.0], [3.0], target=2.5, trial_steps=10),
        report.make_row("line", "NumPy", [1.0], [3.0], target=4, trial_steps=10),
        report.make_row("line", "Python", [1.0], [3.0], trial_steps=10),
        report.make_row("memory", "table", [3.0], [2.0], unit="bytes", target=1.2),
    ]
    machine = {
        "device": {"platform": "cpu", "kind": "cpu", "count": 2},
        "processor": "Fast 9000",
        "cores": 2,
        "memory_gb": 8.4,
        "versions": {"python": "3.13.0", "jax": "0.12.0"},
    }
    figure = report.draw(rows, load("speed_parts.machine").machine_lines(machine, width=24))
    assert figure.get_supxlabel() == "Fast 9000, 2 cores, 8 GB\npython 3.13.0,\njax 0.12.0"
    fast, much = figure.axes
    assert [label.get_text() for label in fast.get_yticklabels()] == ["line\nC", "line\nNumPy"]
    assert [bar.get_x() + bar.get_width() for bar in fast.patches] == [3, 3]
    assert [to_hex(bar.get_facecolor()).upper() for bar in fast.patches] == ["#009E73", "#D55E00"]
    assert [line.get_xdata()[0] for line in fast.lines if line.get_marker() == "|"] == [2.5, 4]
    assert [bar.get_x() + bar.get_width() for bar in much.patches] == [1.5]
    assert (fast.get_xscale(), much.get_xscale()) == ("log", "linear")
    assert much.get_xlabel() == "times as much as\n(mark: the target, at most)"


@pytest.fixture
def optimizers() -> Any:
    return load("optimizers")


def results(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """A result table, from what matters of it."""
    given = dict.fromkeys(RESULT_DTYPES, 1) | {
        "status": "slow",
        "steps": 1000,
        "converged_at": pd.NA,
        "diverged_at": pd.NA,
    }
    table = pd.DataFrame([given | row for row in rows])
    settings = [name for name in table.columns if name not in RESULT_DTYPES]
    return table[[*settings, *RESULT_DTYPES]].astype(RESULT_DTYPES)


# By objective and learning rate, when each of three seeds reaches the target.
REACHED: dict[str, dict[float, tuple[int | None, ...]]] = {
    # The first is best, where all do, though the second is faster where it does.
    "Rosenbrock": {0.1: (30, 30, 30), 1.0: (10, 12, None), 10.0: (5, None, None)},
    "diabetes": {0.1: (None, None, None), 1.0: (10, 10, 10), 10.0: (50, 50, 50)},
    "digits MLP": {0.1: (None, None, None), 1.0: (80, 80, 80), 10.0: (None, None, None)},
}


@pytest.fixture
def cells(optimizers: Any) -> pd.DataFrame:
    def trial(objective: str, optimizer: str, rate: float, seed: int, at: int | None) -> dict[str, Any]:
        setting = {"objective": objective, "optimizer": optimizer, "learning_rate": rate, "seed": seed}
        return setting | ({} if at is None else {"status": "converged", "steps": at + 9, "converged_at": at})

    return optimizers.measure(
        results(
            trial(objective, optimizer, rate, seed, at if optimizer == "some" else None)
            for objective, rates in REACHED.items()
            for optimizer in ("none", "some")
            for rate, reached in rates.items()
            for seed, at in enumerate(reached)
        )
    )


def test_an_optimizer_works_where_half_of_the_seeds_reach_the_target(optimizers: Any, cells: pd.DataFrame) -> None:
    found = optimizers.judge(cells).set_index(["objective", "optimizer"])
    columns = ["learning_rate", "updates", "low", "high", "decades", "near"]
    assert found.loc[("Rosenbrock", "some"), columns].tolist() == pytest.approx([0.1, 30, 0.1, 1, 2, 2])
    assert found.loc[("diabetes", "some"), columns].tolist() == pytest.approx([1, 10, 1, 10, 2, 1])
    assert found.loc[("digits MLP", "some"), columns].tolist() == pytest.approx([1, 80, 1, 1, 1, 1])
    assert found.loc[("diabetes", "none"), columns].isna().tolist() == [True] * 4 + [False] * 2
    assert found.loc[("diabetes", "none"), ["decades", "near"]].tolist() == [0, 0]


def test_optimizers_are_ranked_by_the_learning_rates_that_work_everywhere(optimizers: Any, cells: pd.DataFrame) -> None:
    some, none = optimizers.rank(cells).to_dict("records")
    assert (some["optimizer"], some["low"], some["high"], none["optimizer"]) == ("some", 1, 1, "none")
    assert (some["everywhere"], some["decades"]) == pytest.approx((1, 5 / 3))
    assert (none["everywhere"], none["decades"]) == (0, 0)


def test_the_optimizers_are_drawn_as_bars_over_the_learning_rates_that_work(
    optimizers: Any, cells: pd.DataFrame
) -> None:
    rosenbrock, diabetes, _ = optimizers.draw(cells, optimizers.judge(cells), ["some", "none"]).axes
    assert [label.get_text() for label in rosenbrock.get_yticklabels()] == ["some", "none"]
    assert (diabetes.get_title(), diabetes.get_xscale()) == ("diabetes", "log")
    reaches, near = diabetes.containers
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in (*reaches, *near)]
    half = 10**0.5
    np.testing.assert_allclose(edges, [(1 / half, half), (10 / half, 10 * half), (1 / half, half)])
    assert [tuple(point) for line in diabetes.lines for point in line.get_xydata()] == [(1, 0)]
    assert [text.get_text() for text in diabetes.texts] == ["10", "updates"]


def test_every_optimizer_is_run_or_left_out_with_a_reason(optimizers: Any) -> None:
    found = optimizers.factories()
    assert set(optimizers.lrsweep.optimizers.names()) < set(found) | set(optimizers.LEFT_OUT)
    assert {"nadam", "prodigy", "schedule_free_sgd", "muon", "gauss_seidel"} <= set(found)
    assert not set(found) & set(optimizers.LEFT_OUT)


@pytest.mark.slow
def test_the_optimizers_are_compared_quickly(tmp_path: Path) -> None:
    command = [sys.executable, EXPERIMENTS / "optimizers.py", "--quick", "--out", tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"optimizers.png", "optimizers.csv"}
    found = pd.read_csv(tmp_path / "optimizers.csv")
    assert len(found) == 9
    assert found.set_index(["objective", "optimizer"]).loc[("diabetes", "sgd"), "learning_rate"] == 0.1
