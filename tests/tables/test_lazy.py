"""lazy_grid(): the rows of grid(), made by range."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrsweep
from lrsweep.tables._lazy import LazyTrials

AXES = {"learning_rate": [0.1, 0.01, 0.5], "activation": ["relu", "tanh"], "width": [2, 4], "seed": range(3, 11, 2)}


@given(st.integers(0, 48), st.integers(0, 48))
def test_any_range_of_rows_is_that_of_the_whole_table(first: int, end: int) -> None:
    part = lrsweep.lazy_grid(**AXES).rows(first, end)
    pd.testing.assert_frame_equal(part, lrsweep.grid(**AXES).iloc[first:end], check_exact=True)


def test_a_range_takes_no_memory_however_long_it_is() -> None:
    trials = lrsweep.lazy_grid(learning_rate=[0.1, 0.01], seed=range(10**15))
    assert len(trials) == 2 * 10**15
    assert trials.rows(10**15, 10**15 + 2).to_numpy().tolist() == [[0.01, 0], [0.01, 1]]
    assert len(trials.sample()) == 2


def test_a_sample_has_every_value_and_every_combination_of_what_is_compiled_for() -> None:
    sample = LazyTrials(lrsweep.lazy_grid(**AXES).axes).sample(["width"])
    assert {name: sorted(set(sample[name])) for name in sample} == {
        "learning_rate": [0.01, 0.1, 0.5],
        "activation": ["relu", "tanh"],
        "width": [2, 4],
        "seed": [3, 9],
    }
    assert sample.groupby(["activation", "width"]).size().tolist() == [3, 3, 3, 3]


def test_what_no_grid_can_be_made_of_is_refused() -> None:
    with pytest.raises(lrsweep.InputError, match="needs at least one column"):
        lrsweep.lazy_grid()
    with pytest.raises(lrsweep.InputError, match="column 'seed' of the grid has no values"):
        lrsweep.lazy_grid(seed=range(0))
    with pytest.raises(lrsweep.InputError, match="column 'momentum' of a lazy grid has a missing value"):
        lrsweep.lazy_grid(momentum=[None, 0.9])
