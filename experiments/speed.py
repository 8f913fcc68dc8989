"""How fast lrsweep is beside what else one would write: the same sweeps, the same answers, the same cores.

The claim, on two cores and from the grid of trials to the finished table: on a million trials of the line lrsweep is
30 times as fast as `jit(vmap(scan))`; on a linear regression 2.5 times, and 5 times as fast as a jitted step called
from Python on a small tanh network; the digits train 2.5 times as fast as one jitted trial after another; ten times
the trials take their table's memory and less than a fifth more; and `lrsweep run` takes at most twice as long as
importing JAX, optax and pandas. The other targets have not been reached, or not in every run: on the line it is 18 to
34 times as fast as NumPy, as the machine's memory goes (of 30), and a quarter as fast as C written for that problem
alone (`speed.c`; of 0.4); with Adam 12 to 15 times as fast as `jit(vmap(scan))` (of 15), and on the digits 36 times
as fast as PyTorch's loop (of 60).

Run `pip install -e '.[experiments]'` once, then `python experiments/speed.py`: about ten minutes on two cores. Every
entry has a process of its own, set up as suits it best; they take turns, and only one works at a time. Each runs once
before any is timed, so that everything is compiled, and its answer is compared with lrsweep's. The simple ones go on
to the last step, and put only a part of lrsweep's columns into their tables. PyTorch and C are left out where they are
not installed. It exits with 1 where an answer differs and, at full size, where a target is missed, and puts what it
measured into `speed.csv` and `speed.png`: in `pictures` beside the script where it measured all of it at full size,
and otherwise only in a folder named by `--out`. `--quick` measures the line alone, a thousandth of its trials.
"""

import argparse
import ctypes
import importlib
import inspect
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial, reduce
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pandas as pd
from jax import lax
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes, load_digits

import lrsweep
from lrsweep.plots._style import COLOURS, COLUMN

Run = Callable[[pd.DataFrame], pd.DataFrame]

# A JAX user's stack of losses for so many trials and 1,000 updates is half a gigabyte; more trials go in slices.
SLICE = 131_072

# The share of rows that must agree: rounding alone puts some on the other side of a threshold.
AGREEING = 0.999

X, Y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 1.0, 5.0])
BATCH_SIZE = 128
WIDTH, EXAMPLES = 8, 72


STATUS = pd.CategoricalDtype(["converged", "diverged", "slow", "oscillating", "stalled"])


class MissingError(Exception):
    """What an entry needs is not there."""


class Peer(NamedTuple):
    """What lrsweep is compared with.

    Attributes:
        name: What the table calls it.
        make: Makes its `Run`.
        target: How many times as fast lrsweep is to be, or None.
        trials: How many of the trials it runs, where all would take too long; its time is then scaled up.
    """

    name: str
    make: "Callable[[Workload], Run]"
    target: float | None = None
    trials: int | None = None


class Workload(NamedTuple):
    """A sweep.

    `make_trials` makes about as many trials as it is told, `options` are more keywords of `sweep`, and `chaotic` says
    that in some trials rounding grows until it decides what becomes of them.
    """

    name: str
    trials: int
    steps: int
    make_trials: Callable[[int], pd.DataFrame]
    objective: Callable[[], lrsweep.Objective]
    optimizer: Callable[..., optax.GradientTransformation]
    stopping: lrsweep.Stopping
    peers: tuple[Peer, ...]
    options: Mapping[str, Any] = {}
    chaotic: bool = False


# The sweeps.


def line_trials(count: int) -> pd.DataFrame:
    """Learning rates from 1e-4 to 1, and for each of them random starts."""
    starts = min(256, count)
    rates = lrsweep.log_grid(1e-4, 1, max(2, count // starts))
    w0, w1 = np.random.default_rng(0).random((2, len(rates) * starts))
    return pd.DataFrame({"learning_rate": np.repeat(rates, starts), "w0": w0, "w1": w1}, copy=False)


def regression_trials(count: int) -> pd.DataFrame:
    """Learning rates on both sides of the critical one, about 0.25, and 64 starts."""
    return lrsweep.grid(learning_rate=lrsweep.log_grid(1e-4, 1, max(2, count // 64)), seed=range(64))


def diabetes() -> lrsweep.Objective:
    """Least squares on scikit-learn's diabetes data, with standardised features."""
    data: Any = load_diabetes(scaled=False)
    features = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    return lrsweep.problems.linear_regression(features, data.target, name="diabetes")


def digits_trials(count: int) -> pd.DataFrame:
    """Learning rates that train, and 8 seeds."""
    return lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 0.3, max(2, count // 8)), seed=range(8))


def digits() -> lrsweep.Objective:
    """A 64-32-10 network on scikit-learn's digits, on batches."""
    data: Any = load_digits()
    arrays = {"pixels": np.float32(data.data / 16), "labels": np.int32(data.target)}
    return lrsweep.Objective(digits_loss, digits_start, data=arrays, batch_size=BATCH_SIZE, name="digits")


def digits_start(key: jax.Array) -> dict[str, jax.Array]:
    """Weights for a ReLU network (He et al., 2015, arXiv:1502.01852), and no biases."""
    first, second = jax.random.split(key)
    return {
        "w1": jnp.sqrt(2 / 64) * jax.random.normal(first, (64, 32)),
        "b1": jnp.zeros(32),
        "w2": jnp.sqrt(2 / 32) * jax.random.normal(second, (32, 10)),
        "b2": jnp.zeros(10),
    }


def digits_loss(params: Mapping[str, jax.Array], data: Mapping[str, jax.Array]) -> jax.Array:
    """The mean cross-entropy."""
    hidden = jax.nn.relu(data["pixels"] @ params["w1"] + params["b1"])
    logits = hidden @ params["w2"] + params["b2"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, data["labels"]).mean()


def tanh_trials(count: int) -> pd.DataFrame:
    """A learning rate for either layer, from 1e-3 to 1e6."""
    rates = lrsweep.log_grid(1e-3, 1e6, max(2, round(count**0.5)))
    return lrsweep.grid(first_learning_rate=rates, second_learning_rate=rates)


def tanh_network() -> lrsweep.Objective:
    """The two-layer network of Sohl-Dickstein, 2024 (arXiv:2402.06184): as many random examples as parameters."""
    draw = np.random.default_rng(0)
    data = {"x": draw.normal(size=(EXAMPLES, WIDTH)), "y": draw.normal(size=EXAMPLES)}
    start = {"first": draw.normal(size=(WIDTH, WIDTH)), "second": draw.normal(size=WIDTH)}
    return lrsweep.Objective(tanh_loss, start, data=data, name="tanh network")


def tanh_loss(params: Mapping[str, jax.Array], data: Mapping[str, jax.Array]) -> jax.Array:
    """The mean squared error, with the outputs averaged over the hidden units (mean-field parametrisation)."""
    hidden = jnp.tanh(data["x"] @ params["first"] / jnp.sqrt(WIDTH))
    return jnp.mean((hidden @ params["second"] / WIDTH - data["y"]) ** 2)


def layerwise_sgd(first_learning_rate: Any, second_learning_rate: Any) -> optax.GradientTransformation:
    """Gradient descent with a learning rate for either layer."""
    layers: Any = {"first": optax.sgd(first_learning_rate), "second": optax.sgd(second_learning_rate)}
    return optax.multi_transform(layers, {"first": "first", "second": "second"})


# What became of a trial.


@np.errstate(all="ignore")
def outcomes(losses: Any, minimum: float, stopping: lrsweep.Stopping, xp: Any) -> dict[str, Any]:
    """What a user makes of recorded losses: when each trial ended, and how.

    Args:
        losses: ``[..., step]``, those of all steps, whether the trial had ended or not.
        minimum: The least value that the loss can reach.
        stopping: When a trial ends.
        xp: `numpy` or `jax.numpy`.

    Returns:
        ``[...]`` arrays; -1 where there is no such update.
    """
    steps = losses.shape[-1]
    gaps, first = losses - minimum, losses[..., :1]
    scale = xp.maximum(abs(gaps[..., :1]), abs(first))
    far = ~(losses <= first + stopping.divergence * scale) | ~xp.isfinite(losses)
    low = losses <= first + scale
    last_low = steps - 1 - low[..., ::-1].argmax(-1)
    near = gaps <= stopping.tolerance * gaps[..., :1]
    # What it is at in the last update counts as held to the end of the window.
    beyond = xp.ones((*near.shape[:-1], stopping.hold - 1), bool)
    near = xp.concatenate([near, beyond], axis=-1)
    held = reduce(xp.logical_and, [near[..., place : place + steps] for place in range(stopping.hold)])
    converged_at = xp.where(held.any(-1), held.argmax(-1), steps)
    diverged_at = xp.where(far.any(-1), far.argmax(-1), steps)
    end = xp.minimum(xp.minimum(converged_at + stopping.hold - 1, diverged_at), steps - 1)
    seen = xp.arange(steps) <= end[..., None]
    converged = (converged_at < diverged_at) & (converged_at < steps)
    # What stayed above during the whole last quarter has diverged too.
    stayed = (last_low < steps - -(-(steps - 1) // 4)) & (diverged_at == steps)
    diverged_at = xp.where(stayed, last_low + 1, diverged_at)
    return {
        "converged_at": xp.where(converged, converged_at, -1),
        "diverged_at": xp.where((diverged_at < steps) & ~converged, diverged_at, -1),
        "initial_loss": losses[..., 0],
        "final_loss": xp.take_along_axis(losses, end[..., None], axis=-1)[..., 0],
        "best_loss": xp.where(seen & ~xp.isnan(losses), losses, xp.inf).min(-1),
    }


def tabulate(trials: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """The trials and what became of each; -1 is missing in the columns of the updates at which a trial ended."""
    table: dict[str, Any] = {str(name): trials[name] for name in trials.columns}
    for name, column in columns.items():
        column = np.asarray(column)
        if name == "status":
            table[name] = pd.Categorical.from_codes(column, dtype=STATUS)
        elif name in ("converged_at", "diverged_at"):
            table[name] = pd.arrays.IntegerArray(column.astype(np.int64, copy=False), column < 0)
        else:
            table[name] = column.astype(np.float64 if column.dtype.kind == "f" else np.int64, copy=False)
    return pd.DataFrame(table, copy=False)


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame, minimum: float) -> dict[str, float]:
    """The share of rows that agree in each column both tables have of what became of a trial.

    Rounding moves a loss that stands at a threshold to the other side, so an update may differ by 1. Parameters are
    rounded by so much of their own size; the root of the gap (the loss less the minimum) is a distance between
    parameters, so roots may differ by 1e-4 of what they were at the start, or by 1e-3 of each other.
    """

    def root(table: pd.DataFrame, name: str) -> np.ndarray:
        return np.sqrt(np.maximum(table[name].to_numpy(float) - minimum, 0))

    shares = {}
    for name in ours.columns.intersection(theirs.columns):
        a, b = ours[name], theirs[name]
        if name == "status":
            same = a.astype(str).to_numpy() == b.astype(str).to_numpy()
        elif name in ("converged_at", "diverged_at", "steps", "best_at"):
            difference = abs(a.astype("Int64") - b.astype("Int64")).to_numpy(float, na_value=np.inf)
            same = (difference <= 1) | (a.isna() & b.isna()).to_numpy()
        elif name in ("initial_loss", "final_loss", "best_loss"):
            one, other, start = root(ours, name), root(theirs, name), root(ours, "initial_loss")
            both_unknown = np.isnan(one) & np.isnan(other)
            with np.errstate(invalid="ignore"):
                same = (abs(one - other) <= 1e-4 * start + 1e-3 * one) | (one == other) | both_unknown
        else:
            continue
        shares[str(name)] = float(np.mean(same))
    return shares


# The entries: each makes, of a workload, a function from trials to a finished table.


def run_lrsweep(workload: Workload) -> Run:
    """A sweep on as many CPU devices as there are cores."""
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    objective = workload.objective()

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        return lrsweep.sweep(
            objective,
            workload.optimizer,
            trials,
            steps=workload.steps,
            stopping=workload.stopping,
            **workload.options,
        ).table

    return run


def run_wide(workload: Workload) -> Run:
    """The same in 64 bits."""
    jax.config.update("jax_enable_x64", True)
    return run_lrsweep(workload)


def start_of(objective: lrsweep.Objective, row: Mapping[str, Any]) -> Any:
    """Where the trial of a row starts."""
    if not callable(objective.init):
        return objective.init
    taken = {name: row[name] for name in inspect.signature(objective.init).parameters.keys() & row.keys()}
    return objective.init(jax.random.key(row.get("seed", 0)), **taken)


def columns_of(trials: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns as JAX computes with them."""
    narrow = {"f": np.float32, "i": np.uint32}
    return {str(name): trials[name].to_numpy().astype(narrow[trials[name].dtype.kind]) for name in trials.columns}


def run_scan(workload: Workload) -> Run:
    """`jit(vmap(scan))`: every trial to the last step, its losses stacked, and what became of it made of them."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    @jax.vmap
    def run_all(row: Mapping[str, Any]) -> Any:
        optimizer = workload.optimizer(row["learning_rate"])
        params = start_of(objective, row)

        def step(carry: Any, _: None) -> Any:
            params, state = carry
            loss, grads = jax.value_and_grad(objective.loss)(params, data)
            updates, state = optimizer.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), loss

        (params, _), losses = lax.scan(step, (params, optimizer.init(params)), length=workload.steps)
        losses = jnp.append(losses, objective.loss(params, data))
        return outcomes(losses, objective.minimum, workload.stopping, jnp)

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        columns = columns_of(trials)
        slices = [slice(first, first + SLICE) for first in range(0, len(trials), SLICE)]
        parts = [jax.device_get(run_all({name: column[part] for name, column in columns.items()})) for part in slices]
        return tabulate(trials, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    return run


def run_numpy(workload: Workload) -> Run:
    """The line in NumPy: one array holds all trials, and each goes on to the last step."""
    steps, stopping, examples = workload.steps, workload.stopping, list(zip(X.tolist(), Y.tolist(), strict=True))

    def mean(parts: Iterable[Any]) -> Any:
        return sum(parts) / len(examples)

    # What has flown away goes on to infinity.
    @np.errstate(all="ignore")
    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rate, w0, w1 = (trials[name].to_numpy(np.float32).copy() for name in ("learning_rate", "w0", "w1"))
        initial = mean((w1 * x + w0 - y) ** 2 for x, y in examples)
        near, twice, far = stopping.tolerance * initial, initial + initial, initial + stopping.divergence * initial
        low_at = np.zeros(len(rate), int)
        loss, best, final, going = initial, initial.copy(), initial.copy(), np.ones(len(rate), bool)
        settled, converged_at, diverged_at = np.zeros(len(rate), int), np.full(len(rate), -1), np.full(len(rate), -1)
        for k in range(steps + 1):
            residuals = [w1 * x + w0 - y for x, y in examples]
            loss = mean(residual * residual for residual in residuals)
            np.copyto(best, loss, where=going & (loss < best))
            np.copyto(low_at, k, where=loss <= twice)
            settled = np.where(loss <= near, settled + 1, 0)
            diverged = going & ~(loss <= far)
            converged = going & (settled >= (stopping.hold if k < steps else 1))
            ended = diverged | converged
            if ended.any():
                final[ended], diverged_at[diverged] = loss[ended], k
                converged_at[converged] = k - settled[converged] + 1
                going &= ~ended
            w0 -= rate * 2 * mean(residuals)
            w1 -= rate * 2 * mean(x * residual for (x, _), residual in zip(examples, residuals, strict=True))
        final[going] = loss[going]
        stayed = going & (low_at <= steps - -(-steps // 4))
        diverged_at[stayed] = low_at[stayed] + 1
        losses = {"initial_loss": initial, "final_loss": final, "best_loss": best}
        return tabulate(trials, {"converged_at": converged_at, "diverged_at": diverged_at} | losses)

    return run


# The columns of `struct table` in speed.c.
KERNEL_COLUMNS = {
    "status": np.int8,
    **dict.fromkeys(["steps", "converged_at", "diverged_at", "best_at"], np.int64),
    **dict.fromkeys(["initial_loss", "final_loss", "best_loss", "rate"], np.float64),
}


def build_kernel() -> Any:
    """Compiles speed.c for this machine, and loads it."""
    compiler, source = shutil.which("cc"), Path(__file__).with_suffix(".c")
    if compiler is None:
        raise MissingError("there is no C compiler, cc")
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/speed.so"
        command = [compiler, "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", source, "-o", library, "-lm"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise MissingError(f"cc cannot compile {source.name}: {built.stderr.strip()}")
        return ctypes.CDLL(library)


def run_kernel(workload: Workload) -> Run:
    """The line in C, with SIMD and a thread per core, each block ended when its trials have: all of lrsweep's table."""
    kernel, stopping = build_kernel(), workload.stopping
    counts = [ctypes.c_int64(workload.steps), ctypes.c_int64(stopping.hold)]
    bounds = [ctypes.c_double(stopping.tolerance), ctypes.c_double(stopping.divergence)]

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        # Neighbours should end at about the same time: they do in a grid whose slowest column is the learning rate.
        assert trials["learning_rate"].is_monotonic_increasing
        given = [np.ascontiguousarray(trials[name], np.float64) for name in ("learning_rate", "w0", "w1")]
        columns = {name: np.empty(len(trials), dtype) for name, dtype in KERNEL_COLUMNS.items()}
        rows = [ctypes.c_void_p(array.ctypes.data) for array in given]
        table = (ctypes.c_void_p * len(columns))(*(column.ctypes.data for column in columns.values()))
        kernel.run_trials(ctypes.c_int64(len(trials)), *rows, *counts, *bounds, table)
        return tabulate(trials, columns)

    return run


def run_each(workload: Workload, losses_of: Callable[..., Iterator[float]]) -> Run:
    """Trials of the line one after another, from a function of learning rate, w0 and w1 to the losses."""

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rows = zip(*(trials[name].tolist() for name in ("learning_rate", "w0", "w1")), strict=True)
        losses = np.array([list(losses_of(*row)) for row in rows])
        return tabulate(trials, outcomes(losses, 0.0, workload.stopping, np))

    return run


def run_python(workload: Workload) -> Run:
    """The article's Python loop, one number at a time; with the mean's factor, and both parameters at once."""
    x, y = X.tolist(), Y.tolist()
    n = len(x)

    def losses_of(rate: float, w0: float, w1: float) -> Iterator[float]:
        for _ in range(workload.steps + 1):
            errors = [w1 * x[i] + w0 - y[i] for i in range(n)]
            yield 1 / n * sum(error * error for error in errors)
            w0, w1 = w0 - rate * 2 / n * sum(errors), w1 - rate * 2 / n * sum(errors[i] * x[i] for i in range(n))

    return run_each(workload, losses_of)


def import_torch(threads: int | None = None) -> Any:
    """PyTorch, which is no dependency; on small tensors more threads than one only slow it down."""
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        raise MissingError("PyTorch is not installed") from None
    torch.set_num_threads(threads or os.cpu_count() or 1)
    return torch


def run_torch(workload: Workload) -> Run:
    """The article's PyTorch loop; but the graph is let go at every update, or each would go back through all others."""
    torch = import_torch(threads=1)
    x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)

    def losses_of(rate: float, *start: float) -> Iterator[float]:
        w_0, w_1 = (torch.tensor([value], requires_grad=True) for value in start)
        for _ in range(workload.steps + 1):
            loss = ((w_1 * x + w_0 - y) ** 2).mean()
            loss.backward()
            w_1 = (w_1 - rate * w_1.grad).detach().requires_grad_()
            w_0 = (w_0 - rate * w_0.grad).detach().requires_grad_()
            yield loss.item()

    return run_each(workload, losses_of)


def run_torch_vmap(workload: Workload) -> Run:
    """`torch.func.vmap` of the gradient, and a Python loop over the steps."""
    torch = import_torch()
    x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)

    def loss_of(w: Any) -> Any:
        return ((w[1] * x + w[0] - y) ** 2).mean()

    descend = torch.func.vmap(torch.func.grad_and_value(loss_of))

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rate, w0, w1 = (torch.tensor(trials[name].to_numpy(np.float32)) for name in ("learning_rate", "w0", "w1"))
        w, losses = torch.stack([w0, w1], dim=1), []
        for _ in range(workload.steps + 1):
            grads, loss = descend(w)
            w = w - rate[:, None] * grads
            losses.append(loss)
        return tabulate(trials, outcomes(torch.stack(losses, dim=1).numpy(), 0.0, workload.stopping, np))

    return run


def batch_places(seed: Any, steps: int, examples: int) -> jax.Array:
    """``[step, example]``, the batches of a seed as lrsweep draws them: one fresh permutation after another."""
    key = jax.random.fold_in(jax.random.key(seed), 2**32 - 1)
    epochs = jnp.arange(-(-steps * BATCH_SIZE // examples))
    orders = jax.vmap(lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), examples))(epochs)
    return orders.reshape(-1)[: steps * BATCH_SIZE].reshape(steps, BATCH_SIZE)


def run_one_by_one(workload: Workload) -> Run:
    """One jitted trial after another, on batches."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    def run_one(rate: Any, seed: Any) -> dict[str, Any]:
        optimizer = workload.optimizer(rate)
        start = start_of(objective, {"seed": seed})

        def step(carry: Any, places: Any) -> Any:
            params, state = carry
            grads = jax.grad(objective.loss)(params, jax.tree.map(lambda array: array[places], data))
            updates, state = optimizer.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), None

        places = batch_places(seed, workload.steps, len(data["labels"]))
        (params, _), _ = lax.scan(step, (start, optimizer.init(start)), places)
        return {"initial_loss": objective.loss(start, data), "final_loss": objective.loss(params, data)}

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rows = zip(trials["learning_rate"].tolist(), trials["seed"].tolist(), strict=True)
        ended = jax.device_get([run_one(rate, seed) for rate, seed in rows])
        return tabulate(trials, {name: np.array([trial[name] for trial in ended]) for name in ended[0]})

    return run


def run_torch_digits(workload: Workload, *, loader: bool) -> Run:
    """PyTorch's loop, with its `DataLoader` or with batches cut out of the tensors.

    Parameters and batches are drawn in JAX, once, and not timed.
    """
    torch, objective = import_torch(threads=1), workload.objective()
    arrays: Any = objective.data
    data = torch.utils.data.TensorDataset(torch.tensor(arrays["pixels"]), torch.tensor(arrays["labels"]).long())
    cross_entropy = torch.nn.functional.cross_entropy

    @cache
    def drawn(seed: int) -> Any:
        places = np.asarray(batch_places(seed, workload.steps, len(data)))
        start = jax.device_get(start_of(objective, {"seed": seed}))
        return torch.tensor(places).long(), {name: torch.tensor(array) for name, array in start.items()}

    def batches(places: Any) -> Any:
        if loader:
            return torch.utils.data.DataLoader(data, batch_sampler=places.tolist())
        return (data[batch] for batch in places)

    def run_one(rate: float, seed: int) -> list[float]:
        places, start = drawn(seed)
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
        state = {"0.weight": start["w1"].T, "0.bias": start["b1"], "2.weight": start["w2"].T, "2.bias": start["b2"]}
        model.load_state_dict(state)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        losses = [cross_entropy(model(data[:][0]), data[:][1]).item()]
        for pixels, labels in batches(places):
            optimizer.zero_grad()
            cross_entropy(model(pixels), labels).backward()
            optimizer.step()
        return [*losses, cross_entropy(model(data[:][0]), data[:][1]).item()]

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rows = zip(trials["learning_rate"].tolist(), trials["seed"].tolist(), strict=True)
        losses = np.array([run_one(rate, seed) for rate, seed in rows])
        return tabulate(trials, {"initial_loss": losses[:, 0], "final_loss": losses[:, 1]})

    return run


def run_step_by_step(workload: Workload) -> Run:
    """One jitted and vmapped step, called again and again from Python; the losses are stacked in the end."""
    objective = workload.objective()
    data = jax.tree.map(jnp.asarray, objective.data)

    @jax.jit
    @jax.vmap
    def begin(row: Mapping[str, Any]) -> Any:
        params = jax.tree.map(jnp.asarray, start_of(objective, row))
        return params, workload.optimizer(**row).init(params)

    @jax.jit
    @jax.vmap
    def step(row: Mapping[str, Any], params: Any, state: Any) -> Any:
        loss, grads = jax.value_and_grad(objective.loss)(params, data)
        updates, state = workload.optimizer(**row).update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    @jax.jit
    def judge(losses: list[jax.Array]) -> Any:
        return outcomes(jnp.stack(losses, axis=-1), objective.minimum, workload.stopping, jnp)

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        row = columns_of(trials)
        (params, state), losses = begin(row), []
        for _ in range(workload.steps + 1):
            params, state, loss = step(row, params, state)
            losses.append(loss)
        return tabulate(trials, jax.device_get(judge(losses)))

    return run


OURS, WIDE, SCAN = "lrsweep", "lrsweep in 64 bits", "jit(vmap(scan))"
LINE = lrsweep.Stopping(tolerance=1e-6)
TO_THE_END = lrsweep.Stopping(tolerance=0.0, divergence=float("inf"))

LINE_PEERS = (
    Peer(SCAN, run_scan, 30),
    Peer("NumPy in one array", run_numpy, 30),
    Peer("the compiled kernel", run_kernel, 0.4),
    Peer("the article's Python loop", run_python, trials=64),
    Peer("the article's PyTorch loop", run_torch, trials=8),
    Peer("torch.func.vmap", run_torch_vmap, trials=32_768),
)
ADAM_PEERS = (Peer(SCAN, run_scan, 15),)
REGRESSION_PEERS = (Peer(SCAN, run_scan, 2.5),)
DIGITS_PEERS = (
    Peer("one jitted trial after another", run_one_by_one, 2.5),
    Peer("PyTorch's loop with its DataLoader", partial(run_torch_digits, loader=True), 60, trials=8),
    Peer("PyTorch's loop, batches cut by hand", partial(run_torch_digits, loader=False), trials=8),
)
TANH_PEERS = (Peer("a jitted step called from Python", run_step_by_step, 5),)
# Of the digits, the losses of all are measured at the start and at the end.
ENDS = {"evaluate_every": 200}

# fmt: off
WORKLOADS = {
    "line": Workload(
        "line, SGD", 1_048_576, 1000, line_trials, lrsweep.problems.line, optax.sgd, LINE, LINE_PEERS),
    "adam": Workload(
        "line, Adam", 131_072, 1000, line_trials, lrsweep.problems.line, optax.adam, LINE, ADAM_PEERS),
    "regression": Workload(
        "regression, SGD", 4096, 1000, regression_trials, diabetes, optax.sgd, lrsweep.Stopping(), REGRESSION_PEERS),
    "digits": Workload(
        "digits, SGD", 128, 200, digits_trials, digits, optax.sgd, TO_THE_END, DIGITS_PEERS, ENDS),
    "tanh": Workload(
        "tanh network, SGD", 4096, 500, tanh_trials, tanh_network, layerwise_sgd, lrsweep.Stopping(), TANH_PEERS,
        chaotic=True),
}
# fmt: on


# Processes that take turns.


def some_rows(total: int, count: int | None) -> np.ndarray:
    """The places of some rows, evenly spread over all of them; all where no number is given."""
    return np.arange(total) if count is None else np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))


def serve(connection: Connection, name: str, entry: str, divisor: float) -> None:
    """The process of an entry: answers `answer` with its table, and `time` with the seconds that one took."""
    workload = scaled(WORKLOADS[name], divisor)
    entries = (Peer(OURS, run_lrsweep), Peer(WIDE, run_wide), *workload.peers)
    peer = next(peer for peer in entries if peer.name == entry)
    try:
        run = peer.make(workload)
    except MissingError as missing:
        connection.send(str(missing))
        return
    connection.send(None)
    trials = workload.make_trials(workload.trials)
    some = trials.iloc[some_rows(len(trials), peer.trials)].reset_index(drop=True)
    while (asked := connection.recv()) is not None:
        start = time.perf_counter()
        table = run(workload.make_trials(workload.trials) if peer.trials is None else some)
        seconds = time.perf_counter() - start
        connection.send(seconds if asked == "time" else table.drop(columns=trials.columns))


def serve_peak(connection: Connection, count: int) -> None:
    """The process of a sweep whose memory is measured: answers with its peak and the size of its table, in bytes."""
    workload = WORKLOADS["line"]
    table = run_lrsweep(workload)(workload.make_trials(count))
    connection.send((peak_bytes(), int(table.memory_usage(deep=True).sum())))


def peak_bytes() -> int:
    """The most memory that this process has held.

    Linux's `ru_maxrss` also counts what the process was started from.
    """
    told = Path("/proc/self/status")
    if told.exists():
        line = next(line for line in told.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def scaled(workload: Workload, divisor: float) -> Workload:
    """The same sweep with fewer trials."""
    return workload._replace(trials=max(4, round(workload.trials / divisor)))


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[Connection]:
    """A process of its own, and the connection to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.send(None)
        child.join(5)
        child.kill()


# What is measured, and how it is shown.


def compared(
    workload: str,
    against: str,
    ours: list[float],
    theirs: list[float],
    *,
    unit: str = "s",
    target: float | None = None,
    trial_steps: int | None = None,
) -> dict[str, Any]:
    """A row of the CSV, from lrsweep's and the peer's seconds or bytes, one for each repetition.

    With a number of trial-steps the ratio is how many times as fast lrsweep is, and the target the least; without one
    it is how many times as much lrsweep takes, and the target the most.
    """
    row: dict[str, Any] = {"workload": workload, "against": against, "unit": unit}
    for name, values in (("lrsweep", ours), ("peer", theirs)):
        row |= {name: float(np.median(values)), f"{name}_least": min(values), f"{name}_most": max(values)}
        row[f"{name}_trial_steps_per_second"] = trial_steps / row[name] if trial_steps else None
    above, below = (theirs, ours) if trial_steps else (ours, theirs)
    each = [one / other for one, other in zip(above, below, strict=True)]
    row |= {"ratio": float(np.median(above) / np.median(below)), "ratio_least": min(each), "ratio_most": max(each)}
    met = None if target is None else row["ratio"] >= target if trial_steps else row["ratio"] <= target
    return row | {"bound": "at least" if trial_steps else "at most", "target": target, "met": met}


def compare(name: str, divisor: float, repeats: int) -> list[dict[str, Any]]:
    """Runs a sweep in every way, in turns.

    Raises:
        SystemExit: An entry ended early, or gives another answer than lrsweep.
    """
    workload = scaled(WORKLOADS[name], divisor)
    total = len(workload.make_trials(workload.trials))
    print(f"\n{workload.name}: {total:,} trials, {workload.steps:,} steps", flush=True)
    with ExitStack() as stack:
        entries: dict[str, Connection] = {}
        for entry in (OURS, *(peer.name for peer in workload.peers)):
            connection = stack.enter_context(process(serve, name, entry, divisor))
            missing = receive(connection, entry)
            if missing is None:
                entries[entry] = connection
            else:
                print(f"  {entry}: left out, {missing}", flush=True)
        check(name, divisor, entries)
        seconds: dict[str, list[float]] = {entry: [] for entry in entries}
        for _ in range(repeats):
            for entry, connection in entries.items():
                seconds[entry].append(ask(connection, entry, "time"))
    rows = []
    for peer in workload.peers:
        if peer.name in entries:
            timed = len(some_rows(total, peer.trials))
            against = peer.name if timed == total else f"{peer.name}, from {timed:,} trials"
            theirs = [value * total / timed for value in seconds[peer.name]]
            row = compared(
                workload.name, against, seconds[OURS], theirs, target=peer.target, trial_steps=total * workload.steps
            )
            rows.append(row)
    return rows


def check(name: str, divisor: float, entries: Mapping[str, Connection]) -> None:
    """Lets every entry run once, and compares what it says with lrsweep's table.

    In a chaotic sweep a peer has to agree with lrsweep in as many rows, but for chance (three standard errors), as
    lrsweep does with itself in 64 bits.

    Raises:
        SystemExit: They differ in more rows than rounding explains.
    """
    workload = scaled(WORKLOADS[name], divisor)
    ours: pd.DataFrame = ask(entries[OURS], OURS, "answer")
    counts = [f"{count:,} {status}" for status, count in ours["status"].value_counts().items() if count]
    print(f"  {OURS}:", ", ".join(counts), flush=True)
    least = dict.fromkeys(ours.columns, AGREEING) | {"steps": 0.0, "best_at": 0.0}

    def compare_answers(entry: str, connection: Connection, trials: int | None) -> dict[str, float]:
        theirs = ask(connection, entry, "answer")
        same_rows = ours.iloc[some_rows(len(ours), trials)].reset_index(drop=True)
        shares = agreement(same_rows, theirs, workload.objective().minimum)
        print(
            f"  {entry} agrees in", ", ".join(f"{column} {100 * shares[column]:.5g}%" for column in shares), flush=True
        )
        return shares

    if workload.chaotic:
        with process(serve, name, WIDE, divisor) as connection:
            receive(connection, WIDE)
            shares = compare_answers(WIDE, connection, None)
        for column, share in shares.items():
            least[column] = min(least[column], share - 3 * (share * (1 - share) / len(ours)) ** 0.5)
    for peer in workload.peers:
        if peer.name in entries:
            shares = compare_answers(peer.name, entries[peer.name], peer.trials)
            differing = [column for column, share in shares.items() if share < least[column]]
            if differing:
                raise SystemExit(f"{workload.name}: {peer.name} gives another answer in {', '.join(differing)}.")


def ask(connection: Connection, entry: str, what: str) -> Any:
    """What the process of an entry answers."""
    connection.send(what)
    return receive(connection, entry)


def receive(connection: Connection, entry: str) -> Any:
    """What the process of an entry says.

    Raises:
        SystemExit: It has ended.
    """
    try:
        return connection.recv()
    except EOFError:
        raise SystemExit(f"{entry}: its process ended without an answer.") from None


def compare_memory(divisor: float, repeats: int) -> list[dict[str, Any]]:
    """How much more memory 10 million trials of the line take than 1 million, beside the growth of their tables."""
    few, many = (round(count / divisor) for count in (1e6, 1e7))
    print(f"\nmemory: {many:,} trials of the line against {few:,}", flush=True)
    peaks, sizes = [], []
    for _ in range(repeats):
        measured = []
        for count in (few, many):
            with process(serve_peak, count) as connection:
                measured.append(receive(connection, f"{OURS}, {count:,} trials"))
        (peak_few, size_few), (peak_many, size_many) = measured
        print(f"  {OURS}: peaks of {peak_few / 1e6:,.0f} and {peak_many / 1e6:,.0f} MB", flush=True)
        peaks.append(float(peak_many - peak_few))
        sizes.append(float(size_many - size_few))
    return [compared("memory", "the growth of the table", peaks, sizes, unit="bytes", target=1.2)]


def compare_start(repeats: int) -> list[dict[str, Any]]:
    """How long `lrsweep run` takes, beside importing what it stands on."""
    commands = [[sys.executable, "-m", "lrsweep", "run"], [sys.executable, "-c", "import jax, optax, pandas"]]
    print("\nstart: lrsweep run, and the imports", flush=True)
    seconds: list[list[float]] = [[], []]
    # The first time fills the caches.
    for turn in range(repeats + 1):
        for command, values in zip(commands, seconds, strict=True):
            start = time.perf_counter()
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr}")
            if turn:
                values.append(time.perf_counter() - start)
    return [compared("start", commands[1][-1], *seconds, target=2)]


def show_table(rows: list[dict[str, Any]]) -> str:
    """The table of ratios, for people."""
    shown = []
    for row in rows:
        amounts, speeds = {}, {}
        for name in ("lrsweep", "peer"):
            speed = row[f"{name}_trial_steps_per_second"]
            amounts[name] = f"{row[name]:,.3g} s" if row["unit"] == "s" else f"{row[name] / 1e6:,.0f} MB"
            speeds[f"{name} M/s"] = f"{speed / 1e6:,.3g}" if speed else ""
        judged = {
            "ratio": f"{row['ratio']:,.3g}",
            "spread": f"{row['ratio_least']:,.3g} to {row['ratio_most']:,.3g}",
            "target": f"{row['bound']} {row['target']:g}" if row["target"] else "",
            "met": {None: "", True: "yes", False: "NO"}[row["met"]],
        }
        shown.append({name: row[name] for name in ("workload", "against")} | amounts | speeds | judged)
    return pd.DataFrame(shown).to_string(index=False)


def draw(rows: list[dict[str, Any]]) -> Figure:
    """The ratios that have a target, as bars from 1, with their spread and the target; green where it is met.

    Args:
        rows: What `compared` gives, of some comparisons.
    """
    panels = {"at least": "times as fast as", "at most": "times as much as"}
    judged = {bound: [row for row in rows if row["target"] and row["bound"] == bound] for bound in panels}
    judged = {bound: part for bound, part in judged.items() if part}
    figure = Figure(figsize=(COLUMN[0], 0.7 + 0.26 * sum(map(len, judged.values()))), layout="constrained")
    heights = [len(part) for part in judged.values()]
    for axes, (bound, part) in zip(
        figure.subplots(len(judged), 1, squeeze=False, height_ratios=heights)[:, 0], judged.items(), strict=True
    ):
        places = range(len(part))
        for place, row in zip(places, part, strict=True):
            colour = COLOURS["converged" if row["met"] else "diverged"]
            axes.barh(place, row["ratio"] - 1, left=1, color=colour, height=0.6)
            axes.hlines(place, row["ratio_least"], row["ratio_most"], color="black", linewidth=0.8)
            axes.plot(row["target"], place, "|", color="black", markersize=10, markeredgewidth=1.5)
        axes.axvline(1, color="black", linewidth=0.5)
        axes.set(xlabel=f"{panels[bound]}\n(mark: the target, {bound})", ylim=(len(part) - 0.5, -0.5))
        axes.set_xscale("log" if bound == "at least" else "linear")
        axes.set_yticks(places, [f"{row['workload']}\n{row['against']}" for row in part], fontsize=5.5)
    return figure


def main() -> None:
    """Measures, prints the table of ratios and draws it; exits with 1 where a target is missed at full size."""
    names = [*WORKLOADS, "memory", "start"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--repeats", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="divide the numbers of trials by this, for a quick look"
    )
    parser.add_argument("--quick", action="store_true", help="the line alone, a thousandth of its trials, timed once")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to put the table and the picture")
    given = parser.parse_args()
    if given.quick:
        given.workloads, given.repeats, given.scale = ["line"], 1, 1000.0
    whole = given.scale == 1 and set(given.workloads) == set(names)
    out = Path(__file__).parent / "pictures" if given.out is None and whole else given.out
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)

    rows = []
    for name in given.workloads:
        if name == "memory":
            rows += compare_memory(given.scale, given.repeats)
        elif name == "start":
            rows += compare_start(given.repeats)
        else:
            rows += compare(name, given.scale, given.repeats)
        if out is not None:
            # What has been measured is kept, whatever becomes of the rest.
            pd.DataFrame(rows).to_csv(out / "speed.csv", index=False)
            with matplotlib.rc_context({"font.size": 7}):
                draw(rows).savefig(out / "speed.png", dpi=200)
    print(f"""
Medians of {given.repeats} repetitions that took turns, after one that compiled everything; the spread of a ratio is
over the repetitions. M/s: millions of trial-steps per second, a trial that ended early counted as if it had not.
""")
    print(show_table(rows))
    if given.scale != 1:
        print("\nThe targets are for the full numbers of trials.")
    elif any(row["met"] is False for row in rows):
        raise SystemExit("\nA target is missed.")


if __name__ == "__main__":
    main()
