"""The numbers of a chart, as its reader can see them in a table and save them as CSV.

They are in the page once: a column that is drawn as it is serves for both, and what an axis cannot hold, or a text
shortens, stands beside it in the smallest floats that hold it exactly.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource

from lrsweep.statistics._bins import is_numeric
from lrsweep.tables._text import write

# The greatest whole number up to which floats tell all apart.
_LONGEST = 2**53


class NumberTable(NamedTuple):
    """A table of a chart's numbers, which the page makes of the chart's data.

    Attributes:
        kind: By this the page finds the data: it is the first tag of each of its sources.
        label: What it holds, as the button that saves it says.
    """

    kind: str
    label: str


def add_numbers(
    columns: Mapping[str, Any], kind: str, shown: Sequence[tuple[str, str]], saved: Sequence[tuple[str, Any]]
) -> ColumnDataSource:
    """Makes the data of a chart, with what the page needs to write them as a table.

    Args:
        columns: The columns that are drawn and told by name, ``[row]`` each, or lists of ``[point]`` arrays.
        kind: The kind of the table, as of `NumberTable`.
        shown: The heads of the table that is read in the page, each with the column of its texts.
        saved: The heads of what is saved, each with its values, ``[row]`` or ``[row, point]``: of the latter each point
            makes a row.

    Example:
        >>> source = add_numbers({"y": [1.0, 2.0]}, "bins", [], [("loss", [1.0, 2.0]), ("steps", [3, 4])])
        >>> source.tags, source.data["e1"]
        (['bins', [['loss', 'y'], ['steps', 'e1']], []], array([3., 4.], dtype=float32))
    """
    data, pairs = dict(columns), []
    drawn = {name: values for name, values in columns.items() if not _is_text(values)}
    for at, (head, values) in enumerate(saved):
        texts = _texts_of(values)
        found = next((name for name, own in columns.items() if texts is not None and list(own) == texts), None)
        if texts is None:
            numbers = _numbers_of(values)
            found = next((name for name, own in drawn.items() if _is_same(own, numbers)), None)
            if found is None:
                data[f"e{at}"] = list(numbers) if numbers.ndim == 2 else numbers
        elif found is None:
            data[f"e{at}"] = texts
        pairs.append([head, found or f"e{at}"])
    return ColumnDataSource(data, tags=[kind, pairs, [list(pair) for pair in shown]])


def _texts_of(values: Any) -> list[str] | None:
    """Gives a column as texts, unless it holds numbers."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return None
    column = pd.Series(values)
    is_long = pd.api.types.is_integer_dtype(column) and bool((column.abs() > _LONGEST).any())
    if is_numeric(column) and not is_long:
        return None
    return ["" if pd.isna(value) else write(value) for value in column.tolist()]


def _numbers_of(values: Any) -> np.ndarray:
    """Gives a column as floats, of 32 bits where these hold it exactly."""
    is_whole = isinstance(values, np.ndarray) and values.ndim == 2
    numbers = np.asarray(values, float) if is_whole else pd.Series(values).to_numpy(float, na_value=np.nan)
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    return small if np.array_equal(small.astype(float), numbers, equal_nan=True) else numbers


def _is_text(values: Any) -> bool:
    return len(values) > 0 and isinstance(values[0], str)


def _is_same(values: Any, numbers: np.ndarray) -> bool:
    own = np.asarray(values, float)
    return own.shape == numbers.shape and np.array_equal(own, numbers, equal_nan=True)
