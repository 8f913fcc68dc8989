"""The curvature where each trial starts, and the learning rate that theory allows there."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lrsweep.curvature._hessian import ITERATIONS, extreme_eigenvalues
from lrsweep.curvature._stability import Theory, preconditioned_sharpness, theory_of
from lrsweep.engine._cache import jitted
from lrsweep.engine._compile import GroupJob
from lrsweep.engine._modes import ordinary_modes
from lrsweep.optimizers._factories import Factory
from lrsweep.tables._schema import LEARNING_RATE
from lrsweep.training._partition import Group
from lrsweep.training._program import Program, SharedInputs

# What Lanczos may keep for the starts that are computed side by side, in bytes.
_MOST_KEPT = 64 * 2**20


@ordinary_modes()
def at_start(jobs: Iterable[GroupJob], index: pd.Index) -> pd.DataFrame:
    """Measures the sharpness at every start, over all the data, and the learning rate that theory allows there.

    Args:
        jobs: What would be run.
        index: The trials' labels.

    Returns:
        The same index; `sharpness_start`, float64, and `theory`, float64, NaN where there is none: the optimizer has
        no theory, or the Hessian no positive eigenvalue.
    """
    found = pd.DataFrame({"sharpness_start": np.nan, "theory": np.nan}, index=index)
    for job in jobs:
        found.iloc[np.asarray(job.group.rows)] = np.column_stack(starts_of(job))
    return found


def starts_of(job: GroupJob) -> tuple[np.ndarray, np.ndarray]:
    """Does the same for a job: ``[row] float64``, the sharpness, and the learning rate that theory allows."""
    theories = _theories(job.program.optimizer, job.group)
    sharp, seen = _measure(job.program, job.group, job.shared, theories)
    threshold = np.array([np.nan if theory is None else theory.threshold for theory in theories])
    return sharp, np.divide(threshold, seen, out=np.full(len(sharp), np.nan), where=seen > 0)


def _theories(optimizer: Factory, group: Group) -> list[Theory | None]:
    known = {static.name: static.value for static in group.static}
    names = [name for name in group.binding.optimizer if name != LEARNING_RATE]
    cached = functools.cache(lambda *values: theory_of(optimizer, dict(zip(names, values, strict=True))))
    columns = [
        [known[name]] * len(group.rows) if name in known else group.values[name].astype(float).tolist()
        for name in names
    ]
    return [cached(*values) for values in zip(*columns, strict=True)] if names else [cached()] * len(group.rows)


def _measure(
    program: Program, group: Group, shared: SharedInputs, theories: list[Theory | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Measures the sharpness at every start of a group, and the one the optimizer sees: ``[row] float64`` each."""
    adam = any(theory is not None and theory.eps is not None for theory in theories)
    pairs = [(0.0, 0.0) if theory is None else (theory.eps or 0.0, theory.eps_root) for theory in theories]
    eps, eps_root = np.array(pairs, jnp.result_type(float)).T
    arguments = (group.values, group.seeds, eps, eps_root), shared
    sharp, seen = jitted(_measure_all, (program, adam), arguments)(*arguments)
    return np.asarray(sharp, float), np.asarray(seen, float)


def _measure_all(program: Program, adam: bool, rows: Any, shared: SharedInputs) -> tuple[Any, Any]:
    def start(row: Mapping[str, Any], seed: Any) -> Any:
        return jax.tree.map(jnp.asarray, program.start(row, seed, shared))

    def one(row: tuple[Mapping[str, Any], Any, Any, Any]) -> tuple[Any, Any]:
        columns, seed, eps, eps_root = row
        params, loss_of = start(columns, seed), program.loss_on(columns, shared.data)
        sharp = extreme_eigenvalues(loss_of, params).largest
        return sharp, preconditioned_sharpness(loss_of, params, eps=eps, eps_root=eps_root) if adam else sharp

    columns, seed, *_ = jax.tree.map(lambda column: column[0], rows)
    kept = 8 * ITERATIONS * sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(start, columns, seed)))
    return jax.lax.map(one, rows, batch_size=max(1, min(_MOST_KEPT // kept, len(rows[1]))))
