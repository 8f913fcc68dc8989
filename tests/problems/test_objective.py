"""Objectives: what is refused before anything compiles."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep


def total(params: Any) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))


START = {"w": np.ones(2, np.float32)}


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (
            {"loss": lambda p: p["w"]},
            ValueError,
            r"the loss of objective 'mine' returns float32\[2\]: .* one floating-point scalar",
        ),
        ({"loss": lambda p: jnp.argmax(p["w"])}, ValueError, r"returns int32\[\]: it must return one floating-point"),
        ({"loss": lambda p: (total(p), 0.0)}, ValueError, "returns a tuple: it must return one"),
        (
            {"loss": lambda p: p["v"]},
            ValueError,
            "the loss of objective 'mine' does not fit its parameters: KeyError: 'v'",
        ),
        (
            {"init": {"w": np.ones(2, int)}},
            TypeError,
            r"gives int32 at params\['w'\]: .* floating-point arrays \(0.0, not 0\)",
        ),
        ({"init": lambda key: {"w": 0}}, TypeError, r"gives int32 at params\['w'\]"),
        ({"init": lambda key: {}}, ValueError, "gives no parameters"),
        ({"init": lambda key: {}["w"]}, ValueError, "the init of objective 'mine' fails with KeyError: 'w'"),
        ({"init": {"w": "one"}}, TypeError, r"gives a str at params\['w'\]: .* equinox.filter"),
        (
            {"data": np.ones((3, 2))},
            ValueError,
            "the loss of objective 'mine' does not fit its parameters and data: TypeError",
        ),
        (
            {"loss": lambda p, d: jnp.sum((d @ p["w"]) ** 2), "data": np.ones((3, 4))},
            ValueError,
            "the loss of objective 'mine' does not fit its parameters and data: .*dot",
        ),
        (
            {"loss": lambda p, d: total(p)},
            ValueError,
            "the loss of objective 'mine' does not fit its parameters: TypeError",
        ),
    ],
)
def test_an_objective_that_does_not_fit_is_refused_before_anything_compiles(
    arguments: dict[str, Any], error: type[Exception], said: str, compilations: Callable[[], int]
) -> None:
    objective = lrsweep.Objective(**{"loss": total, "init": START, "name": "mine", **arguments})
    compilations()
    with pytest.raises(error, match=said) as raised:
        lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=0.1))
    assert "\n" not in str(raised.value)
    assert compilations() == 0


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"loss": 1.0}, TypeError, "an objective's loss must be a function of the parameters, not 1.0"),
        ({"minimum": np.nan}, ValueError, "objective 'mine': minimum=nan must be a finite number"),
        (
            {"data": {"x": np.ones(3), "y": np.ones(4)}},
            ValueError,
            r"one leading axis in common.*\['x'\] has 3.*\['y'\] has 4",
        ),
        ({"data": np.array(["a"])}, TypeError, "data must be numeric arrays"),
        ({"data": {"x": 1.0}}, ValueError, r"data\['x'\] is a scalar"),
    ],
)
def test_an_objective_that_cannot_be_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        lrsweep.Objective(**{"loss": total, "init": START, "name": "mine", **arguments})


def test_an_objective_is_called_by_its_loss_where_it_has_no_name() -> None:
    assert lrsweep.Objective(total, START).name == "total"


def test_parameters_may_be_any_pytree_of_floats() -> None:
    start = {"a": [jnp.ones(2), (jnp.float32(3.0),)], "b": 2.0}
    sweep = lrsweep.sweep(lrsweep.Objective(total, start), optax.sgd, lrsweep.grid(learning_rate=0.25), steps=1)
    # Each parameter halves: 2 + 9 + 4 falls to a quarter.
    assert sweep.table["final_loss"][0] == 15 / 4
    assert jax.tree.map(lambda leaf: leaf.tolist(), sweep.replay(0).params) == {"a": [[0.5, 0.5], (1.5,)], "b": 1.0}
