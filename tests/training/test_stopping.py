"""Every status, given by a real problem and by a hand-made outcome; and what Stopping refuses."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.tables._schema import Status
from lrsweep.training._stopping import classify, gap

MIDDLING = {
    "least_of_half": 5.0,
    "least_of_three_quarters": 5.0,
    "final_loss": 5.0,
    "predicted_decrease": 0.0,
    "minimum": 0.0,
}


def status_of(**outcome: Any) -> str:
    return Status(int(classify(**{"converged": False, "diverged": False, **MIDDLING, **outcome}))).label


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ({"converged": True}, "converged"),
        ({"diverged": True}, "diverged"),
        (
            {"diverged": True, "final_loss": math.nan, "least_of_half": math.nan, "predicted_decrease": math.nan},
            "diverged",
        ),
        ({"least_of_half": 6.0, "least_of_three_quarters": 5.5}, "slow"),
        # However little it gains, a pace that does not slacken is not rest.
        ({"least_of_half": 5.0002, "least_of_three_quarters": 5.0001}, "slow"),
        ({"least_of_half": 5.01, "least_of_three_quarters": 5.0001}, "stalled"),
        ({"predicted_decrease": 40.0}, "oscillating"),
        ({"final_loss": 7.0, "predicted_decrease": 40.0}, "oscillating"),
        ({"final_loss": 7.0, "predicted_decrease": 0.01}, "stalled"),
        ({}, "stalled"),
        # A gain within rounding is none.
        ({"least_of_half": 5.0 * (1 + 2e-7), "least_of_three_quarters": 5.0 * (1 + 1e-7)}, "stalled"),
    ],
)
def test_a_hand_made_outcome_gives_its_status(outcome: dict[str, Any], status: str) -> None:
    assert status_of(**outcome) == status


def bowl(x: Any) -> Any:
    return jnp.sum(x**2) / 2


def smooth_hinge(x: Any) -> Any:
    return jnp.log(jnp.cosh(x)).sum()


@pytest.mark.parametrize(
    ("loss", "start", "learning_rate", "status"),
    [
        (bowl, 1.0, 0.5, "converged"),
        (bowl, 1.0, 2.5, "diverged"),
        (bowl, math.nan, 0.5, "diverged"),
        (lambda x: jnp.log(x), -1.0, 0.5, "diverged"),
        (bowl, 1.0, 1e-3, "slow"),
        (bowl, 1.0, 1e-5, "slow"),
        (bowl, 1.0, 1.999, "slow"),
        # Exactly at its edge x jumps from 1 to -1 and back, and the loss does not even change.
        (bowl, 1.0, 2.0, "oscillating"),
        (smooth_hinge, 1.0, 3.0, "oscillating"),
        (abs, 1.05, 0.1, "oscillating"),
        # A local minimum, a plateau, no gradient, no push.
        (lambda x: (x**2 - 1) ** 2 + 0.3 * x + 1, 1.0, 0.05, "stalled"),
        (lambda x: 1 - jnp.exp(-(x**2)), 9.0, 0.5, "stalled"),
        (lambda x: 1 + 0 * x, 1.0, 0.5, "stalled"),
        (bowl, 1.0, 0.0, "stalled"),
    ],
)
def test_a_real_problem_gives_its_status(loss: Any, start: float, learning_rate: float, status: str) -> None:
    objective = lrsweep.Objective(loss, jnp.float32(start))
    row = (
        lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=learning_rate), steps=500).table.loc[0].to_dict()
    )
    assert row["status"] == status


def test_a_loss_that_is_not_finite_at_the_start_has_diverged_at_0() -> None:
    objective = lrsweep.Objective(bowl, jnp.float32(math.nan))
    row = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=0.5)).table.loc[0].to_dict()
    assert (row["diverged_at"], row["steps"], row["best_at"]) == (0, 0, 0)
    assert np.isnan([row["initial_loss"], row["final_loss"], row["best_loss"], row["rate"]]).all()
    assert row["converged_at"] is None


def test_the_best_loss_is_finite_where_one_was() -> None:
    # From 4 the first update lands at -1, where the logarithm is not a number.
    objective = lrsweep.Objective(lambda x: jnp.log(x), jnp.float32(4.0))
    row = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=20.0)).table.loc[0].to_dict()
    assert (row["diverged_at"], row["best_at"]) == (1, 0)
    assert np.isnan(row["final_loss"])
    assert row["best_loss"] == pytest.approx(math.log(4.0), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gap_within_rounding_is_none(dtype: Any) -> None:
    minimum = dtype(3.0)
    beside = np.nextafter(minimum, dtype(4.0))
    assert gap(beside, minimum) == 0
    assert gap(minimum * dtype(1.001), minimum) > 0
    assert gap(dtype(1e-30), dtype(0.0)) == dtype(1e-30)
    assert np.isinf(gap(dtype(np.inf), minimum))
    assert np.isnan(gap(dtype(np.nan), minimum))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"tolerance": -1.0}, "tolerance=-1.0 must be a finite number, 0 or more"),
        ({"tolerance": math.nan}, "tolerance=nan"),
        ({"target": math.inf}, "target=inf must be a finite loss"),
        ({"hold": 0}, "hold=0 must be 1 or more"),
        ({"hold": 1.5}, "hold=1.5"),
        ({"divergence": 1.0}, "divergence=1.0 must be above 1"),
        ({"divergence": math.nan}, "divergence=nan"),
    ],
)
def test_stopping_refuses_what_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.Stopping(**arguments)
