"""from_runs(): runs of any program as a result table, from a table of their settings and of what came of them."""

import os
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lrsweep.inputs._arguments import as_names
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, listed, quote, unknown
from lrsweep.tables._columns import as_plain_numbers
from lrsweep.tables._csv import read_with_gaps
from lrsweep.tables._reading import check_file, read_bytes, read_parquet, read_rows
from lrsweep.tables._run_outcomes import MISSING, Outcome, join_outcomes, read_numbers, state_column
from lrsweep.tables._schema import (
    BEST_BY,
    BEST_MODE,
    BY_LOSS,
    INDEX,
    LEARNING_RATE,
    LOSS,
    MAX,
    MIN,
    RESULT_DTYPES,
    SEED,
    Criterion,
    at_best,
    check_names,
    criterion_of,
    final,
    sounds_greater,
)

# What columns of learning rates and of seeds are called in other programs, once in small letters with underscores.
_RATE_NAMES = (LEARNING_RATE, "lr", "learningrate", "step_size", "eta")
_SEED_NAMES = (SEED, "random_seed", "rng_seed", "manual_seed", "random_state")

# From so many runs on a column of words that all differ holds the names of the runs. Two or three may be optimizers.
_FEWEST_NAMED = 4

# The share of settings with one run alone from which on their columns are taken to be no settings.
_MOSTLY = 0.5


def from_runs(
    frame: pd.DataFrame,
    loss: str | None = None,
    *,
    metric: str | None = None,
    mode: str | None = None,
    learning_rate: str | None = None,
    seed: str | None = None,
    settings: str | Sequence[str] | None = None,
    missing: str | None = None,
) -> pd.DataFrame:
    """Makes a result table of the runs of any program, so that its statistics, pictures and reports speak of them.

    Args:
        frame: One row per run: its learning rate, its seed, its other settings, and what came of it. A column that is
            called like one of a result table is taken for that: `status`, `steps`, `initial_loss`, `best_loss`,
            `best_at`, `converged_at`, `diverged_at`, `rate`.
        loss: The column of the loss at the end, of which less is better, such as `val_loss`.
        metric: The column of a metric at the end, which then decides the best, with a loss beside it or without. Of
            its best value a column `<metric>_at_best` may tell.
        mode: Whether the least value of the metric is the best, `min`, or the greatest, `max`; None where its name
            tells that the greatest is, as that of an accuracy does.
        learning_rate: The column of the learning rates; None for the one that is called so, such as `lr` or
            `optimizer.lr`.
        seed: The column of the seeds; None for the one that is called so, such as `random_seed`. There need not be one:
            without it, intervals over seeds are missing.
        settings: The other columns that make a setting, such as `["optimizer", "width"]`; None for all that no other
            argument names. Columns that are left out stand behind the outcomes.
        missing: What to make of runs without an outcome: None refuses them, `drop` leaves them out, `diverged` counts
            those that have ended as diverged. They are those whose loss or metric is missing (a float column's NaN is
            not: it is a number that went wrong), and those whose `status` or `state` says that they failed or have not
            ended; the latter are left out in either case.

    Returns:
        A result table: a row per run, in order, with the settings first. A run has `diverged` where its loss, or the
        metric that decides, is not finite; `dropped` where it was pruned; `converged` where it has a `converged_at`;
        and else `finished`: nothing tells whether it was still improving. What the frame does not tell is NaN among
        losses, missing among counts of updates; the best loss is then the final one.

    Raises:
        TypeError: The frame is no DataFrame, a name is no text, or a setting holds lists or the like.
        ValueError: A column is not there or not what it is named for, there is no learning rate or no outcome, runs
            have no outcome and `missing` does not say what to make of them, or every run would be a setting of its own
            although the seeds differ.

    Example:
        >>> frame = pd.DataFrame({"lr": [0.1, 0.1, 3.0], "seed": [0, 1, 0], "val_loss": [0.25, 0.75, float("nan")]})
        >>> table = lrsweep.from_runs(frame, loss="val_loss")
        >>> table[["learning_rate", "seed", "status", "final_loss"]]
               learning_rate  seed    status  final_loss
        trial
        0                0.1     0  finished        0.25
        1                0.1     1  finished        0.75
        2                3.0     0  diverged         NaN
        >>> lrsweep.summarize(table)[["learning_rate", "trials", "diverged", "median_final_loss"]]
           learning_rate  trials  diverged  median_final_loss
        0            0.1       2       0.0                0.5
        1            3.0       1       1.0                inf
    """
    _check_frame(frame)
    asked = _resolve_outcome(frame, loss, metric, mode)
    if missing not in (None, *MISSING):
        raise InputError(f"missing={quote(missing)} must be None, 'drop' or 'diverged'")
    rate = _find(frame, LEARNING_RATE, learning_rate, _RATE_NAMES)
    if rate is None:
        named = f"name the column of learning rates, {LEARNING_RATE}=... (--learning-rate)"
        raise InputError(f"no column is called like a learning rate: {named}; there is: {listed(frame.columns)}")
    seeds = _find(frame, SEED, seed, _SEED_NAMES)
    names = {rate: LEARNING_RATE} | ({} if seeds is None else {seeds: SEED})
    outcomes = _outcomes_of(frame, asked)
    others = [name for name in frame.columns if name not in names and name not in outcomes]
    chosen = others if settings is None else _check_settings(settings, [*names, *others])
    own = frame[[name for name in frame.columns if name in names or name in chosen]].rename(columns=names)
    check_names(own.columns, [] if asked.criterion.name == LOSS else [asked.criterion.name])
    own[LEARNING_RATE] = read_numbers(own[LEARNING_RATE].rename(rate)).values
    plain = {name: as_plain_numbers(own[name]) for name in own.columns}
    own = own.assign(**{name: column for name, column in plain.items() if column is not None}).infer_objects()
    if settings is None:
        _check_names_of_runs(own, chosen)
        _check_repeats(own, chosen)
    return join_outcomes(own, frame[[name for name in frame.columns if name not in (*names, *chosen)]], asked, missing)


def read_runs(path: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Reads a table of runs that any program wrote, CSV or Parquet.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither, by its ending or its content, or two of its columns have one name.

    Example:
        >>> (folder / "runs.csv").write_text("lr,val_loss\n0.1,0.5\n3.0,nan\n")
        28
        >>> read_runs(folder / "runs.csv").columns.tolist()
        ['lr', 'val_loss']
    """
    path = check_file(path)
    if path.suffix.lower() == ".parquet":
        return read_parquet(path)
    content = read_bytes(path)
    (names,) = read_rows(path, content, 1)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"{quote(str(path))} has two columns {quote(min(twice))}")
    try:
        frame = read_with_gaps(content, names)
    except pd.errors.ParserError as error:
        raise InputError(f"{quote(str(path))} is not CSV: {first_line(error)}") from error
    return frame.set_index(INDEX) if INDEX in frame.columns else frame


def _check_frame(frame: Any) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputTypeError(f"the runs must be a pandas DataFrame, one row per run, not a {type(frame).__name__}")
    for name in frame.columns:
        if not isinstance(name, str):
            raise InputTypeError(f"column {quote(name)} of the runs is named by a {type(name).__name__}, not by text")
    if not frame.columns.is_unique:
        raise InputError(f"the runs have two columns {quote(frame.columns[frame.columns.duplicated()][0])}")
    if len(frame) == 0:
        raise InputError("there are no runs: the table has no rows")


def _resolve_outcome(frame: pd.DataFrame, loss: Any, metric: Any, mode: Any) -> Outcome:
    """Finds out what decides how good a run got."""
    for name in (loss, metric):
        if name is not None and (not isinstance(name, str) or name not in frame.columns):
            raise InputError(unknown("column", name, frame.columns))
    if mode not in (None, MIN, MAX):
        raise InputError(f"mode={quote(mode)} must be 'min' or 'max'")
    if metric is None:
        if mode == MAX:
            raise InputError(
                f"a loss is the better the less: name what mode='max' is of, metric={quote(loss or '...')}"
            )
        if loss is None and final(LOSS) not in frame.columns:
            numbers = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
            raise InputError(f"name the column of the loss, loss='...', or of a metric; there is: {listed(numbers)}")
        if loss is not None and sounds_greater(loss):
            raise InputError(f"{loss!r} is called like what is the better the greater: metric={loss!r} takes it so")
        criterion = criterion_of(frame) if loss is None else BY_LOSS
        loss = final(LOSS) if loss is None else loss
        return Outcome(loss, criterion, loss if criterion.name == LOSS else final(criterion.name))
    if mode is None and not sounds_greater(metric):
        raise InputError(
            f"the name {metric!r} does not tell whether its least or its greatest value is the best: say mode='min' or "
            "mode='max' (--mode)"
        )
    name = metric.removeprefix("final_")
    name = name if at_best(name) in frame.columns else metric
    if name == LOSS or metric == loss:
        raise InputError(f"{metric!r} is the loss, which decides where no metric is named")
    return Outcome(loss, Criterion(name, MAX if mode is None else mode), metric)


def _find(frame: pd.DataFrame, what: str, named: Any, names: Sequence[str]) -> str | None:
    """Finds the column of learning rates, or of seeds: the one that is named, or the one that is called so."""
    if named is not None:
        if not isinstance(named, str) or named not in frame.columns:
            raise InputError(unknown("column", named, frame.columns))
        return named
    if what in frame.columns:
        return what
    called = [name for name in frame.columns if _last_part(name) in names]
    if len(called) > 1:
        both = " and ".join(map(quote, called[:2]))
        raise InputError(
            f"{both} are both called like the {what}: name the one, {what}={called[0]!r} (--{what.replace('_', '-')})"
        )
    return called[0] if called else None


def _last_part(name: str) -> str:
    """Gives the last part of a name such as `optimizer.lr`, in small letters with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", re.split(r"[./:]", name)[-1].strip().lower())


def _outcomes_of(frame: pd.DataFrame, asked: Outcome) -> list[str]:
    """Lists the columns that tell what came of the runs, as far as their names tell."""
    known = {*RESULT_DTYPES, BEST_BY, BEST_MODE, asked.loss, asked.column, at_best(asked.criterion.name)}
    ends = [name.removeprefix("final_") for name in frame.columns if name.startswith("final_")]
    known |= {column(name) for name in ends if at_best(name) in frame.columns for column in (final, at_best)}
    state = state_column(frame)
    return [name for name in frame.columns if name in known or name == state]


def _check_settings(settings: Any, others: Sequence[str]) -> list[str]:
    names = as_names("settings", settings)
    for name in names:
        if name not in others:
            raise InputError("settings: " + unknown("column", name, others))
    return names


def _check_repeats(own: pd.DataFrame, chosen: Sequence[str]) -> None:
    """Refuses columns of outcomes among the settings, by which runs of other seeds would be settings of their own."""
    if SEED not in own.columns or own[SEED].nunique() < 2 or _share_alone(own, [LEARNING_RATE]) > _MOSTLY:
        return
    alone = [name for name in chosen if _share_alone(own, [LEARNING_RATE, name]) > _MOSTLY]
    if alone:
        rest = [name for name in chosen if name not in alone]
        raise InputError(
            f"by column {quote(alone[0])} most runs would be settings of their own, though they differ in their seeds: "
            + _name_settings(rest)
        )


def _check_names_of_runs(own: pd.DataFrame, chosen: Sequence[str]) -> None:
    """Refuses names of runs among the settings, by which no two learning rates would belong together."""
    named = [name for name in chosen if pd.api.types.is_string_dtype(own[name]) and own[name].is_unique]
    if len(own) >= _FEWEST_NAMED and named:
        raise InputError(
            f"column {quote(named[0])} holds other words for every run, as names of runs do, so that each would be a "
            f"setting of its own: {_name_settings([name for name in chosen if name not in named])}"
        )


def _name_settings(rest: list[str]) -> str:
    return f"name the columns that make a setting, settings={rest!r} (--settings {quote(','.join(rest))})"


def _share_alone(own: pd.DataFrame, names: list[str]) -> float:
    """Gives the share of the settings, made by some columns, that have one run alone."""
    return float((own.groupby(names, dropna=False).size() == 1).mean())
