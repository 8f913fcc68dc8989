"""The notebook runs from top to bottom, and what it shows is what it keeps."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

WALKTHROUGH = Path(__file__).parents[2] / "experiments" / "walkthrough.ipynb"


def kinds_of(notebook: Any) -> list[list[str]]:
    """What each cell shows: text, tables, pictures; a bar that has gone is nothing."""
    outputs = (
        [output.get("data", {output["output_type"]: True}) for output in cell.get("outputs", [])]
        for cell in notebook.cells
    )
    return [sorted(kind for data in cell for kind, shown in data.items() if shown) for cell in outputs]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what runs the notebook, not of the notebook
def test_the_walkthrough_runs_and_shows_what_it_keeps() -> None:
    notebook: Any = nbformat.read(WALKTHROUGH, as_version=4)
    kept = kinds_of(notebook)
    assert sum("image/png" in kinds for kinds in kept) >= 6
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert kinds_of(notebook) == kept
