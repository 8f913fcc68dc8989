"""Optuna: a result as a study, and a study as a result table."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.export._entries import Entry, answer_of, contents_of, entries_of, load_library, title_of
from lrsweep.export._runs import Columns, Runs, make_runs, table_of
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.statistics._bins import is_logarithmic, is_numeric
from lrsweep.tables._schema import MAX, SEED, Criterion, criterion_of, settings_of

# What a study has one value of, where nothing names it.
_VALUE = "value"


def to_optuna(result: Any, *, storage: Any = None, name: str | None = None, per_trial: bool = False) -> Any:
    """Writes a result as an Optuna study, which its dashboard opens and its samplers can go on with.

    A setting is a trial: its columns are the parameters, its value is the median over seeds of what decides the best at
    the end (infinitely bad where half or more diverged), its curve the intermediate values, and the statistics of
    `lrsweep.summarize` are user attributes. Of a curve at most 500 points are written.

    Args:
        result: A `Sweep`, a result table, or what an importer gives.
        storage: Where the study is kept, such as `sqlite:///study.db`, or a storage of Optuna; None for in memory.
        name: The study's name; None for the objective and the optimizer.
        per_trial: Whether each of the result's trials is one of the study, its seed a user attribute, instead of each
            setting.

    Returns:
        The `optuna.Study`.

    Raises:
        TypeError: The result is none.
        ValueError: Its table is empty, the storage has a study of that name, or Optuna is not installed.

    Example:
        >>> lrsweep.export.to_optuna(result).best_params
        {'learning_rate': 0.1}
    """
    contents = contents_of(result)
    optuna = load_library("optuna")
    table, name = contents.table, name or title_of(contents)
    criterion = criterion_of(table)
    distributions = _distributions(optuna, table)
    trials = []
    for entry in entries_of(contents, per_trial=per_trial):
        value = entry.numbers.get(criterion.columns[0] if per_trial else f"median_{criterion.columns[0]}", math.nan)
        if entry.words.get("status") == "diverged" or math.isnan(value):
            value = criterion.sign * math.inf
        params = {column: setting for column, setting in entry.settings.items() if column != SEED}
        trials.append(
            optuna.trial.create_trial(
                value=value,
                params=params,
                distributions={column: distributions[column] for column in params},
                user_attrs=_attributes(entry),
                intermediate_values=_intermediate(entry, criterion),
            )
        )
    direction = "maximize" if criterion.mode == MAX else "minimize"
    try:
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(f"the storage has a study {quote(name)} already: give another name, name='...'") from None
    with warnings.catch_warnings():
        # Names of values are called experimental, and are what the dashboard shows.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([criterion.columns[0]])
    study.set_user_attr("answer", answer_of(contents))
    study.add_trials(trials)
    return study


def _distributions(optuna: Any, table: pd.DataFrame) -> dict[str, Any]:
    """Gives the range of every setting: from its least value to its greatest, or its words."""
    ranges = {}
    for name in settings_of(table):
        values = table[name].dropna()
        if not is_numeric(values) or not np.isfinite(values.to_numpy(float)).all() or values.empty:
            ranges[name] = optuna.distributions.CategoricalDistribution(values.unique().tolist() or [None])
            continue
        low, high = values.min().item(), values.max().item()
        is_log = is_logarithmic(values.to_numpy(float)) and low > 0 and high > low
        whole = pd.api.types.is_integer_dtype(values.dtype)
        kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
        ranges[name] = kind(low, high, log=is_log)
    return ranges


def _attributes(entry: Entry) -> dict[str, Any]:
    """Gives what stands beside the value; JSON has no infinity and no NaN, which are words there."""
    numbers = {name: value if math.isfinite(value) else str(value) for name, value in entry.numbers.items()}
    seeds = {SEED: entry.settings[SEED]} if SEED in entry.settings else {}
    return seeds | entry.words | numbers


def _intermediate(entry: Entry, criterion: Criterion) -> dict[int, float]:
    curve = entry.curves.get(criterion.name)
    if curve is None:
        return {}
    values = curve["value" if "value" in curve.columns else "median"]
    return dict(zip(values.index.tolist(), values.tolist(), strict=True))


def from_optuna(
    study: Any,
    *,
    learning_rate: str | None = None,
    seed: str | None = None,
    settings: Sequence[str] | None = None,
    missing: str | None = None,
) -> Runs:
    """Makes a result table of an Optuna study: its value is the loss, or, where it is maximised, a metric.

    Pruned trials have the status `dropped`, and the last of their intermediate values. Optuna takes no NaN for a value:
    a trial that returned it has failed, which `missing="diverged"` counts as diverged.

    Args:
        study: The `optuna.Study`, of one objective.
        learning_rate: The parameter that is the learning rate; None for the one that is called so.
        seed: The parameter, or user attribute, that is the seed; None for the one that is called so, if any.
        settings: The other parameters that make a setting; None for all.
        missing: What to make of trials that failed or have not ended, see `lrsweep.from_runs`.

    Returns:
        The result table, under the numbers of Optuna's trials, with the user attributes behind the outcomes; and the
        curves, which are the intermediate values. Where there are some, `steps` is the last of theirs.

    Raises:
        TypeError: It is no study.
        ValueError: The study has several objectives or no trials, or what `lrsweep.from_runs` refuses.

    Example:
        >>> import optuna
        >>> study = optuna.create_study()
        >>> study.optimize(lambda trial: trial.suggest_float("lr", 0.01, 1, log=True) ** 2, n_trials=5)
        >>> table = lrsweep.export.from_optuna(study).table
        >>> lrsweep.best_learning_rate(table).learning_rate == study.best_params["lr"]
        True
    """
    if not hasattr(study, "trials") or not hasattr(study, "directions"):
        raise InputTypeError(f"the study must be an optuna.Study, not a {type(study).__name__}")
    if len(study.directions) > 1:
        raise InputError(f"the study has {len(study.directions)} objectives: a result table has one")
    if not study.trials:
        raise InputError("the study has no trials")
    name = (study.metric_names or [_VALUE])[0]
    is_max = study.directions[0].name == "MAXIMIZE"
    params = table_of([trial.params for trial in study.trials])
    attributes = table_of([trial.user_attrs for trial in study.trials])
    values = [_value_of(trial) for trial in study.trials]
    columns = {name: pd.Series(values, dtype=object), "status": [trial.state.name.lower() for trial in study.trials]}
    # Of trials that `to_optuna` wrote the attributes tell more: NaN, which no value can be, and how each ended.
    columns = {each: column for each, column in columns.items() if each not in attributes}
    frame = pd.concat([params, pd.DataFrame(columns), attributes], axis=1)
    frame.index = pd.Index([trial.number for trial in study.trials])
    asked = Columns(
        None if is_max else name, name if is_max else None, MAX if is_max else None, learning_rate, seed, missing
    )
    histories = {trial.number: _history(trial) for trial in study.trials}
    return make_runs(frame, asked, list(params.columns) if settings is None else settings, histories)


def _history(trial: Any) -> pd.Series:
    return pd.Series(trial.intermediate_values, dtype=float).sort_index()


def _value_of(trial: Any) -> float | None:
    """Gives what came of a trial: its value, or, where it was pruned, the last intermediate one."""
    if trial.value is not None or trial.state.name != "PRUNED":
        return trial.value
    return trial.intermediate_values[trial.last_step] if trial.intermediate_values else None
