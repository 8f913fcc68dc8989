"""Ctrl-C: what a study that it ends hands on of what had ended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.engine import _executor as executor
from lrsweep.engine import _plan as planning
from lrsweep.studies import _critical as critical
from lrsweep.studies import _refine as refine
from lrsweep.studies import _sweep as studies
from tests.engine.test_blocks import network

LINE = lrsweep.problems.line()
GRID = lrsweep.grid(learning_rate=[0.3, 0.2, 0.1], seed=range(2))


@contextmanager
def interrupted(module: Any, call: int, kept: int) -> Iterator[None]:
    """Has the sweeps of a study be interrupted in one of them, when so many of its trials have ended."""
    calls = iter(range(call + 1))

    def sweep(*arguments: Any, **options: Any) -> lrsweep.Sweep:
        result = studies.sweep(*arguments, **options)
        if next(calls) < call:
            return result
        partial = replace(result, table=result.table.head(kept))
        raise lrsweep.Interrupted(partial, ended=kept, of_trials=len(result.table))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "sweep", sweep)
        yield


def test_it_ends_a_script_as_ctrl_c_does_and_says_how_much_had_ended() -> None:
    stopped = lrsweep.Interrupted(None, ended=1_200, of_trials=2_500)
    assert isinstance(stopped, KeyboardInterrupt)
    assert not isinstance(stopped, Exception)
    assert str(stopped) == "interrupted: 1,200 of 2,500 trials had ended, and what became of them is in .result"


@pytest.mark.parametrize("kept", [0, 3])
@pytest.mark.parametrize("around", ["best", "edge"])
def test_a_refinement_keeps_all_that_ended_and_the_answer_of_the_last_whole_round(around: str, kept: int) -> None:
    def run(rounds: int) -> lrsweep.Refinement:
        return lrsweep.refine(LINE, optax.sgd, GRID, around=around, rounds=rounds, points=2)  # pyright: ignore[reportArgumentType]

    with interrupted(refine, 2, kept), pytest.raises(lrsweep.Interrupted) as stopped:
        run(3)
    partial, whole, next_one = stopped.value.result, run(1), run(2)
    assert_frame_equal(partial.found, whole.found)
    assert_frame_equal(partial.table, next_one.table.head(len(whole.table) + kept))
    assert (stopped.value.ended, stopped.value.of_trials) == (len(partial.table), 6 + 3 * 2 * 2)
    assert partial.provenance["trials"] == next_one.provenance["trials"]


def test_a_refinement_whose_coarse_grid_is_interrupted_has_found_nothing() -> None:
    with interrupted(refine, 0, 1), pytest.raises(lrsweep.Interrupted) as stopped:
        lrsweep.refine(LINE, optax.sgd, GRID.assign(momentum=0.5))
    assert list(stopped.value.result.found) == ["momentum", "learning_rate", "low", "high"]
    assert (len(stopped.value.result.found), len(stopped.value.result.table)) == (0, 1)


def edges(**options: Any) -> pd.DataFrame:
    return lrsweep.critical_learning_rate(LINE, optax.sgd, seeds=range(3), low=0.01, high=10, steps=100, **options)


def test_a_search_of_the_edge_keeps_its_brackets_as_narrow_as_they_were() -> None:
    # A scan, and then rounds that try fifteen learning rates within each bracket.
    with interrupted(critical, 2, 5), pytest.raises(lrsweep.Interrupted) as stopped:
        edges(width=1e-4)
    partial, whole = stopped.value.result, edges(width=1e-4)
    scanned = 10 ** (1 / 5)
    np.testing.assert_allclose(partial["high"] / partial["low"], scanned ** (1 / 16), rtol=1e-5)
    assert ((partial["low"] <= whole["low"]) & (whole["high"] <= partial["high"])).all()
    assert partial[["sharpness_start", "theory", "ratio"]].isna().all(axis=None)
    assert_frame_equal(partial.dtypes.to_frame(), whole.dtypes.to_frame())
    assert stopped.value.ended == 3 * 16 + 3 * 15 + 5


def test_a_search_that_is_interrupted_in_its_scan_has_no_rows(compilations: Callable[[], int]) -> None:
    edges()
    compilations()
    with interrupted(critical, 0, 5), pytest.raises(lrsweep.Interrupted) as stopped:
        edges()
    assert (len(stopped.value.result), stopped.value.ended, stopped.value.of_trials) == (0, 5, 48)
    assert list(stopped.value.result) == list(edges())
    assert compilations() == 0


@pytest.mark.parametrize("ended", [0, 2, 4])
def test_a_range_test_keeps_the_starts_that_were_through(ended: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(seeds: range, progress: Any = False) -> lrsweep.RangeTest:
        trials = lrsweep.grid(momentum=[0.0, 0.9])
        return lrsweep.range_test(
            network(), optax.sgd, low=1e-3, steps=30, trials=trials, seeds=seeds, block_width=2, progress=progress
        )

    whole = run(range(3))
    monkeypatch.setattr(planning, "MAX_BLOCKS", 1)
    monkeypatch.setattr(executor, "CALL_SECONDS", 0.0)
    with pytest.raises(lrsweep.Interrupted) as stopped:
        run(range(3), stopping_after(ended))
    partial = stopped.value.result
    assert (stopped.value.ended, stopped.value.of_trials) == (ended, 6)
    assert_frame_equal(partial.by_seed, whole.by_seed.head(ended))
    assert_frame_equal(partial.curves, whole.curves.head(30 * ended))
    counts = {0: [], 2: [2], 4: [3, 1]}[ended]
    assert partial.suggestions["seeds"].tolist() == counts
    assert len(partial.medians) == 30 * len(counts)
    assert list(partial.suggestions) == list(whole.suggestions)
    assert partial.provenance["low"] == 1e-3


# Rates that diverge soon are first; others take hundreds of updates.
SPREAD = lrsweep.grid(learning_rate=lrsweep.log_grid(2.0, 1e-3, 20), seed=range(2))


def stopping_after(trials: int) -> Callable[[lrsweep.Progress], None]:
    """Raises Ctrl-C's exception at every look from which on so many trials have ended, as a command does."""

    def stop(state: lrsweep.Progress) -> None:
        if state.updates > 0 and state.trials >= trials:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    ("optimizers", "options"),
    [
        (optax.sgd, {}),
        (optax.sgd, {"record_every": 2}),
        (optax.sgd, {"diagnose": True}),
        (optax.sgd, {"halving": lrsweep.Halving(at=[20, 60])}),
        ({"sgd": optax.sgd, "adam": optax.adam}, {}),
    ],
)
@pytest.mark.parametrize("ended", [0, 8])
def test_an_interrupted_sweep_gives_the_trials_that_had_ended_with_the_bits_of_a_whole_one(
    optimizers: Any, options: dict[str, Any], ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = SPREAD
    if isinstance(optimizers, dict):
        trials = pd.concat([SPREAD.assign(optimizer=name) for name in optimizers], ignore_index=True)

    def run(progress: Any) -> lrsweep.Sweep:
        return lrsweep.sweep(network(), optimizers, trials, steps=200, block_width=4, progress=progress, **options)

    whole = run(False)
    # Several parts, and calls of one update each.
    monkeypatch.setattr(planning, "MAX_BLOCKS", 2)
    monkeypatch.setattr(executor, "CALL_SECONDS", 0.0)
    with pytest.raises(lrsweep.Interrupted) as stopped:
        run(stopping_after(ended))
    partial = stopped.value.result
    assert len(partial.table) == stopped.value.ended < stopped.value.of_trials == len(trials)
    assert (len(partial.table) > 0) == (ended > 0)
    kept = partial.table.index
    if "halving" in options:
        # What was dropped is what ended.
        assert set(partial.table["status"]) <= {"dropped", "diverged", "converged"}
    else:
        assert_frame_equal(partial.table, whole.table.loc[kept], check_exact=True)
    assert partial.curves.keys() == whole.curves.keys()
    for name, curve in partial.curves.items():
        assert_frame_equal(curve, whole.curves[name].loc[kept], check_exact=True)
    if ended:
        replay = partial.replay(kept[-1])
        assert replay.curve.iloc[-1] == partial.table["final_loss"][kept[-1]]
