"""The devices that trials run on, and the memory that is measured there."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import jax
import optax
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.engine import _memory as memory
from lrsweep.engine._devices import devices

TRIALS = lrsweep.grid(learning_rate=[0.1, 0.01])


@contextmanager
def set_for_good(device: Any) -> Iterator[None]:
    jax.config.update("jax_default_device", device)
    try:
        yield
    finally:
        jax.config.update("jax_default_device", None)


@pytest.mark.parametrize("told", ["cpu", jax.local_devices()[0]], ids=["text", "device"])
@pytest.mark.parametrize("tell", [jax.default_device, set_for_good])
def test_the_device_that_jax_is_told_to_use_may_be_given_as_text(tell: Any, told: Any) -> None:
    def run() -> Any:
        swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, TRIALS, steps=20, diagnose=True)
        return swept.table, swept.replay(1).curve.to_frame(), swept.path(0)

    plain, telling = run(), tell(told)
    assert isinstance(telling, AbstractContextManager)
    with telling:
        assert devices() == jax.local_devices(backend="cpu")[:1]
        there = run()
    for one, other in zip(there, plain, strict=True):
        assert_frame_equal(one, other, check_exact=True)


def test_memory_is_measured_on_the_device_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def accelerator(left: int) -> Any:
        return SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 1000 + left, "bytes_in_use": 1000})

    first, used = accelerator(10), accelerator(500)
    monkeypatch.setattr(jax, "devices", lambda: [first, used])
    monkeypatch.setattr(memory, "devices", lambda: [used])
    assert memory.available_bytes() == 450


TWO = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jax.numpy as jnp, numpy as np, optax, lrsweep
from pandas.testing import assert_frame_equal
from lrsweep.engine._devices import devices

x = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
start = np.ones(3, np.float32)
trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1e3, 16))
first, second = jax.devices()
mesh = jax.make_mesh((2,), ("rows",), axis_types=(jax.sharding.AxisType.Explicit,))

def loss(params, data):
    return jnp.mean(jnp.tanh(data @ params) ** 2)

def results(data):
    objective = lrsweep.Objective(loss, start, data=data)
    swept = lrsweep.sweep(objective, optax.sgd, trials, steps=6, block_width=8, diagnose=True)
    seen = lrsweep.landscape(objective, {"params[0]": [0.0, 1.0]}).to_frame()
    sharp = lrsweep.sharpness(objective, start)
    return swept.table, swept.replay(3).curve.to_frame(), seen.assign(sharpness=sharp)

def check(data):
    for found, expected in zip(results(data), plain, strict=True):
        assert_frame_equal(found, expected, check_exact=True)

plain = results(x)
elsewhere, apart = jax.device_put(x, second), jax.device_put(x, jax.NamedSharding(mesh, jax.P("rows")))
check(elsewhere)
check(apart)
with jax.default_device(second):
    check(x)
    check(apart)
with jax.default_device("cpu"):
    assert devices() == [first]
    check(x)
with jax.set_mesh(mesh):
    check(x)
    check(apart)
print("same")
"""


@pytest.mark.slow
def test_data_may_lie_on_any_device_or_be_spread_over_several() -> None:
    assert subprocess.run([sys.executable, "-c", TWO], capture_output=True, text=True, check=True).stdout == "same\n"
