"""`jax.vmap` with the lanes last, against `jax.vmap` itself."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lrsweep.engine._batch_last import UnsuitedError, vmap_last, widest
from lrsweep.engine._jaxpr import trace
from lrsweep.engine._products import MAX_TERMS

LANES = 5
draw = np.random.default_rng(0)
W = draw.normal(size=(LANES, 3, 4))
V = draw.normal(size=(LANES, 4))
X = draw.normal(size=(7, 3))


def newton(v: Any) -> Any:
    """A loop that takes each lane another number of turns."""
    return lax.while_loop(lambda v: jnp.max(abs(v)) > 0.1, lambda v: v / 2, v)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "shared data first": lambda w, v: jnp.tanh(X @ w) @ v,
    "shared data last": lambda w, v: (w.T @ X.T, v @ jnp.ones((4, 2))),
    "two axes shared": lambda w, v: (jnp.einsum("ij,jk,ek->ei", w, jnp.diag(v), jnp.ones((7, 4))), v),
    "batched product": lambda w, v: jnp.einsum("ij,ij->j", w, w[::-1]) * v,
    "outer product": lambda w, v: jnp.einsum("ij,k->ijk", w, v),
    "batched with shared": lambda w, v: jnp.einsum("eij,ij->ei", jnp.ones((2, 3, 4)), w),
    "gradient": lambda w, v: jax.grad(lambda w, v: jnp.mean((jnp.tanh(X @ w) @ v) ** 2), argnums=(0, 1))(w, v),
    "moved about": lambda w, v: (
        w.T[::-1, 1:],
        jnp.concatenate([w, v[None]]),
        w.reshape(2, 6),
        jnp.pad(v, 1),
        w[..., None] + v[:, None],
        jnp.broadcast_to(v, (3, 4)),
    ),
    "sums": lambda w, v: (w.sum(0), w.max(), v.prod(), (v > 0).any(), w.argmax(1), jnp.cumsum(v), jnp.sort(w, axis=0)),
    "choices": lambda w, v: (jnp.where(v > 0, v, 0), jnp.clip(w, -1, 1), lax.cond(v[0] > 0, jnp.sin, jnp.cos, v)),
    "the same for all": lambda w, v: (jnp.arange(3), v, 2.0),
    "loop lane by lane": lambda w, v: newton(v),
    "scan": lambda w, v: lax.scan(lambda carry, row: (carry + row, carry @ row), v, w),
    "scan of what is shared": lambda w, v: lax.scan(lambda c, x: ((c[0] + 1, c[1] * x), c[0]), (0, v), jnp.arange(3.0)),
    "shared choice": lambda w, v: lax.cond(X[0, 0] > 0, lambda v: (v, 1.0), lambda v: (-v, jnp.sum(v)), v),
    "calls": lambda w, v: (jax.jit(jax.nn.relu)(v), jax.checkpoint(jnp.sin)(w), jax.nn.softplus(v)),
    "keys": lambda w, v: jax.random.normal(jax.random.key(jnp.int32(10 * v[0])), (2,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_gives_what_vmap_gives(name: str, x64: None) -> None:
    del x64
    function = FUNCTIONS[name]
    want = jax.vmap(function, out_axes=-1)(W, V)
    got = jax.jit(vmap_last(function, in_axes=(-1, -1), out_axes=-1))(np.moveaxis(W, 0, -1), V.T)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def test_what_is_the_same_for_all_lanes_goes_in_and_comes_out_once(x64: None) -> None:
    del x64
    run = vmap_last(lambda count, rest: (count + 1, rest["v"] * count), in_axes=(None, -1), out_axes=(None, -1))
    count, scaled = run(jnp.int32(2), {"v": V.T})
    assert (count.shape, int(count)) == ((), 3)
    np.testing.assert_allclose(scaled, 2 * V.T)


def test_the_widest_array_is_that_of_one_lane() -> None:
    computation, _ = trace(lambda w, x: jnp.mean(jnp.tanh(x @ w) ** 2), jnp.ones((3, 4)), jnp.ones((7, 3)))
    assert widest(computation, [True, False]) == 7 * 4 * 4
    # The data is the same for all lanes, and so is what is made of it alone.
    assert widest(computation, [False, False]) == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda w: jnp.sort(w),
        lambda w: w[jnp.argmax(w)],
        lambda w: jnp.tile(w, MAX_TERMS) @ jnp.tile(w, MAX_TERMS),
        newton,
    ],
    ids=["sort", "gather", "long sum of products", "loop"],
)
def test_what_is_better_done_lane_by_lane_does_not_suit(function: Any) -> None:
    with pytest.raises(UnsuitedError):
        widest(trace(function, jnp.ones(4))[0], [True])
