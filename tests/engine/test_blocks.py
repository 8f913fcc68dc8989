"""Many trials at once: no lane knows its neighbours, one compilation serves all, any platform can run it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from jax import export
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.engine._call import Columns, Part, run_call
from lrsweep.engine._compile import GroupJob, Plan, empty_state, spec_of
from lrsweep.engine._layout import Layout
from lrsweep.engine._shared import share_inputs
from lrsweep.training._binding import bind
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import partition
from lrsweep.training._program import make_program

RESULTS = [
    "status",
    "steps",
    "converged_at",
    "diverged_at",
    "initial_loss",
    "final_loss",
    "best_loss",
    "best_at",
    "rate",
]


def tanh_network(params: Any, data: Any) -> Any:
    hidden = jnp.tanh(data["x"] @ params["w"] + params["b"])
    return jnp.mean((hidden @ params["v"] - data["y"]) ** 2)


def network_start(key: Any) -> Any:
    w, v = jax.random.split(key)
    return {"w": jax.random.normal(w, (3, 5)), "b": jnp.zeros(5), "v": jax.random.normal(v, (5,))}


def network() -> lrsweep.Objective:
    draw = np.random.default_rng(0)
    data = {"x": draw.normal(size=(20, 3)), "y": draw.normal(size=20)}
    return lrsweep.Objective(tanh_network, network_start, data=data)


def regression() -> lrsweep.Objective:
    draw = np.random.default_rng(4)
    return lrsweep.problems.linear_regression(draw.normal(size=(37, 5)), draw.normal(size=37))


OBJECTIVES = {
    "line": lrsweep.problems.line,
    "valleys": lrsweep.problems.valleys,
    "regression": regression,
    "network": network,
    "batches": lambda: replace(regression(), batch_size=8),
}


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        *((name, None) for name in OBJECTIVES),
        *((name, Layout(lanes_last=True)) for name in ("regression", "network")),
        ("batches", Layout(chunk=5)),
    ],
)
@pytest.mark.parametrize("optimizer", [optax.sgd, optax.adam], ids=["sgd", "adam"])
def test_a_row_gives_the_same_bits_whatever_the_other_rows_hold(name: str, optimizer: Any, layout: Any) -> None:
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 10.0, 7), seed=range(3))
    shuffled = trials.sample(frac=1.0, random_state=0)
    run = partial(lrsweep.sweep, OBJECTIVES[name](), optimizer, steps=60, block_width=8, layout=layout)
    together = run(trials).table
    # In another order and other blocks; one row alone; beside lanes that go to NaN at once.
    assert_frame_equal(run(shuffled).table.sort_index(), together, check_exact=True)
    for row in (0, 11, 20):
        alone = trials.loc[[row]]
        assert_frame_equal(run(alone).table, together.loc[[row]], check_exact=True)
        wild = pd.concat([trials.assign(learning_rate=1e30).head(5), alone], ignore_index=True)
        assert_frame_equal(
            run(wild).table.tail(1)[RESULTS].reset_index(drop=True),
            together.loc[[row], RESULTS].reset_index(drop=True),
            check_exact=True,
        )


def test_another_width_differs_by_no_more_than_rounding() -> None:
    trials = lrsweep.grid(learning_rate=[0.01, 0.1], seed=range(8))
    narrow, wide = (lrsweep.sweep(network(), optax.adam, trials, steps=50, block_width=w).table for w in (2, 16))
    np.testing.assert_allclose(narrow["final_loss"], wide["final_loss"], rtol=1e-4)


def test_two_grids_of_equal_shape_compile_once(compilations: Callable[[], int]) -> None:
    def run(rates: list[float], steps: int, tolerance: float) -> None:
        stopping = lrsweep.Stopping(tolerance=tolerance, hold=3)
        lrsweep.sweep(
            lrsweep.problems.line(), optax.rmsprop, lrsweep.grid(learning_rate=rates), steps=steps, stopping=stopping
        )

    compilations()
    run([0.1, 0.01, 0.001], steps=20, tolerance=1e-3)
    assert compilations() == 1
    # Other values, other limits and a freshly made problem of the same kind need no other program.
    run([0.3, 0.2, 0.5], steps=31, tolerance=1e-2)
    assert compilations() == 0


def test_rows_with_the_same_seed_start_from_the_same_place() -> None:
    table = lrsweep.sweep(network(), optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2], seed=[3, 4, 3]), steps=1).table
    starts = table.groupby("seed")["initial_loss"].nunique()
    assert starts.to_dict() == {3: 1, 4: 1}
    assert table["initial_loss"].nunique() == 2


def test_a_block_ends_with_the_last_of_its_lanes() -> None:
    table = lrsweep.sweep(
        lrsweep.problems.quadratic([1.0], [1.0]), optax.sgd, lrsweep.grid(learning_rate=[1.0, 0.5, 0.01]), steps=2000
    ).table
    # The gap falls by (1 - rate)**2 at each update; ten updates at the target end it.
    assert table["steps"].tolist() == [10, 7 + 9, int(np.ceil(np.log(1e-4) / (2 * np.log(0.99)))) + 9]


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        *((name, Layout()) for name in OBJECTIVES),
        ("line", Layout(8, unrolled=True)),
        ("valleys", Layout(8, unrolled=True)),
        ("network", Layout(lanes_last=True)),
    ],
)
def test_the_program_lowers_for_cpu_cuda_and_tpu(name: str, layout: Layout) -> None:
    objective, trials = OBJECTIVES[name](), lrsweep.grid(learning_rate=0.1, b1=0.1, seed=range(8))
    binding = bind(trials.columns, objective, {None: optax.adam})[None]
    (group,) = partition(trials, {None: binding}, [])
    program = make_program(objective, optax.adam, binding)
    task = GroupJob(
        program, group, share_inputs(objective), StopLimits(100, 1e-4, None, 10, 1e6, objective.minimum, 1, 10)
    )
    traits = spec_of(task, 11)
    columns = jax.tree.map(lambda column: jnp.asarray(column)[None], Columns(group.values, group.seeds))
    part = Part(np.ones((1, 8), bool), np.int32(10), np.int32(2**30))
    arguments = columns, task.shared, task.limits, part, empty_state(traits, Plan(8, 1, 1, layout))
    run = jax.jit(partial(run_call, program, traits.state_spec, layout))
    exported = export.export(run, platforms=["cpu", "cuda", "tpu"])(*arguments)
    assert exported.platforms == ("cpu", "cuda", "tpu")
    # What was lowered for all of them gives a sweep's numbers on the one that is here.
    ran: Any = exported.call(*arguments)
    swept = lrsweep.sweep(objective, optax.adam, trials, steps=100).table
    assert ran[0].curves["loss"].shape == (1, 8, 11)
    # Two layouts may differ by the rounding of a loss as large as the first.
    rounding = float(swept["initial_loss"].max()) * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(ran[1].outcome.final_loss[0], swept["final_loss"], rtol=1e-4, atol=rounding)
