"""What a range test says: smoothing, ends, medians and suggestions, against loops and closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrsweep.statistics._range_test import (
    end_where_diverged,
    median_over_seeds,
    minimum_over_ten,
    smooth,
    steepest,
    suggest,
    valley,
)

NAN, INF = np.nan, np.inf
CURVES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=12).map(np.array)


@given(CURVES, st.floats(0, 0.99))
def test_smoothed_losses_are_means_weighted_by_powers_of_the_smoothing(losses: np.ndarray, smoothing: float) -> None:
    weights = [smoothing ** np.arange(k, -1, -1.0) for k in range(len(losses))]
    expected = [losses[: k + 1] @ weights[k] / weights[k].sum() for k in range(len(losses))]
    np.testing.assert_allclose(smooth(losses, smoothing), expected, rtol=1e-9, atol=1e-12)


def test_from_the_first_loss_that_is_not_finite_there_is_no_smoothed_one() -> None:
    losses = np.array([[2.0, INF, 1.0, 1.0], [2.0, 2.0, NAN, 1.0], [NAN, 1.0, 1.0, 1.0], [-INF, 1.0, 1.0, 1.0]])
    assert np.isfinite(smooth(losses, 0.9)).sum(axis=1).tolist() == [1, 2, 0, 0]


@given(CURVES, st.floats(1.01, 8))
def test_a_curve_ends_with_its_first_loss_above_a_multiple_of_its_least(losses: np.ndarray, divergence: float) -> None:
    expected, ended = [], False
    for k, loss in enumerate(losses):
        expected.append(NAN if ended else loss)
        ended |= bool(loss - min(losses[: k + 1]) > (divergence - 1) * min(losses[: k + 1]))
    np.testing.assert_array_equal(end_where_diverged(losses, divergence), expected)


def test_rises_are_measured_from_the_minimum() -> None:
    losses = np.array([-8.0, -9.0, -5.9, -5.0])
    # Of a gap of 1 at the least it has risen to 4.1.
    assert end_where_diverged(losses, 4.0, minimum=-10.0).tolist()[:3] == [-8.0, -9.0, -5.9]
    assert np.isnan(end_where_diverged(losses, 4.0, minimum=-10.0)[3])
    # Without a known minimum, a negative loss is no divergence by itself.
    np.testing.assert_array_equal(end_where_diverged(losses, 4.0), losses)


def test_without_a_bound_nothing_finite_ends_a_curve() -> None:
    losses = np.array([1.0, 1e30, NAN, NAN])
    np.testing.assert_array_equal(end_where_diverged(losses, INF), losses)


def test_the_median_over_seeds_is_numpys_and_ends_where_half_of_them_have() -> None:
    curves = np.array([[1.0, 5.0, NAN, NAN], [2.0, 6.0, 3.0, NAN], [6.0, 7.0, 4.0, 9.0], [9.0, 8.0, 5.0, 9.0]])
    np.testing.assert_array_equal(median_over_seeds(curves), [*np.median(curves[:, :2], axis=0), 4.5, NAN])
    np.testing.assert_array_equal(median_over_seeds(curves[:1]), curves[0])


def longest_falls(losses: np.ndarray) -> set[tuple[int, int]]:
    """The length of the longest falling subsequences of two losses or more, and where each of them ends."""
    places = range(len(losses))
    for length in range(len(losses), 1, -1):
        chosen = [
            picked for picked in itertools.combinations(places, length) if (np.diff(losses[list(picked)]) < 0).all()
        ]
        if chosen:
            return {(length, picked[-1]) for picked in chosen}
    return set()


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8).map(np.array))
def test_the_valley_is_the_middle_of_the_longest_fall_by_trying_all(losses: np.ndarray) -> None:
    rates, falls = np.arange(1.0, 1 + len(losses)), longest_falls(losses)
    if not falls:
        assert np.isnan(valley(rates, losses))
        return
    length, end = min(falls)
    assert valley(rates, losses) == rates[max(0, end - length + length // 3 + int(length / 3 / 2))]


@given(CURVES)
def test_the_steepest_fall_and_the_least_loss_are_those_that_a_loop_finds(losses: np.ndarray) -> None:
    rates = np.geomspace(1.0, 2.0, len(losses))
    falls = [losses[k + 1] - losses[k] for k in range(len(losses) - 1)]
    found, tenth = steepest(rates, losses), minimum_over_ten(rates, losses)
    if falls and min(falls) < 0:
        assert losses[np.flatnonzero(rates == found)[0] + 1] - losses[rates == found][0] == min(falls)
    else:
        assert np.isnan(found)
    least = losses.tolist().index(losses.min())
    assert np.isnan(tenth) if least == 0 else tenth == rates[least] / 10


def test_uneven_learning_rates_are_compared_by_the_slope_in_their_logarithm() -> None:
    assert steepest(np.array([1.0, 10.0, 11.0]), np.array([9.0, 7.0, 6.0])) == 10.0


def test_suggestions_leave_out_the_first_tenth_and_the_last_five_losses() -> None:
    rates = np.geomspace(1e-4, 1, 40)
    losses = np.r_[np.linspace(9, 5, 5), np.linspace(4.9, 4, 25), np.linspace(3, 1, 5), np.full(5, NAN)]
    found = suggest(rates, losses)
    # From the fifth loss to the thirtieth: the large falls lie before and after.
    assert found["minimum_over_ten"] == rates[29] / 10
    assert found["steepest"] == rates[4]
    assert found["valley"] == rates[4 - 1 + 26 // 3 + int(26 / 3 / 2)]


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, NAN], [NAN] * 20, [3.0, 2.0, 1.0, 0.5, 0.2, 0.1], [1.0] * 20])
def test_too_short_and_flat_curves_suggest_nothing(losses: list[float]) -> None:
    curve = np.array(losses)
    assert all(map(np.isnan, suggest(np.geomspace(1, 2, len(curve)), curve).values()))
