"""The catapult: learning rates that throw the loss up thousands of times, and then find a flatter minimum.

The claim, for a product of two vectors of 4096 parameters each and learning rates in units of 1 / curvature at the
start: below 2 the loss only falls, and the curvature stays as it was; at 2.5, 3, 3.5 and 3.9 the loss first shoots up,
in the median over the starts more than a thousand times, and then converges where the curvature is below
2 / learning rate; at 4.1 and 4.5 it diverges. So it is from each of 20 starts, and a zoom finds the edge within 1% of
4.

It is the model of section 2 of Lewkowycz et al., 2020, "The large learning rate phase of deep learning: the catapult
mechanism" (arXiv:2003.02218): f = u . v / sqrt(n), the loss f^2 / 2, and the curvature (|u|^2 + |v|^2) / n, which is
the tangent kernel, and the sharpness of the loss at its minimum. Starts are normal, scaled so that the curvature is 1:
a scale of u and v is one of the learning rate, and nothing else in the model changes with it.

The stopping rule's defaults suffice: the highest peak is 230,000 times the first loss, and divergence begins at a
million. The lower a trial starts the more times that is, for at 3.9 the peak itself is 270 to 470 from all of them:
from a first loss below 0.0005 it could count as divergence, and `Stopping(divergence=float("inf"))` would be the rule
to take.

Run `python experiments/catapult.py`: some ten seconds. It exits with 1 where the claim does not hold in its own
numbers, and draws them in `pictures/catapult.png`.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pandas as pd
from common import argument_parser, output_folder
from matplotlib.figure import Figure

import lrsweep
from lrsweep.plots import COLOURS, FIGURE_SIZE, MARKERS

Params = Mapping[str, jax.Array]

WIDTH = 4096
FALLING, CATAPULT, TOO_LARGE = [0.5, 1.0, 1.5, 1.9], [2.5, 3.0, 3.5, 3.9], [4.1, 4.5]
SEEDS, STEPS = range(20), 300

# Of which the losses are drawn, and in which colour.
DRAWN = {0.5: "#000000", 2.5: "#56B4E9", 3.9: "#0072B2", 4.1: "#D55E00"}


def init(key: jax.Array, *, width: int) -> Params:
    """Samples two normal vectors whose curvature is 1."""
    u, v = jax.random.normal(key, (2, width))
    scale = jnp.sqrt(width / (u @ u + v @ v))
    return {"u": scale * u, "v": scale * v}


def loss(params: Params) -> jax.Array:
    """Computes f^2 / 2, where f = u . v / sqrt(n)."""
    return (params["u"] @ params["v"]) ** 2 / (2 * params["u"].size)


def curvature(params: Params) -> jax.Array:
    """Computes (|u|^2 + |v|^2) / n."""
    return (params["u"] @ params["u"] + params["v"] @ params["v"]) / params["u"].size


OBJECTIVE = lrsweep.Objective(loss, init, metrics={"curvature": curvature})


def run_trials(learning_rates: Sequence[float], width: int = WIDTH, steps: int = STEPS) -> lrsweep.Sweep:
    """Runs every learning rate from every start, and records all the losses."""
    trials = lrsweep.grid(learning_rate=learning_rates, width=width, seed=SEEDS)
    return lrsweep.sweep(OBJECTIVE, optax.sgd, trials, steps=steps, static=["width"], record_every=1)


def relative_losses(sweep: lrsweep.Sweep) -> pd.DataFrame:
    """Gives the curves, each over its first loss."""
    return sweep.curves["loss"].div(sweep.table["initial_loss"], axis=0)


def describe(sweep: lrsweep.Sweep) -> pd.DataFrame:
    """Describes every learning rate in a row, over its starts.

    Returns:
        The learning rate; the shares that converged, that diverged, and whose loss `rises` at any update by more than
        rounding, a millionth of the first; `peak_least`, `peak_median` and `peak_most`, the
        largest loss over the first; `curvature_least` and `curvature_most` at the end; and the median `updates`.
    """
    curves = relative_losses(sweep)
    table = sweep.table.assign(peak=curves.max(axis=1), rises=(curves.diff(axis=1) > 1e-6).any(axis=1))
    rates = table.groupby("learning_rate")
    return pd.DataFrame(
        {
            "converged": rates["status"].agg(lambda status: (status == "converged").mean()),
            "diverged": rates["status"].agg(lambda status: (status == "diverged").mean()),
            "rises": rates["rises"].mean(),
            "peak_least": rates["peak"].min(),
            "peak_median": rates["peak"].median(),
            "peak_most": rates["peak"].max(),
            "curvature_least": rates["final_curvature"].min(),
            "curvature_most": rates["final_curvature"].max(),
            "updates": rates["steps"].median(),
        }
    ).reset_index()


def find_edge() -> dict[str, float]:
    """Finds where trials begin to diverge: `low` and `high`, the two learning rates that enclose it."""
    trials = lrsweep.grid(learning_rate=[1.0, 2.0, 4.0, 8.0], width=WIDTH, seed=SEEDS)
    refined = lrsweep.refine(OBJECTIVE, optax.sgd, trials, around="edge", width=0.005, steps=STEPS, static=["width"])
    found = refined.found.iloc[0]
    return {"low": float(found["low"]), "high": float(found["high"])}


def failures(found: pd.DataFrame, edge: Mapping[str, float]) -> list[str]:
    """Lists the parts of the claim that do not hold in these numbers."""
    rows = found.set_index("learning_rate")
    below, between, above = rows.loc[FALLING], rows.loc[CATAPULT], rows.loc[TOO_LARGE]
    moved = (below[["curvature_least", "curvature_most"]] - 1).abs().to_numpy().max()
    parts = {
        "below 2 all trials converge": (below["converged"] == 1).all(),
        "below 2 the loss only falls": (below["rises"] == 0).all(),
        "below 2 the curvature stays within 1%": moved < 0.01,
        "between 2 and 4 all trials converge": (between["converged"] == 1).all(),
        "between 2 and 4 the median peak is above a thousand": (between["peak_median"] > 1000).all(),
        "between 2 and 4 the curvature ends below 2 / learning rate": (
            between["curvature_most"] < 2 / np.array(CATAPULT)
        ).all(),
        "above 4 all trials diverge": (above["diverged"] == 1).all(),
        "the edge is within 1% of 4": 0.99 * 4 < edge["low"] < edge["high"] < 1.01 * 4,
    }
    return [part for part, holds in parts.items() if not holds]


def draw(sweep: lrsweep.Sweep) -> Figure:
    """Draws the losses from one start at learning rates of each kind, and the curvature at the end from all starts."""
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(4, 3))
    table, curves = sweep.table, relative_losses(sweep)
    for rate, colour in DRAWN.items():
        curve = curves[(table["learning_rate"] == rate) & (table["seed"] == SEEDS[0])].iloc[0].dropna()
        left.plot(curve, color=colour, linewidth=1.2, label=f"{rate:g}")
        if curve.iloc[-1] > 1:
            left.plot(curve.tail(1), MARKERS["diverged"], color=COLOURS["diverged"])
    left.set(yscale="log", xlim=(0, 20), ylim=(1e-6, 3e8), xlabel="updates", ylabel="loss / first loss")
    left.legend(
        title="learning rate", title_fontsize=6, fontsize=6, handlelength=1, labelspacing=0.2, loc="upper right"
    )

    kept = table[table["status"] == "converged"]
    right.plot(kept["learning_rate"], kept["final_curvature"], ".", color=COLOURS["converged"], alpha=0.5, markersize=4)
    rates = np.linspace(1, 4.5)
    right.plot(rates, 2 / rates, color="black", linewidth=0.8, linestyle="--")
    right.text(2.35, 0.97, "2 /\nlearning\nrate", va="center", fontsize=6)
    right.axvspan(4, 4.5, color=COLOURS["diverged"], alpha=0.25, linewidth=0)
    right.text(4.25, 1.2, "diverges", rotation=90, ha="center", va="center", fontsize=6)
    right.set(xlim=(0, 4.5), ylim=(0, 1.4), xticks=range(5), ylabel="curvature at the end")
    right.set_xlabel("learning rate\n(1 / first curvature)")
    return figure


def main() -> None:
    """Prints what became of the starts, draws it; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__).parse_args()
    sweep = run_trials(FALLING + CATAPULT + TOO_LARGE)
    found, edge = describe(sweep), find_edge()
    print(f"""\
{len(SEEDS)} starts at width {WIDTH}, learning rates in units of 1 / curvature at the start. peak: the largest
loss over the first. rises: the share of starts whose loss ever does. curvature: at the end; at the start it is 1.
updates: the median.
""")
    print(found.to_string(index=False, float_format="{:.4g}".format))
    print(f"\nTrials begin to diverge between {edge['low']:.4g} and {edge['high']:.4g}.")
    with matplotlib.rc_context({"font.size": 7}):
        draw(sweep).savefig(output_folder(given.out) / "catapult.png", dpi=200)
    wrong = failures(found, edge)
    if wrong:
        raise SystemExit(f"The claim does not hold: it is not so that {'; '.join(wrong)}.")


if __name__ == "__main__":
    main()
