"""What is written of a result: an entry per setting, or per trial, and what speaks of the whole."""

import importlib
import io
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.plots._losses import losses
from lrsweep.plots._overview import overview
from lrsweep.plots._style import FIGURE_SIZE
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._quartiles import STEP, summarize_curves
from lrsweep.statistics._summary import group_trials, resolve_by, summarize
from lrsweep.statistics._verdict import judge
from lrsweep.tables._notes import PROVENANCE
from lrsweep.tables._schema import LEARNING_RATE, greater_is_good, settings_of
from lrsweep.tables._text import write

# A tracker draws no more points of a curve than these, and each of them takes it time.
MOST_POINTS = 500

# Pictures are PNG of so many dots per inch.
_DOTS = 200


class Contents(NamedTuple):
    """What a result holds.

    Attributes:
        table: The result table, which has rows.
        curves: What was recorded, ``[trial, record]`` tables by name; empty where nothing was.
        provenance: What made it, as far as it is known.
    """

    table: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]
    provenance: Mapping[str, Any]


class Entry(NamedTuple):
    """What is written of a setting or of a trial, as one run of a tracker.

    Attributes:
        name: What it is called: its settings.
        settings: Its settings by column, as Python's own values, without those that are missing.
        numbers: Its statistics, or what came of the trial, by column; NaN and infinity among them.
        words: The same as text: how the trial ended, what decides the best.
        curves: What was recorded, by name: the index `step`, and a column `median`, between quartiles where there are
            several trials; or a column `value`, of a trial.
    """

    name: str
    settings: dict[str, Any]
    numbers: dict[str, float]
    words: dict[str, str]
    curves: dict[str, pd.DataFrame]


def load_library(name: str) -> Any:
    """Imports a library that an extra of the same name installs.

    Raises:
        InputError: It is not installed.

    Example:
        >>> load_library("json").__name__
        'json'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.split(".")[0]
        raise InputError(f"{top} is needed for this, and cannot be imported ({error}): pip install {top}") from error


def contents_of(result: Any) -> Contents:
    """Gives what a sweep, or what a table alone, holds.

    Args:
        result: A `Sweep`, what an importer of this room gives, or a result table.

    Raises:
        TypeError: It is none of these.
        ValueError: The table is no result table, or has no rows.

    Example:
        >>> contents_of(result).provenance["objective"], contents_of(result.table).provenance["objective"]
        ('line', 'line')
    """
    table = result if isinstance(result, pd.DataFrame) else getattr(result, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"the result must be a Sweep or a result table, not a {type(result).__name__}")
    settings_of(table)
    if len(table) == 0:
        raise InputError("the table has no rows: there is nothing to write")
    if isinstance(result, pd.DataFrame):
        return Contents(table, {}, table.attrs.get(PROVENANCE, {}))
    provenance = getattr(result, "provenance", None) or table.attrs.get(PROVENANCE, {})
    return Contents(table, getattr(result, "curves", None) or {}, provenance)


def entries_of(contents: Contents, *, per_trial: bool) -> list[Entry]:
    """Gives what is written, setting by setting in the order of `summarize`, or trial by trial.

    Example:
        >>> entry, *_ = entries_of(contents_of(result), per_trial=False)
        >>> entry.name, entry.settings, entry.numbers["median_converged_at"]
        ('learning_rate=0.1', {'learning_rate': 0.1}, 51.0)
        >>> entry, *_ = entries_of(contents_of(result), per_trial=True)
        >>> entry.name, entry.words, entry.numbers["converged_at"]
        ('learning_rate=0.1', {'status': 'converged'}, 51.0)
    """
    table = contents.table
    rows, names = (table, settings_of(table)) if per_trial else (summarize(table), resolve_by(table, None))
    columns = {name: rows[name].tolist() for name in rows.columns}
    setting = np.arange(len(table)) if per_trial else group_trials(table, names)[1]
    curves = {name: _curves_of(contents, name, setting, alone=per_trial) for name in contents.curves}
    entries = []
    for at in range(len(rows)):
        values = {str(name): column[at] for name, column in columns.items() if not _is_missing(column[at])}
        settings = {name: values.pop(name) for name in names if name in values and not pd.isna(values[name])}
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        words = {name: str(value) for name, value in values.items() if name not in numbers and name not in names}
        name = ", ".join(f"{name}={write(value, digits=6)}" for name, value in settings.items()) or "all trials"
        entries.append(Entry(name, settings, numbers, words, {each: of_all[at] for each, of_all in curves.items()}))
    return entries


def _is_missing(value: Any) -> bool:
    """Tells what is missing from NaN, which is a number that went wrong."""
    return value is None or value is pd.NA or value is pd.NaT


def _curves_of(contents: Contents, name: str, setting: np.ndarray, *, alone: bool) -> list[pd.DataFrame]:
    """Gives the curves of one name: for each setting the quartiles over its trials up to the end of the last."""
    table, curves = contents.table, contents.curves[name].loc[contents.table.index]
    places = np.unique(np.linspace(0, curves.shape[1] - 1, min(curves.shape[1], MOST_POINTS)).astype(int))
    curves = curves.iloc[:, places]
    if alone:
        return [row.dropna().rename_axis(STEP).to_frame("value") for _, row in curves.iterrows()]
    sign = -1 if greater_is_good(table, name) else 1
    # The settings' numbers take the place of the caller's columns, one of which may be called like a statistic.
    results = table[table.columns[table.columns.get_loc("status") :]]
    keyed = pd.concat([pd.Series(setting, table.index, name="setting"), results], axis=1)
    quartiles = summarize_curves(keyed, sign * curves, "setting").set_index("setting")
    quartiles[["lower_quartile", "median", "upper_quartile"]] *= sign
    if sign < 0:
        quartiles = quartiles.rename(columns={"lower_quartile": "upper_quartile", "upper_quartile": "lower_quartile"})
    trials, last = np.bincount(setting), keyed.groupby("setting")["steps"].max()
    steps = curves.columns.to_numpy()
    of_each = []
    for number in range(len(trials)):
        of_setting = quartiles.loc[[number]].set_index(STEP)
        if trials[number] == 1:
            of_setting = of_setting[["median"]]
        if not pd.isna(last[number]):
            # The record at or after the end is the last.
            of_setting = of_setting.iloc[: np.searchsorted(steps, last[number]) + 1]
        of_each.append(of_setting.dropna())
    return of_each


def title_of(contents: Contents) -> str:
    """Names a result by its objective and its optimizer, as far as they are known.

    Example:
        >>> title_of(contents_of(result))
        'line, sgd'
    """
    named = [str(contents.provenance[name]) for name in ("objective", "optimizer") if contents.provenance.get(name)]
    return ", ".join(named) or "learning-rate sweep"


def answer_of(contents: Contents) -> str:
    """Says in a sentence or two which learning rate to take.

    Example:
        >>> answer_of(contents_of(result))[:23]
        'Use learning_rate 0.1: '
    """
    return judge(contents.table)


def provenance_json(contents: Contents) -> str:
    """Writes what made a result as JSON.

    Example:
        >>> json.loads(provenance_json(contents_of(result)))["objective"]
        'line'
    """
    return json.dumps(contents.provenance, indent=2)


def pictures_of(contents: Contents) -> dict[str, bytes]:
    """Draws a result at a glance, and its curves where there are some: PNG by the pictures' names.

    Example:
        >>> sorted(pictures_of(contents_of(result)))
        ['overview']
    """
    from matplotlib.figure import Figure

    table, pictures = contents.table, {}
    if LEARNING_RATE in table.columns and is_numeric(table[LEARNING_RATE]) and table[LEARNING_RATE].notna().any():
        pictures["overview"] = _as_png(overview(table))
    for name, curves in contents.curves.items():
        figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
        try:
            losses(table, curves, ax=figure.subplots(), of=name)
        except InputError:
            continue  # there are more settings than can be told apart
        pictures[name] = _as_png(figure)
    return pictures


def _as_png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DOTS)
    return file.getvalue()
