"""How trials are laid out for the machine, and when they pause."""

from typing import Any, NamedTuple


class Layout(NamedTuple):
    """How a trial's loop is laid out for the machine; what two layouts give differs by no more than rounding.

    Attributes:
        turn: How many updates a turn of the loop makes before it looks at what has become of the trial.
        unrolled: Whether small arrays are kept as separate scalars.
        one_kernel: Whether XLA's CPU backend is asked to compile turns into one kernel.
        lanes_last: Whether the trials side by side are the last axis of every array, rather than the first.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.01])
        >>> laid_out = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, layout=Layout(turn=4, unrolled=True))
        >>> laid_out.provenance["groups"][0]["layout"]
        {'turn': 4, 'unrolled': True, 'one_kernel': False, 'lanes_last': False}
    """

    turn: int = 1
    unrolled: bool = False
    one_kernel: bool = False
    lanes_last: bool = False


class Pauses(NamedTuple):
    """When the trials side by side pause, so that others can take the place of those that have ended.

    Attributes:
        every: int32, after multiples of how many updates they may; itself a multiple of the layout's turn.
        most: int32, they do where no more than so many of them go on.
    """

    every: Any
    most: Any
