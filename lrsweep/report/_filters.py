"""What a reader of the report may choose among: the values of the settings beside the learning rate."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.tables._schema import SEED, settings_of
from lrsweep.tables._text import write

# A column of more values than this is no list to choose from, and so many combinations, all of them summed up in
# advance, are enough.
MOST_VALUES, MOST_COMBINATIONS = 12, 80

# The code of a column in which nothing is chosen: all of its values.
ALL = -1


class Choice(NamedTuple):
    """A column of few values.

    Attributes:
        name: The column's.
        column: What the codes are called in the charts' data: neutral, whatever the column is called.
        values: ``[value]``, each as text.
        codes: ``[trial] int64``, the place of each trial's value among them.
    """

    name: str
    column: str
    values: list[str]
    codes: np.ndarray


def choices_of(table: pd.DataFrame, drawn: Sequence[str]) -> list[Choice]:
    """The columns to choose among, in the table's order.

    Args:
        table: A result table.
        drawn: The columns that are axes already.

    Returns:
        The caller's columns of 2 to `MOST_VALUES` values but `seed`, as long as they have no more than
        `MOST_COMBINATIONS` combinations together.

    Example:
        >>> trials = result.table.assign(momentum=[0.9, 0.0, 0.9])
        >>> trials = trials[["momentum", *result.table.columns]]
        >>> [(choice.name, choice.values) for choice in choices_of(trials, ["learning_rate"])]
        [('momentum', ['0', '0.9'])]
    """
    found, combinations = [], 1
    for name in settings_of(table):
        if name == SEED or name in drawn:
            continue
        codes, values = pd.factorize(table[name], use_na_sentinel=False)
        if not 2 <= len(values) <= MOST_VALUES or combinations * (len(values) + 1) > MOST_COMBINATIONS:
            continue
        combinations *= len(values) + 1
        order = sorted(range(len(values)), key=lambda at: _ascending(values[at]))
        place = np.empty(len(values), int)
        place[order] = np.arange(len(values))
        found.append(Choice(name, f"f{len(found)}", [write(values[at]) for at in order], place[codes]))
    return found


def _ascending(value: Any) -> tuple[bool, bool, Any]:
    missing, text = bool(pd.isna(value)), isinstance(value, str)
    return missing, text, 0 if missing else value


def combinations_of(choices: Sequence[Choice], rows: np.ndarray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Every combination that can be chosen: a code per column, `ALL` among them, and the rows that it leaves.

    Args:
        choices: The columns to choose among.
        rows: ``[row]`` int, the rows to choose from.

    Returns:
        Pairs of the codes and ``[row]`` int; combinations that no row has are left out.

    Example:
        >>> choice = Choice("momentum", "f0", ["0", "0.9"], np.array([1, 0, 1]))
        >>> [(codes, rows.tolist()) for codes, rows in combinations_of([choice], np.arange(3))]
        [((-1,), [0, 1, 2]), ((0,), [1]), ((1,), [0, 2])]
    """
    if not choices:
        yield (), rows
        return
    first, *others = choices
    codes = first.codes[rows]
    for code in range(ALL, len(first.values)):
        left = rows if code == ALL else rows[codes == code]
        if len(left):
            for rest, some in combinations_of(others, left):
                yield (code, *rest), some
