"""The loss and the metrics in slices of examples, or on a sample of them: the same means, of less memory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.training._slices import mean_in_slices

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(23, 3))
Y = np.sin(X.sum(axis=1))
DATA = {"x": X, "y": Y}
TRIALS = lrsweep.grid(learning_rate=[0.1, 0.01], seed=range(2))


def predict(params: Any, data: Any) -> Any:
    return jnp.tanh(data["x"] @ params["w"]) @ params["v"]


def init(key: Any) -> Any:
    w, v = jax.random.split(key)
    return {"w": jax.random.normal(w, (3, 4)), "v": jax.random.normal(v, (4,))}


def loss(params: Any, data: Any, *, penalty: Any = 0.01) -> Any:
    return jnp.mean((predict(params, data) - data["y"]) ** 2) + penalty * jnp.sum(params["w"] ** 2)


def accuracy(params: Any, data: Any) -> Any:
    return jnp.mean((predict(params, data) > 0) == (data["y"] > 0))


def objective(**more: Any) -> lrsweep.Objective:
    return lrsweep.Objective(loss, init, **{"data": DATA, "metrics": {"accuracy": accuracy}} | more)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [1, 4, 5, 22, 23, 24, None])
def test_a_mean_in_slices_and_its_derivatives_are_those_of_numpy(size: int | None) -> None:
    data = jax.tree.map(jnp.asarray, DATA)

    def along(w: Any) -> Any:
        return mean_in_slices(lambda part: jnp.mean((part["x"] @ w - part["y"]) ** 2), data, size)

    w = np.array([1.0, -2.0, 0.5])
    rest = X @ w - Y
    np.testing.assert_allclose(along(w), (rest**2).mean(), rtol=1e-14)
    np.testing.assert_allclose(jax.grad(along)(w), 2 * X.T @ rest / len(X), rtol=1e-13)
    np.testing.assert_allclose(jax.hessian(along)(w), 2 * X.T @ X / len(X), rtol=1e-13)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_a_mean_in_slices_keeps_its_dtype_and_adds_up_in_32_bits(dtype: Any) -> None:
    # In bfloat16 256 + 1 is 256: a sum in it would stay there.
    ones = jnp.ones(3001, dtype)
    mean = mean_in_slices(jnp.mean, ones, 2)
    assert (mean.dtype, float(mean)) == (dtype, 1.0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("batch_size", "diagnose"), [(None, True), (4, False), (12, False)])
def test_a_sweep_in_slices_gives_what_it_gives_at_once(batch_size: int | None, diagnose: bool) -> None:
    tables = [
        lrsweep.sweep(
            objective(batch_size=batch_size, evaluation_slice=size), optax.adam, TRIALS, steps=9, diagnose=diagnose
        ).table
        for size in (None, 5)
    ]
    for name in tables[0].select_dtypes("number").columns.difference(["sharpness_residual"]):
        at_once, in_slices = (table[name].to_numpy(float, na_value=np.nan) for table in tables)
        np.testing.assert_allclose(in_slices, at_once, rtol=1e-9, err_msg=name)
    assert tables[1]["status"].tolist() == tables[0]["status"].tolist()


@pytest.mark.usefixtures("x64")
def test_sharpness_and_landscape_in_slices_are_those_at_once() -> None:
    params = init(jax.random.key(0))
    found = [
        (lrsweep.sharpness(each, params), lrsweep.landscape(each, {"v[1]": [0.0, 1.0]}, params=params).to_numpy())
        for each in (objective(), objective(evaluation_slice=5))
    ]
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_a_sample_is_the_same_for_every_trial_and_changes_no_update() -> None:
    # The loss at the start is the mean of `y**2`, wherever the sample is taken from.
    whole, sampled = (
        lrsweep.Objective(
            lambda w, data: jnp.mean((data["x"] @ w - data["y"]) ** 2),
            np.zeros(3),
            data=DATA,
            batch_size=6,
            metrics={"square": lambda w, data: jnp.mean(data["y"] ** 2), "all": (lambda w, d: jnp.mean(d**2), Y)},
            evaluation_sample=size,
        )
        for size in (None, 10)
    )
    trials = lrsweep.grid(learning_rate=[0.1, 0.2], seed=range(3))
    tables = [lrsweep.sweep(each, optax.sgd, trials, steps=6).table for each in (whole, sampled)]
    np.testing.assert_allclose(tables[0]["initial_loss"], (Y**2).mean(), rtol=1e-12)
    measured = tables[1]["initial_loss"]
    assert measured.nunique() == 1
    assert abs(measured[0] - (Y**2).mean()) > 1e-3
    np.testing.assert_allclose(tables[1]["final_square"], measured, rtol=1e-12)
    np.testing.assert_allclose(tables[1]["final_all"], (Y**2).mean(), rtol=1e-12)
    ends = [lrsweep.sweep(each, optax.sgd, trials, steps=6).replay(4).params for each in (whole, sampled)]
    np.testing.assert_array_equal(*ends)


def test_a_sample_without_batches_is_measured_apart_from_the_updates() -> None:
    sampled = objective(evaluation_sample=10, metrics={})
    table = lrsweep.sweep(sampled, optax.sgd, TRIALS, steps=3).table
    batched = objective(evaluation_sample=10, metrics={}, batch_size=23)
    other = lrsweep.sweep(batched, optax.sgd, TRIALS, steps=3, evaluate_every=1).table
    np.testing.assert_allclose(table["initial_loss"], other["initial_loss"], rtol=1e-6)
    np.testing.assert_allclose(table["final_loss"], other["final_loss"], rtol=1e-5)


def total(params: Any, data: Any) -> Any:
    return jnp.sum((predict(params, data) - data["y"]) ** 2)


def root(params: Any, data: Any) -> Any:
    return jnp.sqrt(jnp.mean((predict(params, data) - data["y"]) ** 2))


def f1(params: Any, data: Any) -> Any:
    found, true = predict(params, data) > 0, data["y"] > 0
    return 2 * jnp.sum(found & true) / (jnp.sum(found) + jnp.sum(true))


def largest(params: Any, data: Any) -> Any:
    return jnp.max(abs(predict(params, data) - data["y"]))


def explained(params: Any, data: Any) -> Any:
    rest = predict(params, data) - data["y"]
    return 1 - jnp.sum(rest**2) / jnp.sum((data["y"] - jnp.mean(data["y"])) ** 2)


@pytest.mark.parametrize("metric", [total, root, f1, largest, explained])
def test_a_metric_that_is_no_mean_is_refused_by_name(metric: Any) -> None:
    measured = objective(metrics={"accuracy": accuracy, "mine": metric}, evaluation_slice=5)
    with pytest.raises(lrsweep.InputError, match="^metric 'mine' of objective 'loss' is no mean over its examples"):
        lrsweep.sweep(measured, optax.sgd, TRIALS, steps=3)


def test_a_loss_that_is_no_mean_is_refused_also_where_it_starts_from_zeros() -> None:
    summed = lrsweep.Objective(total, jax.tree.map(jnp.zeros_like, init(jax.random.key(0))), data=DATA)
    lrsweep.sweep(summed, optax.sgd, lrsweep.grid(learning_rate=1e-3), steps=3)
    sliced = lrsweep.Objective(summed.loss, summed.init, data=DATA, evaluation_slice=5)
    with pytest.raises(lrsweep.InputError, match="^the loss of objective 'total' is no mean over its examples"):
        lrsweep.sweep(sliced, optax.sgd, lrsweep.grid(learning_rate=1e-3), steps=3)


def test_a_mean_that_cancels_out_is_taken_as_one() -> None:
    # Antisymmetric data: the mean over the examples is 0 up to rounding, and so is the one over slices.
    mirrored = np.concatenate([Y, -Y[::-1]])
    centred = lrsweep.Objective(
        lambda w, data: jnp.mean((w - data) ** 2),
        0.0,
        data=mirrored,
        metrics={"bias": lambda w, data: jnp.mean(data)},
        evaluation_slice=4,
    )
    lrsweep.sweep(centred, optax.sgd, lrsweep.grid(learning_rate=0.1), steps=2)


def test_a_mean_of_16_bit_products_is_taken_as_one() -> None:
    def coarse(params: Any, data: Any) -> Any:
        half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, data))
        return jnp.mean((predict(*half) - half[1]["y"]) ** 2).astype(jnp.float32)

    lrsweep.sweep(lrsweep.Objective(coarse, init, data=DATA, evaluation_slice=5), optax.sgd, TRIALS, steps=2)


def test_a_loss_that_does_not_fit_a_slice_is_refused_by_what_it_says() -> None:
    fixed = lrsweep.Objective(lambda w, data: jnp.mean(w * data["y"].reshape(23)), 1.0, data=DATA, evaluation_slice=5)
    with pytest.raises(lrsweep.InputError, match="does not fit its parameters and data: .*reshape"):
        lrsweep.sweep(fixed, optax.sgd, TRIALS.drop(columns="seed"), steps=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"evaluation_slice": 0}, "evaluation_slice=0: it must be a whole number from 1 on"),
        ({"evaluation_slice": 2.5}, "evaluation_slice=2.5: it must be a whole number from 1 on"),
        ({"evaluation_sample": 24}, "evaluation_sample=24: it must be a whole number from 1 to 23, the number of its"),
        ({"evaluation_slice": 5, "data": None, "metrics": {}}, "evaluation_slice=5, but no data to take examples from"),
    ],
)
def test_a_slice_or_a_sample_that_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(lrsweep.InputError, match=said):
        objective(**arguments)
