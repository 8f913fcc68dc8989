"""An objective from a table of data: the model is chosen by the target, and what was taken is said."""

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import as_names, check_count, check_number
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, quote, unknown
from lrsweep.problems._choosing import Used, choose_columns, without_constant
from lrsweep.problems._doubts import (
    columns_alike,
    columns_that_tell,
    doubts_about_classes,
    doubts_about_columns,
    doubts_about_fit,
    doubts_about_size,
)
from lrsweep.problems._encoding import Encoded, encode, standardise
from lrsweep.problems._files import Opened, open_table
from lrsweep.problems._gaps import DROP, WAYS, rows_kept
from lrsweep.problems._held_out import held_out
from lrsweep.problems._network import network
from lrsweep.problems._objective import Objective
from lrsweep.problems._ready_made import linear_regression
from lrsweep.problems._softmax import separate
from lrsweep.problems._splitting import split
from lrsweep.problems._taken import say_taken
from lrsweep.problems._target import REGRESSION, TASKS, Target, read_target
from lrsweep.tables._schema import LOSS, MAX, MIN


class _Asked(NamedTuple):
    """The arguments of `from_table`, checked."""

    target: str
    task: str | None
    drop: list[str]
    only: list[str] | None
    missing: str | None
    categories: int
    hidden: tuple[int, ...]
    validation: float | None
    best_by: str | None
    raw: bool


def from_table(
    source: pd.DataFrame | str | os.PathLike[str],
    target: str,
    *,
    task: str | None = None,
    drop: str | Iterable[str] = (),
    only: str | Iterable[str] | None = None,
    missing: str | None = None,
    categories: int = 20,
    hidden: Sequence[int] = (),
    validation: float | None = None,
    best_by: str | None = None,
    raw: bool = False,
) -> Objective:
    r"""Makes an objective of a table: a linear regression for numbers, a softmax regression for classes.

    Numbers and booleans are features as they are. A column of words becomes one feature of ones and zeros for each of
    its words. Left out are columns that are constant or empty, dates, ids, and text that differs in most rows.
    `Objective.source` says what was taken, and so does the provenance of every table that a sweep of it gives.

    Args:
        source: A DataFrame; or the path of a file whose first row names its columns: separated by commas, semicolons,
            tabs, bars or spaces, in UTF-8, UTF-16 or Latin-1, compressed or not; or of Parquet; `-` is standard input.
        target: The column to predict.
        task: `"regression"` or `"classification"`. Left out, words and booleans are classes, and so are ten whole
            numbers or fewer, each in five rows or more on average; other numbers are for a regression.
        drop: Columns to leave out.
        only: The columns to use, rather than all. A column of ids or of text that is named here is used too.
        missing: What becomes of missing values: `"drop"` leaves their rows out; `"mean"` fills in the mean of the
            column, or its most frequent word; `"indicator"` does so for numbers, with one more feature that is 1 where
            a value was missing, and takes a missing word for a word of its own. Left out, they are refused. Rows
            whose target is missing are left out in any case but that.
        categories: How many features a column of words becomes at most: the least frequent words share the last.
        hidden: The widths of the layers of a network of rectified linear units; none for a linear model.
        validation: The share of rows to hold out, between 0 and 1, drawn at random and always the same. Then the
            metric `validation_accuracy`, or `validation_r2`, is measured on them, and what is filled in, encoded and
            standardised is learnt from the other rows.
        best_by: What decides the best: `"loss"`, or the name of a metric. Left out, the metric of the held-out rows
            where there are any, and otherwise the loss.
        raw: Whether to take numbers as they are. Otherwise each feature, and a regression's target, is standardised:
            its mean is subtracted and it is divided by its standard deviation.

    Returns:
        A `problems.linear_regression`, a `problems.softmax_regression`, or a network, called by the file's name.

    Raises:
        TypeError: An argument is of another kind than it should be.
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, there is no such column, a value is infinite or missing, the target is
            constant, or nothing is left to fit. The message says what to do; the first row below the header is row 1.

    Warns:
        UserWarning: What is wrong with the data rather than with the learning rate: columns that follow from one
            another, a column that gives the target away, nearly all rows of one class.

    Example:
        >>> path = folder / "flowers.csv"
        >>> _ = path.write_text("size,color,kind\n1,red,a\n2,blue,b\n3,red,b\n2.5,blue,a\n1.5,red,a\n4,blue,b\n")
        >>> objective = from_table(path, "kind")
        >>> print(objective.source["taken"])
        flowers.csv: 6 rows; softmax regression of kind, 2 classes (a 50%, b 50%), on 2 columns: size, color; encoded:
        color (2)
        >>> objective.source["features"]
        ['size', 'color=blue', 'color=red']
    """
    asked = _check(target, task, drop, only, missing, categories, hidden, validation, best_by, raw)
    return _make(open_table(source), asked)


def regression_from_csv(path: str | os.PathLike[str], target: str, *, raw: bool = False) -> Objective:
    r"""Makes a least-squares problem of a file of data: `problems.from_table` with `task="regression"`.

    Args:
        path: The file; its first row names its columns.
        target: The column to predict from all the others.
        raw: Whether to take numbers as they are. Otherwise each feature, and the target, is standardised: its mean is
            subtracted and it is divided by its standard deviation. The loss is then in variances of the target.

    Returns:
        A `problems.linear_regression`, called by the file's name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As in `problems.from_table`; or the target does not hold numbers.

    Example:
        >>> path = folder / "points.csv"
        >>> _ = path.write_text("x,y\n0,-1\n1,1\n3,5\n")
        >>> regression_from_csv(path, "y", raw=True).minimum < 1e-20
        True
    """
    return _make(open_table(path), _check(target, REGRESSION, (), None, None, 20, (), None, None, raw))


def _check(
    target: Any,
    task: Any,
    drop: Any,
    only: Any,
    missing: Any,
    categories: Any,
    hidden: Any,
    validation: Any,
    best_by: Any,
    raw: Any,
) -> _Asked:
    """Checks the arguments of `from_table`, but for what only the table can tell."""
    for name, value, known in (("task", task, TASKS), ("missing", missing, WAYS)):
        if value is not None and value not in known:
            raise InputError(f"{name}: " + unknown("way" if name == "missing" else name, value, known))
    if validation is not None:
        validation = check_number("validation", validation, "a share between 0 and 1", lambda share: 0 < share < 1)
    widths = tuple(hidden) if isinstance(hidden, Iterable) else (hidden,)
    return _Asked(
        target,
        task,
        as_names("drop", drop),
        None if only is None else as_names("only", only),
        missing,
        check_count("categories", categories, least=2),
        tuple(check_count("hidden", width) for width in widths),
        validation,
        best_by,
        bool(raw),
    )


class _Rows(NamedTuple):
    """The rows that are used, as arrays.

    Attributes:
        features: ``[row, feature]`` float, as the model sees them.
        goal: ``[row]`` float, the target as the model sees it, or the numbers of the classes.
        training: The places of the rows to fit to.
        held: The places of the rows to measure on.
    """

    features: np.ndarray
    goal: np.ndarray
    training: np.ndarray
    held: np.ndarray


def _make(opened: Opened, asked: _Asked) -> Objective:
    """Makes the objective of a table that has been read."""
    file, table, name = opened.file, opened.table, asked.target
    if not isinstance(name, str) or name not in table.columns:
        raise InputError(f"{file}: " + unknown("column", name, table.columns))
    if len(table) < 2:
        raise InputError(f"{file} has {plural(len(table), 'row')} of data: at least two are needed")
    used = choose_columns(file, table, name, asked.drop, asked.only)
    target = read_target(file, table[name], asked.task)
    kept, gaps = rows_kept(file, table, used.names, name, asked.missing)
    table, goal = table[kept], target.values[kept]
    if len(goal) < 2:
        raise InputError(f"{file} has {plural(len(goal), 'row')} to fit to: at least two are needed")
    if np.ptp(goal) == 0:
        raise InputError(f"{file}: the target {quote(name)} is constant in the rows that are left: name another")
    used = used if kept.all() else without_constant(file, used, table)
    training, held = split(len(goal), asked.validation, goal if target.classes else None)
    encoded = encode(table, used.numbers, used.words, training, missing=asked.missing, categories=asked.categories)
    rows = _Rows(encoded.values, goal, training, held)
    if asked.raw:
        _refuse_large(file, encoded, None if target.classes else (name, goal))
    else:
        scaled = goal if target.classes else standardise(goal[:, None], training)[:, 0]
        rows = rows._replace(features=standardise(encoded.values, training), goal=scaled)
    objective, separable = _fit(rows, target, asked.hidden, opened.name)
    source = _describe(opened, asked, used, target, encoded, gaps, rows)
    doubts = [
        *doubts_about_size(len(training), len(encoded.names) if asked.validation is None else 0),
        *columns_that_tell(table, used.names, goal, classes=bool(target.classes)),
        *columns_alike(table, used.names),
        *doubts_about_columns(standardise(encoded.values[:, : encoded.numbers], training)[training], used.numbers),
    ]
    if target.classes:
        doubts += doubts_about_classes(source["classes"], separable=separable and asked.validation is None)
    elif not asked.hidden:
        doubts += doubts_about_fit(
            objective.minimum, float(np.var(objective.data["y"])), *rows.features[training].shape
        )
    for doubt in doubts:
        warnings.warn(f"{file}: {doubt}", stacklevel=3)
    return _judged(replace(objective, source=source | {"doubts": doubts}), asked.best_by)


def _fit(rows: _Rows, target: Target, hidden: tuple[int, ...], name: str) -> tuple[Objective, bool]:
    """Gives the model of the training rows, its metrics, and whether a linear one gets every row right."""
    X, y, separable = rows.features[rows.training], rows.goal[rows.training], False
    if hidden:
        classes = len(target.classes) or None
        objective = network(X, y, hidden, classes=classes, name=name)
    elif target.classes:
        objective, separable = separate(X, y, len(target.classes), name)
    else:
        objective = linear_regression(X, y, name=name)
    if len(rows.held):
        held = held_out(objective, rows.features[rows.held], rows.goal[rows.held], is_network=bool(hidden))
        objective = replace(objective, metrics={**objective.metrics, **held})
    return objective, separable


def _judged(objective: Objective, best_by: str | None) -> Objective:
    """Gives an objective what decides its best: the metric of the held-out rows unless something else is asked for."""
    held = [name for name in objective.metrics if name.startswith("validation_")]
    best_by = (held[0] if held else LOSS) if best_by is None else best_by
    if best_by not in [LOSS, *objective.metrics]:
        raise InputError("best_by: " + unknown("metric", best_by, [LOSS, *objective.metrics]))
    return replace(objective, best_by=best_by, mode=MIN if best_by == LOSS else MAX)


def _refuse_large(file: str, encoded: Encoded, target: tuple[str, np.ndarray] | None) -> None:
    """Refuses numbers whose squares are beyond floating point."""
    most = np.sqrt(np.finfo(float).max / len(encoded.values)) / 2
    columns = dict(zip(encoded.names, np.abs(encoded.values).max(axis=0), strict=True))
    if target is not None:
        columns[target[0]] = np.abs(target[1]).max()
    for name, size in columns.items():
        if size > most:
            raise InputError(
                f"{file}: column {quote(name)} holds {size:g}, whose square is beyond floating point: leave out raw"
            )


def _describe(
    opened: Opened, asked: _Asked, used: Used, target: Target, encoded: Encoded, gaps: dict[str, int], rows: _Rows
) -> dict[str, Any]:
    """Says what an objective was made of, as JSON can hold it."""
    counts = np.bincount(rows.goal.astype(int), minlength=len(target.classes)) if target.classes else []
    unnamed = {"the first column": "it has no name"} if opened.row_names else {}
    source: dict[str, Any] = {
        "file": opened.name,
        "dialect": opened.dialect,
        "rows": len(opened.table),
        "rows_used": len(rows.goal),
        "target": asked.target,
        "task": target.task,
        "guessed": target.guessed,
        "classes": {name: int(count) for name, count in zip(target.classes, counts, strict=True)},
        "columns": used.names,
        "features": encoded.names,
        "encoded": encoded.words,
        "left_out": unnamed | used.left_out,
        "dropped": used.dropped,
        "missing": asked.missing,
        "filled": {} if asked.missing == DROP else {name: n for name, n in gaps.items() if name != asked.target},
        "hidden": list(asked.hidden),
        "standardised": not asked.raw,
        "validation": asked.validation,
        "validation_rows": len(rows.held),
    }
    return source | {"taken": say_taken(source)}
