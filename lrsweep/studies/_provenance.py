"""The provenance of a table: what made it, as JSON can hold it."""

import functools
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrsweep.engine._devices import devices
from lrsweep.engine._executor import GroupResult
from lrsweep.optimizers._factories import Factory, label
from lrsweep.problems._objective import Objective
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import Group
from lrsweep.training._stopping import Stopping


def provenance_of(
    objective: Objective,
    optimizers: Mapping[Any, Factory],
    stopping: Stopping,
    limits: StopLimits,
    recorded: Sequence[str],
    ran: Sequence[tuple[Group, GroupResult]],
) -> dict[str, Any]:
    """Records what made the results of a sweep: what was run and how, with which versions, and on which devices.

    Args:
        objective: The objective.
        optimizers: The optimizers' factories by name.
        stopping: When a trial had converged or diverged.
        limits: The limits that the compiled program was given.
        recorded: What was recorded.
        ran: The groups, and their results.
    """
    first = devices()[0]
    return {
        "objective": objective.name,
        "optimizer": ", ".join(label(factory) for factory in optimizers.values()),
        "trials": sum(len(group.rows) for group, _ in ran),
        "steps": limits.steps,
        "stopping": {name: _json_number(value) for name, value in vars(stopping).items()},
        "minimum": limits.minimum,
        "baseline": limits.baseline,
        "batch_size": objective.batch_size,
        "evaluation_slice": objective.evaluation_slice,
        "evaluation_sample": objective.evaluation_sample,
        "metrics": list(objective.metrics),
        "best_by": objective.best_by,
        "mode": objective.mode,
        "evaluate_every": limits.evaluate_every,
        "record": list(recorded),
        "record_every": limits.record_every if recorded else None,
        "groups": [_describe_group(group, result) for group, result in ran],
        "dtype": str(ran[0][1].outcome.final_loss.dtype),
        "device": {"platform": first.platform, "kind": first.device_kind, "count": len(devices())},
        "versions": dict(_versions()),
    }


def _describe_group(group: Group, result: GroupResult) -> dict[str, Any]:
    optimizer = {} if group.optimizer is None else {"optimizer": group.optimizer}
    return {
        **optimizer,
        "static": {static.name: static.value for static in group.static},
        "trials": len(group.rows),
        "block_width": result.plan.width,
        "layout": result.plan.layout._asdict(),
    }


def _json_number(value: Any) -> Any:
    return value if value is None or np.isfinite(value) else str(value)


@functools.cache
def _versions() -> dict[str, str]:
    packages = ("lrsweep", "jax", "jaxlib", "optax", "numpy", "pandas")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
