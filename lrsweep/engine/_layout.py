"""Choices about how trials run on the machine, none of which changes a result by more than rounding."""

from typing import Any, NamedTuple


class Layout(NamedTuple):
    """How a trial's loop is laid out for the machine; what two layouts give differs by no more than rounding.

    Attributes:
        chunk: How many updates run between two looks at what has become of the trials.
        unrolled: Whether small arrays are kept as separate scalars.
        one_kernel: Whether XLA's CPU backend is asked to compile chunks into one kernel.
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


class CompactionPolicy(NamedTuple):
    """When a block pauses, so that its trials that are still active can be put together with those of other blocks.

    Attributes:
        every: int32, it may pause after multiples of this number of updates, itself a multiple of the layout's chunk.
        most: int32, it pauses there if no more than so many of its trials are active.
    """

    every: Any
    most: Any
