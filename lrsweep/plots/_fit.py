"""The fit of a line: the data, and the line as it moves."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.plots._legends import add_legend
from lrsweep.plots._paths import check_updates, outside_style, update_label
from lrsweep.plots._style import DATA, axes_or_new, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


class FitPicture(NamedTuple):
    """Data, lines, and the part of the plane that they are drawn in.

    Attributes:
        x: ``[example] float``.
        y: ``[example] float``.
        lines: ``[update] float``, columns `slope` and `intercept`.
        low: ``[2] float``, the least x and y in the picture.
        high: ``[2] float``, the greatest x and y in the picture.
    """

    x: np.ndarray
    y: np.ndarray
    lines: pd.DataFrame
    low: np.ndarray
    high: np.ndarray


def fit(
    x: Any,
    y: Any,
    path: pd.DataFrame,
    *,
    slope: str = "w1",
    intercept: str = "w0",
    updates: Iterable[int] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the data and the line after several updates, from pale to dark; the start and the end are labelled.

    A line that has left the picture, or is not finite, is an X at the edge that it left through, in the colour of
    diverged trials.

    Args:
        x: ``[example] float``, what the line is a function of.
        y: ``[example] float``, what it is fitted to.
        path: What `Sweep.path` gives of a trial whose model is a line.
        slope: The parameter that is the line's slope; in `problems.linear_regression` it is `coefficients[0]`.
        intercept: The parameter that is its height at 0; in `problems.linear_regression` it is `intercept`.
        updates: Which updates to draw, of those in `path`; where it is left out, the first, the last, and of the rows
            between them the first, second, fourth, eighth, ...
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes, with x and y in the data's own units.

    Raises:
        ValueError: `path` is empty, lacks a parameter or one of the updates, or x and y are not two lists of one
            length.

    Example:
        >>> path = pd.DataFrame({"w0": [0.0, -0.4, -0.9], "w1": [1.0, 1.6, 2.0]})
        >>> ax = lrsweep.plots.fit([0, 1, 3], [-1, 1, 5], path)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['data', 'start', 'after 2 updates']
    """
    picture = check_fit(x, y, path, slope, intercept)
    drawn = _choose_updates(path.index) if updates is None else check_updates(updates, path.index)
    new, ax = ax is None, axes_or_new(ax)
    entries = [(draw_data(ax, picture), "data")]
    for place, (step, colour) in enumerate(zip(drawn, shades(len(drawn)), strict=True)):
        is_end = place in (0, len(drawn) - 1)
        points, outside = visible_segment(picture, step)
        line = {"linewidth": 1.8 if is_end else 0.8, "color": colour}
        (artist,) = ax.plot(*points.T, zorder=3, **(outside_style() if outside else line))
        if is_end:
            entries.append((artist, update_label(step)))
    add_legend(ax, entries, grow=new)
    return ax


def check_fit(x: Any, y: Any, path: pd.DataFrame, slope: str, intercept: str) -> FitPicture:
    """Refuses what is no fit of a line; frames the data and the first line with a margin.

    Raises:
        ValueError: `path` lacks a parameter or is empty, or x and y are not two lists of one length.

    Example:
        >>> path = pd.DataFrame({"w0": [0.0], "w1": [1.0]})
        >>> check_fit([0, 10], [0, 0], path, "w1", "w0").high.tolist()
        [11.0, 11.0]
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape or x.size == 0:
        raise InputError(f"x has shape {x.shape} and y {y.shape}: they must be two lists of one length")
    for name in (slope, intercept):
        if name not in path.columns:
            raise InputError("path: " + unknown("parameter", name, map(str, path.columns)))
    if len(path) == 0:
        raise InputError("path holds no update: it must have one row or more")
    lines = path[[slope, intercept]].astype(float).set_axis(["slope", "intercept"], axis=1)
    ends = np.array([x.min(), x.max()])
    first = lines["slope"].iloc[0] * ends + lines["intercept"].iloc[0]
    heights = np.concatenate([y, first[np.isfinite(first)]])
    low, high = np.array([ends[0], heights.min()]), np.array([ends[1], heights.max()])
    margin = np.where(high > low, 0.1 * (high - low), 1.0)
    return FitPicture(x, y, lines, low - margin, high + margin)


def draw_data(ax: "Axes", picture: FitPicture) -> "Line2D":
    """Draws the data, labels the axes and sets their limits; returns the data's artist."""
    low, high = picture.low, picture.high
    ax.set(xlabel="x", ylabel="y", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return ax.plot(picture.x, picture.y, "o", color=DATA, markersize=4, zorder=4)[0]


def visible_segment(picture: FitPicture, step: int) -> tuple[np.ndarray, bool]:
    """Gives the part of a line that is inside the picture, or the point of the edge through which it has left.

    Returns:
        ``[point, 2] float``: both ends, or the middle of the upper or the lower edge; and whether it has left.

    Example:
        >>> path = pd.DataFrame({"w0": [0.0, 50.0], "w1": [1.0, 0.0]})
        >>> picture = check_fit([0, 10], [0, 10], path, "w1", "w0")
        >>> visible_segment(picture, 0)[0].tolist(), visible_segment(picture, 1)[0].tolist()
        ([[-1.0, -1.0], [11.0, 11.0]], [[5.0, 11.0]])
    """
    slope, intercept = picture.lines.loc[step].to_numpy()
    (left, bottom), (right, top) = picture.low, picture.high
    with np.errstate(all="ignore"):
        if slope == 0:
            x, y = np.array([left, right]), np.array([intercept, intercept])
            inside = bottom <= intercept <= top
        else:
            # From where it crosses the lower edge to where it crosses the upper one, which suits steep lines too.
            y = np.array([bottom, top])
            crossings = (y - intercept) / slope
            x = np.clip(crossings, left, right)
            y = np.where(x == crossings, y, np.clip(slope * x + intercept, bottom, top))
            inside = np.isfinite(slope) and crossings.min() <= right and crossings.max() >= left
        middle = slope * (left + right) / 2 + intercept
    if inside:
        return np.column_stack([x, y])[np.argsort(x, kind="stable")], False
    return np.array([[(left + right) / 2, bottom if middle < (bottom + top) / 2 else top]]), True


def _choose_updates(steps: pd.Index) -> list[int]:
    """Chooses the first of the updates, the last, and of those between the first, second, fourth, eighth, ..."""
    last = len(steps) - 1
    doubled = [2**power for power in range(last.bit_length()) if 2**power < last]
    return [int(steps[place]) for place in sorted({0, *doubled, last})]
