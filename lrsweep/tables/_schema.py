"""The columns of every table and the words in them, stated once: of trials, results and critical learning rates."""

import enum
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote

# Trials tables.

LEARNING_RATE = "learning_rate"

SEED = "seed"

# Names the row's optimizer, where several are given.
OPTIMIZER = "optimizer"

# Result tables.

INDEX = "trial"


class Status(enum.IntEnum):
    """How a trial ended."""

    CONVERGED = 0
    DIVERGED = 1
    SLOW = 2
    OSCILLATING = 3
    STALLED = 4
    DROPPED = 5
    # Of runs of another program, of which only the end is known.
    FINISHED = 6

    @property
    def label(self) -> str:
        """The word for it in the table."""
        return self.name.lower()


# The columns of every result table after the caller's, in order, with their dtypes.
RESULT_DTYPES: dict[str, Any] = {
    "status": pd.CategoricalDtype([status.label for status in Status]),
    "steps": np.dtype("int64"),
    "converged_at": pd.Int64Dtype(),
    "diverged_at": pd.Int64Dtype(),
    "initial_loss": np.dtype("float64"),
    "final_loss": np.dtype("float64"),
    "best_loss": np.dtype("float64"),
    "best_at": np.dtype("int64"),
    "rate": np.dtype("float64"),
}

CONVERGED_AT = "converged_at"
LOSSES = ("final_loss", "best_loss")

# What decides which update was the best, unless a metric does.
LOSS = "loss"

# After those, where an objective has metrics: what decided the best update, and whether its least or its greatest value
# is the best. Each metric's two columns follow.
BEST_BY, BEST_MODE = "best_by", "best_mode"

MIN, MAX = "min", "max"

# Metrics that are the better the greater, as they are called.
_GREATER = {
    "acc",
    "accuracy",
    "auc",
    "auroc",
    "bleu",
    "dice",
    "f1",
    "iou",
    "meteor",
    "precision",
    "psnr",
    "r2",
    "recall",
}

# After those, where trials were diagnosed.
CAUSE = "cause"
DIAGNOSIS = (
    "sharpness_start",
    "sharpness_end",
    "sharpness_residual",
    "least_eigenvalue_end",
    "stability",
    "overshoot",
    "final_gradient_norm",
    CAUSE,
)

# Last, where a grid was refined.
ROUND = "round"

# What a grid can be refined around.
BEST, EDGE = "best", "edge"

# Tables of curves: the column of the updates.
STEP = "step"

# Those of its columns that are known by name, with their dtypes; each recorded name has one more, of float64.
CURVES_DTYPES: dict[str, Any] = {STEP: np.dtype("int64"), LOSS: np.dtype("float64")}

# Tables of critical learning rates.

START = "start"

# How a start's search ended.
FOUND, NEVER_DIVERGES, ALWAYS_DIVERGES, BAD_START = "found", "never diverges", "always diverges", "bad start"

# The columns of such a table after the caller's, in order, with their dtypes.
CRITICAL_DTYPES: dict[str, Any] = {
    "critical_learning_rate": np.dtype("float64"),
    "low": np.dtype("float64"),
    "high": np.dtype("float64"),
    "found": pd.CategoricalDtype([FOUND, NEVER_DIVERGES, ALWAYS_DIVERGES, BAD_START]),
    "window": np.dtype("bool"),
    "sharpness_start": np.dtype("float64"),
    "theory": np.dtype("float64"),
    "ratio": np.dtype("float64"),
}


def is_learning_rate(name: object) -> bool:
    """Tells whether a column or keyword holds learning rates: real numbers, 0 or more.

    Example:
        >>> is_learning_rate("learning_rate"), is_learning_rate("max_learning_rate"), is_learning_rate("momentum")
        (True, True, False)
    """
    return str(name).endswith(LEARNING_RATE)


def final(metric: str) -> str:
    """Names the column of a metric at the end of a trial.

    Example:
        >>> final("accuracy")
        'final_accuracy'
    """
    return f"final_{metric}"


def at_best(metric: str) -> str:
    """Names the column of a metric at a trial's best update.

    Example:
        >>> at_best("accuracy")
        'accuracy_at_best'
    """
    return f"{metric}_at_best"


def metrics_of(table: pd.DataFrame) -> list[str]:
    """Lists the metrics that a result table holds.

    Example:
        >>> metrics_of(result.table)
        []
    """
    names = list(table.columns)
    after = names[names.index("rate") + 1 :]
    ends = [name.removeprefix("final_") for name in after if name.startswith("final_")]
    # The column `..._at_best` of a metric that is itself called final_... begins so too.
    return [name for name in ends if at_best(name) in after]


def sounds_greater(metric: str) -> bool:
    """Tells whether a metric is called like one that is the better the greater.

    Example:
        >>> sounds_greater("validation_accuracy"), sounds_greater("f1_loss")
        (True, False)
    """
    words = {word for word in re.split(r"[^a-z0-9]+", metric.lower()) if word}
    return bool(words & _GREATER) and not words & {"loss", "error"}


class Criterion(NamedTuple):
    """What decides the best update of a trial, and the best setting of a table.

    Attributes:
        name: `loss`, or the name of a metric.
        mode: Whether its least value is the best, `min`, or its greatest, `max`.
    """

    name: str = LOSS
    mode: str = MIN

    @property
    def sign(self) -> int:
        """What its values are multiplied by so that less is better: 1 or -1."""
        return -1 if self.mode == MAX else 1

    @property
    def columns(self) -> tuple[str, str]:
        """The result table's columns of it: at a trial's end, and at its best update."""
        return final(self.name), "best_loss" if self.name == LOSS else at_best(self.name)

    @property
    def superlative(self) -> str:
        """What its best value is called: `least` or `greatest`."""
        return "greatest" if self.mode == MAX else "least"


BY_LOSS = Criterion()


def criterion_of(table: pd.DataFrame) -> Criterion:
    """Tells what decided the best updates of a result table.

    Raises:
        ValueError: It differs from row to row.

    Example:
        >>> criterion_of(result.table)
        Criterion(name='loss', mode='min')
    """
    if BEST_BY not in table.columns:
        return BY_LOSS
    names = table[BEST_BY].unique().tolist()
    # A table that an earlier version wrote says nothing of a mode: the least was the best.
    modes = table[BEST_MODE].unique().tolist() if BEST_MODE in table.columns else [MIN]
    for decided in (names, modes):
        if len(decided) > 1:
            differing = ", ".join(map(str, decided))
            raise InputError(f"what decides the best differs from row to row ({differing}): compare them apart")
    if not names:
        return BY_LOSS
    if modes[0] not in (MIN, MAX):
        raise InputError(f"column {BEST_MODE!r} holds {quote(modes[0])}: it must hold {MIN!r} or {MAX!r}")
    return Criterion(names[0], modes[0])


def mode_of(table: pd.DataFrame, outcome: str) -> str:
    """Tells whether the least or the greatest value of an outcome is good, `min` or `max`.

    The metric that decides the best says so itself; what any other metric means its name tells, as far as it does.

    Example:
        >>> mode_of(result.table, "final_loss"), mode_of(result.table, "converged_at")
        ('min', 'min')
    """
    criterion = criterion_of(table)
    if outcome in criterion.columns:
        return criterion.mode
    greater = {column(metric) for metric in metrics_of(table) if sounds_greater(metric) for column in (final, at_best)}
    return MAX if outcome in greater else MIN


def greater_is_good(table: pd.DataFrame, name: str) -> bool:
    """Tells whether much of what a curve shows is good, so that a trial that diverged counts as the least.

    Args:
        table: The result table of the trials.
        name: What the curve is of, by the name that it was recorded by.

    Example:
        >>> greater_is_good(result.table, "loss"), greater_is_good(result.table, "accuracy")
        (False, True)
    """
    criterion = criterion_of(table)
    return criterion.mode == MAX if name == criterion.name else sounds_greater(name)


def check_names(columns: Iterable[str], metrics: Iterable[str] = (), more: Iterable[str] = ()) -> None:
    """Refuses a trials table whose columns would collide with the result's.

    Raises:
        ValueError: A column is named like one of the result's own, or like the index.

    Example:
        >>> check_names(["learning_rate", "seed"])
    """
    ours = {
        *RESULT_DTYPES,
        INDEX,
        BEST_BY,
        BEST_MODE,
        *more,
        *(column(name) for name in metrics for column in (final, at_best)),
    }
    for name in columns:
        if name in ours:
            raise InputError(
                f"column {quote(name)} of the trials is named like one of the result's own: rename or drop it"
            )


def settings_of(table: pd.DataFrame) -> list[str]:
    """Lists the caller's columns of a result table: those before `status`.

    Raises:
        TypeError: It is not a DataFrame.
        ValueError: It is not a result table (the message names the first column that it lacks), or its learning rates
            are not numbers.
    """
    if not isinstance(table, pd.DataFrame):
        instead = ": give its .table" if hasattr(table, "table") else ""
        raise InputTypeError(
            f"the table must be a result table (see lrsweep.sweep), not a {type(table).__name__}{instead}"
        )
    for name in RESULT_DTYPES:
        if name not in table.columns:
            raise InputError(f"this is not a result table of lrsweep: it has no column {name!r}")
    if LEARNING_RATE in table.columns:
        _check_rates(table[LEARNING_RATE])
    return list(table.columns[: table.columns.get_loc("status")])


def _check_rates(rates: pd.Series) -> None:
    if pd.api.types.is_any_real_numeric_dtype(rates.dtype):
        return
    for rate in rates.unique():
        if not pd.isna(rate) and (isinstance(rate, str | bool) or not pd.api.types.is_number(rate)):
            raise InputError(f"column {LEARNING_RATE!r} holds {quote(rate)}: it must hold numbers")
