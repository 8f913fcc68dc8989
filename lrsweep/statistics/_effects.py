"""By how much the second trial of each pair differs from the first, and whether the seeds' spread explains it."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.statistics._pairs import Pairs
from lrsweep.statistics._summary import convergence_times, outcome_values
from lrsweep.tables._schema import CONVERGED_AT, MAX, MIN, mode_of

RATIO, DIFFERENCE = "ratio", "difference"

# Numbers count as equal that differ by no more than this share of the greater: what rounding in 32 bits comes to over
# the updates of a trial. Two machines, or two versions of a compiler, differ so.
ROUNDING = 1e-5


class Effects(NamedTuple):
    """By how much the trials of pairs differ.

    Attributes:
        measure: What is taken of two values: "ratio", B's as a multiple of A's, or "difference", B's less A's.
        values: ``[pair]`` float; NaN where a pair tells nothing.
        greater_is_better: Whether B is the better one where the value is great.
    """

    measure: str
    values: np.ndarray
    greater_is_better: bool

    @property
    def none(self) -> float:
        """The value of a pair in which the two do not differ."""
        return 1.0 if self.measure == RATIO else 0.0


def effects_of(pairs: Pairs, outcome: str, measure: str | None = None) -> Effects:
    """Takes the ratio of an outcome of each pair, or its difference.

    A ratio is taken where less is better and no value is negative, otherwise a difference. Of `converged_at` a pair in
    which one trial converges counts as infinite, or 0; a pair tells nothing where none does, or where one trial's steps
    ran out before the other converged. Of any other outcome a trial that diverged is infinitely bad; a pair tells
    nothing where both diverged or a value is missing.

    Args:
        pairs: The trials in pairs.
        outcome: A column of numbers of both.
        measure: What to take; None for what is said above.

    Example:
        >>> from lrsweep.statistics._pairs import pair_trials
        >>> pairs = pair_trials(result.table, result.table.assign(converged_at=[102, 526, None]))
        >>> effects_of(pairs, "converged_at").values
        array([ 2.,  1., nan])
    """
    if outcome == CONVERGED_AT:
        a, b = _times(pairs)
    else:
        a, b = outcome_values(pairs.a, outcome), outcome_values(pairs.b, outcome)
    mode = mode_of(pairs.a, outcome)
    if measure is None:
        is_ratio = mode == MIN and not (np.fmin(a, b) < 0).any()
        measure = RATIO if is_ratio else DIFFERENCE
    same = np.isclose(a, b, rtol=ROUNDING, atol=0)
    with np.errstate(all="ignore"):
        values = b / a if measure == RATIO else b - a
    values[same] = 1.0 if measure == RATIO else 0.0
    values[np.isinf(a) & (a == b)] = np.nan
    return Effects(measure, values, mode == MAX)


def _times(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Gives when the trials of each pair converged, infinity where only the other did; NaN where a pair tells nothing.

    Returns:
        ``[pair]`` float, of each table.
    """
    (a, converged_a), (b, converged_b) = convergence_times(pairs.a), convergence_times(pairs.b)
    tells = (converged_a & converged_b) | (converged_a & (a <= b)) | (converged_b & (b <= a))
    first, second = np.where(converged_a, a, np.inf), np.where(converged_b, b, np.inf)
    return np.where(tells, first, np.nan), np.where(tells, second, np.nan)


def middle(values: np.ndarray, measure: str) -> float:
    """Gives the median of ratios or differences; between two ratios that is their geometric mean.

    So the median does not depend on which of two tables is the first. It is NaN where there are no values, and where it
    would lie between 0 and infinity.

    Example:
        >>> middle(np.array([4.0, 0.25, 0.5, 2.0]), "ratio"), middle(np.array([1.0, np.inf, 3.0]), "difference")
        (1.0, 3.0)
    """
    if len(values) == 0:
        return float("nan")
    ordered = np.sort(values)
    below, above = ordered[(len(values) - 1) // 2], ordered[len(values) // 2]
    if below == above:
        return float(below)
    with np.errstate(invalid="ignore"):
        return float(np.sqrt(below * above) if measure == RATIO else (below + above) / 2)


def estimate(effects: Effects, level: float) -> dict[str, Any]:
    """Gives the median of pairs, its interval, and how surely it is not that of no difference.

    The interval is exact whatever the distribution: its ends are values of single pairs, so far out in the order of all
    that a fair coin would fall so unevenly with that probability (Thompson, 1936, doi:10.1214/aoms/1177732502). The
    test is the sign test, and a pair of equals counts against a difference (SciPy's `quantile_test`).

    Args:
        effects: Those of some pairs.
        level: How sure the interval is to hold the median.

    Returns:
        `compared` (int), how many pairs tell something; by the name of the measure the median; `low`, `high`, NaN where
        there are too few pairs for an interval; and `p_value`, NaN where there are none.

    Example:
        >>> effects = Effects("ratio", np.array([0.5, 0.6, 0.7, 0.7, 0.8, 0.9]), False)
        >>> {name: round(value, 3) for name, value in estimate(effects, 0.95).items()}
        {'compared': 6, 'ratio': 0.7, 'low': 0.5, 'high': 0.9, 'p_value': 0.031}
    """
    from scipy import stats  # half a second, which only a comparison has to wait for

    values = effects.values[~np.isnan(effects.values)]
    found = {"compared": len(values), effects.measure: middle(values, effects.measure)}
    if len(values) == 0:
        return found | {"low": np.nan, "high": np.nan, "p_value": np.nan}
    none: Any = effects.none  # which older stubs of SciPy want to be whole
    test = stats.quantile_test(values, q=none, p=0.5)
    low, high = map(float, test.confidence_interval(level))
    if np.isnan(low) or np.isnan(high):
        low = high = np.nan
    return found | {"low": low, "high": high, "p_value": min(1.0, float(test.pvalue))}


def least_pairs(level: float) -> int:
    """Gives how many pairs it takes for an interval, and so to tell a difference from chance.

    Example:
        >>> least_pairs(0.95), least_pairs(0.99)
        (6, 8)
    """
    return int(np.ceil(np.log2(2 / (1 - level)) - 1e-9))


def count_status(pairs: Pairs, status: str) -> dict[str, np.ndarray]:
    """Counts, setting by setting, in how many pairs both trials ended so, only A's, or only B's.

    Returns:
        Columns by name, ``[setting]``: the counts, and McNemar's exact test of whether the shares in A and in B differ
        (McNemar, 1947, doi:10.1007/BF02295996), which is 1 where no pair tells.

    Example:
        >>> from lrsweep.statistics._pairs import pair_trials
        >>> pairs = pair_trials(result.table, result.table.assign(status=["slow", "converged", "slow"]))
        >>> count_status(pairs, "converged")
        {'converged_both': array([0, 1, 0]), 'converged_a_only': array([1, 0, 0]),
         'converged_b_only': array([0, 0, 0]), 'converged_p_value': array([1., 1., 1.])}
    """
    from scipy import stats

    a, b = ((table["status"] == status).to_numpy() for table in (pairs.a, pairs.b))
    both, only_a, only_b = (
        np.bincount(pairs.setting[here], minlength=len(pairs.settings)) for here in (a & b, a & ~b, b & ~a)
    )
    fewer = stats.binom.cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5)
    return {
        f"{status}_both": both,
        f"{status}_a_only": only_a,
        f"{status}_b_only": only_b,
        f"{status}_p_value": np.minimum(1.0, 2 * fewer),
    }


def discoveries(p_values: np.ndarray, level: float) -> np.ndarray:
    """Tells which of many tests find a difference, so that of those at most a share of `1 - level` is expected to err.

    That is the procedure of Benjamini and Hochberg, 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.

    Args:
        p_values: ``[test]`` float; NaN where there was nothing to test.
        level: 1 less that share.

    Example:
        >>> discoveries(np.array([0.001, 0.04, np.nan, 0.9]), 0.95)
        array([ True, False, False, False])
    """
    from scipy import stats

    found, tested = np.full(len(p_values), False), ~np.isnan(p_values)
    if tested.any():
        adjusted: Any = stats.false_discovery_control(p_values[tested])
        found[tested] = adjusted <= 1 - level + 1e-12
    return found


def most_steps(pairs: Pairs) -> tuple[float, float]:
    """Gives how many updates the longest trial of each table made that was not ended early; NaN where there is none.

    Example:
        >>> from lrsweep.statistics._pairs import pair_trials
        >>> most_steps(pair_trials(result.table, result.table.assign(steps=500)))
        (1000.0, 500.0)
    """
    early = ["converged", "diverged", "dropped"]
    a, b = (table["steps"][~table["status"].isin(early)].max() for table in (pairs.a, pairs.b))
    return float(a) if pd.notna(a) else np.nan, float(b) if pd.notna(b) else np.nan


class Sameness(NamedTuple):
    """How far the trials of pairs are the same.

    Attributes:
        rows: ``[pair]`` bool, whether they agree in every column of results that both tables have.
        but_for_rounding: Whether all that is not a float agrees in every pair, and floats differ by rounding alone.
        greatest: The most by which a float differs, as a share of the greater.
    """

    rows: np.ndarray
    but_for_rounding: bool
    greatest: float


def sameness_of(pairs: Pairs) -> Sameness:
    """Compares the trials of pairs column by column.

    Example:
        >>> from lrsweep.statistics._pairs import pair_trials
        >>> sameness_of(pair_trials(result.table, result.table)).rows.all()
        np.True_
    """
    start = pairs.a.columns.get_loc("status")
    rows, is_rounding, greatest = np.full(len(pairs.a), True), True, 0.0
    for name in pairs.a.columns[start:]:
        if name not in pairs.b.columns:
            continue
        a, b = pairs.a[name], pairs.b[name]
        if pd.api.types.is_float_dtype(a) and pd.api.types.is_float_dtype(b):
            of_a, of_b = a.to_numpy(float, na_value=np.nan), b.to_numpy(float, na_value=np.nan)
            agree = (of_a == of_b) | (np.isnan(of_a) & np.isnan(of_b))
            with np.errstate(all="ignore"):
                apart = np.abs(of_a - of_b) / np.maximum(np.abs(of_a), np.abs(of_b))
            apart = np.where(agree, 0.0, np.nan_to_num(apart, nan=np.inf))
            greatest = max(greatest, float(apart.max()))
        else:
            of_a, of_b = (column.astype(object) for column in (a, b))
            agree = ((of_a == of_b) | (of_a.isna() & of_b.isna())).to_numpy(bool)
            is_rounding = is_rounding and bool(agree.all())
        rows &= agree
    return Sameness(rows, is_rounding and greatest <= ROUNDING, greatest)
