"""Choices of how trials run on a machine, none of which changes a result by more than rounding."""

from typing import NamedTuple


class Layout(NamedTuple):
    """How the loop of a block is laid out for the machine. Two layouts differ in their results only by rounding.

    Attributes:
        chunk: How many updates run between two looks at what has become of the trials.
        unrolled: Whether small arrays are computed on as separate scalars.
        one_kernel: Whether XLA's CPU backend is asked to compile the loop over chunks into one kernel.
        lanes_last: Whether the trials side by side are the last axis of every array, rather than the first.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=[0.1, 0.01])
        >>> laid_out = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, layout=Layout(chunk=4, unrolled=True))
        >>> laid_out.provenance["groups"][0]["layout"]
        {'chunk': 4, 'unrolled': True, 'one_kernel': False, 'lanes_last': False}
    """

    chunk: int = 1
    unrolled: bool = False
    one_kernel: bool = False
    lanes_last: bool = False
