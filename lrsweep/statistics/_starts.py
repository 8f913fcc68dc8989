"""What a table tells of starts that nothing can be trained from: the loss or its gradient is not finite there."""

import numpy as np
import pandas as pd

from lrsweep.tables._schema import LEARNING_RATE, settings_of

# What helps there.
LOOK = "look at the data and the loss there, or, if numbers become too large for 32 bits, compute in 64 (--x64)."


def cannot_start(table: pd.DataFrame) -> np.ndarray:
    """Which trials could not be trained, whatever their learning rate: ``[trial]`` bool.

    A trial whose loss is not finite where it starts has `diverged_at` 0. Of the gradient there a table says nothing;
    but where it is not finite, the loss after the first update is not, at any learning rate. So these are the trials
    with `diverged_at` 0, and those with `diverged_at` 1 and a `final_loss` that is not finite where it is so of every
    trial that differs from them in nothing but the learning rate. That may also come of learning rates all of which
    are far too large.

    Example:
        >>> lost = result.table.assign(diverged_at=1, final_loss=float("nan"))
        >>> cannot_start(result.table).tolist(), cannot_start(lost).tolist()
        ([False, False, False], [True, True, True])
    """
    at = table["diverged_at"].to_numpy(float, na_value=np.nan)
    lost = pd.Series((at == 0) | ((at == 1) & ~np.isfinite(table["final_loss"].to_numpy(float))))
    names = [name for name in settings_of(table) if name != LEARNING_RATE]
    if names:
        keys = [table[name].reset_index(drop=True) for name in names]
        return lost.groupby(keys, dropna=False, observed=True).transform("all").to_numpy(bool)
    return np.full(len(table), lost.all())


def tell_starts(table: pd.DataFrame) -> str:
    """What to say of the trials that could not be trained, in a sentence or two; empty where there are none.

    Example:
        >>> tell_starts(result.table.assign(diverged_at=0, initial_loss=float("nan")))
        'All 3 trials start where the loss is not finite: look at the data and the loss there, or, if numbers become too
        large for 32 bits, compute in 64 (--x64).'
    """
    lost = cannot_start(table)
    if not lost.any():
        return ""
    at_once = (table["diverged_at"] == 0).to_numpy(bool, na_value=False)[lost].all()
    who = f"{lost.sum():,} of {len(table):,} trials"
    if lost.all():
        who = f"All {len(table):,} trials" if len(table) > 1 else "The trial"
    if at_once:
        return f"{who} start{'s' if who == 'The trial' else ''} where the loss is not finite: {LOOK}"
    return (
        f"{who} diverged at the first update, whatever the learning rate: unless all of these are far too large, the "
        f"gradient at the start is not finite; {LOOK}"
    )
