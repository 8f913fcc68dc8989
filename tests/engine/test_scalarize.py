"""Functions of small arrays written out as functions of their elements."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lrsweep.engine._scalarize import MAX_OPERATIONS, TooLargeError, join, split, unroll

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3).astype(np.float32)
Y = np.linspace(0.5, 1.5, 12).reshape(3, 4).astype(np.float32)


def in_64_bit(function: Any, *arrays: Any) -> Any:
    """The oracle: the function itself, on whole arrays, in twice the precision."""
    with jax.enable_x64(True):
        return function(*(jnp.asarray(array, float) for array in arrays))


FUNCTIONS: dict[str, Any] = {
    "matrix product": lambda x, y: x @ y,
    "batched product": lambda x, y: jnp.einsum("ij,jk->jik", x, y),
    "outer and inner": lambda x, y: (jnp.outer(x[0], y[0]), jnp.vdot(x, x)),
    "reductions": lambda x, y: (x.sum(0), x.max(1), x.min(), y.prod(1), y.mean(), jnp.var(x)),
    "masks": lambda x, y: jnp.where(x > 0, x, -x) + (y > 1).any(1) + (y > 0.1).all(),
    "rearranged": lambda x, y: (x.T[::-1], jnp.concatenate([x, y[:2, :3]]), x[1:, ::2], x[..., None], y[-1, 2]),
    "padded": lambda x, y: (jnp.pad(x, ((1, 0), (0, 2))), jnp.pad(y, 1, constant_values=3.0)),
    "functions": lambda x, y: jnp.tanh(x) + jnp.exp(-(x**2)) / jax.nn.sigmoid(x) + jax.nn.softplus(x) * y[:2, 1:],
    "norms": lambda x, y: (jnp.linalg.norm(x), optax.tree.norm({"x": x, "y": y}), jax.nn.relu(x) * jnp.sqrt(y[0, :3])),
    "gradient": lambda x, y: jax.grad(lambda x: jnp.sum(jnp.tanh(x @ y)[:, 1:] ** 2) + x[0, 1] * x.max())(x),
    "closed over": lambda x, y: (x * jnp.arange(6.0).reshape(2, 3)).sum() + jnp.full(3, 2.0) @ y,
    "no operation": lambda x, y: {"first": y, "second": (x, x)},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elements_come_to_what_the_arrays_do(name: str) -> None:
    function = FUNCTIONS[name]
    want = in_64_bit(function, X, Y)
    written = unroll(function, jnp.asarray(X), jnp.asarray(Y))
    got = join(written(split(X), split(Y)), want)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_it_works_under_vmap_and_with_what_is_traced_outside() -> None:
    def one(x: Any, scale: Any) -> Any:
        written = unroll(lambda x: jnp.sum(x * scale), x)
        return join(written(split(x)), jnp.float32(0))

    scales = jnp.array([1.0, -2.0])
    np.testing.assert_allclose(jax.jit(jax.vmap(one))(jnp.asarray(X), scales), [X[0].sum(), -2 * X[1].sum()], rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.sort(x),
        lambda x: jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: 2 * x, x),
        lambda x: jnp.cumsum(x),
        lambda x: x[:0].sum(),
        lambda x: jnp.sum(jnp.tile(x, MAX_OPERATIONS)),
    ],
    ids=["sort", "loop", "cumulative", "empty", "large"],
)
def test_what_is_not_small_is_refused(function: Any) -> None:
    with pytest.raises(TooLargeError):
        unroll(function, jnp.asarray([1.0, 2.0]))


def test_arrays_of_no_elements_and_keys_are_handed_on() -> None:
    state = {"empty": jnp.zeros((0, 2)), "key": jax.random.key(3), "x": jnp.ones(2)}
    written = unroll(lambda state: {**state, "x": 2 * state["x"]}, state)
    out = join(written(split(state)), state)
    assert out["empty"].shape == (0, 2)
    assert out["x"].tolist() == [2.0, 2.0]
    assert jax.random.key_data(out["key"]).tolist() == jax.random.key_data(state["key"]).tolist()
