"""The picture of a transfer: its points are the best learning rates, its bars their intervals."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lrsweep
from lrsweep import plots

FOUND = pd.DataFrame(
    {
        "kind": ["standard", "standard", "muP", "muP"],
        "width": [64, 256, 256, 64],
        "learning_rate": [0.1, 0.02, 0.1, 0.2],
        "low": [0.05, 0.02, 0.05, 0.2],
        "high": [0.1, 0.04, 0.1, 0.4],
        "median_final_loss": 0.5,
        "untuned": 0.5,
        "power": [-1.16, -1.16, -0.001, -0.001],
    }
)


@pytest.fixture
def ax() -> Any:
    return Figure(layout="constrained").subplots()


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_line_per_setting_has_its_best_learning_rates_in_order_with_their_intervals(ax: Any) -> None:
    assert plots.transfer(FOUND, "width", ax) is ax
    standard, mup = (bars.lines[0] for bars in ax.containers)
    assert standard.get_xydata().tolist() == [[64, 0.1], [256, 0.02]]
    assert mup.get_xydata().tolist() == [[64, 0.2], [256, 0.1]]
    segments = np.concatenate([bars.lines[2][0].get_segments() for bars in ax.containers])
    np.testing.assert_allclose(segments[:, :, 1], [[0.05, 0.1], [0.02, 0.04], [0.2, 0.4], [0.05, 0.1]])
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == (
        "log",
        "log",
        "width",
        "best learning rate",
    )
    assert texts(ax) == ["standard, power -1.16", "muP, power 0.00"]


def test_without_intervals_and_with_one_width_there_is_still_a_picture(ax: Any) -> None:
    plots.transfer(FOUND[:1].drop(columns="kind").assign(low=np.nan, high=np.nan, power=np.nan), "width", ax)
    (bars,) = ax.containers
    assert bars.lines[0].get_xydata().tolist() == [[64, 0.1]]
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    ("found", "along", "said"),
    [
        (FOUND, "depth", "along: there is no column 'depth'"),
        (FOUND.drop(columns="power"), "width", "this is not what lrsweep.transfer gives: it has no column 'power'"),
        ("table", "width", "as lrsweep.transfer gives it, not a str"),
    ],
)
def test_what_is_no_transfer_is_refused(found: Any, along: str, said: str, ax: Any) -> None:
    with pytest.raises(lrsweep.InputError) as refused:
        plots.transfer(found, along, ax)
    assert said in str(refused.value)


def test_words_lie_side_by_side() -> None:
    sizes = ["small", "base", "large"]
    found = pd.DataFrame({"size": sizes, "learning_rate": [0.1, 0.05, 0.02], "low": np.nan, "high": np.nan})
    ax = plots.transfer(found.assign(median_final_loss=0.5, untuned=0.5, power=np.nan), "size")
    assert [label.get_text() for label in ax.get_xticklabels()] == sizes
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("linear", "log", "size")
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [0, 1, 2]
