"""A sweep that is saved comes back as it was; what is not a whole one is refused in a sentence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep


def loss(params: Any, data: Any, *, kind: str) -> Any:
    errors = params - data.mean()
    return jnp.mean(errors**2 if kind == "square" else jnp.abs(errors))


def spread(params: Any) -> Any:
    return jnp.ptp(params)


OBJECTIVE = lrsweep.Objective(loss, jnp.array([0.5, 3.0]), data=np.arange(4.0), metrics={"spread": spread})
TRIALS = pd.DataFrame(
    {"learning_rate": [0.1, 3.0, 0.01], "kind": ["square", "square", "NA"], "seed": [3, 1, 2]},
    index=["first", "None", ""],
)
STOPPING = lrsweep.Stopping(divergence=np.inf)


@pytest.fixture(scope="module")
def swept() -> lrsweep.Sweep:
    record = ("spread", "loss", "gradient_norm")
    how: dict[str, Any] = {"steps": 25, "stopping": STOPPING, "evaluate_every": 2, "record_every": 4}
    return lrsweep.sweep(OBJECTIVE, optax.sgd, TRIALS, record=record, **how)


@pytest.fixture
def saved(swept: lrsweep.Sweep, tmp_path: Path) -> Path:
    swept.save(tmp_path / "runs" / "sweep")
    return tmp_path / "runs" / "sweep"


def assert_equal(loaded: lrsweep.Sweep, swept: lrsweep.Sweep) -> None:
    assert_frame_equal(loaded.table, swept.table, check_exact=True, check_index_type="equiv")
    assert list(loaded.curves) == list(swept.curves)
    for name, curve in swept.curves.items():
        assert_frame_equal(loaded.curves[name], curve, check_exact=True)
    assert loaded.provenance == swept.provenance == loaded.table.attrs["provenance"]


def test_a_sweep_comes_back_as_it_was_saved(swept: lrsweep.Sweep, saved: Path) -> None:
    assert_equal(lrsweep.load(saved), swept)
    # Its files are those that tables are read from in any case.
    assert_frame_equal(lrsweep.read_table(saved / "table.parquet"), swept.table, check_exact=True)
    assert_frame_equal(lrsweep.read_table(saved / "table.curves.parquet"), swept.curves.table(), check_exact=True)


def test_a_later_sweep_replaces_an_earlier_one_and_its_curves(search: lrsweep.Sweep, saved: Path) -> None:
    search.save(saved)
    assert_equal(lrsweep.load(saved), search)
    assert sorted(os.listdir(saved)) == ["table.json", "table.parquet"]


def test_a_loaded_sweep_is_replayed_where_its_functions_are_given_again(swept: lrsweep.Sweep, saved: Path) -> None:
    with pytest.raises(lrsweep.InputError, match="has no functions to replay its trials with"):
        lrsweep.load(saved).replay("first")
    loaded = lrsweep.load(saved, OBJECTIVE, optax.sgd)
    for trial in TRIALS.index:
        ours, theirs = loaded.replay(trial), swept.replay(trial)
        assert_frame_equal(ours.curves, theirs.curves, check_exact=True)
        np.testing.assert_array_equal(ours.params, theirs.params)
    assert_frame_equal(loaded.path("first", 5), swept.path("first", 5), check_exact=True)


@pytest.mark.parametrize(
    ("objective", "optimizer", "said"),
    [
        (OBJECTIVE, None, "give both, or neither"),
        (lrsweep.problems.line(), optax.sgd, "the objective of this sweep was 'loss', not 'line'"),
        (OBJECTIVE, optax.adam, "the optimizer of this sweep was 'sgd', not 'adam'"),
    ],
)
def test_other_functions_than_the_sweeps_are_refused(objective: Any, optimizer: Any, said: str, saved: Path) -> None:
    with pytest.raises(lrsweep.InputError, match=said):
        lrsweep.load(saved, objective, optimizer)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no folder"),
        (lambda folder: (folder / "table.json").unlink(), "holds no sweep: 'table.json'"),
        (lambda folder: (folder / "table.json").write_text("{}"), "holds no sweep: 'table.json'"),
        (lambda folder: cut(folder / "table.json"), "holds no sweep: 'table.json'"),
        (lambda folder: (folder / "table.parquet").unlink(), "'table.parquet' is not there"),
        (lambda folder: (folder / "table.curves.parquet").unlink(), "'table.curves.parquet' is not there"),
        (lambda folder: cut(folder / "table.parquet"), "'table.parquet' was cut short, or changed"),
        (lambda folder: cut(folder / "table.curves.parquet"), "'table.curves.parquet' was cut short, or changed"),
        (lambda folder: (shutil.rmtree(folder), folder.write_text("")), "is no folder"),
    ],
)
def test_a_folder_without_a_whole_sweep_is_refused(spoil: Callable[[Path], Any], said: str, saved: Path) -> None:
    spoil(saved)
    with pytest.raises(lrsweep.InputError, match=said):
        lrsweep.load(saved)


def test_what_is_no_place_for_a_sweep_is_refused_and_left_alone(swept: lrsweep.Sweep, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(lrsweep.InputError, match="holds something else, 'notes.txt': name a new one"):
        swept.save(tmp_path)
    with pytest.raises(lrsweep.InputError, match="nothing can be saved in"):
        swept.save(tmp_path / "notes.txt")
    with pytest.raises(TypeError, match="must be the path of a file"):
        swept.save(3)  # pyright: ignore[reportArgumentType]
    assert os.listdir(tmp_path) == ["notes.txt"]
