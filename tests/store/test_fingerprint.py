"""Fingerprints: what they tell apart, what they do not, and that another process finds the same ones."""

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import equinox
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.store._fingerprint import fingerprint

SCALE = 3.0


def of(value: Any) -> str:
    return fingerprint(value, "it", [])


def make(factor: Any, scale: float = 1.0) -> Callable[[Any], Any]:
    return lambda params: factor * scale * params


def uses_global(params: Any) -> Any:
    return SCALE * params


def calls_global(params: Any) -> Any:
    return uses_global(params)


def linen(width: int, factor: float) -> nn.Module:
    class Network(nn.Module):
        width: int

        @nn.compact
        def __call__(self, x: Any) -> Any:
            return factor * nn.Dense(self.width)(x)

    return Network(width)


def module(factor: float, value: float) -> equinox.Module:
    class Network(equinox.Module):
        weight: jax.Array

        def __call__(self, x: Any) -> Any:
            return factor * self.weight * x

    return Network(jnp.full(2, value))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (make(2), make(3)),
        (make(2), make(2.0)),
        (make(2, scale=1.0), make(2, scale=2.0)),
        (make(np.arange(3)), make(np.arange(3.0))),
        (make(jnp.arange(3)), make(jnp.arange(1, 4))),
        (lambda params: params, lambda params: params + 1),
        (lambda params, data=1: params, lambda params, data=2: params),
        (functools.partial(optax.sgd, momentum=0.9), functools.partial(optax.sgd, momentum=0.8)),
        (optax.sgd, optax.adam),
        (linen(2, 1.0), linen(3, 1.0)),
        (linen(2, 1.0), linen(2, 2.0)),
        (module(1.0, 1.0), module(1.0, 2.0)),
        (module(1.0, 1.0), module(2.0, 1.0)),
        (jax.jit(make(2)), jax.jit(make(3))),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ([1, 2], (1, 2)),
        (jax.random.key(0), jax.random.key(1)),
        (np.random.default_rng(0), np.random.default_rng(1)),
    ],
)
def test_what_computes_something_else_has_another_fingerprint(first: Any, second: Any) -> None:
    assert of(first) != of(second)


def test_a_value_that_a_function_finds_among_the_globals_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(calls_global)
    monkeypatch.setitem(globals(), "SCALE", 4.0)
    assert of(calls_global) != before
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert of(calls_global) == before


def test_a_comment_and_a_docstring_do_not_count() -> None:
    sources = (
        "def f(x):\n    'One.'\n    return x + 1",
        "\n\ndef f(x):\n    'Two.'\n\n    # a comment\n    return x + 1",
    )
    made: list[dict[str, Any]] = [{}, {}]
    for source, names in zip(sources, made, strict=True):
        exec(source, names)
    assert of(made[0]["f"]) == of(made[1]["f"])


def test_functions_that_call_each_other_come_to_an_end() -> None:
    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    assert of(even) == of(even) != of(odd)


def test_what_cannot_be_hashed_is_named_in_a_sentence() -> None:
    unhashed: list[str] = []
    lock = threading.Lock()
    fingerprint(lambda params: lock and params, "the loss", unhashed)
    assert unhashed == ["'lock' in the loss, a lock, is known by its type alone"]


def test_another_process_finds_the_same_fingerprints() -> None:
    code = (
        "import functools, lrsweep, optax\n"
        "from lrsweep.store._fingerprint import fingerprint\n"
        "from tests.store.test_fingerprint import calls_global, linen, make, module\n"
        "scheduled = lrsweep.optimizers.scheduled(optax.adam, lrsweep.optimizers.warmup_cosine, steps=9)\n"
        "values = [lrsweep.problems.line(), scheduled, calls_global, make({'b': 1, 'a': {2, 'x'}})]\n"
        "values += [linen(2, 1.0), module(1.0, 2.0)]\n"
        "print(*(fingerprint(value, 'it', []) for value in values))\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, **KEPT)
        for seed in ("1", "2")
    ]
    assert said[0].stdout == said[1].stdout
    assert said[0].stdout.split()[0] == of(lrsweep.problems.line())


KEPT: dict[str, Any] = {"capture_output": True, "text": True, "check": True}
