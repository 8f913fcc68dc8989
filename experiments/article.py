"""Every figure of the article: those that it prints, computed again digit by digit, and those that it draws.

The claim: what an introductory article on gradient descent computes by hand, one learning rate after another, a sweep
gives at once, to the last digit it prints. Run `python experiments/article.py`: half a minute, most of it to draw; it
exits with 1 if a figure differs. With `--quick` nothing is drawn.

The pictures, `article-*.png`, are those of the article, in its order: `steps`, small and large ones on a slope;
`tangent`, which says where to; `away`, where each step is too large; `pushes`, weak, strong and too strong; `valleys`,
the harder map; `line`, before and after, with the data; `losses`, at 0.1 and at 0.5. Its video is `article-video.gif`.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
import pandas as pd
from common import BLUES, argument_parser, output_folder, write_picture
from matplotlib.axes import Axes

import lrsweep

# The article's own Python updates w1 first, and w0 with the new w1; the arrays stand in the order w0, w1.
gauss_seidel = partial(lrsweep.optimizers.gauss_seidel, backward=True)

# It also drops the factor 2 / N = 2 / 3 of the mean's gradient, as a learning rate 3 / 2 times as large would. Here the
# factor stands on the loss: 2 / 3 is no binary number, and at learning rate 0.5 thirty updates magnify its rounding
# about sixtyfold, into the last of the fifteen digits that the article prints.
FACTOR = 3 / 2

# To the last step, whatever happens on the way: the article's loop has no stopping rule.
TO_THE_END = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))

# As printed in the article: weights to 2 decimals, errors to 5.
PRINTED_WEIGHTS = {1: "1.60x -0.14", 2: "1.66x -0.26", 3: "1.70x -0.36", 20: "1.98x -0.95"}
PRINTED_ERRORS = {
    0.1: {1: "0.35560", 2: "0.26300", 3: "0.19452", 20: "0.00115", 30: "0.00006"},
    0.5: {1: "9.58333", 2: "4.06250", 3: "39.76562", 29: "537407805.94885", 30: "5223270089.75743"},
}

PYTORCH_RATE, PYTORCH_STEPS = 0.2, range(5, 31, 5)
SEARCH = [0.1, 0.01, 0.001]


class Figure(NamedTuple):
    """One figure: what it is, as the article prints it, and as computed here."""

    name: str
    article: str
    ours: str


def article_line() -> lrsweep.Objective:
    """Makes the line with the loss that the article's Python descends, FACTOR times the one that it prints."""
    line = lrsweep.problems.line()
    return dataclasses.replace(line, loss=lambda params, data: FACTOR * line.loss(params, data))


def printed_errors() -> Iterator[Figure]:
    """Computes the errors at learning rates 0.1 and 0.5, from one sweep over both."""
    trials = lrsweep.grid(learning_rate=list(PRINTED_ERRORS))
    sweep = lrsweep.sweep(article_line(), gauss_seidel, trials, steps=30, stopping=TO_THE_END, record_every=1)
    for trial, (rate, errors) in enumerate(PRINTED_ERRORS.items()):
        for step, printed in errors.items():
            error = sweep.curves["loss"][step].iloc[trial] / FACTOR
            yield Figure(f"learning rate {rate}, update {step}: error", printed, f"{error:.5f}")


def printed_weights() -> Iterator[Figure]:
    """Computes the parameters that runs of so many steps end with, at learning rate 0.1."""
    line, trials = article_line(), lrsweep.grid(learning_rate=0.1)
    for steps, printed in PRINTED_WEIGHTS.items():
        sweep = lrsweep.sweep(line, gauss_seidel, trials, steps=steps, stopping=TO_THE_END)
        params = sweep.replay(0).params
        yield Figure(f"learning rate 0.1, update {steps}: f(x)", printed, f"{params['w1']:.2f}x {params['w0']:.2f}")


def pytorch_run() -> tuple[pd.DataFrame, list[Figure]]:
    """Runs the PyTorch version: the mean's own gradient, both parameters at once, from random starts.

    The article prints its code and none of its figures, which would differ at every run. So what the code would print
    (at every fifth update, the loss before it and the parameters after it) is compared with the closed form from the
    same start, to the decimals that it prints.
    """
    line, trials = lrsweep.problems.line(), lrsweep.grid(learning_rate=PYTORCH_RATE, seed=range(3))
    printed, figures = [], []
    for steps in PYTORCH_STEPS:
        sweep = lrsweep.sweep(line, optax.sgd, trials, steps=steps, stopping=TO_THE_END)
        for trial, seed in trials["seed"].items():
            replay = sweep.replay(trial)
            ours = replay.curve[steps - 1], replay.params["w1"], replay.params["w0"]
            start = line.init(jax.random.key(seed), seed=seed)
            exact = closed_form(start, steps - 1)[0], *closed_form(start, steps)[1:]
            printed.append((seed, steps, *ours))
            texts = [f"loss {loss:.5f}, w_1 {w1:.3f}, w_0 {w0:.3f}" for loss, w1, w0 in (exact, ours)]
            figures.append(Figure(f"PyTorch's code, seed {seed}, update {steps}", *texts))
    columns = pd.Index(["seed", "update", "loss", "w_1", "w_0"])
    return pd.DataFrame(printed, columns=columns).sort_values(["seed", "update"]), figures


def closed_form(start: dict[str, jax.Array], steps: int) -> tuple[float, float, float]:
    """Computes loss, w1 and w0 after some steps of gradient descent, in closed form.

    The error shrinks along each axis of the bowl by itself.
    """
    x, y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0])
    design, minimum = np.stack([x, np.ones(3)], axis=1), np.array([2.0, -1.0])
    sharpness, axes = np.linalg.eigh(2 / 3 * design.T @ design)
    error = axes.T @ (np.array([float(start["w1"]), float(start["w0"])]) - minimum)
    w1, w0 = minimum + axes @ ((1 - PYTORCH_RATE * sharpness) ** steps * error)
    return float(np.mean((w1 * x + w0 - y) ** 2)), float(w1), float(w0)


# The slope that the article draws, and where its ball starts.
BOWL = lrsweep.Objective(lambda params: params["w"] ** 2, {"w": np.array(-2.0)}, name="bowl")
BOWL_PLACES, VALLEY_PLACES = {"w": np.linspace(-3, 3, 201)}, {"x": np.linspace(-1, 10, 301)}

# At learning rate 0.5 one update reaches the minimum; above 1 each leads farther away.
STEPS = {"small steps": 0.03, "large steps": 0.9}
AWAY = {"too large steps": 1.08}
PUSHES = {"weak": 0.1, "strong": 0.9, "too strong": 1.2}
VALLEY_PUSHES = {"weak": 0.05, "middling": 0.2, "right": 1.5}

LINE_X, LINE_Y = [0, 1, 3], [-1, 1, 5]


def draw_side_by_side(
    objective: lrsweep.Objective, places: Mapping[str, Any], pushes: Mapping[str, float], *, steps: int
) -> Any:
    """Draws the ball on its slope after every update, a panel per learning rate."""
    sweep = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=list(pushes.values())), steps=steps)
    ground = lrsweep.landscape(objective, places)
    wide = 3.5 if len(pushes) == 1 else 7.0
    figure, panels = plt.subplots(1, len(pushes), sharey=True, figsize=(wide, 2.5), layout="constrained", squeeze=False)
    for trial, (ax, (name, rate)) in enumerate(zip(panels[0], pushes.items(), strict=True)):
        label = f"{name}: {rate:g}"
        status = sweep.table["status"][trial]
        lrsweep.plots.slope(ground, {label: sweep.path(trial)}, statuses={label: status}, ax=ax)
        if trial > 0:
            ax.set_ylabel("")
    return figure


def draw_tangent() -> Any:
    """Draws on either side of the minimum a point, its tangent, and where an update moves it."""
    ax: Axes = lrsweep.plots.slope(lrsweep.landscape(BOWL, BOWL_PLACES))
    _, middle, dark = BLUES
    rate = 0.25
    for w in (-1.8, 1.2):
        height, slope = (float(value) for value in jax.value_and_grad(lambda w: BOWL.loss({"w": w}))(w))
        reach = np.array([-0.7, 0.7])
        ax.plot(w + reach, height + slope * reach, color=middle, linewidth=1.5)
        ax.plot(w, height, "o", color=dark, markersize=6, zorder=4)
        ax.annotate("", (w - rate * slope, height), (w, height), arrowprops={"arrowstyle": "->", "color": dark})
        told, side = f"slope {slope:+.1f}".replace("-", "\N{MINUS SIGN}"), "left" if slope < 0 else "right"
        ax.annotate(told, (w, height), (0, 7), textcoords="offset points", ha=side, fontsize="small")
    ax.plot(0, 0, "o", color="black", markersize=6, zorder=4)
    ax.annotate("minimum", (0, 0), (0, 8), textcoords="offset points", ha="center", fontsize="small")
    return ax.figure


def draw_all(folder: Path) -> None:
    """Writes every picture of the article."""
    trials = lrsweep.grid(learning_rate=list(PRINTED_ERRORS))
    sweep = lrsweep.sweep(article_line(), gauss_seidel, trials, steps=30, stopping=TO_THE_END, record_every=1)
    curves, path = sweep.curves["loss"] / FACTOR, sweep.path(0)
    save = partial(save_picture, folder)
    save("steps", draw_side_by_side(BOWL, BOWL_PLACES, STEPS, steps=40))
    save("tangent", draw_tangent())
    save("away", draw_side_by_side(BOWL, BOWL_PLACES, AWAY, steps=100))
    save("pushes", draw_side_by_side(BOWL, BOWL_PLACES, PUSHES, steps=40))
    save("valleys", draw_side_by_side(lrsweep.problems.valleys(), VALLEY_PLACES, VALLEY_PUSHES, steps=40))
    save("line", lrsweep.plots.fit(LINE_X, LINE_Y, path, updates=[0, 30]).figure)
    save("losses", lrsweep.plots.losses(sweep.table, curves).figure)
    video = lrsweep.plots.animate_fit(LINE_X, LINE_Y, path, curves.iloc[0], interval=200)
    lrsweep.plots.save_animation(video, folder / "article-video.gif", dpi=100)


def save_picture(folder: Path, name: str, figure: Any) -> None:
    """Writes a figure under its name in the article, and closes it."""
    write_picture(figure, folder / f"article-{name}.png")
    plt.close(figure)


def main() -> int:
    """Prints every figure beside the article's, and draws its pictures; returns the exit code."""
    given = argument_parser(__doc__, quick="draw nothing, unless --out is given").parse_args()
    jax.config.update("jax_enable_x64", True)
    pytorch, against_closed_form = pytorch_run()
    figures = [*printed_weights(), *printed_errors(), *against_closed_form]
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        verdict = "agrees" if figure.ours == figure.article else f"DIFFERS, should be {figure.article}"
        print(f"{figure.name:<{width}}  {figure.ours}  {verdict}")

    print("\nThe PyTorch version from three starts, on its way to w_1 = 2, w_0 = -1:\n")
    print(pytorch.to_string(index=False, float_format="%.5f"))

    print("\nThe search over 0.1, 0.01, 0.001:\n")
    search = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=SEARCH))
    print(search.table.to_string())

    if given.out or not given.quick:
        draw_all(output_folder(given.out))

    differing = [figure for figure in figures if figure.ours != figure.article]
    print(f"\n{len(figures) - len(differing)} of {len(figures)} figures agree.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
