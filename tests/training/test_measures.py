"""What is recorded on the way, against a plain loop in Python: losses, metrics, norms, learning rates."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.optimizers import scheduled

STEPS = 20
NEVER = lrsweep.Stopping(tolerance=0.0, divergence=np.inf)
EVERYTHING = ("loss", "distance", "gradient_norm", "learning_rate", "parameter_norm", "update_norm")
X = np.random.default_rng(3).normal(size=(12, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3


def loss(params: Any, data: Any) -> Any:
    x, y = data
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


def distance(params: Any) -> Any:
    return jnp.abs(params["w"]).sum()


START = {"w": np.array([0.5, 0.0, -1.0]), "b": np.array(0.1)}
REGRESSION = lrsweep.Objective(loss, START, data=(X, Y), metrics={"distance": distance}, name="regression")


def falling(k: Any, *, slope: Any = 0.1) -> Any:
    return 1 / (1 + slope * k)


FALLING = scheduled(partial(optax.sgd, momentum=0.9), falling)


def loop(peak: float) -> dict[str, list[float]]:
    """Gradient descent with momentum and a schedule, written out: what `EVERYTHING` names, after each update."""
    w, b = START["w"].copy(), 0.1
    velocity, seen = np.zeros(4), {name: [] for name in EVERYTHING}
    for k in range(STEPS + 1):
        errors = X @ w + b - Y
        gradient = np.array([*(2 * X.T @ errors / len(Y)), 2 * errors.mean()])
        velocity = 0.9 * velocity + gradient
        rate = peak * falling(k)
        update = -rate * velocity
        norms = [np.sqrt((vector**2).sum()) for vector in (gradient, np.array([*w, b]), update)]
        values = [(errors**2).mean(), abs(w).sum(), norms[0], rate, *norms[1:]]
        for name, value in zip(EVERYTHING, values, strict=True):
            seen[name].append(value)
        w, b = w + update[:3], b + update[3]
    return seen


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("every", [1, 7])
def test_all_that_is_recorded_is_that_of_a_plain_loop(every: int) -> None:
    peaks = [0.2, 0.01]
    swept = lrsweep.sweep(
        REGRESSION,
        FALLING,
        lrsweep.grid(learning_rate=peaks),
        steps=STEPS,
        stopping=NEVER,
        record=EVERYTHING,
        record_every=every,
    )
    assert list(swept.curves) == list(EVERYTHING)
    for trial, peak in enumerate(peaks):
        expected = loop(peak)
        replay = swept.replay(trial)
        for name, curve in swept.curves.items():
            assert curve.columns.tolist() == list(range(0, STEPS + 1, every))
            np.testing.assert_allclose(curve.loc[trial], expected[name][::every], rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(replay.curves[name], expected[name], rtol=1e-12, atol=1e-15)


@pytest.mark.usefixtures("x64")
def test_a_replay_records_what_the_sweep_did_not_also_at_the_end_between_two_evaluations() -> None:
    trials = lrsweep.grid(learning_rate=[0.2, 0.01])
    swept = lrsweep.sweep(REGRESSION, FALLING, trials, steps=STEPS, stopping=NEVER, evaluate_every=6)
    assert swept.replay(0).curves.columns.tolist() == ["loss"]
    replay, expected = swept.replay(1, record=EVERYTHING), loop(0.01)
    assert replay.curves.index.tolist() == [0, 6, 12, 18, 20]
    for name, curve in replay.curves.items():
        np.testing.assert_allclose(curve, np.array(expected[str(name)])[[0, 6, 12, 18, 20]], rtol=1e-12, atol=1e-15)
    with pytest.raises(lrsweep.InputError, match="there is no name 'acuracy'"):
        swept.replay(0, record="acuracy")


def slow_start(learning_rate: Any) -> optax.GradientTransformation:
    return optax.sgd(optax.linear_schedule(0.0, learning_rate, 10))


def injected(learning_rate: Any) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(learning_rate=lambda k: learning_rate / (1 + k))


def with_plateau(learning_rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.sgd(learning_rate), optax.contrib.reduce_on_plateau(patience=2, factor=0.5, rtol=1.0))


def accumulating(learning_rate: Any) -> Any:
    return optax.MultiSteps(injected(learning_rate), 2)


def rates(factory: Any, steps: int = 8) -> list[float]:
    how: dict[str, Any] = {"stopping": NEVER, "record": "learning_rate", "steps": steps}
    trials = lrsweep.grid(learning_rate=[0.01])
    return lrsweep.sweep(REGRESSION, factory, trials, **how).curves["learning_rate"].to_numpy()[0].tolist()


@pytest.mark.usefixtures("x64")
def test_the_learning_rate_is_the_one_that_the_optimizer_uses() -> None:
    assert rates(optax.adam) == pytest.approx([0.01] * 9)
    assert rates(injected) == pytest.approx([0.01 / (1 + k) for k in range(9)])
    # The first of every two updates only gathers, and the rate is still that of the pair before.
    assert rates(accumulating)[1::2] == pytest.approx([0.01 / (1 + k) for k in range(4)])
    # No loss halves within three updates, so the rate does.
    plateau = np.array(rates(with_plateau))
    assert plateau[0] == pytest.approx(0.01)
    assert set((plateau[1:] / plateau[:-1]).round(12)) == {1.0, 0.5}


@pytest.mark.usefixtures("x64")
def test_the_learning_rate_of_a_line_search_is_the_step_that_it_took() -> None:
    how: dict[str, Any] = {"stopping": NEVER, "record": ("learning_rate", "gradient_norm", "update_norm"), "steps": 6}
    searched = partial(optax.chain, optax.sgd(1.0), optax.scale_by_backtracking_linesearch(20))
    curves = lrsweep.sweep(REGRESSION, lambda: searched(), lrsweep.grid(seed=[0]), **how).curves
    taken = curves["update_norm"] / curves["gradient_norm"]
    np.testing.assert_allclose(curves["learning_rate"], taken, rtol=1e-12)
    assert taken.nunique(axis=1).item() > 1


def by_layer(learning_rate: Any) -> optax.GradientTransformation:
    inner = optax.inject_hyperparams(optax.sgd)
    kinds: dict[Any, Any] = {"w": inner(learning_rate), "b": inner(10 * learning_rate)}
    return optax.partition(kinds, {"w": "w", "b": "b"})


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (slow_start, "the optimizer slow_start follows a schedule that its state does not tell: make it by"),
        (by_layer, "the optimizer by_layer has 2 learning rates in its state"),
        (optax.polyak_sgd, "has no learning_rate among its keywords or in its state"),
    ],
)
def test_a_learning_rate_that_cannot_be_told_is_refused_before_anything_compiles(
    factory: Any, said: str, compilations: Any
) -> None:
    trials = lrsweep.grid(**({"seed": [0]} if factory is optax.polyak_sgd else {"learning_rate": [0.1]}))
    compilations()
    with pytest.raises(lrsweep.InputError, match=said):
        lrsweep.sweep(REGRESSION, factory, trials, record="learning_rate")
    assert compilations() == 0


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("gradient_nrm", "did you mean 'gradient_norm'. There is: loss, distance, gradient_norm, learning_rate, "),
        ([], "record=.. names nothing: leave it out, or give some of loss, distance"),
        (3, "record=3 must be names"),
        (["loss", None], "record names None"),
    ],
)
def test_what_cannot_be_recorded_is_refused(record: Any, said: str) -> None:
    with pytest.raises(lrsweep.InputError, match=said):
        lrsweep.sweep(REGRESSION, optax.sgd, lrsweep.grid(learning_rate=[0.1]), record=record)


def test_a_metric_that_is_called_like_a_norm_is_what_is_recorded() -> None:
    own = lrsweep.Objective(loss, START, data=(X, Y), metrics={"gradient_norm": distance})
    swept = lrsweep.sweep(own, optax.sgd, lrsweep.grid(learning_rate=[0.1]), record="gradient_norm", steps=5)
    np.testing.assert_allclose(swept.curves["gradient_norm"][0], 1.5)
    np.testing.assert_allclose(swept.curves["gradient_norm"][5], swept.table["final_gradient_norm"])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("layout", [None, lrsweep.Layout(4)])
def test_recording_changes_no_outcome_but_by_rounding(batch_size: int | None, layout: Any) -> None:
    objective = lrsweep.Objective(loss, START, data=(X, Y), batch_size=batch_size, metrics={"distance": distance})
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 10.0, 9), seed=range(3))
    how: dict[str, Any] = {"steps": 60, "layout": layout, "evaluate_every": 4}
    plain = lrsweep.sweep(objective, optax.sgd, trials, **how).table
    recorded = lrsweep.sweep(objective, optax.sgd, trials, record=("distance", "gradient_norm"), **how)
    assert plain["status"].nunique() > 2
    for name in ("status", "steps", "converged_at", "diverged_at", "best_at"):
        assert recorded.table[name].equals(plain[name]), name
    np.testing.assert_allclose(recorded.table["final_loss"], plain["final_loss"], rtol=1e-9, atol=1e-14)
    # Beyond its end nothing is recorded of a trial.
    ended = recorded.curves["gradient_norm"].columns.to_numpy() > recorded.table["steps"].to_numpy()[:, np.newaxis]
    assert recorded.curves["gradient_norm"].isna().to_numpy()[ended].all()
    assert recorded.curves["distance"].notna().to_numpy()[~ended].mean() > 0.9


def test_the_norm_of_sixteen_bits_is_summed_in_thirty_two() -> None:
    wide = lrsweep.Objective(lambda params: jnp.sum(params.astype(jnp.float32)), jnp.ones(3000, jnp.bfloat16))
    swept = lrsweep.sweep(wide, optax.sgd, lrsweep.grid(learning_rate=[0.1]), steps=1, record="gradient_norm")
    assert swept.curves["gradient_norm"].to_numpy() == pytest.approx(np.sqrt(3000), rel=1e-5)
