"""The trials of two tables in pairs: the same setting and the same seed in both."""

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import LONGEST_QUOTE, joined, listed, plural, quote, shorten
from lrsweep.statistics._settings import group_trials
from lrsweep.tables._schema import SEED, settings_of
from lrsweep.tables._text import write

# Of so many values without a partner all are named.
_FEW = 5


class Pairs(NamedTuple):
    """Two tables' trials in pairs: row by row the same setting and the same seed.

    Attributes:
        a: Rows of the first table.
        b: Rows of the second, each the partner of that in the same place.
        settings: The columns that make a setting, one row per setting.
        setting: ``[pair]`` int, the row of each pair's setting.
        told: What was paired, and what could not be, in a sentence.
    """

    a: pd.DataFrame
    b: pd.DataFrame
    settings: pd.DataFrame
    setting: np.ndarray
    told: str


def pair_trials(a: pd.DataFrame, b: pd.DataFrame) -> Pairs:
    """Pairs the trials of two tables by all columns of the caller's that both have.

    A column that holds one value throughout A, and another one throughout B, or none, is what tells the two apart:
    trials are not paired by it.

    Raises:
        ValueError: One of them is no result table or has no rows, a column varies that the other table lacks, several
            trials would have one partner, or no trial has any.

    Example:
        >>> other = result.table.iloc[1:]
        >>> other.insert(1, "momentum", 0.9)
        >>> pairs = pair_trials(result.table, other)
        >>> pairs.a["learning_rate"].tolist(), pairs.b["learning_rate"].tolist()
        ([0.01, 0.001], [0.01, 0.001])
        >>> pairs.told
        'Paired by learning_rate: 2 pairs of 2 settings (momentum is 0.9 in B, and A has none); without a partner:
        learning_rate 0.1 of A.'
    """
    own = {"A": settings_of(a), "B": settings_of(b)}
    tables = {"A": a, "B": b}
    for name, table in tables.items():
        if len(table) == 0:
            raise InputError(f"{name} holds no trials: there is nothing to compare")
    apart = [*_only_in_one(tables, own), *_constant_apart(tables, own)]
    by = [name for name in own["A"] if name in own["B"] and name not in {column for column, _ in apart}]
    codes = {name: _codes_of(a[name], b[name]) for name in by}
    keys_a = pd.DataFrame({name: of_a for name, (of_a, _) in codes.items()}, index=range(len(a)))
    keys_b = pd.DataFrame({name: of_b for name, (_, of_b) in codes.items()}, index=range(len(b)))
    for name, table, keys in (("A", a, keys_a), ("B", b, keys_b)):
        _check_distinct(name, table, keys)
    places_a, places_b = _places(keys_a, keys_b)
    if len(places_a) == 0:
        raise InputError(f"no trial of A has a partner in B: {_why_none(a, b, keys_a, keys_b)}")
    paired_a, paired_b = a.iloc[places_a].reset_index(drop=True), b.iloc[places_b].reset_index(drop=True)
    names = [name for name in by if name != SEED]
    settings, setting = group_trials(paired_a, names)
    how = f"Paired by {joined(by)}" if by else "Paired"
    told = f"{how}: {plural(len(paired_a), 'pair')} of {plural(len(settings), 'setting')}"
    told += f" ({'; '.join(sentence for _, sentence in apart)})" if apart else ""
    left = [*_left_out("A", a, keys_a, keys_b, names), *_left_out("B", b, keys_b, keys_a, names)]
    told += f"; without a partner: {', '.join(left)}" if left else ""
    return Pairs(paired_a, paired_b, settings, setting, f"{told}.")


def _only_in_one(tables: dict[str, pd.DataFrame], own: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Gives the columns that one table alone has, and what to say of each."""
    found = []
    for here, there in (("A", "B"), ("B", "A")):
        for name in own[here]:
            if name in own[there]:
                continue
            values = tables[here][name].unique()
            if len(values) > 1:
                raise InputError(
                    f"column {name!r} takes {len(values):,} values in {here}, and {there} has no such column: choose "
                    f"the rows of one value, or give {there} that column"
                )
            found.append((name, f"{name} is {_shown(values[0])} in {here}, and {there} has none"))
    return found


def _constant_apart(tables: dict[str, pd.DataFrame], own: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Gives the columns that hold one value in each table, and not the same, and what to say of each."""
    found = []
    for name in own["A"]:
        if name not in own["B"] or name == SEED:
            continue
        of_a, of_b = (tables[table][name].unique() for table in ("A", "B"))
        if len(of_a) == len(of_b) == 1 and not _is_same(of_a[0], of_b[0]):
            found.append((name, f"{name} is {' and '.join(_tell_apart(of_a[0], of_b[0]))}"))
    return found


def _tell_apart(a: Any, b: Any) -> tuple[str, str]:
    """Writes two values that differ, with as many digits as that takes to see."""
    of_a, of_b = (_shown(value) for value in (a, b))
    if of_a == of_b:
        of_a, of_b = quote(a), quote(b)
    return f"{of_a} in A", f"{of_b} in B"


def _shown(value: Any) -> str:
    return shorten(write(value), LONGEST_QUOTE)


def _is_same(a: Any, b: Any) -> bool:
    return bool(a == b) if pd.notna(a) and pd.notna(b) else pd.isna(a) and pd.isna(b)


def _codes_of(a: pd.Series, b: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the values of a column of both tables: the same number is the same value, a missing one is -1."""
    columns = [a, b]
    # Words and numbers, or words of different categories, have no dtype in common.
    if not all(pd.api.types.is_numeric_dtype(column) for column in columns):
        columns = [column.astype(object) for column in columns]
    codes, _ = pd.factorize(pd.concat(columns, ignore_index=True))
    return codes[: len(a)], codes[len(a) :]


def _check_distinct(table: str, rows: pd.DataFrame, keys: pd.DataFrame) -> None:
    """Refuses two trials that would have the same partner."""
    again = keys.duplicated().to_numpy() if len(keys.columns) else np.arange(len(keys)) > 0
    if not again.any():
        return
    row = rows.iloc[int(again.argmax())]
    which = " and ".join(f"{name} {write(row[name])}" for name in keys.columns) or "the same setting"
    missing = "" if SEED in keys.columns else f", and the two tables have no column {SEED!r} in common"
    raise InputError(f"{table} has several trials of {which}{missing}: which of them to pair cannot be told")


def _places(a: pd.DataFrame, b: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Gives the places of the rows that both have, in the order of the first: ``[pair]`` int, of each table."""
    if not len(a.columns):
        return np.zeros(1, int), np.zeros(1, int)
    names = list(a.columns)
    numbered = (keys.set_axis(range(len(names)), axis=1) for keys in (a, b))
    first, second = (keys.assign(place=np.arange(len(keys))) for keys in numbered)
    both = first.merge(second, on=list(range(len(names))), suffixes=("_a", "_b"))
    return both["place_a"].to_numpy(), both["place_b"].to_numpy()


def _why_none(a: pd.DataFrame, b: pd.DataFrame, keys_a: pd.DataFrame, keys_b: pd.DataFrame) -> str:
    """Says in which column the two tables have no value in common, and which of its values are nearest."""
    for name in keys_a.columns:
        if not np.isin(keys_a[name], keys_b[name]).any():
            nearest = [quote(value) for value in _nearest(a[name].dropna().unique(), b[name].dropna().unique())]
            values = f"the nearest are {nearest[0]} in A and {nearest[1]} in B" if nearest else "it is missing in one"
            return f"no {name} is in both; {values}"
    return f"every column has values in common, but no combination of {joined(keys_a.columns)} is in both"


def _nearest(a: Any, b: Any) -> tuple[Any, ...]:
    """Gives the value of each that is nearest to one of the other; nothing where there is none."""
    if len(a) == 0 or len(b) == 0:
        return ()
    if all(pd.api.types.is_any_real_numeric_dtype(values.dtype) for values in (a, b)):
        a, b = np.sort(a), np.sort(b)
        above = np.clip(np.searchsorted(b, a), 1, max(1, len(b) - 1))
        around = np.stack([above - 1, np.minimum(above, len(b) - 1)])
        side, place = np.unravel_index(np.abs(b[around] - a).argmin(), around.shape)
        return a[place], b[around[side, place]]
    close = {str(value): difflib.get_close_matches(str(value), [str(each) for each in b], n=1) for value in a}
    return next(((value, match[0]) for value, match in close.items() if match), (a[0], b[0]))


def _left_out(table: str, rows: pd.DataFrame, keys: pd.DataFrame, others: pd.DataFrame, names: list[str]) -> list[str]:
    """Says which trials of a table have no partner: settings, seeds, and what is left beside these."""
    if not len(keys.columns):
        return []
    has_setting = _is_among(keys, others, names)
    has_seed = _is_among(keys, others, [SEED] if SEED in keys.columns else [])
    has_partner = _is_among(keys, others, list(keys.columns))
    said = []
    if not has_setting.all():
        settings = group_trials(rows[~has_setting], names)[0]
        few = len(names) == 1 and len(settings) <= _FEW
        what = f"{names[0]} {listed(map(write, settings[names[0]]))}" if few else plural(len(settings), "setting")
        said.append(f"{what} of {table}")
    if not has_seed.all():
        seeds = rows.loc[~has_seed, SEED].unique()
        few = len(seeds) <= _FEW
        said.append(f"{f'seed {listed(map(write, seeds))}' if few else plural(len(seeds), 'seed')} of {table}")
    rest = int(np.count_nonzero(has_setting & has_seed & ~has_partner))
    if rest:
        said.append(f"{plural(rest, 'other trial') if said else plural(rest, 'trial')} of {table}")
    return said


def _is_among(keys: pd.DataFrame, others: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Tells which rows have the same values in some columns as a row of the other table: ``[row]`` bool."""
    if not names:
        return np.full(len(keys), True)
    known = pd.MultiIndex.from_frame(others[list(names)])
    return np.asarray(pd.MultiIndex.from_frame(keys[list(names)]).isin(known))
