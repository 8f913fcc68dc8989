"""The charts of a table: which of them suit it, and what is written above and below each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, unknown
from lrsweep.plots._style import COLOURS
from lrsweep.report._aggregate import aggregate
from lrsweep.report._axis import BINS as BINS_OF_MANY
from lrsweep.report._axis import Bins, ColumnAxis, axis_of, bin_trials, choose_x, choose_y
from lrsweep.report._chart_parts import BINS
from lrsweep.report._curves import KEY as CURVES
from lrsweep.report._curves import draw_curves, label_of_curve
from lrsweep.report._filters import Filter, filters_of
from lrsweep.report._findings import find_in_map, find_in_outcome, find_in_shares, of_all
from lrsweep.report._heatmap import KEY as MAP
from lrsweep.report._heatmap import draw_heatmap, layers_of
from lrsweep.report._numbers import NumberTable
from lrsweep.report._outcome_charts import (
    TRIALS,
    OutcomeColumn,
    SharedAxis,
    draw_outcome,
    draw_shares,
    mark_best,
    prepare_dots,
)
from lrsweep.report._sample import sample_trials
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
        findings: What its numbers say, a text for each of its layers, or one.
        caption: How to read it.
        figure: The chart as Bokeh's figure.
        tables: The tables that its numbers make, that of its marks' summary first.
        layers: What it can show, one at a time: names and labels.
        choice: What is chosen among them.
        legend: The statuses whose colours it shows and no other mark of theirs.
    """

    key: str
    heading: str
    findings: list[str]
    caption: str
    figure: Any
    tables: list[NumberTable]
    layers: Sequence[tuple[str, str]] = ()
    choice: str = ""
    legend: Sequence[str] = ()


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
            always_beyond=_leaves_room(each, ends),
            linear=_is_max(table, each.name),
        )
        for each in outcomes
    ]
    data, whole = prepare_dots(shared, outcomes, scales, dots, settings.number(dots)), of_all(aggregated, filters)
    has_quartiles = bool((aggregated["trials"] > 1).any())
    tables = [NumberTable(TRIALS, "every trial drawn")]
    if has_quartiles:
        tables.insert(0, NumberTable(BINS, "medians and quartiles"))
    charts = []
    for at, (outcome, scale) in enumerate(zip(outcomes, scales, strict=True)):
        figure = draw_outcome(shared, outcome, f"y{at}", scale, data)
        if best is not None and name in best.setting:
            mark_best(figure, x_axis, best)
        is_max = _is_max(table, outcome.name)
        what = f"{'number of ' if outcome.name == CONVERGED_AT else ''}{outcome.label}"
        finding = find_in_outcome(whole, outcome.name, what, name, bins, is_max=is_max)
        caption = _caption(outcome, ends, is_max=is_max)
        charts.append(Chart(f"chart{at}", _capitalised(outcome.label), [finding], caption, figure, tables))
    charts.append(_shares(shared, whole))
    if curves and isinstance(table, pd.DataFrame):
        charts.insert(1, _curves(table, settings, curves, x_axis, filters))
    y_name = choose_y(settings.rows, x_axis)
    if y_name is not None:
        y_axis = axis_of(settings.rows, y_name)
        charts.append(_heatmap(table, settings, x_axis, y_axis, filters, converged=bool(ends["converged"])))
    trials = int(settings.trials[bins.of_row >= 0].sum())
    counts = _Counts(len(dots), trials, int(ends.sum()))
    introduction = _introduction(x_axis, bins, counts, best, has_quartiles=has_quartiles)
    return ChartSet(charts, introduction + _describe_filters(settings.rows, x_axis, filters), filters, trials)


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
    sentences = [f"{lead}; point at it or tap it to see which. Those of the same {x.name} stand side by side."]
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


def _describe_filters(settings: pd.DataFrame, x: ColumnAxis, filters: list[Filter]) -> str:
    """Says of what the findings are where there are filters, and which settings have too many values for one."""
    known = {SEED, x.name, *(each.name for each in filters)}
    without = [name for name in settings.columns if name not in known and settings[name].nunique(dropna=False) > 1]
    whole = " The sentence above each chart is on all trials, whatever is chosen." if filters else ""
    return whole + (f" Too many values to choose among: {', '.join(map(str, without))}." if without else "")


def _is_max(table: Table, outcome: str) -> bool:
    return mode_of(head_of(table), outcome) == MAX


def _leaves_room(outcome: OutcomeColumn, ends: pd.Series) -> bool:
    """Tells whether values, or medians of them, lie beyond all others, so that the axis must have room for them."""
    if outcome.name == CONVERGED_AT:
        return bool(ends.drop("converged").any())
    return bool(ends["diverged"]) and not _is_below(outcome)


def _caption(outcome: OutcomeColumn, ends: pd.Series, *, is_max: bool) -> str:
    """Says what an outcome is, which values are good, and where trials are drawn that have none."""
    edge = "lower" if _is_below(outcome) else "upper"
    if outcome.name == CONVERGED_AT:
        sentences = ["How many updates it took until the loss reached the target and stayed there: few are good."]
        if ends.drop(["converged", "diverged"]).any():
            sentences.append("A trial that did not get there is drawn at the updates that it made.")
            sentences.append("A median of which that is not known is drawn at the upper edge.")
    else:
        good = "much" if is_max else "little"
        sentences = [f"The {outcome.label.removeprefix('final ')} after the last update: {good} is good."]
    if ends["diverged"]:
        sentences.append(f"A trial that diverged is drawn at the {edge} edge.")
    return " ".join(sentences)


def _shares(shared: SharedAxis, whole: pd.DataFrame) -> Chart:
    finding = find_in_shares(whole, shared.axis.name, shared.bins)
    caption = f"How the trials of {_each_bin(shared.axis, shared.bins)} ended, as shares of them."
    legend = [status for status in COLOURS if whole[status].gt(0).any()]
    tables = [NumberTable(BINS, "shares")]
    return Chart("shares", "How the trials ended", [finding], caption, draw_shares(shared), tables, legend=legend)


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
    sentences = [f"Each line is a setting, the median over its seeds: {lines}, coloured by {x.name}. Thick: the best."]
    if (table["status"] == "diverged").any():
        sentences.append("Where half of its trials have diverged a line lies at the edge.")
    tables = [NumberTable(CURVES, "lines")]
    caption, layers = " ".join(sentences), drawn.layers
    return Chart(
        CURVES, "Curves by setting", drawn.findings, caption, drawn.figure, tables, layers, choice="Curve of the"
    )


def _heatmap(
    table: Table, settings: Settings, x: ColumnAxis, y: ColumnAxis, filters: list[Filter], *, converged: bool
) -> Chart:
    others = [each for each in filters if each.name != y.name]
    most_cells = _MOST_CELLS // int(np.prod([len(each.values) + 1 for each in others]))
    x_bins, y_bins = bin_trials(x), bin_trials(y)
    if len(x_bins.middles) * len(y_bins.middles) > most_cells:
        bins = min(BINS_OF_MANY, int(most_cells**0.5))
        x_bins, y_bins = bin_trials(x, bins, bins), bin_trials(y, bins, bins)
    layers = layers_of(criterion_of(head_of(table)), converged=converged)
    outcomes = [layer.outcome for layer in layers if not layer.is_share]
    aggregated = aggregate(table, settings, outcomes, x_bins, others, y_bins)
    figure = draw_heatmap(x, x_bins, y, y_bins, aggregated, others, layers)
    caption = (
        "Each cell holds the trials of both values; bright is good. Light grey: there is no such number, for too few "
        "trials converged, or too many diverged."
    )
    shown = [(layer.column, layer.label) for layer in layers]
    whole, names, bins_of = of_all(aggregated, others), (x.name, y.name), (x_bins, y_bins)
    findings = [find_in_map(whole, layer.column, layer.label, names, bins_of, is_max=layer.is_max) for layer in layers]
    tables = [NumberTable(BINS, "cells")]
    return Chart(MAP, f"{x.name} and {y.name}", findings, caption, figure, tables, shown, choice="Colour")
