"""Block widths that fit the memory there is, and what a sweep holds in it."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.engine import _executor as schedule
from lrsweep.engine import _memory as memory
from lrsweep.engine import _plan as planning
from lrsweep.engine._call import Part

DATA = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)


def loss(params: Any, data: Any) -> Any:
    return jnp.mean(jnp.tanh(data @ params["w"]) ** 2)


def init(key: Any) -> Any:
    return {"w": jax.random.normal(key, (8, 64))}


WIDE = lrsweep.Objective(loss, init, data=DATA)
TRIALS = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1.0, 8), seed=range(4))
# What one trial must hold at least: its hidden layer on all of the data.
LANE_BYTES = 1000 * 64 * 4


def width_of(sweep: lrsweep.Sweep) -> int:
    return sweep.provenance["groups"][0]["block_width"]


def test_a_block_is_as_wide_as_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    there = 20 * LANE_BYTES
    monkeypatch.setattr(planning, "available_bytes", lambda: there)
    sweep = lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3)
    width, needs = width_of(sweep), {}
    fit = planning.fit_plan

    def noted(*arguments: Any, **options: Any) -> Any:
        plan, compiled = fit(*arguments, **options)
        needs[plan.width] = compiled.needed
        return plan, compiled

    monkeypatch.setattr("lrsweep.studies._fitting.fit_plan", noted)
    for one in (width, 2 * width):
        # A width that the caller names is not put in question.
        assert width_of(lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3, block_width=one)) == one
    assert needs[width] <= there < needs[2 * width]
    assert needs[width] > width * LANE_BYTES
    monkeypatch.undo()
    # The width changes the results by no more than rounding.
    free = lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3, block_width=32).table
    np.testing.assert_allclose(sweep.table["final_loss"], free["final_loss"], rtol=1e-5)


def test_a_trial_that_does_not_fit_is_refused_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "available_bytes", lambda: LANE_BYTES // 2)
    with pytest.raises(ValueError, match=r"a single trial needs .* kB of memory, and there are 128 kB for it on cpu"):
        lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3)


def failing(monkeypatch: pytest.MonkeyPatch, *, above: int, with_what: str) -> list[tuple[int, int]]:
    """Makes every third call of more than `above` lanes fail, and all of several blocks; lists the calls' shapes."""
    tried: list[tuple[int, int]] = []
    dispatch = schedule.dispatch

    def run(compiled: Any, *arguments: Any) -> Any:
        shape = next(part for part in arguments if isinstance(part, Part)).kept.shape
        tried.append(shape)
        # Later calls fail too, as where another program has taken the memory meanwhile.
        if shape[0] * shape[1] > above and (shape[0] > 1 or tried.count(shape) > 2):
            raise jax.errors.JaxRuntimeError(with_what)
        return dispatch(compiled, *arguments)

    monkeypatch.setattr(schedule, "dispatch", run)
    return tried


def test_calls_that_find_no_memory_are_made_anew_with_fewer_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3, block_width=8).table
    tried = failing(monkeypatch, above=2, with_what="RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
    sweep = lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3, block_width=8)
    # The first of the sixteen parts takes two calls, since how long an update takes is not known before.
    assert tried == [(4, 8), *[(1, 8)] * 3, *[(1, 4)] * 3, *[(1, 2)] * 17]
    assert width_of(sweep) == 2
    np.testing.assert_allclose(sweep.table["final_loss"], whole["final_loss"], rtol=1e-5)
    assert [sweep.replay(trial).curve.iloc[-1] for trial in (3, 20)] == sweep.table["final_loss"][[3, 20]].tolist()


def test_trials_that_were_dropped_stay_so_where_the_others_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    how: dict[str, Any] = {"steps": 30, "block_width": 2, "halving": lrsweep.Halving(at=[5, 12])}
    whole = lrsweep.sweep(WIDE, optax.sgd, TRIALS, **how).table
    how["block_width"] = 4
    tried: list[int] = []
    dispatch = schedule.dispatch

    def run(compiled: Any, *arguments: Any) -> Any:
        part = next(part for part in arguments if isinstance(part, Part))
        tried.append(int(part.until))
        if part.kept.size > 2 and part.until > 10:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
        return dispatch(compiled, *arguments)

    monkeypatch.setattr(schedule, "dispatch", run)
    table = lrsweep.sweep(WIDE, optax.sgd, TRIALS, **how).table
    assert (table["status"] == "dropped").sum() == 24
    pd.testing.assert_frame_equal(table, whole, rtol=1e-5)


@pytest.mark.slow
def test_a_real_shortage_halves_the_width_until_a_block_fits() -> None:
    """In a process that may take 1.5 GB more than it has, and is told that there is no end of memory."""
    pytest.importorskip("resource")
    code = """
import resource
import jax, jax.numpy as jnp, numpy as np, optax, psutil, lrsweep
from lrsweep.engine import _plan as planning
planning.available_bytes = lambda: 10**15
def loss(params, data):
    return jnp.mean(jnp.tanh(data @ params) ** 2)
objective = lrsweep.Objective(loss, np.ones((8, 512), np.float32), data=np.ones((100_000, 8), np.float32))
trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1.0, 8))
jnp.zeros(1).block_until_ready()
most = psutil.Process().memory_info().vms + 1_500_000_000
resource.setrlimit(resource.RLIMIT_AS, (most, most))
sweep = lrsweep.sweep(objective, optax.sgd, trials, steps=1)
print(sweep.provenance["groups"][0]["block_width"], len(sweep.table), sweep.table["final_loss"].isna().sum())
"""
    # Every thread may otherwise lay hold of 64 MB of addresses, as many as there are when the machine is busy.
    few = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=few)
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.split()
    # The hidden layer alone takes 205 MB per trial.
    assert 1 <= int(said[0]) < 8
    assert said[1:] == ["8", "0"]


SLICES = """
import resource
import jax, jax.numpy as jnp, numpy as np, optax, psutil, lrsweep
from lrsweep.engine import _plan as planning
from lrsweep.engine._modes import ordinary_modes
from lrsweep.studies._prepare import limits_of, prepare
draw = np.random.default_rng(0)
data = {"x": np.float32(draw.normal(size=(12_000, 28, 28, 1))), "y": np.arange(12_000) % 10}
def convolve(x, kernel):
    form = "NHWC", "HWIO", "NHWC"
    return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=form))
def loss(params, data):
    hidden = convolve(convolve(data["x"], params["first"]), params["second"]).reshape(len(data["x"]), -1)
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["out"], data["y"]).mean()
def init(key):
    first, second, out = jax.random.split(key, 3)
    return {
        "first": jax.random.normal(first, (3, 3, 1, 8)) / 3,
        "second": jax.random.normal(second, (3, 3, 8, 16)) / 9,
        "out": jax.random.normal(out, (784, 10)) / 28,
    }
def images(batch_size, evaluation_slice):
    return lrsweep.Objective(loss, init, data=data, batch_size=batch_size, evaluation_slice=evaluation_slice)
trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 1.0, 8), seed=range(8))
needed = {}
with ordinary_modes():
    for batch_size in (64, None):
        for slice in (None, 200):
            objective = images(batch_size, slice)
            limits = limits_of(objective, lrsweep.Stopping(), 1)
            (job,) = prepare(objective, {None: optax.sgd}, trials, [], limits)
            _, compiled = planning.fit_plan(job, planning.choose_plan(job, 64), 0, exact=True)
            needed[batch_size, slice] = compiled.needed
most = psutil.Process().memory_info().vms + 4_000_000_000
resource.setrlimit(resource.RLIMIT_AS, (most, most))
table = lrsweep.sweep(images(64, 200), optax.sgd, trials, steps=1, block_width=64).table
print(*needed.values(), table["final_loss"].notna().sum())
"""


@pytest.mark.slow
def test_sixty_four_small_networks_on_12000_images_fit_into_4_gb_in_slices_and_not_at_once() -> None:
    """In a process that may take 4 GB more than it has."""
    pytest.importorskip("resource")
    few = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    ran = subprocess.run([sys.executable, "-c", SLICES], capture_output=True, text=True, check=False, env=few)
    assert ran.returncode == 0, ran.stderr
    batches_at_once, batches_in_slices, whole_at_once, whole_in_slices, ended = map(int, ran.stdout.split())
    assert min(batches_at_once, whole_at_once) > 4e9
    assert max(batches_in_slices, whole_in_slices) < 1e9
    assert ended == 64


def test_what_finds_no_memory_at_all_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, above=0, with_what="RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
    with pytest.raises(ValueError, match="a single trial needs .* of memory"):
        lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3, block_width=4)


def test_another_failure_is_not_mistaken_for_one_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, above=0, with_what="INTERNAL: something else")
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        lrsweep.sweep(WIDE, optax.sgd, TRIALS, steps=3, block_width=4)


@pytest.mark.slow
def test_many_lanes_share_one_copy_of_the_data() -> None:
    """Peak memory of a sweep on 128 MB of data, in a process of its own: 64 lanes against one."""
    code = """
import resource, sys
import jax, jax.numpy as jnp, numpy as np, optax, lrsweep
def loss(params, data):
    return jnp.mean((data @ params) ** 2)
data = np.ones((32_768, 1024), np.float32)
objective = lrsweep.Objective(loss, np.ones(1024, np.float32), data=data, batch_size=32)
trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-6, 1e-5, 64))
lrsweep.sweep(objective, optax.sgd, trials.head(int(sys.argv[1])), steps=4, evaluate_every=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak_bytes(count: int) -> int:
        said = subprocess.run([sys.executable, "-c", code, str(count)], capture_output=True, text=True, check=True)
        return 1024 * int(said.stdout)

    copy = 32_768 * 1024 * 4
    assert peak_bytes(64) - peak_bytes(1) < 1 * copy


def test_the_memory_of_a_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[str, int | None] = {"/sys/fs/cgroup/memory.max": 1000, "/sys/fs/cgroup/memory.current": 400}
    read: Callable[[str], int | None] = limits.get
    monkeypatch.setattr(memory, "_read", read)
    assert memory.available_bytes() == 300
