"""The charts that suit a table, each with what is said of it."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from lrsweep.best import Best
from lrsweep.objective import LOSS
from lrsweep.report.across import Across, Cells, across_of, cut, pick_across, pick_beside
from lrsweep.report.along import sum_up
from lrsweep.report.charts import Outcome, dots_of, draw_outcome, draw_shares, mark_best
from lrsweep.report.choices import Choice, choices_of
from lrsweep.report.dots import sample, tell
from lrsweep.report.plane import SHOWN, draw_plane
from lrsweep.report.scales import scale_of
from lrsweep.report.wording import count, write
from lrsweep.summary import LEVEL, convergence_times, penalised
from lrsweep.table import best_by_of, final

# So many rows are enough for a map of all that can be chosen, and so many cells along either axis of one map.
_MAP_ROWS, _MAP_CELLS = 16_000, 40


class Chart(NamedTuple):
    """A chart of the page.

    Attributes:
        key: Its place in the page.
        heading: What it shows.
        caption: How to read it.
        figure: It, as Bokeh's.
        shown: What can be seen on it, one at a time: names and labels.
    """

    key: str
    heading: str
    caption: str
    figure: Any
    shown: list[tuple[str, str]]


def draw(table: pd.DataFrame, best: Best | None) -> tuple[list[Chart], list[Choice], int]:
    """The charts of a table.

    Args:
        table: A result table, not empty.
        best: Its best learning rate, or None.

    Returns:
        The charts, the columns to choose among, and how many trials they are of; no charts where the table has no
        column to draw against.
    """
    name = pick_across(table)
    if name is None:
        return [], [], 0
    across = across_of(table, name)
    choices, cells = choices_of(table, [name]), cut(across)
    found = sum_up(table, cells, choices)
    rows = sample(table)
    outcomes = _outcomes(table)
    diverged = bool((table["status"] == "diverged").any())
    scales = [scale_of(outcome.values, always_beyond=diverged) for outcome in outcomes]
    dots = dots_of(across, outcomes, scales, table["status"], rows, tell(table.iloc[rows]), choices)
    seen = Range1d(min(across.scale.start, cells.borders[0]), max(across.scale.end, cells.borders[-1]))
    drawn = int((cells.of_trial >= 0).sum())
    charts = []
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        figure = draw_outcome(outcome, f"y{at}", across, cells, scale, dots, found, choices, seen)
        caption = _caption(outcome, across, cells, found, len(rows), len(table), drawn, diverged=diverged)
        if best is not None and not np.isnan(best.learning_rate):
            mark_best(figure, across, best)
            caption += f" {_tell_best(best)}"
        charts.append(Chart(f"chart{at}", outcome.label.capitalize(), caption, figure, []))
    figure = draw_shares(across, cells, found, choices, seen)
    each = _each(across, cells)
    caption = f"Of the trials of {each} the shares by how they ended."
    charts.append(Chart("shares", "How the trials ended", caption, figure, []))
    beside = pick_beside(table, across)
    if beside is not None:
        charts.append(_map(table, across, across_of(table, beside), choices))
    return charts, choices, drawn


def _outcomes(table: pd.DataFrame) -> list[Outcome]:
    outcomes = [
        Outcome("converged_at", "updates to converge", convergence_times(table)[0]),
        Outcome("final_loss", "final loss", penalised(table, "final_loss")),
    ]
    decides = best_by_of(table)
    if decides != LOSS:
        outcomes.append(Outcome(final(decides), f"final {decides}", penalised(table, final(decides))))
    return outcomes


def _each(across: Across, cells: Cells) -> str:
    return f"each of {len(cells.places)} ranges of {across.name}" if cells.binned else f"each {across.name}"


def _caption(
    outcome: Outcome, across: Across, cells: Cells, found: pd.DataFrame, dots: int, trials: int, drawn: int, *, diverged: bool
) -> str:
    lead = "A mark per trial" if dots == trials else f"{dots:,} of {trials:,} trials, drawn at random from every status"
    said = [f"{lead}, side by side where they have the same {across.name}; point at one to see which it is."]
    if drawn < trials:
        said.append(f"Not drawn: {count(trials - drawn, 'trial')} without {across.name}.")
    if outcome.name == "converged_at":
        said.append("A trial that did not converge lies at the updates it made.")
    if diverged:
        said.append("What diverged lies at the upper edge.")
    if (found["trials"] > 1).any():
        box = "the median" if f"lower_quartile_{outcome.name}" not in found else "the median between the quartiles"
        said.append(f"Grey: {box} of all trials of {_each(across, cells)}.")
    return " ".join(said)


def _tell_best(best: Best) -> str:
    told = f"Dashed: {write(best.learning_rate)}, the best learning rate of the table"
    if np.isnan(best.low):
        return f"{told}."
    return f"{told}, on its {LEVEL:.0%} interval over seeds, {write(best.low)} to {write(best.high)}."


def _map(table: pd.DataFrame, across: Across, beside: Across, choices: list[Choice]) -> Chart:
    free = [choice for choice in choices if choice.name != beside.name]
    combinations = int(np.prod([len(choice.values) + 1 for choice in free]))
    bins = min(_MAP_CELLS, int((_MAP_ROWS / combinations) ** 0.5))
    cells, rows = cut(across, bins, bins), cut(beside, bins, bins)
    figure = draw_plane(across, cells, beside, rows, sum_up(table, cells, free, rows), free)
    caption = (
        f"The trials of each cell of {across.name} and {beside.name}, whatever their other settings unless they are "
        "chosen above. Light grey: there is no such number, since too few converged, or too many diverged."
    )
    heading = f"{across.name} and {beside.name}"
    return Chart("map", heading, caption, figure, list(SHOWN.items()))
