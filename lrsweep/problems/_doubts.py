"""What is wrong with the data and not the learning rate: columns that follow from others, or tell the target."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number, plural, quote

# Beyond so many columns, and below so many rows, nothing is looked for.
_MOST_COLUMNS, _FEWEST_ROWS = 1000, 20

# The least eigenvalue, as a share of the largest: of columns of which one follows from others; and of columns so alike
# that gradient descent takes ten thousand updates to tell them apart.
_EXACT, _NEARLY = 1e-12, 1e-4

# From which share of the largest a column's part in a direction counts, and how many of them are named.
_INVOLVED, _MOST_NAMED = 0.05, 8

# From which correlation on a column is the target itself; and of which share of its variance nothing is left.
_SAME, _NOTHING_LEFT = 0.99999, 1e-10

# A class with this share of the rows leaves little to be right about.
_MAJORITY = 0.95


def doubts_about_columns(values: np.ndarray, names: Sequence[str]) -> list[str]:
    """Says which columns follow from one another, exactly or nearly, in sentences.

    Args:
        values: ``[row, column]`` float, standardised.
        names: What the columns are called.

    Example:
        >>> x, z = np.arange(20.0) - 9.5, np.arange(20.0) ** 2
        >>> for doubt in doubts_about_columns(np.stack([x, z, x + z], axis=1) / 100, ["x", "z", "sum"]):
        ...     print(doubt)
        columns 'x', 'z', 'sum' follow from one another: the loss is flat along them, and their coefficients mean
        nothing: drop 1 of them
    """
    rows, columns = values.shape
    if not 1 < columns <= min(_MOST_COLUMNS, rows - 1):
        return []
    lengths, directions = np.linalg.eigh(values.T @ values / rows)
    exact = lengths <= _EXACT * lengths[-1]
    said = []
    if exact.any():
        involved = _involved(directions[:, exact], names)
        said.append(
            f"columns {involved} follow from one another: the loss is flat along them, and their coefficients mean "
            f"nothing: drop {exact.sum()} of them"
        )
    near = ~exact & (lengths <= _NEARLY * lengths[-1])
    if near.any():
        flattest = int(np.argmax(near))  # lengths ascend
        updates = float(number(lengths[-1] / lengths[flattest], 2))
        said.append(
            f"columns {_involved(directions[:, [flattest]], names)} nearly follow from one another: at no learning "
            f"rate does gradient descent tell them apart in fewer than some {updates:,.0f} updates: drop one of them"
        )
    return said


def _involved(directions: np.ndarray, names: Sequence[str]) -> str:
    """Names the columns that some directions, ``[column, direction]``, go along."""
    along = abs(directions).max(axis=1)
    places = np.flatnonzero(along > _INVOLVED * along.max())
    more = len(places) - _MOST_NAMED
    return ", ".join(quote(names[column]) for column in places[:_MOST_NAMED]) + (
        f" and {more} more" if more > 0 else ""
    )


def columns_alike(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Says which columns of words or of few values say the same in other words.

    Example:
        >>> table = pd.DataFrame({"class": ["1st", "2nd", "2nd"] * 9, "word": ["first", "second", "second"] * 9})
        >>> columns_alike(table, ["class", "word"])
        ["columns 'class' and 'word' say the same in other words: drop one of them"]
    """
    said, seen = [], {}
    for name in columns[:_MOST_COLUMNS]:
        codes, values = pd.factorize(table[name])
        if 1 < len(values) <= max(2, len(table) // 5):
            other = seen.setdefault(codes.tobytes(), name)
            if other != name:
                said.append(f"columns {quote(other)} and {quote(name)} say the same in other words: drop one of them")
    return said


def columns_that_tell(table: pd.DataFrame, columns: Sequence[str], target: np.ndarray, *, classes: bool) -> list[str]:
    """Says which columns give the target away: each by itself is enough to know it.

    Args:
        table: The table.
        columns: The columns that are used.
        target: ``[row]`` float, the target or the number of the class.
        classes: Whether it is the number of a class.

    Example:
        >>> table = pd.DataFrame({"alive": ["yes", "no", "no", "yes"] * 5, "x": range(20)})
        >>> columns_that_tell(table, ["alive", "x"], np.array([1.0, 0.0, 0.0, 1.0] * 5), classes=True)
        ["column 'alive' alone gives the target away: if it is known only once the target is, drop it"]
    """
    if len(table) < _FEWEST_ROWS:
        return []
    telling = [name for name in columns[:_MOST_COLUMNS] if _tells(table[name], target, classes=classes)]
    return [
        f"column {quote(name)} alone gives the target away: if it is known only once the target is, drop it"
        for name in telling
    ]


def _tells(column: pd.Series, target: np.ndarray, *, classes: bool) -> bool:
    """Says whether a column alone decides the target."""
    codes, values = pd.factorize(column)
    if len(values) <= len(column) // 5:
        first = np.full(len(values) + 1, np.nan)
        first[codes] = target
        return bool((first[codes] == target).all())
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return False
    numbers = column.to_numpy(float, na_value=np.nan)
    present = np.isfinite(numbers)
    numbers, target = numbers[present], target[present]
    if len(numbers) < _FEWEST_ROWS:
        return False
    if not classes:
        # Divided by their sizes first, so that no square overflows.
        numbers, target = numbers / abs(numbers).max(), target / abs(target).max()
        return bool(np.std(numbers) > 0 < np.std(target) and abs(np.corrcoef(numbers, target)[0, 1]) > _SAME)
    order = np.lexsort((target, numbers))
    changes = np.flatnonzero(np.diff(target[order]))
    apart = np.diff(numbers[order])[changes] > 0
    return len(changes) == len(np.unique(target)) - 1 and bool(apart.all())


def doubts_about_fit(minimum: float, variance: float, rows: int, features: int) -> list[str]:
    """Says that a linear regression leaves nothing of its target unexplained.

    Args:
        minimum: The least mean squared error.
        variance: The target's variance.
        rows: How many rows there are.
        features: How many features there are.

    Example:
        >>> for doubt in doubts_about_fit(1e-30, 1.0, 100, 3):
        ...     print(doubt)
        the columns together give the target away: it is a sum of them, exactly: drop those that are known only with it
    """
    if rows < max(_FEWEST_ROWS, 2 * features) or minimum > _NOTHING_LEFT * variance:
        return []
    cure = "drop those that are known only with it"
    return [f"the columns together give the target away: it is a sum of them, exactly: {cure}"]


def doubts_about_size(rows: int, features: int) -> list[str]:
    """Says that there are as many features as rows, or more.

    Example:
        >>> doubts_about_size(100, 3)
        []
    """
    if features < rows:
        return []
    return [
        f"there are {plural(features, 'feature')} for {plural(rows, 'row')}: a linear model fits any target exactly, "
        "which tells nothing of other rows: drop columns, or hold rows out with --validation 0.2 (validation=0.2)"
    ]


def doubts_about_classes(counts: dict[str, int], *, separable: bool) -> list[str]:
    """Says that nearly all rows are of one class, or that a linear model gets all of them right.

    Args:
        counts: How many rows each class has.
        separable: Whether a linear model gets all of them right.

    Example:
        >>> doubts_about_classes({"no": 99, "yes": 1}, separable=False)
        ["0.99 of the rows are of class 'no', and an accuracy of 0.99 is that of saying so always"]
    """
    said, rows = [], sum(counts.values())
    most = max(counts, key=counts.__getitem__)
    if counts[most] > _MAJORITY * rows:
        share = number(counts[most] / rows, 3)
        said.append(
            f"{share} of the rows are of class {quote(most)}, and an accuracy of {share} is that of saying so always"
        )
    if separable:
        said.append(
            "a linear model gets every row right: the loss falls towards 0 for as long as there are steps: look at the "
            "accuracy of held-out rows, --validation 0.2 (validation=0.2)"
        )
    return said
