"""Bad starts: those where the loss or its gradient is not finite, from which nothing can be trained."""

import numpy as np
import pandas as pd

from lrsweep.statistics._settings import Settings
from lrsweep.tables._parts import Table, head_of, parts_of, rows_where
from lrsweep.tables._schema import LEARNING_RATE, settings_of

# What may help there.
ADVICE = "look at the data and the loss there, or, if numbers become too large for 32 bits, compute in 64 (--x64)."


class BadStarts:
    """The trials of a table that could not be trained, whatever their learning rate.

    A trial whose loss is not finite at its start has `diverged_at` 0. A gradient that is not finite there is not in the
    table; but it makes the loss after the first update not finite, at any learning rate. So these are the trials with
    `diverged_at` 0; and those with `diverged_at` 1 and a `final_loss` that is not finite, if the same holds of every
    trial that differs from them in the learning rate alone. The second kind may also come of learning rates all of
    which are far too large.

    Attributes:
        trials: How many there are.
        of_trials: How many trials the table has.
        before_any_update: Whether all of them diverged there.

    Example:
        >>> BadStarts(result.table).trials
        0
    """

    def __init__(self, table: Table) -> None:
        """Finds them; `table` is a result table, in parts or not."""
        names = [name for name in settings_of(head_of(table)) if name != LEARNING_RATE]
        self.needed = [*names, "diverged_at", "final_loss"]
        # By all columns but the learning rate: those of which some trial is lost, with how many of them are.
        self._keys = Settings(rows_where(table, ["diverged_at", "final_loss"], _are_lost), names)
        some = len(self._keys.rows) > 0
        trials, self.of_trials = np.zeros(len(self._keys.rows), int), 0
        for part in parts_of(table, names if some else []):
            self.of_trials += len(part)
            if some:
                key = self._keys.number(part)
                trials += np.bincount(key[key >= 0], minlength=len(trials))
        bad = trials == self._keys.trials
        # The last is that of all other trials.
        self._bad = np.append(bad, False)
        self.trials, later = int(trials[bad].sum()), 0
        if self.trials:
            later = sum(
                int((self.among(part) & (part["diverged_at"] != 0).to_numpy(bool)).sum())
                for part in parts_of(rows_where(table, self.needed, _are_lost), self.needed)
            )
        self.before_any_update = later == 0

    def among(self, trials: pd.DataFrame) -> np.ndarray:
        """Tells which of some trials are such: ``[trial]`` bool."""
        if self.trials == 0:
            return np.zeros(len(trials), bool)
        return self._bad[self._keys.number(trials)]

    def others(self, table: Table) -> Table:
        """Gives the trials of the table that are not."""
        return rows_where(table, self.needed, lambda trials: ~self.among(trials)) if self.trials else table


def _are_lost(trials: pd.DataFrame) -> np.ndarray:
    diverged_at = trials["diverged_at"].to_numpy(float, na_value=np.nan)
    not_finite = ~np.isfinite(trials["final_loss"].to_numpy(float))
    return (diverged_at == 0) | ((diverged_at == 1) & not_finite)


def cannot_start(table: pd.DataFrame) -> np.ndarray:
    """Tells which trials of a table could not be trained, whatever their learning rate: ``[trial]`` bool.

    Example:
        >>> lost = result.table.assign(diverged_at=1, final_loss=float("nan"))
        >>> cannot_start(result.table).tolist(), cannot_start(lost).tolist()
        ([False, False, False], [True, True, True])
    """
    return BadStarts(table).among(table)


def describe_bad_starts(table: Table, bad: BadStarts | None = None) -> str:
    """Says in a sentence or two which trials could not be trained; an empty text where there are none.

    Args:
        table: A result table, in parts or not.
        bad: Its bad starts, if they are known already.

    Example:
        >>> describe_bad_starts(result.table.assign(diverged_at=0, initial_loss=float("nan")))
        'All 3 trials start where the loss is not finite: look at the data and the loss there, or, if numbers become too
        large for 32 bits, compute in 64 (--x64).'
    """
    bad = BadStarts(table) if bad is None else bad
    if bad.trials == 0:
        return ""
    trials, verb = f"{bad.trials:,} of {bad.of_trials:,} trials", "start"
    if bad.of_trials == 1:
        trials, verb = "The trial", "starts"
    elif bad.trials == bad.of_trials:
        trials = f"All {bad.of_trials:,} trials"
    if bad.before_any_update:
        return f"{trials} {verb} where the loss is not finite: {ADVICE}"
    return (
        f"{trials} diverged at the first update, whatever the learning rate: unless all of these are far too large, "
        f"the gradient at the start is not finite; {ADVICE}"
    )
