"""A trial that has ended cannot hold up, change or crash those beside it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from jax import lax

import lrsweep
from lrsweep.engine._layout import Layout


@jax.custom_jvp
def root(a: Any) -> Any:
    """A square root by Newton's iteration, whose loop goes on for ever on NaN."""

    def once(pair: Any) -> Any:
        return 0.5 * (pair[0] + a / pair[0]), pair[0]

    return lax.while_loop(lambda pair: ~(abs(pair[0] - pair[1]) <= 1e-5 * pair[0]), once, (a, 2 * a))[0]


@root.defjvp
def _(primals: Any, tangents: Any) -> Any:
    value = root(primals[0])
    return value, tangents[0] / (2 * value)


def loss(params: Any) -> Any:
    return root(1.0 + params["x"] ** 2) ** 2 - 1.0


def start(key: Any) -> Any:
    del key
    return {"x": jnp.float32(1.0)}


def by_hand(rate: float, steps: int) -> np.ndarray:
    """The losses, x**2, of gradient descent in closed form."""
    return (1 - 2 * rate) ** (2.0 * np.arange(steps + 1))


TRIALS = lrsweep.grid(learning_rate=[0.01, 3.0, 3e38])


def test_a_loop_that_would_not_end_on_what_has_diverged_ends() -> None:
    # By the closed form: 0.98**(2 k) <= 1e-4 first at 228, and 25**k > 1e6 first at 5.
    losses = {0.01: by_hand(0.01, 400), 3.0: by_hand(3.0, 100)}
    row = lrsweep.sweep(lrsweep.Objective(loss, start), optax.sgd, TRIALS, steps=400)
    table = row.table
    assert table["status"].tolist() == ["converged", "diverged", "diverged"]
    assert table["converged_at"][0] == np.argmax(losses[0.01] <= 1e-4) == 228
    assert table["diverged_at"][1] == np.argmax(losses[3.0] > 1e6) == 5
    # From one update to the next the parameters overflow: they are not handed to the loss.
    assert table["diverged_at"][2] == 1
    # And what it ended with is there to be looked at.
    assert row.replay(1).params["x"] == pytest.approx((1 - 6.0) ** 5)


def test_a_loop_over_the_examples_of_a_batch_or_in_a_metric_ends_too() -> None:
    data = np.array([1.0, 2.0, 3.0, 4.0], np.float32)

    def on_examples(params: Any, data: Any) -> Any:
        return jnp.mean((root(1.0 + params["x"] ** 2) ** 2 - 1.0) * data)

    def distance(params: Any) -> Any:
        return root(1.0 + params["x"] ** 2)

    objective = lrsweep.Objective(on_examples, start, data=data, batch_size=2, metrics={"distance": distance})
    plain = lrsweep.Objective(lambda p, data: jnp.mean(p["x"] ** 2 * data), start, data=data, batch_size=2)
    trials = lrsweep.grid(learning_rate=[0.004, 30.0], seed=range(2))
    looped, closed = (lrsweep.sweep(each, optax.sgd, trials, steps=60).table for each in (objective, plain))
    assert looped["status"].tolist() == closed["status"].tolist()
    assert looped["diverged_at"].equals(closed["diverged_at"])
    np.testing.assert_allclose(looped["final_loss"][:2], closed["final_loss"][:2], rtol=1e-4)


def test_a_callback_is_not_handed_what_a_trial_that_has_ended_would_have_come_to() -> None:
    seen: list[float] = []

    def told(x: Any) -> Any:
        values = np.asarray(x)
        seen.extend(values.ravel().tolist())
        return np.zeros_like(values)

    def watched(params: Any) -> Any:
        silent = jax.pure_callback(
            told, jax.ShapeDtypeStruct((), jnp.float32), lax.stop_gradient(params["x"]), vmap_method="expand_dims"
        )
        return params["x"] ** 2 + silent

    trials = lrsweep.grid(learning_rate=[0.001, 3.0])
    table = lrsweep.sweep(lrsweep.Objective(watched, start), optax.sgd, trials, steps=100).table
    assert table["status"].tolist() == ["slow", "diverged"]
    # The one that diverged stays where it did: at (-5)**5, beyond a million times the loss it started from.
    assert np.isfinite(seen).all()
    assert max(map(abs, seen)) == 5.0**5


def test_what_ended_beside_it_changes_no_bit_of_a_trial() -> None:
    objective = lrsweep.Objective(loss, start)
    alone = lrsweep.sweep(objective, optax.sgd, TRIALS.head(1), steps=400, block_width=4).table
    beside = lrsweep.sweep(objective, optax.sgd, TRIALS, steps=400, block_width=4).table
    pd.testing.assert_frame_equal(alone, beside.head(1), check_exact=True)


def test_turns_of_several_updates_are_refused_where_a_loop_might_not_end() -> None:
    with pytest.raises(lrsweep.InputError, match="chunk=4 must be 1 where the loss or the optimizer holds a loop"):
        lrsweep.sweep(lrsweep.Objective(loss, start), optax.sgd, TRIALS, layout=Layout(chunk=4))


@pytest.mark.slow
def test_a_line_search_at_rest_at_its_minimum_does_not_hold_up_the_others() -> None:
    # At the minimum rounding may decide that the search of optax.lbfgs goes on for ever: there it must not be repeated.
    draw = np.random.default_rng(0)
    x = draw.normal(size=(442, 10))
    objective = lrsweep.problems.linear_regression(x, x @ draw.normal(size=10) + draw.normal(size=442))
    trials = pd.DataFrame({"shrink": [1.0] * 255 + [0.01], "seed": range(256)})
    table = lrsweep.sweep(
        objective, lambda shrink: optax.chain(optax.lbfgs(), optax.scale(shrink)), trials, steps=200, block_width=256
    ).table
    assert table["status"].value_counts()[["converged", "slow"]].tolist() == [255, 1]
    assert table["steps"].max() == 200
