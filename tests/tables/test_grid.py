"""Trials tables from axes, and axes from text."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrsweep
from lrsweep.cli._axes import parse_axis


def test_a_grid_holds_every_combination_once_the_last_column_fastest() -> None:
    axes = {"learning_rate": [0.1, 0.01, 0.001], "momentum": 0.9, "seed": range(2)}
    table = lrsweep.grid(**axes)
    assert list(table.columns) == list(axes)
    assert [tuple(row) for row in table.to_numpy()] == list(itertools.product([0.1, 0.01, 0.001], [0.9], [0, 1]))
    assert table["seed"].dtype == np.int64


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    make=st.sampled_from([list, range, np.arange, lambda n: [f"value {k}" for k in range(n)], lambda n: np.ones(n)]),
)
def test_a_grid_is_the_product_of_its_axes_however_they_are_given(sizes: list[int], make: Any) -> None:
    axes = {f"column {k}": make(range(size) if make is list else size) for k, size in enumerate(sizes)}
    table = lrsweep.grid(**axes)
    assert list(table.itertuples(index=False, name=None)) == list(itertools.product(*axes.values()))
    pd.testing.assert_index_equal(table.index, pd.RangeIndex(math.prod(sizes)))


@pytest.mark.parametrize(
    ("axis", "dtype"),
    [
        (range(2), "int64"),
        (np.array([1.5, 2.5], "float32"), "float32"),
        (np.array([1.5, 2.5], ">f8"), "float64"),
        ([1, 2.5], "float64"),
        ([True, False], "bool"),
        (["relu", "tanh"], "str"),
        ({"sgd": 1, "adam": 2}, "str"),
        ([0.1, None], "float64"),
        ([None, None], "float64"),
        (["relu", None], "str"),
        ([1, True], "object"),
        ("relu", "str"),
        (None, "float64"),
    ],
)
def test_an_axis_gets_the_dtype_of_its_values(axis: Any, dtype: str) -> None:
    column = lrsweep.grid(x=axis, seed=range(2))["x"]
    values = [axis] if axis is None or isinstance(axis, str) else list(axis)
    expected = [math.nan if value is None else value for value in values for _ in range(2)]
    assert column.dtype == dtype
    np.testing.assert_equal(column.tolist(), expected)


@given(low=st.floats(1e-8, 1e3), span=st.floats(1.001, 1e6), count=st.integers(2, 60))
def test_a_logarithmic_grid_is_evenly_spaced_and_has_both_ends(low: float, span: float, count: int) -> None:
    high = low * span
    values = lrsweep.log_grid(low, high, count)
    assert (len(values), values[0], values[-1]) == (count, low, high)
    ratios = np.diff(np.log(values))
    np.testing.assert_allclose(ratios, math.log(high / low) / (count - 1), atol=1e-11)


def test_decades_are_the_numbers_a_person_would_write() -> None:
    assert lrsweep.log_grid(1e-4, 1.0, 5).tolist() == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert set(lrsweep.log_grid(1e-6, 1e3, 91)[::10]) == {10.0**k for k in range(-6, 0)} | {1.0, 10.0, 100.0, 1000.0}


def test_an_axis_reads_as_it_is_written() -> None:
    assert parse_axis("0.1,0.01, 1e-3") == [0.1, 0.01, 0.001]
    assert parse_axis("1e-4:1:25") == lrsweep.log_grid(1e-4, 1.0, 25).tolist()
    whole = parse_axis("10,20")
    assert whole == [10, 20]
    assert all(isinstance(value, int) for value in whole)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fast", "'fast' is not a number: write values as 0.1,0.01,0.001 or a range as 1e-4:1:25"),
        ("0.1,,0.2", "'' is not a number"),
        ("", "'' is not a number"),
        ("1e-4:1", "'1e-4:1' is not a range"),
        ("1e-4:1:2.5", "'1e-4:1:2.5' is not a range"),
        ("0:1:5", "the ends 0 and 1 of a logarithmic axis must be finite numbers above 0"),
        ("1e-4:inf:5", "the ends 0.0001 and inf"),
        ("1e-4:1:1", "1 values do not reach from 0.0001 to 1"),
        ("1e-4:1:0", "0 values do not reach"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_axis(text)


def test_a_grid_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="a grid needs at least one column"):
        lrsweep.grid()
    with pytest.raises(ValueError, match="column 'seed' of the grid has no values"):
        lrsweep.grid(learning_rate=0.1, seed=range(0))


@pytest.mark.parametrize(("low", "high"), [(1e-4, 1.0), (3e-11, 2e10), (1e-30, 1e-20), (1e5, 1e13)])
def test_a_logarithmic_axis_is_rounded_as_it_would_be_written(low: float, high: float) -> None:
    exact = [low * (high / low) ** (at / 1000) for at in range(1001)]
    written = [float(f"{value:.12g}") for value in exact]
    axis = lrsweep.log_grid(low, high, 1001)
    # The last of twelve digits may differ where the exact value lies between two of them.
    np.testing.assert_allclose(axis, written, rtol=1.01e-11)
    assert [float(f"{value:.12g}") for value in axis] == axis.tolist()
