"""Sweeps in a process that was forked from another."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")

FORK = """
import os, sys
import lrsweep
{before}
child = os.fork()
if child:
    os.waitpid(child, 0)
    sys.exit()
try:
    import optax
    trials = lrsweep.grid(learning_rate=[0.1])
    for _ in range(2):
        print(lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials).table["status"][0], flush=True)
except lrsweep.InputError as error:
    print(error, flush=True)
os._exit(0)
"""
POOL = """
import multiprocessing
import jax, optax, lrsweep

def run(rate):
    table = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[rate])).table
    return table["status"][0]

jax.numpy.ones(1)
with multiprocessing.get_context("fork").Pool(2) as pool:
    try:
        print(pool.map(run, [0.1, 1.0]))
    except lrsweep.InputError as error:
        print(error)
"""


def said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize(
    "code",
    [
        FORK.format(before="import jax; jax.numpy.ones(1)"),
        FORK.format(before="import optax; lrsweep.sharpness(lrsweep.problems.valleys(), {'x': 0.0})"),
        POOL,
    ],
    ids=["used", "lrsweep used", "pool"],
)
def test_a_process_forked_from_one_that_has_used_jax_says_that_it_cannot_sweep(code: str) -> None:
    assert said(code).strip() == (
        "this process was forked from one that had used JAX, which does not work in it: start it by "
        'multiprocessing.get_context("spawn")'
    )


def test_a_process_forked_from_one_that_has_only_imported_jax_sweeps() -> None:
    assert said(FORK.format(before="import jax, optax")).split() == ["converged", "converged"]
