"""The picture of a range test: its lines are the tested's curves, and its marks the suggestions."""

from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lrsweep
from lrsweep import plots


@pytest.fixture
def ax() -> Any:
    return Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def tested() -> lrsweep.RangeTest:
    return lrsweep.range_test(lrsweep.problems.line(), optax.sgd, low=1e-4, seeds=range(3))


def marks(ax: Any) -> list[tuple[float, float]]:
    return [tuple(point) for points in ax.collections for point in np.asarray(points.get_offsets()).tolist()]


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_one_setting_is_drawn_as_its_losses_its_seeds_and_their_median(tested: lrsweep.RangeTest, ax: Any) -> None:
    assert plots.range_test(tested, ax) is ax
    dots, *seeds, median = ax.lines
    assert len(seeds) == 3
    low, high = ax.get_ylim()
    rates = tested.medians["learning_rate"]
    np.testing.assert_array_equal(median.get_xdata(), rates)
    np.testing.assert_array_equal(median.get_ydata(), tested.medians["smoothed"].clip(low, high))
    losses = tested.medians["loss"]
    np.testing.assert_array_equal(dots.get_ydata(), losses.where(losses <= high))
    by_seed = tested.curves.pivot(index="step", columns="seed", values="smoothed").clip(low, high)
    for line, seed in zip(seeds, by_seed, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), by_seed[seed])
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("log", "linear", "learning rate")


def test_the_axis_shows_what_lies_before_the_loss_that_ended_a_curve(tested: lrsweep.RangeTest, ax: Any) -> None:
    plots.range_test(tested, ax)
    ended = tested.curves.groupby("seed")["smoothed"].apply(lambda curve: curve.dropna().iloc[-1])
    before = tested.curves.groupby("seed")["smoothed"].apply(lambda curve: curve.dropna().iloc[:-1].max())
    assert before.max() < ax.get_ylim()[1] < ended.min()


def test_suggestions_are_marked_on_the_median_and_named(tested: lrsweep.RangeTest, ax: Any) -> None:
    plots.range_test(tested, ax)
    rates, median = tested.medians["learning_rate"], tested.medians["smoothed"]
    suggested = tested.suggestions[["steepest", "minimum_over_ten", "valley"]].to_numpy()[0]
    heights = np.interp(np.log(suggested), np.log(rates), median)
    np.testing.assert_allclose(marks(ax), np.column_stack([suggested, heights]))
    assert texts(ax) == [
        f"{name} {rate:.4g}" for name, rate in zip(["steepest", "minimum/10", "valley"], suggested, strict=True)
    ]


def test_settings_have_a_line_and_a_colour_each(ax: Any) -> None:
    trials = pd.DataFrame({"momentum": [0.0, 0.9]})
    tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, seeds=range(2), trials=trials)
    plots.range_test(tested, ax)
    assert len(ax.lines) == 2
    assert len({line.get_color() for line in ax.lines}) == 2
    assert texts(ax) == ["0", "0.9", "steepest", "minimum/10", "valley"]
    assert ax.get_legend().get_title().get_text() == "momentum"
    assert len(marks(ax)) == 6


def test_where_nothing_is_suggested_the_curve_is_drawn_alone(ax: Any) -> None:
    tested = lrsweep.range_test(lrsweep.problems.quadratic([1.0]), optax.sgd, low=3.0, high=30.0, steps=50)
    plots.range_test(tested, ax)
    assert marks(ax) == []
    assert ax.get_legend() is None


def test_what_is_no_range_test_is_refused(search: lrsweep.Sweep) -> None:
    with pytest.raises(lrsweep.InputError, match=r"as lrsweep.range_test gives it, not a Sweep"):
        plots.range_test(search)  # pyright: ignore[reportArgumentType]
