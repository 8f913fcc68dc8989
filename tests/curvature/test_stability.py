"""What theory says of stability: thresholds against the iteration's own spectral radius, Adam's against NumPy."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from jax.flatten_util import ravel_pytree

import lrsweep
from lrsweep.curvature._stability import Theory, preconditioned_sharpness, theory_of
from lrsweep.studies._prepare import limits_of, prepare
from lrsweep.studies._starts import at_start
from tests import oracles


def spectral_radius(optimizer: optax.GradientTransformation) -> float:
    """How much one update of an optimizer on `x**2 / 2` stretches its parameter and state, once all is linear."""
    state = optimizer.init(jnp.zeros(()))
    flat, unravel = ravel_pytree((jnp.zeros(()), state))

    def update(flat: Any) -> Any:
        x, state = unravel(flat)
        move, state = optimizer.update(x, state, x)
        return ravel_pytree((x + move, state))[0]

    return float(abs(np.linalg.eigvals(np.asarray(jax.jacfwd(update)(flat)))).max())


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("momentum", [None, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_above_the_threshold_an_update_stretches_and_below_it_shrinks(momentum: float | None, nesterov: bool) -> None:
    keywords = {"momentum": momentum, "nesterov": nesterov}
    theory = theory_of(optax.sgd, keywords)
    assert theory is not None
    assert spectral_radius(optax.sgd(theory.threshold * (1 + 1e-6), **keywords)) > 1
    assert spectral_radius(optax.sgd(theory.threshold * (1 - 1e-6), **keywords)) < 1


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("b1", [0.0, 0.5, 0.9])
def test_of_adam_it_is_that_of_a_momentum_that_averages(b1: float) -> None:
    theory = theory_of(optax.adam, {"b1": b1})
    assert theory is not None

    def frozen(rate: float) -> optax.GradientTransformation:
        return optax.chain(optax.ema(b1, debias=False), optax.scale(-rate))

    assert spectral_radius(frozen(theory.threshold * (1 + 1e-6))) > 1
    assert spectral_radius(frozen(theory.threshold * (1 - 1e-6))) < 1


def test_keywords_count_wherever_they_are_given_and_the_rows_come_first() -> None:
    heavy = partial(optax.sgd, momentum=0.5)
    assert theory_of(heavy, {}) == Theory(3.0)
    assert theory_of(heavy, {"momentum": 0.25}) == Theory(2.5)
    assert theory_of(partial(heavy, nesterov=True), {}) == Theory(1.5)
    assert theory_of(partial(optax.adam, b1=0.5, eps=1e-3), {"eps_root": 0.25}) == Theory(6.0, 1e-3, 0.25)


@pytest.mark.parametrize(
    ("factory", "keywords"),
    [
        (optax.rmsprop, {}),
        (lambda learning_rate: optax.sgd(learning_rate), {}),
        (optax.sgd, {"momentum": 1.0}),
        (optax.sgd, {"momentum": -0.1}),
        (partial(optax.adam, nesterov=True), {}),
        (optax.adam, {"b1": 1.0}),
    ],
)
def test_what_has_no_theory_has_none(factory: Any, keywords: dict[str, float]) -> None:
    assert theory_of(factory, keywords) is None


def numpy_preconditioned(eps: float, eps_root: float) -> float:
    """The largest eigenvalue of `P**-1 H` for `loss_of` below at `START`, where `P` is not symmetric with `H`."""
    preconditioner = np.sqrt((MATRIX @ START) ** 2 + eps_root) + eps
    return float(np.linalg.eigvals(MATRIX / preconditioner[:, None]).real.max())


MATRIX = np.array([[3.0, 1.0, 0.5], [1.0, 2.0, -1.0], [0.5, -1.0, 4.0]])
START = np.array([1.0, -2.0, 0.5])


def loss_of(params: Any) -> Any:
    return params["x"] @ jnp.asarray(MATRIX) @ params["x"] / 2


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("eps", "eps_root"), [(1e-8, 0.0), (0.5, 0.0), (0.1, 2.0)])
def test_adam_sees_the_hessian_over_its_first_second_moment(eps: float, eps_root: float) -> None:
    found = preconditioned_sharpness(loss_of, {"x": jnp.asarray(START)}, eps=eps, eps_root=eps_root)
    assert found == pytest.approx(numpy_preconditioned(eps, eps_root), rel=1e-12)


@pytest.mark.usefixtures("x64")
def test_the_first_second_moment_is_that_of_optax() -> None:
    params = {"x": jnp.asarray(START)}
    optimizer: Any = optax.scale_by_adam(b2=0.9)
    grads = jax.grad(loss_of)(params)
    _, state = optimizer.update(grads, optimizer.init(params))
    corrected = optax.tree.bias_correction(state.nu, 0.9, state.count)
    np.testing.assert_allclose(corrected["x"], (MATRIX @ START) ** 2, rtol=1e-12)


def starts(objective: lrsweep.Objective, optimizer: Any, trials: pd.DataFrame) -> pd.DataFrame:
    limits = limits_of(objective, lrsweep.Stopping(), 1)
    return at_start(prepare(objective, {None: optimizer}, trials, [], limits), trials.index)


@pytest.mark.usefixtures("x64")
def test_every_start_has_its_own_sharpness_and_its_own_theory() -> None:
    def quartic(params: Any, *, tilt: float) -> Any:
        return jnp.sum(params**4) / 12 + tilt * jnp.sum(params**2) / 2

    def init(key: Any, *, scale: float) -> Any:
        return scale * jax.random.normal(key, (3,))

    objective = lrsweep.Objective(quartic, init)
    trials = lrsweep.grid(learning_rate=1.0, momentum=[0.0, 0.5], tilt=[0.1, -9.0], scale=[1.0, 2.0], seed=range(3))
    found = starts(objective, optax.sgd, trials)
    for row, (_, trial) in enumerate(trials.iterrows()):
        start = init(jax.random.key(np.uint32(trial["seed"])), scale=trial["scale"])
        largest = oracles.hessian_eigenvalues(partial(quartic, tilt=trial["tilt"]), start)[-1]
        assert found["sharpness_start"][row] == pytest.approx(largest, rel=1e-9)
        # Where the loss bends down in every direction, no step is short enough to be stable.
        expected = 2 * (1 + trial["momentum"]) / largest if largest > 0 else np.nan
        assert found["theory"][row] == pytest.approx(expected, rel=1e-9, nan_ok=True)
    assert 0 < found["theory"].isna().sum() < len(found)


@pytest.mark.usefixtures("x64")
def test_what_a_program_is_compiled_for_counts_too() -> None:
    objective = lrsweep.Objective(loss_of, {"x": START})
    trials = lrsweep.grid(learning_rate=1.0, momentum=0.5, nesterov=[True, False])
    largest = np.linalg.eigvalsh(MATRIX)[-1]
    found = starts(objective, optax.sgd, trials)
    np.testing.assert_allclose(found["theory"], [1.5 / largest, 3 / largest], rtol=1e-12)

    trials = lrsweep.grid(learning_rate=1.0, eps=[0.1, 0.5])
    found = starts(objective, optax.adam, trials)
    np.testing.assert_allclose(found["theory"], [38 / numpy_preconditioned(eps, 0.0) for eps in (0.1, 0.5)], rtol=1e-9)
