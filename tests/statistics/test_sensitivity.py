"""What it costs to miss the best learning rate: against losses whose range is known, and the formula as a loop."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from tests.statistics.test_summary import table

RATES = np.geomspace(1e-4, 1, 9)


def valley(best: float = 1e-2, *, fall: float = 1.0, rise: float = 2.0, least: float = 0.5) -> list[float]:
    """Losses that are powers of the learning rate on both sides of the best: straight in logarithms."""
    return [float(least * max((rate / best) ** -fall, (rate / best) ** rise)) for rate in RATES]


def results(losses: list[float], *, start: float = 10.0, rates: Any = RATES, **columns: Any) -> pd.DataFrame:
    rows = [
        (rate, "slow" if np.isfinite(loss) else "diverged", None, loss)
        for rate, loss in zip(rates, losses, strict=True)
    ]
    trials = table(rows, ("learning_rate",))
    trials["initial_loss"] = start
    for name, value in columns.items():
        trials.insert(0, name, value)
    return trials


def row(*arguments: Any, factor: float = 2.0, **keywords: Any) -> dict[str, Any]:
    cost = lrsweep.sensitivity(results(*arguments, **keywords), factor=factor)
    assert len(cost) == 1
    return {str(name): value for name, value in cost.iloc[0].items()}


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 8.0])
def test_the_range_is_where_the_powers_cross_the_bound(factor: float) -> None:
    cost = row(valley(), factor=factor)
    assert (cost["learning_rate"], cost["median_final_loss"]) == (pytest.approx(1e-2), pytest.approx(0.5))
    assert cost["low"] == pytest.approx(1e-2 / factor)
    assert cost["high"] == pytest.approx(1e-2 * factor**0.5)
    assert cost["decades"] == pytest.approx(1.5 * np.log10(factor))
    assert (cost["open_below"], cost["open_above"]) == (False, False)


def test_the_sensitivity_is_the_mean_of_what_is_lost_against_the_best() -> None:
    losses, start = valley(), 3.0
    total = 0.0
    for loss in losses:
        total += min(loss, start) - min(losses)
    assert row(losses, start=start)["sensitivity"] == pytest.approx(total / len(losses))


def test_a_range_that_runs_to_the_end_of_the_grid_is_open_there() -> None:
    falling = row(valley(best=1.0), factor=4.0)
    assert falling["high"] == 1.0
    assert (falling["open_below"], falling["open_above"]) == (False, True)
    rising = row(valley(best=1e-4), factor=4.0)
    assert rising["low"] == 1e-4
    assert (rising["open_below"], rising["open_above"]) == (True, False)


def test_beside_divergence_and_around_a_loss_of_0_the_end_is_a_learning_rate_that_was_tried() -> None:
    losses = valley()
    best = int(np.argmin(losses))
    losses[best + 1 :] = [np.inf] * len(losses[best + 1 :])
    cost = row(losses)
    assert (cost["high"], cost["open_above"]) == (pytest.approx(1e-2), False)
    assert cost["sensitivity"] == pytest.approx(np.mean(np.minimum(losses, 10.0)) - 0.5)
    nothing = row([1.0, 0.0, 0.0, 1.0], rates=[0.1, 0.2, 0.4, 0.8])
    assert [nothing[name] for name in ("learning_rate", "low", "high")] == [0.2, 0.2, 0.4]


def test_a_second_valley_is_not_in_the_range() -> None:
    cost = row([1.0, 4.0, 0.9, 4.0], rates=[0.1, 1.0, 10.0, 100.0])
    # A line from 0.9 to 4 in the logarithm, which crosses 1.8 at this part of a decade.
    part = np.log(1.8 / 0.9) / np.log(4 / 0.9)
    assert (cost["low"], cost["high"]) == (pytest.approx(10 ** (1 - part)), pytest.approx(10 ** (1 + part)))


def test_medians_over_seeds_and_a_row_for_each_of_the_other_settings() -> None:
    seeds = [results(list(np.multiply(valley(), scale)), seed=seed) for seed, scale in enumerate((1.0, 5.0, 2.0))]
    seeds[1].loc[seeds[1]["learning_rate"] > 0.5, ["status", "final_loss"]] = "diverged", np.nan
    first = pd.concat(seeds, ignore_index=True)
    second = results(valley(best=1e-3), seed=0)
    for number, part in enumerate((first, second)):
        part.insert(0, "optimizer", ["sgd", "adam"][number])
        part.insert(1, "momentum", [0.9, np.nan][number])
    both = lrsweep.sensitivity(pd.concat([first, second], ignore_index=True))
    assert both[["optimizer", "momentum"]].fillna(-1).to_numpy().tolist() == [["sgd", 0.9], ["adam", -1]]
    assert both["median_final_loss"].tolist() == pytest.approx([1.0, 0.5])
    alone = lrsweep.sensitivity(second.drop(columns=["optimizer", "momentum", "seed"]))
    assert both.iloc[1].drop(["optimizer", "momentum"]).to_dict() == alone.iloc[0].to_dict()


def test_with_one_learning_rate_there_is_nothing_to_miss() -> None:
    cost = row([0.5], rates=[0.1])
    assert [cost[name] for name in ("learning_rate", "sensitivity", "low", "high", "decades")] == [0.1, 0, 0.1, 0.1, 0]
    assert cost["open_below"]
    assert cost["open_above"]


def test_where_all_diverged_there_is_no_best_and_a_negative_loss_has_no_range() -> None:
    cost = row([np.inf, np.inf], rates=[0.1, 0.2])
    assert np.isnan([cost[name] for name in ("learning_rate", "sensitivity", "low", "high", "decades")]).all()
    negative = row([-1.0, -3.0], rates=[0.1, 0.2])
    assert (negative["learning_rate"], negative["sensitivity"]) == (0.2, 1.0)
    assert np.isnan([negative[name] for name in ("low", "high", "decades")]).all()


def test_of_an_empty_table_there_are_the_columns() -> None:
    full = lrsweep.sensitivity(results(valley(), momentum=0.9))
    empty = lrsweep.sensitivity(results(valley(), momentum=0.9).head(0))
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_what_has_no_sensitivity_is_refused() -> None:
    with pytest.raises(ValueError, match="the table has no column 'learning_rate'"):
        lrsweep.sensitivity(results(valley()).drop(columns="learning_rate"))
    with pytest.raises(ValueError, match="factor=0.5 must be a finite number, 1 or more"):
        lrsweep.sensitivity(results(valley()), factor=0.5)
    with pytest.raises(ValueError, match="not a result table"):
        lrsweep.sensitivity(results(valley()).drop(columns="steps"))
