"""Values that are missing from a table, or infinite: refused, or the rows that are left without them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, quote

DROP, MEAN, INDICATOR = "drop", "mean", "indicator"
WAYS = (DROP, MEAN, INDICATOR)

# How many columns with gaps a message names.
_MOST_NAMED = 8


def count_gaps(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, int]:
    """Counts the missing values of those columns that have any.

    Example:
        >>> count_gaps(pd.DataFrame({"x": [1.0, None], "y": [1, 2]}), ["x", "y"])
        {'x': 1}
    """
    counts = table[list(columns)].isna().to_numpy().sum(axis=0)
    return {columns[place]: int(counts[place]) for place in np.flatnonzero(counts).tolist()}


def rows_kept(
    file: str, table: pd.DataFrame, columns: Sequence[str], target: str, missing: str | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Says which rows a model is fitted to, and what is missing from the columns it uses.

    A row whose target is missing is never kept: there is nothing to learn from it.

    Args:
        file: What messages call the table.
        table: The table.
        columns: The columns that are used, without the target.
        target: The target.
        missing: `drop`, `mean`, `indicator`, or None to refuse a table with gaps.

    Returns:
        ``[row]`` bool, and the counts of missing values by column, before any row is left out.

    Raises:
        ValueError: A value is infinite; some are missing and `missing` is None; or no row is left.

    Example:
        >>> table = pd.DataFrame({"x": [1.0, None, 3.0], "y": [1, 2, 3]})
        >>> kept, gaps = rows_kept("data.csv", table, ["x"], "y", "drop")
        >>> kept.tolist(), gaps
        ([True, False, True], {'x': 1})
    """
    _refuse_infinite(file, table, [*columns, target])
    gaps = count_gaps(table, [*columns, target])
    if not gaps:
        return np.ones(len(table), bool), gaps
    if missing is None:
        rows = int(table[[*columns, target]].isna().any(axis=1).sum())
        most = sorted(gaps, key=gaps.__getitem__, reverse=True)
        counts = ", ".join(f"{quote(name)} {gaps[name]:,}" for name in most[:_MOST_NAMED])
        counts += f" and {len(most) - _MOST_NAMED} more columns" if len(most) > _MOST_NAMED else ""
        lead = f"{file} has missing values in {rows:,} of {plural(len(table), 'row')} ({counts}): "
        if set(gaps) == {target}:
            # There is nothing to fill in: a target is what is to be learnt.
            raise InputError(f"{lead}--missing drop (or missing=) leaves out these rows, which do not say the target")
        raise InputError(
            f"{lead}say what becomes of them by --missing (or missing=): drop leaves these rows out, mean fills in the "
            "column's mean or its most frequent word, indicator does so and adds a column that says where; or --drop "
            "the columns"
        )
    needed = [*columns, target] if missing == DROP else [target]
    kept = table[needed].notna().all(axis=1).to_numpy()
    if not kept.any():
        raise InputError(
            f"{file}: every row has a missing value, and none is left: drop columns instead of rows, or fill in by "
            "missing mean or indicator"
        )
    return kept, gaps


def _refuse_infinite(file: str, table: pd.DataFrame, columns: list[str]) -> None:
    """Refuses the first column that holds an infinite value."""
    dtypes = zip(columns, table[columns].dtypes, strict=True)
    numbers = [name for name, dtype in dtypes if pd.api.types.is_float_dtype(dtype)]
    infinite = np.isinf(table[numbers].to_numpy(float, na_value=np.nan))
    for place in np.flatnonzero(infinite.any(axis=0))[:1]:
        row = int(np.argmax(infinite[:, place])) + 1
        raise InputError(
            f"{file} has an infinite value in row {row} of column {quote(numbers[place])}: take out the row, or drop "
            "the column"
        )
