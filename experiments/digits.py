"""The learning rate on handwritten digits: two models, three optimizers, and how much it matters.

The claim: a learning rate that is a factor of 10 off, in the worse direction, costs 11.8 percentage points or more of
validation accuracy, for an MLP and for a convolutional network, and for each of three optimizers; the choice among the
optimizers, each at its own best learning rate, is worth at most 0.7. Of a grid of five decades 6 to 25% come within 1
point of the best. (Ten other seeds give 32 points for the factor of 10 and 1.5 for the optimizers, and move each best
learning rate by one step of the grid.)

It is about scikit-learn's digits and 150 updates on batches of 64; what is compared is the accuracy at the end, as a
mean over seeds. Run `pip install -e '.[experiments]'` once, then `python experiments/digits.py`: about a minute on
two cores. It exits with 1 where the claim does not hold in its own numbers, and draws them in `pictures/digits.png`.
"""

from collections.abc import Mapping
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

TRAINING, BATCH_SIZE, STEPS, SEEDS = 1197, 64, 150, range(10)

# Three to a decade, so that a factor of 10 is three grid steps.
LEARNING_RATES = lrsweep.log_grid(1e-4, 10, 16)
DECADE = 3
PLACES = {"/ 10": -DECADE, "/ 2.15": -1, "best": 0, "* 2.15": 1, "* 10": DECADE}

OPTIMIZERS = {"sgd": optax.sgd, "adam": optax.adam}

# How the picture has them.
DRAWN = {"sgd momentum 0": ("#000000", "o"), "sgd momentum 0.9": ("#0072B2", "s"), "adam": ("#E69F00", "^")}

# Every trial to the last update: what is compared is the accuracy there.
TO_THE_END = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))

# A few at a time, so that what they compute over all the digits does not outgrow the processor's caches by much.
BLOCK_WIDTH = 16


def load_data() -> tuple[Data, Data]:
    """Reads the digits, and splits them at random into training and validation."""
    pixels, labels = read_digits()
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = pixels[order].reshape(-1, 8, 8), labels[order]
    training = {"images": images[:TRAINING], "labels": labels[:TRAINING]}
    return training, {"images": images[TRAINING:], "labels": labels[TRAINING:]}


def init_layer(key: jax.Array, inputs: int, outputs: int) -> dict[str, jax.Array]:
    """Samples weights for a ReLU network (He et al., 2015, arXiv:1502.01852), with biases of 0."""
    weights = jnp.sqrt(2 / inputs) * jax.random.normal(key, (inputs, outputs))
    return {"weights": weights, "biases": jnp.zeros(outputs)}


def init(key: jax.Array, *, model: str) -> Params:
    """Samples the parameters that a trial starts from."""
    sizes = {
        "mlp": {"hidden": (64, 32), "output": (32, 10)},
        "cnn": {"first": (9, 8), "second": (9 * 8, 16), "output": (2 * 2 * 16, 10)},
    }[model]
    keys = jax.random.split(key, len(sizes))
    return {name: init_layer(key, *size) for key, (name, size) in zip(keys, sizes.items(), strict=True)}


def affine(layer: Mapping[str, jax.Array], inputs: jax.Array) -> jax.Array:
    """Multiplies the inputs by the weights, and adds the biases."""
    return inputs @ layer["weights"] + layer["biases"]


def convolve(layer: Mapping[str, jax.Array], maps: jax.Array) -> jax.Array:
    """Computes a 3x3 convolution without padding: every patch times the kernel, one matrix product.

    Under vmap a kernel of its own for every trial would make `jax.lax.conv` one grouped convolution, on which XLA's CPU
    backend takes several times as long as on these products.
    """
    rows, columns = maps.shape[1] - 2, maps.shape[2] - 2
    patches = [maps[:, top : top + rows, left : left + columns] for top in range(3) for left in range(3)]
    return affine(layer, jnp.concatenate(patches, axis=-1))


def scores(params: Params, images: jax.Array, model: str) -> jax.Array:
    """Computes the logits: ``[example, class]`` from ``[example, row, column]``."""
    if model == "mlp":
        features = jax.nn.relu(affine(params["hidden"], images.reshape(-1, 64)))
    else:
        maps = jax.nn.relu(convolve(params["first"], images[..., None]))
        maps = jax.nn.relu(convolve(params["second"], maps))
        features = maps.reshape(-1, 2, 2, 2, 2, 16).max((2, 4)).reshape(-1, 64)
    return affine(params["output"], features)


def cross_entropy(params: Params, data: Data, *, model: str) -> jax.Array:
    """Computes the loss."""
    logits = scores(params, data["images"], model)
    return optax.softmax_cross_entropy_with_integer_labels(logits, data["labels"]).mean()


def accuracy(params: Params, data: Data, *, model: str) -> jax.Array:
    """Computes the share of the digits that are recognised."""
    return (scores(params, data["images"], model).argmax(axis=-1) == data["labels"]).mean()


def run_trials() -> pd.DataFrame:
    """Runs every model, optimizer, learning rate and seed, and gives the result table."""
    training, validation = load_data()
    objective = lrsweep.Objective(
        cross_entropy, init, data=training, batch_size=BATCH_SIZE, metrics={"accuracy": (accuracy, validation)}
    )
    axes = {"model": ["mlp", "cnn"], "learning_rate": LEARNING_RATES, "seed": SEEDS}
    # Adam takes no momentum, and has none in its rows.
    trials = pd.concat(
        [lrsweep.grid(optimizer="sgd", momentum=[0.0, 0.9], **axes), lrsweep.grid(optimizer="adam", **axes)],
        ignore_index=True,
    )
    sweep = lrsweep.sweep(
        objective, OPTIMIZERS, trials, steps=STEPS, evaluate_every=STEPS, stopping=TO_THE_END, block_width=BLOCK_WIDTH
    )
    return sweep.table


def name_optimizers(table: pd.DataFrame) -> pd.DataFrame:
    """Writes the momentum, where there is one, into the optimizer's name."""
    momentum = table["momentum"].map(" momentum {:g}".format, na_action="ignore").fillna("")
    return table.assign(optimizer=table["optimizer"] + momentum)


def average(table: pd.DataFrame) -> pd.DataFrame:
    """Averages the accuracy at the end, in percent, over seeds: `mean` and `std` by model, optimizer, learning rate."""
    named = name_optimizers(table).assign(accuracy=100 * table["final_accuracy"])
    return named.groupby(["model", "optimizer", "learning_rate"])["accuracy"].agg(["mean", "std"]).reset_index()


def judge(table: pd.DataFrame) -> pd.DataFrame:
    """Judges what the learning rate does to every model with every optimizer: one row each, as `compare` has it."""
    return pd.DataFrame(
        {"model": model, "optimizer": optimizer} | compare(trials)
        for (model, optimizer), trials in name_optimizers(table).groupby(["model", "optimizer"])
    )


def compare(trials: pd.DataFrame) -> dict[str, Any]:
    """Finds the learning rate of the highest accuracy, and what its neighbours on the grid cost.

    Args:
        trials: The rows of one model and one optimizer.

    Returns:
        `learning_rate`, the best; `accuracy` there, in percent, as a mean over seeds; for each of `PLACES` around it
        the same with its standard deviation over seeds, as text; `within 1`, the share of the grid within 1 percentage
        point of the best; `cost`, the percentage points that a factor of 10 costs in the worse direction, and `error`,
        the standard error of that mean of differences, each between two trials of one seed.

    Raises:
        SystemExit: The best stands too near to the grid's end to say what a factor of 10 costs.
    """
    accuracies = 100 * trials.pivot(index="learning_rate", columns="seed", values="final_accuracy")
    means, spreads = accuracies.mean(axis=1), accuracies.std(axis=1)
    best = int(means.argmax())
    if not DECADE <= best < len(means) - DECADE:
        raise SystemExit(
            f"The best learning rate, {means.index[best]:g}, is less than a factor of 10 from the grid's end."
        )
    worse = min(best - DECADE, best + DECADE, key=lambda place: means.iloc[place])
    lost = accuracies.iloc[best] - accuracies.iloc[worse]
    around = {name: f"{means.iloc[best + at]:.1f} ±{spreads.iloc[best + at]:.1f}" for name, at in PLACES.items()}
    return {
        "learning_rate": means.index[best],
        "accuracy": means.iloc[best],
        **around,
        "within 1": (means >= means.iloc[best] - 1).mean(),
        "cost": lost.mean(),
        "error": lost.sem(),
    }


def draw(averages: pd.DataFrame) -> Figure:
    """Draws the accuracy against the learning rate, its mean over seeds and one standard deviation about it.

    Args:
        averages: What `average` gives.
    """
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, model in zip(panels, ("mlp", "cnn"), strict=True):
        for optimizer, (colour, marker) in DRAWN.items():
            of_one = averages[(averages["model"] == model) & (averages["optimizer"] == optimizer)]
            rates, means, spreads = of_one["learning_rate"], of_one["mean"], of_one["std"]
            axes.plot(rates, means, color=colour, marker=marker, markersize=2.5, linewidth=1, label=optimizer)
            axes.fill_between(rates, means - spreads, means + spreads, color=colour, alpha=0.2, linewidth=0)
        axes.set(
            title=model.upper(), xscale="log", xlabel="learning rate", ylim=(0, 100), xticks=10.0 ** np.arange(-4, 2)
        )
    panels[0].set_ylabel("validation accuracy, %")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=6, loc="outside upper center", ncols=3)
    return figure


def main() -> None:
    """Prints what the learning rate does, draws it; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__).parse_args()
    table = run_trials()
    verdicts = judge(table)
    print(f"""\
The best learning rate of the grid, by the mean validation accuracy of {len(SEEDS)} seeds at the end. The accuracy, in
percent, with its standard deviation over seeds ({len(SEEDS) ** 0.5:.1f} times the standard error of the mean): at a
tenth of the best learning rate, a grid step below it, at it, a grid step above it, at ten times it. within 1: the
share of the grid that comes within 1 percentage point of the best.
""")
    shown = verdicts.drop(columns=["accuracy", "cost", "error"])
    print(shown.to_string(index=False, formatters={"learning_rate": "{:.3g}".format, "within 1": "{:.0%}".format}))

    with matplotlib.rc_context({"font.size": 7}):
        draw(average(table)).savefig(output_folder(given.out) / "digits.png", dpi=200)

    by_model = verdicts.groupby("model")
    choice = (by_model["accuracy"].max() - by_model["accuracy"].min()).max()
    apart = (by_model["learning_rate"].max() / by_model["learning_rate"].min()).max()
    least = verdicts.sort_values("cost").iloc[0]
    print(f"""
A learning rate that is a factor of 10 off, in the worse direction, costs {least["cost"]:.1f} percentage points
(standard error {least["error"]:.1f}) or more, up to {verdicts["cost"].max():.1f}. The choice of the optimizer, each at
its own best learning rate, is worth at most {choice:.1f}; those learning rates are up to a factor of {apart:.0f}
apart.""")
    if not least["cost"] - 2 * least["error"] > choice:
        raise SystemExit("The claim does not hold: the learning rate should matter more than the optimizer.")


if __name__ == "__main__":
    main()
