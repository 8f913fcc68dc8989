"""`jax.vmap` with the lanes last, against `jax.vmap` itself."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lrsweep.dependence import dependent
from lrsweep.lanes_last import UnsuitedError, vmap_last, widest
from lrsweep.products import MAX_TERMS

LANES = 5
draw = np.random.default_rng(0)
W = draw.normal(size=(LANES, 3, 4))
V = draw.normal(size=(LANES, 4))
X = draw.normal(size=(7, 3))


def newton(v: Any) -> Any:
    """A loop that takes each lane another number of turns."""
    return lax.while_loop(lambda v: jnp.max(abs(v)) > 0.1, lambda v: v / 2, v)


def until_all_are_small(v: Any) -> Any:
    """A loop that goes on for all lanes together, and counts what they have in common."""

    def goes_on(carry: Any) -> Any:
        return lax.pmax((jnp.max(abs(carry[1])) > 0.1).astype(int), "lane") > 0

    return lax.while_loop(goes_on, lambda carry: (carry[0] + 1, carry[1] / 2), (0, v))


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
    "loop together": lambda w, v: until_all_are_small(v),
    "scan": lambda w, v: lax.scan(lambda carry, row: (carry + row, carry @ row), v, w),
    "scan of what is shared": lambda w, v: lax.scan(lambda c, x: ((c[0] + 1, c[1] * x), c[0]), (0, v), jnp.arange(3.0)),
    "shared choice": lambda w, v: lax.cond(
        lax.psum(v[0], "lane") > 0, lambda v: (v, 1.0), lambda v: (-v, jnp.sum(v)), v
    ),
    "counted together": lambda w, v: lax.psum((v > 0).astype(jnp.int32), "lane"),
    "calls": lambda w, v: (jax.jit(jax.nn.relu)(v), jax.checkpoint(jnp.sin)(w), jax.nn.softplus(v)),
    "keys": lambda w, v: jax.random.normal(jax.random.key(jnp.int32(10 * v[0])), (2,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_gives_what_vmap_gives(name: str, x64: None) -> None:
    del x64
    function = FUNCTIONS[name]
    want = jax.vmap(function, axis_name="lane")(W, V)
    got = jax.jit(vmap_last(function, in_axes=(0, 0), out_axes=0, axis_name="lane"))(W, V)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def test_what_is_the_same_for_all_lanes_goes_in_and_comes_out_once(x64: None) -> None:
    del x64
    run = vmap_last(
        lambda count, rest: (count + 1, rest["v"] * count), in_axes=(None, 0), out_axes=(None, 0), axis_name="lane"
    )
    count, scaled = run(jnp.int32(2), {"v": V})
    assert (count.shape, int(count)) == ((), 3)
    np.testing.assert_allclose(scaled, 2 * V)


def test_the_widest_array_is_that_of_one_lane() -> None:
    jaxpr = jax.make_jaxpr(lambda w, x: jnp.mean(jnp.tanh(x @ w) ** 2))(jnp.ones((3, 4)), jnp.ones((7, 3))).jaxpr
    assert widest(jaxpr, [True, False]) == 7 * 4 * 4
    # The data is the same for all lanes, and so is what is made of it alone.
    assert widest(jaxpr, [False, False]) == 0


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
        widest(jax.make_jaxpr(function)(jnp.ones(4)).jaxpr, [True])


def test_what_depends_on_an_input_is_followed_through_loops_and_choices() -> None:
    def function(x: Any, y: Any, z: Any) -> Any:
        first, second = lax.fori_loop(0, 3, lambda _, carry: (carry[1], carry[1] + x), (y, z))
        chosen = lax.cond(y > 0, lambda x, z: (x, z), lambda x, z: (2 * x, 3 * z), x, z)
        looped = lax.while_loop(lambda c: c[0] < x, lambda c: (c[0] + 1, c[1] * 2), (z, y))
        together = lax.pmax(x, "lane")
        return first, second, *chosen, *looped, together

    jaxpr = jax.make_jaxpr(function, axis_env=[("lane", 2)])(1.0, 2.0, 3.0).jaxpr
    # x comes to the first value of the loop by way of the second, one turn later; how often the last loop turns is up
    # to x, and so is all that comes of it.
    assert dependent(jaxpr, [True, False, False]) == [True, True, True, False, True, True, False]
    assert dependent(jaxpr, [False, True, False]) == [True, False, True, True, False, True, False]
