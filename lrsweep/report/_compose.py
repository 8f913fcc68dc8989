"""The charts that suit a table, each with what is said of it."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from lrsweep.inputs._messages import plural
from lrsweep.report._bins import BINS, Across, Cells, across_of, cut, pick_across, pick_beside
from lrsweep.report._charts import Along, Outcome, dots_of, draw_outcome, draw_shares, mark_best
from lrsweep.report._filters import Choice, choices_of
from lrsweep.report._heatmap import SHOWN, draw_plane
from lrsweep.report._sample import sample, tell
from lrsweep.report._scales import scale_of
from lrsweep.report._sums import sum_up
from lrsweep.statistics._best import Best
from lrsweep.statistics._summary import LEVEL, convergence_times, outcome_values
from lrsweep.tables._schema import LOSS, SEED, best_by_of, final, settings_of
from lrsweep.tables._text import write

# So many cells are enough for the maps of all that can be chosen.
_MAP_CELLS = 16_000


class Chart(NamedTuple):
    """A chart of the page.

    Attributes:
        key: Its place in the page.
        heading: What it shows.
        caption: What is said below it.
        figure: It, as Bokeh's.
        shown: What can be seen on it, one at a time: names and labels.
    """

    key: str
    heading: str
    caption: str
    figure: Any
    shown: list[tuple[str, str]]


class Drawing(NamedTuple):
    """The charts of a table.

    Attributes:
        charts: They; none where the table has no column to draw against.
        lead: How to read them.
        choices: The columns to choose among.
        trials: How many trials they are of.
    """

    charts: list[Chart]
    lead: str
    choices: list[Choice]
    trials: int


def draw(table: pd.DataFrame, best: Best | None) -> Drawing:
    """The charts of a table.

    Args:
        table: A result table.
        best: Its best learning rate, or None.
    """
    name = pick_across(table) if len(table) else None
    if name is None:
        return Drawing([], "", [], 0)
    across = across_of(table, name)
    choices, cells, rows, outcomes = choices_of(table, [name]), cut(across), sample(table), _outcomes(table)
    found = sum_up(table, [outcome.name for outcome in outcomes], cells, choices)
    seen = Range1d(start=min(across.scale.start, cells.borders[0]), end=max(across.scale.end, cells.borders[-1]))
    along = Along(across, cells, found, choices, seen)
    diverged = bool((table["status"] == "diverged").any())
    scales = [scale_of(outcome.values, always_beyond=diverged) for outcome in outcomes]
    dots = dots_of(along, outcomes, scales, table["status"], rows, tell(table.iloc[rows]))
    charts = []
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        figure = draw_outcome(along, outcome, f"y{at}", scale, dots)
        if best is not None and not np.isnan(best.learning_rate):
            mark_best(figure, across, best)
        charts.append(Chart(f"chart{at}", _capital(outcome.label), _caption(outcome, table["status"]), figure, []))
    caption = f"The shares of the trials of {_each(across, cells)}."
    charts.append(Chart("shares", "How the trials ended", caption, draw_shares(along), []))
    beside = pick_beside(table, across)
    if beside is not None:
        charts.append(_map(table, across, across_of(table, beside), choices))
    trials = int((cells.of_trial >= 0).sum())
    grey = bool((found["trials"] > 1).any())
    lead = _lead(table, across, cells, len(rows), trials, best, grey=grey) + _tell_no_choice(table, across, choices)
    return Drawing(charts, lead, choices, trials)


def _outcomes(table: pd.DataFrame) -> list[Outcome]:
    outcomes = [
        Outcome("converged_at", "updates to converge", convergence_times(table)[0]),
        Outcome("final_loss", "final loss", outcome_values(table, "final_loss")),
    ]
    decides = best_by_of(table)
    if decides != LOSS:
        outcomes.append(Outcome(final(decides), f"final {decides}", outcome_values(table, final(decides))))
    return outcomes


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _each(across: Across, cells: Cells) -> str:
    return f"each of {len(cells.places)} ranges of {across.name}" if cells.binned else f"each {across.name}"


def _lead(
    table: pd.DataFrame, across: Across, cells: Cells, dots: int, trials: int, best: Best | None, *, grey: bool
) -> str:
    """How to read the charts of outcomes."""
    lead = "Each mark is a trial"
    if dots < len(table):
        lead = f"Each mark is one of {dots:,} trials drawn at random from the {len(table):,}, some of every status"
    said = [f"{lead}; point at it to see which. Those of the same {across.name} stand side by side."]
    if grey:
        said.append(f"A bar is the median, in grey between the quartiles, over all trials of {_each(across, cells)}.")
    if best is not None and not np.isnan(best.learning_rate):
        interval = f"; shaded: its {LEVEL:.0%} interval over seeds, {write(best.low)} to {write(best.high)}"
        said.append(f"Dashed: the best learning rate of the table, {write(best.learning_rate)}")
        said[-1] += "." if np.isnan(best.low) else f"{interval}."
    if trials < len(table):
        said.append(f"Not drawn: {plural(len(table) - trials, 'trial')} without {across.name}.")
    return " ".join(said)


def _tell_no_choice(table: pd.DataFrame, across: Across, choices: list[Choice]) -> str:
    """Which settings there is no choosing among."""
    known = {SEED, across.name, *(choice.name for choice in choices)}
    without = [name for name in settings_of(table) if name not in known and table[name].nunique(dropna=False) > 1]
    return f" Too many values to choose among: {', '.join(map(str, without))}." if without else ""


def _caption(outcome: Outcome, status: pd.Series) -> str:
    said = []
    if outcome.name == "converged_at" and (~status.isin(["converged", "diverged"])).any():
        said.append("A trial that did not converge lies at the updates it made.")
    if (status == "diverged").any():
        said.append("One that diverged lies at the upper edge.")
    return " ".join(said)


def _map(table: pd.DataFrame, across: Across, beside: Across, choices: list[Choice]) -> Chart:
    free = [choice for choice in choices if choice.name != beside.name]
    room = _MAP_CELLS // int(np.prod([len(choice.values) + 1 for choice in free]))
    cells, rows = cut(across), cut(beside)
    if len(cells.places) * len(rows.places) > room:
        bins = min(BINS, int(room**0.5))
        cells, rows = cut(across, bins, bins), cut(beside, bins, bins)
    found = sum_up(table, ["converged_at", "final_loss"], cells, free, rows)
    figure = draw_plane(across, cells, beside, rows, found, free)
    caption = "Light grey: there is no such number, for too few trials converged, or too many diverged."
    return Chart("map", f"{across.name} and {beside.name}", caption, figure, list(SHOWN.items()))
