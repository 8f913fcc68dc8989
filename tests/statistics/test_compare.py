"""compare(): two tables in pairs, held against plain loops, exact binomial sums and what is put in."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats

import lrsweep
from lrsweep.tables._schema import RESULT_DTYPES

# A fair measurement fails once in a thousand.
CHANCE = 0.001


def table_of(outcome: np.ndarray, *, of: str = "final_loss", **columns: Any) -> pd.DataFrame:
    """A result table with one outcome, ``[setting, seed]``: NaN of `converged_at` is a trial that ran out of steps."""
    settings, seeds = outcome.shape
    frame = pd.DataFrame(
        {"learning_rate": np.repeat(2.0 ** np.arange(settings), seeds), "seed": np.tile(np.arange(seeds), settings)}
    )
    frame = frame.assign(**dict.fromkeys(RESULT_DTYPES, 1))
    frame = frame.assign(status="finished", converged_at=np.nan, steps=1000)
    frame[of] = outcome.ravel()
    if of == "converged_at":
        frame["status"] = np.where(np.isnan(outcome.ravel()), "slow", "converged")
    for name, values in columns.items():
        frame[name] = values
    return frame[["learning_rate", "seed", *RESULT_DTYPES]].astype(RESULT_DTYPES)


def tail(count: int, least: int) -> float:
    """How probable it is that a fair coin falls heads so often, or more often, in so many tosses."""
    return sum(math.comb(count, heads) for heads in range(least, count + 1)) / 2**count


def by_hand(values: list[float], none: float, level: float = 0.95) -> dict[str, float]:
    """The median, its interval and the sign test, by counting."""
    values, count = sorted(values), len(values)
    above, below = sum(value > none for value in values), sum(value < none for value in values)
    low = high = math.nan
    for place in range(count // 2):
        if tail(count, count - place) <= (1 - level) / 2:
            low, high = values[place], values[count - 1 - place]
    middle = values[(count - 1) // 2] * values[count // 2]
    return {
        "compared": count,
        "ratio": math.sqrt(middle),
        "low": low,
        "high": high,
        "p_value": min(1.0, 2 * tail(count, max(above, below))),
    }


@pytest.mark.parametrize("seeds", [5, 6, 7, 12, 29])
def test_the_median_ratio_its_interval_and_its_test_are_those_of_counting(seeds: int) -> None:
    draw = np.random.default_rng(seeds)
    a, b = np.exp(draw.normal(size=(2, 8, seeds)))
    b[:2] *= 3
    b[2, ::2] = a[2, ::2]
    table = lrsweep.compare(table_of(a), table_of(b)).table
    for row in range(8):
        expected = by_hand([float(each) for each in b[row] / a[row]], 1.0)
        assert [table[name][row] for name in expected] == pytest.approx(list(expected.values()), nan_ok=True)
    assert table["median_a"].tolist() == pytest.approx(np.median(a, axis=1))
    assert table["pairs"].tolist() == [seeds] * 8


def test_which_settings_differ_is_corrected_for_how_many_there_are() -> None:
    draw = np.random.default_rng(0)
    a, b = np.exp(0.5 * draw.normal(size=(2, 40, 12)))
    b[:10] *= np.linspace(1, 4, 10)[:, None]
    table = lrsweep.compare(table_of(a), table_of(b)).table
    # Benjamini and Hochberg: up to the last p, in ascending order, that is at most its place's share of 5%.
    p_values = np.sort(table["p_value"].to_numpy(float)).tolist()
    bounds = [p for place, p in enumerate(p_values, 1) if p <= 0.05 * place / len(p_values)]
    differ = table["p_value"] <= max(bounds)
    assert table["better"].notna().tolist() == differ.tolist()
    assert set(table["better"][differ]) == {"A"}
    assert 0 < differ.sum() < (table["p_value"] <= 0.05).sum()


def test_what_tells_of_two_tables_tells_the_opposite_where_they_change_places() -> None:
    draw = np.random.default_rng(1)
    a, b = (table_of(np.exp(draw.normal(size=(5, 14)) + shift)) for shift in (0, 1.2))
    there, back = lrsweep.compare(a, b).table, lrsweep.compare(b, a).table
    assert (1 / back["ratio"]).tolist() == pytest.approx(there["ratio"].tolist())
    assert (1 / back["high"]).tolist() == pytest.approx(there["low"].tolist())
    assert back["p_value"].tolist() == pytest.approx(there["p_value"].tolist())
    assert back["better"].tolist() == there["better"].map({"A": "B", "B": "A"}).tolist()


def test_of_tables_that_differ_by_chance_few_settings_are_said_to_differ() -> None:
    draw, sweeps, settings, seeds = np.random.default_rng(2), 60, 12, 10
    outside = wrong = 0
    for _ in range(sweeps):
        # Pairs are alike in their seed's luck, and either table has the better of it.
        luck = draw.normal(size=seeds)
        a, b = (table_of(np.exp(luck + draw.standard_t(3, size=(settings, seeds)))) for _ in "ab")
        table = lrsweep.compare(a, b).table
        outside += int(((table["low"] > 1) | (table["high"] < 1)).sum())
        wrong += bool(table["better"].notna().any())
    exact = 2 * tail(seeds, 9)  # what the interval promises is at most 5%
    assert exact <= 0.05
    low, high = stats.binom.ppf([CHANCE / 2, 1 - CHANCE / 2], sweeps * settings, exact)
    assert low <= outside <= high
    assert wrong <= stats.binom.ppf(1 - CHANCE, sweeps, 0.05)


def test_steps_to_convergence_count_a_trial_that_did_not_converge_as_later_than_one_that_did() -> None:
    nan = np.nan
    a = table_of(np.array([[100.0, 100, nan, nan, 0, 0, 100]]), of="converged_at")
    b = table_of(np.array([[50.0, nan, 100, nan, 0, 10, 100]]), of="converged_at")
    compared = lrsweep.compare(a, b)
    # 0.5, infinite, 0, nothing, 1, infinite, 1
    assert compared.outcome == "converged_at"
    assert compared.table["compared"].tolist() == [6]
    assert compared.table["ratio"].tolist() == [1.0]
    assert (compared.table["low"][0], compared.table["high"][0]) == (0, np.inf)
    counts = compared.table[["converged_both", "converged_a_only", "converged_b_only"]]
    assert counts.to_numpy().tolist() == [[4, 1, 1]]


def test_a_ratio_of_steps_is_told_also_where_most_trials_converge_in_neither_table() -> None:
    a, b = (np.array([[steps] * 6 + [np.nan] * 20]) for steps in (100.0, 50.0))
    compared = lrsweep.compare(table_of(a, of="converged_at"), table_of(b, of="converged_at"))
    assert "B needs 0.5 times A's updates (95% interval over 6 seeds: 0.5 to 0.5)." in compared.answer
    alone = lrsweep.compare(table_of(b * np.nan, of="converged_at"), table_of(b, of="converged_at"))
    assert "B alone converges in most of 6 pairs." in alone.answer


def test_a_pair_tells_nothing_of_steps_where_one_ran_out_of_them_before_the_other_converged() -> None:
    a = table_of(np.array([[800.0, 200, 800, 300]]), of="converged_at")
    b = table_of(np.array([[np.nan, np.nan, 200, np.nan]]), of="converged_at", steps=300)
    table = lrsweep.compare(a, b).table
    assert table["compared"].tolist() == [3]
    assert table["ratio"].tolist() == [np.inf]
    b["status"] = b["status"].where(b["converged_at"].notna(), "diverged")
    assert lrsweep.compare(a, b).table["compared"].tolist() == [4]


def test_it_is_said_where_trials_of_one_table_ran_longer() -> None:
    a, b = table_of(np.ones((2, 6))), table_of(np.full((2, 6), 3.0), steps=5000)
    said = " Trials of A ran for up to 1,000 updates, and those of B for up to 5,000."
    assert lrsweep.compare(a, b).answer.endswith(said)
    assert "ran for" not in lrsweep.compare(a, b.assign(steps=1000)).answer


def test_settings_of_which_nothing_can_be_told_are_counted_apart() -> None:
    a = table_of(np.array([[10.0] * 7, [20] * 7, [np.nan] * 7]), of="converged_at")
    b = table_of(np.array([[20.0] * 7, [20] * 7, [np.nan] * 7]), of="converged_at")
    assert lrsweep.compare(a, b).answer.startswith(
        "B is slower at 1 of 2 learning rates; at the other one the seeds tell no difference; at 1 more no pair tells. "
        "At the best of both (learning_rate 1) B needs 2 times A's updates (95% interval over 7 seeds: 2 to 2)."
    )


def test_a_loss_of_a_trial_that_diverged_is_infinite_and_one_of_both_tells_nothing() -> None:
    losses = np.ones((1, 4))
    a = table_of(losses, status=["diverged", "diverged", "slow", "slow"])
    b = table_of(2 * losses, status=["diverged", "slow", "diverged", "slow"])
    table = lrsweep.compare(a, b, "final_loss").table
    assert table["compared"].tolist() == [3]
    assert table["ratio"].tolist() == [2.0]  # of 0, 2 and infinity
    assert table[["diverged_both", "diverged_a_only", "diverged_b_only"]].to_numpy().tolist() == [[1, 1, 1]]


def test_a_missing_loss_tells_nothing() -> None:
    a, b = np.ones((1, 3)), np.array([[2.0, np.nan, 2]])
    assert lrsweep.compare(table_of(a), table_of(b)).table["compared"].tolist() == [2]


def test_losses_below_zero_and_metrics_of_which_the_greatest_is_best_are_subtracted() -> None:
    a, b = np.array([[-1.0, -2, 3]]), np.array([[1.0, 0, 5]])
    table = lrsweep.compare(table_of(a), table_of(b)).table
    assert table["difference"].tolist() == [2.0]
    assert "ratio" not in table

    def runs(shift: float) -> pd.DataFrame:
        frame = pd.DataFrame({"lr": 0.1, "seed": range(8), "acc": np.linspace(0.5, 0.7, 8) + shift})
        return lrsweep.from_runs(frame, metric="acc")

    compared = lrsweep.compare(runs(0), runs(0.25))
    assert (compared.outcome, compared.rule) == ("final_acc", "metric")
    assert compared.table[["difference", "better"]].to_numpy().tolist() == [[pytest.approx(0.25), "B"]]
    assert compared.answer == (
        "By final_acc B is better at 1 of 1 learning rate. At the best of both (learning_rate 0.1) B's final_acc is "
        "0.25 above A's (95% interval over 8 seeds: 0.25 to 0.25)."
    )


def test_how_often_trials_converge_is_compared_by_mcnemars_test() -> None:
    draw = np.random.default_rng(3)
    a, b = (np.where(draw.random((6, 25)) < share, 10.0, np.nan) for share in (0.3, 0.8))
    table = lrsweep.compare(table_of(a, of="converged_at"), table_of(b, of="converged_at")).table
    for row in range(6):
        only_a = int((~np.isnan(a[row]) & np.isnan(b[row])).sum())
        only_b = int((np.isnan(a[row]) & ~np.isnan(b[row])).sum())
        expected = stats.binomtest(only_a, only_a + only_b).pvalue
        assert table.loc[row, "converged_p_value"] == pytest.approx(expected)


def test_the_same_tables_are_said_to_be_the_same_also_from_a_file(tmp_path: Path, search: lrsweep.Sweep) -> None:
    lrsweep.write_table(search.table, tmp_path / "search.csv")
    read = lrsweep.read_table(tmp_path / "search.csv")
    compared = lrsweep.compare(search.table, read.iloc[::-1])
    said = "The same, row by row: all 3 pairs agree in every column that both tables have."
    assert compared.answer == said
    assert compared.table["same"].tolist() == [1, 1, 1]


def test_rounding_is_no_difference() -> None:
    losses = np.exp(np.random.default_rng(4).normal(size=(3, 20)))
    a, b = table_of(losses), table_of(losses * (1 - 3e-7))
    compared = lrsweep.compare(a, b)
    assert compared.answer == (
        "The same but for rounding: statuses and counts of updates agree in all 60 pairs, and numbers to 3e-07 of "
        "themselves."
    )
    assert compared.table["ratio"].tolist() == [1.0] * 3
    # Where something else differs too, rounding is still none.
    b.loc[0, "steps"] = 7
    compared = lrsweep.compare(a, b)
    assert compared.table["better"].isna().all()
    assert "neither better nor worse at any of 3 learning rates" in compared.answer


def test_few_seeds_tell_no_difference_and_say_how_many_would() -> None:
    a, b = table_of(np.ones((4, 5))), table_of(np.array([[2.0] * 5, [2.0] * 5, [0.5] * 5, [1.0] * 5]))
    compared = lrsweep.compare(a, b)
    assert compared.table["low"].isna().all()
    assert compared.table["better"].isna().all()
    assert compared.answer.startswith(
        "By final_loss B is better at 1 of 4 learning rates, worse at 2 and equal at 1; with 5 pairs per learning rate "
        "that cannot be told from chance: it takes 6."
    )
    assert "(5 pairs, too few for an interval)" in compared.answer
    assert "with 5 pairs per learning rate that cannot be told from chance: it takes 8." in (
        lrsweep.compare(a, b, level=0.99).answer
    )


def test_the_best_settings_are_compared_though_they_are_not_the_same() -> None:
    a = table_of(np.array([[4.0] * 6, [1, 2, 3, 4, 5, 6], [9] * 6]))
    b = table_of(np.array([[0.5, 1, 1.5, 2, 2.5, 3], [8] * 6]))
    compared = lrsweep.compare(a, b)
    assert compared.best["setting_a"] == {"learning_rate": 2.0}
    assert compared.best["setting_b"] == {"learning_rate": 1.0}
    assert compared.best[["pairs", "ratio", "low", "high", "better"]].tolist() == [6, 0.5, 0.5, 0.5, "B"]
    assert (
        "At the best of each (learning_rate 2 in A, 1 in B) B's final_loss is 0.5 times A's (95% interval over 6 "
        "seeds: 0.5 to 0.5)." in compared.answer
    )
    assert compared.pairing == (
        "Paired by learning_rate and seed: 12 pairs of 2 settings; without a partner: learning_rate 4 of A."
    )


def test_a_table_of_which_all_trials_diverged_has_no_best_setting() -> None:
    a, b = table_of(np.ones((2, 7))), table_of(np.ones((2, 7)), status="diverged")
    compared = lrsweep.compare(a, b)
    assert compared.best["setting_b"] is None
    assert compared.answer == (
        "By final_loss B is worse at 2 of 2 learning rates, of which at most 5% are expected to be chance. B has no "
        "best setting: every trial diverged. Diverged: 0 pairs in both, 0 in A only, 14 in B only; the shares differ "
        "at 2 learning rates."
    )
    both = lrsweep.compare(b, b.assign(steps=3))
    assert both.answer == (
        "final_loss cannot be compared: no pair has two values of it. A and B have no best setting: every trial "
        "diverged."
    )


def test_what_holds_one_value_in_each_table_tells_them_apart_and_pairs_none() -> None:
    a, b = table_of(np.ones((2, 3))), table_of(np.ones((2, 3)))
    a.insert(0, "optimizer", "sgd")
    b.insert(0, "optimizer", "adam")
    b.insert(1, "momentum", 0.9)
    compared = lrsweep.compare(a, b)
    assert compared.pairing == (
        "Paired by learning_rate and seed: 6 pairs of 2 settings (momentum is 0.9 in B, and A has none; optimizer is "
        "sgd in A and adam in B)."
    )
    # So two learning rates are compared, too.
    rates = lrsweep.compare(a[a["learning_rate"] == 1], b[b["learning_rate"] == 2])
    assert rates.table["pairs"].tolist() == [3]
    assert "learning_rate is 1 in A and 2 in B" in rates.pairing
    close = a[a["learning_rate"] == 1], a[a["learning_rate"] == 1].assign(learning_rate=1 + 1e-9)
    assert "learning_rate is 1.0 in A and 1.000000001 in B" in lrsweep.compare(*close).pairing


def test_a_table_needs_no_learning_rate() -> None:
    a, b = (table_of(np.full((2, 6), loss)).rename(columns={"learning_rate": "momentum"}) for loss in (1.0, 2.0))
    assert lrsweep.compare(a, b).answer == (
        "By final_loss B is worse at 2 of 2 settings, of which at most 5% are expected to be chance. At the best of "
        "both (momentum 1) B's final_loss is 2 times A's (95% interval over 6 seeds: 2 to 2)."
    )


def test_what_made_two_tables_is_told_where_it_differs_and_bears_on_them(search: lrsweep.Sweep) -> None:
    made, other = search.provenance, search.table.copy()
    assert "made" not in lrsweep.compare(search.table, other).pairing
    changes = {"optimizer": "adam", "seconds": 1e9, "batch_size": 32, "steps": 7}
    within = {
        "stopping": made["stopping"] | {"hold": 3},
        "versions": made["versions"] | {"jax": "9.9", "python": "9.9"},
        "device": {"platform": "gpu", "kind": "T4", "count": 8},
    }
    other.attrs["provenance"] = made | changes | within
    versions = f"jax {made['versions']['jax']} and 9.9"
    assert lrsweep.compare(search.table, other).pairing == (
        "Paired by learning_rate: 3 pairs of 3 settings. What made them differs: optimizer sgd in A and adam in B, "
        f"batch size none and 32, hold 10 and 3, device {made['device']['kind']} and T4, {versions}."
    )
    other.attrs.clear()
    assert "made" not in lrsweep.compare(search.table, other).pairing


def test_trials_without_a_partner_are_counted() -> None:
    a, b = table_of(np.ones((3, 4))), table_of(np.ones((9, 12)))
    b = b[~((b["seed"] == 1) & (b["learning_rate"] == 2))]
    assert lrsweep.compare(a, b).pairing == (
        "Paired by learning_rate and seed: 11 pairs of 3 settings; without a partner: 1 trial of A, 6 settings of B, "
        "8 seeds of B."
    )


def test_what_cannot_be_paired_is_refused_in_a_sentence_that_names_it() -> None:
    a = table_of(np.ones((2, 3)))
    refused: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
        r"no learning_rate is in both; the nearest are 2\.0 in A and 2\.1 in B": (
            a,
            a.assign(learning_rate=a["learning_rate"] + 1.1),
        ),
        "no seed is in both; the nearest are 2 in A and 3 in B": (a, a.assign(seed=a["seed"] + 3)),
        "no combination of learning_rate and seed is in both": (
            a[(a["learning_rate"] == 1) == (a["seed"] == 0)],
            a[(a["learning_rate"] == 1) != (a["seed"] == 0)],
        ),
        "B has several trials of learning_rate 1 and seed 0: which of them": (a, pd.concat([a, a])),
        "A has several trials of learning_rate 1, and the two tables have no column 'seed'": (
            a.drop(columns="seed"),
            a.drop(columns="seed"),
        ),
        "column 'seed' takes 3 values in A, and B has no such column": (a, a[a["seed"] == 0].drop(columns="seed")),
        "B holds no trials": (a, a.iloc[:0]),
    }
    for message, tables in refused.items():
        with pytest.raises(lrsweep.InputError, match=message):
            lrsweep.compare(*tables)


def test_words_are_paired_as_words_and_missing_values_with_missing_ones() -> None:
    a, b = table_of(np.ones((3, 1))), table_of(np.ones((3, 1)))
    a.insert(0, "norm", ["batch", "layer", None])
    b.insert(0, "norm", ["batch", "None", None])
    a = a.astype({"norm": "category"})
    assert lrsweep.compare(a, b).table["norm"].isna().tolist() == [False, True]


def test_other_arguments_are_refused_where_they_are_wrong(search: lrsweep.Sweep) -> None:
    table = search.table
    with pytest.raises(lrsweep.InputError, match="there is no outcome 'final_los': did you mean 'final_loss'"):
        lrsweep.compare(table, table, "final_los")
    with pytest.raises(lrsweep.InputError, match="there is no rule 'fastest'"):
        lrsweep.compare(table, table, rule="fastest")
    with pytest.raises(lrsweep.InputError, match="level=1.5 must be between 0 and 1"):
        lrsweep.compare(table, table, level=1.5)
    with pytest.raises(TypeError, match="A: the table must be a result table .*: give its .table"):
        lrsweep.compare(search, table)  # pyright: ignore[reportArgumentType]
    with pytest.raises(lrsweep.InputError, match="B: this is not a result table of lrsweep: it has no column 'steps'"):
        lrsweep.compare(table, table.drop(columns="steps"))
    metric = table.assign(best_by="accuracy", best_mode="max", final_accuracy=1.0, accuracy_at_best=1.0)
    with pytest.raises(lrsweep.InputError, match=r"what decides the best differs, loss \(min\) and accuracy \(max\)"):
        lrsweep.compare(table, metric)
    assert lrsweep.compare(table, metric, "converged_at").rule == "steps"


def test_a_rule_names_the_outcome_and_an_outcome_the_rule(search: lrsweep.Sweep) -> None:
    table = search.table
    asked = {
        "steps": lrsweep.compare(table, table),
        "loss": lrsweep.compare(table, table, "best_loss"),
        "safe": lrsweep.compare(table, table, rule="safe"),
    }
    assert {rule: (each.rule, each.outcome) for rule, each in asked.items()} == {
        "steps": ("steps", "converged_at"),
        "loss": ("loss", "best_loss"),
        "safe": ("safe", "converged_at"),
    }
    assert lrsweep.compare(table, table, rule="loss").outcome == "final_loss"
    slow = table.assign(status="slow")
    assert lrsweep.compare(slow, slow).outcome == "final_loss"


def test_a_store_is_compared_as_its_table_is(tmp_path: Path, search: lrsweep.Sweep) -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])
    lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, store=tmp_path / "store")
    compared = lrsweep.compare(lrsweep.open_store(tmp_path / "store"), search.table)
    assert_frame_equal(compared.table, lrsweep.compare(search.table, search.table).table)


def test_a_comparison_shows_itself_in_a_notebook() -> None:
    a, b = table_of(np.ones((30, 2))), table_of(np.full((30, 2), 2.0))
    shown = lrsweep.compare(a, b)._repr_html_()
    assert shown.count("<tr>") == 20
    assert "<p>and 10 settings more</p>" in shown
    assert "B is worse at 30 of 30 learning rates" in shown
