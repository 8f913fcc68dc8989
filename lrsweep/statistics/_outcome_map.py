"""A map of the trials: one outcome in every cell of two columns' values."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._bins import Binning, has_value, is_numeric
from lrsweep.statistics._settings import per_setting
from lrsweep.statistics._summary import default_outcome, outcome_quartiles
from lrsweep.tables._parts import Table, distinct_values, head_of, is_empty, rows_where, with_column
from lrsweep.tables._schema import settings_of


def outcome_map(table: Table, x: str, y: str, outcome: str | None = None, cells: int = 512) -> pd.DataFrame:
    """Gives the median outcome over the trials in each cell of a map, whatever their other columns.

    Args:
        table: A result table, or a `Store`.
        x: The caller's column along the map's columns. A trial in which it, or `y`, is missing or infinite is left out.
        y: The caller's column along the map's rows.
        outcome: A column of results; None for `converged_at`, or, where a metric decides the best or no trial
            converged, for what decides it at the end. Of a column of numbers the median is that of
            `summarize_outcome`: infinite where half of the trials diverged and their losses count as infinite, and NaN
            where there is none, as where fewer than half converge. Of a column of words, such as `status`, each cell
            has the most frequent one, among equals the first in the order of the categories, or of the alphabet.
        cells: The most cells along an axis, 1 or more: where a column of numbers has more values, they are gathered
            into so many bins, as by `gather`.

    Returns:
        One row per value of `y` and one column per value of `x`, both ascending (words in the order they first appear);
        where values are gathered, one per bin, named by its middle. Float, or of the outcome's own type where it is
        words; NaN (of words, missing) where there is no trial.

    Raises:
        ValueError: It is not a result table, it has no such columns, `x` is `y`, no trial has both, or `cells` is out
            of bounds.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 1.0], momentum=[0.0, 0.9])
        >>> swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials)
        >>> lrsweep.outcome_map(swept.table, "momentum", "learning_rate", "status")
        momentum             0.0       0.9
        learning_rate
        0.1            converged converged
        1.0             diverged  diverged
    """
    head = head_of(table)
    own = settings_of(head)
    for axis, name in (("x", x), ("y", y)):
        if not isinstance(name, str) or name not in own:
            raise InputError(f"{axis}: {unknown('column', name, own)}")
    if x == y:
        raise InputError(f"x and y are both {x!r}: a map has two columns")
    chosen = default_outcome(table) if outcome is None else outcome
    if not isinstance(chosen, str) or chosen not in head.columns:
        raise InputError(unknown("outcome", chosen, head.columns[len(own) :]))
    check_count("cells", cells)
    on_map = rows_where(table, [x, y], lambda rows: has_value(rows[x]) & has_value(rows[y]))
    if is_empty(on_map):
        raise InputError(f"no trial has both {x!r} and {y!r}: there is nothing to map")
    columns, rows = (Binning(distinct_values(on_map, name), cells) for name in (x, y))
    numeric = is_numeric(head[chosen])

    def statistics(trials: pd.DataFrame, cell: np.ndarray) -> dict[str, Any]:
        if numeric:
            return {"outcome": outcome_quartiles(trials, chosen, cell)["median"]}
        return {"outcome": most_frequent(trials[chosen], cell)}

    binned = with_column(with_column(on_map, _ROW, rows, y), _COLUMN, columns, x)
    filled, found = per_setting(binned, [_ROW, _COLUMN], ["status", "steps", chosen], statistics)
    values = np.full((len(rows.values), len(columns.values)), np.nan, float if numeric else object)
    values[filled[_ROW], filled[_COLUMN]] = np.asarray(found["outcome"])
    outcomes = pd.DataFrame(values, pd.Index(rows.values, name=y), pd.Index(columns.values, name=x))
    return outcomes if numeric else outcomes.astype(head[chosen].dtype)


# The columns of the cells' numbers, as none of the caller's is called.
_ROW, _COLUMN = "row of the map", "column of the map"


def most_frequent(words: pd.Series, setting: np.ndarray) -> np.ndarray:
    """Gives the most frequent word of each setting; among equals the first category, or the first in the alphabet.

    Args:
        words: ``[trial]``; a missing one does not count.
        setting: ``[trial]`` int, each trial's setting.

    Returns:
        ``[setting]`` object, None where a setting has no word.

    Example:
        >>> most_frequent(pd.Series(["b", "a", "b", "a", "c"]), np.array([0, 0, 0, 1, 1])).tolist()
        ['b', 'a']
    """
    categories = words.astype("category").cat
    choices = np.array([*categories.categories, None], object)
    # The code -1, of no word, becomes the last one, None, which is chosen only where there is no other.
    count, codes = len(choices), categories.codes.to_numpy().astype(int)
    counts = np.bincount(setting * count + codes % count, minlength=(setting.max() + 1) * count).reshape(-1, count)
    counts[:, -1] = counts[:, :-1].sum(-1) == 0
    return choices[counts.argmax(-1)]
