"""Bad starts: those where the loss or its gradient is not finite, from which nothing can be trained."""

import numpy as np
import pandas as pd

from lrsweep.statistics._summary import group_trials
from lrsweep.tables._schema import LEARNING_RATE, settings_of

# What may help there.
ADVICE = "look at the data and the loss there, or, if numbers become too large for 32 bits, compute in 64 (--x64)."


def cannot_start(table: pd.DataFrame) -> np.ndarray:
    """Tells which trials could not be trained, whatever their learning rate: ``[trial]`` bool.

    A trial whose loss is not finite at its start has `diverged_at` 0. A gradient that is not finite there is not in the
    table; but it makes the loss after the first update not finite, at any learning rate. So these are the trials with
    `diverged_at` 0; and those with `diverged_at` 1 and a `final_loss` that is not finite, if the same holds of every
    trial that differs from them in the learning rate alone. The second kind may also come of learning rates all of
    which are far too large.

    Example:
        >>> lost = result.table.assign(diverged_at=1, final_loss=float("nan"))
        >>> cannot_start(result.table).tolist(), cannot_start(lost).tolist()
        ([False, False, False], [True, True, True])
    """
    diverged_at = table["diverged_at"].to_numpy(float, na_value=np.nan)
    not_finite = ~np.isfinite(table["final_loss"].to_numpy(float))
    lost = pd.Series((diverged_at == 0) | ((diverged_at == 1) & not_finite))
    names = [name for name in settings_of(table) if name != LEARNING_RATE]
    return lost.groupby(group_trials(table, names)[1]).transform("all").to_numpy(bool)


def describe_bad_starts(table: pd.DataFrame) -> str:
    """Says in a sentence or two which trials could not be trained; an empty text where there are none.

    Example:
        >>> describe_bad_starts(result.table.assign(diverged_at=0, initial_loss=float("nan")))
        'All 3 trials start where the loss is not finite: look at the data and the loss there, or, if numbers become too
        large for 32 bits, compute in 64 (--x64).'
    """
    bad_start = cannot_start(table)
    if not bad_start.any():
        return ""
    before_any_update = (table["diverged_at"] == 0).to_numpy(bool, na_value=False)[bad_start].all()
    trials, verb = f"{bad_start.sum():,} of {len(table):,} trials", "start"
    if len(table) == 1:
        trials, verb = "The trial", "starts"
    elif bad_start.all():
        trials = f"All {len(table):,} trials"
    if before_any_update:
        return f"{trials} {verb} where the loss is not finite: {ADVICE}"
    return (
        f"{trials} diverged at the first update, whatever the learning rate: unless all of these are far too large, "
        f"the gradient at the start is not finite; {ADVICE}"
    )
