"""Trials tables from axes, and axes from text."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrsweep
from lrsweep.axes import parse_axis


def test_a_grid_holds_every_combination_once_the_last_column_fastest() -> None:
    axes = {"learning_rate": [0.1, 0.01, 0.001], "momentum": 0.9, "seed": range(2)}
    table = lrsweep.grid(**axes)
    assert list(table.columns) == list(axes)
    assert [tuple(row) for row in table.to_numpy()] == list(itertools.product([0.1, 0.01, 0.001], [0.9], [0, 1]))
    assert table["seed"].dtype == np.int64


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
