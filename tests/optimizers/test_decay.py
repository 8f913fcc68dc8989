"""Weight decay that does not scale with the learning rate, against closed forms and its authors' own algorithm."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.optimizers import independent_decay, scheduled, warmup_cosine

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 12
SGD, ADAM = independent_decay(optax.sgd), independent_decay(optax.adam)
CURVATURE, START = np.array([0.5, 2.0, 4.0]), np.array([1.0, -2.0, 3.0])

# Every parameter falls by a share of its own, and `idle` has no gradient.
BOWL = lrsweep.Objective(
    lambda params: jnp.sum(CURVATURE * params["x"] ** 2) / 2,
    {"x": START, "idle": np.ones(())},
    metrics={"idle": lambda params: params["idle"], "last": lambda params: params["x"][-1]},
)
TO_THE_END = lrsweep.Stopping(tolerance=0.0)


def run(optimizer: Any, **axes: Any) -> Any:
    return lrsweep.sweep(BOWL, optimizer, lrsweep.grid(**axes), steps=STEPS, stopping=TO_THE_END).table


def factors(warmup: int) -> np.ndarray:
    schedule: Any = optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup, STEPS)
    return np.array([float(schedule(k)) for k in range(STEPS)])


def test_gradient_descent_on_a_bowl_shrinks_by_the_sum_of_slope_and_decay() -> None:
    table = run(scheduled(SGD, warmup_cosine, steps=STEPS, warmup=3), learning_rate=[0.1, 0.3], weight_decay=[0.0, 0.2])
    for _, row in table.iterrows():
        shares = row["learning_rate"] * CURVATURE + row["weight_decay"]
        ends = START * np.prod(1 - factors(3)[:, None] * shares, axis=0)
        assert row["final_loss"] == pytest.approx(np.sum(CURVATURE * ends**2) / 2, rel=1e-5)
        assert row["final_idle"] == pytest.approx(np.prod(1 - factors(3) * row["weight_decay"]), rel=1e-6)


@pytest.mark.parametrize("optimizer", [SGD, ADAM])
def test_what_has_no_gradient_decays_alike_at_every_learning_rate(optimizer: Any) -> None:
    idle = run(optimizer, learning_rate=[1e-3, 0.1], weight_decay=[0.01, 0.1]).pivot(
        index="learning_rate", columns="weight_decay", values="final_idle"
    )
    np.testing.assert_allclose(idle, [[0.99**STEPS, 0.9**STEPS]] * 2, rtol=1e-5)
    theirs = run(optax.adamw, learning_rate=[1e-3, 0.1], weight_decay=[0.1])
    np.testing.assert_allclose(theirs["final_idle"], [(1 - 1e-4) ** STEPS, 0.99**STEPS], rtol=1e-5)


def test_adam_follows_the_algorithm_of_loshchilov_and_hutter() -> None:
    # Algorithm 2 of arXiv:1711.05101, without its gradient's own penalty.
    (row,) = run(
        scheduled(ADAM, warmup_cosine, steps=STEPS, warmup=3), learning_rate=[0.2], weight_decay=[0.05], b1=0.8, b2=0.9
    ).to_dict("records")
    x, first, second = START.copy(), np.zeros(3), np.zeros(3)
    for t, eta in enumerate(factors(3), start=1):
        gradient = CURVATURE * x
        first = 0.8 * first + 0.2 * gradient
        second = 0.9 * second + 0.1 * gradient**2
        step = 0.2 * (first / (1 - 0.8**t)) / (np.sqrt(second / (1 - 0.9**t)) + 1e-8)
        x = x - eta * (step + 0.05 * x)
    assert row["final_last"] == pytest.approx(x[-1], rel=1e-5)
    assert row["final_loss"] == pytest.approx(np.sum(CURVATURE * x**2) / 2, rel=1e-5)


def test_only_what_the_mask_names_decays() -> None:
    masked = independent_decay(optax.sgd, mask={"x": False, "idle": True})
    table = run(masked, learning_rate=[1e-6], weight_decay=[0.1])
    assert table["final_idle"][0] == pytest.approx(0.9**STEPS, rel=1e-5)
    assert table["final_last"][0] == pytest.approx(3, rel=1e-3)


def test_decays_swept_over_many_values_compile_once(compilations: Callable[[], int]) -> None:
    run(SGD, learning_rate=[0.1, 0.2], weight_decay=[0.0, 0.1])
    compilations()
    run(SGD, learning_rate=[0.01, 0.02], weight_decay=[0.3, 0.4])
    assert compilations() == 0


def test_the_command_line_knows_it_by_name() -> None:
    assert {"adam_independent_decay", "sgd_independent_decay"} <= set(lrsweep.optimizers.names())
    named = lrsweep.optimizers.by_name("sgd_independent_decay")
    assert named is lrsweep.optimizers.by_name("sgd_independent_decay")
    assert run(named, learning_rate=[0.1], weight_decay=[0.1])["final_idle"][0] == pytest.approx(0.9**STEPS, rel=1e-5)


def test_the_range_test_raises_the_learning_rate_and_not_the_decay() -> None:
    tested = lrsweep.range_test(
        BOWL, SGD, low=1e-9, high=1e-8, steps=6, trials=lrsweep.grid(weight_decay=[0.1]), smoothing=0
    )
    np.testing.assert_allclose(tested.curves["loss"] / tested.curves["loss"][0], 0.81 ** np.arange(6), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: independent_decay(3), "factory=3 must be a function"),  # pyright: ignore[reportArgumentType]
        (lambda: independent_decay(optax.adamw), "adamw has a weight_decay of its own: take the one without"),
        (lambda: independent_decay(optax.polyak_sgd), "polyak_sgd takes no learning_rate"),
        (
            lambda: SGD(optax.cosine_decay_schedule(1.0, 10)),
            "the weight_decay of sgd_independent_decay follows the shape of a schedule, which this one does not tell",
        ),
    ],
)
def test_what_has_no_such_decay_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(lrsweep.InputError, match=re.escape(said)):
        make()


def test_an_update_needs_the_parameters() -> None:
    optimizer = SGD(0.1)
    with pytest.raises(ValueError, match="params"):
        optimizer.update(jax.numpy.ones(2), optimizer.init(jax.numpy.ones(2)))
