"""The shares of the statuses: against counting them in a loop."""

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.tables._schema import RESULT_DTYPES
from tests.statistics.test_summary import table

STATUSES = list(RESULT_DTYPES["status"].categories)


def drawn(trials: int, seed: int = 0) -> pd.DataFrame:
    """A result table of a random design: each learning rate once, two optimizers, statuses by chance."""
    random = np.random.default_rng(seed)
    columns = (10 ** random.uniform(-4, 0, trials), random.choice(["sgd", "adam"], trials))
    ends = random.choice(STATUSES, trials)
    rows = [(*row, 10, 1.0) for row in zip(*columns, ends, strict=True)]
    return table(rows, ("learning_rate", "optimizer"))


def test_the_shares_of_a_setting_are_those_counted() -> None:
    trials = drawn(200)
    shares = lrsweep.status_shares(trials, by="optimizer")
    assert list(shares.columns) == ["optimizer", "trials", *STATUSES]
    for _, row in shares.iterrows():
        ended = [status for status, name in zip(trials["status"], trials["optimizer"], strict=True)
                if name == row["optimizer"]]  # fmt: skip
        assert row["trials"] == len(ended)
        assert [row[status] for status in STATUSES] == [ended.count(status) / len(ended) for status in STATUSES]


def test_settings_are_all_columns_but_the_seed_in_the_order_they_first_appear() -> None:
    shares = lrsweep.status_shares(table([(0.1, 0, "slow", None, 1.0), (0.01, 0, "converged", 3, 0.0),
                                          (0.1, 1, "diverged", None, 1.0)]))  # fmt: skip
    assert shares["learning_rate"].tolist() == [0.1, 0.01]
    assert shares[["slow", "converged", "diverged"]].to_numpy().tolist() == [[0.5, 0, 0.5], [0, 1, 0]]


def test_many_values_of_one_column_are_gathered_into_ascending_bins() -> None:
    trials = drawn(300)
    shares = lrsweep.status_shares(trials, by="learning_rate", bins=4)
    rates = np.log(trials["learning_rate"].to_numpy())
    edges = np.linspace(rates.min(), rates.max(), 5)
    np.testing.assert_allclose(shares["learning_rate"], np.exp((edges[1:] + edges[:-1]) / 2))
    for place in range(4):
        inside = (rates >= edges[place]) & ((rates < edges[place + 1]) | (place == 3))
        assert shares["trials"][place] == inside.sum()
        assert shares["slow"][place] == (trials["status"][inside] == "slow").mean()


def test_bins_want_one_column_of_numbers() -> None:
    with pytest.raises(ValueError, match="by names 2 columns"):
        lrsweep.status_shares(drawn(3), bins=2)
    with pytest.raises(ValueError, match="column 'optimizer' does not hold numbers"):
        lrsweep.status_shares(drawn(3), by="optimizer", bins=2)


def test_a_column_named_like_a_status_is_refused() -> None:
    with pytest.raises(ValueError, match="column 'slow' is named like one of the summary's own"):
        lrsweep.status_shares(table([(1, "slow", None, 1.0)], ("slow",)))


def test_no_trials_have_no_settings() -> None:
    shares = lrsweep.status_shares(table([]))
    assert list(shares.columns) == ["learning_rate", "trials", *STATUSES]
    assert len(shares) == 0
