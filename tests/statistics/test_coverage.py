"""The intervals hold the truth as often as they should: measured where the truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lrsweep
from lrsweep.tables._schema import RESULT_DTYPES

# A fair measurement falls below its bound once in a thousand.
CHANCE = 0.001


def trials_of(rate: np.ndarray, seed: np.ndarray, status: np.ndarray, loss: np.ndarray, at: np.ndarray) -> pd.DataFrame:
    """A result table of trials, with when those that converged did so."""
    frame = pd.DataFrame({"learning_rate": rate, "seed": seed, "status": status, "final_loss": loss})
    frame = frame.assign(steps=1000, converged_at=np.where(status == "converged", at, np.nan))
    frame = frame.assign(**{name: 1 for name in RESULT_DTYPES if name not in frame})
    return frame[["learning_rate", "seed", *RESULT_DTYPES]].astype(RESULT_DTYPES)


def exact_coverage(share: float, trials: int) -> float:
    """How often SciPy's interval holds a share: the sum over every count that leads to one that does."""
    counts = np.arange(trials + 1)
    intervals = [stats.binomtest(count, trials).proportion_ci(method="wilson") for count in counts]
    holds = np.array([low <= share <= high for low, high in intervals])
    return float(stats.binom.pmf(counts, trials, share)[holds].sum())


@pytest.mark.parametrize("trials", [10, 100])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8])
def test_the_interval_of_a_share_holds_it_as_often_as_it_should(share: float, trials: int) -> None:
    settings = 2000
    draw = np.random.default_rng(0)
    converged = draw.random((settings, trials)) < share
    table = trials_of(
        np.repeat(np.arange(settings), trials),
        np.tile(np.arange(trials), settings),
        np.where(converged, "converged", "slow").ravel(),
        loss=np.ones(settings * trials),
        at=np.ones(settings * trials),
    )
    summary = lrsweep.summarize(table)
    held = int(((summary["converged_low"] <= share) & (share <= summary["converged_high"])).sum())
    exact = exact_coverage(share, trials)
    low, high = stats.binom.ppf([CHANCE / 2, 1 - CHANCE / 2], settings, exact)
    assert low <= held <= high
    print(f"share {share}, {trials} trials: {held / settings:.3f} measured, {exact:.3f} exact")


def noisy_valley(draw: np.random.Generator, best: float, seeds: int) -> pd.DataFrame:
    """Trials whose loss and time are least around a learning rate: each seed's a little aside, and a little higher."""
    places = np.linspace(-4, 0, 17)
    aside, higher = 0.5 * draw.normal(size=seeds), draw.normal(size=seeds)
    noise = 0.1 * draw.normal(size=(len(places), seeds))
    loss = np.exp((places[:, None] - best - aside) ** 2 + higher + noise).ravel()
    steps = np.ceil(100 * loss)
    status = np.where(steps <= 1000, "converged", "slow")
    return trials_of(np.repeat(10.0**places, seeds), np.tile(np.arange(seeds), len(places)), status, loss, steps)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["steps", "loss"])
@pytest.mark.parametrize("seeds", [5, 20])
# One that was tried, and one halfway between two, where the next best is nearly as good.
@pytest.mark.parametrize("best", [-2.0, -1.87])
def test_the_interval_of_the_best_learning_rate_holds_it_as_often_as_it_should(
    rule: str, seeds: int, best: float
) -> None:
    tables, level = 200, 0.95
    draw = np.random.default_rng(0)
    # A great many seeds say which of the learning rates tried is best.
    truth = lrsweep.best_learning_rate(noisy_valley(draw, best, 50_000), rule=rule, resamples=1).learning_rate
    found = [
        lrsweep.best_learning_rate(noisy_valley(draw, best, seeds), rule=rule, level=level, resamples=200)
        for _ in range(tables)
    ]
    held = sum(each.low <= truth <= each.high for each in found)
    right = sum(each.learning_rate == truth for each in found)
    print(f"{rule}, {best}, {seeds} seeds: {held / tables:.3f} held {truth:.4f}, {right / tables:.3f} found it")
    assert held >= stats.binom.ppf(CHANCE, tables, level)
