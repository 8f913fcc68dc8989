"""The result of a sweep: its table, its curves, its provenance, and replays of its trials."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote
from lrsweep.inputs._showing import show_safely
from lrsweep.studies._notebook import describe_sweep, present
from lrsweep.studies._replay import Replay
from lrsweep.tables._curves import Curves
from lrsweep.tables._notes import Provenance
from lrsweep.tables._saved import Saved, save_result
from lrsweep.tables._schema import BEST_BY, BEST_MODE, BY_LOSS, INDEX, RESULT_DTYPES, Criterion, at_best, final
from lrsweep.training._monitor import NEVER
from lrsweep.training._stopping import gap


# Comparing two tables gives one answer per cell, not one in all: a sweep is equal only to itself.
@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """The result of `sweep`.

    Attributes:
        table: One row per trial: the caller's columns, and what became of the trial. Its `attrs["provenance"]` is the
            provenance, which files of it keep.
        curves: What was recorded, by name, see `Curves`: `curves["loss"]` has one row per trial and one column per
            recorded update. Empty where nothing was.
        provenance: What made it: objective, optimizer, steps, stopping, block width and layout, versions, devices,
            dtype, start and duration. JSON can hold it.
    """

    table: pd.DataFrame
    curves: Curves
    provenance: dict[str, Any]
    _replay: Callable[[int, int, str | Iterable[str] | None], Replay]
    _follow: Callable[[int, int, int], pd.DataFrame]

    def replay(self, trial: Any, *, record: str | Iterable[str] | None = None) -> Replay:
        """Runs one trial once more, alone, and returns its parameters and its whole curves.

        Args:
            trial: Its label in the table's index.
            record: The names of what to record, see `sweep`; what the sweep recorded where it is left out. With norms
                or the learning rate that the sweep did not record, the numbers may differ from its own by rounding.

        Raises:
            TypeError: `record` holds no names.
            ValueError: There is no such trial, or no such name.

        Example:
            >>> replay = result.replay(0)
            >>> round(float(replay.params["w0"]), 2), round(float(replay.params["w1"]), 2), len(replay.curve)
            (-0.99, 2.0, 61)
        """
        return self._replay(*self._row(trial), record)

    def path(self, trial: Any, every: int = 1) -> pd.DataFrame:
        """Runs one trial once more, alone, and returns the parameters on its way.

        Args:
            trial: Its label in the table's index.
            every: The parameters are given after every such number of updates, and at the start and the end.

        Returns:
            ``[update, parameter]`` float64. The index `step` counts updates from 0 to the trial's last. Each column is
            a scalar parameter, named by the path of its leaf in the pytree, and in an array by its index in brackets:
            `w`, `layers.0.w[0, 1]`.

        Raises:
            TypeError: `every` is not a whole number.
            ValueError: There is no such trial, or `every` is below 1.

        Example:
            >>> result.path(0, every=20).round(2)
                    w0    w1
            step
            0     0.00  1.00
            20   -0.77  1.89
            40   -0.96  1.98
            60   -0.99  2.00
        """
        row, steps = self._row(trial)
        return self._follow(row, steps, check_count("every", every))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Saves the table, the curves and the provenance in a folder of their own, which `lrsweep.load` loads.

        Each of its files is written under another name and then moved: `table.parquet` and `table.curves.parquet`,
        which `read_table` reads too, and `table.json`, which has their hashes and is the last of them. Functions are
        not saved.

        Args:
            folder: The folder; it is made where there is none, and an earlier sweep in it is replaced.

        Raises:
            TypeError: `folder` is no path.
            ValueError: It is a file, holds something else, or cannot be made or read.
            OSError: A file in it cannot be written.

        Example:
            >>> result.save(folder / "sweep")
            >>> sorted(file.name for file in (folder / "sweep").iterdir())
            ['table.json', 'table.parquet']
        """
        save_result(Saved(self.table, self.curves, Provenance(self.provenance)), folder)

    def __repr__(self) -> str:
        return show_safely(self, lambda: describe_sweep(self.table, self.provenance))

    def _repr_html_(self) -> str:
        return show_safely(self, lambda: present(self.table, self.provenance), as_html=True)

    def _row(self, trial: Any) -> tuple[int, int]:
        """Finds the position of a trial in the table, and how many updates it made."""
        if not pd.api.types.is_hashable(trial) or trial not in self.table.index:
            raise InputError(f"there is no trial {quote(trial)}: the table's index has {len(self.table)} others")
        row = int(np.flatnonzero(self.table.index == trial)[0])
        return row, int(self.table["steps"].iloc[row])


def result_table(
    trials: pd.DataFrame,
    outcome: dict[str, Any],
    minimum: float,
    *,
    metrics: Sequence[str] = (),
    criterion: Criterion = BY_LOSS,
) -> pd.DataFrame:
    """Puts what became of each trial beside the caller's columns.

    Args:
        trials: The trials table.
        outcome: The fields of an `Outcome` by name, ``[trial]`` arrays in the order of the trials. Each is removed once
            it is in the table, so that memory need not hold both.
        minimum: The least value the loss can reach.
        metrics: The names of the outcome's metrics.
        criterion: What decided the best update.

    Returns:
        The same rows under the same index, called `trial`: the caller's columns; those of `RESULT_DTYPES`; and where
        there are metrics `best_by`, `best_mode` and two columns for each of them. `rate` is
        `(gap_steps / gap_0) ** (1 / steps)`, 0 where the trial ended at or below the minimum, and NaN where it made no
        update or started below the minimum.
    """
    columns: dict[str, Any] = {"rate": _rate(outcome, minimum)}
    columns["status"] = pd.Categorical.from_codes(outcome.pop("status"), dtype=RESULT_DTYPES["status"])
    for name in ("converged_at", "diverged_at"):
        column = outcome.pop(name)
        columns[name] = pd.arrays.IntegerArray(column.astype(np.int64), column == NEVER)
        del column
    for name in RESULT_DTYPES.keys() - columns.keys():
        columns[name] = outcome.pop(name).astype(RESULT_DTYPES[name])
    # Nothing else refers to these arrays, so the table need not copy them.
    results = pd.DataFrame({name: columns[name] for name in RESULT_DTYPES}, index=trials.index, copy=False)
    if metrics:
        results[BEST_BY] = pd.Series(criterion.name, index=trials.index, dtype="str")
        results[BEST_MODE] = pd.Series(criterion.mode, index=trials.index, dtype="str")
        for name, last, best in zip(metrics, outcome["final_metrics"], outcome["best_metrics"], strict=True):
            results[final(name)], results[at_best(name)] = last.astype(float), best.astype(float)
    return pd.concat([trials, results], axis=1).rename_axis(INDEX)


def _rate(outcome: dict[str, Any], minimum: float) -> np.ndarray:
    """Computes the column `rate`, the mean factor by which an update multiplied the gap."""
    first, last = (gap(outcome[name], outcome[name].dtype.type(minimum)) for name in ("initial_loss", "final_loss"))
    with np.errstate(all="ignore"):
        rate = np.divide(np.maximum(last, 0), first, dtype=np.float64)
        rate **= 1 / outcome["steps"]
    rate[(outcome["steps"] == 0) | (first < 0)] = np.nan
    return rate
