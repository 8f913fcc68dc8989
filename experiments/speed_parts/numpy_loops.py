"""The line without JAX: NumPy arrays that hold all trials, and the article's Python loop over one after another."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from speed_parts.entry import Run, end_trials, tabulate
from speed_parts.workloads import Workload, X, Y


def run_numpy(workload: Workload) -> Run:
    """Runs the line in NumPy: one array holds all trials, and each goes on to the last step."""
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


def run_python(workload: Workload) -> Run:
    """Runs the article's Python loop, one number at a time; with the mean's factor, and both parameters at once."""
    x, y = X.tolist(), Y.tolist()
    n = len(x)

    def losses_of(rate: float, w0: float, w1: float) -> Iterator[float]:
        for _ in range(workload.steps + 1):
            errors = [w1 * x[i] + w0 - y[i] for i in range(n)]
            yield 1 / n * sum(error * error for error in errors)
            w0, w1 = w0 - rate * 2 / n * sum(errors), w1 - rate * 2 / n * sum(errors[i] * x[i] for i in range(n))

    return run_each(workload, losses_of)


def run_each(workload: Workload, losses_of: Callable[..., Iterator[float]]) -> Run:
    """Runs trials of the line one after another, from a function of learning rate, w0 and w1 to the losses."""

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        rows = zip(*(trials[name].tolist() for name in ("learning_rate", "w0", "w1")), strict=True)
        losses = np.array([list(losses_of(*row)) for row in rows])
        return tabulate(trials, end_trials(losses, 0.0, workload.stopping, np))

    return run
