"""Minibatches: which examples an update sees, and what is measured over all of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.training._batches import next_batches, open_stream
from tests import oracles

DRAW = np.random.default_rng(5)
X, Y = DRAW.normal(size=(30, 4)), DRAW.normal(size=30)
START = DRAW.normal(size=4)
FOREVER = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))


def squared_error(weights: Any, data: Any) -> Any:
    return jnp.mean((data["x"] @ weights - data["y"]) ** 2)


def regression(**more: Any) -> lrsweep.Objective:
    return lrsweep.Objective(squared_error, START, data={"x": X, "y": Y}, **more)


next_batches_jit = jax.jit(next_batches, static_argnums=(1, 2))


def batches_of(seed: int, examples: int, size: int, count: int, *, at_once: int = 1) -> list[np.ndarray]:
    stream, batches = open_stream(np.uint32(seed), examples), []
    while len(batches) < count:
        some, stream = next_batches_jit(stream, at_once, size)
        batches += list(np.asarray(some))
    return batches[:count]


def nesterov(learning_rate: Any) -> optax.GradientTransformation:
    return optax.sgd(learning_rate, momentum=0.9, nesterov=True)


def scalar(update: oracles.Update) -> oracles.ArrayUpdate:
    return lambda grad, params, k: update(grad, k)  # pyright: ignore[reportArgumentType, reportReturnType]


OPTIMIZERS: list[tuple[Callable[..., Any], dict[str, float], Callable[[], oracles.ArrayUpdate]]] = [
    (optax.sgd, {}, lambda: oracles.momentum(0.02, 0.0)),
    (optax.sgd, {"momentum": 0.9}, lambda: oracles.momentum(0.02, 0.9)),
    (nesterov, {}, lambda: oracles.momentum(0.02, 0.9, nesterov=True)),
    (optax.adam, {}, lambda: scalar(oracles.adam(0.02))),
    (optax.adamw, {"weight_decay": 0.1}, lambda: oracles.adamw(0.02, 0.1)),
    (optax.rmsprop, {}, lambda: scalar(oracles.rmsprop(0.02))),
]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("factory", "keywords", "update"), OPTIMIZERS, ids=["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"]
)
def test_a_run_on_batches_agrees_with_a_numpy_loop_on_the_same_batches(
    factory: Callable[..., Any], keywords: dict[str, float], update: Callable[[], oracles.ArrayUpdate]
) -> None:
    trials = lrsweep.grid(learning_rate=0.02, **keywords, seed=[3, 8])
    sweep = lrsweep.sweep(regression(batch_size=7), factory, trials, steps=40, stopping=FOREVER, record_every=1)
    for trial, seed in enumerate(trials["seed"]):
        losses = oracles.regression_losses(X, Y, batches_of(seed, 30, 7, 40), update(), START)
        np.testing.assert_allclose(sweep.curves["loss"].loc[trial], losses, rtol=1e-12)


@pytest.mark.parametrize(("examples", "size"), [(6, 2), (7, 3), (5, 5), (4, 1), (7, 6)])
def test_every_epoch_holds_each_example_once_in_an_order_of_its_own(examples: int, size: int) -> None:
    epochs = 3 * size  # as many as bring the batches' borders and the epochs' together
    seen = np.concatenate(batches_of(1, examples, size, examples * epochs // size)).reshape(epochs, examples)
    assert (np.sort(seen, axis=1) == np.arange(examples)).all()
    assert len({tuple(epoch) for epoch in seen}) > 1


@pytest.mark.parametrize(("examples", "size", "at_once"), [(7, 3, 2), (5, 5, 3), (6, 4, 9)])
def test_batches_are_the_same_however_many_are_taken_at_once(examples: int, size: int, at_once: int) -> None:
    apart, together = (batches_of(3, examples, size, 30, at_once=count) for count in (1, at_once))
    np.testing.assert_array_equal(together, apart)


def count_seen(counts: Any, data: Any) -> Any:
    """A loss whose gradient descent adds the learning rate to a parameter each time its example is seen."""
    return -jnp.sum(counts * data.sum(axis=0))


def test_rows_of_one_seed_see_the_same_batches_at_every_learning_rate_and_other_seeds_others() -> None:
    counting = lrsweep.Objective(count_seen, np.zeros(10), data=np.eye(10), batch_size=3, minimum=-1e9)
    trials = lrsweep.grid(learning_rate=[1.0, 0.5, 0.25], seed=[3, 4])
    sweep = lrsweep.sweep(counting, optax.sgd, trials, steps=4, stopping=FOREVER)
    seen = (
        np.array([sweep.replay(trial).params for trial in trials.index]) / trials["learning_rate"].to_numpy()[:, None]
    )
    expected = {seed: np.bincount(np.concatenate(batches_of(seed, 10, 3, 4)), minlength=10) for seed in (3, 4)}
    assert seen.tolist() == [expected[seed].tolist() for seed in trials["seed"]]
    assert expected[3].tolist() != expected[4].tolist()


def test_the_losses_of_the_table_are_those_over_all_the_data_where_they_are_measured() -> None:
    trials = lrsweep.grid(learning_rate=[0.05, 0.1], seed=range(3))
    stopping = lrsweep.Stopping(target=1.03 * float(np.linalg.lstsq(X, Y)[1][0]) / len(X))
    sweep = lrsweep.sweep(regression(batch_size=10), optax.sgd, trials, steps=205, stopping=stopping, evaluate_every=20)
    ends = sweep.table["converged_at"].dropna()
    assert len(ends) > 0
    assert (ends % 20 == 0).all() or set(ends[ends % 20 != 0]) == {205}
    for trial, row in sweep.table.iterrows():
        replay = sweep.replay(trial)
        measured = {float(squared_error(replay.params, {"x": X, "y": Y})), row["final_loss"]}
        assert max(measured) == pytest.approx(min(measured), rel=1e-6)
        assert replay.curve.index[-1] == row["steps"]
        assert set(replay.curve.index[:-1]) == set(range(0, row["steps"], 20))


def test_losses_are_measured_once_an_epoch_unless_told_otherwise() -> None:
    trials = lrsweep.grid(learning_rate=0.01)
    made = [
        lrsweep.sweep(
            regression(batch_size=7), optax.sgd, trials, steps=10, evaluate_every=measured, record_every=recorded
        ).provenance["evaluate_every"]
        for measured, recorded in ((None, None), (None, 4), (2, 4))
    ]
    assert made == [5, 4, 2]


def test_what_is_not_finite_is_caught_at_the_update_where_it_happens() -> None:
    # From the start, at 1e15 times what is stable: the loss overflows 32 bits at the second update.
    trials = lrsweep.grid(learning_rate=[1e15, 0.01, 1e30])
    table = lrsweep.sweep(regression(batch_size=10), optax.sgd, trials, steps=100, evaluate_every=50).table
    assert table["status"].tolist()[::2] == ["diverged", "diverged"]
    assert table["diverged_at"].tolist()[::2] == table["steps"].tolist()[::2] == [2, 1]
    assert not np.isfinite(table["final_loss"][0])
    # Its neighbour is measured only where it is due.
    alone = lrsweep.sweep(
        regression(batch_size=10), optax.sgd, trials.loc[[1]], steps=100, evaluate_every=50, block_width=4
    ).table
    pd.testing.assert_frame_equal(table.loc[[1]], alone, check_exact=True)


@pytest.mark.parametrize("chunk", [1, 5])
def test_a_trial_whose_loss_is_not_finite_is_measured_where_that_is(chunk: int) -> None:
    """The loss of the minibatch overflows, the parameters do not, and none later are measured."""
    objective = regression(batch_size=10, metrics={"largest": lambda weights, data: abs(weights).max()})
    table = lrsweep.sweep(
        objective,
        optax.sgd,
        lrsweep.grid(learning_rate=1e15, seed=range(4)),
        steps=100,
        evaluate_every=50,
        stopping=FOREVER,
        layout=lrsweep.Layout(chunk),
    ).table
    for seed, (_, row) in enumerate(table.iterrows()):
        weights, losses = START.astype(np.float32), list[float]()
        with np.errstate(over="ignore"):
            for batch in batches_of(seed, 30, 10, 10):
                errors = X[batch].astype(np.float32) @ weights - Y[batch].astype(np.float32)
                losses.append(float(np.mean(errors**2)))
                if not np.isfinite(losses[-1]):
                    break
                weights = weights - np.float32(1e15) * X[batch].T.astype(np.float32) @ errors / np.float32(5)
        assert (row["status"], row["diverged_at"], row["steps"]) == ("diverged", len(losses) - 1, len(losses) - 1)
        assert row["final_largest"] == pytest.approx(float(abs(weights).max()), rel=1e-4)


@pytest.mark.parametrize("every", [1, 5])
def test_a_replay_gives_the_bits_of_a_sweep_on_batches(every: int) -> None:
    trials = lrsweep.grid(optimizer=["sgd", "adam"], learning_rate=[0.1, 0.01], seed=range(3))
    sweep = lrsweep.sweep(
        regression(batch_size=7),
        {"sgd": optax.sgd, "adam": optax.adam},
        trials,
        steps=33,
        evaluate_every=every,
    )
    for trial in (0, 5, 6, 11):
        curve, row = sweep.replay(trial).curve, sweep.table.loc[trial]
        assert (curve.loc[0], curve.loc[row["steps"]]) == (row["initial_loss"], row["final_loss"])
        assert (curve.min(), curve.idxmin()) == (row["best_loss"], row["best_at"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"batch_size": 31}, "has batch_size=31: it must be a whole number from 1 to 30"),
        ({"batch_size": 0}, "has batch_size=0"),
        ({"batch_size": 2.0}, "has batch_size=2.0"),
        ({"batch_size": 3, "data": None}, "batch_size=3, but no data to take examples from"),
        ({"data": {"x": np.ones((0, 2))}}, "data holds no examples"),
    ],
)
def test_batches_that_cannot_be_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.Objective(squared_error, START, **{"data": {"x": X, "y": Y}, **arguments})


def test_a_loss_is_recorded_only_where_it_is_measured() -> None:
    with pytest.raises(ValueError, match="record_every=10 must be a multiple of evaluate_every=4"):
        lrsweep.sweep(regression(), optax.sgd, lrsweep.grid(learning_rate=0.1), evaluate_every=4, record_every=10)


def test_batches_need_no_more_compilations_than_one(compilations: Callable[[], int]) -> None:
    objective = regression(batch_size=4)
    jax.block_until_ready(jnp.asarray(X))
    lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2], seed=range(2)), steps=7)
    compilations()
    lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.3, 0.4], seed=range(2)), steps=50)
    assert compilations() == 0
