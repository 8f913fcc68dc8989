"""Quartiles over the trials of each setting: of any outcome, or of the loss at every recorded update."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._settings import group_trials, per_setting
from lrsweep.statistics._summary import (
    QUARTILES,
    default_outcome,
    join_columns,
    outcome_quartiles,
    quartiles_of,
    resolve_by,
    rows_by_count,
)
from lrsweep.tables._parts import Table, head_of
from lrsweep.tables._schema import CONVERGED_AT, settings_of

STEP = "step"


def summarize_outcome(table: Table, outcome: str | None = None, by: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Gives the quartiles of one outcome over the trials of each setting, in the order settings first appear.

    Args:
        table: A result table, or a `Store`.
        outcome: A column of numbers: `converged_at`, `final_loss`, `rate`, `accuracy_at_best`, ...; None for
            `converged_at`, or, where a metric decides the best or no trial converged, for what decides it at the end.
            Of `converged_at`, of `final_loss` and `best_loss`, and of the metric that decides the best they are defined
            as in `summarize`: a trial whose steps ran out is censored, and one that diverged never converges and has an
            infinite loss. Any other's are taken over the trials in which it is a number.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed`.

    Returns:
        One row per setting: the settings' columns, `trials` (int, how many there are), and `lower_quartile`, `median`
        and `upper_quartile` (float, in the outcome's unit; NaN where there is none, as where too few converge).

    Raises:
        ValueError: It is not a result table, it has no such column, the outcome does not hold numbers, or a column of
            the settings is called like one of these.

    Example:
        >>> lrsweep.summarize_outcome(result.table, "converged_at")[["learning_rate", "trials", "median"]]
           learning_rate  trials  median
        0          0.100       1    51.0
        1          0.010       1   526.0
        2          0.001       1     NaN
    """
    names = resolve_by(table, by)
    chosen = default_outcome(table) if outcome is None else outcome
    check_outcome(table, chosen)

    def statistics(trials: pd.DataFrame, setting: np.ndarray) -> dict[str, Any]:
        return {"trials": np.bincount(setting), **outcome_quartiles(trials, chosen, setting)}

    needed = ["status", chosen, *(["steps"] if chosen == CONVERGED_AT else [])]
    return join_columns(*per_setting(table, names, needed, statistics))


def check_outcome(table: Table, outcome: str) -> None:
    """Refuses an outcome that has no quartiles.

    Raises:
        ValueError: The table has no such column, or it does not hold numbers.

    Example:
        >>> check_outcome(result.table, "final_loss")
    """
    head = head_of(table)
    if not isinstance(outcome, str) or outcome not in head.columns:
        raise InputError(unknown("outcome", outcome, head.columns[head.columns.get_loc("status") :]))
    if not is_numeric(head[outcome]):
        raise InputError(f"outcome {outcome!r} does not hold numbers, such as converged_at and final_loss do")


def summarize_curves(table: pd.DataFrame, curves: pd.DataFrame, by: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Gives the quartiles of the loss over the trials of each setting, at every recorded update.

    A trial that has ended stays in the statistics: one that diverged counts as infinite from the update at which it
    did; any other keeps its last recorded loss, which for one that converged is at its target or near.

    Args:
        table: A result table, or some of its rows.
        curves: The losses of these trials, ``[trial, record]`` float, NaN after a trial's end, one column per recorded
            update, as `Sweep.curves["loss"]` has them. Trials that are not in the table are left out.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed`.

    Returns:
        A long table: for each setting, in the order they first appear, one row per recorded update: the settings'
        columns, `step` (int, the update), and `lower_quartile`, `median` and `upper_quartile` (float, in the loss's
        unit), defined as those of a loss in `summarize`.

    Raises:
        TypeError: There are no curves.
        ValueError: It is not a result table, it has no column of a name in `by`, one is called like one of these, or
            a trial of the table has no curve.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.01])
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=100, record_every=50)
        >>> lrsweep.summarize_curves(swept.table, swept.curves["loss"])[["learning_rate", "step", "median"]].round(4)
           learning_rate  step  median
        0           0.10     0  1.6667
        1           0.10    50  0.0002
        2           0.10   100  0.0002
        3           0.01     0  1.6667
        4           0.01    50  0.3135
        5           0.01   100  0.1417
    """
    settings_of(table)  # refuses a store, whose curves are not read in parts
    names = resolve_by(table, by)
    settings, setting = group_trials(table, names)
    losses, diverged = _losses_of(table, curves), table["diverged_at"].to_numpy(float, na_value=np.inf)
    updates, by_count = curves.columns.to_numpy(), rows_by_count(setting)
    quartiles = {quartile: np.empty((len(settings), len(updates))) for quartile in QUARTILES}
    last = np.full(len(table), np.nan)
    for record, update in enumerate(updates):
        recorded = losses[:, record]
        last = np.where(diverged <= update, np.inf, np.where(np.isnan(recorded), last, recorded))
        for which, rows in by_count:
            for quartile, values in quartiles_of(last[rows]).items():
                quartiles[quartile][which, record] = values
    repeated = settings.loc[settings.index.repeat(len(updates))].reset_index(drop=True)
    steps = np.tile(updates, len(settings))
    return join_columns(repeated, {STEP: steps, **{name: values.ravel() for name, values in quartiles.items()}})


def _losses_of(table: pd.DataFrame, curves: pd.DataFrame) -> np.ndarray:
    """Gives the recorded losses of the table's trials, ``[trial, record]`` float."""
    if not isinstance(curves, pd.DataFrame):
        raise InputTypeError(f"the curves must be a table, as Sweep.curves['loss'] is, not {type(curves).__name__}")
    if not curves.index.equals(table.index):
        lacking = table.index[~table.index.isin(curves.index)]
        if len(lacking):
            raise InputError(f"trial {lacking[0]!r} of the table has no curve: give the curves of the same sweep")
        curves = curves.loc[table.index]
    return curves.to_numpy(float)
