"""By when a share of the trials has arrived: against SciPy's estimate, and by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from lrsweep.statistics._survival import time_quantiles

SHARES = [0.25, 0.5, 0.75]
NEVER = np.inf

trials = st.lists(st.tuples(st.integers(1, 6) | st.just(NEVER), st.booleans()), min_size=1, max_size=12)


def quantiles(times: list[float], arrived: list[bool]) -> list[float]:
    by_share = time_quantiles(np.array([times], float), np.array([arrived], bool), SHARES)
    return [float(each[0]) for each in by_share]


@given(trials)
def test_it_is_where_scipys_estimate_falls_to_what_is_left(drawn: list[tuple[float, bool]]) -> None:
    # One that never arrives is watched beyond all others.
    times = [min(time, 99.0) for time, _ in drawn]
    arrived = [arrives and time < 99 for time, arrives in drawn]
    sample = stats.CensoredData(
        uncensored=[time for time, arrives in zip(times, arrived, strict=True) if arrives],
        right=[time for time, arrives in zip(times, arrived, strict=True) if not arrives],
    )
    left = stats.ecdf(sample).sf
    expected = []
    for share in SHARES:
        reached = left.quantiles[left.probabilities <= 1 - share + 1e-12]
        expected.append(reached.min() if len(reached) else np.nan)
    assert quantiles([time for time, _ in drawn], arrived) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("times", "arrived", "expected"),
    [
        ([1, 2, 3, 4], [True] * 4, [1, 2, 3]),
        ([7], [True], [7, 7, 7]),
        ([5, 5, 5, 9], [True] * 4, [5, 5, 5]),
        ([9, 9], [False] * 2, [np.nan] * 3),
        ([NEVER, NEVER], [False] * 2, [np.nan] * 3),
        # Exactly half; one fewer than half.
        ([3, 8, NEVER, NEVER], [True, True, False, False], [3, 8, np.nan]),
        ([3, 8, NEVER, NEVER, NEVER], [True, True, False, False, False], [8, np.nan, np.nan]),
        # One censored at 1 stands for none of the rest: 3 are left, of which a third arrives at each time.
        ([1, 2, 3, 4], [False, True, True, True], [2, 3, 4]),
        # One that is censored at the time at which others arrive was still watched then: 1 - 2/3.
        ([5, 5, 5], [True, True, False], [5, 5, np.nan]),
    ],
)
def test_quantiles_by_hand(times: list[float], arrived: list[bool], expected: list[float]) -> None:
    assert quantiles(times, arrived) == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 3)), min_size=1, max_size=8))
def test_a_trial_that_counts_several_times_is_several_trials(drawn: list[tuple[int, bool, int]]) -> None:
    assume(any(count for *_, count in drawn))
    times, arrived, counts = (np.array([column]) for column in zip(*drawn, strict=True))
    counted = time_quantiles(times.astype(float), arrived, SHARES, counts)
    repeated = quantiles(np.repeat(times, counts[0]).tolist(), np.repeat(arrived, counts[0]).tolist())
    assert [float(each[0]) for each in counted] == pytest.approx(repeated, nan_ok=True)
