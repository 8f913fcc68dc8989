"""How hard every optimizer of optax is to tune: the learning rates at which it works, on three objectives.

The claim: more than half of them, 31 of 49, have a learning rate that works on all three objectives, and SGD has none:
on digits it needs more than a hundred times what it bears on Rosenbrock's valley. Adam has one decade, about 0.03. The
widest range, more than two decades, is that of prodigy and of momo_adam. Of the eight whose learning rate is 1
unless it is given, three work with 1 everywhere: prodigy, dadapt_adamw and momo. None is free of tuning: cocob
works with every learning rate of nine decades on two of the objectives, and with none on Rosenbrock's valley; rprop,
which works over more than six decades where the gradient is exact, fails on batches.

An optimizer works with a learning rate where half of five seeds or more reach the target within the updates given:
Rosenbrock's valley from random starts, a loss of 0.01 in 3,000 updates; a linear model of scikit-learn's standardised
diabetes data, 1% above the least loss in 1,000; and the MLP of `digits.py` on batches of 64 digits, a training loss of
0.1 in 400. Tried are four learning rates to a decade, over nine decades, with every other keyword at its default. What
an update costs is left out: `lbfgs` computes many gradients in one.

Run `pip install -e '.[experiments]'` once, then `python experiments/optimizers.py`: about ten minutes on two cores,
most of them to compile 147 programs; with `--quick` three optimizers on a coarse grid, in half a minute. It exits with
1 where the claim does not hold in its own numbers, and writes them to `pictures/optimizers.png` and, one row per
objective and optimizer, to `pictures/optimizers.csv`.
"""

import contextlib
import inspect
import io
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import digits
import matplotlib
import numpy as np
import optax
import pandas as pd
from common import argument_parser, output_folder, standardized_diabetes, write_picture
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from optax import contrib
from rich.console import Console
from rich.progress import track

import lrsweep
from lrsweep.plots import FIGURE_SIZE

Factory = Callable[..., optax.GradientTransformation]

# Four to a decade.
LEARNING_RATES, SEEDS = lrsweep.log_grid(1e-6, 1e3, 37), range(5)
QUICK_OPTIMIZERS = ["adam", "prodigy", "sgd"]
QUICK_LEARNING_RATES, QUICK_SEEDS = lrsweep.log_grid(1e-4, 10, 6), range(2)

PLACE = ["objective", "optimizer"]

# How many times the updates at its best learning rate an optimizer takes where a learning rate is nearly as good.
NEAR = 2

# The picture's bars, and up to which learning rate its panels reach, so that numbers have room.
DRAWN, END = {"reaches the target": "#9CCFEB", f"in at most {NEAR} times the fewest updates": "#0072B2"}, 2e6

# Whose learning rate is 1 unless it is given.
OF_ONE = ["cocob", "dadapt_adamw", "dog", "dowg", "momo", "polyak_sgd", "prodigy", "schedule_free_sgd"]

# What must be handed more than a learning rate, and why that is not done.
LEFT_OUT = {
    "adam_independent_decay": "is adam where nothing decays",
    "dpsgd": "needs the gradient of every example apart",
    "lookahead": "wraps another optimizer",
    "mechanize": "wraps another optimizer",
    "sam": "wraps two other optimizers",
    "sgd_independent_decay": "is sgd where nothing decays",
    "schedule_free": "wraps another optimizer: see schedule_free_sgd and schedule_free_adamw",
}


class Problem(NamedTuple):
    """An objective with its target: `options` are those of `sweep`, `columns` more columns of its trials."""

    objective: lrsweep.Objective
    target: float
    steps: int
    options: Mapping[str, Any] = {}
    columns: Mapping[str, Any] = {}


def rosenbrock() -> Problem:
    """Gives Rosenbrock's valley, from anywhere in it."""
    return Problem(lrsweep.problems.rosenbrock(), target=0.01, steps=3000)


def diabetes() -> Problem:
    """Gives a linear model of ten standardised features."""
    objective = lrsweep.problems.linear_regression(*standardized_diabetes())
    # In the one wide block that would be chosen a line search of optax.lbfgs never comes to an end; nor does it where
    # as many trials run under `jit(vmap(scan))` without lrsweep.
    return Problem(objective, target=1.01 * objective.minimum, steps=1000, options={"block_width": 64})


def digits_mlp() -> Problem:
    """Gives the MLP of `digits.py`, on batches; its loss is measured every tenth update."""
    training, _ = digits.load_data()
    objective = lrsweep.Objective(digits.cross_entropy, digits.init, data=training, batch_size=digits.BATCH_SIZE)
    options = {"evaluate_every": 10, "block_width": digits.BLOCK_WIDTH}
    return Problem(objective, target=0.1, steps=400, options=options, columns={"model": "mlp"})


PROBLEMS = {"Rosenbrock": rosenbrock, "diabetes": diabetes, "digits MLP": digits_mlp}


def factories() -> dict[str, Factory]:
    """Collects what makes an optimizer of a learning rate alone, in optax, optax.contrib and lrsweep, by name."""
    names = [name for name in lrsweep.optimizers.names() if name not in LEFT_OUT]
    found = {name: lrsweep.optimizers.by_name(name) for name in names}
    for name, factory in (vars(optax) | vars(contrib)).items():
        makes = inspect.isfunction(factory) or isinstance(factory, partial)
        if makes and not name.startswith(("_", "scale_by_")) and name not in LEFT_OUT:
            takes = inspect.signature(factory).parameters
            found |= {name: factory} if "learning_rate" in takes else {}
    # The one whose keyword is called otherwise.
    found["polyak_sgd"] = lambda learning_rate: optax.polyak_sgd(max_learning_rate=learning_rate)
    return dict(sorted(found.items()))


def run_trials(objective: str, optimizer: str, *, quick: bool) -> pd.DataFrame:
    """Runs every learning rate and seed of one optimizer on one objective, and gives the result table.

    Raises:
        TypeError: As `sweep` does.
        ValueError: The optimizer cannot be run on the objective.
    """
    problem = PROBLEMS[objective]()
    rates, seeds = (QUICK_LEARNING_RATES, QUICK_SEEDS) if quick else (LEARNING_RATES, SEEDS)
    # Nobody reads two bars at once, and what optax warns of (a key left out, an old name) is known.
    with contextlib.redirect_stderr(io.StringIO()):
        swept = lrsweep.sweep(
            problem.objective,
            factories()[optimizer],
            lrsweep.grid(learning_rate=rates, seed=seeds, **problem.columns),
            steps=problem.steps // 2 if quick else problem.steps,
            stopping=lrsweep.Stopping(target=problem.target),
            **problem.options,
        )
    table = swept.table.drop(columns=list(problem.columns))
    table.insert(0, "objective", objective)
    table.insert(1, "optimizer", optimizer)
    return table


def run_all(optimizers: Iterable[str], *, quick: bool) -> tuple[pd.DataFrame, dict[str, str]]:
    """Runs every optimizer on every objective, one process per core: most of the time goes into compiling.

    Returns:
        All the result tables in one, and why there is none, by objective and optimizer, where that is so.
    """
    tables, failed = {}, {}
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        pairs = [(objective, optimizer) for objective in PROBLEMS for optimizer in optimizers]
        places = {pool.submit(run_trials, *pair, quick=quick): pair for pair in pairs}
        console = Console(stderr=True)
        for future in track(as_completed(places), "", len(places), console=console, disable=not console.is_terminal):
            try:
                tables[places[future]] = future.result()
            except ValueError as error:
                failed[", ".join(places[future])] = str(error)
    return pd.concat([tables[place] for place in places.values() if place in tables], ignore_index=True), failed


def measure(table: pd.DataFrame) -> pd.DataFrame:
    """Measures how soon every learning rate reaches the target.

    Returns:
        One row per objective, optimizer and learning rate: these; `updates` (Float64), by when half of the seeds have
        reached the target, missing where fewer do; `best` (bool), whether it is the best of them for that optimizer on
        that objective; and `times` (Float64), how many times the updates of the best it takes.
    """
    cells = lrsweep.summarize(table, by=[*PLACE, "learning_rate"])
    cells = cells.rename(columns={"median_converged_at": "updates"})[[*PLACE, "learning_rate", "updates"]]
    best = [[*place, lrsweep.best_learning_rate(trials).learning_rate] for place, trials in table.groupby(PLACE)]
    cells = cells.merge(pd.DataFrame(best, columns=pd.Index([*PLACE, "at_best"])), on=PLACE)
    cells["best"] = cells["learning_rate"] == cells.pop("at_best")
    least = cells["updates"].where(cells["best"]).groupby([cells[name] for name in PLACE]).transform("max")
    return cells.assign(times=cells["updates"] / least)


def judge(cells: pd.DataFrame) -> pd.DataFrame:
    """Judges how hard each optimizer is to tune on each objective.

    Args:
        cells: What `measure` gives.

    Returns:
        One row per objective and optimizer: these; the best `learning_rate` (float) and its `updates` (Float64),
        missing where none works; `low` and `high` (float), the least and the largest that work; `decades` (float), how
        many decades of those tried work; and `near` (float), the same of those that take at most NEAR times the
        updates of the best.
    """
    works, rates = cells["updates"].notna(), cells["learning_rate"]
    columns = {
        "learning_rate": rates.where(works & cells["best"]),
        "updates": cells["updates"].where(cells["best"]),
        "low": rates.where(works),
        "high": rates.where(works),
        "decades": works * spacing(cells),
        "near": (cells["times"] <= NEAR).fillna(False) * spacing(cells),
    }
    how = {"learning_rate": "max", "updates": "max", "low": "min", "high": "max", "decades": "sum", "near": "sum"}
    return cells[PLACE].assign(**columns).groupby(PLACE, sort=False).agg(how).reset_index()


def spacing(cells: pd.DataFrame) -> float:
    """Computes how many decades a learning rate stands for: the distance to the next."""
    rates = cells["learning_rate"].unique()
    return float(np.log10(rates.max() / rates.min())) / (len(rates) - 1)


def rank(cells: pd.DataFrame) -> pd.DataFrame:
    """Ranks the optimizers, from the easiest to the hardest to tune.

    Args:
        cells: What `measure` gives.

    Returns:
        One row per optimizer: its name; `everywhere` (float), how many decades of the learning rates tried work on
        every objective; `low` and `high` (float), the least and the largest of these; and `decades` (float), the mean
        over the objectives of how many work on each.
    """
    works = cells.assign(works=cells["updates"].notna().astype(float))
    shares = works.groupby(["optimizer", "learning_rate"])["works"].sum().reset_index()  # of the objectives
    shares["works"] /= len(PROBLEMS)
    everywhere = shares["works"] == 1
    rates = shares["learning_rate"].where(everywhere)
    columns = {"everywhere": everywhere * spacing(cells), "low": rates, "high": rates}
    columns["decades"] = shares["works"] * spacing(cells)
    how = {"everywhere": "sum", "low": "min", "high": "max", "decades": "sum"}
    ranked = shares[["optimizer"]].assign(**columns).groupby("optimizer").agg(how).reset_index()
    return ranked.sort_values(["everywhere", "decades"], ascending=False, kind="stable", ignore_index=True)


def draw(cells: pd.DataFrame, found: pd.DataFrame, optimizers: Iterable[str]) -> Figure:
    """Draws a row per optimizer, a panel per objective: which learning rates work, and the best with its updates.

    Args:
        cells: What `measure` gives.
        found: What `judge` says of it.
        optimizers: The rows, from the top.
    """
    rows = {optimizer: row for row, optimizer in enumerate(optimizers)}
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.02)
    figure = Figure(figsize=(FIGURE_SIZE[0], 0.7 + 0.105 * len(rows)), layout=layout)
    half = 10 ** (spacing(cells) / 2)
    for axes, objective in zip(figure.subplots(1, len(PROBLEMS), sharey=True), PROBLEMS, strict=True):
        works = cells[(cells["objective"] == objective) & cells["updates"].notna()]
        for part, (label, colour) in zip((works, works[works["times"] <= NEAR]), DRAWN.items(), strict=True):
            rates, places = part["learning_rate"], part["optimizer"].map(rows)
            width = rates * (half - 1 / half)
            axes.barh(places, width, left=rates / half, color=colour, height=0.8, label=label)
        best = found[(found["objective"] == objective) & found["updates"].notna()]
        axes.plot(best["learning_rate"], best["optimizer"].map(rows), "o", color="black", markersize=1.8, label="best")
        for optimizer, updates in zip(best["optimizer"], best["updates"], strict=True):
            axes.text(END, rows[optimizer], f"{updates:.0f}", ha="right", va="center", fontsize=4.5)
        axes.text(END, -1, "updates", ha="right", va="center", fontsize=4.5)
        axes.set(xscale="log", xlim=(cells["learning_rate"].min() / 2, 2 * END), ylim=(len(rows) - 0.4, -1.6))
        axes.set_xticks([1e-6, 1e-3, 1e0, 1e3])
        axes.set_title(objective, fontsize=6)
        axes.set_axisbelow(True)
        axes.grid(linewidth=0.3)
        axes.tick_params(labelsize=5, length=2, pad=1)
    figure.axes[0].set_yticks(list(rows.values()), list(rows))
    figure.supxlabel("learning rate", fontsize=6)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=5, ncols=3, loc="outside upper center")
    return figure


def failures(cells: pd.DataFrame, ranked: pd.DataFrame) -> list[str]:
    """Lists the parts of the claim that do not hold in the numbers of `measure` and `rank`."""
    works = cells[cells["updates"].notna()].set_index(["optimizer", "objective"])["learning_rate"]
    everywhere = {row["optimizer"]: row for row in ranked.to_dict("records")}

    def decades(optimizer: str, *objectives: str) -> list[float]:
        return [spacing(cells) * int(works.index.isin([(optimizer, objective)]).sum()) for objective in objectives]

    at_one = cells[(cells["learning_rate"] == 1) & cells["updates"].notna()].groupby("optimizer").size()
    parts = {
        "more than half of the optimizers work everywhere": (ranked["everywhere"] > 0).mean() > 0.5,
        "SGD does not": everywhere["sgd"]["everywhere"] == 0,
        "SGD needs a hundred times as much on digits": (
            works["sgd", "digits MLP"].min() > 100 * works["sgd", "Rosenbrock"].max()
        ),
        "Adam works everywhere about 0.03": everywhere["adam"]["low"] <= 0.03 <= everywhere["adam"]["high"],
        "prodigy and momo_adam have the widest range": (
            set(ranked["optimizer"][:2]) == {"prodigy", "momo_adam"} and ranked["everywhere"][1] > 2
        ),
        "three of those with a learning rate of 1 work with it everywhere": (
            set(at_one[at_one == len(PROBLEMS)].index) & set(OF_ONE) == {"prodigy", "dadapt_adamw", "momo"}
        ),
        "cocob works with every learning rate or with none": (
            min(decades("cocob", "diabetes", "digits MLP")) > 9 and decades("cocob", "Rosenbrock") == [0]
        ),
        "rprop needs exact gradients": (
            min(decades("rprop", "Rosenbrock", "diabetes")) > 6 and decades("rprop", "digits MLP") == [0]
        ),
    }
    return [part for part, holds in parts.items() if not holds]


def show_table(found: pd.DataFrame, ranked: pd.DataFrame) -> str:
    """Writes one row per optimizer, for people."""
    digits = {"decades": "{:.2f}", "low": "{:.3g}", "high": "{:.3g}", "learning_rate": "{:.3g}", "updates": "{:,.0f}"}
    everywhere = ranked.drop(columns="decades").rename(columns={"everywhere": "decades"})
    parts = {"everywhere": everywhere[["optimizer", "decades", "low", "high"]]}
    for objective in PROBLEMS:
        here = found[found["objective"] == objective]
        parts[objective] = here[["optimizer", "learning_rate", "updates", "decades"]]
    texts = {
        part: pd.DataFrame(
            {name: rows[name].map(digits[name].format, na_action="ignore") for name in rows.columns if name in digits}
        ).set_axis(rows["optimizer"].rename(None))
        for part, rows in parts.items()
    }
    return pd.concat(texts, axis=1).reindex(ranked["optimizer"].rename(None)).fillna("-").to_string()


def main() -> None:
    """Prints how hard the optimizers are to tune, draws it; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__, quick="three optimizers, few learning rates, half the updates").parse_args()
    table, failed = run_all(QUICK_OPTIMIZERS if given.quick else factories(), quick=given.quick)
    cells = measure(table)
    found, ranked = judge(cells), rank(cells)
    print(f"""\
everywhere: how many decades of the learning rates tried work on all objectives, from low to high. For each objective
the best learning rate, the updates by which half of the {table["seed"].nunique()} seeds have reached the target, and
how many decades work.
""")
    print(show_table(found, ranked), end="\n\n")
    for name, reason in (failed | LEFT_OUT).items():
        print(f"left out: {name}: {reason}")
    if given.out or not given.quick:
        out = output_folder(given.out)
        with matplotlib.rc_context({"font.size": 6}):
            write_picture(draw(cells, found, ranked["optimizer"]), out / "optimizers.png", colours=32)
        lrsweep.write_table(found, out / "optimizers.csv")
    if given.quick:
        print("\nThe claim is about all of the optimizers.")
        return
    wrong = failures(cells, ranked)
    if wrong:
        raise SystemExit(f"\nThe claim does not hold: it is not so that {'; '.join(wrong)}.")
    print("\nThe claim holds.")


if __name__ == "__main__":
    main()
