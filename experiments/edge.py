"""The critical learning rate of four kinds of objectives, for three optimizers, beside what theory says.

The claim: on random quadratics and on a regression, gradient descent diverges where theory says, with momentum and
without. Networks are another matter. Gradient descent survives learning rates above theory's, by factors of 1.6 to 3.4
on a deep linear network and of 2.6 to 3.2 on a network on digits, since it moves to where the loss is flatter; with
momentum 0.9 the deep linear network diverges from some starts at 0.6 of it. Adam's theory, that of a frozen
preconditioner, is no edge of Adam's: it survives more from every start, on the quadratics 26 times as much or more.

The objectives are 1,000 quadratics in two dimensions; a linear model of scikit-learn's diabetes data; three linear
layers on the same; and a tanh network with its squared error on a sixth of the digits. What counts as divergence
is lrsweep's rule, a loss a million times that of the start, or one that ends above twice it: Adam's steps are bounded,
and with more updates it gets there sooner.

Run `pip install -e '.[experiments]'` once, then `python experiments/edge.py`: about four minutes on two cores. It
exits with 1 where the claim does not hold in its own numbers, and draws them in `pictures/edge.png`. With `--exact` it
holds gradient descent, heavy ball and Nesterov's momentum on the quadratics against theory to a millionth instead.

Theory is that of `lrsweep.critical_learning_rate`: what the curvature at the start allows (Cohen et al., 2021,
arXiv:2103.00065), for Adam with its preconditioner frozen there (Cohen et al., 2022, arXiv:2207.14484).
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pandas as pd
from common import argument_parser, output_folder, read_digits, standardized_diabetes
from matplotlib.figure import Figure

import lrsweep
from lrsweep.plots import FIGURE_SIZE

OPTIMIZERS = {"GD": optax.sgd, "momentum": partial(optax.sgd, momentum=0.9), "Adam": optax.adam}

# How the picture has them.
DRAWN = {"GD": ("#000000", "o"), "momentum": ("#0072B2", "s"), "Adam": ("#E69F00", "^")}

BOWLS, SEEDS, WIDTH = 1000, range(10), 1e-6

# Between which bounds the claim has the ratio to theory, from every start. The first four are one, to what the width
# and the steps of the searches resolve.
CLAIMED = {
    ("quadratics", "GD"): (1 - 2e-5, 1 + 2e-5),
    ("quadratics", "momentum"): (1 - 2e-5, 1 + 2e-5),
    ("regression", "GD"): (1 - 2e-3, 1 + 2e-3),
    ("regression", "momentum"): (1 - 2e-3, 1 + 2e-3),
    ("deep linear", "GD"): (1.2, 5.0),
    ("deep linear", "momentum"): (0.3, 2.0),
    ("digits MLP", "GD"): (2.0, 4.0),
    ("digits MLP", "momentum"): (1.0, 2.5),
    ("quadratics", "Adam"): (10.0, np.inf),
    ("regression", "Adam"): (10.0, np.inf),
    ("deep linear", "Adam"): (1.5, np.inf),
    ("digits MLP", "Adam"): (100.0, np.inf),
}


def bowl(params: Mapping[str, Any], *, a: float, b: float, c: float) -> Any:
    """Computes a quadratic in two dimensions, of any orientation."""
    x, y = params["x"], params["y"]
    return (a * x**2 + 2 * b * x * y + c * y**2) / 2


def draw_point(key: Any) -> dict[str, Any]:
    """Samples two standard normal coordinates."""
    x, y = jax.random.normal(key, (2,))
    return {"x": x, "y": y}


def random_bowls(count: int) -> pd.DataFrame:
    """Samples a quadratic per seed, with eigenvalues from 0.1 to 10 along axes of any direction."""
    draw = np.random.default_rng(0)
    one, other = np.exp(draw.uniform(np.log(0.1), np.log(10), (2, count)))
    cos, sin = np.cos(angle := draw.uniform(0, np.pi, count)), np.sin(angle)
    a, c = one * cos**2 + other * sin**2, one * sin**2 + other * cos**2
    return pd.DataFrame({"a": a, "b": (one - other) * cos * sin, "c": c, "seed": range(count)})


def deep_linear() -> lrsweep.Objective:
    """Makes three linear layers, 10-10-10-1, on the diabetes data."""
    X, y = standardized_diabetes()

    def loss(params: list[Any], data: Mapping[str, Any]) -> Any:
        first, second, third = params
        return jnp.mean((data["X"] @ first @ second @ third - data["y"]) ** 2)

    def init(key: Any) -> list[Any]:
        shapes = [(10, 10), (10, 10), (10,)]
        keys = jax.random.split(key, len(shapes))
        return [jax.random.normal(each, shape) / 10**0.5 for each, shape in zip(keys, shapes, strict=True)]

    return lrsweep.Objective(loss, init, data={"X": X, "y": y}, name="deep_linear")


def digits_mlp() -> lrsweep.Objective:
    """Makes a tanh network, 64-16-10, and its squared error on every sixth of scikit-learn's digits."""
    pixels, labels = read_digits()
    data = {"pixels": np.float64(pixels[::6]), "labels": np.eye(10)[labels[::6]]}

    def loss(params: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
        hidden = jnp.tanh(data["pixels"] @ params["w"] + params["b"])
        return jnp.mean(jnp.sum((hidden @ params["v"] + params["c"] - data["labels"]) ** 2, axis=1))

    def init(key: Any) -> dict[str, Any]:
        w, v = jax.random.split(key)
        w, v = jax.random.normal(w, (64, 16)) / 8, jax.random.normal(v, (16, 10)) / 4
        return {"w": w, "b": jnp.zeros(16), "v": v, "c": jnp.zeros(10)}

    return lrsweep.Objective(loss, init, data=data, name="digits_mlp")


def search() -> pd.DataFrame:
    """Finds the critical learning rates of every objective and optimizer: one row per start, and whose it is."""
    # On a quadratic momentum overshoots a few hundredfold before it settles, and gradient descent never does.
    patient = {"GD": lrsweep.Stopping(1e-9, divergence=10), "momentum": lrsweep.Stopping(1e-9, divergence=1e4)}
    kinds: dict[str, tuple[lrsweep.Objective, dict[str, Any]]] = {
        "quadratics": (
            lrsweep.Objective(bowl, draw_point, name="bowl"),
            {"trials": random_bowls(BOWLS), "low": 0.05, "high": 100, "width": 1e-5, "steps": 600_000},
        ),
        "regression": (
            lrsweep.problems.linear_regression(*standardized_diabetes()),
            {"seeds": SEEDS, "low": 1e-2, "high": 1e4, "steps": 10_000},
        ),
        "deep linear": (deep_linear(), {"seeds": SEEDS, "low": 1e-3, "high": 1e3, "width": 1e-2, "steps": 1000}),
        "digits MLP": (digits_mlp(), {"seeds": SEEDS, "low": 1e-3, "high": 1e3, "width": 1e-2, "steps": 300}),
    }
    found = []
    for kind, (objective, options) in kinds.items():
        for name, factory in OPTIMIZERS.items():
            if (kind, name) == ("quadratics", "Adam"):
                options = options | {"high": 1e5, "width": 1e-2, "steps": 1000}
            stopping = patient.get(name) if kind == "quadratics" else None
            table = lrsweep.critical_learning_rate(objective, factory, stopping=stopping, **options)
            found.append(table.assign(objective=kind, optimizer=name))
    return pd.concat(found, ignore_index=True)


def measure_errors(width: float, count: int = BOWLS) -> dict[str, float]:
    """Measures how far from theory the critical learning rates on random quadratics are, found to a relative width.

    Args:
        width: See `lrsweep.critical_learning_rate`.
        count: How many quadratics.

    Returns:
        The largest relative error by the optimizer's name; theory is computed from NumPy's eigenvalues.
    """
    bowls = random_bowls(count)
    sharpness = np.linalg.eigvalsh(bowls[["a", "b", "b", "c"]].to_numpy().reshape(-1, 2, 2))[:, -1]
    momentum = 0.9
    optimizers = {
        "GD": (optax.sgd, 2.0, 10.0),
        "heavy ball": (partial(optax.sgd, momentum=momentum), 2 * (1 + momentum), 1e4),
        "Nesterov": (
            partial(optax.sgd, momentum=momentum, nesterov=True),
            2 * (1 + momentum) / (1 + 2 * momentum),
            1e4,
        ),
    }
    errors = {}
    for name, (factory, threshold, divergence) in optimizers.items():
        found = lrsweep.critical_learning_rate(
            lrsweep.Objective(bowl, draw_point, name="bowl"),
            factory,
            trials=bowls,
            low=0.05,
            high=100,
            width=width,
            # At a relative distance d from its edge a trial grows by about 1 + 4 d in an update.
            steps=round(6 / width),
            stopping=lrsweep.Stopping(1e-9, divergence=divergence),
        )
        errors[name] = float(abs(found["critical_learning_rate"] * sharpness / threshold - 1).max())
    return errors


def compare(edges: pd.DataFrame) -> pd.DataFrame:
    """Compares critical learning rates with theory, in a row per objective and optimizer.

    Args:
        edges: `objective`, `optimizer`, and the columns of `critical_learning_rate`.

    Returns:
        `starts`, `found` and `windows` (how many of them), `median` (of the critical learning rates), and of the ratio
        `least`, `typical` (its median) and `most`.
    """
    groups = edges.groupby(["objective", "optimizer"], sort=False)
    return pd.DataFrame(
        {
            "starts": groups.size(),
            "found": groups["found"].agg(lambda ended: (ended == "found").sum()),
            "windows": groups["window"].sum(),
            "median": groups["critical_learning_rate"].median(),
            "least": groups["ratio"].min(),
            "typical": groups["ratio"].median(),
            "most": groups["ratio"].max(),
        }
    ).reset_index()


def misses(compared: pd.DataFrame) -> list[str]:
    """Lists what of the claim does not hold in the figures of `compare`, a sentence each."""
    missed = []
    for row in compared.to_dict("records"):
        (low, high), place = CLAIMED[row["objective"], row["optimizer"]], f"{row['objective']}, {row['optimizer']}"
        if row["found"] < row["starts"]:
            missed.append(f"{place}: only {row['found']} of {row['starts']} starts have an edge.")
        if not low <= row["least"] <= row["most"] <= high:
            there = f"{row['least']:.6g} to {row['most']:.6g}"
            missed.append(f"{place}: the ratio to theory is {there}, and claimed is {low:g} to {high:g}.")
    return missed


def draw(compared: pd.DataFrame) -> Figure:
    """Draws the ratio of the critical learning rate to theory: its range over the starts, and its median.

    Args:
        compared: What `compare` gives.
    """
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    axes = figure.subplots()
    kinds = list(compared["objective"].unique())
    for at, (optimizer, (colour, marker)) in enumerate(DRAWN.items()):
        rows = compared[compared["optimizer"] == optimizer]
        places = np.array([kinds.index(kind) for kind in rows["objective"]]) + 0.25 * (at - 1)
        axes.hlines(places, rows["least"], rows["most"], color=colour, linewidth=2.5, alpha=0.5)
        axes.plot(rows["typical"], places, marker, color=colour, markersize=4, label=optimizer)
    axes.axvline(1, color="black", linewidth=0.8, linestyle="--", zorder=0)
    axes.set(xscale="log", xlabel="critical learning rate / theory's", ylim=(len(kinds) - 0.5, -0.5))
    axes.set_yticks(range(len(kinds)), kinds)
    axes.tick_params(axis="y", length=0)
    figure.legend(fontsize=6, loc="outside upper center", ncols=len(DRAWN))
    return figure


def main() -> None:
    """Prints the ratios, draws them; exits with 1 where the claim does not hold."""
    parser = argument_parser(__doc__)
    parser.add_argument("--exact", action="store_true", help="hold the quadratics against theory to a millionth")
    given = parser.parse_args()
    # Before JAX computes anything: every core a device.
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    jax.config.update("jax_enable_x64", True)
    if given.exact:
        errors = measure_errors(WIDTH)
        for name, error in errors.items():
            print(f"{name}: {BOWLS:,} quadratics, theory's edge to {error:.2g}")
        if max(errors.values()) > WIDTH:
            raise SystemExit(f"The claim does not hold to {WIDTH:g}.")
        return
    compared = compare(search())
    print("The critical learning rate over the one that theory says; in momentum 0.9.\n")
    print(compared.to_string(index=False, float_format="{:.6g}".format))
    with matplotlib.rc_context({"font.size": 7}):
        draw(compared).savefig(output_folder(given.out) / "edge.png", dpi=200)
    for missed in misses(compared):
        print(f"\n{missed}")
    if misses(compared):
        raise SystemExit("The claim does not hold.")


if __name__ == "__main__":
    main()
