"""Which column of a trials table goes to whom: the optimizer's factory, the objective's init, or the key."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.messages import unknown
from lrsweep.objective import Objective
from lrsweep.optimizers import Factory, label

SEED = "seed"


class Binding(NamedTuple):
    """The columns that go to the optimizer's factory, and those that go to the objective's init, as keywords."""

    optimizer: tuple[str, ...]
    init: tuple[str, ...]


class Columns(NamedTuple):
    """The values of a trials table as arrays: `values` by column, each ``[trial]`` float64 or int32, and the seeds.

    `seeds` is ``[trial] uint32``, 0 where the table has no such column.
    """

    values: dict[str, np.ndarray]
    seeds: np.ndarray


class _Takes(NamedTuple):
    names: list[str]
    required: list[str]
    anything: bool


def bind(columns: Iterable[str], objective: Objective, optimizer: Factory) -> Binding:
    """Says which column goes to whom; a column that several take goes to each of them.

    Args:
        columns: The names of the trials table's columns.
        objective: Its `init` takes the columns named like its keywords.
        optimizer: The factory takes the columns named like its own, and with `**keywords` those that nobody else
            takes.

    Raises:
        TypeError: The optimizer cannot be called, or `init` has no place for the key.
        ValueError: Nobody takes a column, or a keyword without a default has none.

    Example:
        >>> import optax
        >>> from lrsweep.problems import line
        >>> bind(["learning_rate", "w0", "seed"], line(), optax.sgd)
        Binding(optimizer=('learning_rate',), init=('w0', 'seed'))
    """
    names = list(columns)
    if hasattr(optimizer, "update") and hasattr(optimizer, "init"):
        raise TypeError("the optimizer is already built: pass its factory, optax.sgd rather than optax.sgd(0.1)")
    if not callable(optimizer):
        raise TypeError(f"the optimizer must be a factory such as optax.sgd, not {optimizer!r}")
    factory = _takes(optimizer, skip=0)
    start = _takes(objective.init, skip=1) if objective.draws_start else _Takes([], [], False)
    for name in names:
        if name != SEED and name not in factory.names + start.names and not (factory.anything or start.anything):
            known = dict.fromkeys([*factory.names, *start.names, SEED])
            raise ValueError(
                f"nobody takes column {name!r} ({label(optimizer)} and {objective.name}): "
                + unknown("keyword", name, known)
            )
    for owner, takes in ((f"optimizer {label(optimizer)}", factory), (f"init of objective {objective.name!r}", start)):
        for name in takes.required:
            if name not in names:
                raise ValueError(f"the {owner} needs {name!r}: add a column of that name to the trials")
    free = [name for name in names if name != SEED and name not in factory.names + start.names]
    return Binding(
        optimizer=tuple(name for name in names if name in factory.names or (factory.anything and name in free)),
        init=tuple(name for name in names if name in start.names or (start.anything and name in free)),
    )


def read_columns(trials: pd.DataFrame) -> Columns:
    """Checks a trials table, and turns its columns into arrays.

    Args:
        trials: One row per trial; columns of numbers, `seed` of whole numbers from 0 to 2**32 - 1.

    Raises:
        TypeError: It is not a DataFrame, or a column holds something other than numbers.
        ValueError: It has no rows, repeats a column or an index label, or holds a value that is missing, infinite,
            a negative learning rate, or an integer out of range.

    Example:
        >>> read_columns(pd.DataFrame({"learning_rate": [0.1], "seed": [7]})).seeds
        array([7], dtype=uint32)
    """
    if not isinstance(trials, pd.DataFrame):
        raise TypeError(f"the trials must be a pandas DataFrame (see lrsweep.grid), not a {type(trials).__name__}")
    for name in trials.columns:
        if not isinstance(name, str):
            raise TypeError(f"column {name!r} of the trials is named by a {type(name).__name__}: names must be text")
    if not trials.columns.is_unique:
        twice = trials.columns[trials.columns.duplicated()][0]
        raise ValueError(f"the trials have two columns {twice!r}: names must differ")
    if trials.index.nlevels > 1 or not trials.index.is_unique:
        raise ValueError("the trials' index must name each row once: use trials.reset_index(drop=True)")
    if len(trials) == 0:
        raise ValueError("the trials table is empty: it needs at least one row")
    values = {name: _read_column(trials[name]) for name in trials.columns}
    seeds = values.get(SEED, np.zeros(len(trials), np.int64))
    return Columns(values | ({SEED: seeds.astype(np.uint32)} if SEED in values else {}), seeds.astype(np.uint32))


def _read_column(column: pd.Series) -> np.ndarray:
    name = column.name
    if not pd.api.types.is_any_real_numeric_dtype(column.dtype):
        wrong = next(
            (value for value in column if isinstance(value, bool | np.bool_) or not _is_number(value)), column.iloc[0]
        )
        raise TypeError(f"column {name!r} of the trials holds {wrong!r}: it must hold numbers")
    whole = pd.api.types.is_integer_dtype(column.dtype) and not str(name).endswith("learning_rate")
    numbers = column.to_numpy(dtype=float, na_value=np.nan)
    wanted = "a finite number"
    bad = ~np.isfinite(numbers)
    if name == SEED:
        wanted, whole = "a whole number from 0 to 4294967295", True
        bad |= (numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= 2**32)
    elif whole:
        wanted = "a whole number that fits 32 bits"
        bad |= abs(numbers) >= 2**31
    elif str(name).endswith("learning_rate"):
        wanted = "a finite number, 0 or more"
        bad |= numbers < 0
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"column {name!r} of the trials holds {column.iloc[row]} at row {column.index[row]!r}: it must be {wanted}"
        )
    if name == SEED:
        return numbers.astype(np.int64)
    return numbers.astype(np.int32) if whole else numbers


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _takes(function: Callable[..., Any], *, skip: int) -> _Takes:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        raise TypeError(f"{function!r} does not say which keywords it takes: wrap it in a function that does") from None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < skip and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TypeError(f"{label(function)} must take the key first: init(key, **columns)")
    skipped = {p.name for p in positional[:skip]}
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in skipped]
    return _Takes(
        names=[p.name for p in named],
        required=[p.name for p in named if p.default is p.empty],
        anything=any(p.kind is p.VAR_KEYWORD for p in parameters),
    )
