"""A trial's path as a picture shows it: the ball after each update, at the edge wherever it has left the picture."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, unknown
from lrsweep.plots._axes import plain
from lrsweep.plots._legends import add_legend, status_mark
from lrsweep.plots._style import COLOURS, MARKERS, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIVERGED = "diverged"


class Trail(NamedTuple):
    """Where a ball is drawn.

    Attributes:
        steps: ``[update] int``, after how many updates.
        points: ``[update, axis] float``, x and y in the picture's own units, none of them outside it.
        outside: ``[update] bool``, whether the ball itself is outside, or nowhere: not finite.
    """

    steps: np.ndarray
    points: np.ndarray
    outside: np.ndarray


def on_slope(landscape: pd.Series, path: pd.DataFrame) -> Trail:
    """A path on a landscape of one parameter: on its line, at the line's end where it is beyond.

    Example:
        >>> bowl = pd.Series([4.0, 0.0, 4.0], pd.Index([-2.0, 0.0, 2.0], name="w"))
        >>> on_slope(bowl, pd.DataFrame({"w": [1.0, -3.0, np.inf]})).points.tolist()
        [[1.0, 2.0], [-2.0, 4.0], [-2.0, 4.0]]
    """
    places, heights = landscape.index.to_numpy(float), landscape.to_numpy(float)
    x, outside = to_edge(path[[landscape.index.name]].to_numpy(float), places[:1], places[-1:])
    known = np.isfinite(heights)
    height = np.interp(x[:, 0], places[known], heights[known])
    return Trail(path.index.to_numpy(), np.column_stack([x[:, 0], height]), outside)


def on_map(landscape: pd.DataFrame, path: pd.DataFrame) -> Trail:
    """A path on a landscape of two parameters: at its edge where it is beyond, in the direction seen from its middle.

    Example:
        >>> flat = pd.DataFrame(0.0, pd.Index([-1.0, 1.0], name="v"), pd.Index([-1.0, 1.0], name="w"))
        >>> on_map(flat, pd.DataFrame({"w": [0.5, 6.0], "v": [0.0, -3.0]})).points.tolist()
        [[0.5, 0.0], [1.0, -0.5]]
    """
    x, y = landscape.columns.to_numpy(float), landscape.index.to_numpy(float)
    values = path[[landscape.columns.name, landscape.index.name]].to_numpy(float)
    points, outside = to_edge(values, np.array([x[0], y[0]]), np.array([x[-1], y[-1]]))
    return Trail(path.index.to_numpy(), points, outside)


def to_edge(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moves what is outside a frame onto its edge, towards the frame's middle.

    Args:
        values: ``[update, axis] float``. What is not finite is taken to be where it was last, and beyond the edge.
        low: ``[axis] float``, the frame's lower ends.
        high: ``[axis] float``, its upper ends.

    Returns:
        ``[update, axis] float``, and ``[update] bool``, which of them were outside.
    """
    middle, half = (low + high) / 2, (high - low) / 2
    finite = np.isfinite(values).all(axis=1)
    # So far out that it is no matter how far, and nothing overflows.
    values = np.clip(values, -1e200, 1e200)
    last = np.maximum.accumulate(np.where(finite, np.arange(len(values)), -1))
    # In units of half the frame; what was never anywhere leaves through the top.
    away = np.where((last >= 0)[:, None], (values[last] - middle) / half, np.eye(len(low))[-1])
    distance = abs(away).max(axis=1)
    outside = ~finite | (distance > 1)
    away[outside] /= np.maximum(distance[outside], np.finfo(float).tiny)[:, None]
    return middle + half * np.clip(away, -1, 1), outside


def check_paths(
    names: Sequence[Hashable], paths: Mapping[Any, pd.DataFrame], statuses: Mapping[Any, str] | None
) -> dict[Any, str]:
    """Refuses paths that a landscape cannot show; the statuses that are known, by label.

    Raises:
        ValueError: A path is empty, lacks a parameter of the landscape, or moves along others beside; there is a status
            of no path, or no such status.
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
    """The updates to draw, in order, where a path has them all.

    Raises:
        ValueError: It lacks one, or there are none.

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


def told(step: int) -> str:
    """How far a trial is.

    Example:
        >>> told(0), told(1), told(30)
        ('start', 'after 1 update', 'after 30 updates')
    """
    return "start" if step == 0 else f"after {plural(step, 'update')}"


def status_of(trail: Trail, status: str | None) -> str | None:
    """What a path's end is marked as: its status, or, where none is known, `diverged` if it is outside."""
    return DIVERGED if status is None and trail.outside[-1] else status


def draw_trails(ax: "Axes", trails: Mapping[Any, Trail], statuses: Mapping[Any, str], *, grow: bool) -> None:
    """Draws paths, from pale to dark in the order given: dots joined, the start a ring, the end marked by its status.

    Every update that is outside the picture is an X at its edge, in the colour of diverged trials.

    Args:
        ax: The axes.
        trails: By label.
        statuses: By label, those that are known.
        grow: Whether the figure becomes higher by what the legend takes.
    """
    named, ended = [], []
    for (label, trail), colour in zip(trails.items(), shades(len(trails)), strict=True):
        x, y = trail.points.T
        (line,) = ax.plot(*joined(trail).T, "-o", color=colour, linewidth=0.9, markersize=2.5, zorder=3)
        ax.plot(x[:1], y[:1], "o", color=colour, markerfacecolor="white", markersize=5, zorder=4)
        ax.plot(*trail.points[trail.outside].T, zorder=4, **outside_mark(4))
        status = status_of(trail, statuses.get(label))
        if status is None:
            ax.plot(x[-1:], y[-1:], "o", color=colour, markersize=6, zorder=5, clip_on=False)
        else:
            draw_mark(ax, x[-1:], y[-1:], status)
            ended.append((status_mark(status), status))
        named.append((line, plain(label)))
    add_legend(ax, [*named, *{status: (mark, status) for mark, status in ended}.values()], grow=grow)


def joined(trail: Trail) -> np.ndarray:
    """The points of a trail with a gap, NaN, between two that are both outside: ``[point, 2] float``.

    Example:
        >>> joined(Trail(np.arange(3), np.ones((3, 2)), np.array([False, True, True]))).tolist()
        [[1.0, 1.0], [1.0, 1.0], [nan, nan], [1.0, 1.0]]
    """
    apart = np.flatnonzero(trail.outside[1:] & trail.outside[:-1]) + 1
    return np.insert(trail.points, apart, np.nan, axis=0)


def outside_mark(size: float = 6) -> dict[str, Any]:
    """How matplotlib draws what has left the picture: an X, in the colour of diverged trials, not cut off by the edge.

    Example:
        >>> outside_mark()["marker"]
        'X'
    """
    style = {"marker": MARKERS[DIVERGED], "color": COLOURS[DIVERGED], "markersize": size}
    return {**style, "linestyle": "none", "clip_on": False, "in_layout": False}


def draw_mark(ax: "Axes", x: np.ndarray, y: np.ndarray, status: str) -> Any:
    """Marks a path's end in its status's colour, and returns the artists."""
    style = {"marker": MARKERS[status], "color": COLOURS[status], "markersize": 7, "linestyle": "none"}
    style |= {"markeredgecolor": "white", "markeredgewidth": 0.7, "clip_on": False, "in_layout": False}
    return ax.plot(x, y, zorder=5, **style)
