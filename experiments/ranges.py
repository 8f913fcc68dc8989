"""The suggestions of the learning-rate range test, beside what a whole sweep finds best.

The claim: of the rules in use, a tenth of the learning rate at the least loss is the one to take. Over seven objectives
and six optimizers it is within a factor of 2.8 of the best learning rate in the median; it misses 5% or less of the
decrease of the loss that the best one brings in 90% of the 42 pairs, and 29% at the worst. The steepest descent is
nearly as near in the median, within a factor of 3.6, but useless in four pairs: in three of them the noise of the first
losses is steepest, in one the trials diverge. The valley, fastai's default, is 73 times below the best in the median
and misses 42%, and on the digits alone 22 times and 20%: its learning rate is the middle of the fall, and the loss
falls, however slowly, from the first updates on, so that it moves sevenfold where the range begins a hundred times
higher. Lightning's, which takes the slope against the learning rate and not against its logarithm, finds it steepest
among the smallest, and misses nine tenths or more in 39 pairs. Without any test PyTorch's defaults miss 47% in the
median.

What is compared is the loss over all the data after the same number of updates, 100 to 1,000, in the median over five
seeds; the range test goes from 1e-7 to 10 in 100 updates, as fastai's does, with the same five seeds; a sweep tries
four learning rates to a decade, from 1e-6 to 10, and those suggested. After more updates smaller learning rates may be
best.

Run `pip install -e '.[experiments]'` once, then `python experiments/ranges.py`: some three minutes on two cores; with
`--quick` two objectives and two optimizers, in some seconds. It exits with 1 where the claim does not hold in its own
numbers, and writes them to `pictures/ranges.png` and, one row per pair and rule, to `pictures/ranges.csv`.
"""

import contextlib
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
from rich.console import Console
from rich.progress import track

import lrsweep
from lrsweep.plots import COLOURS, FIGURE_SIZE

# Four to a decade.
LEARNING_RATES, SEEDS = lrsweep.log_grid(1e-6, 10, 29), range(5)
QUICK_LEARNING_RATES, QUICK_SEEDS = lrsweep.log_grid(1e-4, 10, 6), range(2)

# From where to where the learning rate rises; and where it begins or ends, to see what comes of that.
LOW, HIGH = 1e-7, 10.0
VARIED = {"low": 1e-5, "high": 1e3}

# Every trial to its last update: what is compared is the loss there.
TO_THE_END = lrsweep.Stopping(tolerance=0.0)

# With each the learning rate that PyTorch's optimizer of that name has unless it is given, and Lion's own code.
OPTIMIZERS: dict[str, tuple[Callable[..., optax.GradientTransformation], float]] = {
    "sgd": (optax.sgd, 1e-3),
    "momentum 0.9": (partial(optax.sgd, momentum=0.9), 1e-3),
    "adam": (optax.adam, 1e-3),
    "rmsprop": (optax.rmsprop, 1e-2),
    "adagrad": (optax.adagrad, 1e-2),
    "lion": (optax.lion, 1e-4),
}
QUICK_OBJECTIVES, QUICK_OPTIMIZERS = ["line", "valleys"], ["sgd", "adam"]

# The rules, as the picture has them from the top: those of `range_test`; Lightning's; and no test at all.
RULES = ("steepest", "minimum_over_ten", "valley", "steepest by rate", "default")
STEEPEST, MINIMUM, VALLEY, BY_RATE, DEFAULT = RULES

# How the picture marks what: a colour and a marker. What has diverged is drawn at the end of the axis.
EXACT, BATCHES, DIVERGED = "all the data at once", "digits, on batches", "diverged"
DRAWN = {EXACT: ("#9CCFEB", "o"), BATCHES: ("#0072B2", "o"), DIVERGED: (COLOURS["diverged"], "X")}
WORST = 1.1

# Which share of the decrease that the best learning rate brings may be missed to count as good, and when all is lost.
GOOD, LOST = 0.05, 0.9


class Problem(NamedTuple):
    """An objective, the updates given, and more columns of its trials; `options` are those of `sweep` too."""

    objective: lrsweep.Objective
    steps: int
    columns: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}


def digits_problem(model: str) -> Problem:
    """Gives a model of `digits.py`, on batches; its loss is measured over all the training data at the end."""
    training, _ = digits.load_data()
    objective = lrsweep.Objective(digits.cross_entropy, digits.init, data=training, batch_size=digits.BATCH_SIZE)
    options = {"block_width": digits.BLOCK_WIDTH, "evaluate_every": digits.STEPS}
    return Problem(objective, digits.STEPS, {"model": model}, options)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "digits CNN": partial(digits_problem, "cnn"),
    "digits MLP": partial(digits_problem, "mlp"),
    "Rosenbrock": lambda: Problem(lrsweep.problems.rosenbrock(), 1000),
    "diabetes": lambda: Problem(lrsweep.problems.linear_regression(*standardized_diabetes()), 300),
    "quadratic": lambda: Problem(lrsweep.problems.quadratic(np.geomspace(0.01, 1, 10)), 300),
    "valleys": lambda: Problem(lrsweep.problems.valleys(), 100),
    "line": lambda: Problem(lrsweep.problems.line(), 100),
}


def steepest_by_rate(medians: pd.DataFrame) -> float:
    """Suggests as Lightning does: where the slope of the smoothed losses against the learning rate is the least.

    Args:
        medians: Those of a `RangeTest` of one setting. As there, its first ten losses and its last are left out.

    Returns:
        The learning rate, NaN where there are too few losses.
    """
    kept = medians.dropna(subset="smoothed").iloc[10:-1]
    if len(kept) < 2:
        return np.nan
    return float(kept["learning_rate"].iloc[np.gradient(kept["smoothed"], kept["learning_rate"]).argmin()])


def suggest(
    problem: Problem, optimizer: str, seeds: Iterable[int], *, low: float = LOW, high: float = HIGH
) -> tuple[pd.Series, pd.DataFrame]:
    """Runs a range test of 100 updates.

    Returns:
        Of each rule but the default the learning rate that it suggests, of the median over seeds; and of those in
        `range_test`, one row per seed.
    """
    factory, _ = OPTIMIZERS[optimizer]
    tested = lrsweep.range_test(
        problem.objective,
        factory,
        low=low,
        high=high,
        seeds=seeds,
        trials=pd.DataFrame(dict(problem.columns), index=range(1)),
    )
    rules = [STEEPEST, MINIMUM, VALLEY]
    found = tested.suggestions.iloc[0][rules].astype(float)
    return pd.concat([found, pd.Series({BY_RATE: steepest_by_rate(tested.medians)})]), tested.by_seed[rules]


def compare(name: str, optimizer: str, *, quick: bool) -> pd.DataFrame:
    """Compares what the rules suggest with what a sweep finds, for one objective and optimizer.

    Returns:
        One row per rule: `objective`, `optimizer` and `rule`; `learning_rate` (float), which it suggests, NaN where it
        suggests none; `loss` (float), the median over seeds of the last loss there, infinite where half of them
        diverge; `best` and `best_loss` (float), the same of the best learning rate of the sweep, the suggested ones
        among them; `initial_loss` (float), the median before the first update; `by_low` and `by_high` (float), what it
        suggests where the range begins or ends as in VARIED; and `apart` (float), the largest learning rate that it
        suggests by one seed alone over the least.
    """
    problem = PROBLEMS[name]()
    rates, seeds = (QUICK_LEARNING_RATES, QUICK_SEEDS) if quick else (LEARNING_RATES, SEEDS)
    factory, default = OPTIMIZERS[optimizer]
    # Nobody reads two bars at once.
    with contextlib.redirect_stderr(io.StringIO()):
        suggested, by_seed = suggest(problem, optimizer, seeds)
        varied = {end: suggest(problem, optimizer, seeds, **{end: rate})[0] for end, rate in VARIED.items()}
        for found in (suggested, *varied.values()):
            found[DEFAULT] = default
        tried = np.unique(np.r_[rates, suggested.dropna()])
        table = lrsweep.sweep(
            problem.objective,
            factory,
            lrsweep.grid(learning_rate=tried, seed=seeds, **problem.columns),
            steps=problem.steps // 2 if quick else problem.steps,
            stopping=TO_THE_END,
            **problem.options,
        ).table
    losses = lrsweep.summarize(table).set_index("learning_rate")["median_final_loss"]
    return pd.DataFrame(
        {
            "objective": name,
            "optimizer": optimizer,
            "rule": suggested.index,
            "learning_rate": suggested.to_numpy(),
            "loss": losses.reindex(suggested.to_numpy()).to_numpy(),
            "best": losses.idxmin(),
            "best_loss": losses.min(),
            "initial_loss": table["initial_loss"].median(),
            **{f"by_{end}": found.to_numpy() for end, found in varied.items()},
            "apart": (by_seed.max() / by_seed.min()).reindex(suggested.index).to_numpy(),
        }
    )


def compare_all(*, quick: bool) -> pd.DataFrame:
    """Compares for every objective and optimizer, one process per core; gives the rows of `compare`, and `measure`."""
    objectives, optimizers = (QUICK_OBJECTIVES, QUICK_OPTIMIZERS) if quick else (PROBLEMS, OPTIMIZERS)
    pairs = [(objective, optimizer) for objective in objectives for optimizer in optimizers]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        places = {pool.submit(compare, *pair, quick=quick): pair for pair in pairs}
        console = Console(stderr=True)
        for future in track(as_completed(places), "", len(places), console=console, disable=not console.is_terminal):
            future.result()
        return measure(pd.concat([future.result() for future in places], ignore_index=True))


def measure(compared: pd.DataFrame) -> pd.DataFrame:
    """Adds to the rows of `compare` how far each suggestion is from the best.

    Returns:
        The rows, with `times` (float), the learning rate over the best; `regret` (float), which share of the decrease
        of the loss that the best brings is missed, 0 at the best, 1 where the loss is where it began, and infinite
        where half of the seeds diverge or nothing is suggested; and `low_moves` and `high_moves` (float), the factor
        between the suggestion and that of a range that begins or ends elsewhere, 1 or more.
    """
    decrease = compared["initial_loss"] - compared["best_loss"]
    regret = ((compared["loss"] - compared["best_loss"]) / decrease).fillna(np.inf)
    moves = {f"{end}_moves": factor(compared[f"by_{end}"] / compared["learning_rate"]) for end in VARIED}
    return compared.assign(times=compared["learning_rate"] / compared["best"], regret=regret, **moves)


def factor(ratio: pd.Series) -> pd.Series:
    """Gives by which factor something is off, whichever way: 1 or more."""
    return pd.Series(np.exp(abs(np.log(ratio))), ratio.index)


def judge(measured: pd.DataFrame) -> pd.DataFrame:
    """Judges every rule over all objectives and optimizers: one row each, in the order of RULES.

    Returns:
        Indexed by the rule: `times` (float), the median learning rate over the best; `off` (float), by which factor it
        is off in the median, whichever way; `regret` (float), the median; `worst` (float), the greatest; `good`
        (float), the share of the pairs in which it is GOOD or less; `lost` (int), in how many it is more than LOST;
        and the medians of `low_moves`, `high_moves` and `apart`.
    """
    measured = measured.assign(
        off=factor(measured["times"]),
        good=measured["regret"] <= GOOD,
        worst=measured["regret"],
        lost=measured["regret"] > LOST,
    )
    how = {"times": "median", "off": "median", "regret": "median", "worst": "max", "good": "mean", "lost": "sum"}
    medians = dict.fromkeys([f"{end}_moves" for end in VARIED] + ["apart"], "median")
    return measured.groupby("rule").agg(how | medians).loc[list(RULES)]


def on_digits(measured: pd.DataFrame) -> pd.Series:
    """Tells which rows are of networks on digits, which train on batches: ``[row] bool``."""
    return measured["objective"].str.startswith("digits")


def kinds_of(measured: pd.DataFrame) -> pd.Series:
    """Gives each row's kind, by which the picture marks it: one of DRAWN."""
    kinds = on_digits(measured).map({True: BATCHES, False: EXACT})
    return kinds.mask(np.isinf(measured["regret"]), DIVERGED)


def draw(measured: pd.DataFrame) -> Figure:
    """Draws a row per rule: each suggestion over the best learning rate, and what of the decrease it misses.

    Args:
        measured: What `measure` gives.
    """
    figure = Figure(figsize=(FIGURE_SIZE[0], 2.4), layout="constrained")
    far, cost = figure.subplots(1, 2, sharey=True)
    draw_from = np.random.default_rng(0)
    for row, rule in enumerate(RULES):
        of_rule = measured[measured["rule"] == rule]
        heights = row + draw_from.uniform(-0.25, 0.25, len(of_rule))
        kinds = kinds_of(of_rule)
        for axes, values in ((far, of_rule["times"]), (cost, of_rule["regret"].clip(upper=WORST))):
            for kind, (colour, marker) in DRAWN.items():
                of_kind = (kinds == kind).to_numpy()
                axes.scatter(
                    values[of_kind],
                    heights[of_kind],
                    s=10,
                    color=colour,
                    marker=marker,
                    linewidths=0,
                    clip_on=False,
                    label=kind if row == 0 else None,
                )
            axes.plot([values.median()] * 2, [row - 0.4, row + 0.4], color="black", linewidth=1)
    far.axvline(1, color="black", linewidth=0.5, linestyle=":")
    far.set(xscale="log", xlabel="learning rate / best", xticks=[1e-6, 1e-3, 1])
    far.set_yticks(range(len(RULES)), [rule.replace("_over_ten", " / 10") for rule in RULES])
    far.invert_yaxis()
    cost.set(xlim=(0, WORST), xlabel="regret: missed share", xticks=[0, 0.5, 1])
    handles, labels = cost.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, handletextpad=0)
    return figure


def show(verdicts: pd.DataFrame) -> None:
    """Prints what `judge` gives, for people."""
    shown = {"regret": "{:.1%}", "worst": "{:.0%}", "good": "{:.0%}", "lost": "{}"}
    written = {name: verdicts[name].map(shown.get(name, "{:.2g}").format) for name in verdicts.columns.astype(str)}
    print(pd.DataFrame(written).to_string())


def failures(verdicts: pd.DataFrame) -> list[str]:
    """Lists the parts of the claim that do not hold in what `judge` gives."""
    of = verdicts.to_dict("index")
    least, steepest, valley = of[MINIMUM], of[STEEPEST], of[VALLEY]
    parts = {
        "a tenth of the learning rate at the least loss is within a factor of 4": least["off"] <= 4,
        "it misses 5% or less in six of seven pairs": least["good"] >= 6 / 7,
        "it never misses half": least["worst"] < 0.5,
        "the steepest descent is within a factor of 5": steepest["off"] <= 5,
        "the steepest descent is lost more often": steepest["lost"] > least["lost"],
        "the valley is below a twentieth of the best": valley["times"] < 1 / 20,
        "the valley moves threefold with the beginning of the range": valley["low_moves"] > 3,
        "the slope against the learning rate itself misses nine tenths": of[BY_RATE]["regret"] > LOST,
        "PyTorch's defaults miss a quarter": of[DEFAULT]["regret"] > 0.25,
    }
    return [part for part, holds in parts.items() if not holds]


def main() -> None:
    """Prints how far the suggestions are from the best, draws it; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__, quick="two objectives and two optimizers, few learning rates").parse_args()
    measured = compare_all(quick=given.quick)
    verdicts = judge(measured)
    print(f"""\
Over {len(measured) // len(RULES)} pairs of objective and optimizer. times: the learning rate over the best. off: its
factor from the best, either way. regret: the share missed of the decrease of the loss that the best brings.
good: in how many of the pairs it is {GOOD:.0%} or less. lost: in how many it is more than {LOST:.0%}.
low_moves: by which factor the suggestion moves where the range begins at {VARIED["low"]:g} instead of {LOW:g}.
high_moves: where it ends at {VARIED["high"]:g} instead of {HIGH:g}. apart: the largest over the least of single seeds.
All but worst, good and lost are medians.
""")
    show(verdicts)
    if on_digits(measured).any():
        print("\nOn the digits alone:\n")
        show(judge(measured[on_digits(measured)]))
    if given.out or not given.quick:
        out = output_folder(given.out)
        with matplotlib.rc_context({"font.size": 7}):
            write_picture(draw(measured), out / "ranges.png")
        lrsweep.write_table(measured, out / "ranges.csv")
    if given.quick:
        print("\nThe claim is about all of the objectives and optimizers.")
        return
    wrong = failures(verdicts)
    if wrong:
        raise SystemExit(f"\nThe claim does not hold: it is not so that {'; '.join(wrong)}.")
    print("\nThe claim holds.")


if __name__ == "__main__":
    main()
