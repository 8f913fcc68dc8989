"""The provenance of a table: what made it, as JSON can hold it."""

import functools
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrsweep.engine._compile import Plan
from lrsweep.engine._devices import devices
from lrsweep.optimizers._factories import Factory, label
from lrsweep.problems._objective import Objective
from lrsweep.studies._fitting import describe_group
from lrsweep.training._monitor import StopLimits
from lrsweep.training._partition import Group
from lrsweep.training._stopping import Stopping


def provenance_of(
    objective: Objective,
    optimizers: Mapping[Any, Factory],
    stopping: Stopping,
    limits: StopLimits,
    recorded: Sequence[str],
    ran: Sequence[tuple[Group, Plan]],
    dtype: Any,
) -> dict[str, Any]:
    """Records what made the results of a sweep: what was run and how, with which versions, and on which devices.

    Args:
        objective: The objective.
        optimizers: The optimizers' factories by name.
        stopping: When a trial had converged or diverged.
        limits: The limits that the compiled program was given.
        recorded: What was recorded.
        ran: The groups, and the plans that they were run by.
        dtype: The dtype of their losses.
    """
    first = devices()[0]
    return {
        "objective": objective.name,
        "data": objective.source,
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
        "groups": [describe_group(group, plan) for group, plan in ran],
        "dtype": str(dtype),
        "device": {"platform": first.platform, "kind": first.device_kind, "count": len(devices())},
        "versions": dict(installed_versions()),
    }


def _json_number(value: Any) -> Any:
    return value if value is None or np.isfinite(value) else str(value)


@functools.cache
def installed_versions() -> dict[str, str]:
    """Gives the versions of Python and of the packages that results depend on, by name."""
    packages = ("lrsweep", "jax", "jaxlib", "optax", "numpy", "pandas")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
