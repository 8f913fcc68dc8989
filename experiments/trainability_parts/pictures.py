"""The pictures of frames: the whole map, and one zoom after another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

from lrsweep.plots import COLOURS
from trainability_parts.trials import STEPS, WHOLE, Frame, Window

# Shades of mean losses, over the first one, and of the updates at which trials diverged.
LOSSES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
UPDATES = (1, 5, 10, 20, 40, 60, 90, STEPS)


def shades(colours: Sequence[str], levels: Sequence[float]) -> tuple[ListedColormap, BoundaryNorm]:
    """Makes shades between some colours, one between any two levels, and none that is white."""
    ramp, steps = LinearSegmentedColormap.from_list("ramp", list(colours)), len(levels) - 1
    return ListedColormap(ramp(np.linspace(0.15, 1.0, steps))), BoundaryNorm(levels, steps)


def paint(ax: Axes, frame: Frame) -> tuple[QuadMesh, QuadMesh]:
    """Draws a frame: trainable trials by their mean loss, and diverged ones by the update at which they did."""
    edges = frame.window.edges(len(frame.trainable))
    meshes = []
    # Near the boundary the ones are dark and the others bright, so that who sees no hues can tell them apart.
    for colours, levels, values in (
        (("white", COLOURS["converged"], "#002E22"), LOSSES, frame.mean_loss),
        (("white", COLOURS["diverged"]), UPDATES, frame.diverged_at),
    ):
        tints, norm = shades(colours, levels)
        # Beyond the last level its shade goes on.
        held = np.clip(values, levels[0], np.nextafter(levels[-1], 0))
        meshes.append(ax.pcolormesh(*edges, held, cmap=tints, norm=norm, rasterized=True))
    ax.set(xscale="log", yscale="log")
    return meshes[0], meshes[1]


def outline(ax: Axes, window: Window) -> None:
    """Draws where the next frame lies."""
    (left, right), (low, high) = window.edges(1)
    corners = [left, right, right, left, left], [low, low, high, high, low]
    ax.plot(*corners, color="white", linewidth=2.2)
    ax.plot(*corners, color="black", linewidth=0.9)


def draw_map(frame: Frame, following: Window) -> Figure:
    """Draws a frame, learning rate by learning rate, and where the next one lies."""
    # At 200 dots per inch 512 pixels, a whole number for every trial.
    (width, height), left, low, side = (3.5, 3.6), 0.62, 0.44, 2.56
    fig = Figure((width, height))
    ax = fig.add_axes((left / width, low / height, side / width, side / height))
    meshes = paint(ax, frame)
    outline(ax, following)
    ax.set_xlabel("learning rate of the input layer", fontsize=8)
    ax.set_ylabel("learning rate of the output layer", fontsize=8)
    ax.tick_params(labelsize=7)
    titles = ("trainable: mean loss / first", "diverged: at update")
    for place, (mesh, title) in enumerate(zip(meshes, titles, strict=True)):
        across, up, long, thick = left + place * 1.4, low + side + 0.32, 1.16, 0.08
        bar = fig.colorbar(
            mesh,
            cax=fig.add_axes((across / width, up / height, long / width, thick / height)),
            orientation="horizontal",
        )
        bar.ax.set_title(title, fontsize=7, pad=3)
        bar.ax.tick_params(labelsize=5.5, length=2, pad=1)
    return fig


def draw_zoom(frames: Sequence[Frame], found: pd.DataFrame) -> Figure:
    """Draws the frames one after another, where in each the next one lies, and their dimensions."""
    # At 160 dots per inch 256 pixels each.
    side, margin, gap, top, across = 1.6, 0.2, 0.05, 0.2, 2
    down = -(-len(frames) // across)
    width, height = margin + across * (side + gap), margin + down * (side + top)
    fig = Figure((width, height))
    for number, (frame, dimension) in enumerate(zip(frames, found["dimension"], strict=True)):
        left = margin + number % across * (side + gap)
        low = margin + (down - 1 - number // across) * (side + top)
        ax = fig.add_axes((left / width, low / height, side / width, side / height))
        paint(ax, frame)
        if number + 1 < len(frames):
            outline(ax, frames[number + 1].window)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_ticks([])
            axis.set_ticks([], minor=True)
        magnification = f"{WHOLE.decades / frame.window.decades:,.0f}"
        ax.set_title(f"{magnification} times, dimension {dimension:.2f}", fontsize=6.5, pad=3)
    fig.text(0.5, 0.06 / height, "learning rate of the input layer, logarithmic", fontsize=7, ha="center")
    fig.text(
        0.05 / width,
        0.5,
        "learning rate of the output layer, logarithmic",
        fontsize=7,
        va="center",
        rotation="vertical",
    )
    return fig
