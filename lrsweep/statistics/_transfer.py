"""Transfer: whether the best learning rate, or the size of what a model computes, stays as a model grows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import as_names
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._best import best_learning_rate
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._summary import LEVEL, group_trials, join_columns, penalised
from lrsweep.tables._schema import LEARNING_RATE, SEED, final, metrics_of, settings_of


def transfer(table: pd.DataFrame, along: str, *, level: float = LEVEL) -> pd.DataFrame:
    """Gives the best learning rate for every value of a column, such as a width: does the best of the least one hold?

    Best is the least median final loss over seeds, a diverged trial counting as infinite.

    Args:
        table: A result table with the columns `learning_rate` and `along`.
        along: A column of numbers above 0, such as `width`.
        level: How sure the intervals are to hold the learning rate that would be best over all seeds, from 0 to 1.

    Returns:
        One row per setting of the caller's columns but `learning_rate` and `seed`, in the order they first appear:
        these columns, and then

        - `learning_rate` (float): the best, NaN where every trial diverged.
        - `low`, `high` (float): its interval, as `best_learning_rate` with the rule "loss" has it.
        - `median_final_loss` (float): the loss with it.
        - `untuned` (float): the loss with the learning rate that is best at the least value of `along`, infinite where
          it diverges, NaN where it was not tried.
        - `power` (float): that of `along` by which the best learning rate grows, the slope of a straight line through
          the logarithms of both, by least squares over the rows that differ in `along` alone: 0 where it transfers, and
          -1 where it halves as `along` doubles. The same for all of these rows; NaN where there are fewer than two.

    Raises:
        ValueError: It is not a result table, it has no rows or no such column, or the column does not hold numbers
            above 0.

    Example:
        >>> import optax
        >>> def loss(params, *, width):
        ...     return width * params**2
        >>> objective = lrsweep.Objective(loss, 1.0)
        >>> trials = lrsweep.grid(width=[1, 4, 16], learning_rate=[2.0 ** -k for k in range(1, 7)])
        >>> swept = lrsweep.sweep(objective, optax.sgd, trials, steps=3)
        >>> lrsweep.transfer(swept.table, "width")[["width", "learning_rate", "untuned", "power"]]
           width  learning_rate  untuned  power
        0      1        0.50000      0.0   -1.0
        1      4        0.12500      inf   -1.0
        2     16        0.03125      inf   -1.0
    """
    own = check_along(table, along)
    if LEARNING_RATE not in own:
        raise InputError(f"the table has no column {LEARNING_RATE!r}, whose best is looked for")
    names = [name for name in own if name not in (LEARNING_RATE, SEED)]
    settings, setting = group_trials(table, names)
    best = [best_learning_rate(table[setting == number], rule="loss", level=level) for number in range(len(settings))]
    losses = [_median_losses(table[setting == number]) for number in range(len(settings))]
    rates, places = np.array([each.learning_rate for each in best]), settings[along].to_numpy(float)
    untuned, power = np.full(len(settings), np.nan), np.full(len(settings), np.nan)
    _, group = group_trials(settings, [name for name in names if name != along])
    for number in range(group.max() + 1):
        rows = np.flatnonzero(group == number)
        smallest = best[rows[places[rows].argmin()]].learning_rate
        untuned[rows] = [losses[row].get(smallest, np.nan) for row in rows]
        power[rows] = _slope(places[rows], rates[rows])
    columns = {
        LEARNING_RATE: rates,
        "low": [each.low for each in best],
        "high": [each.high for each in best],
        "median_final_loss": [
            of_one.get(each.learning_rate, np.nan) for of_one, each in zip(losses, best, strict=True)
        ],
        "untuned": untuned,
        "power": power,
    }
    return join_columns(settings, columns)


def coordinates(table: pd.DataFrame, along: str, metrics: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Gives how each metric at the end of the trials grows along a column, such as a width: the coordinate check.

    Where a metric is the size of a layer's activations, or of how they have changed, after a few updates, it should not
    grow with the width at the learning rate that is to be kept: the power is to be 0 (Yang et al., 2022,
    arXiv:2203.03466, appendix D.1).

    Args:
        table: A result table with metrics and the column `along`.
        along: A column of numbers above 0, such as `width`.
        metrics: The metrics, by name; None for all.

    Returns:
        One row per metric and setting of the caller's columns but `seed` and `along`, metric after metric: these
        columns, `metric` (str), and then

        - `at_least`, `at_most` (float): the medians over seeds at the least and the largest value of `along`.
        - `power` (float): the slope of a straight line, by least squares, through the logarithms of `along` and of the
          median over seeds of the metric, a metric that is not finite counting as none: 0 where it does not depend on
          `along`. NaN where it is known at fewer than two values, or is not above 0.

    Raises:
        ValueError: It is not a result table, it has no rows, no metrics, or no such metric or column, or the column
            does not hold numbers above 0.

    Example:
        >>> import optax
        >>> def loss(params, *, width):
        ...     return params**2 / width
        >>> def size(params, *, width):
        ...     return abs(params) * width**0.5
        >>> objective = lrsweep.Objective(loss, 1.0, metrics={"size": size})
        >>> trials = lrsweep.grid(width=[1.0, 4.0, 16.0], learning_rate=[0.0])
        >>> lrsweep.coordinates(lrsweep.sweep(objective, optax.sgd, trials, steps=1).table, "width").round(6)
           learning_rate metric  at_least  at_most  power
        0            0.0   size       1.0      4.0    0.5
    """
    own, known = check_along(table, along), metrics_of(table)
    names = known if metrics is None else as_names("metrics", metrics)
    if not known:
        raise InputError("the table has no metrics: give the objective some, such as the size of a layer's activations")
    for name in names:
        if name not in known:
            raise InputError("metrics: " + unknown("metric", name, known))
    settings, setting = group_trials(table, [name for name in own if name not in (SEED, along)])
    parts = []
    for name in names:
        sizes = [_medians_along(table[setting == number], along, final(name)) for number in range(len(settings))]
        columns = {
            "metric": name,
            "at_least": [of_one.iloc[0] for of_one in sizes],
            "at_most": [of_one.iloc[-1] for of_one in sizes],
            "power": [_slope(of_one.index.to_numpy(float), of_one.to_numpy()) for of_one in sizes],
        }
        parts.append(join_columns(settings, columns))
    return pd.concat(parts, ignore_index=True)


def _medians_along(table: pd.DataFrame, along: str, column: str) -> pd.Series:
    """Gives the median over seeds of a column for each value of another, ascending."""
    finite = table[column].where(np.isfinite(table[column]))
    return finite.groupby(table[along]).median()


def check_along(table: pd.DataFrame, along: str) -> list[str]:
    """Gives the caller's columns of a result table, or refuses a column that nothing can be compared along.

    Raises:
        ValueError: It is not a result table, it is empty, or it has no such column of numbers above 0.

    Example:
        >>> check_along(result.table, "learning_rate")
        ['learning_rate']
    """
    own = settings_of(table)
    if len(table) == 0:
        raise InputError("the table is empty: there is nothing to compare among no trials")
    if not isinstance(along, str) or along not in own:
        raise InputError("along: " + unknown("column", along, own))
    if not is_numeric(table[along]) or not (table[along] > 0).all():
        raise InputError(f"along names column {along!r}, which does not hold numbers above 0 alone, as a width does")
    return own


def _median_losses(table: pd.DataFrame) -> dict[float, float]:
    """Gives the median final loss of each learning rate, by it; a diverged trial counts as infinite."""
    losses = pd.Series(penalised(table, "final_loss")).groupby(table[LEARNING_RATE].to_numpy())
    return losses.median().to_dict()


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Gives the slope of a straight line through the logarithms of two arrays, NaN where there are not two points."""
    known = np.isfinite(y) & (y > 0)
    if len(np.unique(x[known])) < 2:
        return np.nan
    return float(np.polyfit(np.log(x[known]), np.log(y[known]), 1)[0])
