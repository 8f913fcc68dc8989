"""Columns of numbers that are written with commas, percent signs, currencies, or marks for what is missing."""

import re

import pandas as pd

# A number with what people write around it: its first group is the number.
_DRESSED = r"^[$€£]?\s*([+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?)\s*[%$€£]?$"

# Numbers whose commas can only be those of thousands, and only those of decimals; some can be either.
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMALS = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_POINTS = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?|[+-]?\.\d+")

# What stands where a number is missing, beside what pandas takes for it.
_MARKS = frozenset(["?", "-", "--", ".", "..", "*", "missing", "unknown", "Missing", "Unknown", "none", "na", "n.a."])


def read_written_numbers(table: pd.DataFrame, *, european: bool) -> tuple[pd.DataFrame, str]:
    """Makes numbers of the columns of words in which every word is a number, however it is written.

    Args:
        table: Its columns of words.
        european: Whether `1,500` is one and a half where nothing else in the table tells.

    Returns:
        The table, and in words how its numbers were written, which is empty where that is the usual way.

    Example:
        >>> table = pd.DataFrame({"price": ["$1,200", "$950"], "share": ["5%", "?"], "name": ["a", "b"]})
        >>> table, written = read_written_numbers(table, european=False)
        >>> table["price"].tolist(), table["share"].tolist(), written
        ([1200, 950], [5.0, nan], "with thousands' commas, with signs of currencies or percent, with '?' for missing")
    """
    plain: dict[int, pd.Series] = {}
    marks: set[str] = set()
    dressed = False
    for place, dtype in enumerate(table.dtypes):
        if not (pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype)):
            continue
        column = table.iloc[:, place]
        bare = _undress(column)
        if bare is None:
            continue
        marked = column.notna() & bare.isna()
        marks.update(column[marked].astype(str).str.strip().unique())
        dressed |= bool((bare.dropna() != column[bare.notna()].astype(str).str.strip()).any())
        plain[place] = bare
    if not plain:
        return table, ""
    words = pd.concat([bare.dropna() for bare in plain.values()])
    commas = words[words.str.contains(",", regex=False)]
    decimal = bool(len(commas)) and _are_decimals(commas, european=european)
    table = table.copy()
    for place, bare in plain.items():
        numbers = _as_numbers(bare, decimal=decimal)
        if numbers is not None:
            table.isetitem(place, numbers.array)
    said = [
        "" if not len(commas) else "with decimal commas" if decimal else "with thousands' commas",
        "with signs of currencies or percent" if dressed else "",
        f"with {' and '.join(map(repr, sorted(marks)))} for missing" if marks else "",
    ]
    return table, ", ".join(each for each in said if each)


def _undress(column: pd.Series) -> pd.Series | None:
    """Gives a column's numbers as text, missing where a mark stands; None where it holds other words too."""
    first = column.iloc[0] if len(column) else None
    # Most columns of words tell by their first: a file may have very many of them.
    if isinstance(first, str) and not re.match(_DRESSED, first.strip()) and first.strip() not in _MARKS:
        return None
    words = column.dropna()
    if not len(words) or not all(isinstance(word, str) for word in words):
        return None
    words = words.str.strip()
    bare = words.str.extract(_DRESSED, expand=False)
    others = set(words[bare.isna()].unique())
    if not others <= _MARKS or bare.isna().all():
        return None
    return bare.reindex(column.index)


def _are_decimals(commas: pd.Series, *, european: bool) -> bool:
    """Tells whether the commas in numbers are those of decimals."""
    distinct = commas.unique()
    if not all(_THOUSANDS.fullmatch(text) for text in distinct):
        return all(_DECIMALS.fullmatch(text) for text in distinct)
    return european and all(_DECIMALS.fullmatch(text) for text in distinct)


def _as_numbers(bare: pd.Series, *, decimal: bool) -> pd.Series | None:
    """Gives numbers from their texts; None where one of them is none after all."""
    if decimal:
        with_commas = bare.str.contains(",", regex=False, na=False)
        bare = bare.where(~with_commas, bare.str.replace(".", "", regex=False)).str.replace(",", ".", regex=False)
    else:
        if not all(_THOUSANDS.fullmatch(str(text)) or _POINTS.fullmatch(str(text)) for text in bare.dropna()):
            return None
        bare = bare.str.replace(",", "", regex=False)
    numbers = pd.to_numeric(bare, errors="coerce")
    return None if (numbers.isna() & bare.notna()).any() else numbers
