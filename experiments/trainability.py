"""The boundary between learning rates that train a network and those that do not is rough, however closely one looks.

The claim, for seven zooms, each eight times as close as the one before, so that the last one is two million times as
close as the whole map: the boundary's box-counting dimension is above 1.3 in every one of them, and its median lies
within the 1.17 to 1.98 of the paper's six conditions. They were 1.53 to 1.65, with a median of 1.58; the paper has 1.66
for full batches and tanh. Of 50 trials picked at random from all of each frame, 400, a loop written in NumPy says of
every one what the map says, trainable or not; and lrsweep in its plain layout is `jit(vmap(scan))` without it to the
very update.

The study is Sohl-Dickstein's, 2024, "The boundary of neural network trainability is fractal" (arXiv:2402.06184): a
tanh network of two layers without biases, a learning rate for either layer, all of the examples at every update, as
many random examples as parameters, and one start for all trials, all of them standard normal. Scales are those of its
mean-field parametrisation: v . tanh(sqrt(2 / n) W x) / n, and 500 updates are a number that it uses. Three things
differ. The width n is 8, as in the notebook published with the paper, where the paper has 16: a trial then takes about
a fifteenth of the work. Data and start are other draws. And a trial is *trainable* here where it goes on to the last
update, its loss finite and never above the first by more than a million times that; there it is where the mean of the
last 20 losses is below the first. So one that ends somewhat above its start is trainable here, though lrsweep's own
rule may call it diverged.

A frame is a map of 512 x 512 trials. What the next one shows is not picked for its looks: it is the window about a
boundary cell that holds as much of the boundary as such windows typically do (see `zoom`). Another rule gives other
dimensions, and that of the window that holds the most of it higher ones. The dimension is a slope over boxes from 2
cells to an eighth of the frame; the paper's notebook takes the median of the slopes between neighbouring sizes, over
all of its frames.

Near the boundary rounding grows until it decides. Of 50 cells anywhere and 50 at the boundary of each frame, 800,
NumPy's loop ended the other way in 2, both at the boundary of the whole map, where lrsweep itself did in 3 once the
learning rates were larger by one unit in the last place. Of the cells at the boundary about four in ten diverge at
another update, mostly by no more than ten, and as many do so when nudged. From the sixth zoom on neighbouring
learning rates are no longer different numbers in 32 bits; everything is computed in 64.

Run `pip install -e '.[experiments]'` once, then `python experiments/trainability.py`: some twenty minutes on two cores,
by the processor time of its frames; it took 53 minutes beside much other work. With `--quick` it makes two small frames
in some seconds, and judges of the claim only what NumPy says. It exits with 1 where the claim does not hold in its own
numbers. Its pictures go to `pictures` beside it, or to the folder given as `--out`.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

import lrsweep
from lrsweep.plots._style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure

Params = Mapping[str, Any]

WIDTH, STEPS = 8, 500
# No trial ends early but by diverging: a loss of exactly nothing is out of reach.
STOPPING = lrsweep.Stopping(tolerance=0.0)
RECORD_EVERY = 10

# How many times narrower than the frame before it a frame of the zoom is.
FACTOR = 8

# The paper's table of dimensions: that of full batches and tanh, and the least and the most of its six conditions.
PAPER, PAPER_LEAST, PAPER_MOST = 1.66, 1.17, 1.98

# Shades of mean losses, over the first one, and of the updates at which trials diverged.
LOSSES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
UPDATES = (1, 5, 10, 20, 40, 60, 90, STEPS)


# The trials.


def network(width: int = WIDTH) -> lrsweep.Objective:
    """A tanh network of two layers, and as many random examples as it has parameters."""
    draw, examples = np.random.default_rng(0), width * (width + 1)
    data = {"x": draw.normal(size=(examples, width)), "y": draw.normal(size=examples)}
    start = {"input": draw.normal(size=(width, width)), "output": draw.normal(size=width)}
    return lrsweep.Objective(squared_error, start, data=data, name="tanh network")


def squared_error(params: Params, data: Mapping[str, Any]) -> jax.Array:
    """The mean squared error in mean-field parametrisation; the hidden layer's is that of the paper's notebook."""
    width = params["output"].size
    hidden = jnp.tanh((2 / width) ** 0.5 * (data["x"] @ params["input"]))
    return jnp.mean((hidden @ params["output"] / width - data["y"]) ** 2)


def layerwise_sgd(learning_rate_0: Any, learning_rate_1: Any) -> optax.GradientTransformation:
    """Gradient descent with a learning rate for the input layer and one for the output layer."""
    layers: Any = {"input": optax.sgd(learning_rate_0), "output": optax.sgd(learning_rate_1)}
    return optax.multi_transform(layers, {"input": "input", "output": "output"})


class Window(NamedTuple):
    """A square of the map.

    Attributes:
        left: The logarithm to base 10 of its least learning rate of the input layer.
        bottom: That of its least learning rate of the output layer.
        decades: Its width and height.
    """

    left: float
    bottom: float
    decades: float

    def learning_rates(self, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """The learning rates in the middles of its columns and rows, ``[column]`` and ``[row]`` float64."""
        middles = (np.arange(cells) + 0.5) * self.decades / cells
        return 10 ** (self.left + middles), 10 ** (self.bottom + middles)

    def edges(self, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """The learning rates that bound its columns and rows, ``[column + 1]`` and ``[row + 1]`` float64."""
        bounds = np.arange(cells + 1) * self.decades / cells
        return 10 ** (self.left + bounds), 10 ** (self.bottom + bounds)


WHOLE = Window(-1.0, -1.0, 4.0)


class Frame(NamedTuple):
    """A window, and what became of its trials.

    Attributes:
        window: Where it lies.
        table: The result table, a row per trial, the input layer's learning rate varying fastest.
        trainable: ``[row, column]`` bool: the trial goes on to the end.
        mean_loss: ``[row, column]`` float64: the mean of every tenth loss, over the first one; NaN where the trial does
            not.
        diverged_at: ``[row, column]`` float64, the update at which it ended, having diverged: NaN where it has not.
    """

    window: Window
    table: pd.DataFrame
    trainable: np.ndarray
    mean_loss: np.ndarray
    diverged_at: np.ndarray


def sweep_frame(objective: lrsweep.Objective, window: Window, cells: int, steps: int = STEPS) -> Frame:
    """Runs a trial for every cell of a window."""
    columns, rows = window.learning_rates(cells)
    trials = lrsweep.grid(learning_rate_1=rows, learning_rate_0=columns)
    swept = lrsweep.sweep(objective, layerwise_sgd, trials, steps=steps, stopping=STOPPING, record_every=RECORD_EVERY)
    assert swept.curves is not None
    ended = ended_at(swept.table).to_numpy(float, na_value=np.nan)
    diverged = ~np.isnan(ended)
    mean = swept.curves.mean(axis=1).to_numpy() / swept.table["initial_loss"].to_numpy()
    shape = cells, cells
    return Frame(
        window,
        swept.table,
        ~diverged.reshape(shape),
        np.where(diverged, np.nan, mean).reshape(shape),
        ended.reshape(shape),
    )


def ended_at(table: pd.DataFrame) -> pd.Series:
    """The update at which each trial ended because it had diverged, missing where it went on to the last (Int64)."""
    return table["diverged_at"].where(table["diverged_at"] == table["steps"])


# The boundary.


def boundary(trainable: np.ndarray) -> np.ndarray:
    """Which cells of a map lie on its boundary.

    Args:
        trainable: ``[row, column]`` bool.

    Returns:
        ``[row, column]`` bool: the cell and those after it, in its row, its column and across, are not all alike. The
        last row and column have no such neighbours, and are not marked.
    """
    four = np.stack([trainable[:-1, :-1], trainable[1:, :-1], trainable[:-1, 1:], trainable[1:, 1:]])
    return np.pad(four.any(axis=0) & ~four.all(axis=0), ((0, 1), (0, 1)))


def box_counts(cells: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """How many boxes of a grid hold a marked cell, for some sizes of boxes.

    Args:
        cells: ``[row, column]`` bool.
        sizes: The boxes' sides, in cells; where one does not divide the map's, the last boxes reach beyond it.

    Returns:
        ``[size]`` int.
    """
    counts = []
    for size in sizes:
        (rows, columns), beyond = cells.shape, [(0, -side % size) for side in cells.shape]
        boxes = np.pad(cells, beyond).reshape(-(-rows // size), size, -(-columns // size), size)
        counts.append(int(boxes.any(axis=(1, 3)).sum()))
    return np.array(counts)


def box_dimension(cells: np.ndarray, sizes: Sequence[int] | None = None) -> float:
    """The box-counting dimension of marked cells: the slope of log count over log 1 / size, by least squares.

    A line has 1 and what fills the plane 2. A map of finitely many cells sees neither end of the scale: what is finer
    than a cell it takes for filled in the smallest boxes, and large boxes are all hit by a set that is dense enough;
    the first lifts the slope and the second moves it towards 2. And where the boxes do not fit its pattern, its last
    ones reach beyond it: of a cross made of crosses, 1.46, a map of 243 cells shows 1.29.

    Args:
        cells: ``[row, column]`` bool.
        sizes: The boxes' sides, in cells; powers of two from 2 to an eighth of the map's side where left out.

    Returns:
        NaN where no cell is marked.
    """
    if not cells.any():
        return float("nan")
    if sizes is None:
        sizes = [2**power for power in range(1, (min(cells.shape) // 8).bit_length())]
    return float(np.polyfit(-np.log(sizes), np.log(box_counts(cells, sizes)), 1)[0])


def zoom(window: Window, trainable: np.ndarray, factor: int = FACTOR) -> Window:
    """Where to look more closely: at a piece of the boundary that is as dense as it typically is.

    For every boundary cell whose window, a `factor` narrower and centred there, lies within the map the boundary's
    cells in it are counted. It is the window with the median count; among equals that nearest to the map's centre.

    Args:
        window: Where the map lies.
        trainable: ``[row, column]`` bool, square.
        factor: How many times narrower.

    Raises:
        ValueError: No window on the boundary lies within the map.
    """
    on_it, cells = boundary(trainable), len(trainable)
    side = cells // factor
    corners = np.argwhere(on_it) - side // 2
    corners = corners[((corners >= 0) & (corners <= cells - side)).all(axis=1)]
    if len(corners) == 0:
        raise ValueError(f"no window of {side} x {side} cells on the boundary lies within the map: take another map")
    sums = np.pad(on_it.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (low, left), (high, right) = corners.T, corners.T + side
    counts = sums[high, right] - sums[low, right] - sums[high, left] + sums[low, left]
    typical = np.quantile(counts, 0.5, method="lower")
    alike = corners[counts == typical]
    distances = ((alike + side / 2 - cells / 2) ** 2).sum(axis=1)
    row, column = alike[distances.argmin()].tolist()
    cell = window.decades / cells
    return Window(window.left + column * cell, window.bottom + row * cell, side * cell)


def dive(objective: lrsweep.Objective, sizes: Sequence[int], steps: int = STEPS) -> list[Frame]:
    """The whole map and one zoom after another.

    Args:
        objective: What is trained.
        sizes: How many cells each frame has on a side.
        steps: How many updates a trial makes.
    """
    frames: list[Frame] = []
    for cells in sizes:
        window = zoom(frames[-1].window, frames[-1].trainable) if frames else WHOLE
        (first, *_), (second, *_) = window.learning_rates(cells)
        print(
            f"frame {len(frames)} of 0 to {len(sizes) - 1}: {cells} x {cells} trials over {window.decades:.3g} decades "
            f"from learning rates {first:.10g} and {second:.10g}",
            flush=True,
        )
        frames.append(sweep_frame(objective, window, cells, steps))
    return frames


def describe(frames: Sequence[Frame]) -> pd.DataFrame:
    """One row per frame.

    Returns:
        `cells` on a side; the `decades` it spans; the shares that are `trainable` and that lie on the `boundary`; the
        `dimension`; and `apart_in_32`, how many of the learning rates on an axis are different numbers in 32 bits.
    """
    rows = []
    for frame in frames:
        on_it, cells = boundary(frame.trainable), len(frame.trainable)
        narrow = [axis.astype(np.float32) for axis in frame.window.learning_rates(cells)]
        rows.append(
            {
                "cells": cells,
                "decades": frame.window.decades,
                "trainable": frame.trainable.mean(),
                "boundary": on_it.mean(),
                "dimension": box_dimension(on_it),
                "apart_in_32": min(len(np.unique(axis)) for axis in narrow),
            }
        )
    return pd.DataFrame(rows)


# Plain loops.


def loss_and_grads(params: Params, data: Mapping[str, Any]) -> tuple[Any, Params]:
    """`squared_error` and its gradient in NumPy, by hand."""
    width, examples = params["output"].size, len(data["y"])
    scale = np.sqrt(2 / width)
    hidden = np.tanh(scale * (data["x"] @ params["input"]))
    error = hidden @ params["output"] / width - data["y"]
    push = 2 / (width * examples) * error
    before = np.outer(push, params["output"]) * (1 - hidden**2)
    return np.mean(error**2), {"input": scale * data["x"].T @ before, "output": hidden.T @ push}


# What flies away may pass the largest number on its way.
@np.errstate(all="ignore")
def numpy_loop(objective: lrsweep.Objective, rates: Mapping[str, float], steps: int) -> int | None:
    """Trains one network, update after update, in NumPy.

    Args:
        objective: Its data, and where it starts.
        rates: The learning rates, by layer.
        steps: How many updates.

    Returns:
        The update at which it diverged, or None.
    """
    params, first = objective.init, None
    for k in range(steps + 1):
        loss, grads = loss_and_grads(params, objective.data)
        first = loss if first is None else first
        finite = all(np.isfinite(layer).all() for layer in params.values())
        if not (finite and loss <= first + STOPPING.divergence * first):
            return k
        params = {name: layer - rates[name] * grads[name] for name, layer in params.items()}
    return None


def jax_loop(objective: lrsweep.Objective, trials: pd.DataFrame, steps: int) -> list[int | None]:
    """Trains a network for every row by `jit(vmap(scan))`, each to the last step.

    Returns:
        The update at which each diverged, or None.
    """

    def train(first_rate: Any, second_rate: Any, data: Any) -> Any:
        def step(params: Params, _: None) -> Any:
            loss, grads = jax.value_and_grad(squared_error)(params, data)
            finite = jnp.all(jnp.array([jnp.isfinite(layer).all() for layer in params.values()]))
            after = {
                "input": params["input"] - first_rate * grads["input"],
                "output": params["output"] - second_rate * grads["output"],
            }
            return after, (loss, finite)

        return jax.lax.scan(step, jax.tree.map(jnp.asarray, objective.init), length=steps + 1)[1]

    rates = (trials[name].to_numpy() for name in ("learning_rate_0", "learning_rate_1"))
    losses, finite = map(np.asarray, jax.jit(jax.vmap(train, in_axes=(0, 0, None)))(*rates, objective.data))
    left = ~(finite & (losses <= losses[:, :1] + STOPPING.divergence * losses[:, :1]))
    return [int(row.argmax()) if row.any() else None for row in left]


def sample(frame: Frame, count: int, seed: int) -> dict[str, np.ndarray]:
    """Random cells of a frame: of all, and of those at its boundary, on either side.

    Returns:
        By the kind of cell ``[cell]`` int, rows of the frame's table; at most `count`, each once.
    """
    draw, marked = np.random.default_rng(seed), boundary(frame.trainable)
    four = (np.roll(marked, shift, axis=(0, 1)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1)))
    kinds = {"anywhere": np.arange(marked.size), "boundary": np.flatnonzero(np.any(list(four), axis=0))}
    return {name: draw.choice(places, min(count, len(places)), replace=False) for name, places in kinds.items()}


def compare(objective: lrsweep.Objective, frames: Sequence[Frame], count: int, steps: int = STEPS) -> pd.DataFrame:
    """Runs random cells of every frame again, with lrsweep and without.

    Args:
        objective: What the frames were made with.
        frames: The frames.
        count: How many cells of each kind of a frame, see `sample`.
        steps: How many updates a trial makes.

    Returns:
        One row per cell: its `frame`, its `kind`, and the update at which it diverged (Int64, missing where it did
        not) as said by `map`, the frame; `numpy`, `numpy_loop`; `nudged`, lrsweep with both learning rates larger by
        one unit in the last place, which says what rounding alone can do; `plain`, lrsweep laid out as JAX lays a loop
        out by itself; and `jax`, `jax_loop`.
    """
    parts = [
        frame.table.iloc[places].assign(frame=number, kind=kind)
        for number, frame in enumerate(frames)
        for kind, places in sample(frame, count, seed=number).items()
    ]
    cells = pd.concat(parts, ignore_index=True)
    trials = cells[["learning_rate_0", "learning_rate_1"]]

    def again(trials: pd.DataFrame, layout: lrsweep.Layout | None = None) -> Any:
        swept = lrsweep.sweep(objective, layerwise_sgd, trials, steps=steps, stopping=STOPPING, layout=layout)
        return ended_at(swept.table).array

    rates = zip(trials["learning_rate_0"], trials["learning_rate_1"], strict=True)
    alone = [numpy_loop(objective, {"input": first, "output": second}, steps) for first, second in rates]
    return cells[["frame", "kind"]].assign(
        map=ended_at(cells),
        numpy=pd.array(alone, dtype="Int64"),
        nudged=again(pd.DataFrame({name: np.nextafter(trials[name], np.inf) for name in trials})),
        plain=again(trials, lrsweep.Layout()),
        jax=pd.array(jax_loop(objective, trials, steps), dtype="Int64"),
    )


# Who is held against whom.
PAIRS = {"numpy": "map", "nudged": "map", "jax": "plain"}


def agreement(compared: pd.DataFrame) -> pd.DataFrame:
    """How many of the cells of `compare` agree, by frame and kind.

    Returns:
        `cells`; and for `numpy` and `nudged` against the map, and `jax` against lrsweep in the plain layout, how many
        end the same way, `numpy_status`; how many have the same `diverged_at` or none in both, `numpy_update`; and
        the most updates that two of them are apart, `numpy_apart`.
    """
    by = [compared["frame"], compared["kind"]]
    columns: dict[str, pd.Series] = {"cells": compared["map"].groupby(by, sort=False).size()}
    for name, other in PAIRS.items():
        ours, theirs = compared[other], compared[name]
        columns[f"{name}_status"] = (ours.isna() == theirs.isna()).groupby(by, sort=False).sum()
        columns[f"{name}_update"] = (ours.fillna(-1) == theirs.fillna(-1)).groupby(by, sort=False).sum()
        columns[f"{name}_apart"] = (ours - theirs).abs().fillna(0).groupby(by, sort=False).max()
    return pd.DataFrame(columns).astype(int).reset_index()


# The pictures.


def shades(colours: Sequence[str], levels: Sequence[float]) -> "tuple[ListedColormap, BoundaryNorm]":
    """Shades between some colours, one between any two levels, and none that is white."""
    from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap

    ramp, steps = LinearSegmentedColormap.from_list("ramp", list(colours)), len(levels) - 1
    return ListedColormap(ramp(np.linspace(0.15, 1.0, steps))), BoundaryNorm(levels, steps)


def paint(ax: "Axes", frame: Frame) -> "tuple[QuadMesh, QuadMesh]":
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


def outline(ax: "Axes", window: Window) -> None:
    """Draws where the next frame lies."""
    (left, right), (low, high) = window.edges(1)
    corners = [left, right, right, left, left], [low, low, high, high, low]
    ax.plot(*corners, color="white", linewidth=2.2)
    ax.plot(*corners, color="black", linewidth=0.9)


def draw_map(frame: Frame, following: Window) -> "Figure":
    """The picture of a frame, learning rate by learning rate, and where the next one lies."""
    from matplotlib.figure import Figure

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


def draw_zoom(frames: Sequence[Frame], found: pd.DataFrame) -> "Figure":
    """The frames one after another, where in each the next one lies, and their dimensions."""
    from matplotlib.figure import Figure

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


def write_picture(fig: "Figure", path: Path, dots: int) -> None:
    """Writes a figure of flat colours as a small PNG."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    fig.savefig(buffer, dpi=dots)
    Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"wrote {path}")


# The claim.


def failures(found: pd.DataFrame, agreed: pd.DataFrame, *, quick: bool) -> list[str]:
    """Which parts of the claim do not hold in the figures of `describe` and `agreement`."""
    zooms, anywhere = found["dimension"][1:], agreed[agreed["kind"] == "anywhere"]
    parts: dict[str, Any] = {
        "NumPy's loop says of every cell picked anywhere how it ends": (
            anywhere["numpy_status"] == anywhere["cells"]
        ).all()
    }
    if not quick:
        parts["lrsweep in the plain layout is jit(vmap(scan)) in every update"] = (
            agreed["jax_update"] == agreed["cells"]
        ).all()
        parts["the median dimension is within the paper's range"] = PAPER_LEAST <= zooms.median() <= PAPER_MOST
        parts["every zoom's dimension is above 1.3"] = (zooms > 1.3).all()
    return [part for part, holds in parts.items() if not holds]


def main() -> None:
    """Prints the dimensions and how far plain loops agree; exits with 1 where the claim does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small frames, in some seconds")
    parser.add_argument("--out", type=Path, help="the folder for the pictures; beside the script where left out")
    given = parser.parse_args()
    if given.out is not None and not given.out.is_dir():
        parser.error(f"there is no folder {str(given.out)!r} to write pictures into")
    # Before JAX computes anything: every core a device.
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    jax.config.update("jax_enable_x64", True)
    sizes, count, steps = ([64, 32], 10, 100) if given.quick else ([512] * 8, 50, STEPS)

    objective = network()
    frames = dive(objective, sizes, steps)
    found = describe(frames)
    print("\nThe boundary, frame by frame: the whole map, and every zoom an eighth of the one before.\n")
    print(found.to_string(float_format="{:.4g}".format))
    median = found["dimension"][1:].median()
    print(
        f"\nThe median dimension of the zooms is {median:.2f}; the paper's is {PAPER}, "
        f"and {PAPER_LEAST} to {PAPER_MOST} over its six conditions."
    )
    agreed = agreement(compare(objective, frames, count, steps))
    print(
        "\nHow many of some random cells end as in the map by NumPy's loop, and nudged by rounding; and JAX's loop.\n"
    )
    print(agreed.to_string(index=False))

    out = Path(__file__).parent / "pictures" if given.out is None and not given.quick else given.out
    if out is not None:
        out.mkdir(exist_ok=True)
        write_picture(draw_map(frames[0], frames[1].window), out / "trainability.png", 200)
        write_picture(draw_zoom(frames, found), out / "trainability-zoom.png", 160)
    failed = failures(found, agreed, quick=given.quick)
    for part in failed:
        print(f"It does not hold that {part}.")
    if failed:
        raise SystemExit(1)
    print("The claim holds." if not given.quick else "NumPy agrees.")


if __name__ == "__main__":
    main()
