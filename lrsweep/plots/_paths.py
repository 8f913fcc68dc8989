"""A trial's path as a picture draws it: a ball after each update, at the edge wherever it has left the picture."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, unknown
from lrsweep.plots._axes import plain_text
from lrsweep.plots._legends import add_legend, status_entry
from lrsweep.plots._style import COLOURS, MARKERS, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIVERGED = "diverged"


class Trail(NamedTuple):
    """A path as points in a picture.

    Attributes:
        steps: ``[update] int``, after how many updates each point is.
        points: ``[update, axis] float``, x and y in the picture's own units, none of them outside it.
        outside: ``[update] bool``, whether the parameters themselves are outside, or not finite.
    """

    steps: np.ndarray
    points: np.ndarray
    outside: np.ndarray


def on_slope(landscape: pd.Series, path: pd.DataFrame) -> Trail:
    """Places a path on a landscape of one parameter: on its line, at the line's end where the path is beyond.

    Example:
        >>> bowl = pd.Series([4.0, 0.0, 4.0], pd.Index([-2.0, 0.0, 2.0], name="w"))
        >>> on_slope(bowl, pd.DataFrame({"w": [1.0, -3.0, np.inf]})).points.tolist()
        [[1.0, 2.0], [-2.0, 4.0], [-2.0, 4.0]]
    """
    xs, heights = landscape.index.to_numpy(float), landscape.to_numpy(float)
    x, outside = move_to_edge(path[[landscape.index.name]].to_numpy(float), xs[:1], xs[-1:])
    known = np.isfinite(heights)
    height = np.interp(x[:, 0], xs[known], heights[known])
    return Trail(path.index.to_numpy(), np.column_stack([x[:, 0], height]), outside)


def on_contours(landscape: pd.DataFrame, path: pd.DataFrame) -> Trail:
    """Places a path on a landscape of two parameters: outside it, at its edge in the direction from its middle.

    Example:
        >>> flat = pd.DataFrame(0.0, pd.Index([-1.0, 1.0], name="v"), pd.Index([-1.0, 1.0], name="w"))
        >>> on_contours(flat, pd.DataFrame({"w": [0.5, 6.0], "v": [0.0, -3.0]})).points.tolist()
        [[0.5, 0.0], [1.0, -0.5]]
    """
    x, y = landscape.columns.to_numpy(float), landscape.index.to_numpy(float)
    values = path[[landscape.columns.name, landscape.index.name]].to_numpy(float)
    points, outside = move_to_edge(values, np.array([x[0], y[0]]), np.array([x[-1], y[-1]]))
    return Trail(path.index.to_numpy(), points, outside)


def move_to_edge(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moves points outside a frame onto its edge, towards the frame's middle.

    Args:
        values: ``[update, axis] float``. A point that is not finite counts as outside, in the direction of the last
            finite one.
        low: ``[axis] float``, the frame's lower ends.
        high: ``[axis] float``, the frame's upper ends.

    Returns:
        The moved points, ``[update, axis] float``, and which of them were outside, ``[update] bool``.
    """
    middle, half = (low + high) / 2, (high - low) / 2
    finite = np.isfinite(values).all(axis=1)
    # Far outside any frame, and small enough that nothing overflows.
    values = np.clip(values, -1e200, 1e200)
    last = np.maximum.accumulate(np.where(finite, np.arange(len(values)), -1))
    # In halves of the frame from its middle; a path that never was finite leaves through the top.
    away = np.where((last >= 0)[:, None], (values[last] - middle) / half, np.eye(len(low))[-1])
    distance = abs(away).max(axis=1)
    outside = ~finite | (distance > 1)
    away[outside] /= np.maximum(distance[outside], np.finfo(float).tiny)[:, None]
    return middle + half * np.clip(away, -1, 1), outside


def check_paths(
    names: Sequence[Hashable], paths: Mapping[Any, pd.DataFrame], statuses: Mapping[Any, str] | None
) -> dict[Any, str]:
    """Refuses paths that a landscape cannot show; returns the known statuses, by label.

    Raises:
        ValueError: A path is empty, lacks a parameter of the landscape, or also moves along others; or a status is that
            of no path, or there is no such status.
    """
    for label, path in paths.items():
        if len(path) == 0:
            raise InputError(f"path {label!r} holds no update: it must have one row or more")
        for name in names:
            if name not in path.columns:
                raise InputError(f"path {label!r}: " + unknown("parameter", str(name), map(str, path.columns)))
        others = [str(name) for name in path.columns if name not in names and path[name].nunique(dropna=False) > 1]
        if others:
            raise InputError(
                f"path {label!r} also moves along {', '.join(others)}, which the landscape holds still: "
                f"give path[{list(names)!r}] to draw it all the same"
            )
    for label, status in (statuses or {}).items():
        if label not in paths:
            raise InputError(unknown("path", str(label), map(str, paths)))
        if status not in COLOURS:
            raise InputError(f"path {label!r}: " + unknown("status", str(status), COLOURS))
    return dict(statuses or {})


def check_updates(updates: Iterable[int], known: pd.Index) -> list[int]:
    """Gives the updates to draw, in order, and refuses those that no path has.

    Raises:
        ValueError: No path has one of the updates, or none are named.

    Example:
        >>> check_updates([2, 0], pd.RangeIndex(3))
        [0, 2]
    """
    wanted = sorted(set(updates))
    for step in wanted:
        if step not in known:
            among = f"{len(known)} from {known[0]} to {known[-1]}"
            raise InputError(f"no path has update {step}: name some of the {among} that there are")
    if not wanted:
        raise InputError("updates names no update to draw: name one or more of those in the path")
    return wanted


def update_label(step: int) -> str:
    """Says after how many updates a picture shows a trial.

    Example:
        >>> update_label(0), update_label(1), update_label(30)
        ('start', 'after 1 update', 'after 30 updates')
    """
    return "start" if step == 0 else f"after {plural(step, 'update')}"


def status_of(trail: Trail, status: str | None) -> str | None:
    """Gives the status to mark a path's end with: its own, or, where none is known, `diverged` if it is outside."""
    return DIVERGED if status is None and trail.outside[-1] else status


def draw_trails(ax: "Axes", trails: Mapping[Any, Trail], statuses: Mapping[Any, str], *, grow: bool) -> None:
    """Draws paths, from pale to dark: dots joined by lines, a ring at the start, the status's mark at the end.

    Every update that is outside the picture is an X at its edge, in the colour of diverged trials.

    Args:
        ax: The axes.
        trails: By label.
        statuses: By label, those that are known.
        grow: Whether the figure becomes higher by the height of the legend.
    """
    entries, marks = [], {}
    for (label, trail), colour in zip(trails.items(), shades(len(trails)), strict=True):
        x, y = trail.points.T
        (line,) = ax.plot(*with_gaps(trail).T, "-o", color=colour, linewidth=0.9, markersize=2.5, zorder=3)
        ax.plot(x[:1], y[:1], "o", color=colour, markerfacecolor="white", markersize=5, zorder=4)
        ax.plot(*trail.points[trail.outside].T, zorder=4, **outside_style(4))
        status = status_of(trail, statuses.get(label))
        if status is None:
            ax.plot(x[-1:], y[-1:], "o", color=colour, markersize=6, zorder=5, clip_on=False)
        else:
            draw_mark(ax, x[-1:], y[-1:], status)
            marks[status] = status_entry(status)
        entries.append((line, plain_text(label)))
    add_legend(ax, [*entries, *marks.values()], grow=grow)


def with_gaps(trail: Trail) -> np.ndarray:
    """Gives the points of a trail with a gap, NaN, between two that are both outside: ``[point, 2] float``.

    Example:
        >>> with_gaps(Trail(np.arange(3), np.ones((3, 2)), np.array([False, True, True]))).tolist()
        [[1.0, 1.0], [1.0, 1.0], [nan, nan], [1.0, 1.0]]
    """
    apart = np.flatnonzero(trail.outside[1:] & trail.outside[:-1]) + 1
    return np.insert(trail.points, apart, np.nan, axis=0)


def outside_style(size: float = 6) -> dict[str, Any]:
    """Gives the style of points outside the picture: an X in the colour of diverged trials, drawn whole at the edge.

    Example:
        >>> outside_style()["marker"]
        'X'
    """
    style = {"marker": MARKERS[DIVERGED], "color": COLOURS[DIVERGED], "markersize": size}
    return {**style, "linestyle": "none", "clip_on": False, "in_layout": False}


def draw_mark(ax: "Axes", x: np.ndarray, y: np.ndarray, status: str) -> Any:
    """Marks a path's end in its status's colour, and returns the artists."""
    style = {"marker": MARKERS[status], "color": COLOURS[status], "markersize": 7, "linestyle": "none"}
    style |= {"markeredgecolor": "white", "markeredgewidth": 0.7, "clip_on": False, "in_layout": False}
    return ax.plot(x, y, zorder=5, **style)
