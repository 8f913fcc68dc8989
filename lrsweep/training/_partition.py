"""The partition of a trials table into groups, the rows of each of which one compiled program runs."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import as_names
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import LONGEST_QUOTE, quote, shorten, unknown
from lrsweep.tables._columns import holds_words, read_numbers, read_words
from lrsweep.tables._lazy import LazyTrials
from lrsweep.tables._schema import OPTIMIZER, SEED
from lrsweep.training._binding import Binding


class Static(NamedTuple):
    """A keyword whose value a program is compiled for. Its type tells apart 1, True and 1.0, which are equal."""

    name: str
    value: Any
    type: type


class Group(NamedTuple):
    """The rows of a trials table that one compiled program runs.

    Attributes:
        rows: ``[row] int64``, their positions in the trials table, ascending; a range where they are all of its rows.
        optimizer: The name of their optimizer, or None where there is only one, without a name.
        binding: The columns that each function takes.
        static: The keywords whose values the program is compiled for.
        values: The other columns that some function takes, ``[row]`` each, float or int32.
        seeds: ``[row] uint32``, the seeds; 0 where the table has no column of them.
    """

    rows: np.ndarray | range
    optimizer: Any
    binding: Binding
    static: tuple[Static, ...]
    values: dict[str, np.ndarray]
    seeds: np.ndarray


def optimizers_of(trials: pd.DataFrame, optimizers: Mapping[str, Any]) -> list[Any]:
    """Lists the names in the column `optimizer`, in the order they first appear.

    Raises:
        ValueError: There is no such column, or it names an optimizer that is not given.

    Example:
        >>> optimizers_of(pd.DataFrame({"optimizer": ["adam", "sgd", "adam"]}), {"sgd": 1, "adam": 2})
        ['adam', 'sgd']
    """
    if OPTIMIZER not in trials.columns:
        raise InputError(f"optimizers given by name need a column {OPTIMIZER!r} in the trials, to name each row's")
    column = trials[OPTIMIZER]
    if column.isna().any():
        read_words(column)
    names = column.unique().tolist()
    for name in names:
        if name not in optimizers:
            raise InputError(f"column {OPTIMIZER!r} of the trials: " + unknown("optimizer", name, optimizers))
    return names


def check_static(static: Iterable[str], trials: pd.DataFrame | LazyTrials) -> list[str]:
    """Lists the columns that `static` names.

    Raises:
        TypeError: `static` holds something other than names.
        ValueError: The trials have no such column, or it is `seed`.
    """
    names = as_names("static", static)
    for name in names:
        if name not in trials.columns:
            raise InputError("static: " + unknown("column", name, trials.columns))
        if name == SEED:
            raise InputError(f"static: the column {SEED!r} becomes the key, which no program is compiled for")
    return names


def partition(trials: pd.DataFrame, bindings: Mapping[Any, Binding], static: Collection[str]) -> list[Group]:
    """Divides a table into groups, in the order of their first rows.

    The rows of a group share their optimizer, and their values in every column that holds text or booleans or is named
    in `static`. Where optimizers are given by name, a column that is missing in all rows of an optimizer is left at its
    default there.

    Args:
        trials: A table that `check_trials` has passed.
        bindings: The columns that each function takes, by the name of the optimizer, which is None where there is only
            one.
        static: The columns of numbers whose values must be known while a program is compiled.

    Raises:
        TypeError: A column holds something other than numbers, text or booleans.
        ValueError: A value is missing or out of range, or a row has a value that its optimizer does not take.

    Example:
        >>> trials = pd.DataFrame({"width": [8, 16, 8], "learning_rate": [0.1, 0.1, 0.2]})
        >>> binding = Binding(optimizer=("learning_rate",), init=("width",))
        >>> [(group.rows.tolist(), group.static[0].value) for group in partition(trials, {None: binding}, ["width"])]
        [([0, 2], 8), ([1], 16)]
    """
    compiled_for = [name for name in trials.columns if name in static or holds_words(trials[name])]
    floating = jax.dtypes.canonicalize_dtype(float)
    groups = []
    for optimizer, binding in bindings.items():
        if optimizer is None:
            rows, part = range(len(trials)), trials
        else:
            rows = np.flatnonzero((trials[OPTIMIZER] == optimizer).to_numpy(bool))
            if len(rows) == 0:
                continue
            part = trials.iloc[rows]
            binding = binding.without([name for name in binding.optional if part[name].isna().all()])
        for name in trials.columns:
            if name not in binding.taken and name not in (SEED, OPTIMIZER):
                _check_absent(part[name], optimizer)
        values, factorized = {}, {}
        for name in trials.columns:
            if name not in binding.taken and name != SEED:
                continue
            if name in compiled_for:
                factorized[name] = _factorize(part[name], floating)
            else:
                values[name] = read_numbers(part[name], floating)
        seeds = values.get(SEED, np.zeros(len(rows), np.uint32))
        taken = {name: column for name, column in values.items() if name in binding.taken}
        for static_values, members in _split_by_value(factorized):
            groups.append(
                Group(
                    rows[members] if isinstance(members, slice) else np.asarray(rows)[members],
                    optimizer,
                    binding,
                    static_values,
                    {name: column[members] for name, column in taken.items()},
                    seeds[members],
                )
            )
    return sorted(groups, key=lambda group: group.rows[0])


def _split_by_value(
    factorized: dict[str, tuple[np.ndarray, list[Any]]],
) -> list[tuple[tuple[Static, ...], np.ndarray | slice]]:
    """Splits rows by their values in some columns; gives each combination of values, and the positions of its rows."""
    if not factorized:
        return [((), slice(None))]
    codes = pd.DataFrame({name: codes for name, (codes, _) in factorized.items()})
    split = []
    for _, members in codes.groupby(list(factorized), sort=False).indices.items():
        common = {name: values[codes[members[0]]] for name, (codes, values) in factorized.items()}
        static = tuple(Static(name, value, type(value)) for name, value in common.items())
        split.append((static, np.sort(members, kind="stable")))
    return split


def _factorize(column: pd.Series, floating: Any) -> tuple[np.ndarray, list[Any]]:
    """Gives the distinct values of a column, and the index of each row's among them, first."""
    if holds_words(column):
        return read_words(column)
    read_numbers(column, floating)
    codes, values = pd.factorize(column)
    return codes, values.tolist()


def _check_absent(column: pd.Series, optimizer: Any) -> None:
    """Refuses a column that holds something in the rows of an optimizer that does not take it."""
    is_present = column.notna().to_numpy()
    if is_present.any():
        row = int(np.argmax(is_present))
        raise InputError(
            f"column {quote(column.name)} of the trials holds {shorten(str(column.iloc[row]), LONGEST_QUOTE)} at row "
            f"{quote(column.index[row])}, but {optimizer} does not take it: leave it missing there"
        )
