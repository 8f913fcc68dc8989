"""The ends of the Hessian's spectrum against NumPy's eigenvalues of the whole Hessian."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import lrsweep
from lrsweep.curvature._hessian import Spectrum, extreme_eigenvalues
from tests import oracles

DTYPES = [np.float32, np.float64]


def whole_spectrum(loss: Callable[[Any], Any], params: Any) -> np.ndarray:
    flat, unravel = ravel_pytree(params)
    return oracles.hessian_eigenvalues(lambda flat: loss(unravel(flat)), flat)


def check_ends(found: Spectrum, expected: np.ndarray, roundings: float = 20) -> None:
    """Holds both ends to the whole spectrum, within some units in the last place of its largest magnitude."""
    margin = roundings * np.finfo(found.largest.dtype).eps * abs(expected).max()
    assert found.largest == pytest.approx(expected[-1], rel=0, abs=margin)
    assert found.least == pytest.approx(expected[0], rel=0, abs=margin)
    # The error of an eigenvalue is the square of its vector's.
    assert found.residual <= np.sqrt(margin * abs(expected).max())


def quadratic(params: Any, matrix: Any) -> Any:
    return params @ matrix @ params / 2


@partial(jax.jit, static_argnames="iterations")
def ends_of_quadratic(matrix: Any, *, iterations: int) -> Spectrum:
    start = jnp.linspace(-1, 1, len(matrix), dtype=matrix.dtype)
    return extreme_eigenvalues(partial(quadratic, matrix=matrix), start, iterations=iterations)


def rotated(eigenvalues: np.ndarray, dtype: Any) -> np.ndarray:
    """A symmetric matrix with these eigenvalues, along axes of no particular direction."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(len(eigenvalues), len(eigenvalues))))[0]
    return (basis * eigenvalues @ basis.T).astype(dtype)


SPECTRA = {
    "spread": np.geomspace(1e-2, 1e2, 12),
    "concave": -np.geomspace(1e-2, 1e2, 12),
    "saddle": np.linspace(-3, 1, 12),
    "repeated": np.repeat([1.0, 2.0, 5.0], 4),
    "all alike": np.full(12, 4.0),
    "one direction": np.array([7.0] + [0.0] * 11),
    "flat": np.zeros(12),
    "minute": 1e-30 * np.arange(12.0),
    "vast": 1e30 * np.arange(12.0),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("iterations", [20, 23, 24], ids=["fewer", "all_but_one", "whole"])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_ends_are_those_of_the_whole_spectrum(spectrum: str, iterations: int, dtype: Any) -> None:
    # Each twice: the Krylov space of 24 parameters has but 12 dimensions, and is exhausted before the iterations are.
    matrix = rotated(np.tile(SPECTRA[spectrum], 2), dtype)
    check_ends(ends_of_quadratic(matrix, iterations=iterations), np.linalg.eigvalsh(matrix.astype(float)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", DTYPES)
def test_few_different_eigenvalues_among_many_parameters_are_found(dtype: Any) -> None:
    matrix = rotated(np.repeat([-1.0, 0.0, 2.0], 20), dtype)
    check_ends(ends_of_quadratic(matrix, iterations=10), np.linalg.eigvalsh(matrix.astype(float)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 0.0), (1.0, 1.0), (-0.5, 3.0)])
def test_on_rosenbrock_they_are_those_of_its_hessian_written_out(start: tuple[float, float]) -> None:
    x, y = start
    hessian = np.array([[1200 * x**2 - 400 * y + 2, -400 * x], [-400 * x, 200]])
    found = extreme_eigenvalues(lrsweep.problems.rosenbrock().loss, {"x": jnp.array(start)})
    expected = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose([found.least, found.largest], expected, rtol=1e-12, atol=1e-10)


def network(dtype: Any) -> tuple[Callable[[Any], Any], Any]:
    """A network with 41 parameters in four arrays, and its squared error on 20 examples."""
    draw = np.random.default_rng(1)
    x, y = jnp.asarray(draw.normal(size=(20, 3)), dtype), jnp.asarray(draw.normal(size=20), dtype)
    shapes = {"w": (3, 8), "b": (8,), "v": (8,), "c": ()}

    def loss(params: Any) -> Any:
        return jnp.mean((jnp.tanh(x @ params["w"] + params["b"]) @ params["v"] + params["c"] - y) ** 2)

    return loss, {name: jnp.asarray(draw.normal(size=shape), dtype) for name, shape in shapes.items()}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("iterations", [40, 50], ids=["lanczos", "whole"])
def test_of_a_network_they_are_those_of_its_whole_hessian(iterations: int, dtype: Any) -> None:
    loss, params = network(dtype)
    found = jax.jit(lambda params: extreme_eigenvalues(loss, params, iterations=iterations))(params)
    check_ends(found, whole_spectrum(loss, params), roundings=50)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("iterations", [5, 50])
def test_under_vmap_every_one_is_its_own(iterations: int) -> None:
    loss, params = network(np.float64)
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf, jnp.nan * leaf]), params)
    alone = jax.jit(lambda params: extreme_eigenvalues(loss, params, iterations=iterations))
    found = jax.jit(jax.vmap(alone))(several)
    for lane in range(3):
        expected = alone({name: leaf[lane] for name, leaf in several.items()})
        np.testing.assert_allclose([value[lane] for value in found], expected, rtol=1e-9, atol=1e-12)
    assert np.isnan([value[3] for value in found]).all()


@pytest.mark.usefixtures("x64")
def test_an_eigenvalue_lies_within_the_residual() -> None:
    loss, params = network(np.float64)
    every = whole_spectrum(loss, params)
    for iterations in (1, 3, 6):
        found = extreme_eigenvalues(loss, params, iterations=iterations)
        assert abs(every - found.largest).min() <= found.residual
        assert every[0] <= found.least <= found.largest <= every[-1]


def test_parameters_in_half_precision_give_the_loss_its_own() -> None:
    params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones(2, jnp.float32)}
    for iterations in (2, 40):
        found = extreme_eigenvalues(
            lambda p: jnp.sum(p["a"] ** 2) + jnp.sum(p["b"] ** 2), params, iterations=iterations
        )
        assert found.largest == pytest.approx(2, rel=float(jnp.finfo(jnp.bfloat16).eps))
        assert found.largest.dtype == jnp.float32


def test_the_sharpness_is_that_of_the_loss_over_all_the_data_with_its_keywords() -> None:
    X = np.random.default_rng(2).normal(size=(30, 4))

    def loss(params: Any, data: Any, *, penalty: float = 0.0) -> Any:
        return jnp.mean((data @ params) ** 2) + penalty * jnp.sum(params**2)

    objective = lrsweep.Objective(loss, jnp.zeros(4), data=X, batch_size=3)
    largest = np.linalg.eigvalsh(2 * X.T @ X / len(X))[-1]
    assert lrsweep.sharpness(objective, jnp.ones(4)) == pytest.approx(largest, rel=1e-5)
    assert lrsweep.sharpness(objective, np.ones(4), keywords={"penalty": 3.0}) == pytest.approx(largest + 6, rel=1e-5)


def test_what_is_no_objective_or_has_no_float_parameters_is_refused() -> None:
    objective: Any = lrsweep.problems.quadratic()
    with pytest.raises(TypeError, match=r"must be a lrsweep\.Objective, not a function"):
        lrsweep.sharpness(objective.loss, {"x": jnp.ones(2)})
    with pytest.raises(TypeError, match=r"int32 at params\['x'\]"):
        lrsweep.sharpness(objective, {"x": jnp.arange(2)})
    with pytest.raises(ValueError, match="iterations=0 must be 1 or more"):
        lrsweep.sharpness(objective, {"x": jnp.ones(2)}, iterations=0)
