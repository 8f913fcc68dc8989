"""Progress: what is counted, who is told, and what a terminal, a notebook and a log are shown."""

import io
import sys
from collections.abc import Callable
from typing import Any

import nbformat
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient
from rich.console import Console

import lrsweep
from lrsweep.studies import _progress as progress
from lrsweep.studies import _watching as watching
from lrsweep.studies._progress import Progress

LINE = lrsweep.problems.line()
RATES = [1.0, 0.1, 0.01, 0.001]


def told(run: Callable[..., Any], *arguments: Any, **options: Any) -> list[Progress]:
    """Every state that a study tells its callback."""
    states: list[Progress] = []
    run(LINE, *arguments, **options, progress=states.append)
    return states


SWEEPS: dict[str, dict[str, Any]] = {
    "in one block": {},
    "in blocks of one": {"block_width": 1},
    "whose settings are dropped": {"halving": lrsweep.Halving(at=[20, 40])},
}


@pytest.mark.parametrize("options", SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_counts_every_trial_and_every_update_once(options: dict[str, Any]) -> None:
    states = told(lrsweep.sweep, optax.sgd, lrsweep.grid(learning_rate=RATES), steps=300, **options)
    counts = np.array([state[:4] for state in states])
    assert (np.diff(counts, axis=0) >= 0).all()
    assert counts[-1].tolist() == [len(RATES) * 300, len(RATES) * 300, len(RATES), len(RATES)]
    assert {state.of_updates for state in states} == {len(RATES) * 300}
    assert np.all(np.diff([state.seconds for state in states]) >= 0)


def test_several_optimizers_are_counted_together() -> None:
    trials = lrsweep.grid(optimizer=["sgd", "adam"], learning_rate=[0.1, 0.2])
    last = told(lrsweep.sweep, {"sgd": optax.sgd, "adam": optax.adam}, trials, steps=50)[-1]
    assert last[:4] == (200, 200, 4, 4)


def test_a_refinement_counts_all_its_rounds_and_those_it_did_not_need() -> None:
    trials = lrsweep.grid(learning_rate=[0.4, 0.2, 0.1], seed=range(2))
    states = told(lrsweep.refine, optax.sgd, trials, steps=50, rounds=9, points=3, width=0.2)
    assert states[0].trials == 0
    assert states[0].of_trials == states[-1].trials == 6 + 9 * 3 * 2
    assert states[0].of_updates == states[-1].updates == 50 * states[0].of_trials
    assert states[-2].trials < states[-1].trials


def test_a_critical_learning_rate_counts_its_scan_and_then_its_rounds() -> None:
    states = told(lrsweep.critical_learning_rate, optax.sgd, steps=50, low=0.01, high=10, width=0.01)
    totals = list(dict.fromkeys(state.of_trials for state in states))
    # Five learning rates per decade and one more; then 63 of one start at a time, until 10 ** (1 / 5) is 1.01.
    assert totals == [16, 63]
    assert [state[:4] for state in states if state.trials in totals] == [(800, 800, 16, 16), (3150, 3150, 63, 63)]


def test_a_range_test_counts_every_start_and_every_update_before_a_loss() -> None:
    states = told(lrsweep.range_test, optax.sgd, low=1e-4, steps=21, seeds=range(3), block_width=2)
    assert states[0][:4] == (0, 60, 0, 3)
    assert states[-1][:4] == (60, 60, 3, 3)


@pytest.mark.parametrize("study", [lrsweep.sweep, lrsweep.refine])
def test_an_exception_of_the_callback_ends_the_study_and_the_next_one_runs(study: Callable[..., Any]) -> None:
    trials = lrsweep.grid(learning_rate=RATES)
    with pytest.raises(ZeroDivisionError):
        study(LINE, optax.sgd, trials, progress=lambda state: 1 / 0)
    assert len(study(LINE, optax.sgd, trials, progress=False).table) >= len(trials)


@pytest.mark.parametrize("study", [lrsweep.sweep, lrsweep.refine])
def test_what_is_no_function_is_refused_before_anything_compiles(
    study: Callable[..., Any], compilations: Callable[[], int]
) -> None:
    compilations()
    with pytest.raises(TypeError, match="progress='bar' must be True, False, or a function of a lrsweep.Progress"):
        study(LINE, optax.sgd, lrsweep.grid(learning_rate=RATES), progress="bar")
    with pytest.raises(TypeError, match="progress=None must be True, False, or a function"):
        lrsweep.critical_learning_rate(LINE, optax.sgd, progress=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="progress=1 must be True, False, or a function"):
        lrsweep.range_test(LINE, optax.sgd, progress=1)  # pyright: ignore[reportArgumentType]
    assert compilations() == 0


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_a_short_sweep_shows_nothing(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with progress.progress(10, 100, True) as advance:
        advance(100, 10)
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # It starts at 0; then each of the calls is made at its time.
    clock = iter([0.0, 9.9, 10.0, 15.0, 20.5, 21.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with progress.progress(5, 50_000, True) as advance:
        for _ in range(5):
            advance(10_000, 1)
    assert capsys.readouterr() == (
        "",
        "lrsweep: 20.0 k of 50.0 k updates at 2,000/s, 0:00:15 left, 2 of 5 trials ended\n"
        "lrsweep: 40.0 k of 50.0 k updates at 1,951/s, 0:00:06 left, 4 of 5 trials ended\n",
    )


def test_without_standard_error_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress.progress(1, 1, True) as advance:
        advance(1, 1)


COUNTS = st.integers(0, 10**15)


@given(
    COUNTS, COUNTS, st.integers(0, 10**7), st.integers(0, 10**7), st.floats(0.01, 1e6), st.sampled_from([40, 80, 140])
)
def test_a_bar_is_within_its_columns_and_says_all_of_it(
    updates: int, more: int, trials: int, others: int, seconds: float, columns: int
) -> None:
    state = Progress(updates, updates + more, trials, trials + others, seconds)
    lines = shown(state, columns)
    assert max(map(len, lines)) <= columns
    if columns == 40:
        assert len(lines) == 3
    for part in (f"{trials:,} of {trials + others:,} trials ended", " left", "/s"):
        assert any(part in line for line in lines)


def shown(state: Progress, columns: int) -> list[str]:
    """The lines of a bar in a terminal of so many columns."""
    file = io.StringIO()
    Console(file=file, width=columns).print(watching.picture(state, columns))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_bar_is_filled_by_the_share_that_is_done() -> None:
    for done in (0, 250, 500, 1000):
        bar = shown(Progress(done, 1000, 0, 1, 1.0), 80)[0].partition("0:00")[0]
        assert bar.count("━") == pytest.approx(done / 1000 * 65, abs=1)


# Shows every state there is, and none of them later.
CELL = """
import optax, lrsweep
from lrsweep.studies import _watching
_watching._DELAY = _watching._BETWEEN_PICTURES = 0.0
print("before")
table = lrsweep.sweep(
    lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.01]), steps=50, block_width=1
).table
print("after")
"""


class Watched(NotebookClient):
    """A run of a notebook that keeps every picture that its cells have shown."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pictures: list[str] = []

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.pictures.append(msg["content"]["data"].get("text/html", ""))
        return super().process_message(msg, cell, cell_index)


@pytest.mark.slow
def test_a_notebook_shows_a_bar_that_is_not_in_it_once_it_is_saved() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    client = Watched(notebook, timeout=120, kernel_name="python3")
    client.execute()
    shown = [picture for picture in client.pictures if picture]
    assert "0 of 2 trials ended" in shown[0]
    assert "2 of 2 trials ended" in shown[-1]
    outputs = notebook.cells[0].outputs
    assert [output.text for output in outputs if output.output_type == "stream"] == ["before\n", "after\n"]
    left = [output.data for output in outputs if output.output_type == "display_data"]
    assert left == [{"text/html": "", "text/plain": ""}]
