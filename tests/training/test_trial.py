"""One trial against closed forms and NumPy loops: its losses, where it converges, where it diverges."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lrsweep
from tests import oracles

STEPS = 200
DIM = 3
LANES = 8

eigenvalues = st.lists(st.floats(0.01, 100.0), min_size=DIM, max_size=DIM).map(np.array)
starts = st.lists(st.floats(0.1, 3.0), min_size=DIM, max_size=DIM).map(np.array)
# Of the greatest learning rate that is stable: from far below it to twice as much.
shares = st.lists(st.floats(0.01, 2.0), min_size=LANES, max_size=LANES, unique=True).map(np.array)


def run_quadratic(
    eigs: np.ndarray, start: np.ndarray, learning_rates: np.ndarray, steps: int = STEPS, record: bool = True
) -> lrsweep.Sweep:
    return lrsweep.sweep(
        lrsweep.problems.quadratic(eigs, start),
        optax.sgd,
        pd.DataFrame({"learning_rate": learning_rates}),
        steps=steps,
        record_every=1 if record else None,
        block_width=LANES,
    )


@given(eigs=eigenvalues, start=starts, share=shares)
@settings(max_examples=60, deadline=None)
def test_gradient_descent_on_a_quadratic_follows_its_closed_form(
    eigs: np.ndarray, start: np.ndarray, share: np.ndarray
) -> None:
    learning_rates = share * 2 / eigs.max()
    # Where a factor nearly vanishes, or a loss grazes a threshold, rounding decides and the closed form cannot tell.
    assume((abs(1 - learning_rates[:, None] * eigs) > 1e-3).all())
    exact = [oracles.quadratic_losses(eigs, rate, start, STEPS) for rate in learning_rates]
    for losses in exact:
        assume((abs(losses / losses[0] / 1e-4 - 1) > 1e-9).all())
        assume((abs(losses / losses[0] / (1e6 + 1) - 1) > 1e-9).all())
        assume((abs(losses / losses[0] / 2 - 1) > 1e-9).all())

    with jax.enable_x64(True):
        sweep = run_quadratic(eigs, start, learning_rates)

    for trial, losses in enumerate(exact):
        row, end = sweep.table.loc[trial].to_dict(), oracles.end_of(losses)
        assert row["converged_at"] == end.converged_at
        assert row["diverged_at"] == end.diverged_at
        assert row["steps"] == end.steps
        curve = sweep.curves["loss"].loc[trial].to_numpy()
        np.testing.assert_allclose(curve[: end.steps + 1], losses[: end.steps + 1], rtol=1e-9)
        assert np.isnan(curve[end.steps + 1 :]).all()
        assert row["rate"] == pytest.approx((losses[end.steps] / losses[0]) ** (1 / end.steps), rel=1e-9)
        assert row["best_loss"] == pytest.approx(losses[: end.steps + 1].min(), rel=1e-9)
        assert (row["best_loss"], row["best_at"]) == (np.nanmin(curve), np.nanargmin(curve))
        assert (row["initial_loss"], row["final_loss"]) == (curve[0], curve[end.steps])


@given(eigs=eigenvalues, start=starts, margin=st.floats(1e-3, 0.5))
@settings(max_examples=30, deadline=None)
def test_gradient_descent_diverges_exactly_above_two_over_sharpness(
    eigs: np.ndarray, start: np.ndarray, margin: float
) -> None:
    edge = 2 / eigs.max()
    learning_rates = np.repeat([edge * (1 + margin), edge * (1 - margin), edge, edge * (1 + 2e-3)], LANES // 4)
    with jax.enable_x64(True):
        # Ten thousand updates multiply the loss by 1.002**20000 where the rate is a thousandth too large.
        table = run_quadratic(eigs, start, learning_rates, steps=20_000, record=False).table
    diverged = (table["status"] == "diverged").to_numpy()
    assert diverged.tolist() == np.repeat([True, False, False, True], LANES // 4).tolist()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("nesterov", "edge"),
    [(False, lambda b: 2 * (1 + b)), (True, lambda b: 2 * (1 + b) / (1 + 2 * b))],
    ids=["heavy_ball", "nesterov"],
)
def test_momentum_turns_unstable_at_its_edge(nesterov: bool, edge: Any) -> None:
    sharpness, momenta = 3.0, np.array([0.0, 0.5, 0.9, 0.99])
    for factor, diverges in ((0.99, False), (1.01, True)):
        trials = pd.DataFrame({"learning_rate": factor * edge(momenta) / sharpness, "momentum": momenta})
        table = lrsweep.sweep(
            lrsweep.problems.quadratic([sharpness], [1.0]),
            partial(optax.sgd, nesterov=nesterov),
            trials,
            steps=5000,
        ).table
        assert (table["status"] == "diverged").tolist() == [diverges] * len(momenta)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("factory", "oracle"), [(optax.adam, oracles.adam), (optax.rmsprop, oracles.rmsprop)])
def test_adaptive_optimizers_follow_a_numpy_loop(factory: Any, oracle: Any) -> None:
    rates, steps, sharpness, start = [0.003, 0.1, 1.0, 30.0], 300, 5.0, 2.0
    never = lrsweep.Stopping(tolerance=0.0, divergence=np.inf)
    trials = lrsweep.grid(learning_rate=rates)
    problem = lrsweep.problems.quadratic([sharpness], [start])
    curves = lrsweep.sweep(problem, factory, trials, steps=steps, stopping=never, record_every=1).curves["loss"]
    for trial, rate in enumerate(rates):
        losses = oracles.losses_of(lambda rate=rate: oracle(rate), start, sharpness, steps)
        # Losses far below the first are differences of nearly equal numbers, known only to its last places.
        np.testing.assert_allclose(curves.loc[trial], losses, rtol=1e-8, atol=1e-20 * losses[0])


@pytest.mark.usefixtures("x64")
def test_an_overshoot_of_ten_thousand_times_the_loss_that_converges_has_converged() -> None:
    rate, steps = 150.0, 1000
    losses = oracles.losses_of(lambda: oracles.adam(rate), 1.0, 1.0, steps)
    assert losses.max() > 1e4 * losses[0]
    row = (
        lrsweep.sweep(
            lrsweep.problems.quadratic([1.0], [1.0]), optax.adam, lrsweep.grid(learning_rate=rate), steps=steps
        )
        .table.loc[0]
        .to_dict()
    )
    assert row["status"] == "converged"
    assert row["converged_at"] == oracles.end_of(losses).converged_at


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("factory", "oracle"),
    [
        (partial(optax.sgd, momentum=0.9), lambda rate: oracles.heavy_ball(rate, 0.9)),
        (optax.adam, oracles.adam),
    ],
    ids=["momentum_just_inside_its_edge", "adam_with_a_rate_of_1"],
)
def test_passing_through_the_minimum_is_not_converging_until_it_stays(factory: Any, oracle: Any) -> None:
    rate, steps = (3.79, 1000) if isinstance(factory, partial) else (1.0, 1000)
    losses = oracles.losses_of(lambda: oracle(rate), 1.0, 1.0, steps)
    first_touch, end = int(np.argmax(losses <= 1e-4 * losses[0])), oracles.end_of(losses)
    problem, trials = lrsweep.problems.quadratic([1.0], [1.0]), lrsweep.grid(learning_rate=rate)
    long = lrsweep.sweep(problem, factory, trials, steps=steps).table.loc[0].to_dict()
    assert end.converged_at is not None
    assert first_touch < end.converged_at == long["converged_at"]
    # Cut off after it has been there and gone again, it has not converged.
    short = lrsweep.sweep(problem, factory, trials, steps=end.converged_at - 1).table.loc[0].to_dict()
    assert short["best_loss"] <= 1e-4 * short["initial_loss"]
    assert short["status"] != "converged"
    assert short["converged_at"] is None


def test_a_trial_at_its_target_when_the_steps_run_out_has_converged() -> None:
    problem, trials = lrsweep.problems.quadratic([1.0], [1.0]), lrsweep.grid(learning_rate=0.5)
    # Each update halves x, so the gap falls to a quarter: below 1e-4 at the seventh.
    table = lrsweep.sweep(problem, optax.sgd, trials, steps=8).table
    assert (table["status"][0], table["converged_at"][0], table["steps"][0]) == ("converged", 7, 8)


def test_a_target_replaces_the_share_of_the_starting_gap() -> None:
    problem, trials = lrsweep.problems.quadratic([2.0], [1.0]), lrsweep.grid(learning_rate=0.25)
    # The loss is 1 and falls to a quarter at each update; 1/16 at the second.
    for hold in (1, 3):
        stopping = lrsweep.Stopping(target=0.07, hold=hold)
        row = lrsweep.sweep(problem, optax.sgd, trials, stopping=stopping).table.loc[0].to_dict()
        assert (row["converged_at"], row["steps"]) == (2, 2 + hold - 1)


def test_a_parameter_that_is_not_finite_is_divergence_though_the_loss_is_finite() -> None:
    # x doubles at each update from 1, and overflows 32-bit at 2**128; the loss falls from 1.5 to 1 and shows nothing.
    objective = lrsweep.Objective(lambda x: 1 + 1 / (1 + abs(x)), jnp.float32(1.0))

    def double(scale: Any) -> Any:
        return optax.stateless(lambda updates, params: scale * params)

    row = lrsweep.sweep(objective, double, lrsweep.grid(scale=1.0)).table.loc[0].to_dict()
    assert (row["status"], row["diverged_at"], row["final_loss"]) == ("diverged", 128, 1.0)


def test_a_start_at_the_minimum_has_converged_at_once() -> None:
    row = (
        lrsweep.sweep(
            lrsweep.problems.line(), optax.sgd, pd.DataFrame({"learning_rate": [0.1], "w0": [-1.0], "w1": [2.0]})
        )
        .table.loc[0]
        .to_dict()
    )
    assert (row["status"], row["converged_at"], row["initial_loss"]) == ("converged", 0, 0.0)


def test_value_grad_and_value_fn_reach_the_optimizer() -> None:
    # Polyak's step on x**2 / 2 is (loss - 0) / grad**2 = 1/2 of the gradient: it halves x at each update.
    row = (
        lrsweep.sweep(
            lrsweep.problems.quadratic([1.0], [1.0]), optax.polyak_sgd, lrsweep.grid(max_learning_rate=1.0), steps=8
        )
        .table.loc[0]
        .to_dict()
    )
    assert row["final_loss"] == pytest.approx(0.5 * 0.25**8, rel=1e-5)


def test_a_line_search_runs_inside_a_sweep() -> None:
    table = lrsweep.sweep(
        lrsweep.problems.rosenbrock(),
        lambda memory_size: optax.lbfgs(memory_size=5),
        lrsweep.grid(memory_size=[5]),
        steps=100,
    ).table
    assert table["status"][0] == "converged"


def test_a_trial_is_scalar_code_that_knows_of_no_lanes() -> None:
    from lrsweep.engine._shared import share_inputs
    from lrsweep.training._binding import bind
    from lrsweep.training._monitor import StopLimits
    from lrsweep.training._program import make_program
    from lrsweep.training._trial import start_trial, update

    problem = lrsweep.problems.quadratic([1.0], [1.0])
    program = make_program(problem, optax.sgd, bind(["learning_rate"], problem, {None: optax.sgd})[None])
    row, given, limits = {"learning_rate": 0.5}, share_inputs(problem), StopLimits(8, 1e-4, None, 10, 1e6, 0.0, 1, 1)
    moving = start_trial(program, row, jnp.uint32(0), given, guarded=False)
    moving, loss, finite = update(program, row, given, limits, jnp.int32(0), moving, None, predicting=True)
    # The loss is x**2 / 2, and x goes from 1 to 1/2.
    assert (float(loss), bool(finite), moving.params["x"].tolist()) == (0.5, True, [0.5])
