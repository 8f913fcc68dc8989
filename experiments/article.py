"""Every figure that the article prints, computed again by a sweep and compared digit by digit.

The claim: what an introductory article on gradient descent computes by hand, one learning rate after another, a sweep
gives at once, to the last digit it prints. Run `python experiments/article.py`; it exits with 1 if a figure differs.
"""

import dataclasses
import sys
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import optax
import pandas as pd

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
    """The line with the loss that the article's Python descends, FACTOR times the one that it prints."""
    line = lrsweep.problems.line()
    return dataclasses.replace(line, loss=lambda params, data: FACTOR * line.loss(params, data))


def printed_errors() -> Iterator[Figure]:
    """The errors at learning rates 0.1 and 0.5, from one sweep over both."""
    trials = lrsweep.grid(learning_rate=list(PRINTED_ERRORS))
    sweep = lrsweep.sweep(article_line(), gauss_seidel, trials, steps=30, stopping=TO_THE_END, record_every=1)
    assert sweep.curves is not None
    for trial, (rate, errors) in enumerate(PRINTED_ERRORS.items()):
        for step, printed in errors.items():
            error = sweep.curves[step].iloc[trial] / FACTOR
            yield Figure(f"learning rate {rate}, update {step}: error", printed, f"{error:.5f}")


def printed_weights() -> Iterator[Figure]:
    """The line at learning rate 0.1: the parameters that runs of so many steps end with."""
    line, trials = article_line(), lrsweep.grid(learning_rate=0.1)
    for steps, printed in PRINTED_WEIGHTS.items():
        sweep = lrsweep.sweep(line, gauss_seidel, trials, steps=steps, stopping=TO_THE_END)
        params = sweep.replay(0).params
        yield Figure(f"learning rate 0.1, update {steps}: f(x)", printed, f"{params['w1']:.2f}x {params['w0']:.2f}")


def pytorch_run() -> tuple[pd.DataFrame, list[Figure]]:
    """The PyTorch version: the mean's own gradient, both parameters at once, from random starts.

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
    """Loss, w1 and w0 after some steps of gradient descent: the error shrinks along each axis of the bowl by itself."""
    x, y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0])
    design, minimum = np.stack([x, np.ones(3)], axis=1), np.array([2.0, -1.0])
    sharpness, axes = np.linalg.eigh(2 / 3 * design.T @ design)
    error = axes.T @ (np.array([float(start["w1"]), float(start["w0"])]) - minimum)
    w1, w0 = minimum + axes @ ((1 - PYTORCH_RATE * sharpness) ** steps * error)
    return float(np.mean((w1 * x + w0 - y) ** 2)), float(w1), float(w0)


def main() -> int:
    """Prints every figure beside the article's; returns the exit code."""
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

    differing = [figure for figure in figures if figure.ours != figure.article]
    print(f"\n{len(figures) - len(differing)} of {len(figures)} figures agree.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
