"""A landscape of the loss along one parameter or two, with the paths of trials on it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import number
from lrsweep.plots._axes import plain_text
from lrsweep.plots._paths import check_paths, draw_trails, on_contours, on_slope
from lrsweep.plots._style import FIGURE_SIZE, GROUND, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The contours per power of ten of the loss above the landscape's least, and how many of these powers they span.
LEVELS, DECADES = 3, 4


def slope(
    landscape: pd.Series,
    paths: Mapping[Any, pd.DataFrame] | None = None,
    *,
    statuses: Mapping[Any, str] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the loss along one parameter, and on it the ball after every update.

    The ball lies on the line, at its parameter's value. A start is a ring; an end is marked in the colour of its
    status, where that is known. An update that is beyond the line, or not finite, is drawn at the line's end, as an X
    in the colour of diverged trials.

    Args:
        landscape: What `lrsweep.landscape` gives along one parameter.
        paths: By label, what `Sweep.path` gives; drawn from pale to dark in their order.
        statuses: By label, how the trial ended.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes. The parameter along x and the loss along y, each in its own unit.

    Raises:
        ValueError: It is not a landscape of one parameter or has no finite loss, a path lacks the parameter or also
            moves along others, or a status is that of no path, or there is no such status.

    Example:
        >>> valley = lrsweep.landscape(lrsweep.problems.quadratic([1.0]), {"x[0]": [-2.0, -1.0, 0.0, 1.0, 2.0]})
        >>> path = pd.DataFrame({"x[0]": [2.0, -1.0, 0.5]})
        >>> ax = lrsweep.plots.slope(valley, {"learning rate 1.5": path}, statuses={"learning rate 1.5": "slow"})
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x[0]', 'loss')
    """
    paths = paths or {}
    statuses = check_slope(landscape, paths, statuses)
    new, ax = ax is None, axes_or_new(ax)
    ax.plot(landscape.index, landscape, color=GROUND, linewidth=1.2, zorder=2)
    ax.set_xlabel(plain_text(landscape.index.name))
    ax.set_ylabel("loss")
    draw_trails(ax, {label: on_slope(landscape, path) for label, path in paths.items()}, statuses, grow=new)
    return ax


def contours(
    landscape: pd.DataFrame,
    paths: Mapping[Any, pd.DataFrame] | None = None,
    *,
    statuses: Mapping[Any, str] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the loss over two parameters as contours, and on them the ball after every update.

    The contours are evenly spaced in the logarithm of the loss above the least of the landscape, three in a power of
    ten; every third one is labelled with the loss. A start is a ring; an end is marked in the colour of its status,
    where that is known. An update that is outside the picture, or not finite, is drawn at its edge, in its direction
    from the middle, as an X in the colour of diverged trials.

    Args:
        landscape: What `lrsweep.landscape` gives along two parameters.
        paths: By label, what `Sweep.path` gives; drawn from pale to dark in their order.
        statuses: By label, how the trial ended.
        ax: The axes to draw on; None for those of a new figure.

    Returns:
        The axes. The landscape's columns along x and its index along y, each in its own unit.

    Raises:
        ValueError: It is not a landscape of two parameters or has no finite loss, a path lacks one of them or also
            moves along others, or a status is that of no path, or there is no such status.

    Example:
        >>> bowl = lrsweep.problems.quadratic([1.0, 4.0])
        >>> ground = lrsweep.landscape(bowl, {"x[0]": np.linspace(-2, 2, 41), "x[1]": np.linspace(-2, 2, 41)})
        >>> path = pd.DataFrame({"x[0]": [1.0, 0.6, 0.36], "x[1]": [1.0, -0.6, 0.36]})
        >>> ax = lrsweep.plots.contours(ground, {"learning rate 0.4": path})
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x[0]', 'x[1]')
    """
    paths = paths or {}
    statuses = check_contours(landscape, paths, statuses)
    new, ax = ax is None, axes_or_new(ax, (FIGURE_SIZE[0], 3.0))
    loss = np.ma.masked_invalid(landscape.to_numpy(float))
    levels, labelled = _levels(loss)
    drawn = ax.contour(landscape.columns, landscape.index, loss, levels, colors=GROUND, linewidths=0.5, zorder=2)
    ax.clabel(drawn, labelled, fmt=lambda loss: number(loss, 3), fontsize=6)
    ax.set_xlabel(plain_text(landscape.columns.name))
    ax.set_ylabel(plain_text(landscape.index.name))
    draw_trails(ax, {label: on_contours(landscape, path) for label, path in paths.items()}, statuses, grow=new)
    return ax


def check_slope(
    landscape: pd.Series, paths: Mapping[Any, pd.DataFrame], statuses: Mapping[Any, str] | None
) -> dict[Any, str]:
    """Refuses what `slope` cannot draw; returns the known statuses, by label.

    Raises:
        ValueError: For the reasons that `slope` gives.
    """
    if not isinstance(landscape, pd.Series) or landscape.index.name is None:
        raise InputError("a slope takes the landscape along one parameter: a Series, as lrsweep.landscape gives it")
    _check_values(landscape)
    return check_paths([landscape.index.name], paths, statuses)


def check_contours(
    landscape: pd.DataFrame, paths: Mapping[Any, pd.DataFrame], statuses: Mapping[Any, str] | None
) -> dict[Any, str]:
    """Refuses what `contours` cannot draw; returns the known statuses, by label.

    Raises:
        ValueError: For the reasons that `contours` gives.
    """
    if not isinstance(landscape, pd.DataFrame) or None in (landscape.columns.name, landscape.index.name):
        raise InputError("contours take the landscape along two parameters: a DataFrame, as lrsweep.landscape gives it")
    _check_values(landscape)
    return check_paths([landscape.columns.name, landscape.index.name], paths, statuses)


def _check_values(landscape: Any) -> None:
    if min(landscape.shape) < 2 or not np.isfinite(landscape.to_numpy(float)).any():
        raise InputError(
            f"a landscape of shape {landscape.shape} cannot be drawn: it must have two values or more of each "
            "parameter, and a finite loss among them"
        )


def _levels(loss: np.ma.MaskedArray) -> tuple[np.ndarray, np.ndarray]:
    """Gives the losses to draw contours at, ascending, and those to label: powers of ten above the least loss."""
    least, most = loss.min(), loss.max()
    if not most > least:
        return np.array([least]), np.empty(0)
    last = math.ceil(LEVELS * math.log10(most - least))
    powers = np.arange(last - LEVELS * DECADES, last)
    levels = least + 10.0 ** (powers / LEVELS)
    return np.unique(levels), np.unique(levels[powers % LEVELS == 0])
