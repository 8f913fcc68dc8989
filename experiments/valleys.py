"""Which valley the ball ends in, over every start and every learning rate, for three optimizers.

The claim, on the article's harder map (three valleys, the deepest at the far right): gradient descent comes to rest in
a valley only at learning rates below 2 / curvature of the valley's floor, and with momentum 0.9 only below
2 (1 + 0.9) / curvature; both come within 5% of these limits. So a push strong enough leaves the sharp valleys for the
flat one, and the deepest here is the flattest. Adam heeds no such limit: from some starts it comes to rest in the
first valley at more than twice gradient descent's, and it diverges nowhere, since its steps are bounded. Less than
half of all starts and learning rates end in the deepest valley with gradient descent, and more than 60% with either of
the others.

What rests is a trial whose slope after the last update is below a millionth; which valley it is in is read off from
where it is, between the two barriers. What has diverged did so before the steps ran out: a few that still swing
high above their start then, which lrsweep calls diverged too, are still moving here.

Run `python experiments/valleys.py`: half a minute on two cores; with `--quick` a few seconds, on a coarse grid. It
writes `valleys.png`, the three maps, and `valleys.gif`, the ball at three learning rates side by side, and exits with
1 where the claim does not hold in its own numbers.
"""

import dataclasses
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pandas as pd
from common import BLUES, argument_parser, output_folder, write_picture
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import lrsweep
from lrsweep.plots import COLOURS

MOMENTUM = 0.9
OPTIMIZERS = {"GD": optax.sgd, "momentum 0.9": partial(optax.sgd, momentum=MOMENTUM), "Adam": optax.adam}
# Theory's limit of the learning rate, in units of 1 / curvature (see lrsweep.critical_learning_rate).
LIMITS = {"GD": 2.0, "momentum 0.9": 2 * (1 + MOMENTUM)}

STARTS, LEARNING_RATES = (-1.0, 8.0), (1e-2, 10.0)
STEPS, AT_REST = 2000, 1e-6
# To the last step. Divergence counts in units of the first gap, and some start a thousandth from the minimum.
TO_THE_END = lrsweep.Stopping(tolerance=0.0, divergence=1e12)
# Weak, middling and right.
PUSHES = {0.05: "weak", 0.2: "middling", 1.5: "right"}

ENDS = ["first valley", "second valley", "deepest valley", "still moving", "diverged"]

DASHED: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (3, 2))}

MAP = lrsweep.problems.valleys()


def slope(params: Mapping[str, Any]) -> Any:
    """Computes the derivative of the loss."""
    return jax.grad(MAP.loss)(params)["x"]


OBJECTIVE = dataclasses.replace(MAP, metrics={"x": lambda params: params["x"], "slope": slope})


class Valleys(NamedTuple):
    """Where the valleys are: the floors' places and curvatures, and the barriers between them, from left to right."""

    floors: list[float]
    curvatures: list[float]
    barriers: list[float]


def find_valleys() -> Valleys:
    """Finds every place between the first start and the last at which the slope is 0: floors and barriers in turn."""
    slopes, curvatures = jax.jit(jax.vmap(slope)), jax.jit(jax.vmap(jax.grad(lambda x: slope({"x": x}))))
    places = np.linspace(*STARTS, 1000)
    signs = np.sign(slopes({"x": places}))
    flat = places[:-1][signs[1:] != signs[:-1]]
    for _ in range(10):
        flat = flat - np.asarray(slopes({"x": flat}) / curvatures(flat))
    floors, barriers = flat[::2].tolist(), flat[1::2].tolist()
    return Valleys(floors, [lrsweep.sharpness(MAP, {"x": x}) for x in floors], barriers)


def run_trials(size: int) -> pd.DataFrame:
    """Runs every optimizer from every start at every learning rate, and finds which of ENDS became of each.

    Args:
        size: How many starts, and how many learning rates.

    Returns:
        The result tables, with columns `optimizer` and `end` (int, the place in ENDS).
    """
    barriers = find_valleys().barriers
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(*LEARNING_RATES, size), x=np.linspace(*STARTS, size))
    tables = []
    for name, factory in OPTIMIZERS.items():
        table = lrsweep.sweep(OBJECTIVE, factory, trials, steps=STEPS, stopping=TO_THE_END).table
        end = np.where(table["final_slope"].abs() <= AT_REST, np.searchsorted(barriers, table["final_x"]), 3)
        gone = (table["diverged_at"] == table["steps"]).to_numpy(bool, na_value=False)
        tables.append(table.assign(optimizer=name, end=np.where(gone, 4, end)))
    return pd.concat(tables, ignore_index=True)


def describe(table: pd.DataFrame, valleys: Valleys) -> pd.DataFrame:
    """Describes what rests in a valley, in a row per optimizer and valley.

    Returns:
        The `optimizer`; the `valley` (int, from the left) and its `curvature`; the `share` of the trials that rest in
        it, and the largest learning rate of these; theory's `limit`, and the `ratio` of the two (NaN for Adam).
    """
    rows = []
    for name, trials in table.groupby("optimizer", sort=False):
        for valley, curvature in enumerate(valleys.curvatures):
            resting = trials[trials["end"] == valley]
            largest, limit = resting["learning_rate"].max(), LIMITS.get(str(name), np.nan) / curvature
            rows.append((name, valley, curvature, len(resting) / len(trials), largest, limit, largest / limit))
    names = ["optimizer", "valley", "curvature", "share", "largest_rate", "limit", "ratio"]
    return pd.DataFrame(rows, columns=pd.Index(names))


def failures(table: pd.DataFrame, found: pd.DataFrame, tolerance: float = 0.05) -> list[str]:
    """Lists the parts of the claim that do not hold in these numbers.

    Args:
        table: What `run_trials` returns.
        found: What `describe` returns.
        tolerance: How far below a limit the largest learning rate at rest may be; the grid can tell no better.
    """
    known = found.dropna(subset=["limit"])
    largest = found.set_index(["optimizer", "valley"])["largest_rate"]
    share = found.set_index(["optimizer", "valley"])["share"]
    parts = {
        "GD and momentum rest only below their limits": (known["ratio"] < 1).all(),
        f"they rest up to within {tolerance:.0%} of them": (known["ratio"] > 1 - tolerance).all(),
        "Adam rests in the first valley above twice GD's limit": largest["Adam", 0] > 2 * largest["GD", 0],
        "Adam never diverges": (table.loc[table["optimizer"] == "Adam", "end"] != 4).all(),
        "less than half end in the deepest valley with GD": share["GD", 2] < 0.5,
        "more than 60% do with the others": min(share["momentum 0.9", 2], share["Adam", 2]) > 0.6,
    }
    return [part for part, holds in parts.items() if not holds]


def draw_maps(table: pd.DataFrame, valleys: Valleys, path: Path) -> None:
    """Draws a map per optimizer, learning rate by start, beside the slope that the balls roll on."""
    colours = [*BLUES, COLOURS["oscillating"], COLOURS["diverged"]]
    figure = Figure((7.0, 3.0), layout="constrained")
    ground, *panels = figure.subplots(1, 4, sharey=True, width_ratios=[0.5, 1, 1, 1])
    loss = lrsweep.landscape(MAP, {"x": np.linspace(*STARTS, 300)})
    ground.plot(loss, loss.index, color="#808080", linewidth=1.2)
    ground.set(xlabel="loss", ylabel="start x", xlim=(-1, 19), ylim=STARTS)
    for ax, (name, trials) in zip(panels, table.groupby("optimizer", sort=False), strict=True):
        cells = trials.pivot(index="x", columns="learning_rate", values="end")
        ax.pcolormesh(
            cells.columns, cells.index, cells, cmap=ListedColormap(colours), vmin=-0.5, vmax=4.5, rasterized=True
        )
        ax.set(xscale="log", xlabel="learning rate")
        ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", ""])
        ax.set_title(str(name), fontsize="medium", pad=14)
        for valley, (floor, curvature) in enumerate(zip(valleys.floors, valleys.curvatures, strict=True)):
            if name in LIMITS:
                limit = LIMITS[str(name)] / curvature
                ax.axvline(limit, color="white", linewidth=1.2)
                ax.axvline(limit, **DASHED)
                ax.text(limit, STARTS[1] + 0.1, str(valley + 1), ha="center", va="bottom", fontsize="x-small")
            if ax is panels[0]:
                ground.text(float(loss.asof(floor)) + 1.0, floor, str(valley + 1), va="center", fontsize="x-small")
    handles = [
        ground.plot([], [], "s", color=colour, markersize=7, label=end)[0]
        for colour, end in zip(colours, ENDS, strict=True)
    ]
    handles += ground.plot([], [], label="a valley's limit", **DASHED)
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize="x-small", frameon=False)
    write_picture(figure, path)


def draw_balls(path: Path) -> None:
    """Draws the ball at three learning rates, side by side."""
    sweep = lrsweep.sweep(MAP, optax.sgd, lrsweep.grid(learning_rate=list(PUSHES)), steps=40)
    labels = [f"{push} push: {rate:g}" for rate, push in PUSHES.items()]
    animation = lrsweep.plots.animate_slope(
        lrsweep.landscape(MAP, {"x": np.linspace(-1, 10, 300)}),
        {label: sweep.path(trial) for trial, label in enumerate(labels)},
        statuses=dict(zip(labels, sweep.table["status"], strict=True)),
        interval=200,
    )
    lrsweep.plots.save_animation(animation, path, dpi=100)


def main() -> None:
    """Prints what rests where, and draws it; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__, quick="a coarse grid, and no pictures unless --out is given").parse_args()
    # Before JAX computes anything: every core a device.
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    jax.config.update("jax_enable_x64", True)
    size = 60 if given.quick else 300
    table, valleys = run_trials(size), find_valleys()
    found = describe(table, valleys)
    print(f"{size} learning rates by {size} starts, {STEPS} updates. What rests in which valley:\n")
    print(found.to_string(index=False, float_format="{:.4g}".format))
    ends = table.groupby("optimizer", sort=False)["end"].value_counts(normalize=True).unstack(fill_value=0)
    print("\nThe share of the trials by how they ended:\n")
    print(ends.rename(columns=dict(enumerate(ENDS))).to_string(float_format="{:.3f}".format))
    if given.out or not given.quick:
        out = output_folder(given.out)
        draw_maps(table, valleys, out / "valleys.png")
        draw_balls(out / "valleys.gif")
    # Learning rates of the coarse grid are 12% apart.
    wrong = failures(table, found, tolerance=0.15 if given.quick else 0.05)
    if wrong:
        raise SystemExit(f"\nThe claim does not hold: it is not so that {'; '.join(wrong)}.")


if __name__ == "__main__":
    main()
