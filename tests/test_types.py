# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportMissingTypeStubs=false
"""What an editor knows of results, and marks as mistyped: pyright reads this file, and it runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import optax
import pandas as pd
import pytest

import lrsweep


def test_results_have_types_that_an_editor_can_complete(tmp_path: Path) -> None:
    line = lrsweep.problems.line()
    assert_type(line, lrsweep.Objective)
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(0.01, 0.1, 2), seed=range(2))
    result = lrsweep.sweep(line, optax.sgd, trials, steps=20, record="loss", store=tmp_path / "store")
    assert_type(trials, pd.DataFrame)
    assert_type(result, lrsweep.Sweep)
    assert_type(result.table, pd.DataFrame)
    assert_type(result.curves["loss"], pd.DataFrame)
    assert_type(result.provenance, dict[str, Any])
    assert_type(result.replay(0).curves, pd.DataFrame)
    assert_type(result.path(0), pd.DataFrame)

    best = lrsweep.best_learning_rate(result.table, rule="loss")
    assert_type(best, lrsweep.Best)
    assert_type(best.learning_rate, float)
    assert_type(best.setting, dict[str, Any])
    assert_type(lrsweep.status_shares(result.table), pd.DataFrame)
    assert_type(lrsweep.refine(line, optax.sgd, trials, rounds=0, steps=20).found, pd.DataFrame)
    assert_type(lrsweep.open_store(tmp_path / "store"), lrsweep.Store)
    assert_type(lrsweep.open_store(tmp_path / "store").parts(), Iterator[pd.DataFrame])


def test_names_that_there_are_not_are_marked_where_they_are_written() -> None:
    with pytest.raises(AttributeError):
        _ = lrsweep.swep  # pyright: ignore
    with pytest.raises(AttributeError):
        _ = lrsweep.problems.quadratik  # pyright: ignore
