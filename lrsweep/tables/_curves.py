"""Recorded curves: a table for each name, of a row per trial; and all of them as one table, as files hold them."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, quote, unknown
from lrsweep.inputs._showing import show_safely
from lrsweep.tables._schema import INDEX, STEP


class Curves(dict[str, pd.DataFrame]):
    """The recorded curves of a sweep, by the names that `record` gave; empty where nothing was recorded.

    Each is a table of float64: one row per trial under the result table's index, one column per recorded update (0,
    `record_every`, twice that, ...), NaN after the trial's end.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 1.0])
        >>> record = ("loss", "gradient_norm")
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, record=record, record_every=20)
        >>> swept.curves["gradient_norm"].iloc[:, :4].round(3)
        step      0      20     40     60
        trial
        0      4.055  0.202  0.039  0.008
        1      4.055    NaN    NaN    NaN
    """

    def __missing__(self, name: Any) -> pd.DataFrame:
        if not self:
            raise InputError(
                f"there is no curve {quote(name)}, since nothing was recorded: sweep(..., record=({name!r},))"
            )
        raise InputError(unknown("curve", name, self))

    def __repr__(self) -> str:
        return show_safely(self, lambda: _describe(self))

    def table(self) -> pd.DataFrame:
        """Gives all curves as one table, which `write_table` writes and `read_table` reads.

        Returns:
            One row per trial and recorded update up to the trial's end: the index `trial`; the column `step`, int64;
            and a column of float64 for each curve.

        Raises:
            ValueError: Nothing was recorded.

        Example:
            >>> import optax
            >>> trials = lrsweep.grid(learning_rate=[0.1, 1.0])
            >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=40, record_every=20)
            >>> swept.curves.table().round(4)
                   step    loss
            trial
            0         0  1.6667
            0        20  0.0257
            0        40  0.0010
            1         0  1.6667
        """
        if not self:
            raise InputError("there are no curves, since nothing was recorded: sweep(..., record=('loss',))")
        first = next(iter(self.values()))
        values = {name: curve.to_numpy() for name, curve in self.items()}
        present = ~np.all(np.isnan(np.stack(list(values.values()))), axis=0)
        # A trial has its start in any case.
        present[:, 0] = True
        counts = present.shape[1] - np.argmax(present[:, ::-1], axis=1)
        until_end = np.arange(present.shape[1]) < counts[:, np.newaxis]
        updates = np.broadcast_to(first.columns.to_numpy(np.int64), until_end.shape)
        columns = {STEP: updates[until_end]} | {name: curve[until_end] for name, curve in values.items()}
        return pd.DataFrame(columns, index=first.index.repeat(counts).rename(INDEX))


def _describe(curves: Curves) -> str:
    """Names the curves, with how many trials and how many recorded updates each of them has."""
    sizes = [
        f"{name}: {plural(len(curve), 'trial')} x {plural(curve.shape[1], 'update')}" for name, curve in curves.items()
    ]
    return f"Curves({', '.join(sizes)})"


def label_curves(recorded: dict[str, np.ndarray], index: pd.Index, every: int) -> Curves:
    """Labels recorded values, ``[trial, record]`` by name, by their trials and updates.

    Args:
        recorded: The values, which are taken over.
        index: The result table's index.
        every: At every which update they were recorded.

    Example:
        >>> label_curves({"loss": np.ones((1, 3))}, pd.Index([7], name="trial"), 5)["loss"].columns.tolist()
        [0, 5, 10]
    """
    curves = Curves()
    for name in list(recorded):
        values = recorded.pop(name).astype(float)
        updates = pd.RangeIndex(0, values.shape[1] * every, every, name=STEP)
        curves[name] = pd.DataFrame(values, index=index, columns=updates)
    return curves


def lay_out_curves(table: pd.DataFrame, index: pd.Index, updates: int, every: int) -> Curves:
    """Undoes `Curves.table`.

    Args:
        table: What that gave.
        index: The result table's index.
        updates: The most updates that a trial may have made.
        every: At every which update they were recorded.

    Raises:
        InputError: The table holds a trial or an update that is not among them.

    Example:
        >>> curves = label_curves({"loss": np.ones((1, 3))}, pd.Index([7], name="trial"), 5)
        >>> lay_out_curves(curves.table(), pd.Index([7], name="trial"), 10, 5)["loss"].equals(curves["loss"])
        True
    """
    rows, steps = index.get_indexer(table.index), table[STEP].to_numpy()
    is_strange = (rows < 0) | (steps < 0) | (steps > updates) | (steps % every != 0)
    if is_strange.any():
        first = int(np.argmax(is_strange))
        raise InputError(
            f"the curves hold trial {quote(table.index[first])} at step {steps[first]}, which there is not"
        )
    recorded = {}
    for name in table.columns.drop(STEP):
        recorded[name] = np.full((len(index), updates // every + 1), np.nan)
        recorded[name][rows, steps // every] = table[name].to_numpy()
    return label_curves(recorded, index, every)
