"""The command line's optimizers and axes."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.cli._axes import parse_setting
from lrsweep.cli._own import load_own
from lrsweep.cli._trials import read_optimizers, read_trials
from tests.conftest import Run


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


OWN = """
import optax

RATE = 0.1

def mine(learning_rate, momentum=0.9):
    return optax.sgd(learning_rate, momentum)

built = mine(RATE)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an optimizer of the user's own in it."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "syntax.py").write_text("def :\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_an_optimizer_of_the_users_own_is_called_by_its_name_in_the_file() -> None:
    made = trials("sgd, own.py:mine", "momentum=0.5")
    assert made["optimizer"].tolist() == ["sgd", "sgd", "mine", "mine"]
    assert made["momentum"].tolist() == [0.5] * 4
    (factory,) = read_optimizers("own.py:mine", schedule="warmup_cosine", steps=9).values()
    assert factory.__name__ == "mine_warmup_cosine"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", ["run", "refine", "critical", "range-test"])
@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        ("own.py", "'own.py' does not say which optimizer: write own.py:NAME"),
        ("own.py:min", "'own.py': there is no name 'min': did you mean 'mine'"),
        ("own.py:built", "'own.py:built' is already built: name its factory, a function of learning_rate"),
        ("own.py:RATE", "'own.py:RATE' is a float: it must be a function that returns an optax optimizer"),
        ("none.py:mine", "there is no file 'none.py'"),
        ("syntax.py:mine", "'syntax.py' cannot be loaded: SyntaxError"),
        ("builtins:max", "'builtins:max' is"),
        ("adamm", "did you mean 'adam'"),
    ],
)
def test_what_names_no_optimizer_is_refused_in_a_sentence(command: str, optimizer: str, said: str, run: Run) -> None:
    told = run(command, "line", "--optimizer", optimizer)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert said in told.err


@pytest.mark.usefixtures("folder")
def test_optimizers_of_one_name_are_refused() -> None:
    with pytest.raises(lrsweep.InputError, match="optimizer 'mine' is given twice"):
        read_optimizers("own.py:mine,own:mine", schedule=None, steps=9)


def test_every_command_takes_an_optimizer_of_the_users_own(run: Run, folder: Path) -> None:
    swept = run("run", "line", "--optimizer", "own.py:mine,sgd", "--steps", "300", "--out", "sweep.csv")
    assert swept.code == 0, swept.err
    table = lrsweep.read_table(folder / "sweep.csv").set_index(["optimizer", "learning_rate"])
    expected = lrsweep.sweep(
        lrsweep.problems.line(), partial(optax.sgd, momentum=0.9), lrsweep.grid(learning_rate=[0.1]), steps=300
    ).table
    mine, sgd = (table["converged_at"][name, 0.1] for name in ("mine", "sgd"))
    assert (mine == expected["converged_at"][0], mine == sgd) == (True, False)
    for words in ("refine --rounds 1 --steps 50", "critical --steps 50 --width 0.5", "range-test --steps 30"):
        command, *options = words.split()
        said = run(command, "line", "--optimizer", "own.py:mine", *options)
        assert (said.code, said.err) == (0, ""), words


def test_a_file_of_objective_and_optimizer_is_loaded_once(folder: Path) -> None:
    (folder / "both.py").write_text("objective = object()\noptimizer = [objective]\n")
    assert load_own("both.py:optimizer")[0] is load_own("both.py:objective")
    (folder / "both.py").write_text("objective = 3\n")
    os.utime(folder / "both.py", ns=(0, 0))
    assert load_own("both.py:objective") == 3


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
