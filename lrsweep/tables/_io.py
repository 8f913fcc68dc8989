"""The result table: its columns, their dtypes and order; CSV and Parquet in and out."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, quote
from lrsweep.problems._objective import LOSS
from lrsweep.tables._csv import read_written, write_csv
from lrsweep.tables._files import check_path, replace_files
from lrsweep.tables._notes import warn_of_change
from lrsweep.tables._reading import check_file, read_bytes, read_parquet, read_rows
from lrsweep.training._monitor import NEVER
from lrsweep.training._stopping import Status, gap

INDEX = "trial"

LEARNING_RATE = "learning_rate"

# Every column that a result has beside the caller's, in order, with its dtype.
RESULT_DTYPES: dict[str, Any] = {
    "status": pd.CategoricalDtype([status.label for status in Status]),
    "steps": np.dtype("int64"),
    "converged_at": pd.Int64Dtype(),
    "diverged_at": pd.Int64Dtype(),
    "initial_loss": np.dtype("float64"),
    "final_loss": np.dtype("float64"),
    "best_loss": np.dtype("float64"),
    "best_at": np.dtype("int64"),
    "rate": np.dtype("float64"),
}

# After those, where an objective has metrics: what decided the best update, and each metric at the end and there.
BEST_BY = "best_by"

ENDINGS = (".csv", ".parquet")


def final(metric: str) -> str:
    """The column of a metric at the end of a trial.

    Example:
        >>> final("accuracy")
        'final_accuracy'
    """
    return f"final_{metric}"


def at_best(metric: str) -> str:
    """The column of a metric at a trial's best update.

    Example:
        >>> at_best("accuracy")
        'accuracy_at_best'
    """
    return f"{metric}_at_best"


def metrics_of(table: pd.DataFrame) -> list[str]:
    """The metrics that a result table holds, by name.

    Example:
        >>> metrics_of(result.table)
        []
    """
    names = list(table.columns)
    after = names[names.index("rate") + 1 :]
    ends = [name.removeprefix("final_") for name in after if name.startswith("final_")]
    # The column at the best update of a metric called final_... begins so too.
    return [name for name in ends if at_best(name) in after]


def best_by_of(table: pd.DataFrame) -> str:
    """What decided the best updates of a result table: the loss, or a metric.

    Raises:
        ValueError: It differs from row to row.

    Example:
        >>> best_by_of(result.table)
        'loss'
    """
    decided = table[BEST_BY].unique().tolist() if BEST_BY in table.columns else [LOSS]
    if len(decided) > 1:
        raise InputError(f"what decides the best differs from row to row ({', '.join(decided)}): compare them apart")
    return decided[0] if decided else LOSS


def check_names(columns: Iterable[str], metrics: Iterable[str] = (), more: Iterable[str] = ()) -> None:
    """Refuses a trials table whose columns would collide with the result's.

    Raises:
        ValueError: A column is named like one of the result's own, or like the index.

    Example:
        >>> check_names(["learning_rate", "seed"])
    """
    ours = {*RESULT_DTYPES, INDEX, BEST_BY, *more, *(column(name) for name in metrics for column in (final, at_best))}
    for name in columns:
        if name in ours:
            raise InputError(
                f"column {quote(name)} of the trials is named like one of the result's own: rename or drop it"
            )


def result_table(
    trials: pd.DataFrame, outcome: dict[str, Any], minimum: float, *, metrics: Sequence[str] = (), best_by: str = LOSS
) -> pd.DataFrame:
    """The caller's trials and what became of each.

    Args:
        trials: The table that went in.
        outcome: The fields of an `Outcome`, ``[trial]`` arrays in its order. What the table has taken is taken out, so
            that memory need not hold both.
        minimum: The least value the loss can reach.
        metrics: The names of the outcome's metrics.
        best_by: What decided the best update.

    Returns:
        The same rows under the same index, called `trial`: the caller's columns, then those of `RESULT_DTYPES`, then,
        where there are metrics, `best_by` and two columns for each of them. `rate` is
        `(gap_steps / gap_0) ** (1 / steps)`, 0 where it ends at or below the minimum, and NaN where no update was
        made or the start is below it.
    """
    columns: dict[str, Any] = {"rate": _rate(outcome, minimum)}
    columns["status"] = pd.Categorical.from_codes(outcome.pop("status"), dtype=RESULT_DTYPES["status"])
    for name in ("converged_at", "diverged_at"):
        column = outcome.pop(name)
        columns[name] = pd.arrays.IntegerArray(column.astype(np.int64), column == NEVER)
        del column
    for name in RESULT_DTYPES.keys() - columns.keys():
        columns[name] = outcome.pop(name).astype(RESULT_DTYPES[name])
    # All of these arrays are new, so that the table may have them as they are.
    results = pd.DataFrame({name: columns[name] for name in RESULT_DTYPES}, index=trials.index, copy=False)
    if metrics:
        results[BEST_BY] = pd.Series(best_by, index=trials.index, dtype="str")
        for name, at_end, there in zip(metrics, outcome["final_metrics"], outcome["best_metrics"], strict=True):
            results[final(name)], results[at_best(name)] = at_end.astype(float), there.astype(float)
    return pd.concat([trials, results], axis=1).rename_axis(INDEX)


def _rate(outcome: dict[str, Any], minimum: float) -> np.ndarray:
    first, last = (gap(outcome[name], outcome[name].dtype.type(minimum)) for name in ("initial_loss", "final_loss"))
    with np.errstate(all="ignore"):
        rate = np.divide(np.maximum(last, 0), first, dtype=np.float64)
        rate **= 1 / outcome["steps"]
    rate[(outcome["steps"] == 0) | (first < 0)] = np.nan
    return rate


def settings_of(table: pd.DataFrame) -> list[str]:
    """The caller's columns of a result table: those before `status`.

    Raises:
        TypeError: It is no DataFrame.
        ValueError: It is not a result table; the message names the first column that it lacks. Or its learning rates
            are not numbers.
    """
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"the table must be a result table (see lrsweep.sweep), not a {type(table).__name__}")
    for name in RESULT_DTYPES:
        if name not in table.columns:
            raise InputError(f"this is not a result table of lrsweep: it has no column {name!r}")
    if LEARNING_RATE in table.columns:
        _check_rates(table[LEARNING_RATE])
    return list(table.columns[: table.columns.get_loc("status")])


def _check_rates(rates: pd.Series) -> None:
    if pd.api.types.is_any_real_numeric_dtype(rates.dtype):
        return
    for rate in rates.unique():
        if not pd.isna(rate) and (isinstance(rate, str | bool) or not pd.api.types.is_number(rate)):
            raise InputError(f"column {LEARNING_RATE!r} holds {quote(rate)}: it must hold numbers")


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes a result table, or a summary of one, as `.csv` or `.parquet`, by the ending of `path`.

    A file that exists is replaced only once the new one is complete. In CSV a missing value is an empty field, and
    a number that is not one is `nan`; floats are written so that they read back to the same bits. Text that would be
    taken for something else, such as `None` or the empty one, stands in quotes.

    Args:
        table: A result table, or a summary: the index is written where it has a name.
        path: Where to.

    Raises:
        TypeError: The table is no DataFrame, or the path none.
        ValueError: The ending is not known, or the folder does not exist.

    Example:
        >>> write_table(result.table, folder / "sweep.csv")
        >>> read_table(folder / "sweep.csv").equals(result.table)
        True
    """
    path = check_path(path, ENDINGS)
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"the table must be a DataFrame, not a {type(table).__name__}")
    replace_files({path: table_content(table, path.suffix)})


def table_content(table: pd.DataFrame, ending: str) -> bytes:
    """Gives a table as the content of a file.

    Args:
        table: See `write_table`.
        ending: The file's: `.csv` or `.parquet`.

    Example:
        >>> table_content(result.table, ".parquet")[:4]
        b'PAR1'
    """
    return table.to_parquet() if ending.lower() == ".parquet" else write_csv(table).encode()


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a result table back, equal to what `write_table` was given, dtypes and missing values included.

    In CSV the caller's own columns read back as pandas infers them: whole numbers as int64, others as float64; text as
    it was, words such as `None` and the empty text included. Warns where the `.json` beside it tells of another table
    by its name: it was cut at the end of a row, say.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The ending is not known, or the file does not hold a result table, or was cut within a row.
    """
    path = check_file(path)
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"cannot tell the format of {quote(str(path))} by its ending: use {' or '.join(ENDINGS)}")
    refused = f"{quote(str(path))} is not a result table of lrsweep"
    parquet = path.suffix.lower() == ".parquet"
    content = path.read_bytes() if parquet else read_bytes(path)
    table = read_parquet(path) if parquet else _read_csv(path, content, refused)
    if not table.columns.is_unique:
        raise InputError(f"{refused}: it has two columns {quote(table.columns[table.columns.duplicated()][0])}")
    try:
        settings_of(table)
    except InputError as error:
        raise InputError(f"{quote(str(path))}: {error}") from None
    statuses = RESULT_DTYPES["status"].categories
    for status in table["status"].unique():
        if status not in statuses:
            raise InputError(f"{quote(str(path))} holds the status {quote(status)}: there is {', '.join(statuses)}")
    columns = {name: table[name] for name in table.columns}
    for name, dtype in RESULT_DTYPES.items():
        try:
            with np.errstate(invalid="ignore"):  # pandas raises where a number does not fit
                columns[name] = table[name].astype(dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"{refused}: column {name!r}: {first_line(error)}") from error
    warn_of_change(path, content, len(table))
    return pd.DataFrame(columns, index=table.index, copy=False)


def _read_csv(path: Path, content: bytes, refused: str) -> pd.DataFrame:
    (names,) = read_rows(path, content, 1)
    if INDEX not in names:
        raise InputError(f"{refused}: it has no column {INDEX!r}")
    if _is_cut(content):
        raise InputError(
            f"{quote(str(path))} was cut within its last row: take that row out, or run what made it again"
        )
    try:
        table = read_written(content, names, RESULT_DTYPES)
    except pd.errors.ParserError as error:
        raise InputError(f"{refused}: {first_line(error)}") from error
    return table.set_index(INDEX)


def _is_cut(content: bytes) -> bool:
    """Whether a CSV file ends within a row: one that was written whole ends its line, and has a field per column."""
    last = content[content.rfind(b"\n", 0, -1) + 1 :]
    header = content[: content.find(b"\n")]
    # In quotes there may be commas; a file that ends within quotes is refused when it is read.
    return not content.endswith(b"\n") or (b'"' not in header + last and last.count(b",") < header.count(b","))
