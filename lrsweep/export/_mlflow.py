"""MLflow: a result as runs of an experiment, and runs of experiments as a result table."""

import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.export._entries import (
    Entry,
    answer_of,
    contents_of,
    entries_of,
    load_library,
    pictures_of,
    provenance_json,
    title_of,
)
from lrsweep.export._runs import Columns, Runs, make_runs, parse_words
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.tables._curves import Curves
from lrsweep.tables._io import table_content

# MLflow takes no more metrics than these in one request.
_BATCH = 1000

# What it takes as the name of a metric or a parameter; and the largest number that its databases keep, for infinity.
_NOT_IN_NAMES = re.compile(r"[^\w\-. /]")
_LARGEST = np.finfo(np.float64).max

_PARAMS, _METRICS, _TAGS = "params.", "metrics.", "tags."

# Tags of ours: words of a trial, such as its status.
_OURS = "lrsweep."


def to_mlflow(
    result: Any,
    *,
    experiment: str = "lrsweep",
    tracking_uri: str | None = None,
    name: str | None = None,
    per_trial: bool = False,
    pictures: bool = True,
) -> str:
    """Writes a result to MLflow: a run of the whole, and within it one per setting.

    The run of the whole has the answer as its description, and the table, the curves, what made them and pictures as
    artifacts. A run within it has a setting as its parameters, and the statistics of `lrsweep.summarize` as its
    metrics; curves are metrics over the steps, the median and the quartiles of each. Of a curve at most 500 points are
    written.

    Args:
        result: A `Sweep`, a result table, or what an importer gives.
        experiment: The experiment's name; it is made where there is none.
        tracking_uri: Where MLflow keeps its runs, such as `sqlite:///mlflow.db`; None for where it is set up to.
        name: What to call the run of the whole; None for the objective and the optimizer.
        per_trial: Whether to write a run per trial, with its outcomes, instead of one per setting. MLflow's pages
            become slow above some hundred runs.
        pictures: Whether to draw pictures.

    Returns:
        The id of the run of the whole.

    Raises:
        TypeError: The result is none.
        ValueError: Its table is empty, or MLflow is not installed.

    Example:
        >>> lrsweep.export.to_mlflow(result, tracking_uri="sqlite:///mlflow.db")  # doctest: +SKIP
        '5566b100cf6c4dfc8fcd478c888fd361'
    """
    contents = contents_of(result)
    client = load_library("mlflow").MlflowClient(tracking_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    experiment_id = client.create_experiment(experiment) if found is None else found.experiment_id
    title = name or title_of(contents)
    tags = {"mlflow.note.content": answer_of(contents), f"{_OURS}kind": "sweep"}
    whole = client.create_run(experiment_id, run_name=title, tags=tags).info.run_id
    with tempfile.TemporaryDirectory() as folder:
        curves = Curves(contents.curves)
        files = {"provenance.json": provenance_json(contents).encode()}
        files |= {"table.csv": table_content(contents.table, ".csv")}
        files |= {"curves.csv": table_content(curves.table(), ".csv")} if curves else {}
        files |= {f"{each}.png": picture for each, picture in (pictures_of(contents) if pictures else {}).items()}
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        client.log_artifacts(whole, folder)
    kind = "trial" if per_trial else "setting"
    for entry in entries_of(contents, per_trial=per_trial):
        tags = {"mlflow.parentRunId": whole, f"{_OURS}kind": kind}
        tags |= {f"{_OURS}{word}": value for word, value in entry.words.items()}
        run = client.create_run(experiment_id, run_name=entry.name, tags=tags).info.run_id
        _log(client, run, entry)
        client.set_terminated(run)
    client.set_terminated(whole)
    return whole


def _log(client: Any, run: str, entry: Entry) -> None:
    """Writes the settings, the statistics and the curves of an entry into a run."""
    entities, now = load_library("mlflow.entities"), int(time.time() * 1000)
    params = [entities.Param(_clean(name), str(value)) for name, value in entry.settings.items()]
    metrics = [entities.Metric(_clean(name), value, now, 0) for name, value in entry.numbers.items()]
    for name, curve in entry.curves.items():
        for column in curve.columns:
            points = zip(curve.index.tolist(), curve[column].tolist(), strict=True)
            metrics += [entities.Metric(_clean(f"{name}/{column}"), value, now, step) for step, value in points]
    client.log_batch(run, params=params)
    for first in range(0, len(metrics), _BATCH):
        client.log_batch(run, metrics=metrics[first : first + _BATCH])


def _clean(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)


def from_mlflow(
    frame: pd.DataFrame,
    loss: str | None = None,
    *,
    metric: str | None = None,
    mode: str | None = None,
    learning_rate: str | None = None,
    seed: str | None = None,
    settings: Sequence[str] | None = None,
    missing: str | None = None,
    client: Any = None,
) -> Runs:
    """Makes a result table of MLflow's runs.

    Args:
        frame: What `mlflow.search_runs` gives. Runs that hold others, and have no learning rate themselves, are left
            out.
        loss: The metric that is the loss at the end, by its name in MLflow; None where `to_mlflow` wrote the trials.
        metric: The metric that decides the best, see `lrsweep.from_runs`.
        mode: Whether its least or its greatest value is the best, see there.
        learning_rate: The parameter that is the learning rate; None for the one that is called so.
        seed: The parameter that is the seed; None for the one that is called so, if any.
        settings: The other parameters that make a setting; None for all whose values differ.
        missing: What to make of runs without an outcome, see there.
        client: An `MlflowClient`, by which the histories of the loss or the metric are read, run by run; None to do
            without curves.

    Returns:
        The result table, whose column `run_id` stands behind the outcomes, and the curves.

    Raises:
        TypeError: The frame is no DataFrame.
        ValueError: It is not of MLflow, or what `lrsweep.from_runs` refuses.

    Example:
        >>> frame = pd.DataFrame({"run_id": ["a", "b"], "status": ["FINISHED", "FINISHED"],
        ...     "params.lr": ["0.1", "0.01"], "params.epochs": ["3", "3"], "metrics.val_loss": [0.25, 0.5]})
        >>> lrsweep.export.from_mlflow(frame, "val_loss").table[["learning_rate", "status", "final_loss", "run_id"]]
               learning_rate    status  final_loss run_id
        trial
        0               0.10  finished        0.25      a
        1               0.01  finished        0.50      b
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputTypeError(f"the runs must be what mlflow.search_runs gives, not a {type(frame).__name__}")
    if "run_id" not in frame.columns:
        raise InputError("this is not what mlflow.search_runs gives: it has no column 'run_id'")
    holds_others = frame["run_id"].isin(frame.get(f"{_TAGS}mlflow.parentRunId", pd.Series(dtype=str)))
    frame = frame[~holds_others].reset_index(drop=True)
    columns: dict[str, Any] = {}
    for name in frame.columns:
        if name.startswith(_PARAMS):
            columns[name.removeprefix(_PARAMS)] = parse_words(frame[name])
    params = list(columns)
    for name in frame.columns:
        if name.startswith(_METRICS):
            bare = name.removeprefix(_METRICS)
            columns[name if bare in columns else bare] = _with_infinity(frame[name])
        elif name.startswith(f"{_TAGS}{_OURS}") and name != f"{_TAGS}{_OURS}kind":
            columns[name.removeprefix(f"{_TAGS}{_OURS}")] = frame[name]
    if "status" in frame.columns:
        columns["status"] = columns["status"].fillna(frame["status"]) if "status" in columns else frame["status"]
    read = pd.DataFrame(columns | {"run_id": frame["run_id"]})
    chosen = [name for name in params if read[name].nunique(dropna=False) > 1] if settings is None else settings
    asked = Columns(loss, metric, mode, learning_rate, seed, missing)
    return make_runs(read, asked, chosen, None if client is None else _histories(client, read["run_id"], asked))


def _histories(client: Any, ids: pd.Series, asked: Columns) -> dict[Any, pd.Series]:
    """Reads what was recorded of the loss or the metric that decides; of our own trials it is called `loss/value`."""
    key, histories = asked.recorded or "loss/value", {}
    for label, run in ids.items():
        points = {point.step: point.value for point in client.get_metric_history(run, key)}
        histories[label] = _with_infinity(pd.Series(points, dtype=float).sort_index())
    return histories


def _with_infinity(column: pd.Series) -> pd.Series:
    return column.mask(column.abs() >= _LARGEST, np.sign(column) * np.inf)
