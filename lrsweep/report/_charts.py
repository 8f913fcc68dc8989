"""The charts of a table: which of them suit it, and what is written above and below each."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, unknown
from lrsweep.report._aggregate import aggregate
from lrsweep.report._axis import BINS, Bins, ColumnAxis, axis_of, bin_trials, choose_x, choose_y
from lrsweep.report._curves import KEY as CURVES
from lrsweep.report._curves import draw_curves, label_of_curve
from lrsweep.report._filters import Filter, filters_of
from lrsweep.report._heatmap import KEY as MAP
from lrsweep.report._heatmap import draw_heatmap, layers_of
from lrsweep.report._outcome_charts import (
    OutcomeColumn,
    SharedAxis,
    draw_outcome,
    draw_shares,
    mark_best,
    prepare_dots,
)
from lrsweep.report._sample import sample_rows, write_trials
from lrsweep.report._scales import scale_of
from lrsweep.statistics._best import Best
from lrsweep.statistics._summary import LEVEL, convergence_times, leads_by_value, outcome_values
from lrsweep.tables._schema import (
    CONVERGED_AT,
    LEARNING_RATE,
    LOSS,
    MAX,
    SEED,
    criterion_of,
    final,
    mode_of,
    settings_of,
)
from lrsweep.tables._text import write

# The most cells of a heatmap, those of all combinations of filters together.
_MOST_CELLS = 16_000


class Chart(NamedTuple):
    """A chart of the page.

    Attributes:
        key: The id of its element in the page.
        heading: What it shows.
        caption: What is written below it.
        figure: The chart as Bokeh's figure.
        layers: What it can show, one at a time: names and labels.
        choice: What is chosen among them.
    """

    key: str
    heading: str
    caption: str
    figure: Any
    layers: list[tuple[str, str]]
    choice: str = ""


class ChartSet(NamedTuple):
    """The charts of a table.

    Attributes:
        charts: The charts, in order; none where the table has no column to draw against.
        introduction: How to read them.
        filters: The filters that narrow them.
        trials: How many trials they show.
    """

    charts: list[Chart]
    introduction: str
    filters: list[Filter]
    trials: int


def draw_charts(
    table: pd.DataFrame, best: Best | None, x: str | None = None, curves: Mapping[str, pd.DataFrame] | None = None
) -> ChartSet:
    """Draws the charts that suit a table; what answers for it comes first.

    Args:
        table: A result table.
        best: Its best learning rate, or None.
        x: The column to draw against; None for the one that `choose_x` chooses.
        curves: What was recorded of its trials, by name.

    Raises:
        ValueError: There is no such column of the caller's, or no trial has a value in it.
    """
    name = x if x is not None else choose_x(table) if len(table) else None
    if name is None:
        return ChartSet([], "", [], 0)
    _check_x(table, name)
    x_axis = axis_of(table, name)
    filters, bins, rows, outcomes = filters_of(table, [name]), bin_trials(x_axis), sample_rows(table), _outcomes(table)
    aggregated = aggregate(table, [outcome.name for outcome in outcomes], bins, filters)
    scale = x_axis.scale
    visible = Range1d(start=min(scale.start, bins.borders[0]), end=max(scale.end, bins.borders[-1]))
    shared = SharedAxis(x_axis, bins, aggregated, filters, visible)
    diverged = bool((table["status"] == "diverged").any())
    scales = [
        scale_of(
            each.values,
            always_beyond=diverged and not _is_below(each),
            linear=mode_of(table, each.name) == MAX,
        )
        for each in outcomes
    ]
    dots = prepare_dots(shared, outcomes, scales, table["status"], rows, write_trials(table.iloc[rows]))
    charts = []
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        figure = draw_outcome(shared, outcome, f"y{at}", scale, dots)
        if best is not None and name in best.setting:
            mark_best(figure, x_axis, best)
        charts.append(Chart(f"chart{at}", _capitalised(outcome.label), _caption(outcome, table["status"]), figure, []))
    caption = f"The shares of the trials of {_each_bin(x_axis, bins)}."
    charts.append(Chart("shares", "How the trials ended", caption, draw_shares(shared), []))
    if curves:
        charts.insert(1, _curves(table, curves, x_axis, filters))
    y_name = choose_y(table, x_axis)
    if y_name is not None:
        charts.append(_heatmap(table, x_axis, axis_of(table, y_name), filters))
    trials = int((bins.of_trial >= 0).sum())
    has_quartiles = bool((aggregated["trials"] > 1).any())
    introduction = _introduction(table, x_axis, bins, len(rows), trials, best, has_quartiles=has_quartiles)
    return ChartSet(charts, introduction + _name_unfiltered(table, x_axis, filters), filters, trials)


def _check_x(table: pd.DataFrame, x: Any) -> None:
    own = settings_of(table)
    if not isinstance(x, str) or x not in own:
        raise InputError(f"x: {unknown('column', x, own)}")
    if not table[x].notna().any():
        raise InputError(f"no trial has a {x!r}: there is nothing to draw along it")


def _outcomes(table: pd.DataFrame) -> list[OutcomeColumn]:
    """Gives the outcomes to draw, first what answers for the table: when trials converged, or how good they got."""
    times = OutcomeColumn(CONVERGED_AT, "updates to converge", convergence_times(table)[0])
    outcomes = [OutcomeColumn("final_loss", "final loss", outcome_values(table, "final_loss"))]
    criterion = criterion_of(table)
    if criterion.name != LOSS:
        name = final(criterion.name)
        label = f"final {label_of_curve(criterion.name)}"
        outcomes.insert(0, OutcomeColumn(name, label, outcome_values(table, name)))
    if not leads_by_value(table):
        return [times, *outcomes]
    return [*outcomes, times] if (table["status"] == "converged").any() else outcomes


def _is_below(outcome: OutcomeColumn) -> bool:
    """Tells whether trials that diverged lie below all others, and not above."""
    return bool((outcome.values == -np.inf).any())


def _capitalised(text: str) -> str:
    # str.capitalize would make the rest of it small.
    return text[0].upper() + text[1:]


def _each_bin(x: ColumnAxis, bins: Bins) -> str:
    return f"each of {len(bins.middles)} ranges of {x.name}" if bins.are_ranges else f"each {x.name}"


def _introduction(
    table: pd.DataFrame, x: ColumnAxis, bins: Bins, dots: int, trials: int, best: Best | None, *, has_quartiles: bool
) -> str:
    """Says how to read the charts of outcomes."""
    lead = "Each mark is a trial"
    if dots < len(table):
        lead = f"Each mark is one of {dots:,} trials drawn at random from the {len(table):,}, some of every status"
    sentences = [f"{lead}; point at it to see which. Those of the same {x.name} stand side by side."]
    if has_quartiles:
        of_bin = _each_bin(x, bins)
        sentences.append(f"A bar is the median, in grey between the quartiles, over all trials of {of_bin}.")
    if best is not None and x.name == LEARNING_RATE and not np.isnan(best.learning_rate):
        interval = f"; shaded: its {LEVEL:.0%} interval over seeds, {write(best.low)} to {write(best.high)}"
        dashed = f"Dashed: the best learning rate of the table, {write(best.learning_rate)}"
        sentences.append(f"{dashed}{'' if np.isnan(best.low) else interval}.")
    elif best is not None and x.name in best.setting:
        sentences.append(f"Dashed: the {x.name} of the best setting of the table, {write(best.setting[x.name])}.")
    if trials < len(table):
        sentences.append(f"Not drawn: {plural(len(table) - trials, 'trial')} without {x.name}.")
    return " ".join(sentences)


def _name_unfiltered(table: pd.DataFrame, x: ColumnAxis, filters: list[Filter]) -> str:
    """Names the settings that differ among the trials and have too many values for a filter."""
    known = {SEED, x.name, *(each.name for each in filters)}
    without = [name for name in settings_of(table) if name not in known and table[name].nunique(dropna=False) > 1]
    return f" Too many values to choose among: {', '.join(map(str, without))}." if without else ""


def _caption(outcome: OutcomeColumn, status: pd.Series) -> str:
    sentences = []
    if outcome.name == CONVERGED_AT and (~status.isin(["converged", "diverged"])).any():
        sentences.append("A trial that did not converge lies at the updates it made.")
    if (status == "diverged").any():
        sentences.append(f"One that diverged lies at the {'lower' if _is_below(outcome) else 'upper'} edge.")
    return " ".join(sentences)


def _curves(table: pd.DataFrame, curves: Mapping[str, pd.DataFrame], x: ColumnAxis, filters: list[Filter]) -> Chart:
    drawn = draw_curves(table, curves, x, filters)
    lines = (
        "every setting" if drawn.lines == drawn.settings else f"the best {drawn.lines} of {drawn.settings:,} settings"
    )
    sentences = [f"The median over the seeds of {lines}, coloured by {x.name}; thick: the best one."]
    if (table["status"] == "diverged").any():
        sentences.append("Where half have diverged a line lies at the edge.")
    return Chart(CURVES, "Curves by setting", " ".join(sentences), drawn.figure, drawn.layers, "Curve of the")


def _heatmap(table: pd.DataFrame, x: ColumnAxis, y: ColumnAxis, filters: list[Filter]) -> Chart:
    others = [each for each in filters if each.name != y.name]
    most_cells = _MOST_CELLS // int(np.prod([len(each.values) + 1 for each in others]))
    x_bins, y_bins = bin_trials(x), bin_trials(y)
    if len(x_bins.middles) * len(y_bins.middles) > most_cells:
        bins = min(BINS, int(most_cells**0.5))
        x_bins, y_bins = bin_trials(x, bins, bins), bin_trials(y, bins, bins)
    layers = layers_of(criterion_of(table), converged=bool((table["status"] == "converged").any()))
    aggregated = aggregate(table, [layer.outcome for layer in layers if not layer.is_share], x_bins, others, y_bins)
    figure = draw_heatmap(x, x_bins, y, y_bins, aggregated, others, layers)
    caption = "Light grey: there is no such number, for too few trials converged, or too many diverged."
    shown = [(layer.column, layer.label) for layer in layers]
    return Chart(MAP, f"{x.name} and {y.name}", caption, figure, shown, "Colour")
