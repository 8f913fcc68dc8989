"""What a JAX user would write without lrsweep: a scan, a step called from Python, one trial after another."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jax import lax

import lrsweep
from speed_parts.entry import Run, end_trials, tabulate
from speed_parts.workloads import BATCH_SIZE, Workload

# The losses of so many trials and 1,000 updates, stacked, are half a gigabyte; more trials go in slices.
SLICE = 131_072


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


def run_scan(workload: Workload) -> Run:
    """Runs `jit(vmap(scan))`: every trial to the last step, its losses stacked, and its end found in them."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    @jax.vmap
    def run_all(row: Mapping[str, Any]) -> Any:
        optimizer = workload.optimizer(row["learning_rate"])
        params = start_of(objective, row)

        def step(carry: Any, _: None) -> Any:
            params, opt_state = carry
            loss, grads = jax.value_and_grad(objective.loss)(params, data)
            updates, opt_state = optimizer.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), loss

        (params, _), losses = lax.scan(step, (params, optimizer.init(params)), length=workload.steps)
        losses = jnp.append(losses, objective.loss(params, data))
        return end_trials(losses, objective.minimum, workload.stopping, jnp)

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        columns = columns_of(trials)
        slices = [slice(first, first + SLICE) for first in range(0, len(trials), SLICE)]
        parts = [jax.device_get(run_all({name: column[part] for name, column in columns.items()})) for part in slices]
        return tabulate(trials, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    return run


def run_step_by_step(workload: Workload) -> Run:
    """Runs one jitted and vmapped step again and again from Python; the losses are stacked in the end."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    @jax.vmap
    def begin(row: Mapping[str, Any]) -> Any:
        params = jax.tree.map(jnp.asarray, start_of(objective, row))
        return params, workload.optimizer(**row).init(params)

    @jax.jit
    @jax.vmap
    def step(row: Mapping[str, Any], params: Any, opt_state: Any) -> Any:
        loss, grads = jax.value_and_grad(objective.loss)(params, data)
        updates, opt_state = workload.optimizer(**row).update(grads, opt_state, params)
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
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    def run_one(rate: Any, seed: Any) -> dict[str, Any]:
        optimizer = workload.optimizer(rate)
        start = start_of(objective, {"seed": seed})

        def step(carry: Any, places: Any) -> Any:
            params, opt_state = carry
            grads = jax.grad(objective.loss)(params, jax.tree.map(lambda array: array[places], data))
            updates, opt_state = optimizer.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), None

        places = batch_places(seed, workload.steps, len(data["labels"]))
        (params, _), _ = lax.scan(step, (start, optimizer.init(start)), places)
        return {"initial_loss": objective.loss(start, data), "final_loss": objective.loss(params, data)}

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rows = zip(trials["learning_rate"].tolist(), trials["seed"].tolist(), strict=True)
        ended = jax.device_get([run_one(rate, seed) for rate, seed in rows])
        return tabulate(trials, {name: np.array([trial[name] for trial in ended]) for name in ended[0]})

    return run


def batch_places(seed: Any, steps: int, examples: int) -> jax.Array:
    """Samples the batches of a seed as lrsweep does, one fresh permutation after another: ``[step, example]``."""
    key = jax.random.fold_in(jax.random.key(seed), 2**32 - 1)
    epochs = jnp.arange(-(-steps * BATCH_SIZE // examples))
    orders = jax.vmap(lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), examples))(epochs)
    return orders.reshape(-1)[: steps * BATCH_SIZE].reshape(steps, BATCH_SIZE)
