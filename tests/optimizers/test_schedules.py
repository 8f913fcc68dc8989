"""Schedules by their peak, against optax's own."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep import optimizers
from lrsweep.optimizers import scheduled, warmup_cosine

LINE = lrsweep.problems.line()


def stable(steps: int, decay: int, warmup: int, end: float) -> Any:
    parts = [optax.linear_schedule(0.0, 1.0, warmup), optax.constant_schedule(1.0)]
    return optax.join_schedules([*parts, optax.linear_schedule(1.0, end, decay)], [warmup, steps - decay])


SHAPES: dict[str, tuple[Callable[..., Any], dict[str, Any], Any]] = {
    "cosine": (
        optimizers.warmup_cosine,
        {"steps": 40, "warmup": 7, "end": 0.1},
        optax.warmup_cosine_decay_schedule(0.0, 1.0, 7, 40, 0.1),
    ),
    "cosine without a rise": (optimizers.warmup_cosine, {"steps": 40}, optax.cosine_decay_schedule(1.0, 40)),
    "linear": (
        optimizers.warmup_linear,
        {"steps": 40, "warmup": 7, "end": 0.1},
        optax.join_schedules([optax.linear_schedule(0.0, 1.0, 7), optax.linear_schedule(1.0, 0.1, 33)], [7]),
    ),
    "stable": (
        optimizers.warmup_stable_decay,
        {"steps": 40, "decay": 10, "warmup": 7, "end": 0.1},
        stable(steps=40, decay=10, warmup=7, end=0.1),
    ),
    "one cycle": (optimizers.one_cycle, {"steps": 45}, optax.cosine_onecycle_schedule(45, 1.0)),
    "restarts": (
        optimizers.cosine_restarts,
        {"period": 20, "end": 0.1},
        optax.sgdr_schedule(
            [{"init_value": 1.0, "peak_value": 1.0, "decay_steps": 20, "warmup_steps": 0, "end_value": 0.1}] * 3
        ),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_that_of_optax_with_a_peak_of_1(name: str) -> None:
    shape, arguments, expected = SHAPES[name]
    counts = np.arange(60)
    got = [float(shape(np.int32(k), **arguments)) for k in counts]
    np.testing.assert_allclose(got, [float(expected(k)) for k in counts], atol=2e-6)
    assert max(got) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("optimizer", [optax.sgd, optax.adamw])
def test_a_scheduled_optimizer_goes_where_optaxs_own_schedule_leads(optimizer: Any) -> None:
    trials = lrsweep.grid(learning_rate=[0.3, 0.1])
    ours = lrsweep.sweep(LINE, scheduled(optimizer, warmup_cosine, steps=50, warmup=10), trials, steps=50)

    def own(learning_rate: Any) -> Any:
        return optimizer(optax.warmup_cosine_decay_schedule(0.0, learning_rate, 10, 50))

    theirs = lrsweep.sweep(LINE, own, trials, steps=50, static=["learning_rate"])
    columns = ["status", "converged_at", "final_loss"]
    pd.testing.assert_frame_equal(ours.table[columns], theirs.table[columns], rtol=1e-4)


def test_a_peak_and_a_warm_up_swept_over_many_values_compile_once(compilations: Callable[[], int]) -> None:
    adam = scheduled(optax.adam, warmup_cosine, steps=30)
    lrsweep.sweep(LINE, adam, lrsweep.grid(learning_rate=np.linspace(0.1, 1, 10), warmup=[0, 5]), steps=30)
    compilations()
    lrsweep.sweep(LINE, adam, lrsweep.grid(learning_rate=np.linspace(0.2, 2, 10), warmup=[1, 9]), steps=30)
    assert compilations() == 0


def test_any_function_of_the_count_is_a_shape() -> None:
    halved = scheduled(optax.sgd, lambda k, *, factor: factor)
    trials = lrsweep.grid(learning_rate=0.2, factor=[0.5, 1.0])
    plain = lrsweep.sweep(LINE, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2]), steps=100).table
    table = lrsweep.sweep(LINE, halved, trials, steps=100).table
    np.testing.assert_allclose(table["final_loss"], plain["final_loss"], rtol=1e-5)
    one = optax.schedules.constant_schedule(1.0)
    assert (
        lrsweep.sweep(LINE, scheduled(optax.sgd, one), lrsweep.grid(learning_rate=0.1)).table["status"][0]
        == "converged"
    )


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((optax.sgd(0.1), warmup_cosine), {}, "factory=GradientTransformation"),
        ((optax.sgd, 1.0), {}, "shape=1.0 must be a function"),
        ((optax.polyak_sgd, warmup_cosine), {}, "the optimizer polyak_sgd takes no learning_rate"),
        (
            (optax.sgd, warmup_cosine),
            {"step": 9},
            "no argument 'step': did you mean 'steps'? There is: steps, warmup, end",
        ),
        ((optax.sgd, lambda k, *, momentum: 1.0), {}, "the shape <lambda> both take 'momentum': fix it"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(arguments: Any, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(lrsweep.InputError, match=re.escape(message)):
        scheduled(*arguments, **keywords)


def test_a_schedule_that_decides_by_its_peak_is_told_of_schedules_by_their_peak() -> None:
    def own(learning_rate: Any) -> Any:
        return optax.sgd(optax.warmup_cosine_decay_schedule(0.0, learning_rate, 10, 50))

    with pytest.raises(lrsweep.InputError, match=r"list it in static, .*; or, .* lrsweep\.optimizers\.scheduled"):
        lrsweep.sweep(LINE, own, lrsweep.grid(learning_rate=[0.3, 0.1]))


@pytest.mark.parametrize(
    ("fixed", "columns"),
    [({"steps": 20}, {"warmup": [0, 20]}), ({"steps": 9}, {"warmup": [9.5]}), ({"steps": 9, "warmup": 9}, {})],
)
def test_a_schedule_that_would_rise_for_all_of_its_steps_is_refused_before_anything_compiles(
    fixed: dict[str, int], columns: dict[str, list[int]], compilations: Callable[[], int]
) -> None:
    factory = scheduled(optax.sgd, optimizers.warmup_linear, **fixed)
    trials = lrsweep.grid(learning_rate=[0.1], **columns)
    for static in ([], list(columns)):
        with pytest.raises(
            lrsweep.InputError, match="must be below steps=.*, over which warmup_linear rises and falls"
        ):
            lrsweep.sweep(LINE, factory, trials, static=static, steps=20)
    assert compilations() == 0
