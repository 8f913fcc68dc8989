"""The command line's optimizers and axes."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.cli._axes import parse_setting
from lrsweep.cli._trials import read_optimizers, read_trials


def trials(optimizers: str, *settings: str, learning_rate: str | None = None, seeds: int | None = None) -> pd.DataFrame:
    return read_trials(
        read_optimizers(optimizers, schedule=None, steps=1000),
        "line",
        file=None,
        learning_rate=learning_rate,
        default_rates="0.1,0.01",
        settings=settings,
        seeds=seeds,
    )


def test_one_optimizer_has_every_combination_and_no_name() -> None:
    expected = lrsweep.grid(learning_rate=[0.5], momentum=[0, 1], seed=range(2))
    assert_frame_equal(trials("sgd", "momentum=0,1", learning_rate="0.5", seeds=2), expected)


def test_an_axis_is_left_out_for_the_optimizers_that_do_not_take_it() -> None:
    made = trials("sgd,adam", "momentum=0.5,0.9", "b1=0.8", "width=3")
    assert made[made["optimizer"] == "sgd"]["momentum"].tolist() == [0.5, 0.9, 0.5, 0.9]
    assert made[made["optimizer"] == "adam"][["b1", "width", "learning_rate"]].to_numpy().tolist() == [
        [0.8, 3, 0.1],
        [0.8, 3, 0.01],
    ]
    assert np.isnan(made[made["optimizer"] == "adam"]["momentum"]).all()
    # What none of them takes may be the objective's.
    assert made["width"].tolist() == [3] * 6


def test_an_optimizer_without_a_learning_rate_gets_none() -> None:
    assert list(trials("polyak_sgd", "scaling=1,2").columns) == ["scaling"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0,1", [0, 1]),
        ("0.5, 1", [0.5, 1.0]),
        ("1e-2:1:3", [0.01, 0.1, 1.0]),
        ("True,false", [True, False]),
        ("true,maybe", ["true", "maybe"]),
        ("relu", ["relu"]),
    ],
)
def test_a_setting_is_numbers_or_words(text: str, values: list[object]) -> None:
    parsed = parse_setting(text)
    assert parsed == values
    assert [type(value) for value in parsed] == [type(value) for value in values]


@pytest.mark.parametrize("text", ["", "0.9,high", "relu,", "a:b"])
def test_a_setting_of_both_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_setting(text)
