"""What a JAX user would write without lrsweep: a scan, a step called from Python, one trial after another."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jax import lax

import lrsweep
from speed_parts.entry import Run, end_trials, tabulate
from speed_parts.workloads import Workload

# Bytes that a recorded loss takes while the trials' ends are found in them, the masks included; and on a CPU the most
# trials at once: their losses of 1,000 updates are half a gigabyte.
RECORDED, CPU_SLICE = 24, 131_072


def start_of(objective: lrsweep.Objective, row: Mapping[str, Any]) -> Any:
    """Gives the parameters that the trial of a row starts from."""
    if not callable(objective.init):
        return objective.init
    taken = {name: row[name] for name in inspect.signature(objective.init).parameters.keys() & row.keys()}
    return objective.init(jax.random.key(row.get("seed", 0)), **taken)


def columns_of(trials: pd.DataFrame) -> dict[str, np.ndarray]:
    """Gives the columns as JAX computes with them."""
    narrow = {"f": np.float32, "i": np.uint32}
    return {str(name): trials[name].to_numpy().astype(narrow[trials[name].dtype.kind]) for name in trials.columns}


def optimizer_of(workload: Workload, row: Mapping[str, Any]) -> optax.GradientTransformation:
    """Makes the optimizer of a row, which takes all of its learning rates."""
    return workload.optimizer(**{name: value for name, value in row.items() if name.endswith("learning_rate")})


def run_scan(workload: Workload) -> Run:
    """Runs `jit(vmap(scan))`: every trial to the last step, its losses stacked, and its end found in them."""
    return run_scan_of_batches(workload) if workload.objective().batch_size else run_scan_of_updates(workload)


def run_scan_of_updates(workload: Workload) -> Run:
    """Runs it where an update sees all the data, and its loss is the one that is recorded."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    @jax.vmap
    def run_all(row: Mapping[str, Any]) -> Any:
        optimizer = optimizer_of(workload, row)
        params = jax.tree.map(jnp.asarray, start_of(objective, row))

        def step(carry: Any, _: None) -> Any:
            params, opt_state = carry
            loss, grads = jax.value_and_grad(objective.loss)(params, data)
            updates, opt_state = optimizer.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), loss

        (params, _), losses = lax.scan(step, (params, optimizer.init(params)), length=workload.steps)
        losses = jnp.append(losses, objective.loss(params, data))
        return end_trials(losses, objective.minimum, workload.stopping, jnp)

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        columns, most = columns_of(trials), slice_of(workload.steps)
        slices = [slice(first, first + most) for first in range(0, len(trials), most)]
        parts = [jax.device_get(run_all({name: column[part] for name, column in columns.items()})) for part in slices]
        return tabulate(trials, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    return run


def slice_of(steps: int) -> int:
    """Gives how many trials run at once, so that the losses of all their updates fit into memory."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return CPU_SLICE
    limit = (device.memory_stats() or {}).get("bytes_limit", 2**34)
    return max(CPU_SLICE, limit // (RECORDED * steps))


def run_scan_of_batches(workload: Workload) -> Run:
    """Runs it on batches."""
    run_one, batches_of = trial_on_batches(workload)

    @jax.jit
    def run_all(rows: Mapping[str, Any], seeds: jax.Array, seed_of_row: jax.Array) -> dict[str, jax.Array]:
        # Rows of one seed see the same batches, which are drawn once.
        return jax.vmap(run_one)(rows, jax.vmap(batches_of)(seeds)[seed_of_row])

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        columns = columns_of(trials)
        return tabulate(trials, jax.device_get(run_all(columns, *np.unique(columns["seed"], return_inverse=True))))

    return run


def trial_on_batches(workload: Workload) -> tuple[Callable[..., dict[str, jax.Array]], Callable[..., jax.Array]]:
    """Makes a trial on batches: a scan over the evaluations of a scan over the updates between two of them.

    Returns:
        The trial, a function of a row and the indices of its batches' examples that gives its losses; and the
        function from the row's seed to these indices, ``[evaluation, update, example]``.
    """
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)
    examples, batch_size = objective.examples, objective.batch_size or objective.examples
    every = workload.steps if workload.at_ends else -(-examples // batch_size)

    def batches_of(seed: Any) -> jax.Array:
        return batch_places(seed, workload.steps, batch_size, examples).reshape(-1, every, batch_size)

    def run_one(row: Mapping[str, Any], batches: jax.Array) -> dict[str, jax.Array]:
        optimizer = optimizer_of(workload, row)
        params = start_of(objective, row)

        def step(carry: Any, places: jax.Array) -> Any:
            params, opt_state = carry
            grads = jax.grad(objective.loss)(params, jax.tree.map(lambda array: array[places], data))
            updates, opt_state = optimizer.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), None

        def epoch(carry: Any, batches: jax.Array) -> Any:
            carry, _ = lax.scan(step, carry, batches)
            return carry, objective.loss(carry[0], data)

        start = objective.loss(params, data)
        _, losses = lax.scan(epoch, (params, optimizer.init(params)), batches)
        return {"initial_loss": start, "final_loss": losses[-1], "best_loss": jnp.minimum(start, losses.min())}

    return run_one, batches_of


def run_step_by_step(workload: Workload) -> Run:
    """Runs one jitted and vmapped step again and again from Python; the losses are stacked in the end."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    @jax.vmap
    def begin(row: Mapping[str, Any]) -> Any:
        params = jax.tree.map(jnp.asarray, start_of(objective, row))
        return params, optimizer_of(workload, row).init(params)

    @jax.jit
    @jax.vmap
    def step(row: Mapping[str, Any], params: Any, opt_state: Any) -> Any:
        loss, grads = jax.value_and_grad(objective.loss)(params, data)
        updates, opt_state = optimizer_of(workload, row).update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    @jax.jit
    def end_all(losses: list[jax.Array]) -> Any:
        return end_trials(jnp.stack(losses, axis=-1), objective.minimum, workload.stopping, jnp)

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        row = columns_of(trials)
        (params, opt_state), losses = begin(row), []
        for _ in range(workload.steps + 1):
            params, opt_state, loss = step(row, params, opt_state)
            losses.append(loss)
        return tabulate(trials, jax.device_get(end_all(losses)))

    return run


def run_one_by_one(workload: Workload) -> Run:
    """Runs one jitted trial after another, on batches."""
    trial, batches_of = trial_on_batches(workload)
    run_one = jax.jit(lambda row: trial(row, batches_of(row["seed"])))

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        columns = columns_of(trials)
        rows = [{name: column[place] for name, column in columns.items()} for place in range(len(trials))]
        ended = jax.device_get([run_one(row) for row in rows])
        return tabulate(trials, {name: np.array([trial[name] for trial in ended]) for name in ended[0]})

    return run


def batch_places(seed: Any, steps: int, batch_size: int, examples: int) -> jax.Array:
    """Samples the batches of a seed as lrsweep does, one fresh permutation after another: ``[step, example]``."""
    key = jax.random.fold_in(jax.random.key(seed), 2**32 - 1)
    epochs = jnp.arange(-(-steps * batch_size // examples))
    orders = jax.vmap(lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), examples))(epochs)
    return orders.reshape(-1)[: steps * batch_size].reshape(steps, batch_size)
