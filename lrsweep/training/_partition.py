"""A trials table cut into groups of rows that one compiled program runs."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import as_names
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import LONGEST_QUOTE, quote, shorten, unknown
from lrsweep.tables._columns import holds_words, read_numbers, read_words
from lrsweep.tables._schema import OPTIMIZER, SEED
from lrsweep.training._binding import Binding


class Static(NamedTuple):
    """A keyword whose value a program is compiled for. Its type tells 1 from True and from 1.0, which are equal."""

    name: str
    value: Any
    type: type


class Group(NamedTuple):
    """Rows that one program runs.

    Attributes:
        rows: ``[row] int64``, their places in the trials table, ascending; a range where they are all of its rows.
        optimizer: The name of their optimizer, or None where there is but one, without a name.
        binding: Who takes which of their columns.
        static: What the program is compiled for.
        values: Their other columns that someone takes, ``[row]`` each, float or int32.
        seeds: ``[row] uint32``, 0 where the table has no such column.
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


def check_static(static: Iterable[str], trials: pd.DataFrame) -> list[str]:
    """Lists the columns that `static` names.

    Raises:
        TypeError: These are no names.
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
    """Cuts a table into groups, in the order of their first rows.

    Rows of one group have their optimizer, and the values of all columns of text, booleans, or named in `static`, in
    common. Where optimizers are given by name, a column that is missing in all of one's rows is left at its default.

    Args:
        trials: A table that `check_trials` has passed.
        bindings: Who takes what, by the name of the optimizer; None where there is but one.
        static: Columns of numbers that must be known while a program is compiled.

    Raises:
        TypeError: A column holds something other than numbers, text or booleans.
        ValueError: A value is missing or out of range, or a row has a value that its optimizer does not take.

    Example:
        >>> trials = pd.DataFrame({"width": [8, 16, 8], "learning_rate": [0.1, 0.1, 0.2]})
        >>> binding = Binding(optimizer=("learning_rate",), init=("width",))
        >>> [(group.rows.tolist(), group.static[0].value) for group in partition(trials, {None: binding}, ["width"])]
        [([0, 2], 8), ([1], 16)]
    """
    fixed = [name for name in trials.columns if name in static or holds_words(trials[name])]
    floating = jax.dtypes.canonicalize_dtype(float)
    groups = []
    for optimizer, binding in bindings.items():
        if optimizer is None:
            rows, part = range(len(trials)), trials
        else:
            rows = np.flatnonzero((trials[OPTIMIZER] == optimizer).to_numpy(bool))
            part = trials.iloc[rows]
        if optimizer is not None:
            binding = binding.without([name for name in binding.optional if part[name].isna().all()])
        for name in trials.columns:
            if name not in binding.taken and name not in (SEED, OPTIMIZER):
                _check_absent(part[name], optimizer)
        values, words = {}, {}
        for name in trials.columns:
            if name not in binding.taken and name != SEED:
                continue
            if name in fixed:
                words[name] = _read_fixed(part[name], floating)
            else:
                values[name] = read_numbers(part[name], floating)
        seeds = values.get(SEED, np.zeros(len(rows), np.uint32))
        taken = {name: column for name, column in values.items() if name in binding.taken}
        for static_values, members in _members(words):
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


def _members(
    words: dict[str, tuple[np.ndarray, list[Any]]],
) -> list[tuple[tuple[Static, ...], np.ndarray | slice]]:
    if not words:
        return [((), slice(None))]
    codes = pd.DataFrame({name: codes for name, (codes, _) in words.items()})
    found = []
    for _, members in codes.groupby(list(words), sort=False).indices.items():
        first = members[0]
        held = {name: values[codes[first]] for name, (codes, values) in words.items()}
        found.append(
            (tuple(Static(name, value, type(value)) for name, value in held.items()), np.sort(members, kind="stable"))
        )
    return found


def _read_fixed(column: pd.Series, floating: Any) -> tuple[np.ndarray, list[Any]]:
    if holds_words(column):
        return read_words(column)
    read_numbers(column, floating)
    codes, values = pd.factorize(column)
    return codes, values.tolist()


def _check_absent(column: pd.Series, optimizer: Any) -> None:
    there = column.notna().to_numpy()
    if there.any():
        row = int(np.argmax(there))
        raise InputError(
            f"column {quote(column.name)} of the trials holds {shorten(str(column.iloc[row]), LONGEST_QUOTE)} at row "
            f"{quote(column.index[row])}, but {optimizer} does not take it: leave it missing there"
        )
