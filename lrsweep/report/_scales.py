"""The scale of an axis: where each value lies on it, those that no axis can hold at one of its edges."""

from typing import NamedTuple

import numpy as np

from lrsweep.plots._axes import cell_edges
from lrsweep.statistics._bins import is_logarithmic

# A logarithmic axis is for values of which the largest is at least so many times the least.
_WIDE = 10.0

# How far beyond the outermost values lie those that no axis can hold, and the end of the axis, as shares of its length.
_BEYOND, _END = 0.07, 0.12


class Scale(NamedTuple):
    """The scale of an axis, with a position for every value.

    Attributes:
        log: Whether it is logarithmic.
        start: Its lower end.
        end: Its upper end.
        below: The position of minus infinity, and of values up to 0 on a logarithmic axis.
        beyond: The position of infinity, and of what is not a number.
    """

    log: bool
    start: float
    end: float
    below: float
    beyond: float

    def position(self, values: np.ndarray) -> np.ndarray:
        """Gives the positions of values.

        Args:
            values: ``[value]`` float.

        Returns:
            ``[value]`` float: the values themselves, but for those that only an edge can show.

        Example:
            >>> scale_of(np.array([1.0, 100.0])).position(np.array([1.0, 10.0, np.inf])).round(2)
            array([  1.  ,  10.  , 138.04])
        """
        positions = np.where(np.isfinite(values), values, np.where(values == -np.inf, self.below, self.beyond))
        return np.where(positions <= 0, self.below, positions) if self.log else positions

    def values_at(self, positions: np.ndarray) -> np.ndarray:
        """Gives the values at some positions: 0 at the lower edge of a logarithmic axis.

        Args:
            positions: ``[value]`` float.

        Returns:
            ``[value]`` float.

        Example:
            >>> scale = scale_of(np.array([0.0, 1.0, 100.0]))
            >>> scale.values_at(scale.position(np.array([0.0, 1.0])))
            array([0., 1.])
        """
        return np.where(positions <= self.below, 0.0, positions) if self.log else positions

    def towards(self, positions: np.ndarray, borders: np.ndarray, share: float) -> np.ndarray:
        """Gives the points a share of the way from positions to borders, in distances as this axis shows them.

        Args:
            positions: ``[value]`` float.
            borders: ``[value]`` float.
            share: From 0, the positions, to 1, the borders.

        Returns:
            ``[value]`` float.

        Example:
            >>> scale_of(np.array([1.0, 100.0])).towards(np.array([1.0]), np.array([100.0]), share=0.5)
            array([10.])
        """
        start, end = self._linear(positions), self._linear(borders)
        return self._from_linear(start + share * (end - start))

    def separate_ties(self, positions: np.ndarray, share: float) -> np.ndarray:
        """Moves equal positions apart, in their order, evenly around where they are.

        Args:
            positions: ``[value]`` float.
            share: The most that equal ones may take of the axis's length, and of the way to the next position.

        Returns:
            ``[value]`` float.

        Example:
            >>> scale_of(np.array([0.0, 1.0])).separate_ties(np.array([0.0, 1.0, 1.0]), share=0.5)
            array([0.   , 0.875, 1.125])
        """
        start, end = self._linear(np.array([self.start, self.end]))
        linear = self._linear(positions)
        distinct, codes, counts = np.unique(linear, return_inverse=True, return_counts=True)
        gaps = np.diff(distinct, prepend=-np.inf, append=np.inf)
        widths = share * np.minimum(np.minimum(gaps[:-1], gaps[1:]), end - start)
        order = np.argsort(codes, kind="stable")
        rank = np.empty(len(positions))
        rank[order] = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
        moved = linear + widths[codes] * ((rank + 0.5) / counts[codes] - 0.5)
        return np.where(counts[codes] == 1, positions, self._from_linear(moved))

    def borders(self, positions: np.ndarray) -> np.ndarray:
        """Gives the borders half-way between neighbouring positions, and as far on beyond the outermost.

        Those of a single position are a quarter of the axis away from it.

        Args:
            positions: ``[value]`` float, ascending and distinct.

        Returns:
            ``[value + 1]`` float.

        Example:
            >>> scale_of(np.array([0.0, 1.0])).borders(np.array([0.0, 1.0]))
            array([-0.5,  0.5,  1.5])
        """
        if len(positions) > 1:
            return cell_edges(positions, logarithmic=self.log)
        start, end = self._linear(np.array([self.start, self.end]))
        return self._from_linear(self._linear(positions) + np.array([-0.25, 0.25]) * (end - start))

    def _linear(self, positions: np.ndarray) -> np.ndarray:
        return np.log10(positions) if self.log else positions

    def _from_linear(self, lengths: np.ndarray) -> np.ndarray:
        return 10**lengths if self.log else lengths


def scale_of(values: np.ndarray, *, always_beyond: bool = False, even: bool = False, linear: bool = False) -> Scale:
    """Chooses the scale for values: logarithmic where none is negative and the largest is ten times the least.

    Args:
        values: ``[value]`` float; infinite ones, and those that are not numbers, make room at the upper edge; minus
            infinity at the lower one.
        always_beyond: Whether to make that room even where there are none.
        even: Whether it is to be logarithmic only where the values are then spaced no less evenly, as the values of a
            grid may be: see `lrsweep.statistics._bins.is_logarithmic`.
        linear: Whether it is never to be logarithmic, as where great values are good and small ones do not matter.

    Example:
        >>> scale_of(np.array([0.001, 0.1])).log, scale_of(np.array([0.0, 0.9])).log
        (True, False)
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    log = positive.size > 0 and bool((finite >= 0).all()) and bool(positive.max() >= _WIDE * positive.min())
    log = log and not linear
    if even:
        log = log and is_logarithmic(positive)
    shown = positive if log else finite
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    is_below = values == -np.inf
    upper = _END if always_beyond or finite.size < values.size - is_below.sum() else _BEYOND
    if log:
        length = np.log10(high / low)
        lower = _END if positive.size < finite.size or is_below.any() else _BEYOND
        return Scale(
            True,
            low / 10 ** (lower * length),
            high * 10 ** (upper * length),
            low / 10 ** (_BEYOND * length),
            high * 10 ** (_BEYOND * length),
        )
    length = (high - low) or abs(high) or 1.0
    lower = _END if is_below.any() else _BEYOND
    return Scale(False, low - lower * length, high + upper * length, low - _BEYOND * length, high + _BEYOND * length)


def extremes_of(values: np.ndarray) -> np.ndarray:
    """Gives few of some values, for which `scale_of` chooses the scale that it chooses for all of them.

    Example:
        >>> extremes_of(np.array([3.0, 0.0, 2.0, np.inf, 1.0])).tolist()
        [0.0, 3.0, 1.0, inf]
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    few = [*([finite.min(), finite.max()] if finite.size else []), *([positive.min()] if positive.size else [])]
    few += [kind for kind in (np.inf, -np.inf) if (values == kind).any()]
    return np.array([*few, *([np.nan] if np.isnan(values).any() else [])], float)
