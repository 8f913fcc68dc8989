"""Optimizers by name, and Gauss-Seidel descent against plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lrsweep import optimizers


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("backward", [False, True])
def test_gauss_seidel_solves_a_linear_system_as_the_classical_sweep_does(backward: bool) -> None:
    draw = np.random.default_rng(3)
    root = draw.normal(size=(3, 3))
    matrix, right = root @ root.T + 3 * np.eye(3), draw.normal(size=3)
    matrix /= np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))  # ones on the diagonal: a learning rate of 1 is exact

    def loss(params: list[jax.Array]) -> jax.Array:
        x = jnp.stack(params)
        return x @ matrix @ x / 2 - x @ right

    x, params = np.ones(3), [jnp.ones(()) for _ in range(3)]
    optimizer = optimizers.gauss_seidel(1.0, backward=backward)
    for _ in range(5):
        updates, _ = optimizer.update(jax.grad(loss)(params), optimizer.init(params), params, value_fn=loss)
        params = optax.apply_updates(params, updates)
        for place in reversed(range(3)) if backward else range(3):
            x[place] += right[place] - matrix[place] @ x
    np.testing.assert_allclose(jnp.stack(params), x, rtol=1e-12)  # pyright: ignore[reportArgumentType]


def test_gauss_seidel_says_what_it_needs() -> None:
    optimizer = optimizers.gauss_seidel(0.1)
    with pytest.raises(ValueError, match="value_fn=loss"):
        optimizer.update({"w": jnp.ones(1)}, optimizer.init({}), {"w": jnp.ones(1)})


def test_every_name_is_an_optimizer_and_common_ones_are_there() -> None:
    names = optimizers.names()
    assert {"adam", "adamw", "gauss_seidel", "lbfgs", "lion", "polyak_sgd", "rmsprop", "sgd"} <= set(names)
    assert not [name for name in names if name.startswith(("_", "scale_by"))]
    for name in names:
        assert callable(optimizers.by_name(name))


def test_an_unknown_name_is_refused_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(ValueError, match="no optimizer 'adamm': did you mean 'adam'.* There is: adabelief, .*, yogi"):
        optimizers.by_name("adamm")
