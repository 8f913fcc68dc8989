"""Rows that are held out of training, to measure on."""

import math
from typing import Any

import numpy as np

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural


def split(rows: int, share: float | None, classes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Gives the places of the rows to train on, and of those held out; the same ones each time.

    Args:
        rows: How many rows there are.
        share: Which share of them to hold out, or None for none.
        classes: ``[row]``, the rows' classes, whose shares are kept where each has rows enough.

    Raises:
        ValueError: Fewer than two rows would be left on either side.

    Example:
        >>> train, out = split(10, 0.2)
        >>> len(train), len(out), sorted([*train, *out]) == list(range(10))
        (8, 2, True)
    """
    places = np.arange(rows)
    if share is None:
        return places, places[:0]
    out = math.ceil(rows * share)
    if out < 2 or rows - out < 2:
        raise InputError(
            f"validation={share:g} of {plural(rows, 'row')} holds out {out}, and leaves {rows - out} to train on: it "
            "must leave two or more on either side"
        )
    from sklearn.model_selection import train_test_split  # a fifth of a second

    keeping: Any = None
    if classes is not None:
        counts = np.unique(classes, return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(out, rows - out):
            keeping = classes
    train, held = train_test_split(places, test_size=out, random_state=0, stratify=keeping)
    return np.sort(train), np.sort(held)
