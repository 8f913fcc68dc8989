"""What decides the best: a metric whose greatest value is the best is its negative whose least value is."""

import re
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

import lrsweep
from lrsweep.report._heatmap import _colours, layers_of
from lrsweep.report._page import make_page
from lrsweep.statistics._advice import advise
from lrsweep.statistics._best import rank
from lrsweep.statistics._conclusion import conclude
from lrsweep.statistics._display import columns_shown, summary_html
from lrsweep.statistics._verdict import judge
from lrsweep.studies._refine import _find
from lrsweep.tables._schema import Criterion, criterion_of, mode_of
from tests.statistics.test_summary import table as losses

MAX, MIN = Criterion("score", "max"), Criterion("score", "min")

statuses = st.sampled_from(["converged", "diverged", "slow", "stalled"])
scores = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0, np.nan])
cells = st.tuples(st.sampled_from([0.1, 0.2, 0.4]), st.sampled_from([0.0, 0.9]), st.integers(0, 3), statuses)


def decided_by(score: Any, mode: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table of trials whose best is decided by their score."""
    return table.assign(best_by="score", best_mode=mode, final_score=score, score_at_best=score)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table by its greatest score, and the same by the least of the negative."""
    rows = draw(st.lists(st.tuples(cells, st.integers(1, 3), scores), min_size=1, max_size=12))
    table = losses(
        [(*cell, when if cell[-1] == "converged" else None, 1.0) for cell, when, _ in rows],
        ("learning_rate", "momentum", "seed"),
    )
    score = np.array([score for *_, score in rows])
    return decided_by(score, "max", table), decided_by(-score, "min", table)


def negated(summary: pd.DataFrame) -> pd.DataFrame:
    """A summary whose quartiles of the score have the other sign, and so change places."""
    ends = {"lower_quartile": "upper_quartile", "median": "median", "upper_quartile": "lower_quartile"}
    columns = {
        f"{one}_{name}": -summary[f"{other}_{name}"]
        for name in ("final_score", "score_at_best")
        for one, other in ends.items()
    }
    return pd.DataFrame(summary).assign(**columns)


@settings(deadline=None, max_examples=25)
@given(pairs())
def test_every_function_says_of_a_score_what_it_says_of_its_negative(
    pair: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    greatest, least = pair
    assert (criterion_of(greatest), criterion_of(least)) == (MAX, MIN)
    by_greatest, by_least = lrsweep.summarize(greatest), lrsweep.summarize(least)
    assert_frame_equal(negated(by_greatest), pd.DataFrame(by_least))
    for rule in (None, "steps", "loss", "metric", "safe"):
        one, other = (lrsweep.best_learning_rate(table, rule=rule, resamples=9) for table in pair)
        # A NaN is what another is, and equals none.
        assert str(one) == str(other)
        ours, theirs = (lrsweep.best_setting(table, rule=rule) for table in pair)
        names = ["learning_rate", "momentum", "trials", "converged", "diverged"]
        assert_series_equal(ours[names], theirs[names])
        assert one.setting == ours[["learning_rate", "momentum"]].dropna().to_dict()
        assert one.setting.get("learning_rate", np.nan) == pytest.approx(one.learning_rate, nan_ok=True)
        if rule != "safe":
            assert rank(by_greatest, MAX, rule).index.tolist() == rank(by_least, MIN, rule).index.tolist()
    quartiles, mirrored = (lrsweep.summarize_outcome(table, "final_score") for table in pair)
    np.testing.assert_array_equal(quartiles["median"], -mirrored["median"])
    np.testing.assert_array_equal(quartiles["lower_quartile"], -mirrored["upper_quartile"])
    assert_frame_equal(
        lrsweep.outcome_map(greatest, "learning_rate", "momentum", "final_score"),
        -lrsweep.outcome_map(least, "learning_rate", "momentum", "final_score"),
    )
    rounds = [table.assign(round=0) for table in pair]
    found, same = (_find(table, "best") for table in rounds)
    assert_frame_equal(found, same)


def scored(rows: list[tuple[float, int, str, float]], mode: str = "max") -> pd.DataFrame:
    """A table of trials, none of which converged, by their learning rate, seed, status and score."""
    table = losses([(rate, seed, status, None, 1.0) for rate, seed, status, _ in rows])
    return decided_by([score for *_, score in rows], mode, table)


def test_where_none_converged_the_best_setting_is_the_one_that_numpy_picks() -> None:
    drawn = np.random.default_rng(0).normal(size=(5, 7))
    rates = [0.1, 0.2, 0.3, 0.4, 0.5]
    rows = [(rate, seed, "slow", drawn[at, seed]) for at, rate in enumerate(rates) for seed in range(7)]
    for mode, pick in (("max", np.argmax), ("min", np.argmin)):
        table, place = scored(rows, mode), int(pick(np.median(drawn, axis=1)))
        assert lrsweep.best_setting(table)["learning_rate"] == rates[place]
        assert lrsweep.best_learning_rate(table).setting == {"learning_rate": rates[place]}


@settings(deadline=None, max_examples=25)
@given(pairs())
def test_a_metric_that_decides_comes_before_how_many_trials_converged(
    pair: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    for table, sign, pick in zip(pair, (-1, 1), (max, min), strict=True):
        penalised = np.where(table["status"] == "diverged", sign * np.inf, table["final_score"])
        medians = {}
        for setting, rows in table.assign(final_score=penalised).groupby(["learning_rate", "momentum"]):
            known = rows["final_score"].dropna()
            if (rows["status"] != "diverged").any():
                medians[setting] = np.median(known) if len(known) else sign * np.inf
        best = lrsweep.best_learning_rate(table, resamples=1)
        assert best.rule == "metric"
        if not medians:
            assert best.setting == {}
            continue
        rate, momentum = best.setting["learning_rate"], best.setting["momentum"]
        assert medians[rate, momentum] == pick(medians.values())
        assert (best.learning_rate, rate, momentum) == (
            rate,
            *lrsweep.best_setting(table)[["learning_rate", "momentum"]],
        )


def test_among_settings_of_one_metric_the_loss_decides_and_by_steps_those_that_converged_come_first() -> None:
    table = scored([(0.1, 0, "slow", 0.9), (0.2, 0, "slow", 0.9), (0.4, 0, "converged", 0.8)])
    table = table.assign(final_loss=[0.5, 0.3, 1e-5], converged_at=pd.array([None, None, 9], dtype="Int64"))
    assert lrsweep.best_learning_rate(table)[:4:3] == (0.2, "metric")
    assert lrsweep.best_learning_rate(table, rule="steps").learning_rate == 0.4
    assert lrsweep.best_setting(table)["learning_rate"] == 0.2
    with pytest.raises(ValueError, match=r"'metric' goes by the metric of Objective\(best_by=...\)"):
        lrsweep.best_learning_rate(losses([(0.1, 0, "slow", None, 1.0)]), rule="metric")


def test_a_trial_that_diverged_is_the_worst_whatever_its_score() -> None:
    table = scored([(1.0, 0, "diverged", 0.99), (0.1, 0, "slow", 0.5)])
    assert lrsweep.best_setting(table)["learning_rate"] == 0.1
    assert lrsweep.summarize(table)["median_final_score"].tolist() == [-np.inf, 0.5]


WHERE_SAFE = losses(
    [
        (0.1, 0.0, 0, "slow", None, 3.0),
        (0.1, 0.9, 0, "converged", 20, 1.0),
        (0.2, 0.0, 0, "converged", 10, 1.0),
        (0.2, 0.9, 0, "converged", 15, 0.5),
        (0.3, 0.0, 0, "converged", 5, 0.1),
        (0.3, 0.9, 0, "diverged", None, np.inf),
    ],
    ("learning_rate", "momentum", "seed"),
).assign(initial_loss=3.0)


@pytest.mark.parametrize(("rule", "setting"), [("steps", (0.3, 0.0)), ("loss", (0.3, 0.0)), ("safe", (0.2, 0.0))])
def test_the_best_setting_goes_by_the_rules_of_the_best_learning_rate(rule: str, setting: tuple[float, float]) -> None:
    best = lrsweep.best_setting(WHERE_SAFE, rule=rule)
    assert (best["learning_rate"], best["momentum"]) == setting
    assert tuple(lrsweep.best_learning_rate(WHERE_SAFE, rule=rule).setting.values()) == setting


def test_where_no_learning_rate_is_safe_there_is_no_best_setting() -> None:
    table = losses([(0.1, 0, "diverged", None, np.inf), (0.2, 0, "slow", None, 1.0)])
    assert np.isnan(lrsweep.best_setting(table, rule="safe")["learning_rate"])
    assert lrsweep.best_learning_rate(table, rule="safe").setting == {}
    with pytest.raises(ValueError, match="no rule 'fast': .* steps, loss, metric, safe"):
        lrsweep.best_setting(table, rule="fast")
    with pytest.raises(ValueError, match="no column 'learning_rate', which the rule 'safe' is about"):
        lrsweep.best_setting(table.drop(columns="learning_rate"), rule="safe")


SCORES = scored([(0.1, 0, "slow", 0.7), (0.2, 0, "slow", 0.9), (0.4, 0, "diverged", np.nan)])
SCORES = SCORES.assign(steps=100, best_at=[100, 95, 0])


def test_sentences_speak_of_the_greatest() -> None:
    best = "Use learning_rate 0.2: its median final score, 0.9, is the greatest"
    improving = "It was still improving: give more steps."
    said = f"{best}. {improving} Stay clear of learning_rate 0.4: trials diverged there."
    assert advise(lrsweep.summarize(SCORES), SCORES) == judge(SCORES) == said
    assert "its median final loss, 1, is the least" in judge(SCORES, "loss")
    table = SCORES.assign(round=0)
    assert conclude(table, _find(table, "best"), {"around": "best", "width": 0.1}).startswith(f"{best}; ")


def test_where_the_metric_was_best_long_before_the_end_no_more_steps_are_advised() -> None:
    table = SCORES.assign(best_at=[100, 40, 0])
    past = "The loss was still falling, but score was best after 40 updates: more steps may not help."
    assert past in judge(table)
    assert past in advise(lrsweep.summarize(table), table)
    assert "give more steps" not in judge(table)
    twice = pd.concat([table, table.assign(seed=1, best_at=[100, 50, 0])], ignore_index=True)
    assert "best after a median of 45 updates" in judge(twice)


def test_what_a_metric_was_at_its_best_is_said_where_it_ended_lower() -> None:
    table = SCORES.assign(score_at_best=[0.7, 0.95, np.nan])
    assert "its median final score, 0.9, is the greatest (0.95 at its best)" in judge(table)
    # By the loss nothing is known of its own best updates.
    assert "at its best" not in judge(table, "loss")


def test_what_answers_for_the_table_comes_first_in_its_summary() -> None:
    summary = lrsweep.summarize(SCORES)
    assert list(summary.columns[:3]) == ["learning_rate", "trials", "lower_quartile_final_score"]
    assert columns_shown(summary) == [
        "learning_rate",
        "trials",
        "median_final_score",
        "median_score_at_best",
        "diverged",
        "median_final_loss",
    ]
    some = SCORES.assign(status=pd.Categorical(["converged", "slow", "diverged"], SCORES["status"].cat.categories))
    assert columns_shown(lrsweep.summarize(some))[-2:] == ["converged", "median_converged_at"]
    assert {*lrsweep.summarize(some)} == {*summary}
    heads = re.findall("<th>(.*?)</th>", summary_html(summary))
    assert heads[:4] == [
        "learning_rate",
        "trials",
        "median final_score (quartiles)",
        "median score_at_best (quartiles)",
    ]


def test_a_report_shows_the_score_and_those_that_diverged_below_it() -> None:
    grid = pd.concat([SCORES.assign(momentum=0.0), SCORES.assign(momentum=0.9)], ignore_index=True)
    columns = ["learning_rate", "momentum", *SCORES.columns.drop("learning_rate")]
    page = make_page(grid[columns].rename_axis("trial"), None, title="scores")
    assert "Final score" in page
    assert "A trial that diverged is drawn at the lower edge." in page
    assert "median final score" in page


def test_bright_is_good_on_every_map() -> None:
    matplotlib.use("agg")
    table = SCORES.assign(seed=[0, 1, 2])
    maps = {
        outcome: lrsweep.plots.cells(table, "learning_rate", "seed", outcome).collections[0].get_cmap()  # pyright: ignore[reportAttributeAccessIssue]
        for outcome in ("final_score", "score_at_best", "final_loss")
    }
    assert maps["final_score"].name == maps["score_at_best"].name == "viridis"
    assert maps["final_loss"].name == "viridis_r"
    palettes: dict[str, Any] = {
        layer.column: _colours(layer, np.array([0.5, 0.9])).palette
        for converged in (True, False)
        for layer in layers_of(MAX, converged=converged)
    }
    assert palettes["median_final_score"] == palettes["converged"] == palettes["median_final_loss"][::-1]
    assert palettes["diverged"] == palettes["median_final_loss"]
    assert layers_of(MIN, converged=True)[0].is_max is False


def test_what_another_metric_means_its_name_tells() -> None:
    table = SCORES.assign(final_val_accuracy=0.5, val_accuracy_at_best=0.5, final_error=0.5, error_at_best=0.5)
    names = ("final_val_accuracy", "val_accuracy_at_best", "final_error", "score_at_best")
    assert [mode_of(table, name) for name in names] == ["max", "max", "min", "max"]


def test_an_overview_begins_with_what_answers_for_the_table_and_shows_no_updates_where_none_converged() -> None:
    none, some = SCORES, SCORES.assign(status=SCORES["status"].replace("slow", "converged"), converged_at=9)
    for table, drawn in (
        (none, ["final score", "final loss"]),
        (some, ["final score", "converged at (updates)"]),
        (none.drop(columns="best_by"), ["final loss"]),
        (some.drop(columns="best_by"), ["converged at (updates)", "final loss"]),
    ):
        figure = lrsweep.plots.overview(table)
        assert [ax.get_ylabel() for ax in figure.axes] == [*drawn, "share of trials"]
    ax = lrsweep.plots.outcome(none)
    # Trials that diverged are infinitely bad, which is below.
    (marks,) = [points for points in ax.collections if type(points).__name__ == "PathCollection"]
    assert np.asarray(marks.get_offsets()).tolist() == [[0.4, 0.0]]
    assert np.asarray(ax.lines[0].get_ydata())[-1] == ax.get_ylim()[0]


def test_a_table_that_does_not_say_one_mode_is_refused_and_one_of_old_means_the_least() -> None:
    assert criterion_of(SCORES.drop(columns="best_mode")) == MIN
    for modes, said in ((["max", "min", "max"], "differs from row to row"), (["most"] * 3, "holds 'most'")):
        with pytest.raises(ValueError, match=said):
            lrsweep.summarize(SCORES.assign(best_mode=modes))
