"""What a PyTorch user would write: the article's loop, `torch.func.vmap`, and a training loop over batches."""

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import jax
import numpy as np
import pandas as pd

from speed_parts.entry import MissingError, Run, end_trials, tabulate
from speed_parts.jax_loops import batch_places, start_of
from speed_parts.numpy_loops import run_each
from speed_parts.setup import cores_here
from speed_parts.workloads import Workload, X, Y


def import_torch(threads: int | None = None) -> Any:
    """Imports PyTorch, which is no dependency; on small tensors more threads than one only slow it down.

    Raises:
        MissingError: It is not installed.
    """
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        raise MissingError("PyTorch is not installed") from None
    torch.set_num_threads(threads or cores_here())
    return torch


def run_torch(workload: Workload) -> Run:
    """Runs the article's loop; but lets the graph go at every update, or each would go back through all others."""
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
    """Runs `torch.func.vmap` of the line's gradient in a Python loop over the steps."""
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
        return tabulate(trials, end_trials(torch.stack(losses, dim=1).numpy(), 0.0, workload.stopping, np))

    return run


def run_torch_digits(workload: Workload, *, loader: bool) -> Run:
    """Runs PyTorch's loop on the digits, with its `DataLoader` or with batches cut out of the tensors.

    Parameters and batches are drawn in JAX, once, and not timed.
    """
    torch, objective = import_torch(threads=1), workload.objective()
    arrays: Any = objective.data
    data = torch.utils.data.TensorDataset(torch.tensor(arrays["pixels"]), torch.tensor(arrays["labels"]).long())
    cross_entropy = torch.nn.functional.cross_entropy

    @cache
    def drawn(seed: int) -> Any:
        places = np.asarray(batch_places(seed, workload.steps, objective.batch_size or 0, objective.examples))
        start = jax.device_get(start_of(objective, {"seed": seed}))
        return torch.tensor(places).long(), jax.tree.map(torch.tensor, start)

    def batches(places: Any) -> Any:
        if loader:
            return torch.utils.data.DataLoader(data, batch_sampler=places.tolist())
        return (data[batch] for batch in places)

    def run_one(rate: float, seed: int) -> list[float]:
        places, start = drawn(seed)
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
        for place, layer in {"0": start["first"], "2": start["output"]}.items():
            model.get_submodule(place).load_state_dict({"weight": layer["weights"].T, "bias": layer["biases"]})
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
