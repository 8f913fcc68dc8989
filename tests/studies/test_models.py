"""Models of Flax and Equinox, by the recipes: swept, and held against a plain loop of their own library."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import lrsweep

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.sin(X.sum(axis=1))
DATA = {"x": X, "y": Y}
TRIALS = lrsweep.grid(learning_rate=[0.1, 0.01], seed=[4, 5])
STEPS = 12


def squared_error(predicted: Any, data: Any) -> Any:
    return jnp.mean((predicted[:, 0] - data["y"]) ** 2)


class LinenNetwork(linen.Module):
    width: int = 6

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(1)(linen.tanh(linen.Dense(self.width)(x)))


def linen_objective() -> lrsweep.Objective:
    model = LinenNetwork()

    def init(key: Any) -> Any:
        return model.init(key, X)["params"]

    def loss(params: Any, data: Any) -> Any:
        return squared_error(model.apply({"params": params}, data["x"]), data)

    return lrsweep.Objective(loss, init, data=DATA)


class NnxNetwork(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(3, 6, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs, deterministic=True)
        self.out = nnx.Linear(6, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.out(self.dropout(jnp.tanh(self.hidden(x))))


def nnx_objective() -> lrsweep.Objective:
    graph, _, rest = nnx.split(NnxNetwork(nnx.Rngs(0)), nnx.Param, ...)

    def init(key: Any) -> Any:
        return nnx.state(NnxNetwork(nnx.Rngs(key)), nnx.Param)

    def loss(params: Any, data: Any) -> Any:
        return squared_error(nnx.merge(graph, params, rest, copy=True)(data["x"]), data)

    return lrsweep.Objective(loss, init, data=DATA)


def equinox_network(key: Any) -> eqx.nn.MLP:
    return eqx.nn.MLP(3, 1, width_size=6, depth=1, activation=jnp.tanh, key=key)


def equinox_objective() -> lrsweep.Objective:
    _, rest = eqx.partition(equinox_network(jax.random.key(0)), eqx.is_inexact_array)

    def init(key: Any) -> Any:
        return eqx.filter(equinox_network(key), eqx.is_inexact_array)

    def loss(params: Any, data: Any) -> Any:
        return squared_error(jax.vmap(eqx.combine(params, rest))(data["x"]), data)

    return lrsweep.Objective(loss, init, data=DATA)


def linen_alone(rate: float, seed: int) -> float:
    model = LinenNetwork()
    variables: Any = model.init(jax.random.key(seed), X)

    def loss(variables: Any) -> Any:
        return squared_error(model.apply(variables, X), DATA)

    optimizer = optax.adam(rate)
    state = optimizer.init(variables)
    for _ in range(STEPS):
        updates, state = optimizer.update(jax.grad(loss)(variables), state)
        variables = optax.apply_updates(variables, updates)
    return float(loss(variables))


def nnx_alone(rate: float, seed: int) -> float:
    model = NnxNetwork(nnx.Rngs(jax.random.key(seed)))

    def loss(model: Any) -> Any:
        return squared_error(model(X), DATA)

    optimizer = nnx.Optimizer(model, optax.adam(rate), wrt=nnx.Param)
    for _ in range(STEPS):
        optimizer.update(model, nnx.grad(loss)(model))
    return float(loss(model))


def equinox_alone(rate: float, seed: int) -> float:
    model, optimizer = equinox_network(jax.random.key(seed)), optax.adam(rate)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    def loss(model: Any) -> Any:
        return squared_error(jax.vmap(model)(X), DATA)

    for _ in range(STEPS):
        updates, state = optimizer.update(eqx.filter_grad(loss)(model), state)
        model = eqx.apply_updates(model, updates)
    return float(loss(model))


MODELS = {
    "linen": (linen_objective, linen_alone),
    "nnx": (nnx_objective, nnx_alone),
    "equinox": (equinox_objective, equinox_alone),
}


@pytest.mark.parametrize("library", MODELS)
def test_a_model_trains_in_a_sweep_as_in_a_loop_of_its_own_library(library: str) -> None:
    build, alone = MODELS[library]
    table = lrsweep.sweep(build(), optax.adam, TRIALS, steps=STEPS).table
    for row in table.iloc[[0, 3]].to_dict("records"):
        assert row["final_loss"] == pytest.approx(alone(row["learning_rate"], row["seed"]), rel=1e-4)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (equinox_network, r"gives a \w+ at params\.activation: .* equinox.filter\(model, equinox.is_inexact_array\)"),
        (lambda key: NnxNetwork(nnx.Rngs(key)), r"gives .* at params.*dropout.*: .* flax.nnx.state\(model, flax.nnx.P"),
    ],
    ids=["equinox", "nnx"],
)
def test_a_whole_model_instead_of_its_parameters_is_refused_with_the_recipe(model: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        lrsweep.sweep(lrsweep.Objective(lambda params: jnp.zeros(()), model), optax.sgd, TRIALS)


def test_a_batch_norm_of_flax_nnx_trains_as_alone() -> None:
    def build(key: Any) -> nnx.Sequential:
        rngs = nnx.Rngs(key)
        layers = nnx.Linear(3, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs), jnp.tanh, nnx.Linear(8, 1, rngs=rngs)
        return nnx.Sequential(*layers)

    graph, _, rest = nnx.split(build(0), nnx.Param, ...)

    def loss(params: Any, data: Any) -> Any:
        return squared_error(nnx.merge(graph, params, rest, copy=True)(data["x"]), data)

    objective = lrsweep.Objective(loss, lambda key: nnx.state(build(key), nnx.Param), data=DATA)
    table = lrsweep.sweep(objective, optax.adam, TRIALS, steps=STEPS).table
    for rate, seed, final_loss in table[["learning_rate", "seed", "final_loss"]].to_numpy(float).tolist():
        model = build(jax.random.key(int(seed)))
        optimizer = nnx.Optimizer(model, optax.adam(rate), wrt=nnx.Param)

        @nnx.jit
        def step(model: Any, optimizer: Any) -> Any:
            value, grads = nnx.value_and_grad(lambda model: squared_error(model(X), DATA))(model)
            optimizer.update(model, grads)
            return value

        losses = [float(step(model, optimizer)) for _ in range(STEPS + 1)]
        assert final_loss == pytest.approx(losses[-1], rel=1e-5)
