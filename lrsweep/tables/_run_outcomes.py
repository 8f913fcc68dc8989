"""What came of runs of any program: how each ended and how good it got, as the columns of a result table."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural, quote, unknown
from lrsweep.tables._schema import (
    BEST_BY,
    BEST_MODE,
    CONVERGED_AT,
    INDEX,
    LOSS,
    RESULT_DTYPES,
    Criterion,
    Status,
    at_best,
    final,
)

# What other programs call the ways in which a run can end, beside our own words.
_NO_OUTCOME, _NOT_ENDED = "failed", "running"
_STATES = {status.label: status.label for status in Status} | {
    **dict.fromkeys(("complete", "completed", "success", "succeeded", "done"), Status.FINISHED.label),
    "pruned": Status.DROPPED.label,
    **dict.fromkeys(("failed", "fail", "failure", "crashed", "error"), _NO_OUTCOME),
    **dict.fromkeys(("running", "killed", "preempted", "preempting", "pending", "queued"), _NOT_ENDED),
    **dict.fromkeys(("scheduled", "waiting"), _NOT_ENDED),
}

# What to make of a run that has no outcome.
DROP, DIVERGED = "drop", "diverged"
MISSING = (DROP, DIVERGED)


class Outcome(NamedTuple):
    """What decides how good a run got.

    Attributes:
        loss: The column of the loss at the end; None where it is not known.
        criterion: What decides the best.
        column: The column of that at the end.
    """

    loss: str | None
    criterion: Criterion
    column: str


class Numbers(NamedTuple):
    """A column of numbers.

    Attributes:
        values: ``[run]`` float64, NaN where there is none.
        missing: ``[run]`` bool, where there is none; what went wrong, NaN, is not missing.
    """

    values: np.ndarray
    missing: np.ndarray


def read_numbers(column: pd.Series) -> Numbers:
    """Reads a column of numbers; words such as `NaN` and `Infinity`, and numbers in text, are numbers too.

    Raises:
        ValueError: It holds something else.

    Example:
        >>> read_numbers(pd.Series([0.5, float("nan")])).missing, read_numbers(pd.Series(["NaN", None])).missing
        (array([False, False]), array([False,  True]))
    """
    if pd.api.types.is_any_real_numeric_dtype(column.dtype):
        # NumPy's floats know NaN alone; those of pandas tell it from what is missing.
        missing = np.zeros(len(column), bool) if isinstance(column.dtype, np.dtype) else column.isna().to_numpy()
        return Numbers(column.to_numpy(float, na_value=np.nan), missing)
    values, missing = np.full(len(column), np.nan), np.zeros(len(column), bool)
    # Text of pandas has NaN where it is missing; among objects NaN is a number.
    nan_is_missing = column.dtype != object
    for at, value in enumerate(column.tolist()):
        missing[at] = value is None or value is pd.NA or value == "" or (nan_is_missing and pd.isna(value))
        try:
            values[at] = np.nan if missing[at] else float(str(value))
        except ValueError:
            where = f"column {quote(column.name)} holds {quote(value)} at row {quote(column.index[at])}"
            raise InputError(f"{where}: it must hold numbers") from None
    return Numbers(values, missing)


def _counts(outcomes: pd.DataFrame, name: str) -> pd.Series:
    """Reads a column of counts of updates; int64 where none is missing."""
    if name not in outcomes.columns:
        return pd.Series(pd.NA, outcomes.index, dtype="Int64")
    values = read_numbers(outcomes[name]).values
    is_known = ~np.isnan(values)
    if (values[is_known] % 1 != 0).any() or (values[is_known] < 0).any():
        raise InputError(f"column {name!r} must hold counts of updates: whole numbers, 0 or more")
    counts = pd.arrays.IntegerArray(np.where(is_known, values, 0).astype(np.int64), ~is_known)
    return pd.Series(counts, outcomes.index)


def state_column(frame: pd.DataFrame) -> str | None:
    """Names the column that tells how runs ended: `status`, or a `state` all of whose words are known."""
    for name in frame.columns:
        if name == "status" or (name.lower() in ("status", "state") and set(_words(frame[name])) <= {None, *_STATES}):
            return name
    return None


def _words(column: pd.Series) -> list[str | None]:
    return [None if pd.isna(word) else str(word).strip().lower() for word in column]


def _states_of(outcomes: pd.DataFrame) -> np.ndarray:
    """Gives how each run ended: a status, `failed` or `running`; `finished` where nothing tells."""
    name = state_column(outcomes)
    if name is None:
        return np.full(len(outcomes), Status.FINISHED.label, object)
    for word in set(_words(outcomes[name])) - {None, *_STATES}:
        raise InputError(f"column {name!r}: " + unknown("status", word, _STATES))
    return np.array([_STATES.get(word or "finished") for word in _words(outcomes[name])], object)


def join_outcomes(own: pd.DataFrame, outcomes: pd.DataFrame, asked: Outcome, missing: str | None) -> pd.DataFrame:
    """Puts what came of the runs beside their settings, and leaves out those without an outcome if it is to."""
    at_end = read_numbers(outcomes[asked.column])
    losses = Numbers(np.full(len(own), np.nan), np.ones(len(own), bool))
    if asked.loss is not None:
        losses = read_numbers(outcomes[asked.loss])
    states = _states_of(outcomes)
    not_ended = states == _NOT_ENDED
    without = (at_end.missing & (states != DIVERGED)) | (states == _NO_OUTCOME) | not_ended
    if missing is None and without.any():
        _refuse(without, states, asked.column)
    kept = ~(without if missing == DROP else not_ended)
    if not kept.any():
        raise InputError(
            f"no run has an outcome: all {plural(len(own), 'run')} failed, have not ended, or lack a number"
        )
    is_open = np.isin(states, [Status.FINISHED.label, Status.DROPPED.label])
    went_wrong = (~np.isfinite(at_end.values) & ~at_end.missing) | (~np.isfinite(losses.values) & ~losses.missing)
    states[without | (is_open & went_wrong)] = DIVERGED
    converged_at = _counts(outcomes, CONVERGED_AT)
    states[(states == Status.FINISHED.label) & converged_at.notna().to_numpy()] = Status.CONVERGED.label
    columns = _results(outcomes, states, losses.values) | {CONVERGED_AT: converged_at}
    _check_censored(columns)
    results = pd.DataFrame({name: columns[name] for name in RESULT_DTYPES}, index=own.index)
    results = results.join(_metrics(outcomes, asked, at_end.values))
    used = {*results.columns, asked.loss, asked.column, state_column(outcomes)}
    rest = outcomes[[name for name in outcomes.columns if name not in used]]
    table = pd.concat([own, results, rest], axis=1)[kept]
    if not table.index.is_unique or table.index.nlevels > 1:
        table = table.reset_index(drop=True)
    return _narrow(table.rename_axis(INDEX))


def _refuse(without: np.ndarray, states: np.ndarray, column: str) -> None:
    failed, not_ended = int((states == _NO_OUTCOME).sum()), int((states == _NOT_ENDED).sum())
    counts = {
        "failed": failed,
        "have not ended": not_ended,
        f"have no {column}": int(without.sum()) - failed - not_ended,
    }
    each = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    raise InputError(
        f"{without.sum():,} of {plural(len(without), 'run')} came to no outcome ({each}): missing='drop' leaves them "
        "out, missing='diverged' counts those that have ended as diverged (--missing)"
    )


def _results(outcomes: pd.DataFrame, states: np.ndarray, losses: np.ndarray) -> dict[str, Any]:
    """Gives the columns of a result table but `converged_at`, as far as they are known."""
    steps, best_at = _counts(outcomes, "steps"), _counts(outcomes, "best_at")
    known = {
        name: read_numbers(outcomes[name]).values if name in outcomes.columns else np.full(len(outcomes), np.nan)
        for name in ("initial_loss", "best_loss", "rate")
    }
    # Of a run of which only the end is known, that is the best that is known.
    only_end = np.isnan(known["best_loss"])
    return {
        "status": pd.Categorical(states, dtype=RESULT_DTYPES["status"]),
        "steps": steps,
        "diverged_at": _counts(outcomes, "diverged_at"),
        "initial_loss": known["initial_loss"],
        "final_loss": losses,
        "best_loss": np.where(only_end, losses, known["best_loss"]),
        "best_at": best_at.mask(pd.Series(only_end, best_at.index) & best_at.isna(), steps),
        "rate": known["rate"],
    }


def _check_censored(columns: dict[str, Any]) -> None:
    """Refuses times of convergence without the steps of the others, which tell until when those had not converged."""
    is_open = ~np.isin(columns["status"], [Status.CONVERGED.label, DIVERGED])
    if columns[CONVERGED_AT].notna().any() and columns["steps"].isna().to_numpy()[is_open].any():
        raise InputError(
            f"beside {CONVERGED_AT!r} a column 'steps' must say how long the runs were that did not converge"
        )


def _metrics(outcomes: pd.DataFrame, asked: Outcome, at_end: np.ndarray) -> pd.DataFrame:
    """Gives the columns of metrics: of the one that decides, and of those that the outcomes have both columns of."""
    name, columns = asked.criterion.name, {}
    ends = [each.removeprefix("final_") for each in outcomes.columns if each.startswith("final_")]
    pairs = [each for each in ends if at_best(each) in outcomes.columns]
    if name != LOSS or pairs:
        columns |= {BEST_BY: pd.Series(name, outcomes.index, dtype="str")}
        columns |= {BEST_MODE: pd.Series(asked.criterion.mode, outcomes.index, dtype="str")}
    if name != LOSS and name not in pairs:
        best = read_numbers(outcomes[at_best(name)]).values if at_best(name) in outcomes.columns else at_end
        columns |= {final(name): at_end, at_best(name): np.where(np.isnan(best), at_end, best)}
    for each in pairs:
        columns |= {column(each): read_numbers(outcomes[column(each)]).values for column in (final, at_best)}
    return pd.DataFrame(columns, index=outcomes.index)


def _narrow(table: pd.DataFrame) -> pd.DataFrame:
    """Gives counts that every run has the dtype that they have in the tables of sweeps."""
    whole = [name for name in ("steps", "best_at") if table[name].notna().all()]
    return table.astype({name: RESULT_DTYPES[name] for name in whole})
