"""`load`: a sweep that was saved, and with its objective and optimizer the means to replay its trials."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax.numpy as jnp
import pandas as pd

from lrsweep.engine._compile import Plan
from lrsweep.engine._layout import Layout
from lrsweep.engine._modes import ordinary_modes
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import HOW_TO_WIDEN, quote
from lrsweep.optimizers._factories import Factory, label
from lrsweep.problems._objective import Objective
from lrsweep.studies._prepare import limits_of, prepare
from lrsweep.studies._replay import Replayable, follow, replay, without_columns
from lrsweep.studies._result import Sweep
from lrsweep.studies._validate import check_objective
from lrsweep.tables._saved import read_result
from lrsweep.tables._schema import DIAGNOSIS, settings_of
from lrsweep.training._partition import check_static
from lrsweep.training._stopping import Stopping


def load(
    folder: str | os.PathLike[str],
    objective: Objective | None = None,
    optimizer: Factory | Mapping[str, Factory] | None = None,
) -> Sweep:
    """Loads a sweep that `Sweep.save` has saved: its table, its curves and its provenance.

    Functions are not saved. A trial can be replayed where the objective and the optimizer are given once more.

    Args:
        folder: The folder that it was saved in.
        objective: The objective that it was of, or None.
        optimizer: The optimizer, or the optimizers by name, that it was given; or None.

    Returns:
        The sweep. Without objective and optimizer its `replay` and `path` raise a `ValueError`.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The folder holds no sweep, or not the whole of it; or objective and optimizer are not the ones that
            its provenance names, or only one of the two is given.

    Example:
        >>> result.save(folder / "sweep")
        >>> loaded = lrsweep.load(folder / "sweep")
        >>> loaded.table.equals(result.table), loaded.provenance == result.provenance
        (True, True)
    """
    table, curves, provenance = read_result(folder)
    if (objective is None) != (optimizer is None):
        raise InputError("a loaded sweep is replayed by its objective and its optimizer: give both, or neither")
    if objective is None or optimizer is None:

        def refuse(*_: Any) -> Any:
            raise InputError(
                f"the sweep that was saved in {quote(str(folder))} has no functions to replay its trials with: give "
                "them as lrsweep.load(folder, objective, optimizer)"
            )

        return Sweep(table, curves, provenance, refuse, refuse)
    trials = table[settings_of(table)]
    groups = _groups_of(objective, optimizer, trials, table, provenance)
    return Sweep(table, curves, provenance, partial(replay, groups, trials), partial(follow, groups, trials))


@ordinary_modes()
def _groups_of(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame,
    table: pd.DataFrame,
    provenance: Mapping[str, Any],
) -> list[Replayable]:
    """Prepares the groups of a sweep once more, to be run by the plans that it was run by.

    Raises:
        InputError: Objective or optimizer is not the one that the provenance names, or JAX computes in another
            precision.
    """
    check_objective(objective)
    optimizers: Mapping[Any, Factory] = optimizer if isinstance(optimizer, Mapping) else {None: optimizer}
    named = {"objective": objective.name, "optimizer": ", ".join(label(factory) for factory in optimizers.values())}
    for what, name in named.items():
        if name != provenance[what]:
            raise InputError(f"the {what} of this sweep was {provenance[what]!r}, not {name!r}: give that one")
    if provenance["dtype"] == "float64" and jnp.result_type(float) != jnp.float64:
        raise InputError(f"this sweep was computed in 64-bit: to replay its trials {HOW_TO_WIDEN}")
    stopping = Stopping(**{name: _number(value) for name, value in provenance["stopping"].items()})
    limits = limits_of(objective, stopping, provenance["steps"], provenance["evaluate_every"])
    # Of a sweep that was interrupted a group may have no trials.
    groups = [group for group in provenance["groups"] if group["trials"]]
    static = {name for group in groups for name in group["static"]}
    numbers = [
        name for name in trials.columns if name in static and pd.api.types.is_any_real_numeric_dtype(trials[name])
    ]
    jobs = prepare(
        objective,
        optimizers,
        trials,
        check_static(numbers, trials),
        limits,
        diagnose=set(DIAGNOSIS) <= set(table.columns),
        recorded=tuple(provenance["record"]),
    )
    plans = [Plan(group["block_width"], 1, 1, Layout(**group["layout"])) for group in groups]
    return [Replayable(without_columns(job), plan, objective) for job, plan in zip(jobs, plans, strict=True)]


def _number(value: Any) -> Any:
    """Reads a number that JSON cannot hold, and was written as text."""
    return float(value) if isinstance(value, str) else value
