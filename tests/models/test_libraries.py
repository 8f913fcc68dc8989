"""Models with batch norm and dropout: swept, and held against a loop of their own library, statistics included."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import lrsweep
from lrsweep.training._keys import key_of_update, open_key

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(24, 3))
DATA = {"x": X, "y": np.sin(X.sum(axis=1))}
TRIALS = lrsweep.grid(learning_rate=[0.1, 0.01], seed=[4])
STEPS = 30
# Adam would divide rounding by rounding in a bias before a batch norm, whose gradient is 0.
OPTIMIZER = partial(optax.sgd, momentum=0.9)
WIDE: Any = jnp.float64


def squared_error(model: Any, data: Any) -> Any:
    return jnp.mean((model(data["x"])[:, 0] - data["y"]) ** 2)


def largest_output(model: Any, data: Any) -> Any:
    return jnp.max(model(data["x"]))


class NnxNetwork(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(3, 6, param_dtype=WIDE, rngs=rngs)
        self.norm = nnx.BatchNorm(6, param_dtype=WIDE, rngs=rngs)
        # Flax keeps these in 32 bits whatever the data is, and warns where that is wider.
        self.norm.mean, self.norm.var = nnx.BatchStat(jnp.zeros(6, WIDE)), nnx.BatchStat(jnp.ones(6, WIDE))
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(6, 1, param_dtype=WIDE, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.out(self.dropout(jnp.tanh(self.norm(self.hidden(x)))))


def nnx_alone(rate: float, seed: int) -> tuple[list[float], list[Any]]:
    model = NnxNetwork(nnx.Rngs(jax.random.key(seed)))
    optimizer, losses = nnx.Optimizer(model, OPTIMIZER(rate), wrt=nnx.Param), []

    @nnx.jit
    def measure(model: Any) -> Any:
        model.eval()
        return squared_error(model, DATA)

    @nnx.jit
    def step(model: Any, optimizer: Any) -> None:
        model.train()
        optimizer.update(model, nnx.grad(lambda model: squared_error(model, DATA))(model))

    for _ in range(STEPS):
        losses.append(float(measure(model)))
        step(model, optimizer)
    return [*losses, float(measure(model))], [model.norm.mean[...], model.norm.var[...]]


def nnx_statistics(state: Any) -> list[Any]:
    return [state["norm"]["mean"][...], state["norm"]["var"][...]]


class LinenNetwork(linen.Module):
    @linen.compact
    def __call__(self, x: Any, training: bool) -> Any:
        x = linen.Dense(6, param_dtype=WIDE)(x)
        x = jnp.tanh(linen.BatchNorm(use_running_average=not training, param_dtype=WIDE)(x))
        return linen.Dense(1, param_dtype=WIDE)(linen.Dropout(0.5, deterministic=not training)(x))


def linen_alone(rate: float, seed: int) -> tuple[list[float], list[Any]]:
    module, optimizer, losses = LinenNetwork(), OPTIMIZER(rate), []
    variables: Any = module.init(jax.random.key(seed), X, training=False)
    # Flax's own loop rounds the first update of the statistics to 32 bits, and goes on in 64.
    params, stats = variables["params"], jax.tree.map(lambda leaf: leaf.astype(WIDE), variables["batch_stats"])
    opt_state = optimizer.init(params)

    @jax.jit
    def measure(params: Any, stats: Any) -> Any:
        return squared_error(lambda x: module.apply({"params": params, "batch_stats": stats}, x, training=False), DATA)

    @jax.jit
    def step(params: Any, stats: Any, opt_state: Any, key: Any) -> Any:
        def loss(params: Any) -> Any:
            variables = {"params": params, "batch_stats": stats}
            output, changed = module.apply(
                variables, DATA["x"], training=True, rngs={"dropout": key}, mutable=["batch_stats"]
            )
            return squared_error(lambda _: output, DATA), changed["batch_stats"]

        grads, new_stats = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), new_stats, opt_state

    for k in range(STEPS):
        losses.append(float(measure(params, stats)))
        params, stats, opt_state = step(params, stats, opt_state, key_of_update(open_key(seed), k))
    return [*losses, float(measure(params, stats))], jax.tree.leaves(stats)


class EquinoxNetwork(eqx.Module):
    hidden: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    out: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        first, second = jax.random.split(key)
        self.hidden, self.out = eqx.nn.Linear(3, 6, key=first), eqx.nn.Linear(6, 1, key=second)
        self.norm, self.dropout = eqx.nn.BatchNorm(6, axis_name="batch", mode="batch"), eqx.nn.Dropout(0.5)

    def __call__(self, x: Any, state: Any, key: Any) -> Any:
        x, state = self.norm(self.hidden(x), state)
        return self.out(self.dropout(jnp.tanh(x), key=key)), state


def equinox_loss(model: Any, data: Any, *, key: Any, state: Any) -> Any:
    keys = jax.random.split(key, len(data["x"]))
    mapped = jax.vmap(model, axis_name="batch", in_axes=(0, None, 0), out_axes=(0, None))
    output, state = mapped(data["x"], state, keys)
    return squared_error(lambda _: output, data), state


def equinox_metric(model: Any, data: Any, *, key: Any, state: Any) -> Any:
    return equinox_loss(model, data, key=key, state=state)[0]


def equinox_alone(rate: float, seed: int) -> tuple[list[float], list[Any]]:
    model, state = eqx.nn.make_with_state(EquinoxNetwork)(jax.random.key(seed))
    optimizer, losses = OPTIMIZER(rate), []
    opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def measure(model: Any, state: Any) -> Any:
        return equinox_loss(eqx.nn.inference_mode(model), DATA, key=jax.random.key(0), state=state)[0]

    @eqx.filter_jit
    def step(model: Any, state: Any, opt_state: Any, key: Any) -> Any:
        grads, state = eqx.filter_grad(lambda m: equinox_loss(m, DATA, key=key, state=state), has_aux=True)(model)
        updates, opt_state = optimizer.update(grads, opt_state)
        return eqx.apply_updates(model, updates), state, opt_state

    for k in range(STEPS):
        losses.append(float(measure(model, state)))
        model, state, opt_state = step(model, state, opt_state, key_of_update(open_key(seed), k))
    return [*losses, float(measure(model, state))], jax.tree.leaves(state)


MODELS: dict[str, Any] = {
    "nnx": (lambda: lrsweep.models.from_nnx(NnxNetwork, squared_error, data=DATA), nnx_alone, nnx_statistics),
    "linen": (
        lambda: lrsweep.models.from_linen(LinenNetwork(), squared_error, X, data=DATA),
        linen_alone,
        jax.tree.leaves,
    ),
    "equinox": (
        lambda: lrsweep.models.from_equinox(EquinoxNetwork, equinox_loss, data=DATA),
        equinox_alone,
        jax.tree.leaves,
    ),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("library", MODELS)
def test_every_loss_and_every_statistic_is_that_of_a_loop_in_the_library(library: str) -> None:
    build, alone, statistics = MODELS[library]
    never = lrsweep.Stopping(tolerance=0.0)
    result = lrsweep.sweep(build(), OPTIMIZER, TRIALS, steps=STEPS, record_every=1, stopping=never)
    losses, expected = alone(0.01, 4)
    np.testing.assert_allclose(result.curves["loss"].loc[1], losses, rtol=1e-9)
    found = statistics(result.replay(1).state)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("best", ["loss", "error"])
def test_a_linen_model_has_a_metric_that_decides_and_keywords_of_its_own(best: str) -> None:
    class Flagged(linen.Module):
        @linen.compact
        def __call__(self, x: Any, train: bool) -> Any:
            return linen.Dense(1)(linen.Dropout(0.5, deterministic=not train)(x))

    objective = lrsweep.models.from_linen(
        Flagged(),
        squared_error,
        np.float32(X),
        keywords=lambda training: {"train": training},
        data=jax.tree.map(np.float32, DATA),
        metrics={"error": squared_error},
        best_by=best,
        mode="max" if best == "error" else "min",
    )
    assert (objective.best_by, objective.mode) == (best, "max" if best == "error" else "min")
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=0.01, seed=0), steps=2).table
    # What is measured is without dropout, so that the metric is the loss.
    assert table["final_error"].tolist() == pytest.approx(table["final_loss"].tolist())
    of_another_kind: Any = "max"
    with pytest.raises(lrsweep.InputError, match="keywords must be a function, such as lambda training"):
        lrsweep.models.from_linen(Flagged(), squared_error, X, keywords=of_another_kind)


def test_metrics_see_the_model_as_it_is_measured_and_columns_reach_its_functions() -> None:
    def decayed(model: Any, data: Any, *, penalty: Any) -> Any:
        return squared_error(model, data) + penalty

    metrics = {"again": squared_error, "held_out": (squared_error, {"x": X[:4], "y": DATA["y"][:4]})}
    narrow = jax.tree.map(np.float32, DATA)
    objective = lrsweep.models.from_nnx(
        lambda rngs: nnx.Sequential(
            nnx.Linear(3, 4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 1, rngs=rngs)
        ),
        decayed,
        data=narrow,
        metrics=metrics,
        batch_size=8,
        name="mine",
    )
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=0.1, penalty=[0.0, 1.0]), steps=4).table
    np.testing.assert_allclose(table["final_loss"], table["final_again"] + [0.0, 1.0], rtol=1e-5)
    assert table["final_held_out"].nunique() == 1
    assert objective.name == "mine"


def test_a_loss_that_is_no_function_is_refused() -> None:
    with pytest.raises(lrsweep.InputError, match="a model's loss must be a function of the model, not 3"):
        lrsweep.models.from_nnx(NnxNetwork, 3)  # pyright: ignore[reportArgumentType]
