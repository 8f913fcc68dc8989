"""Compiled programs live as long as the functions they were made of, and are kept for the next sweep until then."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.engine._cache import CachedFunction

TRIALS = lrsweep.grid(learning_rate=[0.1, 0.01])
DATA = np.arange(6.0, dtype=np.float32).reshape(3, 2)

Use = Callable[[lrsweep.Objective], Any]


def sweep(objective: lrsweep.Objective, **options: Any) -> lrsweep.Sweep:
    return lrsweep.sweep(objective, optax.sgd, TRIALS, steps=5, **options)


USES: dict[str, Use] = {
    "sweep": sweep,
    "lanes last": partial(sweep, layout=lrsweep.Layout(lanes_last=True)),
    "diagnose": partial(sweep, diagnose=True),
    "halving": partial(sweep, halving=lrsweep.Halving(at=[2])),
    "replay": lambda objective: sweep(objective).replay(0),
    "path": lambda objective: sweep(objective).path(1),
    "refine": lambda objective: lrsweep.refine(objective, optax.sgd, TRIALS, steps=5, rounds=1, points=2),
    "critical": lambda objective: lrsweep.critical_learning_rate(objective, optax.sgd, steps=5, width=0.5),
    "sharpness": lambda objective: lrsweep.sharpness(objective, np.ones(2, np.float32)),
    "landscape": lambda objective: lrsweep.landscape(
        objective, {"params[0]": [0.0, 1.0]}, params=np.ones(2, np.float32)
    ),
}


class Weights:
    """What a loss holds on to, and what can be asked whether it is still there."""

    def __init__(self) -> None:
        self.array = np.ones(2, np.float32)


def fresh(weights: Weights) -> lrsweep.Objective:
    """An objective that no other is equal to."""

    def loss(params: Any, data: Any) -> Any:
        return jnp.sum((data @ params - weights.array[0]) ** 2)

    def init(key: Any) -> Any:
        del key
        return jnp.ones(2) + weights.array

    return lrsweep.Objective(loss, init, data=DATA, metrics={"size": lambda params: jnp.sum(abs(params))})


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_an_objective_holds_goes_with_it_and_until_then_is_compiled_once(
    use: Use, compilations: Callable[[], int]
) -> None:
    weights = Weights()
    objective, there = fresh(weights), weakref.ref(weights)
    use(objective)
    assert compilations() > 0
    use(objective)
    assert compilations() == 0
    del objective, weights
    gc.collect()
    assert there() is None


def test_a_result_can_be_replayed_when_its_objective_is_gone() -> None:
    result = sweep(fresh(Weights()))
    gc.collect()
    assert result.replay(0).curve.iloc[-1] == result.table["final_loss"][0]


def test_what_was_asked_for_least_recently_goes_first() -> None:
    made: list[int] = []
    squared = CachedFunction(lambda x: made.append(x) or x * x, most=2)
    assert [squared(x) for x in (1, 2, 1, 3, 1, 2)] == [1, 4, 1, 9, 1, 4]
    assert made == [1, 2, 3, 2]
    assert len(squared) == 2


@dataclass(frozen=True)
class Power:
    """A loss that is another's equal where their powers are."""

    power: int

    def __call__(self, params: Any) -> Any:
        return jnp.sum(params**self.power)


@dataclass
class Changing:
    """A loss that is another's equal and may change, so that it cannot be hashed."""

    power: int

    def __call__(self, params: Any) -> Any:
        return jnp.sum(params**self.power)


class Model:
    """An object with a loss for a method."""

    def loss(self, params: Any) -> Any:
        return jnp.sum((params - 1) ** 2)


def test_a_loss_that_equals_an_earlier_one_needs_no_other_program(compilations: Callable[[], int]) -> None:
    for power, programs in ((2, 1), (2, 0), (4, 1)):
        sweep(lrsweep.Objective(Power(power), np.ones(2, np.float32)))
        gc.collect()
        assert compilations() == programs


@pytest.mark.parametrize("use", [USES["sweep"], USES["sharpness"], USES["landscape"]], ids=["sweep", "sharp", "seen"])
def test_a_loss_that_cannot_be_hashed_is_refused(use: Use) -> None:
    objective = lrsweep.Objective(Changing(2), np.ones(2, np.float32))
    with pytest.raises(lrsweep.InputError, match="a Changing cannot be hashed.*: make it a function, or a frozen data"):
        use(objective)


def test_a_method_is_the_same_loss_for_as_long_as_its_object_lives(compilations: Callable[[], int]) -> None:
    model = Model()
    there = weakref.ref(model)
    for programs in (1, 0):
        sweep(lrsweep.Objective(model.loss, np.ones(2, np.float32)))
        gc.collect()
        assert compilations() == programs
    del model
    gc.collect()
    assert there() is None
