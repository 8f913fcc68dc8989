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
from lrsweep.training._trial import TrainState, loss_in_table, start_trial

# How much memory the Lanczos bases of the starts that are computed side by side may take, in bytes.
_MOST_MEMORY = 64 * 2**20


@ordinary_modes()
def at_start(jobs: Iterable[GroupJob], index: pd.Index) -> pd.DataFrame:
    """Measures the sharpness at every start, over all the data, and the learning rate that theory allows there.

    Args:
        jobs: The jobs of the trials.
        index: The trials' labels.

    Returns:
        A table with that index and the columns `sharpness_start`, float64, and `theory`, float64: the learning rate,
        NaN where the optimizer has no theory or the Hessian no positive eigenvalue.
    """
    table = pd.DataFrame({"sharpness_start": np.nan, "theory": np.nan}, index=index)
    for job in jobs:
        table.iloc[np.asarray(job.group.rows)] = np.column_stack(starts_of(job))
    return table


def starts_of(job: GroupJob) -> tuple[np.ndarray, np.ndarray]:
    """Measures the starts of a job: the sharpness, and the learning rate that theory allows, ``[row] float64`` each."""
    theories = _theories(job.program.optimizer, job.group)
    sharpness, preconditioned = _measure(job.program, job.group, job.shared, theories)
    threshold = np.array([np.nan if theory is None else theory.threshold for theory in theories])
    allowed = np.divide(threshold, preconditioned, out=np.full(len(sharpness), np.nan), where=preconditioned > 0)
    return sharpness, allowed


def _theories(optimizer: Factory, group: Group) -> list[Theory | None]:
    """Looks up the theory of each row's optimizer with its keywords."""
    static = {keyword.name: keyword.value for keyword in group.static}
    names = [name for name in group.binding.optimizer if name != LEARNING_RATE]
    look_up = functools.cache(lambda *values: theory_of(optimizer, dict(zip(names, values, strict=True))))
    columns = [
        [static[name]] * len(group.rows) if name in static else group.values[name].astype(float).tolist()
        for name in names
    ]
    return [look_up(*values) for values in zip(*columns, strict=True)] if names else [look_up()] * len(group.rows)


def _measure(
    program: Program, group: Group, shared: SharedInputs, theories: list[Theory | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Measures the sharpness at every start of a group, without and with Adam's preconditioner: ``[row] float64`` each.

    For optimizers without such a preconditioner the two are the same.
    """
    is_adam = any(theory is not None and theory.eps is not None for theory in theories)
    pairs = [(0.0, 0.0) if theory is None else (theory.eps or 0.0, theory.eps_root) for theory in theories]
    eps, eps_root = np.array(pairs, jnp.result_type(float)).T
    arguments = (group.values, group.seeds, eps, eps_root), shared
    sharpness, preconditioned = jitted(_measure_all, (program, is_adam), arguments)(*arguments)
    return np.asarray(sharpness, float), np.asarray(preconditioned, float)


def _measure_all(program: Program, is_adam: bool, rows: Any, shared: SharedInputs) -> tuple[Any, Any]:
    def start(row: Mapping[str, Any], seed: Any) -> TrainState:
        return start_trial(program, row, seed, shared, guarded=False)

    def measure(row: tuple[Mapping[str, Any], Any, Any, Any]) -> tuple[Any, Any]:
        columns, seed, eps, eps_root = row
        train = start(columns, seed)
        params, loss_of = train.params, loss_in_table(program, columns, shared, train)
        sharpness = extreme_eigenvalues(loss_of, params).largest
        if not is_adam:
            return sharpness, sharpness
        return sharpness, preconditioned_sharpness(loss_of, params, eps=eps, eps_root=eps_root)

    columns, seed, *_ = jax.tree.map(lambda column: column[0], rows)
    params = jax.eval_shape(start, columns, seed).params
    basis_bytes = 8 * ITERATIONS * sum(leaf.size for leaf in jax.tree.leaves(params))
    return jax.lax.map(measure, rows, batch_size=max(1, min(_MOST_MEMORY // basis_bytes, len(rows[1]))))
