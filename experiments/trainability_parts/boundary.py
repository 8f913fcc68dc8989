"""Where a map's boundary lies, its box-counting dimension, and where to look more closely."""

from collections.abc import Sequence

import numpy as np

from trainability_parts.trials import Window

# How many times narrower than the frame before it a frame of the zoom is.
FACTOR = 8


def mark_boundary(trainable: np.ndarray) -> np.ndarray:
    """Marks the cells of a map that lie on its boundary.

    Args:
        trainable: ``[row, column]`` bool.

    Returns:
        ``[row, column]`` bool: the cell and those after it, in its row, its column and across, are not all alike. The
        last row and column have no such neighbours, and are not marked.
    """
    four = np.stack([trainable[:-1, :-1], trainable[1:, :-1], trainable[:-1, 1:], trainable[1:, 1:]])
    return np.pad(four.any(axis=0) & ~four.all(axis=0), ((0, 1), (0, 1)))


def box_counts(cells: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Counts the boxes of a grid that hold a marked cell, for some sizes of boxes.

    Args:
        cells: ``[row, column]`` bool.
        sizes: The boxes' sides, in cells; where one does not divide the map's, the last boxes reach beyond it.

    Returns:
        ``[size]`` int.
    """
    counts = []
    for size in sizes:
        (rows, columns), beyond = cells.shape, [(0, -side % size) for side in cells.shape]
        boxes = np.pad(cells, beyond).reshape(-(-rows // size), size, -(-columns // size), size)
        counts.append(int(boxes.any(axis=(1, 3)).sum()))
    return np.array(counts)


def box_dimension(cells: np.ndarray, sizes: Sequence[int] | None = None) -> float:
    """Estimates the box-counting dimension of marked cells: the slope of log count over log 1 / size, by least squares.

    A line has 1 and what fills the plane 2. A map of finitely many cells sees neither end of the scale: what is finer
    than a cell it takes for filled in the smallest boxes, and large boxes are all hit by a set that is dense enough;
    the first lifts the slope and the second moves it towards 2. And where the boxes do not fit its pattern, its last
    ones reach beyond it: of a cross made of crosses, 1.46, a map of 243 cells shows 1.29.

    Args:
        cells: ``[row, column]`` bool.
        sizes: The boxes' sides, in cells; powers of two from 2 to an eighth of the map's side where left out.

    Returns:
        NaN where no cell is marked.
    """
    if not cells.any():
        return float("nan")
    if sizes is None:
        sizes = [2**power for power in range(1, (min(cells.shape) // 8).bit_length())]
    return float(np.polyfit(-np.log(sizes), np.log(box_counts(cells, sizes)), 1)[0])


def zoom(window: Window, trainable: np.ndarray, factor: int = FACTOR) -> Window:
    """Chooses where to look more closely: at a piece of the boundary that is as dense as it typically is.

    For every boundary cell whose window, a `factor` narrower and centred there, lies within the map the boundary's
    cells in it are counted. It is the window with the median count; among equals that nearest to the map's centre.

    Args:
        window: Where the map lies.
        trainable: ``[row, column]`` bool, square.
        factor: How many times narrower.

    Raises:
        ValueError: No window on the boundary lies within the map.
    """
    on_it, cells = mark_boundary(trainable), len(trainable)
    side = cells // factor
    corners = np.argwhere(on_it) - side // 2
    corners = corners[((corners >= 0) & (corners <= cells - side)).all(axis=1)]
    if len(corners) == 0:
        raise ValueError(f"no window of {side} x {side} cells on the boundary lies within the map: take another map")
    sums = np.pad(on_it.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (low, left), (high, right) = corners.T, corners.T + side
    counts = sums[high, right] - sums[low, right] - sums[high, left] + sums[low, left]
    typical = np.quantile(counts, 0.5, method="lower")
    alike = corners[counts == typical]
    distances = ((alike + side / 2 - cells / 2) ** 2).sum(axis=1)
    row, column = alike[distances.argmin()].tolist()
    cell = window.decades / cells
    return Window(window.left + column * cell, window.bottom + row * cell, side * cell)
