"""Which column goes to whom."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.training._binding import Binding, bind


def bind_one(columns: list[str], objective: lrsweep.Objective, factory: Any) -> Binding:
    return bind(columns, objective, {None: factory})[None]


def objective(init: Any) -> lrsweep.Objective:
    return lrsweep.Objective(lambda p: jnp.sum(p**2), init, name="mine")


def test_a_column_goes_to_everyone_who_has_a_keyword_of_its_name() -> None:
    def init(key: Any, *, scale: float = 1.0, momentum: float = 0.0) -> Any:
        del key
        return jnp.full(2, scale + momentum)

    bound = bind_one(["scale", "seed", "momentum", "learning_rate"], objective(init), optax.sgd)
    assert bound.optimizer == ("momentum", "learning_rate")
    assert bound.init == ("scale", "momentum")


def test_the_columns_reach_whom_they_are_bound_to() -> None:
    def init(key: Any, *, scale: float = 1.0) -> Any:
        del key
        return jnp.full((), scale)

    def factory(learning_rate: Any, *, factor: Any = 1.0) -> Any:
        return optax.sgd(learning_rate * factor)

    trials = pd.DataFrame({"scale": [2.0, 3.0], "factor": [1.0, 0.5], "learning_rate": [0.25, 0.25]})
    table = lrsweep.sweep(objective(init), factory, trials, steps=1).table
    # x**2 from x = 2 with rate 1/4, and from 3 with rate 1/8: x halves, and falls to three quarters.
    assert table["initial_loss"].tolist() == [4.0, 9.0]
    assert table["final_loss"].tolist() == [1.0, 9.0 * 0.75**2]


def test_a_factory_of_any_keywords_takes_what_nobody_else_takes() -> None:
    def init(key: Any, *, scale: float = 1.0) -> Any:
        del key
        return jnp.full((), scale)

    bound = bind_one(["scale", "decay", "learning_rate", "seed"], objective(init), lambda **rest: optax.sgd(**rest))
    assert bound.optimizer == ("decay", "learning_rate")


def test_a_partial_factory_keeps_its_keywords_as_defaults() -> None:
    bound = bind_one(["learning_rate"], objective(jnp.ones(2)), partial(optax.sgd, momentum=0.9))
    assert bound.optimizer == ("learning_rate",)


@pytest.mark.parametrize(
    ("init", "columns", "error", "said"),
    [
        (lambda: jnp.ones(2), ["learning_rate"], TypeError, r"must take the key first: init\(key, \*\*columns\)"),
        (lambda key, *, width: jnp.ones(2), ["learning_rate"], ValueError, "init of objective 'mine' needs 'width'"),
        (lambda key, *, scale=1.0: jnp.ones(2), ["learning_rate", "scall"], ValueError, "did you mean 'scale'"),
        (jnp.ones(2), ["learning_rate", "scale"], ValueError, r"nobody takes column 'scale' \(sgd and mine\)"),
    ],
)
def test_what_cannot_be_bound_is_refused(init: Any, columns: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        bind_one(columns, objective(init), optax.sgd)
