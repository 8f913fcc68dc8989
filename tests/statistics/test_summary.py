"""Statistics over seeds, and what is said of them: against SciPy's, a loop, and statistics done by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lrsweep
from lrsweep.cli._screen import lay_out, pick
from lrsweep.statistics._advice import advise
from lrsweep.statistics._best import rank
from lrsweep.statistics._summary import QUARTILES, wilson
from lrsweep.tables._schema import BY_LOSS, RESULT_DTYPES


def table(rows: list[tuple[Any, ...]], columns: tuple[str, ...] = ("learning_rate", "seed")) -> pd.DataFrame:
    """A result table by hand: the caller's columns, then status, converged_at and final_loss."""
    frame = pd.DataFrame(rows, columns=pd.Index([*columns, "status", "converged_at", "final_loss"]))
    frame["diverged_at"] = [5 if status == "diverged" else None for status in frame["status"]]
    for name in RESULT_DTYPES:
        if name not in frame:
            frame[name] = 1000 if name == "steps" else 0
    return frame[[*columns, *RESULT_DTYPES]].astype(RESULT_DTYPES).rename_axis("trial")


THREE = table(
    [
        (0.1, 0, "converged", 30, 1e-5),
        (0.01, 0, "converged", 300, 1e-4),
        (0.1, 1, "converged", 10, 3e-5),
        (0.01, 1, "slow", None, 5e-3),
        (0.1, 2, "diverged", None, np.nan),
        (0.01, 2, "slow", None, 7e-3),
        (0.1, 3, "converged", 20, 2e-5),
        (0.01, 3, "converged", 100, 2e-4),
    ]
)


def test_a_setting_is_summarised_over_its_seeds() -> None:
    summary = lrsweep.summarize(THREE)
    said = {name: list(summary[name]) for name in summary if not str(name).endswith(("_low", "_high", "best_loss"))}
    assert said == {
        "learning_rate": [0.1, 0.01],
        "trials": [4, 4],
        "converged": [0.75, 0.5],
        "diverged": [0.25, 0.0],
        # 10, 20, 30, never: by 20 half have converged. 100, 300, later, later: by 300.
        "lower_quartile_converged_at": [10.0, 100.0],
        "median_converged_at": [20.0, 300.0],
        "upper_quartile_converged_at": [30.0, pd.NA],
        # 1e-5, 2e-5, 3e-5, infinite; 1e-4, 2e-4, 5e-3, 7e-3. A quarter is a quarter of the way from first to last.
        "lower_quartile_final_loss": [pytest.approx(1.75e-5), pytest.approx(1.75e-4)],
        "median_final_loss": [2.5e-5, 2.6e-3],
        "upper_quartile_final_loss": [np.inf, pytest.approx(5.5e-3)],
    }


def test_a_diverged_trial_has_lost_everything_whatever_its_last_loss() -> None:
    summary = lrsweep.summarize(table([(1.0, 0, "diverged", None, 5.0), (1.0, 1, "diverged", None, 7.0)]))
    assert summary["median_final_loss"].tolist() == [np.inf]


def test_every_column_but_the_seed_makes_a_setting() -> None:
    rows = [(0.1, m, s, "converged", 5, 1e-5) for m in (0.0, 0.9) for s in range(3)]
    summary = lrsweep.summarize(table(rows, ("learning_rate", "momentum", "seed")))
    assert summary[["learning_rate", "momentum", "trials"]].to_numpy().tolist() == [[0.1, 0.0, 3], [0.1, 0.9, 3]]


def test_a_table_of_nothing_but_seeds_is_one_setting() -> None:
    summary = lrsweep.summarize(table([(0, "slow", None, 1.0), (1, "slow", None, 3.0)], ("seed",)))
    assert summary[["trials", "median_final_loss"]].to_numpy().tolist() == [[2, 2.0]]


@pytest.mark.parametrize("by", [None, [], ["learning_rate"], ["status"]])
def test_a_summary_of_no_rows_has_its_columns(by: list[str] | None) -> None:
    summary = lrsweep.summarize(THREE.head(0), by)
    assert summary.dtypes.to_dict() == lrsweep.summarize(THREE, by).dtypes.to_dict()
    assert len(summary) == 0


def many(trials: int = 400) -> pd.DataFrame:
    """Trials of settings of all sizes, with missing values among their columns and sweeps of two lengths."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "learning_rate": draw.choice([0.1, 0.2, 0.4], trials),
            "momentum": draw.choice([0.0, 0.9, np.nan], trials, p=[0.7, 0.25, 0.05]),
            "seed": np.arange(trials),
            "status": draw.choice(["converged", "diverged", "slow"], trials, p=[0.6, 0.2, 0.2]),
            "steps": draw.choice([20, 50], trials),
        }
    )
    frame["converged_at"] = np.where(frame["status"] == "converged", draw.integers(1, frame["steps"] + 1), np.nan)
    frame["final_loss"], frame["best_loss"] = draw.lognormal(size=(2, trials))
    frame["initial_loss"], frame["diverged_at"], frame["best_at"], frame["rate"] = 1.0, pd.NA, 0, 1.0
    return frame[["learning_rate", "momentum", "seed", *RESULT_DTYPES]].astype(RESULT_DTYPES)


def test_the_settings_are_those_of_a_loop_and_so_are_their_statistics() -> None:
    trials = many()
    summary = lrsweep.summarize(trials)
    settings = trials[["learning_rate", "momentum"]].drop_duplicates().reset_index(drop=True)
    pd.testing.assert_frame_equal(summary[["learning_rate", "momentum"]], settings)
    assert summary["trials"].nunique() > 3
    for (rate, momentum), statistics in zip(settings.to_numpy(), summary.to_dict("records"), strict=True):
        same = (trials["momentum"] == momentum) | (trials["momentum"].isna() & np.isnan(momentum))
        group = trials[(trials["learning_rate"] == rate) & same]
        assert statistics["trials"] == len(group)
        assert statistics["converged"] == (group["status"] == "converged").sum() / len(group)
        assert statistics["diverged"] == (group["status"] == "diverged").sum() / len(group)
        # The greatest number there is stands for infinity, over which NumPy cannot interpolate.
        for name in ("final_loss", "best_loss"):
            values = np.where(group["status"] == "diverged", 1e300, group[name])
            expected = np.quantile(values, [0.25, 0.5, 0.75])
            expected[expected > 1e200] = np.inf
            assert [statistics[f"{quartile}_{name}"] for quartile in QUARTILES] == pytest.approx(list(expected))
        left = stats.ecdf(
            stats.CensoredData(
                uncensored=group["converged_at"].dropna().to_numpy(float),
                right=group["steps"].where(group["status"] != "diverged", 1e9)[group["status"] != "converged"],
            )
        ).sf
        for quartile, share in QUARTILES.items():
            reached = left.quantiles[left.probabilities <= 1 - share + 1e-12]
            at = statistics[f"{quartile}_converged_at"]
            assert pd.isna(at) if len(reached) == 0 else at == reached.min()


def test_a_trial_whose_steps_ran_out_may_still_converge_and_one_that_diverged_may_not() -> None:
    rows = [(0.1, 0, "slow", None, 1.0), (0.1, 1, "converged", 30, 0.0), (0.1, 2, "converged", 40, 0.0)]
    ran_out = table(rows).assign(steps=[10, 30, 40])
    # Of the two that ran on, half have converged by 30; of three, two by 40.
    assert lrsweep.summarize(ran_out)["median_converged_at"].tolist() == [30.0]
    gone = ran_out.assign(status=["diverged", "converged", "converged"]).astype(RESULT_DTYPES)
    assert lrsweep.summarize(gone)["median_converged_at"].tolist() == [40.0]


@pytest.mark.parametrize(("status", "share"), [("converged", 1.0), ("diverged", 0.0), ("slow", 0.0)])
def test_settings_of_one_trial_that_all_end_alike(status: str, share: float) -> None:
    ended = 5 if status == "converged" else None
    summary = lrsweep.summarize(table([(rate, 0, status, ended, 0.5) for rate in (0.1, 0.2)]))
    assert summary["converged"].tolist() == [share] * 2
    assert summary["upper_quartile_converged_at"].fillna(-1).tolist() == [5 if share else -1] * 2
    for quartile in QUARTILES:
        assert summary[f"{quartile}_final_loss"].tolist() == [np.inf if status == "diverged" else 0.5] * 2


def test_the_intervals_of_the_shares_are_those_of_scipy() -> None:
    for trials in (1, 2, 7, 1000):
        counts = np.unique(np.linspace(0, trials, 8).astype(int))
        low, high = wilson(counts / trials, np.full(len(counts), trials))
        for count, *ends in zip(counts, low, high, strict=True):
            theirs = stats.binomtest(count, trials).proportion_ci(method="wilson")
            assert ends == pytest.approx(list(theirs), abs=1e-12)
            assert 0 <= ends[0] <= count / trials <= ends[1] <= 1
    summary = lrsweep.summarize(THREE)
    ends = [list(summary[f"{status}_{end}"]) for status in ("converged", "diverged") for end in ("low", "high")]
    of_four = [tuple(stats.binomtest(count, 4).proportion_ci(method="wilson")) for count in range(4)]
    expected = [of_four[3][0], of_four[2][0]], [of_four[3][1], of_four[2][1]]
    assert ends[:2] == [pytest.approx(pair) for pair in expected]
    assert ends[2:] == [pytest.approx([of_four[1][end], of_four[0][end]], abs=1e-12) for end in (0, 1)]


def test_any_columns_make_the_settings() -> None:
    by_seed = lrsweep.summarize(THREE, by=["seed"])
    assert by_seed[["seed", "trials"]].to_numpy().tolist() == [[seed, 2] for seed in range(4)]
    assert by_seed["converged"].tolist() == [1.0, 0.5, 0.0, 1.0]
    assert lrsweep.summarize(THREE, by="status")["trials"].tolist() == [5, 2, 1]
    assert lrsweep.summarize(THREE, by=[])["trials"].tolist() == [8]


def test_the_screen_shows_no_more_than_the_medians() -> None:
    layout = lay_out(pick(lrsweep.summarize(THREE)), room=None)
    headers = ["learning_rate", "trials", "converged", "diverged", "median converged_at", "median final_loss"]
    assert [str(column.header) for column in layout.columns] == headers
    assert lay_out(pick(lrsweep.summarize(THREE.head(0))), room=40).row_count == 0


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        # The larger share that converged, then the fewer updates, then the lower loss, then the smaller rate.
        ([(1.0, 0, "converged", 9, 0.0), (0.1, 0, "slow", None, 0.0)], 1.0),
        ([(1.0, 0, "converged", 9, 0.0), (0.1, 0, "converged", 90, 0.0)], 1.0),
        ([(1.0, 0, "slow", None, 0.2), (0.1, 0, "slow", None, 0.3)], 1.0),
        ([(1.0, 0, "slow", None, 0.2), (0.1, 0, "slow", None, 0.2)], 0.1),
        ([(1.0, 0, "diverged", None, np.nan), (0.1, 0, "slow", None, 1e9)], 0.1),
        ([(1.0, 0, "diverged", None, 0.0), (0.1, 0, "slow", None, 1e9)], 0.1),
    ],
)
def test_the_best_learning_rate_follows_its_rule(rows: list[tuple[Any, ...]], best: float) -> None:
    for order in (rows, rows[::-1]):
        assert lrsweep.best_learning_rate(table(order)).learning_rate == best
        assert rank(lrsweep.summarize(table(order)), BY_LOSS)["learning_rate"].iloc[0] == best


def test_what_cannot_be_summarised_is_refused() -> None:
    with pytest.raises(ValueError, match="not a result table of lrsweep: it has no column 'status'"):
        lrsweep.summarize(pd.DataFrame({"learning_rate": [0.1]}))
    with pytest.raises(ValueError, match="there is no column 'learning_rat': did you mean 'learning_rate'"):
        lrsweep.summarize(THREE, by=["learning_rat"])
    with pytest.raises(ValueError, match="by names column 'seed' twice"):
        lrsweep.summarize(THREE, by=["seed", "seed"])
    with pytest.raises(ValueError, match="column 'trials' is named like one of the summary's own"):
        lrsweep.summarize(THREE.rename(columns={"learning_rate": "trials"}))
    with pytest.raises(ValueError, match="there is no best setting among no trials"):
        lrsweep.best_setting(THREE.head(0))
    with pytest.raises(ValueError, match="the table is empty"):
        lrsweep.best_learning_rate(THREE.head(0))
    with pytest.raises(ValueError, match="no column 'learning_rate'"):
        lrsweep.best_learning_rate(THREE.drop(columns="learning_rate"))


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        (
            [(0.1, 0, "converged", 30, 0.0), (1.0, 0, "diverged", None, 9.0), (2.0, 0, "diverged", None, 9.0)],
            "Use learning_rate 0.1: it converged after 30 updates. "
            "Stay clear of learning_rate 1 and above: trials diverged there.",
        ),
        (
            [(0.1, s, "converged", 30 + s, 0.0) for s in range(3)] + [(0.01, s, "slow", None, 1.0) for s in range(3)],
            "Use learning_rate 0.1: all 3 trials converged after a median of 31 updates. "
            "None of these learning rates diverged; 0.1 is the largest tried, and a larger one may be faster.",
        ),
        (
            [(0.1, 0, "converged", 30, 0.0), (0.1, 1, "slow", None, 1.0), (0.3, 0, "slow", None, 1.0)],
            "Use learning_rate 0.1: 1 of its 2 trials converged after a median of 30 updates. "
            "None of these learning rates diverged.",
        ),
        (
            [(0.1, 0, "slow", None, 0.25), (0.3, 0, "diverged", None, 1.0), (0.2, 0, "slow", None, 0.5)],
            "Use learning_rate 0.1: its median final loss, 0.25, is the least. "
            "No trial converged within 1,000 updates; it was still improving: give more steps. "
            "Stay clear of learning_rate 0.3: trials diverged there.",
        ),
        (
            [(0.1, 0, "diverged", None, 0.25), (0.3, 0, "diverged", None, 1.0)],
            "Every trial diverged: try smaller learning rates.",
        ),
        # A window of divergence below a window of convergence.
        (
            [(0.1, 0, "diverged", None, 9.0), (0.2, 0, "converged", 5, 0.0), (0.3, 0, "diverged", None, 9.0)],
            "Use learning_rate 0.2: it converged after 5 updates. "
            "Stay clear of learning_rate 0.1, 0.3: trials diverged there.",
        ),
    ],
)
def test_the_answer_says_which_to_use_and_which_to_stay_clear_of(rows: list[tuple[Any, ...]], answer: str) -> None:
    trials = table(rows).assign(initial_loss=9.0)
    trials["best_loss"] = trials["final_loss"]
    assert advise(lrsweep.summarize(trials), trials) == answer


def rest_at(losses: dict[float, float], start: float = 1.0) -> pd.DataFrame:
    """Trials at rest, by learning rate."""
    frame = table([(rate, 0, "stalled", None, loss) for rate, loss in losses.items()])
    return frame.assign(initial_loss=start, best_loss=frame["final_loss"])


def test_trials_at_rest_at_one_loss_may_have_reached_the_minimum_and_others_have_not() -> None:
    one = rest_at({0.1: 0.6, 0.2: 0.600001, 0.4: 0.6})
    said = advise(lrsweep.summarize(one), one)
    assert "came to rest at one loss, 0.6, which may be the least there is" in said
    assert "Objective(..., minimum=0.6) or Stopping(target=...) (--target-loss)" in said
    elsewhere, known = one.assign(best_loss=[0.6, 0.6, 0.3]), one.assign(cause="local minimum")
    for others in (rest_at({0.1: 0.6, 0.2: 0.3, 0.4: 0.6}), elsewhere, known):
        said = advise(lrsweep.summarize(others), others)
        assert "came to rest: try other starts, or another optimizer." in said
        assert "minimum" not in said


def test_the_answer_speaks_of_the_best_settings_own_learning_rates() -> None:
    rows = [
        (0.1, 0.0, "converged", 50, 0.0),
        (1.0, 0.0, "diverged", None, 9.0),
        (0.1, 0.9, "converged", 20, 0.0),
        (1.0, 0.9, "slow", None, 1.0),
    ]
    results = table(rows, ("learning_rate", "momentum"))
    assert advise(lrsweep.summarize(results), results) == (
        "Use learning_rate 0.1, momentum 0.9: it converged after 20 updates. None of these learning rates diverged."
    )


def test_the_answer_names_an_optimizer_and_leaves_out_what_it_does_not_take() -> None:
    rows = [
        (0.1, "sgd", 0.9, "converged", 50, 0.0),
        (1.0, "sgd", 0.9, "diverged", None, 9.0),
        (0.1, "adam", np.nan, "converged", 20, 0.0),
        (1.0, "adam", np.nan, "slow", None, 1.0),
    ]
    results = table(rows, ("learning_rate", "optimizer", "momentum"))
    assert advise(lrsweep.summarize(results), results) == (
        "Use learning_rate 0.1, optimizer adam: it converged after 20 updates. None of these learning rates diverged."
    )


def test_where_the_best_takes_no_learning_rate_the_answer_speaks_of_none() -> None:
    rows = [
        (0.1, "sgd", "converged", 50, 0.0),
        (1.0, "sgd", "diverged", None, 9.0),
        (np.nan, "polyak_sgd", "converged", 20, 0.0),
    ]
    results = table(rows, ("learning_rate", "optimizer"))
    assert advise(lrsweep.summarize(results), results) == "Use optimizer polyak_sgd: it converged after 20 updates."
