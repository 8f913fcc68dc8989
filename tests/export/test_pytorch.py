"""The script of the page for users of PyTorch, run where PyTorch is: it writes the table that the page shows."""

import runpy
from pathlib import Path

import pandas as pd
import pytest

from tests.test_site import DOCS, blocks_of


@pytest.mark.slow
def test_the_script_of_the_page_writes_the_table_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    shown = {block.title: block.text for block in blocks_of(DOCS / "pytorch.md")}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(str(shown["train.py"]))
    (tmp_path / "shown.csv").write_text(str(shown["runs.csv"]))
    with torch.random.fork_rng():
        runpy.run_path("train.py")
    table, expected = pd.read_csv("runs.csv"), pd.read_csv("shown.csv")
    # Rounding grows where training goes wrong: there it is told only that it did.
    good = expected["lr"] <= 1
    pd.testing.assert_frame_equal(table[good], expected[good], rtol=0.02)
    assert table.loc[~good, "val_loss"].fillna(float("inf")).gt(table.loc[~good, "initial_loss"]).all()
