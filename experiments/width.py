"""The best learning rate of a network against its width, in standard parametrisation and in muP.

The claim: from width 64 to 1024 the best learning rate falls by a factor of 14 in standard parametrisation, nearly
twofold at every doubling; in muP, the maximal update parametrisation, it stays within a factor of 1.1. At width 1024
the best learning rate of width 64 gives a loss of 2.6 instead of 0.12 in the one, and the least loss in the other. The
coordinate check tells after five updates: with that learning rate what the hidden layers give before their tanh grows
in proportion to the width in standard parametrisation, and no layer's grows in muP.

It is about a tanh network with three hidden layers on scikit-learn's digits, and 40 updates of Adam on batches of 64
with a learning rate that falls linearly to 0; what is compared is the final loss over all the digits. Run
`pip install -e '.[experiments]'` once, then `python experiments/width.py`: a minute and a half on two cores. It exits
with 1 where the claim does not hold in its own numbers, and draws them in `pictures/width.png` and
`pictures/width-check.png`.

muP follows the columns for Adam of table 3 of Yang et al., 2022, "Tensor Programs V" (arXiv:2203.03466): the output's
weights have a variance of 1 / fan-in^2, hidden and output weights a learning rate in proportion to 1 / fan-in. The
constants are those that make the smallest width the same network in both.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pandas as pd
from common import argument_parser, output_folder, read_digits
from matplotlib.figure import Figure

import lrsweep
from lrsweep.plots import FIGURE_SIZE

Params = Mapping[str, Mapping[str, jax.Array]]
Data = Mapping[str, Any]

STANDARD, MUP = "standard", "muP"
LAYERS = ("input", "hidden 1", "hidden 2", "output")
WIDTHS = [64, 128, 256, 512, 1024]
# Factors of 2, so placed that the smallest network's best is one of them and not halfway between two.
LEARNING_RATES = 0.02 * 2.0 ** np.arange(-5, 3)
SEEDS, BATCH_SIZE, STEPS = range(3), 64, 40

# The coordinate check: so few updates, with the learning rate that is best for the smallest network.
CHECK_STEPS, CHECK_RATE = 5, 0.02

# What the pictures have widths, and layers, in, from pale to dark.
SHADES = "#9CCFEB", "#56B4E9", "#0072B2", "#000000"
DRAWN = dict(zip(WIDTHS, ["#9CCFEB", "#56B4E9", "#0072B2", "#004A75", "#000000"], strict=True))

# Every trial to the last update: what is compared is the loss there.
TO_THE_END = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))

# A few at a time: the parameters and moments of many wide networks side by side outgrow the processor's caches.
BLOCK_WIDTH = 8


def init(key: jax.Array, *, width: int, shrink: Any) -> Params:
    """Samples weights of variance 1 / fan-in, the output's of `shrink` times that, with biases of 0."""
    sizes = {"input": (64, width), "hidden 1": (width, width), "hidden 2": (width, width), "output": (width, 10)}
    params = {}
    for layer_key, (layer, size) in zip(jax.random.split(key, len(sizes)), sizes.items(), strict=True):
        variance = (shrink if layer == "output" else 1) / size[0]
        weights = jnp.sqrt(variance) * jax.random.normal(layer_key, size)
        params[layer] = {"weights": weights, "biases": jnp.zeros(size[1])}
    return params


def forward(params: Params, pixels: jax.Array) -> dict[str, jax.Array]:
    """Computes what each layer gives before its tanh: ``[digit, width]`` by layer, and the logits as `output`."""
    given, features = {}, pixels
    for layer in LAYERS:
        given[layer] = features @ params[layer]["weights"] + params[layer]["biases"]
        features = jnp.tanh(given[layer])
    return given


def cross_entropy(params: Params, data: Data) -> jax.Array:
    """Computes the loss."""
    logits = forward(params, data["pixels"])["output"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, data["labels"]).mean()


def size(params: Params, data: Data, *, layer: str) -> jax.Array:
    """Computes the size of what a layer gives: the root of the mean of its squares."""
    return jnp.sqrt(jnp.mean(forward(params, data["pixels"])[layer] ** 2))


def adam(learning_rate: Any, *, shrink: Any) -> optax.GradientTransformation:
    """Makes Adam with `shrink` times the learning rate for hidden and output weights; both fall linearly to 0."""

    def falling(rate: Any) -> optax.GradientTransformation:
        return optax.adam(optax.linear_schedule(rate, 0.0, STEPS))

    return optax.partition({"whole": falling(learning_rate), "shrunk": falling(shrink * learning_rate)}, kinds)


def kinds(params: Params) -> dict[str, dict[str, str]]:
    """Tells which of the two learning rates each array of parameters gets."""
    return {layer: {"weights": "whole" if layer == "input" else "shrunk", "biases": "whole"} for layer in params}


def run_trials(
    learning_rates: Any = LEARNING_RATES, *, steps: int = STEPS, metrics: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Runs every width, parametrisation, learning rate and seed, and gives the result table.

    A parametrisation is one number, `shrink`: the smallest width over a network's own in muP, 1 in the standard one. So
    the two share a compiled program at every width. In the table its name stands instead.
    """
    pixels, labels = read_digits()
    grid = lrsweep.grid(width=WIDTHS, parametrisation=[STANDARD, MUP], learning_rate=learning_rates, seed=SEEDS)
    shrink = np.where(grid["parametrisation"] == MUP, WIDTHS[0] / grid["width"], 1.0)
    data = {"pixels": pixels, "labels": labels}
    table = lrsweep.sweep(
        lrsweep.Objective(cross_entropy, init, data=data, batch_size=BATCH_SIZE, metrics=metrics or {}),
        adam,
        grid.drop(columns="parametrisation").assign(shrink=shrink),
        steps=steps,
        static=["width"],
        evaluate_every=steps,
        stopping=TO_THE_END,
        block_width=BLOCK_WIDTH,
    ).table.drop(columns="shrink")
    table.insert(0, "parametrisation", grid["parametrisation"])
    return table


def check_coordinates() -> pd.DataFrame:
    """Runs the coordinate check: the result table of a few updates, with the size of every layer as a metric."""
    metrics = {layer: partial(size, layer=layer) for layer in LAYERS}
    return run_trials([CHECK_RATE], steps=CHECK_STEPS, metrics=metrics)


def find_best(table: pd.DataFrame) -> pd.DataFrame:
    """Finds the best learning rate of every parametrisation and width: one row each, as `describe` has it."""
    losses = {
        place: trials.pivot(index="learning_rate", columns="seed", values="final_loss").fillna(np.inf)
        for place, trials in table.groupby(["parametrisation", "width"])
    }
    return pd.DataFrame(
        {"parametrisation": parametrisation, "width": width}
        | describe(losses[parametrisation, width], losses[parametrisation, WIDTHS[0]])
        for parametrisation in (STANDARD, MUP)
        for width in WIDTHS
    )


def describe(losses: pd.DataFrame, smallest: pd.DataFrame) -> dict[str, Any]:
    """Describes the best learning rate of one parametrisation at one width, by the median of the final loss over seeds.

    Args:
        losses: Final losses, one row per learning rate, one column per seed.
        smallest: Those of the smallest width.

    Returns:
        `learning_rate` and `loss`, the best of the grid and its median loss; `shift`, how many powers of two it stands
        above the smallest width's, `seeds`, the same for each seed by itself, and `refined`, the same between the
        points of the grid; `untuned`, the median loss at the smallest width's best learning rate.
    """
    medians, of_smallest = losses.median(axis=1), smallest.median(axis=1)
    best, start = int(medians.argmin()), int(of_smallest.argmin())
    # Neighbours on the grid differ by a factor of 2.
    by_seed = losses.to_numpy().argmin(axis=0) - smallest.to_numpy().argmin(axis=0)
    return {
        "learning_rate": losses.index[best],
        "loss": medians.iloc[best],
        "shift": best - start,
        "seeds": " ".join(map(str, by_seed)),
        "refined": refine(medians) - refine(of_smallest),
        "untuned": medians.iloc[start],
    }


def refine(losses: pd.Series) -> float:
    """Computes the power of two of the best learning rate, between the points of the grid.

    It is where the parabola through the least of the losses and its two neighbours has its vertex, in the logarithms of
    loss and learning rate.

    Raises:
        SystemExit: The least of the losses is the first or the last.
    """
    best = int(losses.argmin())
    if best in (0, len(losses) - 1):
        raise SystemExit(f"The best learning rate, {losses.index[best]:g}, ends the grid: a better one may lie beyond.")
    below, least, above = np.log(losses.iloc[best - 1 : best + 2])
    return float(np.log2(losses.index[best]) + (below - above) / 2 / (below - 2 * least + above))


def draw(table: pd.DataFrame, best: pd.DataFrame) -> Figure:
    """Draws the median final loss against the learning rate, a line per width, and the best of each.

    Args:
        table: Every trial.
        best: What `find_best` says of them.
    """
    medians = lrsweep.summarize(table, by=["parametrisation", "width", "learning_rate"])
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, parametrisation in zip(panels, (STANDARD, MUP), strict=True):
        for width, colour in DRAWN.items():
            lines, dots = (
                frame[(frame["parametrisation"] == parametrisation) & (frame["width"] == width)]
                for frame in (medians, best)
            )
            axes.plot(lines["learning_rate"], lines["median_final_loss"], color=colour, linewidth=1, label=f"{width}")
            axes.plot(dots["learning_rate"], dots["loss"], "o", color=colour, markersize=4)
        axes.set(title=parametrisation, xscale="log", yscale="log", xlabel="learning rate")
    panels[0].set_ylabel("median final loss")
    figure.legend(*panels[0].get_legend_handles_labels(), title="width", ncols=len(WIDTHS), loc="outside upper center")
    return figure


def draw_check(table: pd.DataFrame, sizes: pd.DataFrame) -> Figure:
    """Draws the best learning rate against the width, and the size of what every layer gives after a few updates.

    Args:
        table: Every trial.
        sizes: What `check_coordinates` gives.
    """
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    best, layers = figure.subplots(1, 2)
    lrsweep.plots.transfer(lrsweep.transfer(table, "width"), "width", ax=best)
    for parametrisation, style in ((STANDARD, "-"), (MUP, ":")):
        for layer, colour in zip(LAYERS, SHADES, strict=True):
            medians = lrsweep.summarize_outcome(sizes, f"final_{layer}", by=["parametrisation", "width"])
            medians = medians[medians["parametrisation"] == parametrisation]
            label = layer if parametrisation == STANDARD else None
            layers.plot(medians["width"], medians["median"], color=colour, linestyle=style, linewidth=1, label=label)
    layers.set(xscale="log", yscale="log", xlabel="width", ylabel=f"size after {CHECK_STEPS} updates")
    layers.set_xticks(WIDTHS[::2], [str(width) for width in WIDTHS[::2]], minor=False)
    layers.set_xticks([], minor=True)
    layers.legend(
        title=f"{STANDARD}; dotted {MUP}",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=2,
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        frameon=False,
        handlelength=1.2,
        columnspacing=1.0,
    )
    return figure


def main() -> None:
    """Prints the best learning rates, draws them; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__).parse_args()
    table, sizes = run_trials(), check_coordinates()
    best = find_best(table)
    smallest, largest = WIDTHS[0], WIDTHS[-1]
    print(f"""\
The best learning rate by the median final loss of {len(SEEDS)} seeds, and that loss. Its shift from that of width
{smallest}, in powers of two: on the grid, for each seed by itself, and refined between the points of the grid. untuned:
the loss at the best learning rate of width {smallest}.
""")
    print(best.to_string(index=False, float_format="{:.4g}".format, formatters={"refined": "{:+.2f}".format}))

    with matplotlib.rc_context({"font.size": 7}):
        draw(table, best).savefig(output_folder(given.out) / "width.png", dpi=200)
        draw_check(table, sizes).savefig(output_folder(given.out) / "width-check.png", dpi=200)

    shifts = best.set_index(["parametrisation", "width"])["refined"]
    fall, drift = -shifts[STANDARD].iloc[-1], shifts[MUP].abs().max()
    standard, mup = best[best["width"] == largest].to_dict("records")
    print(f"""
From width {smallest} to {largest} the best learning rate falls by a factor of {2**fall:.1f} in standard
parametrisation, and stays within a factor of {2**drift:.1f} in muP. That of width {smallest} gives, at width {largest},
in standard parametrisation a loss of {standard["untuned"]:.3f}, where the best is {standard["loss"]:.3f},
and in muP one of {mup["untuned"]:.3f}, where the best is {mup["loss"]:.3f}.""")
    powers = lrsweep.coordinates(sizes, "width").pivot(index="metric", columns="parametrisation", values="power")
    print(f"""
The coordinate check: by which power of the width the size of what a layer gives grows, {CHECK_STEPS} updates with
learning rate {CHECK_RATE:g} after the start.

{powers.reindex(index=list(LAYERS), columns=[STANDARD, MUP]).to_string(float_format="{:+.2f}".format)}""")
    if fall < 3 or drift >= 1:
        raise SystemExit("The claim does not hold: it should fall by a factor of 8 or more, and stay within one of 2.")
    hidden = powers.loc[powers.index.str.startswith("hidden"), STANDARD]
    if not (hidden.between(0.9, 1.1).all() and powers[MUP].abs().max() < 0.1):
        raise SystemExit("The claim does not hold: the hidden layers should grow with the width, and none in muP.")


if __name__ == "__main__":
    main()
