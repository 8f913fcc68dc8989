"""sweep(): what goes in and comes out, what is recorded, what it refuses before compiling anything."""

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.tables._schema import RESULT_DTYPES

LINE = lrsweep.problems.line()


def test_the_callers_rows_and_columns_are_kept_in_their_order() -> None:
    trials = pd.DataFrame({"w1": [3.0, 1.0], "learning_rate": [0.1, 1.0], "seed": [5, 2]}, index=[7, 3])
    table = lrsweep.sweep(LINE, optax.sgd, trials).table
    pd.testing.assert_frame_equal(table[["w1", "learning_rate", "seed"]], trials.rename_axis("trial"))
    assert list(table.columns) == ["w1", "learning_rate", "seed", *RESULT_DTYPES]
    assert table.index.name == "trial"
    assert {name: table[name].dtype for name in RESULT_DTYPES} == RESULT_DTYPES
    assert table["status"].tolist() == ["converged", "diverged"]


def test_a_curve_holds_the_loss_at_every_recorded_update_and_nan_after_the_end() -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01])
    sweep = lrsweep.sweep(LINE, optax.sgd, trials, steps=100, record_every=7)
    full = lrsweep.sweep(LINE, optax.sgd, trials, steps=100, record_every=1).curves["loss"]
    assert sweep.curves["loss"].columns.tolist() == list(range(0, 101, 7))
    assert sweep.curves["loss"].index.name == "trial"
    pd.testing.assert_frame_equal(
        sweep.curves["loss"], full[list(sweep.curves["loss"].columns)], check_column_type=False
    )
    for trial, steps in enumerate(sweep.table["steps"]):
        assert full.iloc[trial].notna().tolist() == [True] * (steps + 1) + [False] * (100 - steps)
        assert full.iloc[trial, steps] == sweep.table["final_loss"][trial]


def test_curves_are_kept_only_where_they_are_asked_for(search: lrsweep.Sweep) -> None:
    assert search.curves == {}
    with pytest.raises(lrsweep.InputError, match="no curve 'loss', since nothing was recorded"):
        _ = search.curves["loss"]


def test_the_provenance_says_what_made_the_table_and_fits_json(search: lrsweep.Sweep) -> None:
    made = json.loads(json.dumps(search.provenance))
    assert (made["objective"], made["optimizer"], made["trials"], made["steps"]) == ("line", "sgd", 3, 1000)
    assert made["stopping"] == {"tolerance": 1e-4, "target": None, "hold": 10, "divergence": 1e6}
    assert (made["dtype"], made["device"]["platform"]) == ("float32", "cpu")
    layout = {"chunk": 1, "unrolled": False, "one_kernel": False, "lanes_last": False}
    assert made["groups"] == [{"static": {}, "trials": 3, "block_width": 3, "layout": layout}]
    assert set(made["versions"]) == {"python", "lrsweep", "jax", "jaxlib", "optax", "numpy", "pandas"}


def test_results_are_equal_to_themselves_alone_and_can_be_hashed(search: lrsweep.Sweep) -> None:
    rates = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])
    again = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, rates)
    refined = [lrsweep.refine(lrsweep.problems.line(), optax.sgd, rates, rounds=0) for _ in range(2)]
    for one, other in ((search, again), refined, (search.replay(0), search.replay(0))):
        assert one == one
        assert one != other
        assert {one: 1, other: 2}[one] == 1


@pytest.mark.usefixtures("x64")
def test_64_bit_is_the_callers_to_switch_on() -> None:
    made = lrsweep.sweep(LINE, optax.sgd, lrsweep.grid(learning_rate=0.1)).provenance
    assert made["dtype"] == "float64"


@pytest.mark.usefixtures("x64")
def test_32_bit_parameters_stay_so_beside_64_bit_columns() -> None:
    objective = lrsweep.Objective(lambda p: jnp.sum(p**2), jnp.ones(2, jnp.float32))
    trials = lrsweep.grid(learning_rate=0.1, b1=0.9)
    sweep = lrsweep.sweep(objective, optax.adam, trials, steps=5)
    assert (sweep.provenance["dtype"], sweep.replay(0).params.dtype) == ("float32", np.float32)


def test_a_loss_below_the_stated_minimum_is_warned_of_once_with_what_to_state() -> None:
    below = lrsweep.Objective(lambda p: jnp.sum(p**2) - 3.0, jnp.ones(2), name="sunken")
    with pytest.warns(UserWarning, match=r"'sunken' fell to -3, below its stated minimum 0.*minimum=-3") as caught:
        lrsweep.sweep(below, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2, 0.3]))
    assert len(caught) == 1


def test_a_minimum_reached_to_rounding_is_not_warned_of() -> None:
    draw = np.random.default_rng(1)
    regression = lrsweep.problems.linear_regression(draw.normal(size=(50, 2)), draw.normal(size=50) + 1e3)
    assert (lrsweep.sweep(regression, optax.sgd, lrsweep.grid(learning_rate=0.3)).table["status"] == "converged").all()


@pytest.mark.parametrize("wide", [False, True])
def test_rounding_is_no_fall_below_the_minimum_of_lrsweeps_own_problems(wide: bool) -> None:
    x, rates = np.linspace(0.0, 3.0, 30)[:, None], lrsweep.log_grid(1e-2, 1.0, 12)
    perfect = lrsweep.problems.linear_regression(x, 0.1 * x[:, 0] + 0.3)
    cases: list[tuple[lrsweep.Objective, dict[str, Any]]] = [
        (lrsweep.problems.valleys(), {"seed": range(30)}),
        # A start at the minimum, where the terms are as small as the minimum itself.
        (lrsweep.problems.valleys(), {"x": np.linspace(4.9, 5.1, 21)}),
        (perfect, {"seed": range(5)}),
        (perfect, {}),
        (lrsweep.problems.linear_regression(x, np.sin(99 * x[:, 0]) + 1e3), {"seed": range(5)}),
        (lrsweep.problems.quadratic(), {"seed": range(5)}),
        (lrsweep.problems.rosenbrock(), {"seed": range(5)}),
    ]
    with jax.enable_x64(wide):
        for objective, columns in cases:
            trials = lrsweep.grid(learning_rate=rates, **columns)
            table = lrsweep.sweep(objective, optax.adam, trials, stopping=lrsweep.Stopping(tolerance=0.0)).table
            assert not table["rate"].isna().any()


def growing() -> optax.GradientTransformation:
    """An optimizer whose state grows by one at every update."""
    return optax.GradientTransformation(
        lambda params: jnp.zeros(1, jnp.int32), lambda updates, state, params=None: (updates, jnp.append(state, 0))
    )


GOOD = {"learning_rate": [0.1]}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"objective": lambda p: p}, TypeError, "the objective must be a lrsweep.Objective, not a function"),
        ({"optimizer": optax.sgd(0.1)}, TypeError, "pass its factory, optax.sgd rather than optax.sgd"),
        ({"optimizer": "sgd"}, TypeError, "the optimizer must be a factory such as optax.sgd, not 'sgd'"),
        ({"optimizer": lambda learning_rate: learning_rate}, TypeError, "must return an optax.GradientTransformation"),
        ({"optimizer": lambda learning_rate: learning_rate.nothing}, ValueError, "fails with AttributeError: "),
        (
            {"optimizer": lambda learning_rate: optax.sgd(0.1 if learning_rate > 1 else 1)},
            ValueError,
            r"optimizer <lambda> needs the value of column 'learning_rate' .* static=\('learning_rate',\)",
        ),
        ({"optimizer": optax.sm3}, ValueError, "the optimizer sm3 fails with IndexError: list index out of range"),
        ({"optimizer": lambda learning_rate: growing()}, TypeError, r"goes on with int32\[2\]: its state must keep"),
        ({"trials": [0.1]}, TypeError, "the trials must be a pandas DataFrame"),
        ({"trials": pd.DataFrame()}, ValueError, "the trials table is empty"),
        ({"trials": pd.DataFrame({"learning_rate": []})}, ValueError, "the trials table is empty"),
        (
            {"trials": pd.DataFrame(np.ones((1, 2)), columns=["learning_rate"] * 2)},
            ValueError,
            "two columns 'learning_rate'",
        ),
        ({"trials": pd.DataFrame([[0.1]])}, TypeError, "column 0 of the trials is named by a int"),
        ({"trials": pd.DataFrame(GOOD | {"lr": 1.0})}, ValueError, "nobody takes column 'lr'"),
        ({"trials": pd.DataFrame(GOOD | {"momentun": 1.0})}, ValueError, "did you mean 'momentum'"),
        ({"trials": pd.DataFrame(GOOD | {"steps": 1})}, ValueError, "'steps' of the trials is named like one of"),
        ({"trials": pd.DataFrame({"momentum": [0.9]})}, ValueError, "optimizer sgd needs 'learning_rate'"),
        (
            {"trials": pd.DataFrame({"learning_rate": ["fast"]})},
            TypeError,
            "column 'learning_rate' of the trials holds 'fast'",
        ),
        ({"trials": pd.DataFrame({"learning_rate": [True]})}, TypeError, "holds True at row 0: it must hold numbers"),
        ({"trials": pd.DataFrame({"learning_rate": [0.1, np.nan]})}, ValueError, "holds nan at row 1: .* finite"),
        ({"trials": pd.DataFrame({"learning_rate": [np.inf]})}, ValueError, "holds inf at row 0"),
        ({"trials": pd.DataFrame({"learning_rate": [-0.1]})}, ValueError, "holds -0.1 at row 0: .* 0 or more"),
        (
            {"trials": pd.DataFrame(GOOD | {"momentum": np.nan})},
            ValueError,
            "column 'momentum' of the trials holds nan",
        ),
        ({"trials": pd.DataFrame(GOOD | {"seed": -1})}, ValueError, "whole number from 0 to 4294967295"),
        ({"trials": pd.DataFrame(GOOD | {"seed": 0.5})}, ValueError, "column 'seed' of the trials holds 0.5"),
        ({"trials": pd.DataFrame({"learning_rate": [0.1, 0.2]}, index=[1, 1])}, ValueError, "must name each row once"),
        ({"steps": 0}, ValueError, "steps=0 must be 1 or more"),
        ({"steps": 1.5}, TypeError, "steps=1.5 must be a whole number"),
        ({"record_every": 0}, ValueError, "record_every=0 must be 1 or more"),
        ({"block_width": 0}, ValueError, "block_width=0 must be 1 or more"),
        ({"stopping": 1e-4}, TypeError, "stopping must be a lrsweep.Stopping"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_before_anything_compiles(
    change: dict[str, Any], error: type[Exception], said: str, compilations: Callable[[], int]
) -> None:
    arguments = {"objective": LINE, "optimizer": optax.sgd, "trials": pd.DataFrame(GOOD), **change}
    with pytest.raises(error, match=said) as raised:
        lrsweep.sweep(**arguments)
    assert "\n" not in str(raised.value)
    assert compilations() == 0
