"""Where a value lies along an axis, and at which edge what no axis can hold."""

from typing import NamedTuple

import numpy as np

from lrsweep.plots._axes import edges_of
from lrsweep.statistics._bins import is_logarithmic

# A logarithmic axis is one on which the largest value is at least so many times the least.
_WIDE = 10.0

# How far beyond the values their edge lies, and the axis ends, as shares of its length.
_BEYOND, _END = 0.07, 0.12


class Scale(NamedTuple):
    """An axis: logarithmic or not, where it starts and ends, and where it puts what is off it.

    Attributes:
        log: Whether it is logarithmic.
        start: Its lower end.
        end: Its upper end.
        below: Where zeros lie on a logarithmic axis, which has no place for them.
        beyond: Where infinity lies, and what is not a number.
    """

    log: bool
    start: float
    end: float
    below: float
    beyond: float

    def place(self, values: np.ndarray) -> np.ndarray:
        """Where values lie.

        Args:
            values: ``[value]`` float.

        Returns:
            ``[value]`` float: themselves, but for those that only an edge can show.

        Example:
            >>> scale_of(np.array([1.0, 100.0])).place(np.array([1.0, 10.0, np.inf])).round(2)
            array([  1.  ,  10.  , 138.04])
        """
        placed = np.where(np.isfinite(values), values, self.beyond)
        return np.where(placed <= 0, self.below, placed) if self.log else placed

    def take_back(self, places: np.ndarray) -> np.ndarray:
        """The values that lie at some places: those at the lower edge of a logarithmic axis are zeros.

        Args:
            places: ``[value]`` float.

        Returns:
            ``[value]`` float.

        Example:
            >>> scale = scale_of(np.array([0.0, 1.0, 100.0]))
            >>> scale.take_back(scale.place(np.array([0.0, 1.0])))
            array([0., 1.])
        """
        return np.where(places <= self.below, 0.0, places) if self.log else places

    def within(self, places: np.ndarray, borders: np.ndarray, share: float) -> np.ndarray:
        """A share of the way from some places to the borders beside them, as this axis measures it.

        Args:
            places: ``[value]`` float, placed on this axis.
            borders: ``[value]`` float.
            share: From 0, the places, to 1, the borders.

        Returns:
            ``[value]`` float.

        Example:
            >>> scale_of(np.array([1.0, 100.0])).within(np.array([1.0]), np.array([100.0]), share=0.5)
            array([10.])
        """
        start, end = self._lengths(places), self._lengths(borders)
        between = start + share * (end - start)
        return 10**between if self.log else between

    def spread(self, values: np.ndarray, share: float) -> np.ndarray:
        """Values moved apart where several are the same, in their order, around where they are.

        Args:
            values: ``[value]`` float, placed on this axis.
            share: The most that they may take of the axis's length, and of the way to the next value.

        Returns:
            ``[value]`` float.

        Example:
            >>> scale_of(np.array([0.0, 1.0])).spread(np.array([0.0, 1.0, 1.0]), share=0.5)
            array([0.   , 0.875, 1.125])
        """
        start, end = self._lengths(np.array([self.start, self.end]))
        lengths = self._lengths(values)
        different, place, count = np.unique(lengths, return_inverse=True, return_counts=True)
        steps = np.diff(different, prepend=-np.inf, append=np.inf)
        nearest = np.minimum(steps[:-1], steps[1:])
        width = share * np.minimum(nearest, end - start)
        order = np.argsort(place, kind="stable")
        rank = np.empty(len(values))
        rank[order] = np.arange(len(values)) - np.repeat(np.cumsum(count) - count, count)
        moved = lengths + width[place] * ((rank + 0.5) / count[place] - 0.5)
        return np.where(count[place] == 1, values, 10**moved if self.log else moved)

    def borders(self, values: np.ndarray) -> np.ndarray:
        """Half-way between neighbouring values, as this axis measures it, and as far on beyond the outer ones.

        Around a single one they are a quarter of the axis away.

        Args:
            values: ``[value]`` float, ascending and different, placed on this axis.

        Returns:
            ``[value + 1]`` float.

        Example:
            >>> scale_of(np.array([0.0, 1.0])).borders(np.array([0.0, 1.0]))
            array([-0.5,  0.5,  1.5])
        """
        if len(values) > 1:
            return edges_of(values, logarithmic=self.log)
        start, end = self._lengths(np.array([self.start, self.end]))
        around = self._lengths(values) + np.array([-0.25, 0.25]) * (end - start)
        return 10**around if self.log else around

    def _lengths(self, values: np.ndarray) -> np.ndarray:
        return np.log10(values) if self.log else values


def scale_of(values: np.ndarray, *, always_beyond: bool = False, even: bool = False) -> Scale:
    """The axis that suits some values: logarithmic where none is negative and the largest is ten times the least.

    Args:
        values: ``[value]`` float; infinite ones, and those that are not numbers, make room at the upper edge.
        always_beyond: Whether to make that room even where there are none.
        even: Whether to make it so only where they are then spaced no less evenly, as those that someone has laid out
            may be: see `lrsweep.statistics._bins.is_logarithmic`.

    Example:
        >>> scale_of(np.array([0.001, 0.1])).log, scale_of(np.array([0.0, 0.9])).log
        (True, False)
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    log = positive.size > 0 and bool((finite >= 0).all()) and bool(positive.max() >= _WIDE * positive.min())
    if even:
        log = log and is_logarithmic(positive)
    shown = positive if log else finite
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    room = always_beyond or finite.size < values.size
    if log:
        length = np.log10(high / low)
        end = _END if room else _BEYOND
        start = _END if positive.size < finite.size else _BEYOND
        return Scale(
            True,
            low / 10 ** (start * length),
            high * 10 ** (end * length),
            low / 10 ** (_BEYOND * length),
            high * 10 ** (_BEYOND * length),
        )
    length = (high - low) or abs(high) or 1.0
    start, beyond = low - _BEYOND * length, high + _BEYOND * length
    return Scale(False, start, high + (_END if room else _BEYOND) * length, start, beyond)
