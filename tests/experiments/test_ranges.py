"""The study of the range test: what it measures of the suggestions, and what it draws."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.experiments.test_studies import EXPERIMENTS, load

ranges = load("ranges")
INF, NAN = np.inf, np.nan

# By rule two pairs each, whose losses start at 10 and can reach 0 and 2.
LINE, DIGITS = ("line", 0.1, 0.0, 10.0), ("digits MLP", 1.0, 2.0, 10.0)
PAIRS: dict[str, list[tuple[Any, ...]]] = {
    "steepest": [(*LINE, 0.1, 0.0, 0.1, 0.2, 2.0), (*DIGITS, 4.0, INF, 2.0, 4.0, 1.0)],
    "minimum_over_ten": [(*LINE, 0.05, 1.0, 0.05, 0.5, 1.0), (*DIGITS, 0.5, 2.4, 1.0, 0.5, 1.0)],
    "valley": [(*LINE, 0.001, 9.0, 0.01, 0.001, 1.0), (*DIGITS, NAN, NAN, NAN, NAN, 1.0)],
    "steepest by rate": [(*LINE, 1e-6, 10.0, 1e-4, 1e-6, NAN), (*DIGITS, 1e-6, 10.0, 1e-4, 1e-6, NAN)],
    "default": [(*LINE, 0.001, 9.0, 0.001, 0.001, NAN), (*DIGITS, 0.001, 8.0, 0.001, 0.001, NAN)],
}
COLUMNS = [
    *("objective", "best", "best_loss", "initial_loss"),
    *("learning_rate", "loss", "by_low", "by_high", "apart"),
]


@pytest.fixture
def measured() -> pd.DataFrame:
    rows = [dict(zip(COLUMNS, pair, strict=True)) | {"rule": rule} for rule, pairs in PAIRS.items() for pair in pairs]
    return ranges.measure(pd.DataFrame(rows))


def test_regret_is_the_missed_share_of_what_the_best_learning_rate_brings(measured: pd.DataFrame) -> None:
    assert measured["regret"].tolist() == pytest.approx([0, INF, 0.1, 0.05, 0.9, INF, 1, 1, 0.9, 0.75])
    assert measured["times"].tolist()[:4] == pytest.approx([1, 4, 0.5, 0.5])
    assert measured["low_moves"].tolist()[:5] == pytest.approx([1, 2, 1, 2, 10])
    assert measured["high_moves"].tolist()[:4] == pytest.approx([2, 1, 10, 1])


def test_rules_are_judged_by_medians_over_the_pairs(measured: pd.DataFrame) -> None:
    verdicts = ranges.judge(measured)
    assert list(verdicts.index) == list(ranges.RULES)
    # More than nine tenths are missed where the loss stays where it began, diverges, or nothing is suggested.
    assert verdicts["lost"].tolist() == [1, 0, 1, 2, 0]
    assert verdicts["good"].tolist() == [0.5, 0.5, 0, 0, 0]
    assert verdicts.loc["minimum_over_ten", ["times", "off", "regret", "worst"]].tolist() == pytest.approx(
        [0.5, 2, 0.075, 0.1]
    )


def test_lightnings_rule_is_the_least_slope_against_the_learning_rate_itself() -> None:
    rates = np.geomspace(1e-3, 1, 40)
    # Falls evenly in the logarithm, so that per unit of the learning rate it falls the most at the smallest.
    medians = pd.DataFrame({"learning_rate": rates, "smoothed": -np.log(rates)})
    assert ranges.steepest_by_rate(medians) == rates[10]
    assert np.isnan(ranges.steepest_by_rate(medians[:12]))


def test_every_suggestion_is_drawn_with_what_it_misses(measured: pd.DataFrame) -> None:
    far, cost = ranges.draw(measured).axes
    assert (far.get_xscale(), far.get_xlabel(), cost.get_xlabel()) == (
        "log",
        "learning rate / best",
        "regret: missed share",
    )
    assert [label.get_text() for label in far.get_yticklabels()] == [
        "steepest",
        "minimum / 10",
        "valley",
        "steepest by rate",
        "default",
    ]
    points = np.concatenate([np.asarray(dots.get_offsets()) for dots in far.collections])
    by_row = {row: sorted(x for x, y in points.tolist() if round(y) == row) for row in range(5)}
    assert by_row[0] == pytest.approx([1, 4])
    assert by_row[3] == pytest.approx([1e-6, 1e-5])
    drawn = np.concatenate([np.asarray(dots.get_offsets()) for dots in cost.collections if len(dots.get_offsets())])
    assert drawn[:, 0].max() == pytest.approx(1.1)


def test_what_of_the_claim_does_not_hold_is_told() -> None:
    columns = ["times", "off", "regret", "worst", "good", "lost", "low_moves", "high_moves", "apart"]
    verdicts = pd.DataFrame(
        [
            [0.9, 3.0, 0.01, INF, 0.8, 4, 1.5, 1.0, 2.0],
            [0.5, 3.0, 0.0, 0.3, 0.9, 0, 1.3, 1.0, 2.0],
            [0.01, 70.0, 0.4, 1.0, 0.2, 9, 7.0, 1.0, 2.0],
            [1e-6, 1e6, 1.0, 1.0, 0.0, 40, 60.0, 1.0, NAN],
            [0.01, 200.0, 0.5, 1.0, 0.2, 9, 1.0, 1.0, NAN],
        ],
        index=pd.Index(ranges.RULES),
        columns=pd.Index(columns),
    )
    assert ranges.failures(verdicts) == []
    (told,) = ranges.failures(verdicts.assign(lost=0))
    assert told == "the steepest descent is lost more often"
    assert len(ranges.failures(verdicts.assign(off=100.0, regret=0.0))) == 4


@pytest.mark.slow
def test_the_quick_study_runs_and_draws(tmp_path: Path) -> None:
    command = [sys.executable, EXPERIMENTS / "ranges.py", "--quick", "--out", tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"ranges.png", "ranges.csv"}
    with Image.open(tmp_path / "ranges.png") as picture:
        assert min(picture.size) > 300
    found = pd.read_csv(tmp_path / "ranges.csv")
    assert len(found) == 4 * len(ranges.RULES)
    line = found[(found["objective"] == "line") & (found["optimizer"] == "sgd")].set_index("rule")
    # Gradient descent converges fastest near 0.225, and diverges above 0.254.
    assert line["best"].between(0.08, 0.254).all()
    assert np.isinf(line["regret"]).tolist() == (line["learning_rate"] > 0.254).tolist()
