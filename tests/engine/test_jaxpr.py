"""What JAX says of a computation is read in one place, and where it says something new the sweep goes on without."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from numpy.testing import assert_allclose

import lrsweep
from lrsweep.engine import _jaxpr as jaxprs
from lrsweep.engine._jaxpr import differing, is_bounded, is_elementwise, operations, trace
from lrsweep.engine._kernel import has_one_kernel
from lrsweep.engine._layout import Layout

TRIALS = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 0.5, 130))


def primitive(name: str, function: Callable[[Any], Any]) -> Any:
    """An operation that no table knows; its derivative is taken to be that of the identity, scaled by 1/2."""
    new = Primitive(name)
    new.def_impl(function)
    new.def_abstract_eval(lambda x: x)
    mlir.register_lowering(new, mlir.lower_fun(function, multiple_results=False))
    ad.deflinear2(new, lambda cotangent, _: [cotangent / 2])
    batching.primitive_batchers[new] = lambda arrays, axes: (
        jax.vmap(function, in_axes=axes[0], out_axes=axes[0])(*arrays),
        axes[0],
    )
    return new


halved = primitive("halved_for_a_test", lambda x: x / 2)
turned = primitive("turned_for_a_test", lambda x: x[..., ::-1] / 2)


def swept(loss: Callable[[Any], Any]) -> lrsweep.Sweep:
    objective = lrsweep.Objective(loss, jnp.array([1.0, 2.0, 3.0]))
    to_the_end = lrsweep.Stopping(tolerance=0)
    return lrsweep.sweep(objective, optax.sgd, TRIALS, steps=40, stopping=to_the_end)


def layout_of(sweep: lrsweep.Sweep) -> dict[str, Any]:
    return sweep.provenance["groups"][0]["layout"]


def followed(loss_and_grad: Callable[[np.ndarray], tuple[float, np.ndarray]]) -> list[float]:
    """The last loss of every trial, by a loop in NumPy."""
    last = []
    for rate in TRIALS["learning_rate"]:
        x = np.array([1.0, 2.0, 3.0])
        losses = []
        for _ in range(41):
            loss, grad = loss_and_grad(x)
            losses.append(loss)
            x = x - rate * grad
        last.append(min(losses))
    return last


def test_an_unknown_elementwise_operation_is_tried_and_laid_out_as_the_known_ones() -> None:
    sweep = swept(lambda x: jnp.sum(halved.bind(x) ** 2))
    assert layout_of(sweep)["unrolled"]
    # The derivative of sum (x/2)**2 by the rule given: 2 (x/2) / 2.
    want = followed(lambda x: (np.sum((x / 2) ** 2), x / 2))
    assert_allclose(sweep.table["best_loss"], want, rtol=1e-5, atol=1e-6)


def test_an_unknown_operation_on_arrays_goes_through_plain_vmap() -> None:
    sweep = swept(lambda x: jnp.sum((turned.bind(x) * jnp.arange(3.0)) ** 2))
    assert layout_of(sweep) == Layout()._asdict()

    def by_hand(x: np.ndarray) -> tuple[float, np.ndarray]:
        after, weights = x[::-1] / 2, np.arange(3.0) ** 2
        # The rule given passes half of the slope there on, and in place.
        return float(np.sum(weights * after**2)), weights * after

    assert_allclose(sweep.table["best_loss"], followed(by_hand), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["walk", "operations"])
def test_what_jax_says_in_new_words_costs_the_layout_and_not_the_sweep(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any) -> Any:
        raise KeyError("a parameter renamed")

    def loss(x: Any) -> Any:
        return jnp.sum(jnp.tanh(x) ** 2)

    known = swept(loss)
    for module in ("_jaxpr", "_scalarize", "_batch_last"):
        monkeypatch.setattr(f"lrsweep.engine.{module}.{name}", unreadable, raising=False)
    # A new function, of which nothing has been kept.
    unknown = swept(lambda x: loss(x))
    assert layout_of(known)["unrolled"]
    assert not layout_of(unknown)["unrolled"]
    pd.testing.assert_frame_equal(known.table, unknown.table, rtol=1e-5)


def test_a_layout_that_cannot_be_compiled_is_left_for_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("not in this version")

    monkeypatch.setattr("lrsweep.engine._block.unroll", refused)
    sweep = swept(lambda x: jnp.sum(jnp.sin(x) ** 2))
    assert layout_of(sweep) == Layout()._asdict()


def test_one_kernel_is_asked_for_where_trying_it_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    device = jax.devices("cpu")[0]
    has_one_kernel.cache_clear()
    monkeypatch.setattr("jax.experimental.xla_metadata.set_xla_metadata", lambda array, **_: array + 1)
    assert not has_one_kernel(device)
    has_one_kernel.cache_clear()
    monkeypatch.undo()
    layout = layout_of(swept(lambda x: jnp.sum(jnp.cos(x) ** 2)))
    assert layout["one_kernel"] == has_one_kernel(device)


def test_a_loop_in_the_loss_gives_what_the_same_loss_gives_written_out(x64: None) -> None:
    del x64
    inputs = np.linspace(-1.0, 1.0, 7)

    def step(params: Any, h: Any, x: Any) -> Any:
        return jnp.tanh(params["w"] * h + x)

    def looped(params: Any) -> Any:
        def once(h: Any, x: Any) -> Any:
            h = step(params, h, x)
            return h, h

        return jnp.mean(lax.scan(once, params["h"], jnp.asarray(inputs))[1] ** 2)

    def written_out(params: Any) -> Any:
        h, squares = params["h"], []
        for x in inputs:
            h = step(params, h, x)
            squares.append(h**2)
        return jnp.mean(jnp.stack(squares))

    def init(key: Any) -> Any:
        return dict(zip(("w", "h"), jax.random.normal(key, (2,)), strict=True))

    trials = lrsweep.grid(learning_rate=[0.1, 0.3], seed=range(3))
    one, other = (
        lrsweep.sweep(lrsweep.Objective(loss, init), optax.sgd, trials, steps=50).table
        for loss in (looped, written_out)
    )
    pd.testing.assert_frame_equal(one, other, rtol=1e-9)


def test_what_differs_between_lanes_is_followed_through_calls_and_choices() -> None:
    def function(x: Any, y: Any, z: Any) -> Any:
        chosen = lax.cond(y > 0, lambda x, z: (x, z), lambda x, z: (2 * x, 3 * z), x, z)
        return jax.jit(jnp.add)(x, y), *chosen, lax.while_loop(lambda c: c < y, lambda c: c + 1, z)

    computation, _ = trace(function, 1.0, 2.0, 3.0)
    assert differing(computation, [True, False, False]) == [True, True, False, False]
    assert differing(computation, [False, True, False]) == [True, True, True, True]
    # What `jax.vmap` finds is never more.
    assert differing(computation, [False, False, True]) == [False, False, True, True]


def test_elementwise_is_what_computes_each_element_by_itself() -> None:
    like = jnp.ones((3, 3))

    def of(function: Any) -> list[bool]:
        return [is_elementwise(operation) for operation in operations(trace(function, like)[0])]

    assert of(jnp.arcsinh) == of(jax.scipy.special.gammaln) == of(jnp.exp) == [True]
    assert of(lambda x: jnp.cumsum(x, 0)) == of(lambda x: jnp.sort(x, 0)) == of(lambda x: x.T) == [False]
    assert of(halved.bind) == [True]
    assert of(turned.bind) == [False]


def test_a_computation_is_bounded_unless_a_loop_in_it_goes_on_by_its_numbers() -> None:
    def newton(x: Any) -> Any:
        return lax.while_loop(lambda x: x > 1, lambda x: x / 2, x)

    def called(x: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), np.float32), x)

    bounded = [
        jnp.sin,
        lambda x: lax.fori_loop(0, 3, lambda _, x: x / 2, x),
        lambda x: lax.scan(lambda c, _: (c, c), x, length=3),
    ]
    for function in bounded:
        assert is_bounded(trace(function, 1.0)[0])
    for function in (
        newton,
        called,
        jax.jit(newton),
        lambda x: lax.cond(x > 0, newton, jnp.sin, x),
        jax.checkpoint(newton),
    ):
        assert not is_bounded(trace(function, 1.0)[0])


def test_one_module_alone_touches_the_equations_of_a_jaxpr() -> None:
    touched = {"eqns", "invars", "outvars", "constvars", "make_jaxpr", "get_bind_params"}
    package = Path(jaxprs.__file__).parents[1]
    for path in package.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert path.name == "_jaxpr.py" or not names & touched, path
