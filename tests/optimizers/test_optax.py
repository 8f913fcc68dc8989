"""Every optimizer of optax in a sweep: each lane against the same trial run alone, by optax and a plain loop."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from optax import contrib

import lrsweep

STEPS = 12
X, Y = (np.random.default_rng(chunk).normal(size=(6, 2)) for chunk in (1, 2))
START = {"w": np.array([[0.5, -1.0], [0.25, 2.0]]), "b": np.array([0.1, -0.2])}


def loss(params: Any) -> Any:
    return jnp.mean((jnp.tanh(X @ params["w"]) + params["b"] - Y) ** 2)


OBJECTIVE = lrsweep.Objective(loss, START)


def frozen_bias(learning_rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.sgd(learning_rate), optax.masked(optax.set_to_zero(), {"w": False, "b": True}))


def per_layer(rate_w: Any, rate_b: Any) -> optax.GradientTransformation:
    return optax.multi_transform({"w": optax.adam(rate_w), "b": optax.sgd(rate_b)}, {"w": "w", "b": "b"})


def clipped(learning_rate: Any, max_norm: Any) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(max_norm), optax.sgd(learning_rate))


def cosine(learning_rate: Any) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(learning_rate, decay_steps=STEPS))


def decaying(learning_rate: Any, decay_rate: Any) -> optax.GradientTransformation:
    return optax.sgd(lambda count: learning_rate * decay_rate**count)


def every_second(learning_rate: Any) -> Any:
    return optax.MultiSteps(optax.sgd(learning_rate), every_k_schedule=2)


def looking_ahead(learning_rate: Any, slow_step_size: Any) -> optax.GradientTransformation:
    return lrsweep.optimizers.lookahead(optax.sgd(learning_rate), sync_period=3, slow_step_size=slow_step_size)


def sharpness_aware(learning_rate: Any, rho: Any, *, opaque: bool) -> optax.GradientTransformation:
    ascent = optax.chain(contrib.normalize(), optax.sgd(rho))
    return contrib.sam(optax.sgd(learning_rate), ascent, sync_period=2, opaque_mode=opaque)


def mechanized(learning_rate: Any) -> optax.GradientTransformation:
    return contrib.mechanize(optax.sgd(learning_rate), weight_decay=1e-2)


def schedule_free(learning_rate: Any) -> optax.GradientTransformation:
    return contrib.schedule_free(optax.sgd(learning_rate), learning_rate, b1=0.9)


def backtracking(learning_rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.sgd(learning_rate), optax.scale_by_backtracking_linesearch(max_backtracking_steps=15))


def gradient_and_plateau(learning_rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.sgd(learning_rate), contrib.reduce_on_plateau(patience=2))


RATE = {"learning_rate": [0.3, 0.01]}

# Every alias of optax with its keyword for the learning rate, or another where it has none.
ALIASES: dict[str, dict[str, list[float]]] = {
    name: {"max_learning_rate" if name == "polyak_sgd" else "learning_rate": [0.3, 0.01]}
    for name, factory in vars(optax).items()
    if getattr(factory, "__module__", "") == "optax._src.alias" and inspect.isfunction(factory)
}
# Those of optax.contrib, which older versions of optax have in part. dpsgd is left out: it needs the gradient of every
# example apart, which no loss gives.
CONTRIBUTED = [
    *("acprop", "ademamix", "adopt", "cocob", "dadapt_adamw", "dog", "dowg", "galore", "madgrad", "momo", "momo_adam"),
    *("muon", "prodigy", "schedule_free_adamw", "schedule_free_sgd", "simplified_ademamix", "sophia"),
]
COMPOSED: list[tuple[Callable[..., Any], dict[str, list[Any]]]] = [
    (frozen_bias, RATE),
    (per_layer, {"rate_w": [0.3, 0.01], "rate_b": [0.02, 0.2]}),
    (clipped, RATE | {"max_norm": [0.1, 10.0]}),
    (cosine, RATE),
    (decaying, RATE | {"decay_rate": [0.9, 0.5]}),
    (every_second, RATE),
    (looking_ahead, RATE | {"slow_step_size": [0.5, 0.8]}),
    (sharpness_aware, RATE | {"rho": [0.05, 0.1], "opaque": [True, False]}),
    (mechanized, RATE),
    (schedule_free, RATE),
    (backtracking, RATE),
    (gradient_and_plateau, RATE),
    (lrsweep.optimizers.gauss_seidel, RATE),
]
TABLE = [
    *((getattr(optax, name), axes) for name, axes in ALIASES.items()),
    *((getattr(contrib, name), RATE) for name in CONTRIBUTED if hasattr(contrib, name)),
    *COMPOSED,
]


def run_alone(factory: Callable[..., Any], keywords: dict[str, Any]) -> list[float]:
    """The losses of a trial, by optax and nothing of this package."""
    built = factory(**keywords)
    optimizer = optax.with_extra_args_support(
        built.gradient_transformation() if isinstance(built, optax.MultiSteps) else built
    )

    # What takes any extra argument may refuse one that it does not know.
    more = {"obj_fn": loss} if factory is contrib.sophia else {}
    if factory is sharpness_aware:
        more = {"grad_fn": lambda params, _: jax.grad(loss)(params)} if keywords["opaque"] else {}

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params)
        extra = more if factory is sharpness_aware else {"value": value, "grad": grads, "value_fn": loss, **more}
        updates, state = optimizer.update(grads, state, params, **extra)
        return optax.apply_updates(params, updates), state, value

    params = jax.tree.map(jnp.asarray, START)
    state, losses = optimizer.init(params), []
    for _ in range(STEPS + 1):
        params, state, value = step(params, state)
        losses.append(float(value))
    return losses


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.filterwarnings("ignore:Specifying a key will be required", "ignore:`optimistic_adam` is deprecated")
@pytest.mark.parametrize(("factory", "axes"), TABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_lane_equals_the_trial_run_alone_and_other_values_compile_nothing(
    factory: Callable[..., Any], axes: dict[str, list[Any]], compilations: Callable[[], int]
) -> None:
    trials = pd.DataFrame(axes)
    stopping = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))
    sweep = lrsweep.sweep(OBJECTIVE, factory, trials, steps=STEPS, stopping=stopping, record_every=1)
    for trial, keywords in enumerate(trials.to_dict("records")):
        np.testing.assert_allclose(
            sweep.curves["loss"].loc[trial],
            run_alone(factory, {str(name): value for name, value in keywords.items()}),
            1e-9,
        )
    other = trials.apply(lambda column: column if column.dtype == bool else column * 0.9)
    compilations()
    lrsweep.sweep(OBJECTIVE, factory, other, steps=STEPS, stopping=stopping, record_every=1)
    assert compilations() == 0


def test_the_table_misses_no_optimizer_of_optax() -> None:
    ours = {"adam_independent_decay", "gauss_seidel", "sgd_independent_decay"}
    assert set(lrsweep.optimizers.names()) <= {*ALIASES, *ours}
    wrapped_above = {"mechanize", "sam", "schedule_free"}
    contributed = {
        name
        for name, factory in vars(contrib).items()
        if inspect.isfunction(factory)
        and "learning_rate" in inspect.signature(factory).parameters
        and not name.startswith("scale_by_")
    }
    assert contributed - wrapped_above - {"dpsgd"} <= set(CONTRIBUTED)
