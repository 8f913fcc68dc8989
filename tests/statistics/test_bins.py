"""Many values gathered into few: against a loop over the trials, and what must hold for any values."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrsweep
from lrsweep.statistics._bins import is_logarithmic


def middle(value: float, values: list[float], bins: int, *, logarithmic: bool) -> float:
    """The middle of the bin of a value, by arithmetic."""
    to, back = (math.log, math.exp) if logarithmic else (float, float)
    low, high = to(min(values)), to(max(values))
    place = min(int((to(value) - low) / (high - low) * bins), bins - 1)
    return back(low + (high - low) * (place + 0.5) / bins)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_value_becomes_the_middle_of_its_bin(logarithmic: bool) -> None:
    drawn = np.random.default_rng(0).uniform(-9, 0, 500)
    values = (10**drawn if logarithmic else drawn).tolist()
    gathered = lrsweep.gather(pd.DataFrame({"x": values, "other": 1}), "x", bins=7)
    expected = [middle(value, values, 7, logarithmic=logarithmic) for value in values]
    np.testing.assert_allclose(gathered["x"], expected, rtol=1e-12)
    assert gathered["x"].nunique() == 7
    assert list(gathered.columns) == ["x", "other"]


@given(st.lists(st.floats(1e-6, 1e6), min_size=1), st.integers(1, 9))
def test_gathering_leaves_no_more_values_than_asked_for_and_keeps_their_order(values: list[float], bins: int) -> None:
    column = lrsweep.gather(pd.DataFrame({"x": values}), "x", bins=bins)["x"].to_numpy()
    assert len(np.unique(column)) <= bins
    assert (np.diff(column[np.argsort(values)]) >= 0).all()
    assert min(values) <= column.min() * (1 + 1e-9)
    assert column.max() <= max(values) * (1 + 1e-9)


def test_few_values_are_left_as_they_are() -> None:
    table = pd.DataFrame({"x": [3, 1, 2]})
    assert lrsweep.gather(table, "x", bins=3) is table


def test_what_is_no_finite_number_stays_as_it_is() -> None:
    table = pd.DataFrame({"x": [0.0, np.nan, 4.0, np.inf, 1.0]})
    assert lrsweep.gather(table, "x", bins=2)["x"].tolist() == pytest.approx([1, np.nan, 3, np.inf, 1], nan_ok=True)


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ([0.1, 0.01, 0.001], True),
        ([64, 128, 256, 512], True),
        (np.geomspace(1e-4, 1, 25).tolist() + np.linspace(0.2, 0.25, 48).tolist(), True),  # zoomed into
        (range(1, 20), False),
        (range(-5, 5), False),
        ([0, 0.5, 0.9], False),
        ([0.1, 0.3], True),
        ([0.1], True),
        ([], True),
        ([np.nan, 0.1, 1, 10], True),
    ],
)
def test_a_scale_is_logarithmic_where_positive_values_are_more_even_so(values: Any, logarithmic: bool) -> None:
    assert is_logarithmic(np.array(values, float)) is logarithmic


@pytest.mark.parametrize(
    ("name", "bins", "said"),
    [
        ("y", 2, "there is no column 'y'"),
        ("word", 2, "column 'word' does not hold numbers"),
        ("x", 0, "bins=0 must be 1 or more"),
    ],
)
def test_what_cannot_be_gathered_is_refused(name: str, bins: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.gather(pd.DataFrame({"x": [1, 2], "word": ["a", "b"]}), name, bins=bins)
