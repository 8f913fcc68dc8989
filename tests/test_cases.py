"""Small inputs that once went wrong, each with the right value."""

from pathlib import Path

import optax
import pandas as pd
import pytest

import lrsweep


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_words_that_csv_readers_take_for_missing_come_back(ending: str, tmp_path: Path) -> None:
    words = ["None", "NA", "null", "", "batch"]
    trials = pd.DataFrame({"norm": words, "learning_rate": 0.1, "seed": range(5)})
    objective = lrsweep.Objective(lambda p: p**2, lambda key, *, norm: 1.0)
    table = lrsweep.sweep(objective, optax.sgd, trials, steps=5).table
    lrsweep.write_table(table, tmp_path / f"words{ending}")
    assert table["norm"].tolist() == words
    assert lrsweep.read_table(tmp_path / f"words{ending}")["norm"].tolist() == words
