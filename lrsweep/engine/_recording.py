"""The curves of a block's trials: what is recorded of every evaluation, by name."""

from typing import Any

import jax.numpy as jnp

from lrsweep.tables._schema import LOSS
from lrsweep.training._monitor import Evaluation
from lrsweep.training._program import Program

# ``[record]`` or ``[lane, record]`` each, by name.
Recorded = dict[str, Any]


def start_curves(program: Program, seen: Evaluation, records: int) -> Recorded:
    """Gives the curves of one trial before its first evaluation.

    Args:
        program: The functions that a trial calls.
        seen: The dtypes of its evaluations.
        records: At how many updates to record; 0 for no curves.
    """
    values = _by_name(program, seen) if records else {}
    return {name: jnp.full(records, jnp.nan, like.dtype) for name, like in values.items()}


def record(program: Program, curves: Recorded, k: Any, seen: Evaluation, active: Any, every: Any) -> Recorded:
    """Records the evaluation at the update `k` of the lanes that are active, where it is one to record.

    Args:
        program: The functions that a trial calls.
        curves: The curves before it.
        k: int32, the number of updates so far.
        seen: The evaluations, ``[lane]``.
        active: ``[lane] bool``, which lanes are active.
        every: int32, every such update is to be recorded.
    """
    values = _by_name(program, seen)

    def put(name: str, curve: Any) -> Any:
        place = jnp.minimum(k // every, curve.shape[1] - 1)
        return curve.at[:, place].set(jnp.where(active & (k % every == 0), values[name], curve[:, place]))

    return {name: put(name, curve) for name, curve in curves.items()}


def _by_name(program: Program, seen: Evaluation) -> Recorded:
    """Gives what is recorded of an evaluation."""
    metrics = zip((name for name, _ in program.metrics), seen.metrics, strict=True)
    measures = zip(program.measures, seen.measures or (), strict=True)
    values = {LOSS: seen.loss, **dict(measures), **dict(metrics)}
    return {name: values[name] for name in program.recorded}
