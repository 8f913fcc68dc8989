"""The landscape against the loss written out in NumPy."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep

LINE = lrsweep.problems.line()
X, Y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0])


def line_loss(w0: float, w1: float) -> float:
    return float(np.mean((w1 * X + w0 - Y) ** 2))


@pytest.mark.usefixtures("x64")
def test_along_one_parameter_the_others_stay_at_the_start() -> None:
    values = np.linspace(-1, 4, 7)
    found = lrsweep.landscape(LINE, {"w1": values})
    assert isinstance(found, pd.Series)
    assert (found.name, found.index.name, found.dtype) == ("loss", "w1", np.float64)
    np.testing.assert_array_equal(found.index, values)
    np.testing.assert_allclose(found, [line_loss(0.0, w1) for w1 in values], rtol=1e-14)


@pytest.mark.usefixtures("x64")
def test_the_first_of_two_parameters_runs_along_the_columns() -> None:
    columns, index = [0.0, 1.0, 2.0], [-1.0, 0.5]
    found = lrsweep.landscape(LINE, {"w1": columns, "w0": index})
    assert isinstance(found, pd.DataFrame)
    assert (found.columns.name, found.index.name) == ("w1", "w0")
    assert (found.columns.tolist(), found.index.tolist()) == (columns, index)
    expected = [[line_loss(w0, w1) for w1 in columns] for w0 in index]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.usefixtures("x64")
def test_elements_of_one_array_are_parameters_of_their_own() -> None:
    axis = np.linspace(-2, 2, 5)
    found = lrsweep.landscape(lrsweep.problems.rosenbrock(), {"x[1]": axis, "x[0]": axis})
    x1, x0 = np.meshgrid(axis, axis)
    np.testing.assert_allclose(found, 100 * (x1 - x0**2) ** 2 + (1 - x0) ** 2, rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_parameters_are_called_as_in_a_path_whose_losses_the_landscape_gives() -> None:
    start: Any = {"layers": [{"w": np.ones((1, 2))}], "b": 0.5}

    def loss(params: Any, data: Any) -> Any:
        return jnp.mean((data @ params["layers"][0]["w"][0] + params["b"]) ** 2)

    data = np.random.default_rng(0).normal(size=(6, 2))
    objective = lrsweep.Objective(loss, start, data=data)
    sweep = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=0.1), steps=3)
    replay = sweep.replay(0)
    for name, value in sweep.path(0).iloc[-1].items():
        found = lrsweep.landscape(objective, {str(name): [value]}, params=replay.params)
        assert found.iloc[0] == pytest.approx(replay.curve.iloc[-1], rel=1e-12)


def test_the_loss_is_over_all_the_data_with_its_keywords_at_the_parameters_given() -> None:
    data = np.random.default_rng(0).normal(size=(8, 2))

    def loss(params: Any, data: Any, *, penalty: float = 0.0) -> Any:
        return jnp.mean((data @ params) ** 2) + penalty * jnp.sum(params**2)

    objective = lrsweep.Objective(loss, np.zeros(2), data=data, batch_size=2)
    found = lrsweep.landscape(objective, {"params[0]": [1.0]}, params=np.array([0.0, 3.0]), keywords={"penalty": 2.0})
    assert found.iloc[0] == pytest.approx(np.mean((data @ [1.0, 3.0]) ** 2) + 20, rel=1e-6)


def test_a_start_that_is_drawn_is_the_one_of_trials_without_a_seed() -> None:
    objective = lrsweep.Objective(
        lambda params: jnp.sum(params**2), lambda key, *, scale=1.0: scale * jax.random.normal(key, (2,))
    )
    start = np.asarray(jax.random.normal(jax.random.key(0), (2,)))
    found = lrsweep.landscape(objective, {"params[0]": [0.0]})
    assert found.iloc[0] == pytest.approx(start[1] ** 2, rel=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_it_is_computed_in_the_precision_of_the_parameters(dtype: Any) -> None:
    objective = lrsweep.Objective(lambda params: params["w"] ** 2, {"w": jnp.ones((), dtype)})
    found = lrsweep.landscape(objective, {"w": [0.1, 0.7]})
    values = jnp.array([0.1, 0.7], dtype)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.asarray(values**2, float))


def test_other_values_and_parameters_compile_nothing(compilations: Callable[[], int]) -> None:
    objective = lrsweep.problems.quadratic([1.0, 3.0])
    lrsweep.landscape(objective, {"x[0]": [0.0, 1.0, 2.0]}, params={"x": np.ones(2, np.float32)})
    compilations()
    lrsweep.landscape(objective, {"x[0]": [0.5, 1.5, 2.5]}, params={"x": np.zeros(2, np.float32)})
    assert compilations() == 0


@pytest.mark.parametrize(
    ("along", "says"),
    [
        ({"w2": [0.0]}, "there is no parameter 'w2': there is: w0, w1"),
        ({}, "along names 0 parameters: it must name one or two of w0, w1"),
        ({"w0": [1.0, 0.0]}, "the values of 'w0' must be a list of finite numbers, each above the one before"),
        ({"w0": [0.0, np.inf]}, "the values of 'w0' must be a list of finite numbers"),
        ({"w0": []}, "the values of 'w0' must be a list of finite numbers"),
        ({"w0": 1.0}, "the values of 'w0' must be a list of finite numbers"),
        ({"w0": ["a"]}, "along 'w0'=['a'] must be an array of numbers"),
    ],
)
def test_what_no_landscape_runs_along_is_refused(along: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        lrsweep.landscape(LINE, along)


def test_of_many_parameters_the_first_are_named() -> None:
    objective = lrsweep.problems.quadratic(np.ones(1000))
    with pytest.raises(ValueError, match=r"there is no parameter 'y': there is: x\[0\], .*, x\[19\], 980 more$"):
        lrsweep.landscape(objective, {"y": [0.0]})


def test_what_is_no_objective_has_no_start_or_names_no_parameters_is_refused() -> None:
    bare: Any = LINE.loss
    with pytest.raises(TypeError, match=r"must be a lrsweep\.Objective, not a function"):
        lrsweep.landscape(bare, {"w0": [0.0]})
    names: Any = "w0"
    with pytest.raises(TypeError, match="along='w0' must give the values to take by the parameter's name"):
        lrsweep.landscape(LINE, names)
    needy = lrsweep.Objective(lambda params: jnp.sum(params**2), lambda key, *, width: jnp.zeros(width), name="needy")
    with pytest.raises(ValueError, match="the init of objective 'needy' fails with TypeError.*: give params"):
        lrsweep.landscape(needy, {"params[0]": [0.0]})
