"""Block widths that suit a number of trials and the machine."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

import lrsweep
from lrsweep.engine import _plan
from lrsweep.engine._compile import Plan
from lrsweep.engine._layout import Layout
from lrsweep.engine._plan import choose_width
from lrsweep.studies._prepare import limits_of, prepare
from tests.engine.test_blocks import regression


@pytest.mark.parametrize("most", [8, 128, 1024])
def test_blocks_are_as_few_as_they_can_be_and_nearly_full(most: int) -> None:
    for trials in range(1, 5000):
        width = choose_width(trials, most=most)
        blocks = -(-trials // most)
        assert width <= most
        assert width * (blocks - 1) < trials <= width * blocks
        # Rounding a block up takes a sixteenth at most, and dealing trials out to blocks one lane more.
        assert width <= (trials / blocks + 1) * 17 / 16


def test_numbers_of_trials_that_are_near_each_other_share_a_program() -> None:
    for least in (1, 16, 100, 500):
        widths = {choose_width(trials) for trials in range(least, 2 * least + 1)}
        assert len(widths) <= 34


def test_a_width_can_be_asked_to_fill_registers() -> None:
    assert all(choose_width(trials, most=128, multiple=16) % 16 == 0 for trials in range(1, 1000))


def test_a_number_just_above_a_power_of_two_is_not_padded_to_the_next() -> None:
    def loss(params: Any, data: Any) -> Any:
        return jnp.mean((data @ params) ** 2)

    objective = lrsweep.Objective(loss, lambda key: jax.random.normal(key, (3,)), data=jnp.ones((8, 3)), batch_size=4)
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1e-1, 65))
    with jax.default_device(jax.devices("cpu")[0]):
        made = lrsweep.sweep(objective, optax.sgd, trials, steps=2).provenance
    assert made["groups"][0]["block_width"] == 65


class Accelerator:
    platform = "gpu"


@pytest.mark.parametrize(
    ("objective", "options", "layout"),
    [
        (lrsweep.problems.line(), {}, Layout(8, unrolled=True)),
        (regression(), {}, Layout(64)),
        (regression(), {"evaluate_every": 2}, Layout()),
        (replace(regression(), batch_size=5), {"evaluate_every": 12}, Layout(12)),
        (replace(regression(), batch_size=5), {"evaluate_every": 7 * 67}, Layout(7)),
    ],
)
def test_an_accelerator_gets_as_many_lanes_as_there_are_trials_and_longer_chunks(
    objective: lrsweep.Objective, options: dict[str, Any], layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = lrsweep.grid(learning_rate=0.01, seed=range(5000)).drop(columns="seed")
    limits = limits_of(objective, lrsweep.Stopping(), 100, **options)
    (job,) = prepare(objective, {None: optax.sgd}, trials, [], limits)
    monkeypatch.setattr(_plan, "devices", lambda: [Accelerator()])
    monkeypatch.setattr(_plan, "available_bytes", lambda: 10**10)
    assert _plan.choose_plan(job) == Plan(5120, 1, 1, layout)
