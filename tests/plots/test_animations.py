"""What each frame of an animation draws, and the files that they are written to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.animation import FuncAnimation, PillowWriter, writers
from matplotlib.axes import Axes
from PIL import Image

from lrsweep import plots
from lrsweep.plots._style import COLOURS, MARKERS

BOWL = pd.Series(np.arange(-4.0, 5.0) ** 2, pd.Index(np.arange(-4.0, 5.0), name="w"), name="loss")
U, V = np.linspace(-2, 2, 21), np.linspace(-1, 1, 11)
OVAL = pd.DataFrame(U**2 + 4 * V[:, None] ** 2, pd.Index(V, name="v"), pd.Index(U, name="u"))

X, Y = [0.0, 1.0, 3.0], [-1.0, 1.0, 5.0]
LINE = pd.DataFrame({"w0": [0.0, -0.5, -1.0], "w1": [1.0, 1.5, 2.0]}, pd.RangeIndex(3, name="step"))
LOSSES = pd.Series([2.0, 0.5, 0.1])

# So long that the last frame is shown but twice.
SLOW = 1500


class Watch(PillowWriter):
    """Looks at the figure of every frame instead of writing it."""

    def __init__(self, look: Callable[[Any], Any]) -> None:
        super().__init__()
        self.look, self.looks = look, []

    def grab_frame(self, **_: Any) -> None:
        self.looks.append(self.look(self.fig))

    def finish(self) -> None:
        pass


def watch(animation: FuncAnimation, look: Callable[[Any], Any]) -> list[Any]:
    """What a look at every frame gives; the last frame stays, and is not counted twice."""
    writer = Watch(look)
    animation.save("nowhere", writer=writer)
    assert writer.looks[-1] == writer.looks[-2]
    return writer.looks[:-1]


def points(ax: Axes, marker: str, colour: str | None = None) -> list[tuple[float, float]]:
    """Where there are marks without a line between them."""
    xy = []
    for line in ax.lines:
        if line.get_marker() == marker and colour in (None, line.get_color()) and np.size(line.get_xdata()) > 0:
            xy += zip(*(np.asarray(data, float).tolist() for data in line.get_data()), strict=True)
    return xy


def of_status(ax: Axes, status: str) -> list[tuple[float, float]]:
    return points(ax, MARKERS[status], COLOURS[status])


def path(*names: str, rows: Any) -> pd.DataFrame:
    values = np.asarray(rows, float).reshape(len(rows), -1)
    return pd.DataFrame(values, pd.RangeIndex(len(values), name="step"), pd.Index(names))


def test_a_frame_shows_every_ball_on_its_own_slope_after_one_more_update() -> None:
    paths = {"small": path("w", rows=[3, 2, 1, 0]), "large": path("w", rows=[3, -1])}
    animation = plots.animate_slope(BOWL, paths, statuses={"large": "converged"}, interval=SLOW)

    def look(figure: Any) -> Any:
        return [
            (ax.get_title(), points(ax, "o")[-1], of_status(ax, "converged"), len(points(ax, "o")))
            for ax in figure.axes
        ]

    frames = watch(animation, look)
    small, large = zip(*frames, strict=True)
    # The trail so far, and the ball at its end.
    assert small == (
        ("small\nstart", (3, 9), [], 2),
        ("small\nafter 1 update", (2, 4), [], 3),
        ("small\nafter 2 updates", (1, 1), [], 4),
        ("small\nafter 3 updates", (0, 0), [], 5),
    )
    ended = ("large\nconverged after 1 update", (-1, 1), [(-1, 1)], 3)
    assert large == (("large\nstart", (3, 9), [], 2), ended, ended, ended)


def test_every_panel_has_the_landscape_and_only_the_first_says_loss() -> None:
    animation = plots.animate_slope(BOWL, {"a": path("w", rows=[1]), "b": path("w", rows=[2])}, interval=SLOW)

    def look(figure: Any) -> Any:
        return [(ax.get_xlabel(), ax.get_ylabel(), ax.lines[0].get_ydata().tolist()) for ax in figure.axes]

    assert watch(animation, look) == [[("w", "loss", BOWL.tolist()), ("w", "", BOWL.tolist())]]


def test_a_ball_that_has_left_stays_at_the_edge_as_one_that_diverged() -> None:
    animation = plots.animate_slope(BOWL, {"a": path("w", rows=[1, -6, 30, np.inf])}, interval=SLOW)
    frames = watch(animation, lambda figure: of_status(figure.axes[0], "diverged"))
    left, right = (-4, 16), (4, 16)
    # The end is marked once more, larger.
    assert frames == [[], [left], [left, right], [left, right, right, right]]


def test_among_contours_the_ball_is_on_the_map() -> None:
    rows = [[1, 0.5], [-1, 0], [8, 0]]
    animation = plots.animate_contours(OVAL, {"a": path("u", "v", rows=rows)}, statuses={"a": "slow"}, interval=SLOW)

    def look(figure: Any) -> Any:
        (ax,) = figure.axes
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("u", "v")
        return points(ax, "o")[-1], of_status(ax, "diverged"), of_status(ax, "slow")

    assert watch(animation, look) == [
        ((1, 0.5), [], []),
        ((-1, 0), [], []),
        ((2, 0), [(2, 0)], [(2, 0)]),
    ]


def test_the_line_turns_beside_its_loss() -> None:
    def look(figure: Any) -> Any:
        fit, loss = figure.axes
        assert (loss.get_xlabel(), loss.get_ylabel(), loss.get_yscale()) == ("updates", "loss", "log")
        assert points(fit, "o") == [(0, -1), (1, 1), (3, 5)]
        ends = [np.asarray(data) for data in fit.lines[2].get_data()]
        slope = (ends[1][1] - ends[1][0]) / (ends[0][1] - ends[0][0])
        return round(slope, 9), fit.get_title(), points(loss, "o"), loss.get_title(), loss.lines[0].get_ydata().tolist()

    assert watch(plots.animate_fit(X, Y, LINE, LOSSES, interval=SLOW), look) == [
        (1.0, "start", [(0, 2.0)], "loss 2", [2.0]),
        (1.5, "after 1 update", [(1, 0.5)], "loss 0.5", [2.0, 0.5]),
        (2.0, "after 2 updates", [(2, 0.1)], "loss 0.1", [2.0, 0.5, 0.1]),
    ]


def test_a_line_and_a_loss_that_are_not_finite_are_marked_at_the_edge() -> None:
    line = path("w0", "w1", rows=[[0, 1], [1e9, 0], [np.nan, np.nan]])
    animation = plots.animate_fit(X, Y, line, pd.Series([2.0, 1e18, np.inf]), interval=SLOW)

    def look(figure: Any) -> Any:
        return [of_status(ax, "diverged") for ax in figure.axes]

    frames, tops = watch(animation, look), watch(animation, lambda figure: [ax.get_ylim()[1] for ax in figure.axes])[0]
    above = [(1.5, tops[0])]
    assert frames == [[[], []], [above, []], [above, [(2, tops[1])]]]


def test_a_path_that_begins_later_and_a_curve_of_few_losses_are_shown_from_the_first_frame_on() -> None:
    paths = {"a": path("w", rows=[3, 2, 1]), "b": path("w", rows=[3, 2, 1])[1:]}
    frames = watch(plots.animate_slope(BOWL, paths, interval=SLOW), lambda figure: figure.axes[1].get_title())
    assert frames == ["b\nafter 1 update", "b\nafter 1 update", "b\nafter 2 updates"]
    animation = plots.animate_fit(X, Y, LINE, LOSSES[[0, 2]], updates=[1, 2], interval=SLOW)
    assert watch(animation, lambda figure: points(figure.axes[1], "o")) == [[(0, 2.0)], [(2, 0.1)]]


def test_what_comes_after_the_end_in_a_row_of_curves_is_not_drawn() -> None:
    curve = pd.Series([2.0, 0.5, 0.1, np.nan, np.nan])
    animation = plots.animate_fit(X, Y, LINE, curve, interval=SLOW)
    assert watch(animation, lambda figure: of_status(figure.axes[1], "diverged"))[-1] == []


def test_frames_are_the_updates_asked_for() -> None:
    paths = {"a": path("w", rows=np.linspace(4, 0, 21))}
    animation = plots.animate_slope(BOWL, paths, updates=[20, 0, 5], interval=SLOW)
    titles = watch(animation, lambda figure: figure.axes[0].get_title())
    assert titles == ["a\nstart", "a\nafter 5 updates", "a\nafter 20 updates"]


def test_a_gif_has_a_frame_per_update_and_rests_on_the_last(tmp_path: Path) -> None:
    animation = plots.animate_fit(X, Y, LINE, LOSSES, interval=500)
    plots.save_animation(animation, tmp_path / "line.gif", dpi=40)
    with Image.open(tmp_path / "line.gif") as image:
        frames: Any = image
        durations = []
        for frame in range(frames.n_frames):
            frames.seek(frame)
            durations.append(frames.info["duration"])
        assert frames.size == (192, 104)
        assert frames.info["loop"] == 0
    assert durations == [500, 500, 500 + 1500]
    assert [file.name for file in tmp_path.iterdir()] == ["line.gif"]
    assert plt.get_fignums() == []


def test_an_mp4_is_written_where_ffmpeg_is_installed(tmp_path: Path) -> None:
    if not writers.is_available("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    plots.save_animation(plots.animate_fit(X, Y, LINE, LOSSES, interval=500), tmp_path / "line.mp4", dpi=40)
    # ISO/IEC 14496-12: the first box of the file says what it is.
    assert (tmp_path / "line.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.fixture
def animation() -> FuncAnimation:
    animation = plots.animate_fit(X, Y, LINE, LOSSES, interval=SLOW)
    watch(animation, lambda figure: None)
    return animation


def test_without_ffmpeg_an_mp4_is_refused_in_a_sentence(
    animation: FuncAnimation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "is_available", lambda name: name == "pillow")
    with pytest.raises(ValueError, match=r"writing 'line\.mp4' takes ffmpeg, which is not installed: install it, or"):
        plots.save_animation(animation, tmp_path / "line.mp4")


def test_what_fails_on_the_way_leaves_the_file_that_was_there(
    animation: FuncAnimation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    (tmp_path / "line.gif").write_bytes(b"the old one")
    monkeypatch.setattr(animation, "save", fail)
    with pytest.raises(OSError, match="the disk is full"):
        plots.save_animation(animation, tmp_path / "line.gif")
    assert (tmp_path / "line.gif").read_bytes() == b"the old one"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_animated_or_written_is_refused(animation: FuncAnimation, tmp_path: Path) -> None:
    for name, says in {"line.avi": r"by its ending: use \.gif or \.mp4", "no/line.gif": "there is no folder"}.items():
        with pytest.raises(ValueError, match=says):
            plots.save_animation(animation, tmp_path / name)
    with pytest.raises(ValueError, match="there are no paths to animate"):
        plots.animate_slope(BOWL, {})
    with pytest.raises(ValueError, match="no path has update 9: name some of the 3 from 0 to 2 that there are"):
        plots.animate_fit(X, Y, LINE, LOSSES, updates=[9])
    with pytest.raises(ValueError, match="the curve has no finite loss up to update 2"):
        plots.animate_fit(X, Y, LINE, LOSSES * np.nan)
    with pytest.raises(ValueError, match="interval=0 must be above 0"):
        plots.animate_fit(X, Y, LINE, LOSSES, interval=0)
    with pytest.raises(ValueError, match="path 'a': there is no parameter 'w'"):
        plots.animate_slope(BOWL, {"a": path("x", rows=[1])})
