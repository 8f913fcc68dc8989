"""When a trial has diverged: losses of every shape against the contract's rule, whatever the layout and the block."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from tests import oracles

# Waves go where they are sent.
pytestmark = pytest.mark.filterwarnings("ignore:the loss of objective 'wave' fell to")

LAYOUTS = [
    lrsweep.Layout(),
    lrsweep.Layout(8),
    lrsweep.Layout(lanes_last=True),
    lrsweep.Layout(8, unrolled=True),
    lrsweep.Layout(5, unrolled=True),
]

# The loss at the start, and the stated minimum: gaps as large as the loss, larger, next to none, none, and negative.
PLACES = {"usual": (1.0, 0.0), "below 0": (-1.0, -5.0), "near": (5.0, 4.9), "at it": (5.0, 5.0), "under": (-1.0, 1.0)}


def wave(params: Any, *, begin: Any, height: Any, pace: Any) -> Any:
    """A loss that rises from where it begins and comes back, again and again."""
    return begin + height * (1 - jnp.cos(pace * params["time"])) / 2


def clock(learning_rate: Any) -> optax.GradientTransformation:
    """An optimizer that makes no use of the gradient: the parameter counts the updates."""
    del learning_rate
    return optax.stateless(lambda updates, params: jax.tree.map(lambda leaf: jnp.ones_like(leaf) + 0 * leaf, params))


def waves(place: str, count: int = 200) -> pd.DataFrame:
    """Waves of all heights and paces, from those that fall to those that rise beyond every bound."""
    begin, minimum = PLACES[place]
    scale, draw = max(abs(begin - minimum), abs(begin)), np.random.default_rng(0)
    heights = scale * np.sign(draw.random(count) - 0.1) * np.exp(draw.uniform(np.log(0.3), np.log(30), count))
    return pd.DataFrame(
        {"learning_rate": 1.0, "begin": begin, "height": heights, "pace": np.exp(draw.uniform(-5, 0, count))}
    )


def losses_of(row: pd.Series, steps: int) -> np.ndarray:
    return row["begin"] + row["height"] * (1 - np.cos(row["pace"] * np.arange(steps + 1))) / 2


def updates_of(ends: list[oracles.End]) -> list[Any]:
    return [pd.NA if end.diverged_at is None else end.diverged_at for end in ends]


def swept(place: str, trials: pd.DataFrame, steps: int, **how: Any) -> lrsweep.Sweep:
    objective = lrsweep.Objective(wave, {"time": 0.0}, minimum=PLACES[place][1])
    return lrsweep.sweep(objective, clock, trials, steps=steps, **how)


STOPPING = lrsweep.Stopping(tolerance=0.5, hold=4, divergence=20.0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("steps", [1, 3, 50, 101])
@pytest.mark.parametrize("place", PLACES)
def test_every_loss_ends_as_the_rule_says_read_off_its_curve(place: str, steps: int) -> None:
    trials = waves(place)
    ends = [oracles.end_of(losses_of(row, steps), 0.5, 4, 20.0, PLACES[place][1]) for _, row in trials.iterrows()]
    expected = pd.DataFrame(ends).convert_dtypes()
    # From a start at the minimum or below most have converged at once.
    if steps == 101 and PLACES[place][0] > PLACES[place][1]:
        late = expected["diverged_at"].notna() & (expected["steps"] == steps) & (expected["diverged_at"] < steps)
        early = expected["diverged_at"].notna() & (expected["steps"] < steps)
        assert min(late.sum(), early.sum(), expected["diverged_at"].isna().sum()) > 5
    table = swept(place, trials, steps, stopping=STOPPING).table
    for name in ("converged_at", "diverged_at", "steps"):
        assert table[name].tolist() == expected[name].tolist()
    assert ((table["status"] == "diverged") == expected["diverged_at"].notna().to_numpy(bool)).all()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_rule_is_the_same_in_every_layout_and_in_blocks_that_are_gathered_anew(layout: lrsweep.Layout) -> None:
    trials, steps = waves("usual"), 101
    sweep = swept("usual", trials, steps, stopping=STOPPING, layout=layout, block_width=16)
    ends = [oracles.end_of(losses_of(row, steps), 0.5, 4, 20.0) for _, row in trials.iterrows()]
    assert sweep.table["diverged_at"].tolist() == updates_of(ends)
    assert sweep.table["steps"].tolist() == [end.steps for end in ends]
    for trial in range(0, len(trials), 50):
        replay = sweep.replay(trial)
        assert replay.curve.index[-1] == sweep.table["steps"][trial]
        assert replay.curve.iloc[-1] == sweep.table["final_loss"][trial]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("every", [2, 7, 40, 101])
def test_where_the_loss_is_measured_now_and_then_what_was_measured_counts(every: int) -> None:
    trials, steps = waves("usual"), 101
    stopping = lrsweep.Stopping(tolerance=0.0, divergence=20.0)
    table = swept("usual", trials[trials["height"] > 0], steps, stopping=stopping, evaluate_every=every).table
    ends = [oracles.end_of(losses_of(trials.loc[trial], steps), 0.0, 200, 20.0, every=every) for trial in table.index]
    assert table["diverged_at"].tolist() == updates_of(ends)
    assert any(end.diverged_at is not None and end.steps == steps for end in ends)


def test_a_start_below_the_stated_minimum_counts_as_at_it() -> None:
    objective = lrsweep.Objective(lambda x: jnp.sum(x**2) - 3.0, jnp.ones(2))
    trials = lrsweep.grid(learning_rate=[1e-3, 0.1])
    with pytest.warns(UserWarning, match="below its stated minimum 0"):
        table = lrsweep.sweep(objective, optax.sgd, trials).table
    assert table["status"].tolist() == ["converged"] * 2
    assert table["converged_at"].tolist() == [0, 0]
    assert table["rate"].isna().all()


def test_a_start_where_loss_and_gap_are_0_has_no_scale_to_diverge_by() -> None:
    table = swept("usual", waves("usual").assign(begin=0.0), 101, stopping=lrsweep.Stopping(tolerance=0.0)).table
    assert not (table["status"] == "diverged").any()


def test_a_loss_that_shoots_up_and_comes_back_has_not_diverged() -> None:
    # Ten thousand times the start, and below twice the start once in the last quarter.
    steps, height = 200, 1e4
    trials = pd.DataFrame(
        {"learning_rate": 1.0, "begin": 1.0, "height": height, "pace": [2 * np.pi / 199, np.pi / 199]}
    )
    table = swept("usual", trials, steps, stopping=lrsweep.Stopping(tolerance=0.0)).table
    assert (table["status"] == "diverged").tolist() == [False, True]
    assert table["diverged_at"][1] == 1 + int(np.arccos(1 - 2 / height) * 199 / np.pi)


def test_a_divergence_without_bound_leaves_what_is_not_finite_and_the_end_of_the_steps() -> None:
    stopping = lrsweep.Stopping(tolerance=0.0, divergence=math.inf)
    trials = lrsweep.grid(learning_rate=[0.2, 1.5, 1e5])
    # (1 - learning_rate * 2) ** 2 per update: a fall, 4 in each of ten, 4e10 in each of ten, beyond 32 bits.
    table = lrsweep.sweep(lrsweep.problems.quadratic([2.0]), optax.sgd, trials, steps=10, stopping=stopping).table
    assert table["diverged_at"].tolist() == [pd.NA, 1, 4]
    assert table["steps"].tolist() == [10, 10, 4]
