"""xarray: a result as a Dataset with a dimension for every column of the trials."""

import math
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.export._entries import answer_of, contents_of, load_library, provenance_json
from lrsweep.tables._schema import INDEX, STEP, settings_of


def to_xarray(result: Any) -> Any:
    """Gives a result as an xarray Dataset.

    Args:
        result: A `Sweep`, a result table, or what an importer gives.

    Returns:
        An `xarray.Dataset`. Where the trials are a full grid, every combination of the values of the caller's columns
        once, each such column is a dimension, numbers ascending and words in the order they appear; otherwise there is
        one dimension, `trial`, along which these columns are coordinates. Every column of outcomes is a variable (a
        missing count is NaN in it), and every curve one called `<name>_curve`, with the dimension `step` too. The
        attributes `answer` and `provenance` (JSON) are text, so that files hold them.

    Raises:
        TypeError: The result is none.
        ValueError: Its table is empty, or xarray is not installed.

    Example:
        >>> dataset = lrsweep.export.to_xarray(result)
        >>> round(dataset["final_loss"].sel(learning_rate=0.01).item(), 7)
        0.0001428
    """
    contents = contents_of(result)
    xarray = load_library("xarray")
    table, names = contents.table, settings_of(contents.table)
    axes = {name: _values(table[name]) for name in names}
    sizes = tuple(len(values) for values in axes.values())
    is_grid = bool(names) and math.prod(sizes) == len(table) and not table.duplicated(names).any()
    is_grid = is_grid and bool(table[names].notna().all(axis=None))
    if is_grid:
        places = [pd.Index(values).get_indexer(pd.Index(table[name])) for name, values in axes.items()]
        order = np.empty(len(table), int)
        order[np.ravel_multi_index(places, sizes)] = np.arange(len(table))
        dims, coordinates = names, axes
    else:
        order, sizes, dims = np.arange(len(table)), (len(table),), [INDEX]
        coordinates = {INDEX: table.index.to_numpy()} | {name: (INDEX, _array(table[name])) for name in names}
    variables: dict[str, Any] = {
        name: (dims, _array(table[name])[order].reshape(sizes)) for name in table.columns if name not in names
    }
    if is_grid:
        variables[INDEX] = dims, table.index.to_numpy()[order].reshape(sizes)
    for name, curve in contents.curves.items():
        values = curve.loc[table.index].to_numpy(float)[order]
        variables[f"{name}_curve"] = [*dims, STEP], values.reshape(*sizes, values.shape[1])
        coordinates[STEP] = curve.columns.to_numpy()
    attributes = {"answer": answer_of(contents), "provenance": provenance_json(contents)}
    return xarray.Dataset(variables, coordinates, attributes)


def _values(column: pd.Series) -> np.ndarray:
    """Gives the values of a column once each: numbers ascending, words in the order they appear."""
    is_number = pd.api.types.is_numeric_dtype(column.dtype)
    return np.unique(column.dropna().to_numpy()) if is_number else _array(pd.Series(column.dropna().unique()))


def _array(column: pd.Series) -> np.ndarray:
    """Gives a column as an array of NumPy: counts with missing ones as floats, words as objects."""
    if pd.api.types.is_bool_dtype(column.dtype) or (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"):
        return column.to_numpy()
    if pd.api.types.is_any_real_numeric_dtype(column.dtype):
        return column.to_numpy(float, na_value=np.nan) if column.hasnans else column.to_numpy()
    return column.astype(object).to_numpy()
