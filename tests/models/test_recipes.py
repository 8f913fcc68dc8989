"""The recipes of the page on models, as they stand there: held against plain loops in optax."""

import ast
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.training._keys import key_of_update, open_key
from tests.test_site import DOCS, blocks_of

SEED, RATE = 3, 0.03
TRIALS = lrsweep.grid(learning_rate=[0.1, RATE], seed=[SEED])
NEVER = lrsweep.Stopping(tolerance=0.0)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page defines, computed in 64 bits, without what it sweeps."""
    code = "\n".join(block.text for block in blocks_of(DOCS / "recipes" / "models.md") if block.language == "python")
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Assign)
    nodes: list[ast.stmt] = [node for node in ast.parse(code).body if isinstance(node, kept)]
    namespace: dict[str, Any] = {"__name__": "page"}
    with jax.enable_x64(True):
        defined = [node for node in nodes if isinstance(node, ast.FunctionDef) or "sweep" not in ast.unparse(node)]
        exec(compile(ast.Module(defined, []), "page", "exec"), namespace)
    return namespace


def swept(objective: Any, optimizer: Any = optax.adam, *, steps: int, every: int = 1, **columns: Any) -> Any:
    """The losses of the second trial, at every so many updates, and its end."""
    trials = TRIALS.assign(**columns)
    result = lrsweep.sweep(
        objective, optimizer, trials, steps=steps, evaluate_every=every, record_every=every, stopping=NEVER
    )
    return result.curves["loss"].loc[1].to_numpy(), result.replay(1)


def alone(measure: Callable[[Any], Any], grad_of: Callable[[Any, int], Any], params: Any, *, steps: int) -> Any:
    """A plain loop with Adam: the loss before every update and after the last, and the parameters in the end."""
    optimizer, losses = optax.adam(RATE), []
    state, update = optimizer.init(params), jax.jit(optimizer.update)
    for k in range(steps):
        losses.append(float(measure(params)))
        changes, state = update(grad_of(params, k), state, params)
        params = optax.apply_updates(params, changes)
    return [*losses, float(measure(params))], params


@pytest.mark.usefixtures("x64")
def test_four_accumulated_batches_of_a_quarter_are_one_update_on_all_the_data(page: dict[str, Any]) -> None:
    data, plain = page["data"], page["plain"]
    # An epoch is a permutation, so that its four batches are all the data.
    objective = lrsweep.Objective(plain, page["init"], data=data, batch_size=len(data["y"]) // 4)
    losses, _ = swept(objective, page["accumulated"], steps=60, every=4)
    grad = jax.jit(jax.grad(plain))
    expected, _ = alone(
        lambda params: plain(params, data),
        lambda params, _: grad(params, data),
        page["init"](jax.random.key(SEED)),
        steps=15,
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.usefixtures("x64")
def test_an_update_sees_the_noise_of_its_own_key_and_a_measurement_none(page: dict[str, Any]) -> None:
    data, predict, error = page["data"], page["predict"], page["error"]
    losses, _ = swept(lrsweep.Objective(page["augmented"], page["init"], data=data), steps=20)

    @jax.jit
    def grad(params: Any, key: Any) -> Any:
        moved = data["x"] + 0.1 * jax.random.normal(key, data["x"].shape)
        return jax.grad(lambda params: error(predict(params, moved), data))(params)

    expected, _ = alone(
        lambda params: error(predict(params, data["x"]), data),
        lambda params, k: grad(params, key_of_update(open_key(SEED), k)),
        page["init"](jax.random.key(SEED)),
        steps=20,
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-9)


@pytest.mark.parametrize(("kind", "dtype"), [("parameters", jnp.bfloat16), ("computation", jnp.float32)])
def test_in_bfloat16_a_trial_goes_where_a_loop_goes_and_its_parameters_keep_their_type(
    page: dict[str, Any], kind: str, dtype: Any
) -> None:
    data = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), page["data"])
    to_bfloat16, init = page["to_bfloat16"], page["init"]
    loss, start = (page["plain"], lambda key: to_bfloat16(init(key)))
    if kind == "computation":
        loss, start = page["in_bfloat16"], init
    losses, replayed = swept(lrsweep.Objective(loss, start, data=data), steps=20)
    grad = jax.jit(jax.grad(loss))
    expected, params = alone(
        jax.jit(lambda params: loss(params, data)),
        lambda params, _: grad(params, data),
        start(jax.random.key(SEED)),
        steps=20,
    )
    # XLA may keep more than 8 bits between operations, and other ones under vmap.
    np.testing.assert_allclose(losses, expected, rtol=2e-2)
    assert losses[-1] < 0.8 * losses[0]
    for found, alone_ in zip(jax.tree.leaves(replayed.params), jax.tree.leaves(params), strict=True):
        assert found.dtype == alone_.dtype == dtype
        np.testing.assert_allclose(np.asarray(found, float), np.asarray(alone_, float), atol=0.05)


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_a_static_loss_scale_is_divided_out_of_the_gradient(page: dict[str, Any], scale: float) -> None:
    data = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), page["data"])
    in_float16, init = page["in_float16"], page["init"]
    objective = lrsweep.Objective(in_float16, init, data=data)
    losses, _ = swept(objective, page["unscaled"], steps=20, scale=scale)
    grad = jax.jit(jax.grad(lambda params: in_float16(params, data, scale=scale, training=True)))
    expected, _ = alone(
        lambda params: in_float16(params, data, scale=scale, training=False),
        lambda params, _: jax.tree.map(lambda leaf: leaf / scale, grad(params)),
        init(jax.random.key(SEED)),
        steps=20,
    )
    np.testing.assert_allclose(losses, expected, rtol=2e-3)


def test_a_static_loss_scale_saves_gradients_that_float16_takes_for_0(page: dict[str, Any]) -> None:
    # Every prediction is 0, a millionth off: in the mean over 200 examples it has a slope of 1e-8.
    start = page["init"](jax.random.key(SEED)) | {"v": jnp.zeros((16, 1))}
    data = {"x": np.asarray(page["data"]["x"], np.float32), "y": np.full(200, 1e-6, np.float32)}
    objective = lrsweep.Objective(page["in_float16"], start, data=data)
    moved = [
        abs(np.asarray(swept(objective, page["unscaled"], steps=1, scale=scale)[1].params["v"])).max()
        for scale in (1.0, 2.0**14)
    ]
    assert moved == pytest.approx([0, RATE], rel=0.1)


def test_a_dynamic_loss_scale_halves_where_a_gradient_overflows_and_doubles_after_fifty_that_do_not(
    page: dict[str, Any],
) -> None:
    data = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), page["data"])
    # So large a loss overflows with the first scale.
    data["y"] = 5 * data["y"]
    in_float16, init = page["in_float16"], page["init"]
    losses, replayed = swept(lrsweep.Objective(page["scaled"], page["init_scaled"], data=data), steps=90)
    grad = jax.jit(jax.grad(lambda params, scale: scale * in_float16(params, data, scale=1.0, training=False)))
    scale, good, halved, doubled = 2.0**15, 0, 0, 0

    def unscaled(params: Any, _: int) -> Any:
        nonlocal scale, good, halved, doubled
        grads = jax.tree.map(lambda leaf: leaf / scale, grad(params, scale))
        finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
        good = good + 1 if finite else 0
        halved, doubled = halved + (not finite), doubled + (finite and good % 50 == 0)
        scale *= (2.0 if good % 50 == 0 else 1.0) if finite else 0.5
        return grads if finite else jax.tree.map(jnp.zeros_like, grads)

    expected, _ = alone(
        lambda params: in_float16(params, data, scale=1.0, training=False),
        unscaled,
        init(jax.random.key(SEED)),
        steps=90,
    )
    np.testing.assert_allclose(losses, expected, rtol=5e-3)
    assert halved > 0
    assert doubled > 0
    assert float(replayed.state["scale"]) == scale
    assert int(replayed.state["good"]) == good
