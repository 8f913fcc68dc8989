"""Tables of other programs' runs on the command line: `summarize` and `report` with --loss and --metric."""

from pathlib import Path

import pytest

from tests.conftest import Run

RUNS = """lr,seed,width,val_loss,val_acc
0.01,0,8,0.5,0.8
0.01,1,8,0.7,0.7
0.1,0,8,0.25,0.85
0.1,1,8,0.35,0.95
1.0,0,8,nan,0.1
1.0,1,8,,0.1
"""


@pytest.fixture
def runs(tmp_path: Path) -> str:
    (tmp_path / "runs.csv").write_text(RUNS)
    return str(tmp_path / "runs.csv")


def test_runs_of_another_program_are_summed_up_by_their_loss(run: Run, runs: str) -> None:
    said = run("summarize", runs, "--loss", "val_loss", "--settings", "width", "--missing", "diverged")
    assert said.code == 0
    assert (
        "Use learning_rate 0.1, width 8 (95% interval over 2 seeds: 0.1 alone): its median final loss, 0.3," in said.out
    )


def test_runs_of_another_program_are_summed_up_by_a_metric(run: Run, runs: str) -> None:
    said = run("summarize", runs, "--metric", "val_acc", "--settings", "")
    assert "its median final val acc, 0.9, is the greatest" in said.out


def test_a_report_is_made_of_runs_of_another_program(run: Run, runs: str) -> None:
    said = run("report", runs, "--loss", "val_loss", "--settings", "width", "--missing", "drop")
    assert said.out.startswith("Wrote a report of 5 trials")
    assert "Use learning_rate 0.1" in Path(runs).with_suffix(".html").read_text()


def test_what_is_to_be_said_of_runs_is_named(run: Run, runs: str) -> None:
    assert "runs of another program name their loss (--loss)" in run("summarize", runs).err
    assert "missing='drop' leaves them out" in run("report", runs, "--loss", "val_loss", "--settings", "width").err
    assert "there is no column 'val_los': did you mean 'val_loss'?" in run("report", runs, "--loss", "val_los").err
