"""The filters of a report: by the values of which settings its reader can narrow the charts."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.tables._schema import SEED
from lrsweep.tables._text import write

# A column of more values is too long a list to choose from. The trials are aggregated beforehand for every combination
# of filters, which are to be no more than these.
MOST_VALUES, MOST_COMBINATIONS = 12, 80

# The code of a filter that lets all values through.
ALL = -1


class Filter(NamedTuple):
    """A column of few values, by which the charts can be narrowed.

    Attributes:
        name: The column's name.
        column: What the column of codes is called in the charts' data: `f0`, `f1`, ..., whatever `name` is.
        values: ``[value]``, each as text.
        codes: ``[setting] int64``, the place of each setting's value in `values`.
    """

    name: str
    column: str
    values: list[str]
    codes: np.ndarray


def filters_of(settings: pd.DataFrame, drawn: Sequence[str]) -> list[Filter]:
    """Chooses the columns to filter by, in the table's order.

    Args:
        settings: The caller's columns, a row for each setting at least.
        drawn: The columns that are axes already.

    Returns:
        The caller's columns of 2 to `MOST_VALUES` values but `seed`, as long as they have no more than
        `MOST_COMBINATIONS` combinations together.

    Example:
        >>> settings = pd.DataFrame({"learning_rate": [0.1, 0.1, 1.0], "momentum": [0.9, 0.0, 0.9]})
        >>> [(each.name, each.values) for each in filters_of(settings, ["learning_rate"])]
        [('momentum', ['0', '0.9'])]
    """
    filters, combinations = [], 1
    for name in settings.columns:
        if name == SEED or name in drawn:
            continue
        codes, values = pd.factorize(settings[name], use_na_sentinel=False)
        if not 2 <= len(values) <= MOST_VALUES or combinations * (len(values) + 1) > MOST_COMBINATIONS:
            continue
        combinations *= len(values) + 1
        order = sorted(range(len(values)), key=lambda at: _sort_key(values[at]))
        rank = np.empty(len(values), int)
        rank[order] = np.arange(len(values))
        filters.append(Filter(name, f"f{len(filters)}", [write(values[at]) for at in order], rank[codes]))
    return filters


def _sort_key(value: Any) -> tuple[bool, bool, Any]:
    """Gives a key that sorts numbers before text, and missing values last."""
    is_missing = bool(pd.isna(value))
    return is_missing, isinstance(value, str), 0 if is_missing else value


def combinations_of(codes: Sequence[np.ndarray], rows: np.ndarray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Goes through every combination of filters: a code per column, `ALL` among them, and the rows that it leaves.

    Args:
        codes: ``[trial]`` int of each filter, the trials' codes.
        rows: ``[row]`` int, the rows to choose from.

    Returns:
        Pairs of the codes and ``[row]`` int; combinations that leave no row are left out.

    Example:
        >>> [(codes, rows.tolist()) for codes, rows in combinations_of([np.array([1, 0, 1])], np.arange(3))]
        [((-1,), [0, 1, 2]), ((0,), [1]), ((1,), [0, 2])]
    """
    if not codes:
        yield (), rows
        return
    first, *others = codes
    of_rows = first[rows]
    for code in [ALL, *np.unique(of_rows).tolist()]:
        for other_codes, chosen in combinations_of(others, rows if code == ALL else rows[of_rows == code]):
            yield (code, *other_codes), chosen
