"""A process that sweeps function after function holds no more memory for it, nor more mappings of it."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import jax.numpy as jnp, optax, psutil, lrsweep
from pathlib import Path

trials = lrsweep.grid(learning_rate=[0.1, 0.01])
for place in range(1, 101):
    objective = lrsweep.Objective(lambda params: (params - place) ** 2, lambda key: jnp.float32(place + 1.0))
    swept = lrsweep.sweep(objective, optax.sgd, trials, steps=5, diagnose=place % 10 == 0)
    if place % 10 == 5:
        swept.replay(0), swept.path(1)
    if place in (20, 100):
        print(len(Path("/proc/self/maps").read_bytes().splitlines()), psutil.Process().memory_info().rss)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="mappings are counted where Linux lists them")
def test_a_hundred_sweeps_of_fresh_functions_hold_no_more_memory_than_twenty() -> None:
    said = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    maps_then, bytes_then, maps_now, bytes_now = map(int, said.split())
    # Each of the 80 sweeps would leave 20 mappings or more, and some megabytes.
    assert maps_now - maps_then < 80
    assert bytes_now - bytes_then < 80_000_000
