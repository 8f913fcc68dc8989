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
from lrsweep.report._sample import sample_trials, write_trials
from lrsweep.report._scales import extremes_of, scale_of
from lrsweep.statistics._advice import count_ends
from lrsweep.statistics._best import Best
from lrsweep.statistics._settings import Settings
from lrsweep.statistics._summary import LEVEL, convergence_times, outcome_values
from lrsweep.tables._parts import Table, head_of, is_empty, parts_of
from lrsweep.tables._schema import (
    BEST_BY,
    BEST_MODE,
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
    table: Table, best: Best | None, x: str | None = None, curves: Mapping[str, pd.DataFrame] | None = None
) -> ChartSet:
    """Draws the charts that suit a table; what answers for it comes first.

    Args:
        table: A result table, in parts or not.
        best: Its best learning rate, or None.
        x: The column to draw against; None for the one that `choose_x` chooses.
        curves: What was recorded of its trials, by name, where it is not in parts.

    Raises:
        ValueError: There is no such column of the caller's, or no trial has a value in it.
    """
    settings = _settings_to_draw(table, x)
    name = x if x is not None else choose_x(settings.rows)
    if name is None or is_empty(table):
        return ChartSet([], "", [], 0)
    _check_x(settings.rows, name)
    x_axis = axis_of(settings.rows, name)
    ends = count_ends(table)
    dots = sample_trials(table, ends)
    filters, bins, outcomes = filters_of(settings.rows, [name]), bin_trials(x_axis), _outcomes(table, dots, ends)
    aggregated = aggregate(table, settings, [outcome.name for outcome in outcomes], bins, filters)
    scale = x_axis.scale
    visible = Range1d(start=min(scale.start, bins.borders[0]), end=max(scale.end, bins.borders[-1]))
    shared = SharedAxis(x_axis, bins, aggregated, filters, visible)
    scales = [
        scale_of(
            each.extremes,
            always_beyond=bool(ends["diverged"]) and not _is_below(each),
            linear=mode_of(head_of(table), each.name) == MAX,
        )
        for each in outcomes
    ]
    data = prepare_dots(shared, outcomes, scales, dots["status"], settings.number(dots), write_trials(dots))
    charts = []
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        figure = draw_outcome(shared, outcome, f"y{at}", scale, data)
        if best is not None and name in best.setting:
            mark_best(figure, x_axis, best)
        charts.append(Chart(f"chart{at}", _capitalised(outcome.label), _caption(outcome, ends), figure, []))
    caption = f"The shares of the trials of {_each_bin(x_axis, bins)}."
    charts.append(Chart("shares", "How the trials ended", caption, draw_shares(shared), []))
    if curves and isinstance(table, pd.DataFrame):
        charts.insert(1, _curves(table, settings, curves, x_axis, filters))
    y_name = choose_y(settings.rows, x_axis)
    if y_name is not None:
        y_axis = axis_of(settings.rows, y_name)
        charts.append(_heatmap(table, settings, x_axis, y_axis, filters, converged=bool(ends["converged"])))
    trials = int(settings.trials[bins.of_row >= 0].sum())
    has_quartiles = bool((aggregated["trials"] > 1).any())
    counts = _Counts(len(dots), trials, int(ends.sum()))
    introduction = _introduction(x_axis, bins, counts, best, has_quartiles=has_quartiles)
    return ChartSet(charts, introduction + _name_unfiltered(settings.rows, x_axis, filters), filters, trials)


class _Counts(NamedTuple):
    """How many trials are drawn one by one, how many lie on the axis, and how many there are."""

    dots: int
    on_axis: int
    all: int


def _settings_to_draw(table: Table, x: str | None) -> Settings:
    """Finds the settings that charts are of: seeds are told apart only where they are what is drawn against."""
    own = settings_of(head_of(table))
    names = [name for name in own if name != SEED]
    settings = Settings(table, names)
    if SEED in own and (x == SEED or (x is None and choose_x(settings.rows) is None)):
        return Settings(table, own)
    return settings


def _check_x(settings: pd.DataFrame, x: Any) -> None:
    if not isinstance(x, str) or x not in settings.columns:
        raise InputError(f"x: {unknown('column', x, settings.columns)}")
    if not settings[x].notna().any():
        raise InputError(f"no trial has a {x!r}: there is nothing to draw along it")


def _outcomes(table: Table, dots: pd.DataFrame, ends: pd.Series) -> list[OutcomeColumn]:
    """Gives the outcomes to draw, first what answers for the table: when trials converged, or how good they got."""

    def outcome(name: str, label: str) -> OutcomeColumn:
        def values(trials: pd.DataFrame) -> np.ndarray:
            return convergence_times(trials)[0] if name == CONVERGED_AT else outcome_values(trials, name)

        decides = [each for each in (BEST_BY, BEST_MODE) if each in dots.columns]
        needed = ["status", "steps", name, *decides]
        extremes = [extremes_of(values(part)) for part in parts_of(table, needed)]
        return OutcomeColumn(name, label, values(dots), extremes_of(np.concatenate(extremes)))

    times, losses = outcome(CONVERGED_AT, "updates to converge"), outcome("final_loss", "final loss")
    criterion = criterion_of(dots)
    # Of runs of other programs a metric may be known, and no loss.
    outcomes = [losses] if criterion.name == LOSS or np.isfinite(losses.extremes).any() else []
    if criterion.name != LOSS:
        outcomes.insert(0, outcome(final(criterion.name), f"final {label_of_curve(criterion.name)}"))
    if criterion.name == LOSS and ends["converged"]:
        return [times, *outcomes]
    return [*outcomes, times] if ends["converged"] else outcomes


def _is_below(outcome: OutcomeColumn) -> bool:
    """Tells whether trials that diverged lie below all others, and not above."""
    return bool((outcome.extremes == -np.inf).any())


def _capitalised(text: str) -> str:
    # str.capitalize would make the rest of it small.
    return text[0].upper() + text[1:]


def _each_bin(x: ColumnAxis, bins: Bins) -> str:
    return f"each of {len(bins.middles)} ranges of {x.name}" if bins.are_ranges else f"each {x.name}"


def _introduction(x: ColumnAxis, bins: Bins, counts: _Counts, best: Best | None, *, has_quartiles: bool) -> str:
    """Says how to read the charts of outcomes."""
    lead = "Each mark is a trial"
    if counts.dots < counts.all:
        drawn = f"{counts.dots:,} trials drawn at random from the {counts.all:,}"
        lead = f"Each mark is one of {drawn}, some of every status"
    sentences = [f"{lead}; point at it to see which. Those of the same {x.name} stand side by side."]
    if has_quartiles:
        of_bin = _each_bin(x, bins)
        sentences.append(f"A bar is the median, in grey between the quartiles, over all trials of {of_bin}.")
    if best is not None and x.name == LEARNING_RATE and not np.isnan(best.learning_rate):
        interval = f"; shaded: its {LEVEL:.0%} interval over seeds, {write(best.low)} to {write(best.high)}"
        dashed = f"Dashed: the best learning rate of the table, {write(best.learning_rate)}"
        sentences.append(f"{dashed}{interval if best.low < best.high else ''}.")
    elif best is not None and x.name in best.setting:
        sentences.append(f"Dashed: the {x.name} of the best setting of the table, {write(best.setting[x.name])}.")
    if counts.on_axis < counts.all:
        sentences.append(f"Not drawn: {plural(counts.all - counts.on_axis, 'trial')} without {x.name}.")
    return " ".join(sentences)


def _name_unfiltered(settings: pd.DataFrame, x: ColumnAxis, filters: list[Filter]) -> str:
    """Names the settings that differ among the trials and have too many values for a filter."""
    known = {SEED, x.name, *(each.name for each in filters)}
    without = [name for name in settings.columns if name not in known and settings[name].nunique(dropna=False) > 1]
    return f" Too many values to choose among: {', '.join(map(str, without))}." if without else ""


def _caption(outcome: OutcomeColumn, ends: pd.Series) -> str:
    sentences = []
    if outcome.name == CONVERGED_AT and ends.drop(["converged", "diverged"]).any():
        sentences.append("A trial that did not converge lies at the updates it made.")
    if ends["diverged"]:
        sentences.append(f"One that diverged lies at the {'lower' if _is_below(outcome) else 'upper'} edge.")
    return " ".join(sentences)


def _curves(
    table: pd.DataFrame,
    settings: Settings,
    curves: Mapping[str, pd.DataFrame],
    x: ColumnAxis,
    filters: list[Filter],
) -> Chart:
    drawn = draw_curves(table, settings.number(table), curves, x, filters)
    lines = (
        "every setting" if drawn.lines == drawn.settings else f"the best {drawn.lines} of {drawn.settings:,} settings"
    )
    sentences = [f"The median over the seeds of {lines}, coloured by {x.name}; thick: the best one."]
    if (table["status"] == "diverged").any():
        sentences.append("Where half have diverged a line lies at the edge.")
    return Chart(CURVES, "Curves by setting", " ".join(sentences), drawn.figure, drawn.layers, "Curve of the")


def _heatmap(
    table: Table, settings: Settings, x: ColumnAxis, y: ColumnAxis, filters: list[Filter], *, converged: bool
) -> Chart:
    others = [each for each in filters if each.name != y.name]
    most_cells = _MOST_CELLS // int(np.prod([len(each.values) + 1 for each in others]))
    x_bins, y_bins = bin_trials(x), bin_trials(y)
    if len(x_bins.middles) * len(y_bins.middles) > most_cells:
        bins = min(BINS, int(most_cells**0.5))
        x_bins, y_bins = bin_trials(x, bins, bins), bin_trials(y, bins, bins)
    layers = layers_of(criterion_of(head_of(table)), converged=converged)
    outcomes = [layer.outcome for layer in layers if not layer.is_share]
    aggregated = aggregate(table, settings, outcomes, x_bins, others, y_bins)
    figure = draw_heatmap(x, x_bins, y, y_bins, aggregated, others, layers)
    caption = "Light grey: there is no such number, for too few trials converged, or too many diverged."
    shown = [(layer.column, layer.label) for layer in layers]
    return Chart(MAP, f"{x.name} and {y.name}", caption, figure, shown, "Colour")
