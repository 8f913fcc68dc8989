"""The curves of a report: medians over the trials of each setting against the updates, of one value at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import (
    ColorBar,
    ColorMapper,
    ColumnDataSource,
    FixedTicker,
    LinearColorMapper,
    LogColorMapper,
    PrintfTickFormatter,
    Range1d,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from lrsweep.inputs._errors import InputTypeError
from lrsweep.inputs._messages import plural
from lrsweep.plots._axes import shortened
from lrsweep.report._axis import ColumnAxis
from lrsweep.report._chart_parts import add_vertical_axis, empty_chart, filtered_view, hover_tool, show_alone
from lrsweep.report._contrast import cards, distinct_shades
from lrsweep.report._filters import Filter
from lrsweep.report._numbers import add_numbers
from lrsweep.report._scales import Scale, scale_of
from lrsweep.report._wording import write_column
from lrsweep.statistics._best import rank
from lrsweep.statistics._quartiles import summarize_curves
from lrsweep.statistics._summary import group_trials, summarize
from lrsweep.tables._schema import LOSS, SEED, criterion_of, greater_is_good, settings_of
from lrsweep.tables._text import write

# The most lines that can be told apart, and the most updates that a line has points at.
MOST_LINES, MOST_POINTS = 60, 200

# The colour of a missing value, and the tag by which the page finds the colours that have shades for its dark self too.
_MISSING, SHADES = "#808080", "shades"

# The widths of a setting's line, and of the best one's.
_LINE, _BEST = 1.5, 4.0

# The id of the chart's element in the page.
KEY = "curves"


class Curves(NamedTuple):
    """The chart of curves.

    Attributes:
        figure: The chart as Bokeh's figure.
        layers: What it can show, one at a time: names and labels.
        lines: How many settings have a line.
        settings: How many there are.
        findings: What the curves of each layer say.
    """

    figure: figure
    layers: list[tuple[str, str]]
    lines: int
    settings: int
    findings: list[str]


def by_name(curves: Any) -> dict[str, pd.DataFrame]:
    """Gives curves by the name of what they are of: a single table is of losses.

    Args:
        curves: A mapping from names to ``[trial, record]`` values of every trial, as `Sweep.curves` is; or one such
            table; or None.

    Raises:
        TypeError: They are neither.

    Example:
        >>> by_name(pd.DataFrame([[2.0, 1.0]]))["loss"].shape, by_name(None)
        ((1, 2), {})
    """
    if isinstance(curves, pd.DataFrame):
        return {LOSS: curves}
    if curves is None:
        return {}
    if isinstance(curves, Mapping) and all(isinstance(table, pd.DataFrame) for table in curves.values()):
        return {str(name): table for name, table in curves.items()}
    raise InputTypeError(
        f"curves must be tables by name, as Sweep.curves is, or one table, not a {type(curves).__name__}"
    )


def draw_curves(
    table: pd.DataFrame,
    row_of: np.ndarray,
    curves: Mapping[str, pd.DataFrame],
    x: ColumnAxis,
    filters: Sequence[Filter],
) -> Curves:
    """Draws a line per setting: its median over the trials at every recorded update, of one kind of curve at a time.

    Args:
        table: A result table.
        row_of: ``[trial]`` int, the row of the axis and the filters that each trial lies at.
        curves: The curves by name, ``[trial, record]`` float each; that of what decides the best is shown first.
        x: The axis of the page's other charts, by whose values lines are coloured.
        filters: The filters of the page.
    """
    settings, setting = group_trials(table, [name for name in settings_of(table) if name != SEED])
    firsts = row_of[np.unique(setting, return_index=True)[1]]
    codes = np.array([each.codes[firsts] for each in filters], int).reshape(len(filters), len(firsts))
    ranked = rank(summarize(table), criterion_of(table)).index.to_numpy()
    chosen = _choose(ranked, codes)
    deciding = criterion_of(table).name
    names = sorted(curves, key=lambda name: name != deciding)
    of_name, scales, lasts, texts = (
        [],
        [],
        [],
        [(name, write_column(settings[name].iloc[chosen])) for name in settings.columns],
    )
    for name in names:
        is_max = greater_is_good(table, name)
        of_name.append(_medians(table, curves[name], setting, chosen, is_max=is_max))
        medians = of_name[-1][1]
        scales.append(scale_of(medians[~np.isnan(medians)], linear=is_max))
        lasts.append(np.array([values[~np.isnan(values)][-1] for values in medians]))
        texts.append((f"last {name}", [write(value, "nan") for value in lasts[-1]]))
    best = chosen == ranked[0]
    data = {"colour": x.positions[firsts[chosen]], "width": np.where(best, _BEST, _LINE)}
    data |= {each.column: codes[at, chosen].astype(np.int8) for at, each in enumerate(filters)}
    data |= {f"c{at}": list(values) for at, (_, values) in enumerate(texts)}
    tooltips, sources = [(label, f"c{at}") for at, (label, _) in enumerate(texts)], []
    own = [(name, settings[name].iloc[chosen]) for name in settings.columns]
    for name, scale, (updates, medians) in zip(names, scales, of_name, strict=True):
        heights = np.where(np.isnan(medians), np.nan, scale.position(medians))
        saved = [*own, ("updates", np.tile(updates, (len(chosen), 1))), (name, medians)]
        drawn = {"x": [updates] * len(chosen), "y": list(heights)}
        sources.append(add_numbers(data | drawn, KEY, tooltips, saved))
    chart = _draw_lines(names, scales, sources, tooltips, x)
    layers = [(f"l{at}", label_of_curve(name)) for at, name in enumerate(names)] if len(names) > 1 else []
    named = ", ".join(f"{name} {values[best.argmax()]}" for name, values in texts[: len(own)])
    findings = [_finding(name, named, last, best) for name, last in zip(names, lasts, strict=True)]
    return Curves(chart, layers, len(chosen), len(settings), findings)


def _finding(name: str, best_setting: str, lasts: np.ndarray, best: np.ndarray) -> str:
    """Says where the line of the best setting ends, and between which values those of the others do."""
    what, others = label_of_curve(name), lasts[~best]
    sentence = (
        f"The {what} of the best setting{f', {best_setting},' if best_setting else ''} ends at {write(lasts[best][0])}"
    )
    if len(others) == 0:
        return f"{sentence}."
    ended = others[np.isfinite(others)]
    if len(ended) == 0:
        return f"{sentence}; at every other setting half of the trials or more diverged."
    least, greatest = write(ended.min()), write(ended.max())
    between = f"at {least}" if least == greatest else f"between {least} and {greatest}"
    sentence += f", {'that of the other' if len(others) == 1 else 'those of the others'} {between}"
    if len(ended) < len(others):
        sentence += f"; at {plural(len(others) - len(ended), 'other')} half of the trials or more diverged"
    return f"{sentence}."


def _choose(ranked: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Chooses the settings to draw: all where they are few, else the best ones under every choice of the filters."""
    if len(ranked) <= MOST_LINES:
        return np.sort(ranked)
    of_choice = pd.DataFrame(codes.T[ranked]).groupby(list(range(len(codes)))) if len(codes) else None
    place = np.arange(len(ranked)) if of_choice is None else of_choice.cumcount().to_numpy()
    return np.sort(ranked[np.argsort(place, kind="stable")[:MOST_LINES]])


def _medians(
    table: pd.DataFrame, curves: pd.DataFrame, setting: np.ndarray, chosen: np.ndarray, *, is_max: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Gives the updates, ``[record]`` int, and the medians of the chosen settings, ``[setting, record]`` float.

    They are infinitely bad where half of the trials have diverged, and NaN once all have ended.
    """
    places = np.unique(np.linspace(0, curves.shape[1] - 1, min(curves.shape[1], MOST_POINTS)).astype(int))
    thinned, sign = curves.iloc[:, places], -1 if is_max else 1
    rows = np.isin(setting, chosen)
    of_row = table.loc[rows, ["steps", "diverged_at"]].assign(setting=setting[rows], status=table["status"][rows])
    updates = thinned.columns.to_numpy()
    # The settings take the place of the caller's columns, one of which may be called like a statistic.
    results = table.loc[rows, table.columns[table.columns.get_loc("status") :]]
    keyed = pd.concat([of_row[["setting"]], results], axis=1)
    quartiles = summarize_curves(keyed, sign * thinned, "setting")
    medians = quartiles.pivot(index="setting", columns="step", values="median").loc[chosen].to_numpy()
    last = of_row.groupby("setting")["steps"].max().loc[chosen].to_numpy()
    # The record at or after the end is the last that a line reaches.
    reached = np.minimum(np.searchsorted(updates, last), len(updates) - 1)
    return updates, np.where(np.arange(len(updates)) <= reached[:, None], sign * medians, np.nan)


def _draw_lines(
    names: Sequence[str],
    scales: Sequence[Scale],
    sources: Sequence[ColumnDataSource],
    tooltips: Sequence[tuple[str, str]],
    x: ColumnAxis,
) -> figure:
    """Draws the lines of all curves, and shows those of the first."""
    updates = sources[0].data["x"][0]
    across = ColumnAxis("updates", updates, Scale(False, 0, 1, 0, 1), None)
    visible = Range1d(start=updates[0], end=max(updates[-1], updates[0] + 1))
    chart = empty_chart(across, scales[0], "updates", label_of_curve(names[0]), visible)
    show_alone([*chart.yaxis, *chart.ygrid], KEY, "l0", first=True)
    mapper, lines = _colours(x), []
    for at, (name, scale, source) in enumerate(zip(names, scales, sources, strict=True)):
        if at:
            show_alone(add_vertical_axis(chart, scale, label_of_curve(name), f"l{at}"), KEY, f"l{at}", first=False)
        line = chart.multi_line(
            "x", "y", source=source, view=filtered_view(), line_width="width", line_alpha=0.9,
            line_color={"field": "colour", "transform": mapper}, y_range_name=f"l{at}" if at else "default",
        )  # fmt: skip
        show_alone([line], KEY, f"l{at}", first=at == 0)
        lines.append(line)
    chart.add_tools(hover_tool(lines, tooltips))
    bar = ColorBar(color_mapper=mapper, width=12, background_fill_color=None, title=None)
    if x.words is None:
        bar.formatter = PrintfTickFormatter(format="%.4g")
    else:
        bar.ticker = FixedTicker(ticks=list(range(len(x.words))), minor_ticks=[])
        bar.major_label_overrides = {at: shortened(word) for at, word in enumerate(x.words)}
    chart.add_layout(bar, "right")
    return chart


def label_of_curve(name: str) -> str:
    """Writes the name of what a curve is of as words.

    Example:
        >>> label_of_curve("gradient_norm")
        'gradient norm'
    """
    return name.replace("_", " ")


def _colours(x: ColumnAxis) -> ColorMapper:
    """Makes the colours of lines by their place on an axis, on a scale like that of the axis."""
    places = x.positions[~np.isnan(x.positions)]
    low, high = (places.min(), places.max()) if places.size else (0.0, 1.0)
    mapper = LogColorMapper if x.scale.log and high > low else LinearColorMapper
    # Shades that stand out from the light page are lost on the dark one.
    light, dark = (distinct_shades(Viridis256, card) for card in cards())
    return mapper(
        palette=light, low=low, high=high if high > low else low + 1, nan_color=_MISSING, tags=[SHADES, light, dark]
    )
