"""JAX's modes around a sweep: what it gives is what it gives without them, or one sentence says why it cannot."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.studies import _watching as watching

DRAW = np.random.default_rng(0)
DATA = {"x": DRAW.normal(size=(32, 3)).astype(np.float32), "y": DRAW.normal(size=32).astype(np.float32)}
NETWORK_TRIALS = lrsweep.grid(learning_rate=[0.1, 0.01], seed=range(8))
# Its last row diverges to what is not a number.
LINE_TRIALS = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1e30, 128))


def network_loss(params: Any, data: Any) -> Any:
    hidden = jnp.tanh(data["x"] @ params["w"] + params["b"][None])
    return jnp.mean((hidden @ params["v"] - data["y"]) ** 2)


def network_start(key: Any) -> Any:
    w, v = jax.random.split(key)
    return {"w": jax.random.normal(w, (3, 5)), "b": jnp.zeros(5), "v": jax.random.normal(v, (5,))}


PARAMS = jax.device_get(network_start(jax.random.key(0)))


def size(params: Any) -> Any:
    return jnp.sum(abs(params["w"]))


def network(**options: Any) -> lrsweep.Objective:
    return lrsweep.Objective(network_loss, network_start, data=DATA, **options)


def sweep_network(options: Any, **more: Any) -> pd.DataFrame:
    return lrsweep.sweep(network(**options), optax.sgd, NETWORK_TRIALS, steps=12, **more).table


def sweep_line() -> pd.DataFrame:
    return lrsweep.sweep(lrsweep.problems.line(), optax.adam, LINE_TRIALS, steps=40).table


def follow_line() -> pd.DataFrame:
    swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[0.1, 1e10]), steps=20)
    replays = pd.concat([swept.replay(0).curve, swept.replay(1).curve], axis=1)
    return pd.concat([swept.path(0, every=7), swept.path(1, every=7), replays], axis=1)


def refine_line() -> pd.DataFrame:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01])
    return lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials, steps=20, rounds=1, points=2).table


def criticise_line() -> pd.DataFrame:
    return lrsweep.critical_learning_rate(lrsweep.problems.line(), optax.sgd, steps=20, width=0.5)


def measure() -> pd.DataFrame:
    seen = lrsweep.landscape(lrsweep.problems.line(), {"w1": [0.0, 1.0]}, params={"w0": 0.0, "w1": 0.0})
    return seen.to_frame().assign(sharpness=lrsweep.sharpness(network(), PARAMS))


USES: dict[str, Callable[[], pd.DataFrame]] = {
    "scalars that diverge": sweep_line,
    "lanes last": partial(sweep_network, {}, layout=lrsweep.Layout(lanes_last=True)),
    "batches": partial(sweep_network, {"batch_size": 5}),
    "metrics, curves": partial(sweep_network, {"metrics": {"size": size}}, record_every=2),
    "diagnosis": partial(sweep_network, {}, diagnose=True),
    "halving": partial(sweep_network, {}, halving=lrsweep.Halving(at=[4])),
    "replay, path": follow_line,
    "refine": refine_line,
    "critical": criticise_line,
    "sharpness, landscape": measure,
}


@contextmanager
def setting(name: str, value: Any) -> Iterator[None]:
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)


def mesh(kind: str) -> AbstractContextManager[Any]:
    return jax.set_mesh(jax.make_mesh((1,), ("devices",), axis_types=(getattr(jax.sharding.AxisType, kind),)))


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "disable_jit": jax.disable_jit,
    "rank promotion": lambda: jax.numpy_rank_promotion("raise"),
    "debug_nans": lambda: jax.debug_nans(True),
    "debug_infs": lambda: jax.debug_infs(True),
    "transfer guard": lambda: jax.transfer_guard("disallow_explicit"),
    "explicit mesh": lambda: mesh("Explicit"),
    "automatic mesh": lambda: mesh("Auto"),
    "checks": lambda: setting("jax_enable_checks", True),
    "leaks": jax.checking_leaks,
    "other keys": lambda: setting("jax_default_prng_impl", "rbg"),
}


@pytest.fixture(scope="module")
def plain() -> Callable[[str], pd.DataFrame]:
    """What each use gives in no mode at all."""
    found: dict[str, pd.DataFrame] = {}

    def of(name: str) -> pd.DataFrame:
        if name not in found:
            found[name] = USES[name]()
        return found[name]

    return of


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("use", USES)
def test_the_modes_of_jax_change_nothing_of_what_is_found(
    mode: Callable[[], AbstractContextManager[Any]], use: str, plain: Callable[[str], pd.DataFrame]
) -> None:
    expected = plain(use)
    with mode():
        found = USES[use]()
    assert_frame_equal(found, expected, check_exact=True)


def test_a_lane_that_is_no_longer_a_number_ends_no_sweep_that_looks_for_such() -> None:
    with jax.debug_nans(True), jax.debug_infs(True):
        table = sweep_line()
    assert not np.isfinite(table["final_loss"].iloc[-1])
    assert table["status"].iloc[-1] == "diverged"


@pytest.mark.parametrize("optimizer", [optax.sgd, optax.adam, optax.lbfgs], ids=lambda each: each.__name__)
def test_strict_promotion_is_asked_of_the_users_functions_alone(optimizer: Any) -> None:
    def careless(params: Any, data: Any) -> Any:
        return network_loss(params, data) + jnp.mean(jnp.arange(3) * jnp.ones(3))

    trials = NETWORK_TRIALS.head(4) if optimizer is not optax.lbfgs else lrsweep.grid(seed=range(4))
    expected = lrsweep.sweep(network(), optimizer, trials, steps=6).table
    with jax.numpy_dtype_promotion("strict"):
        assert_frame_equal(lrsweep.sweep(network(), optimizer, trials, steps=6).table, expected, check_exact=True)
        with pytest.raises(lrsweep.InputError, match="the loss of objective 'careless' .*int32.*promotion"):
            lrsweep.sweep(lrsweep.Objective(careless, network_start, data=DATA), optimizer, trials, steps=6)


def test_ranks_that_must_not_be_promoted_are_looked_for_in_the_users_functions_alone() -> None:
    def loss(params: Any) -> Any:
        return jnp.sum((params + jnp.ones((2, 3))) ** 2)

    objective = lrsweep.Objective(loss, np.ones(3, np.float32))
    with jax.numpy_rank_promotion("raise"), pytest.raises(lrsweep.InputError, match="'loss' does not fit"):
        lrsweep.sweep(objective, optax.sgd, NETWORK_TRIALS[["learning_rate"]], steps=2)


NUMBERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "64 bits": lambda: jax.enable_x64(True),
    "partitionable": lambda: setting("jax_threefry_partitionable", True),
    "not partitionable": lambda: setting("jax_threefry_partitionable", False),
    "custom keys": lambda: setting("jax_enable_custom_prng", True),
    "precision of products": lambda: jax.default_matmul_precision("highest"),
    "compilations told": lambda: jax.log_compiles(True),
}


@pytest.mark.parametrize("mode", NUMBERS.values(), ids=NUMBERS)
def test_what_decides_about_numbers_is_the_callers_in_every_sweep(
    mode: Callable[[], AbstractContextManager[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    uses = "batches", "lanes last"

    def check() -> list[pd.DataFrame]:
        found = [USES[name]() for name in uses]
        for table in found:
            for trial in (0, 5, 15):
                params = network_start(jax.random.key(table["seed"][trial]))
                expected = float(network_loss(params, jax.tree.map(jnp.asarray, DATA)))
                assert table["initial_loss"][trial] == pytest.approx(expected, rel=1e-5)
        return found

    before = check()
    with mode():
        check()
    caplog.clear()
    for again, expected in zip(check(), before, strict=True):
        assert_frame_equal(again, expected, check_exact=True)


TRANSFORMATIONS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "jit": lambda function: jax.jit(function)(1.0),
    "vmap": lambda function: jax.vmap(function)(jnp.ones(2)),
    "grad": lambda function: jax.grad(function)(1.0),
    "scan": lambda function: jax.lax.scan(lambda x, _: (function(x), None), 1.0, length=2),
}
WITHIN: dict[str, Callable[[Any], Any]] = {
    "nothing traced": lambda _: sweep_line(),
    "data": lambda x: lrsweep.sweep(
        lrsweep.Objective(lambda p, d: jnp.sum((p - d) ** 2), jnp.ones(()), data=x[None]), optax.sgd, LINE_TRIALS
    ),
    "start": lambda x: lrsweep.sweep(lrsweep.Objective(lambda p: p**2, x), optax.sgd, LINE_TRIALS),
    "loss": lambda x: lrsweep.sweep(lrsweep.Objective(lambda p: (p - x) ** 2, np.ones(())), optax.sgd, LINE_TRIALS),
    "trials": lambda x: lrsweep.sweep(lrsweep.problems.line(), optax.sgd, pd.DataFrame({"learning_rate": [x, x]})),
    "refine": lambda _: refine_line(),
    "critical": lambda _: criticise_line(),
    "landscape": lambda x: lrsweep.landscape(lrsweep.problems.line(), {"w0": [1.0]}, params={"w0": x, "w1": x}),
    "sharpness": lambda x: lrsweep.sharpness(lrsweep.Objective(lambda p: p**2, x), x),
}


@pytest.mark.parametrize("use", WITHIN.values(), ids=WITHIN)
@pytest.mark.parametrize("transform", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS)
def test_what_is_called_within_a_transformation_says_so(transform: Any, use: Callable[[Any], Any]) -> None:
    def function(x: Any) -> Any:
        use(x)
        return x

    with pytest.raises(lrsweep.InputError, match=r"call lrsweep outside jax\.jit, jax\.vmap and jax\.grad"):
        transform(function)


def test_keys_in_the_state_of_an_optimizer_may_be_of_either_form() -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.2])

    def noisy(learning_rate: Any) -> optax.GradientTransformation:
        def init(params: Any) -> Any:
            del params
            return jax.random.PRNGKey(0)

        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            del params
            state, drawn = jax.random.split(state)
            noise = jax.random.normal(drawn)
            return jax.tree.map(lambda grad: -learning_rate * (grad + noise), updates), state

        return optax.GradientTransformation(init, update)

    def run() -> pd.DataFrame:
        return lrsweep.sweep(network(), noisy, trials, steps=5).table

    expected = run()
    with setting("jax_enable_custom_prng", True):
        assert_frame_equal(run(), expected, check_exact=True)
    assert_frame_equal(run(), expected, check_exact=True)


def in_threads(*functions: Callable[[], pd.DataFrame]) -> list[pd.DataFrame]:
    found: dict[int, Any] = {}
    together = threading.Barrier(len(functions))

    def call(place: int) -> None:
        together.wait()
        try:
            found[place] = functions[place]()
        except BaseException as error:
            found[place] = error

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[place] for place in range(len(functions))]


@pytest.mark.parametrize("terminal", [False, True], ids=["silent", "progress bar"])
def test_threads_may_sweep_at_once(
    terminal: bool, plain: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching.sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(watching, "_DELAY", 0.0)
    streams = sys.stdout, sys.stderr
    names = ["batches", "batches", "scalars that diverge", "halving", "replay, path", "refine"]
    for found, name in zip(in_threads(*(USES[name] for name in names)), names, strict=True):
        assert_frame_equal(found, plain(name), check_exact=True)
    assert (sys.stdout, sys.stderr) == streams


def test_threads_may_compile_the_same_objective_at_once() -> None:
    def loss(params: Any) -> Any:
        return jnp.sum((params - 1) ** 2)

    def run() -> pd.DataFrame:
        objective = lrsweep.Objective(loss, np.zeros(3, np.float32))
        return lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2]), steps=9).table

    first, *others = in_threads(run, run, run)
    for other in others:
        assert_frame_equal(other, first, check_exact=True)
    # The gap falls by (1 - 2 rate)**2 at each update.
    np.testing.assert_allclose(first["final_loss"], 3 * (1 - 2 * first["learning_rate"]) ** 18, rtol=1e-4)
