"""The studies of the gallery that draw the ball's way: their pictures are written, and their claims are checked."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.experiments.test_studies import load

PICTURES = ["steps", "tangent", "away", "pushes", "valleys", "line", "losses"]


@pytest.fixture
def valleys() -> Any:
    return load("valleys")


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_every_picture_of_the_article_is_drawn(tmp_path: Path) -> None:
    load("article").draw_all(tmp_path)
    expected = {f"article-{name}.png" for name in PICTURES} | {"article-video.gif"}
    assert {file.name for file in tmp_path.iterdir()} == expected
    for file in tmp_path.iterdir():
        assert file.stat().st_size < (1_000_000 if file.suffix == ".gif" else 100_000)
    with Image.open(tmp_path / "article-video.gif") as video:
        assert getattr(video, "n_frames", 1) == 31
    assert plt.get_fignums() == []


def valleys_slope(x: float) -> float:
    """The derivative of `problems.valleys`, written out."""
    first = 4.0 * (x - 1) / 0.16 * np.exp(-0.5 * ((x - 1) / 0.4) ** 2)
    second = 1.44 * (x - 3) / 0.16 * np.exp(-0.5 * ((x - 3) / 0.4) ** 2)
    return x - 5 + first + second


@pytest.mark.usefixtures("x64")
def test_the_valleys_are_where_the_slope_is_0_and_as_sharp_as_it_is_steep_there(valleys: Any) -> None:
    found = valleys.find_valleys()
    assert (len(found.floors), len(found.barriers)) == (3, 2)
    places = [found.floors[0], found.barriers[0], found.floors[1], found.barriers[1], found.floors[2]]
    assert places == sorted(places)
    assert np.abs([valleys_slope(x) for x in places]).max() < 1e-12
    steps = [(valleys_slope(x + 1e-6) - valleys_slope(x - 1e-6)) / 2e-6 for x in found.floors]
    np.testing.assert_allclose(found.curvatures, steps, rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_where_a_ball_ends_is_where_a_loop_of_gradient_descent_leaves_it(valleys: Any) -> None:
    table, floors = valleys.run_trials(5), valleys.find_valleys().floors
    # At 1.78 the ball is tossed about for long, and two ways of rounding part.
    for _, row in table[(table["optimizer"] == "GD") & ~table["learning_rate"].between(1, 2)].iterrows():
        x = row["x"]
        for _ in range(valleys.STEPS):
            x -= row["learning_rate"] * valleys_slope(x)
            if not abs(x) < 1e100:
                break
        at = [abs(x - floor) < 1e-6 for floor in floors]
        assert row["end"] == (at.index(True) if any(at) else 3 if abs(x) < 1e3 else 4)
    assert set(table["end"]) >= {0, 1, 2, 4}


@pytest.mark.slow
def test_the_claim_about_the_valleys_holds_on_a_coarse_grid_and_is_drawn(
    valleys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import jax

    monkeypatch.setattr("sys.argv", ["valleys.py", "--quick", "--out", str(tmp_path)])
    # The tests' own settings stay.
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    with jax.enable_x64(True):
        valleys.main()
    assert "deepest valley" in capsys.readouterr().out
    assert {file.name for file in tmp_path.iterdir()} == {"valleys.png", "valleys.gif"}


def test_what_of_the_claim_about_the_valleys_does_not_hold_is_told(valleys: Any) -> None:
    place = valleys.Valleys([1.0, 3.0, 5.0], [20.0, 6.0, 1.0], [2.0, 4.0])
    largest = {"GD": [0.099, 0.33, 1.99], "momentum 0.9": [0.189, 0.63, 3.79], "Adam": [0.4, 1.0, 10.0]}
    rows = [
        {"optimizer": name, "end": valley, "learning_rate": rate, "status": "stalled"}
        for name, rates in largest.items()
        for valley, rate in enumerate(rates)
    ]
    rows += [{**row, "learning_rate": 0.01} for row in rows if row["optimizer"] != "GD" and row["end"] == 2] * 2
    table = pd.DataFrame(rows)
    found = valleys.describe(table, place)
    assert valleys.failures(table, found) == ["more than 60% do with the others"]
    # Of five each, three.
    np.testing.assert_allclose(found["share"], [1 / 3] * 3 + [0.2, 0.2, 0.6] * 2)
    np.testing.assert_allclose(found["ratio"][:6], [0.99, 0.99, 0.995, 189 / 190, 0.63 / (3.8 / 6), 379 / 380])
    assert found["ratio"][6:].isna().all()
    rows[0]["learning_rate"], rows[8]["end"] = 0.11, 4
    told = valleys.failures(pd.DataFrame(rows), valleys.describe(pd.DataFrame(rows), place))
    assert told == [
        "GD and momentum rest only below their limits",
        "Adam never diverges",
        "more than 60% do with the others",
    ]
