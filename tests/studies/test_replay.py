"""One trial run again: its parameters, its whole curve, its path."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.training._pytree import names_of, values_of

LINE = lrsweep.problems.line()


@pytest.mark.parametrize("trial", [2, 30, 41])
def test_a_replay_gives_the_bits_of_the_sweep(trial: int) -> None:
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-2, 1.0, 7), seed=range(6))
    sweep = lrsweep.sweep(LINE, optax.adam, trials, steps=300)
    replay, row = sweep.replay(trial), sweep.table.loc[trial]
    assert len(replay.curve) == row["steps"] + 1
    assert (replay.curve.iloc[0], replay.curve.iloc[-1]) == (row["initial_loss"], row["final_loss"])
    assert (replay.curve.min(), replay.curve.idxmin()) == (row["best_loss"], row["best_at"])
    # The parameters are those of the last loss: residuals of 1e-2 between numbers of 5, known to 6e-8 of them.
    assert float(LINE.loss(replay.params, LINE.data)) == pytest.approx(row["final_loss"], rel=2 * 5 * 6e-8 / 1e-2)
    # A path by whole chunks and by parts of them comes to the same bits, and they are those of its curve.
    path, some = sweep.path(trial), sweep.path(trial, every=60)
    np.testing.assert_array_equal(path.iloc[-1], values_of(replay.params))
    np.testing.assert_array_equal(some, path.loc[some.index])
    params = {name: path[name].to_numpy(np.float32) for name in path}
    losses = jax.vmap(LINE.loss, in_axes=(0, None))(params, LINE.data)
    np.testing.assert_allclose(losses, replay.curve, rtol=1e-3, atol=1e-6)


def descend(rate: float, steps: int) -> np.ndarray:
    """The article's own loop: `[update, (w0, w1)]`."""
    x, y, w = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0]), np.array([0.0, 1.0])
    rows = [w]
    for _ in range(steps):
        error = w[1] * x + w[0] - y
        w = w - rate * 2 / 3 * np.array([error.sum(), (error * x).sum()])
        rows.append(w)
    return np.array(rows)


@pytest.mark.parametrize("layout", [lrsweep.Layout(), lrsweep.Layout(chunk=8, unrolled=True)])
@pytest.mark.usefixtures("x64")
def test_a_path_holds_the_parameters_after_every_update(layout: lrsweep.Layout) -> None:
    sweep = lrsweep.sweep(LINE, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.01, 1.0]), steps=203, layout=layout)
    assert sweep.table["status"].tolist() == ["converged", "slow", "diverged"]
    for trial, row in sweep.table.iterrows():
        path = sweep.path(trial)
        assert path.columns.tolist() == ["w0", "w1"]
        assert path.index.tolist() == list(range(row["steps"] + 1))
        np.testing.assert_allclose(path, descend(row["learning_rate"], row["steps"]), rtol=1e-9)
    assert sweep.path(1, every=100).index.tolist() == [0, 100, 200, 203]


def test_the_path_of_a_trial_on_batches_ends_where_its_replay_does() -> None:
    draw = np.random.default_rng(0)
    data = {"x": draw.normal(size=(12, 2)), "y": draw.normal(size=12)}
    start: Any = {"layers": [{"w": np.ones(2)}], "b": 0.5}

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean((batch["x"] @ params["layers"][0]["w"] + params["b"] - batch["y"]) ** 2)

    objective = lrsweep.Objective(loss, start, data=data, batch_size=5)
    sweep = lrsweep.sweep(objective, optax.adam, lrsweep.grid(learning_rate=[0.1, 0.01], seed=range(2)), steps=11)
    path = sweep.path(1)
    assert path.columns.tolist() == ["b", "layers.0.w[0]", "layers.0.w[1]"]
    assert path.iloc[0].tolist() == [0.5, 1.0, 1.0]
    np.testing.assert_array_equal(path.iloc[11], values_of(sweep.replay(1).params))


def test_a_pytree_that_is_one_array_calls_it_params() -> None:
    assert names_of(np.zeros(2)) == ["params[0]", "params[1]"]
    assert names_of(0.0) == ["params"]
    assert values_of({}).tolist() == names_of({}) == []


def test_what_cannot_be_run_again_is_refused(search: lrsweep.Sweep) -> None:
    for again in (search.replay, search.path):
        with pytest.raises(ValueError, match="there is no trial 3"):
            again(3)
    with pytest.raises(ValueError, match="every=0 must be 1 or more"):
        search.path(0, every=0)
