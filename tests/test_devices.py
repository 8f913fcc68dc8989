"""The devices that trials run on, and the memory that is measured there."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import jax
import optax
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep import memory
from lrsweep.devices import devices

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
