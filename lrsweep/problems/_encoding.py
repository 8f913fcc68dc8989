"""A table's columns as an array of features: gaps filled, words encoded, all of it learnt from the training rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.problems._columns import as_words
from lrsweep.problems._gaps import INDICATOR

# What stands for a missing word, and for all words beyond the limit.
_MISSING, _OTHERS = "(missing)", "(others)"

# scikit-learn takes a fifth of a second to import, and is so only where there is something to encode or to fill.


class Encoded(NamedTuple):
    """The features of a table.

    Attributes:
        values: ``[row, feature]`` float.
        names: What each feature is: a column, `column=word`, or `column is missing`.
        numbers: How many of the features, which come first, are numbers and booleans as they are.
        words: For each column of words, the words that have a feature.
    """

    values: np.ndarray
    names: list[str]
    numbers: int
    words: dict[str, list[str]]


def encode(
    table: pd.DataFrame,
    numbers: Sequence[str],
    words: Sequence[str],
    training: np.ndarray,
    *,
    missing: str | None,
    categories: int,
) -> Encoded:
    """Makes features of columns.

    Args:
        table: The table; only the rows that are used.
        numbers: Its columns of numbers and booleans to use.
        words: Its columns of words to use.
        training: The places of the rows that means and words are taken from.
        missing: `indicator` adds a feature for what is missing; otherwise gaps are filled only.
        categories: How many features a column of words becomes at most.

    Example:
        >>> table = pd.DataFrame({"x": [1.0, None, 3.0], "color": ["red", "blue", "red"]})
        >>> encoded = encode(table, ["x"], ["color"], np.arange(3), missing="indicator", categories=20)
        >>> encoded.names
        ['x', 'x is missing', 'color=blue', 'color=red']
        >>> encoded.values.tolist()
        [[1.0, 0.0, 0.0, 1.0], [2.0, 1.0, 1.0, 0.0], [3.0, 0.0, 0.0, 1.0]]
    """
    values, names = as_numbers(table, numbers), list(numbers)
    if np.isnan(values).any():
        from sklearn.impute import SimpleImputer

        imputer: Any = SimpleImputer(strategy="mean", keep_empty_features=True).fit(values[training])
        gaps = np.isnan(values)
        places = np.flatnonzero(gaps.any(axis=0)).tolist() if missing == INDICATOR else []
        values = np.concatenate([imputer.transform(values), gaps[:, places]], axis=1)
        names += [f"{numbers[place]} is missing" for place in places]
    if not words:
        return Encoded(values, names, len(numbers), {})
    ones, kept = _one_hot(table[list(words)], training, missing=missing, categories=categories)
    names += [f"{column}={word}" for column, each in kept.items() for word in each]
    return Encoded(np.concatenate([values, ones], axis=1), names, len(numbers), kept)


def as_numbers(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Gives columns of numbers and booleans as ``[row, column]`` float, NaN where a value is missing.

    Example:
        >>> as_numbers(pd.DataFrame({"x": [1, 2], "ok": [True, None]}), ["x", "ok"]).tolist()
        [[1.0, 1.0], [2.0, nan]]
    """
    block = table[list(names)]
    others = {name: "boolean" for name, dtype in block.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)}
    return block.astype(others).to_numpy(float, na_value=np.nan)


def _one_hot(
    words: pd.DataFrame, training: np.ndarray, *, missing: str | None, categories: int
) -> tuple[np.ndarray, dict[str, list[str]]]:
    """Gives columns of words as ``[row, word]`` float of ones and zeros, and the words by column."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    texts = np.stack([as_words(words[name]).to_numpy(object) for name in words.columns], axis=1)
    if words.isna().to_numpy().any():
        how: dict[str, Any] = {"missing_values": None, "keep_empty_features": True}
        how |= (
            {"strategy": "constant", "fill_value": _MISSING} if missing == INDICATOR else {"strategy": "most_frequent"}
        )
        imputer: Any = SimpleImputer(**how).fit(texts[training])
        # A column that is empty in the training rows is filled with a number.
        texts = imputer.transform(texts).astype(str).astype(object)
    encoder: Any = OneHotEncoder(
        max_categories=categories, handle_unknown="infrequent_if_exist", sparse_output=False
    ).fit(texts[training])
    kept = {}
    for name, known, rare in zip(words.columns, encoder.categories_, encoder.infrequent_categories_, strict=True):
        grouped = set() if rare is None else set(rare)
        kept[name] = [str(word) for word in known if word not in grouped] + ([_OTHERS] if grouped else [])
    return encoder.transform(texts), kept


def standardise(values: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Subtracts from columns ``[row, column]`` their means, and divides them by their standard deviations.

    A column that is constant in the training rows becomes 0.

    Args:
        values: The columns.
        training: The places of the rows that means and deviations are taken from.

    Example:
        >>> standardise(np.array([[1.0, 5.0], [3.0, 5.0], [5.0, 7.0]]), np.array([0, 1])).tolist()
        [[-1.0, 0.0], [1.0, 0.0], [3.0, 0.0]]
    """
    # scikit-learn's StandardScaler overflows on columns near 1e200, and takes those near 1e-300 for constant. Scaled by
    # powers of two first, which rounds nothing, they are of size one.
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])
    values = values - values[training].mean(axis=0)
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])
    constant = np.ptp(values[training], axis=0) == 0
    return np.where(constant, 0.0, values / np.where(constant, 1.0, values[training].std(axis=0)))
