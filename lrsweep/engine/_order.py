"""The order in which a group's rows fill its blocks."""

import numpy as np

from lrsweep.training._partition import Group


def similar_first(group: Group, width: int) -> np.ndarray | slice:
    """Sorts a group's rows by the optimizer's columns, so that trials of similar length share a block.

    Columns of few values are sorted by before columns of many, so that the rows of a block differ in few columns.

    Args:
        group: The group.
        width: The block width.

    Returns:
        The positions of its rows, sorted; or a slice of all of them where they are sorted already.

    Example:
        >>> from lrsweep.training._binding import Binding
        >>> rates, momenta = np.array([0.1, 0.2, 0.1, 0.2]), np.array([0.9, 0.0, 0.0, 0.9])
        >>> binding = Binding(optimizer=("learning_rate", "momentum"), init=())
        >>> columns = {"learning_rate": rates, "momentum": momenta}
        >>> similar_first(Group(np.arange(4), None, binding, (), columns, np.zeros(4)), 2).tolist()
        [2, 0, 1, 3]
    """
    columns = [group.values[name] for name in group.binding.optimizer if name in group.values]
    if len(columns) > 1:
        columns.sort(key=lambda column: len(np.unique(column)) > len(column) // width)
    if len(columns) == 1 and (columns[0][1:] >= columns[0][:-1]).all():
        return slice(None)
    return np.lexsort(columns[::-1]) if columns else slice(None)
