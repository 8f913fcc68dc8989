"""What the pictures of landscapes, paths and fits draw."""

import re
import subprocess
import sys
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optax
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import lrsweep
from lrsweep import plots
from lrsweep.plots._paths import move_to_edge
from lrsweep.plots._style import COLOURS, MARKERS, shades

# w**2 at whole numbers from -4 to 4, and u**2 + 4 v**2 on [-2, 2] by [-1, 1].
BOWL = pd.Series(np.arange(-4.0, 5.0) ** 2, pd.Index(np.arange(-4.0, 5.0), name="w"), name="loss")
U, V = np.linspace(-2, 2, 41), np.linspace(-1, 1, 21)
OVAL = pd.DataFrame(U**2 + 4 * V[:, None] ** 2, pd.Index(V, name="v"), pd.Index(U, name="u"))


def path(*names: str, rows: Any) -> pd.DataFrame:
    values = np.asarray(rows, float).reshape(len(rows), -1)
    return pd.DataFrame(values, pd.RangeIndex(len(values), name="step"), pd.Index(names))


def points(line: Line2D) -> list[tuple[float, float]]:
    x, y = (np.asarray(data, float) for data in line.get_data())
    return list(zip(x.tolist(), y.tolist(), strict=True))


def marks(ax: Axes, status: str) -> list[tuple[float, float]]:
    """Where there is a mark of a status."""
    drawn = [line for line in ax.lines if line.get_marker() == MARKERS[status] and line.get_color() == COLOURS[status]]
    return [point for line in drawn for point in points(line)]


def labelled(ax: Axes, label: str) -> Line2D:
    """What the legend shows as so called, by its looks among what is drawn."""
    shown = ax.get_legend()
    assert shown is not None
    (handle,) = [
        line for line, text in zip(shown.get_lines(), shown.get_texts(), strict=True) if text.get_text() == label
    ]
    looks = handle.get_color(), handle.get_marker(), handle.get_markersize(), handle.get_linestyle()
    (line,) = [
        line
        for line in ax.lines
        if (line.get_color(), line.get_marker(), line.get_markersize(), line.get_linestyle()) == looks
    ]
    return line


def legend(ax: Axes) -> list[str]:
    shown = ax.get_legend()
    assert shown is not None
    return [text.get_text() for text in shown.get_texts()]


def test_a_slope_is_the_landscape_with_the_ball_after_every_update() -> None:
    ax = plots.slope(BOWL, {0.1: path("w", rows=[3, -2, 1])}, statuses={0.1: "converged"})
    assert points(ax.lines[0]) == list(zip(BOWL.index, BOWL, strict=True))
    assert points(labelled(ax, "0.1")) == [(3, 9), (-2, 4), (1, 1)]
    assert labelled(ax, "0.1").get_marker() == "o"
    assert marks(ax, "converged") == [(1, 1)]
    assert marks(ax, "diverged") == []
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("w", "loss", "linear")
    assert legend(ax) == ["0.1", "converged"]
    rings = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert [points(ring) for ring in rings] == [[(3, 9)]]


def test_between_the_landscapes_values_the_ball_is_on_its_line() -> None:
    ax = plots.slope(BOWL, {"a": path("w", rows=[1.5])})
    assert points(labelled(ax, "a")) == [(1.5, 2.5)]


def test_a_ball_that_leaves_the_slope_is_marked_at_its_end_and_not_joined_out_there() -> None:
    rows = [1, -3, 7, -15, np.inf, np.nan]
    ax = plots.slope(BOWL, {"a": path("w", rows=rows)})
    right, left = (4, 16), (-4, 16)
    # The end, its status unknown, is marked as one that diverged; what is not finite is where it was last.
    assert marks(ax, "diverged") == [right, left, left, left, left]
    assert legend(ax) == ["a", "diverged"]
    nan = (np.nan, np.nan)
    np.testing.assert_equal(points(labelled(ax, "a")), [(1, 1), (-3, 9), right, nan, left, nan, left, nan, left])


def test_where_the_loss_is_not_finite_the_ball_is_drawn_all_the_same() -> None:
    broken = BOWL.where(BOWL.index != 4, np.inf)
    ax = plots.slope(broken, {"a": path("w", rows=[1, 4, 5])})
    # At the height of its nearest neighbour that is.
    assert points(labelled(ax, "a")) == [(1, 1), (4, 9), (4, 9)]


def test_a_trial_that_leaves_and_comes_back_is_marked_outside_and_ends_as_it_did() -> None:
    ax = plots.slope(BOWL, {"a": path("w", rows=[1, 9, 0])}, statuses={"a": "converged"})
    assert marks(ax, "diverged") == [(4, 16)]
    assert marks(ax, "converged") == [(0, 0)]
    assert points(labelled(ax, "a")) == [(1, 1), (4, 16), (0, 0)]


def test_paths_go_from_pale_to_dark_in_their_order_and_statuses_are_told_once() -> None:
    paths = {name: path("w", rows=[place, 0]) for place, name in enumerate("abc", 1)}
    ax = plots.slope(BOWL, paths, statuses=dict.fromkeys("abc", "stalled"))
    drawn = [labelled(ax, name).get_color() for name in "abc"]
    assert drawn == shades(3)
    brightness = [sum(to_rgb(colour)) for colour in drawn]
    assert brightness == sorted(brightness, reverse=True)
    assert legend(ax) == ["a", "b", "c", "stalled"]
    assert marks(ax, "stalled") == 3 * [(0, 0)]


def test_contours_are_evenly_spaced_in_the_logarithm_of_the_loss_above_its_least() -> None:
    for least in (0.0, 5.0):
        ax = plots.contours(OVAL + least)
        (drawn,) = [each for each in ax.collections if isinstance(each, QuadContourSet)]
        above = np.log10(np.asarray(drawn.levels) - least)
        np.testing.assert_allclose(np.diff(above), 1 / 3, rtol=1e-9)
        # Four powers of ten, up to the most that there is, 8.
        assert len(above) == 12
        assert np.log10(8) - 1 / 3 <= above[-1] < np.log10(8)
        assert {text.get_text() for text in drawn.labelTexts} <= {f"{least + 10**k:.3g}" for k in range(-4, 1)}
        assert {f"{least + 1:.3g}"} <= {text.get_text() for text in drawn.labelTexts}
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("u", "v")
        assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 2), (-1, 1))


def test_a_path_among_contours_leaves_through_the_edge_in_its_direction() -> None:
    rows = [[1, 0.5], [-1, -0.5], [8, 2], [0, -3], [np.nan, 0]]
    ax = plots.contours(OVAL, {"a": path("u", "v", rows=rows)}, statuses={"a": "diverged"})
    # From the middle (8, 2) is seen through (2, 0.5).
    assert points(labelled(ax, "a"))[:3] == [(1, 0.5), (-1, -0.5), (2, 0.5)]
    assert marks(ax, "diverged") == [(2, 0.5), (0, -1), (0, -1), (0, -1)]


def test_a_flat_landscape_is_drawn_with_no_contour() -> None:
    ax = plots.contours(0 * OVAL + 3, {"a": path("u", "v", rows=[[0, 0]])})
    assert points(labelled(ax, "a")) == [(0, 0)]


@given(st.lists(st.tuples(*2 * [st.floats(allow_nan=True, allow_infinity=True)]), min_size=1, max_size=8))
def test_no_ball_is_drawn_outside_and_none_inside_is_moved(rows: list[tuple[float, float]]) -> None:
    values, low, high = np.array(rows), np.array([-1.0, 3.0]), np.array([2.0, 4.0])
    drawn, outside = move_to_edge(values, low, high)
    assert np.isfinite(drawn).all()
    assert ((low <= drawn) & (drawn <= high)).all()
    inside = ((low <= values) & (values <= high)).all(axis=1)
    np.testing.assert_array_equal(outside, ~inside)
    np.testing.assert_allclose(drawn[inside], values[inside], rtol=1e-12, atol=1e-12)
    on_edge = np.isclose(drawn, low) | np.isclose(drawn, high)
    assert on_edge[outside].any(axis=1).all()


X, Y = [0.0, 1.0, 3.0], [-1.0, 1.0, 5.0]


def lines_of(ax: Axes) -> list[list[tuple[float, float]]]:
    return [points(line) for line in ax.lines if line.get_linestyle() == "-"]


def test_a_fit_is_the_data_and_the_line_from_pale_to_dark() -> None:
    w0, w1 = np.linspace(0, -1, 12), np.linspace(1, 2, 12)
    ax = plots.fit(X, Y, path("w0", "w1", rows=np.column_stack([w0, w1])))
    assert points(labelled(ax, "data")) == [(0, -1), (1, 1), (3, 5)]
    # The first row, the first, second, fourth and eighth after it, and the last.
    drawn = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert len(drawn) == 6
    for line, step in zip(drawn, [0, 1, 2, 4, 8, 11], strict=True):
        for x, y in points(line):
            assert y == pytest.approx(w1[step] * x + w0[step])
        # From one edge of the picture to another.
        ends = np.array(points(line))
        at_edge = np.isclose(ends[:, 0], ax.get_xlim()) | np.isclose(ends[:, 1], ax.get_ylim())
        assert at_edge.all()
    assert [line.get_color() for line in drawn] == shades(6)
    assert legend(ax) == ["data", "start", "after 11 updates"]
    assert marks(ax, "diverged") == []
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")


def test_a_fit_draws_the_updates_asked_for_with_other_names_of_its_parameters() -> None:
    rows = path("coefficients[0]", "intercept", rows=[[1, 0], [1.5, 0], [2, -1]])
    ax = plots.fit(X, Y, rows, slope="coefficients[0]", intercept="intercept", updates=[2, 1])
    assert legend(ax) == ["data", "after 1 update", "after 2 updates"]
    assert len(lines_of(ax)) == 2


def test_a_line_that_has_left_the_picture_is_marked_at_the_edge_it_left_through() -> None:
    rows = [[0, 1], [1e3, 0], [-1e3, 0], [np.nan, 1], [0, np.inf], [1e300, 1e301]]
    ax = plots.fit(X, Y, path("w0", "w1", rows=rows), updates=range(6))
    bottom, top = ax.get_ylim()
    # What is not finite is taken to have gone up. The last is all but upright.
    assert marks(ax, "diverged") == [(1.5, top), (1.5, bottom), (1.5, top), (1.5, top)]
    assert len(lines_of(ax)) == 2
    steep = np.array(lines_of(ax)[1])
    np.testing.assert_allclose(steep, [[-0.1, bottom], [-0.1, top]], atol=1e-9)


def test_axes_that_are_given_are_drawn_on_and_returned() -> None:
    line = path("w0", "w1", rows=[[0, 1]])
    for draw in (lambda ax: plots.slope(BOWL, ax=ax), lambda ax: plots.contours(OVAL, ax=ax),
                 lambda ax: plots.fit([0, 1], [0, 1], line, ax=ax)):  # fmt: skip
        ax = Figure().subplots()
        assert draw(ax) is ax
        assert ax.has_data()
    assert plt.get_fignums() == []


def test_drawing_changes_no_setting_of_matplotlib_and_importing_does_not_load_it() -> None:
    before = dict(mpl.rcParams)
    plots.slope(BOWL, {"a": path("w", rows=[1])}).figure.draw_without_rendering()  # pyright: ignore[reportAttributeAccessIssue]
    assert dict(mpl.rcParams) == before
    code = "import sys, lrsweep.plots; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_everything_drawn_lies_within_a_papers_column() -> None:
    paths = {f"learning rate {rate}": path("w", rows=[3, rate, 9]) for rate in (0.1, 0.5, 1.5)}
    statuses = dict(zip(paths, ["slow", "converged", "diverged"], strict=True))
    figure: Any = plots.slope(BOWL, paths, statuses=statuses).figure
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == 3.5
    drawn = figure.axes[0].get_tightbbox()
    assert drawn.x0 >= 0
    assert drawn.x1 <= figure.bbox.x1
    assert drawn.y1 <= figure.bbox.y1


ANY: Any = None
REFUSED = {
    "a slope takes the landscape along one parameter: a Series": lambda: plots.slope(ANY),
    "contours take the landscape along two parameters: a DataFrame": lambda: plots.contours(ANY),
    "path 'a': there is no parameter 'w': there is: x": lambda: plots.slope(BOWL, {"a": path("x", rows=[1])}),
    "path 'a' also moves along x, which the landscape holds still: give path[['w']]": (
        lambda: plots.slope(BOWL, {"a": path("w", "x", rows=[[1, 1], [0, 2]])})
    ),
    "there is no path 'b': there is: a": lambda: plots.slope(BOWL, {"a": path("w", rows=[1])}, statuses={"b": "slow"}),
    "path 'a': there is no status 'slw': did you mean 'slow'?": (
        lambda: plots.slope(BOWL, {"a": path("w", rows=[1])}, statuses={"a": "slw"})
    ),
    "x has shape (2,) and y (1,): they must be two lists of one length": (
        lambda: plots.fit([0, 1], [0], path("w0", "w1", rows=[[0, 1]]))
    ),
    "path: there is no parameter 'w1': there is: w0": lambda: plots.fit([0, 1], [0, 1], path("w0", rows=[0])),
    "no path has update 3: name some of the 1 from 0 to 0 that there are": (
        lambda: plots.fit([0, 1], [0, 1], path("w0", "w1", rows=[[0, 1]]), updates=[3])
    ),
    "a landscape of shape (1,) cannot be drawn": lambda: plots.slope(BOWL[:1]),
    "a landscape of shape (21, 41) cannot be drawn": lambda: plots.contours(OVAL * np.nan),
    "path 'a' holds no update": lambda: plots.slope(BOWL, {"a": path("w", rows=[1])[:0]}),
    "path holds no update": lambda: plots.fit([0, 1], [0, 1], path("w0", "w1", rows=[[0, 1]])[:0]),
    "updates names no update to draw": (lambda: plots.fit([0, 1], [0, 1], path("w0", "w1", rows=[[0, 1]]), updates=[])),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_be_drawn_is_refused_before_a_figure_is_made(says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}"):
        REFUSED[says]()
    assert plt.get_fignums() == []


def test_a_parameter_that_stays_may_be_left_in_a_path() -> None:
    ax = plots.slope(BOWL, {"a": path("w", "x", rows=[[1, 5], [2, 5]])})
    assert points(labelled(ax, "a")) == [(1, 1), (2, 4)]


def test_the_picture_of_a_sweep_shows_what_became_of_its_trials() -> None:
    bowl = lrsweep.problems.quadratic([1.0], start=[1.9])
    ground = lrsweep.landscape(bowl, {"x[0]": np.linspace(-3, 3, 61)})
    sweep = lrsweep.sweep(bowl, optax.sgd, lrsweep.grid(learning_rate=[0.5, 2.5]), steps=60)
    paths = {trial: sweep.path(trial) for trial in sweep.table.index}
    ax = plots.slope(ground, paths, statuses=sweep.table["status"].to_dict())
    # x_k = (1 - learning_rate)**k x_0, which at 2.5 is outside from the second update on.
    halved = 1.9 * 0.5 ** np.arange(sweep.table["steps"][0] + 1)
    np.testing.assert_allclose(np.array(points(labelled(ax, "0")))[:, 0], halved, rtol=1e-5)
    outside, end = sweep.table["diverged_at"][1] - 1, 1
    assert len(marks(ax, "diverged")) == outside + end
    assert len(marks(ax, "converged")) == end
