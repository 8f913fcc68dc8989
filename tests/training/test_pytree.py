"""Parameters of any shape: nested, named, registered, of several precisions."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
W, V, B = (np.random.default_rng(chunk).normal(size=3).astype(np.float32) for chunk in (1, 2, 3))


class Pair(NamedTuple):
    w: Any
    v: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Model:
    w: Any
    pair: Pair
    power: int = dataclasses.field(default=1, metadata={"static": True})


TREES: dict[str, tuple[Any, Callable[[Any], tuple[Any, Any, Any]]]] = {
    "nested dict": ({"a": {"w": W, "v": V}, "b": B}, lambda p: (p["a"]["w"], p["a"]["v"], p["b"])),
    "list of tuples": ([(W, V), (B,)], lambda p: (p[0][0], p[0][1], p[1][0])),
    "named tuple": (Pair(W, Pair(V, B)), lambda p: (p.w, p.v.w, p.v.v)),
    "registered dataclass": (Model(W, Pair(V, B)), lambda p: (p.w, p.pair.w, p.pair.v**p.power)),
    "with empty places": ({"w": W, "none": None, "v": V, "b": [B, {}]}, lambda p: (p["w"], p["v"], p["b"][0])),
    "one array": (np.stack([W, V, B]), lambda p: (p[0], p[1], p[2])),
}


def loss_of(parts: tuple[Any, Any, Any]) -> Any:
    w, v, b = parts
    return jnp.mean((jnp.tanh(X * w) * v + b - 1) ** 2)


@pytest.mark.parametrize("tree", TREES)
def test_parameters_of_any_shape_train_alike(tree: str) -> None:
    start, parts = TREES[tree]
    objective = lrsweep.Objective(lambda params: loss_of(parts(params)), start)
    sweep = lrsweep.sweep(objective, optax.adam, lrsweep.grid(learning_rate=[0.1, 0.01]), steps=15)
    optimizer = optax.adam(0.01)
    params: Any = tuple(jnp.asarray(part) for part in (W, V, B))
    state = optimizer.init(params)
    for _ in range(15):
        updates, state = optimizer.update(jax.grad(loss_of)(params), state)
        params = optax.apply_updates(params, updates)
    assert sweep.table["final_loss"][1] == pytest.approx(float(loss_of(params)), rel=1e-5)
    replayed = sweep.replay(1).params
    assert jax.tree.structure(replayed) == jax.tree.structure(start)
    for ours, theirs in zip(parts(replayed), params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def momentum(learning_rate: Any) -> optax.GradientTransformation:
    return optax.sgd(learning_rate, momentum=0.9)


@pytest.mark.parametrize("factory", [momentum, optax.adam, optax.adamw, optax.lion])
def test_parameters_of_several_precisions_keep_them_as_beside_pythons_own_numbers(factory: Any) -> None:
    def mixed(params: Any) -> Any:
        return jnp.mean((X @ params["half"].astype(jnp.float32) + params["single"] - 1) ** 2)

    start = {"half": jnp.asarray(W, jnp.bfloat16), "single": jnp.asarray(1.5, jnp.float32)}
    sweep = lrsweep.sweep(
        lrsweep.Objective(mixed, start), factory, lrsweep.grid(learning_rate=[0.0625, 0.03125]), steps=10
    )
    replayed = sweep.replay(0).params
    assert {name: leaf.dtype for name, leaf in replayed.items()} == {"half": jnp.bfloat16, "single": np.float32}
    optimizer, params = factory(0.0625), start
    state = optimizer.init(params)
    dtypes = jax.tree.map(lambda leaf: leaf.dtype, state)

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        updates, state = optimizer.update(jax.grad(mixed)(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(10):
        params, state = step(params, state)
    assert jax.tree.map(lambda leaf: leaf.dtype, state) == dtypes
    # A few roundings to the 8 bits of the half-precision numbers.
    np.testing.assert_allclose(replayed["half"].astype(float), np.asarray(params["half"], float), rtol=2**-6)
    assert sweep.table["final_loss"][0] == pytest.approx(float(mixed(params)), rel=2**-5)


@pytest.mark.parametrize(
    ("start", "place", "kind"),
    [
        ({"layers": [{"activation": jnp.tanh}]}, r"params\['layers'\]\[0\]\['activation'\]", "a "),
        (Pair(W, np.arange(3)), r"params\.v", "int"),
        ({"w": W, "rng": jax.random.key(0)}, r"params\['rng'\]", "key<fry>"),
        ({"w": W, "name": "mine"}, r"params\['name'\]", "a str"),
    ],
)
@pytest.mark.parametrize("drawn", [True, False])
def test_a_leaf_that_is_no_array_of_floats_is_named_by_its_place(
    start: Any, place: str, kind: str, drawn: bool
) -> None:
    init = (lambda key: start) if drawn else start
    objective = lrsweep.Objective(lambda params: jnp.zeros(()), init, name="mine")
    with pytest.raises(TypeError, match=f"the init of objective 'mine' gives {kind}.* at {place}: .* equinox.filter"):
        lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=0.1))
