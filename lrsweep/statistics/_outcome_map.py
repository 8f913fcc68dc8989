"""A map of the trials: one outcome in every cell of two columns' values."""

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_count
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._bins import bin_column, has_value, is_numeric
from lrsweep.statistics._summary import default_outcome, outcome_quartiles
from lrsweep.tables._schema import settings_of


def outcome_map(table: pd.DataFrame, x: str, y: str, outcome: str | None = None, cells: int = 512) -> pd.DataFrame:
    """Gives the median outcome over the trials in each cell of a map, whatever their other columns.

    Args:
        table: A result table.
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
    own = settings_of(table)
    for axis, name in (("x", x), ("y", y)):
        if not isinstance(name, str) or name not in own:
            raise InputError(f"{axis}: {unknown('column', name, own)}")
    if x == y:
        raise InputError(f"x and y are both {x!r}: a map has two columns")
    outcome = default_outcome(table) if outcome is None else outcome
    if not isinstance(outcome, str) or outcome not in table.columns:
        raise InputError(unknown("outcome", outcome, table.columns[len(own) :]))
    check_count("cells", cells)
    on_map = has_value(table[x]) & has_value(table[y])
    if not on_map.any():
        raise InputError(f"no trial has both {x!r} and {y!r}: there is nothing to map")
    table = table[on_map]
    columns, rows = bin_column(table[x], cells), bin_column(table[y], cells)
    # A map may have far more cells than trials: only those that hold one become settings, in the order of the map.
    filled, setting = np.unique(rows.bin * len(columns.values) + columns.bin, return_inverse=True)
    numeric = is_numeric(table[outcome])
    values = np.full((len(rows.values), len(columns.values)), np.nan, float if numeric else object)
    values.flat[filled] = (
        outcome_quartiles(table, outcome, setting)["median"] if numeric else most_frequent(table[outcome], setting)
    )
    outcomes = pd.DataFrame(values, pd.Index(rows.values, name=y), pd.Index(columns.values, name=x))
    return outcomes if numeric else outcomes.astype(table[outcome].dtype)


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
