"""Animations: the ball on a slope or on contours, and the line of a fit, update by update."""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import number
from lrsweep.plots._axes import plain_text
from lrsweep.plots._fit import FitPicture, check_fit, draw_data, visible_segment
from lrsweep.plots._landscape import check_contours, check_slope, contours, slope
from lrsweep.plots._paths import (
    Trail,
    check_updates,
    draw_mark,
    on_contours,
    on_slope,
    outside_style,
    status_of,
    update_label,
    with_gaps,
)
from lrsweep.plots._style import shades
from lrsweep.tables._files import check_path, replace_files

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What writes an animation, by its file's ending.
WRITERS = {".gif": "pillow", ".mp4": "ffmpeg"}

# A panel's width and height in inches; how long the last frame and each other one stay, in milliseconds.
PANEL, REST, INTERVAL = (2.4, 2.6), 1500, 100

# Changes a panel to how things are after so many updates.
ShowUpdate = Callable[[int], None]


def animate_slope(
    landscape: pd.Series,
    paths: Mapping[Any, pd.DataFrame],
    *,
    statuses: Mapping[Any, str] | None = None,
    updates: Iterable[int] | None = None,
    interval: float = INTERVAL,
) -> "FuncAnimation":
    """Animates the ball on the slope, update by update: a panel per path, side by side.

    What is drawn in a panel is what `slope` draws, up to the update at hand; a ball that has ended waits for the
    others, marked by its status.

    Args:
        landscape: What `lrsweep.landscape` gives along one parameter.
        paths: By label, what `Sweep.path` gives; the labels are the panels' titles.
        statuses: By label, how the trial ended.
        updates: Which updates to show, one frame each; every one of the paths' where it is left out.
        interval: How long a frame stays, in milliseconds; the last one stays for 1500 more.

    Returns:
        The animation; `save_animation` writes it.

    Raises:
        ValueError: `slope` would refuse the landscape or a path, there are no paths, no path has one of the updates, or
            `interval` is not above 0.

    Example:
        >>> valley = lrsweep.landscape(lrsweep.problems.quadratic([1.0]), {"x[0]": [-2.0, -1.0, 0.0, 1.0, 2.0]})
        >>> paths = {"0.5": pd.DataFrame({"x[0]": [2.0, 1.0, 0.5]}), "1.5": pd.DataFrame({"x[0]": [2.0, -1.0, 0.5]})}
        >>> animation = lrsweep.plots.animate_slope(valley, paths)
        >>> lrsweep.plots.save_animation(animation, folder / "balls.gif")
    """
    statuses = check_slope(landscape, paths, statuses)
    trails = {label: on_slope(landscape, path) for label, path in paths.items()}
    return _animate_balls(partial(slope, landscape), trails, statuses, _frames(paths, updates, interval), interval)


def animate_contours(
    landscape: pd.DataFrame,
    paths: Mapping[Any, pd.DataFrame],
    *,
    statuses: Mapping[Any, str] | None = None,
    updates: Iterable[int] | None = None,
    interval: float = INTERVAL,
) -> "FuncAnimation":
    """Animates the ball on a map of two parameters, update by update: a panel per path, side by side.

    What is drawn in a panel is what `contours` draws, up to the update at hand; a ball that has ended waits for the
    others, marked by its status.

    Args:
        landscape: What `lrsweep.landscape` gives along two parameters.
        paths: By label, what `Sweep.path` gives; the labels are the panels' titles.
        statuses: By label, how the trial ended.
        updates: Which updates to show, one frame each; every one of the paths' where it is left out.
        interval: How long a frame stays, in milliseconds; the last one stays for 1500 more.

    Returns:
        The animation; `save_animation` writes it.

    Raises:
        ValueError: `contours` would refuse the landscape or a path, there are no paths, no path has one of the updates,
            or `interval` is not above 0.

    Example:
        >>> axis = np.linspace(-2, 2, 41)
        >>> ground = lrsweep.landscape(lrsweep.problems.quadratic([1.0, 4.0]), {"x[0]": axis, "x[1]": axis})
        >>> paths = {"0.4": pd.DataFrame({"x[0]": [1.0, 0.6, 0.36], "x[1]": [1.0, -0.6, 0.36]})}
        >>> animation = lrsweep.plots.animate_contours(ground, paths)
        >>> lrsweep.plots.save_animation(animation, folder / "map.gif")
    """
    statuses = check_contours(landscape, paths, statuses)
    trails = {label: on_contours(landscape, path) for label, path in paths.items()}
    return _animate_balls(partial(contours, landscape), trails, statuses, _frames(paths, updates, interval), interval)


def animate_fit(
    x: Any,
    y: Any,
    path: pd.DataFrame,
    curve: pd.Series,
    *,
    slope: str = "w1",
    intercept: str = "w0",
    updates: Iterable[int] | None = None,
    interval: float = INTERVAL,
) -> "FuncAnimation":
    """Animates the line of a fit, update by update, beside its loss.

    A line that has left the picture is an X at the edge, in the colour of diverged trials, and so is a loss that is
    not finite. The line that it started from stays, in a pale shade.

    Args:
        x: ``[example] float``, what the line is a function of.
        y: ``[example] float``, what it is fitted to.
        path: What `Sweep.path` gives of a trial whose model is a line.
        curve: ``[update] float``, its losses by update: `Sweep.replay(trial).curve`, or its row of
            `Sweep.curves["loss"]`.
        slope: The parameter that is the line's slope; in `problems.linear_regression` it is `coefficients[0]`.
        intercept: The parameter that is its height at 0; in `problems.linear_regression` it is `intercept`.
        updates: Which updates to show, one frame each; every one of the path's where it is left out.
        interval: How long a frame stays, in milliseconds; the last one stays for 1500 more.

    Returns:
        The animation; `save_animation` writes it.

    Raises:
        ValueError: `fit` would refuse the data or the path, `interval` is not above 0, or the curve has no finite loss
            up to the last of the updates.

    Example:
        >>> path = pd.DataFrame({"w0": [0.0, -0.4, -0.9], "w1": [1.0, 1.6, 2.0]})
        >>> animation = lrsweep.plots.animate_fit([0, 1, 3], [-1, 1, 5], path, pd.Series([1.67, 0.14, 0.01]))
        >>> lrsweep.plots.save_animation(animation, folder / "line.gif")
    """
    picture = check_fit(x, y, path, slope, intercept)
    frames = _frames({None: path}, updates, interval)
    losses = curve[curve.index <= frames[-1]].astype(float)
    if not np.isfinite(losses).any():
        raise InputError(f"the curve has no finite loss up to update {frames[-1]}, the last to be shown")
    figure, (left, right) = _panels(2, share=False)
    draw_data(left, picture)
    return _animate(figure, [_line_panel(left, picture), _loss_panel(right, losses)], frames, interval)


def save_animation(animation: "FuncAnimation", path: str | os.PathLike[str], *, dpi: float = 120) -> None:
    """Writes an animation as `.gif`, or as `.mp4`, for which ffmpeg must be installed.

    A file that exists is replaced only once the new one is complete.

    Args:
        animation: What an `animate_...` function returns, or any other animation of matplotlib's.
        path: The file to write.
        dpi: Dots per inch.

    Raises:
        ValueError: The ending is not one of these, the folder does not exist or cannot be written to, or ffmpeg is
            not installed.

    Example:
        >>> path = pd.DataFrame({"w0": [0.0, -0.4, -0.9], "w1": [1.0, 1.6, 2.0]})
        >>> animation = lrsweep.plots.animate_fit([0, 1, 3], [-1, 1, 5], path, pd.Series([1.67, 0.14, 0.01]))
        >>> lrsweep.plots.save_animation(animation, folder / "line.gif", dpi=50)
    """
    from matplotlib.animation import writers

    path = check_path(path, tuple(WRITERS))
    writer = WRITERS[path.suffix.lower()]
    if not writers.is_available(writer):
        raise InputError(f"writing {path.name!r} takes {writer}, which is not installed: install it, or write a .gif")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / f"whole{path.suffix.lower()}"
        animation.save(whole, writer=writer, dpi=dpi)
        replace_files({path: whole.read_bytes()})


def _frames(paths: Mapping[Any, pd.DataFrame], updates: Iterable[int] | None, interval: float) -> list[int]:
    """Gives the updates to show, one per frame."""
    if not interval > 0:
        raise InputError(f"interval={interval} must be above 0: it is how many milliseconds a frame stays")
    if not paths:
        raise InputError("there are no paths to animate: give one or more, {'learning rate 0.1': sweep.path(trial)}")
    known = pd.Index(sorted(set().union(*(path.index for path in paths.values()))))
    return check_updates(known if updates is None else updates, known)


def _panels(count: int, *, share: bool = True) -> tuple["Figure", "list[Axes]"]:
    """Makes a figure of panels side by side."""
    # Not registered with pyplot, so that it is freed with the animation.
    from matplotlib.figure import Figure

    width, height = PANEL
    figure = Figure((width * count, height), layout="constrained")
    return figure, list(figure.subplots(1, count, sharey=share, squeeze=False)[0])


def _animate_balls(
    draw: Callable[..., Any],
    trails: Mapping[Any, Trail],
    statuses: Mapping[Any, str],
    frames: list[int],
    interval: float,
) -> "FuncAnimation":
    """Animates a ball per trail, each in a panel whose ground `draw` draws."""
    figure, panels = _panels(len(trails))
    show_panels = []
    for ax, (label, trail) in zip(panels, trails.items(), strict=True):
        draw(ax=ax)
        show_panels.append(_ball_panel(ax, plain_text(label), trail, statuses.get(label)))
    return _animate(figure, show_panels, frames, interval)


def _animate(figure: "Figure", show_panels: list[ShowUpdate], frames: list[int], interval: float) -> "FuncAnimation":
    """Animates panels together: each frame shows all of them after the same update."""
    from matplotlib.animation import FuncAnimation

    def show(step: int) -> list[Any]:
        for each in show_panels:
            each(step)
        return []

    show(frames[-1])
    for ax in figure.axes[1:]:
        if ax.get_shared_y_axes().joined(ax, figure.axes[0]):
            ax.set_ylabel("")
    # Laid out once, so that panels keep their places from frame to frame.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    rest = [frames[-1]] * round(REST / interval)
    return FuncAnimation(figure, show, frames=[*frames, *rest], interval=interval)


def _ball_panel(ax: "Axes", label: str, trail: Trail, status: str | None) -> ShowUpdate:
    """Prepares a panel for the ball of a trail; returns what draws it after an update."""
    (pale, dark), status = shades(2), status_of(trail, status)
    (line,) = ax.plot([], [], "-o", color=pale, linewidth=0.7, markersize=2, zorder=3)
    (beyond,) = ax.plot([], [], zorder=4, **outside_style(4))
    (ball,) = ax.plot([], [], "o", color=dark, markersize=8, zorder=5, clip_on=False, in_layout=False)
    end = draw_mark(ax, np.empty(0), np.empty(0), status)[0] if status else ball

    def show(step: int) -> None:
        # A path that begins later shows its start from the first frame on.
        so_far = trail.steps <= max(step, trail.steps[0])
        points, outside = trail.points[so_far], trail.outside[so_far]
        line.set_data(*with_gaps(Trail(trail.steps[so_far], points, outside)).T)
        beyond.set_data(*points[outside].T)
        now, nowhere = points[-1:].T, ([], [])
        end.set_data(*nowhere)
        ball.set_data(*(nowhere if outside[-1:].any() else now))
        if so_far.all():
            ball.set_data(*nowhere)
            end.set_data(*now)
        ended = f"{status} " if status and so_far.all() else ""
        ax.set_title(f"{label}\n{ended}{update_label(trail.steps[so_far][-1])}", fontsize="small")

    return show


def _line_panel(ax: "Axes", picture: FitPicture) -> ShowUpdate:
    """Prepares a panel for the line of a fit; returns what draws it after an update."""
    pale, dark = shades(2)
    ax.plot(*visible_segment(picture, picture.lines.index[0])[0].T, color=pale, linewidth=1.0, zorder=2)
    (line,) = ax.plot([], [], color=dark, linewidth=1.8, zorder=3)
    (beyond,) = ax.plot([], [], zorder=5, **outside_style(8))

    def show(step: int) -> None:
        points, outside = visible_segment(picture, step)
        line.set_data(*([], []) if outside else points.T)
        beyond.set_data(*points.T if outside else ([], []))
        ax.set_title(update_label(step), fontsize="small")

    return show


def _loss_panel(ax: "Axes", losses: pd.Series) -> ShowUpdate:
    """Prepares a panel for the curve of a loss; returns what draws it up to an update."""
    steps, values = losses.index.to_numpy(), losses.to_numpy()
    finite = np.isfinite(values)
    top = values[finite].max()
    ax.set(xlabel="updates", ylabel="loss", xlim=(steps[0], max(steps[-1], steps[0] + 1)))
    if (values[finite] > 0).any():
        least = values[finite & (values > 0)].min()
        ax.set(yscale="log", ylim=(least / 2, top * 2))
    (line,) = ax.plot([], [], "-", color=shades(1)[0], linewidth=1.2)
    (dot,) = ax.plot([], [], "o", color=shades(1)[0], markersize=5, clip_on=False, in_layout=False)
    (beyond,) = ax.plot([], [], zorder=5, **outside_style())

    def show(step: int) -> None:
        so_far = steps <= max(step, steps[0])
        drawn = so_far & finite
        line.set_data(steps[drawn], values[drawn])
        dot.set_data(steps[drawn][-1:], values[drawn][-1:])
        not_finite = steps[so_far & ~finite]
        beyond.set_data(not_finite, np.full(len(not_finite), ax.get_ylim()[1]))
        ax.set_title(f"loss {number(values[so_far][-1], 3)}", fontsize="small")

    return show
