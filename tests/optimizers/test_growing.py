"""A learning rate that grows from update to update, against optax's own schedules and loops by hand."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.optimizers._growing import Growing, check_growing
from lrsweep.training._program import extra_arguments

FACTOR = 1.3


def follow(optimizer: Any, updates: int) -> list[float]:
    """The parameter of ``x**2`` on its way from 1."""
    x = jnp.ones(())
    state, path = optimizer.init(x), []
    for _ in range(updates):
        loss, grad = jax.value_and_grad(lambda x: x**2)(x)
        extra = extra_arguments(optimizer, loss, grad, lambda x: x**2)
        update, state = optimizer.update(grad, state, x, **extra)
        x = jnp.asarray(optax.apply_updates(x, update))
        path.append(float(x))
    return path


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("factory", [optax.sgd, optax.adam, optax.adamw, optax.lion, optax.rmsprop])
def test_it_is_the_optimizer_with_an_exponential_schedule(factory: Any) -> None:
    grown = Growing(factory)(0.01, log_growth=np.log(FACTOR))
    scheduled = factory(lambda k: 0.01 * FACTOR**k)
    np.testing.assert_allclose(follow(grown, 12), follow(scheduled, 12), rtol=1e-7)


@pytest.mark.usefixtures("x64")
def test_what_computes_with_the_learning_rate_grows_along() -> None:
    def factory(learning_rate: Any, strength: Any) -> Any:
        return optax.chain(optax.add_decayed_weights(strength * learning_rate), optax.sgd(learning_rate))

    grown, x, expected = Growing(factory)(0.01, log_growth=np.log(FACTOR), strength=2.0), 1.0, []
    for k in range(8):
        rate = 0.01 * FACTOR**k
        x -= rate * (2 * x + 2.0 * rate * x)
        expected.append(x)
    np.testing.assert_allclose(follow(grown, 8), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "factory",
    [
        optax.sgd,
        lrsweep.optimizers.gauss_seidel,
        lambda learning_rate: optax.polyak_sgd(max_learning_rate=learning_rate),
        lambda learning_rate: optax.contrib.sam(optax.sgd(learning_rate), optax.sgd(0.1), opaque_mode=True),
    ],
    ids=["nothing", "value_fn", "value", "grad_fn"],
)
def test_its_update_takes_what_the_optimizers_takes(factory: Any) -> None:
    def offered(optimizer: Any) -> set[str]:
        return set(extra_arguments(optimizer, 0.0, 0.0, abs))

    assert offered(Growing(factory)(0.1, log_growth=0.0)) == offered(factory(learning_rate=0.1))


@pytest.mark.usefixtures("x64")
def test_a_learning_rate_that_is_kept_in_the_state_grows_too() -> None:
    def injected(learning_rate: Any) -> Any:
        return optax.chain(optax.clip(10.0), optax.inject_hyperparams(optax.adam)(learning_rate=learning_rate, b1=0.8))

    grown, plain = (
        Growing(factory)(0.01, log_growth=np.log(FACTOR)) for factory in (injected, partial(optax.adam, b1=0.8))
    )
    np.testing.assert_allclose(follow(grown, 12), follow(plain, 12), rtol=1e-6)


def test_parameters_that_are_called_so_are_left_alone() -> None:
    params = {"learning_rate": jnp.ones(2)}
    optimizer = Growing(optax.adam)(0.1, log_growth=1.0)
    (update,) = jax.tree.leaves(optimizer.update(params, optimizer.init(params), params)[0])
    np.testing.assert_allclose(update, -0.1, rtol=1e-5)


def test_gradients_are_accumulated_as_without_it() -> None:
    def factory(learning_rate: Any) -> Any:
        return optax.MultiSteps(optax.sgd(learning_rate), every_k_schedule=2)

    # Two gradients of 2x, one after the other at the same place, and an update with the second's learning rate.
    x, expected = 1.0, []
    for k in range(6):
        x -= 0.01 * FACTOR**k * 2 * x * (k % 2)
        expected.append(x)
    np.testing.assert_allclose(follow(Growing(factory)(0.01, log_growth=np.log(FACTOR)), 6), expected, rtol=1e-6)


def test_half_precision_stays_half() -> None:
    params = jnp.ones(3, jnp.bfloat16)

    def update(rate: Any, growth: Any) -> Any:
        optimizer = Growing(optax.adam)(rate, log_growth=growth)
        return optimizer.update(params, optimizer.init(params), params)[0]

    like = jax.ShapeDtypeStruct((), jnp.float32, weak_type=True)
    assert jax.eval_shape(update, like, like).dtype == jnp.bfloat16


def test_two_of_one_optimizer_are_equal_and_others_are_not() -> None:
    assert Growing(optax.adam) == Growing(optax.adam)
    assert Growing(optax.adam) != Growing(optax.sgd)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (0.1, "the optimizer must be a factory such as optax.sgd, not 0.1"),
        (optax.sgd(0.1), "the optimizer is already built: pass its factory, optax.sgd rather than optax.sgd(0.1)"),
        (optax.polyak_sgd, "the optimizer polyak_sgd takes no learning_rate, which a range test raises: wrap it in a "),
        (lambda learning_rate, log_growth: None, "takes 'log_growth', which is what a range test calls its own"),
        (max, "the optimizer max does not say which keywords it takes: wrap it in a function that does"),
    ],
    ids=["number", "built", "polyak_sgd", "log_growth", "built-in"],
)
def test_what_cannot_grow_is_refused(factory: Any, said: str) -> None:
    with pytest.raises(lrsweep.InputError) as refused:
        check_growing(factory)
    assert said in str(refused.value)
