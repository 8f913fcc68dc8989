"""Starts from which nothing can be trained, for the loss or its gradient is not finite there: what is said of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.cli._exit_codes import ALL_DIVERGED
from lrsweep.report._kinds import kinds_of
from lrsweep.report._page import make_page
from lrsweep.statistics._advice import advise
from lrsweep.statistics._conclusion import conclude
from lrsweep.statistics._critical import advise_critical, summarize_critical
from lrsweep.statistics._starts import cannot_start
from lrsweep.statistics._verdict import judge
from tests.conftest import Run

RATES = lrsweep.grid(learning_rate=[1e-20, 1e-3, 0.1])


def infinite_slope(x: Any) -> Any:
    return jnp.sum(jnp.sqrt(jnp.abs(x))) + jnp.sum(x)


def overflowing(x: Any) -> Any:
    return jnp.sum(x**2) + jnp.sum(x - 1e19) ** 2 * 1e3


# A loss, where it starts, and what is not finite there.
BAD: dict[str, tuple[Callable[[Any], Any], Any, str]] = {
    "a norm at 0": (lambda x: jnp.linalg.norm(x) + jnp.sum(x), jnp.zeros(2), "gradient"),
    "a root at 0": (infinite_slope, jnp.zeros(2), "gradient"),
    "a logarithm below 0": (lambda x: jnp.sum(jnp.log(x)), -jnp.ones(2), "loss"),
    "a start that is not a number": (lambda x: jnp.sum(x**2), jnp.array([1.0, np.nan]), "loss"),
    "too large for 32 bits": (overflowing, jnp.ones(2), "loss"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_finite_at_the_start_is_said_everywhere(kind: str) -> None:
    loss, start, what = BAD[kind]
    objective = lrsweep.Objective(loss, start)
    assert np.isfinite(loss(start)) == (what == "gradient")
    if what == "gradient":
        assert not np.isfinite(jax.grad(loss)(start)).all()
    result = lrsweep.sweep(objective, optax.sgd, RATES, diagnose=True)
    table = result.table
    assert cannot_start(table).all()
    assert set(table["cause"]) == {"bad start"}
    zooms = [lrsweep.refine(objective, optax.sgd, RATES, around=around, rounds=1) for around in ("best", "edge")]
    refined = [conclude(zoom.table, zoom.found, zoom.provenance["refine"]) for zoom in zooms]
    edges = lrsweep.critical_learning_rate(objective, optax.sgd)
    assert edges["found"].tolist() == ["bad start"]
    assert summarize_critical(edges)[["median", "least", "most"]].isna().to_numpy().all()
    (failure,) = kinds_of(table)
    assert judge(table) in make_page(table, result.provenance, title="bad")
    for said in [
        advise(lrsweep.summarize(table), table),
        judge(table),
        *refined,
        advise_critical(edges, low=1e-6, high=1e3),
        failure.meaning,
    ]:
        assert f"{what}" in said
        assert "not finite" in said
        assert "look at the data and the loss" in said
        assert "smaller" not in said
        assert "search lower" not in said


def test_64_bits_help_where_32_overflow() -> None:
    with jax.enable_x64(True):
        table = lrsweep.sweep(lrsweep.Objective(overflowing, jnp.ones(2)), optax.sgd, RATES, steps=3).table
    assert not cannot_start(table).any()


def test_learning_rates_that_are_too_large_are_no_bad_start() -> None:
    # From 4 the first update lands at -1 where the learning rate is 20, and at 3.75 where it is 1.
    objective = lrsweep.Objective(lambda x: jnp.log(x) ** 2 + 0 * x, jnp.float32(4.0))
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[1.0, 20.0]), diagnose=True).table
    assert (table["status"] == "diverged").tolist() == [False, True]
    assert not cannot_start(table).any()
    assert table["cause"][1] == "too large"
    # By themselves they cannot be told apart in the table, which is said; measured at the start they can.
    alone = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[20.0]), diagnose=True).table
    assert "unless all of these are far too large" in judge(alone)
    assert alone["cause"][0] == "too large"


@pytest.fixture(scope="module")
def some_bad() -> pd.DataFrame:
    """One of four starts is below 0, where a logarithm is not a number."""
    objective = lrsweep.Objective(lambda x: jnp.log(x) ** 2, lambda key, *, x: x)
    trials = lrsweep.grid(learning_rate=[0.01, 0.1, 0.3], x=[-1.0, 1.1, 1.2, 1.3])
    return lrsweep.sweep(objective, optax.sgd, trials).table


def test_some_bad_starts_do_not_speak_against_a_learning_rate(some_bad: pd.DataFrame) -> None:
    assert cannot_start(some_bad).tolist() == (some_bad["x"] < 0).tolist()
    said = advise(lrsweep.summarize(some_bad), some_bad)
    assert "None of these learning rates diverged" in said
    assert said.endswith(
        "3 of 12 trials start where the loss is not finite: look at the data and the loss there, or, if numbers become "
        "too large for 32 bits, compute in 64 (--x64)."
    )
    assert judge(some_bad).endswith("compute in 64 (--x64).")


def test_the_edge_of_the_other_starts_is_found() -> None:
    objective = lrsweep.Objective(lambda x: jnp.log(x) ** 2 + x**2, lambda key, *, x: x)
    edges = lrsweep.critical_learning_rate(objective, optax.sgd, trials=lrsweep.grid(x=[-1.0, 1.1]))
    assert edges["found"].tolist() == ["bad start", "found"]
    said = advise_critical(edges, low=1e-6, high=1e3)
    assert said.startswith(f"Stay below learning_rate {edges['critical_learning_rate'][1]:.4g}")
    assert "1 of 2 starts diverged at the first update or before" in said


OWN = """
import jax.numpy as jnp
import lrsweep

bad = lrsweep.Objective(lambda x: jnp.linalg.norm(x), jnp.zeros(2))
"""


@pytest.mark.parametrize("command", ["run", "critical", "refine"])
def test_the_command_line_says_it_too(command: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    said = run(command, "own.py:bad", "--steps", "20")
    assert (said.code, said.err) == (0 if command == "critical" else ALL_DIVERGED, "")
    assert "look at the data and the loss there, or, if numbers become too large for 32 bits, compute in 64" in said.out
