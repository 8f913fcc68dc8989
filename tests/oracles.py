"""What results are checked against: closed forms, NumPy loops, and the stopping rule written a second time."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np


def quadratic_losses(eigenvalues: np.ndarray, learning_rate: float, start: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent on a quadratic: ``[steps + 1]``, by its closed form."""
    k = np.arange(steps + 1)[:, None]
    with np.errstate(over="ignore"):
        return (eigenvalues * (1 - learning_rate * eigenvalues) ** (2 * k) * start**2).sum(axis=1) / 2


Update = Callable[[float, int], float]


def losses_of(update: Callable[[], Update], start: float, sharpness: float, steps: int) -> np.ndarray:
    """The losses of ``sharpness * x**2 / 2`` under an optimizer: its update from a gradient and the count from 1."""
    step, x, losses = update(), start, []
    for k in range(1, steps + 1):
        losses.append(sharpness * x**2 / 2)
        x += step(sharpness * x, k)
    return np.array([*losses, sharpness * x**2 / 2])


def adam(learning_rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Update:
    """Adam, after Kingma and Ba (2015), algorithm 1."""
    m = v = 0.0

    def update(grad: float, k: int) -> float:
        nonlocal m, v
        m, v = b1 * m + (1 - b1) * grad, b2 * v + (1 - b2) * grad**2
        return -learning_rate * (m / (1 - b1**k)) / (np.sqrt(v / (1 - b2**k)) + eps)

    return update


def rmsprop(learning_rate: float, decay: float = 0.9, eps: float = 1e-8) -> Update:
    """RMSprop, after Tieleman and Hinton (2012), with eps inside the root, as optax has it."""
    v = 0.0

    def update(grad: float, _: int) -> float:
        nonlocal v
        v = decay * v + (1 - decay) * grad**2
        return -learning_rate * grad / np.sqrt(v + eps)

    return update


def heavy_ball(learning_rate: float, momentum: float) -> Update:
    """Polyak's heavy ball (1964)."""
    velocity = 0.0

    def update(grad: float, _: int) -> float:
        nonlocal velocity
        velocity = momentum * velocity - learning_rate * grad
        return velocity

    return update


class End(NamedTuple):
    """How a run with the given losses ends; None where there is none."""

    converged_at: int | None
    diverged_at: int | None
    steps: int


def end_of(
    losses: np.ndarray,
    tolerance: float = 1e-4,
    hold: int = 10,
    divergence: float = 1e6,
    minimum: float = 0.0,
    every: int = 1,
) -> End:
    """The contract's stopping rule, read off a whole run's losses; `hold` is of use where every one is measured."""
    first, last = losses[0], len(losses) - 1
    near = losses - minimum <= tolerance * max(first - minimum, 0)
    rise = (losses - first) / max(abs(first - minimum), abs(first))
    measured = [k for k in range(last + 1) if k % every == 0 or k == last]
    for k in measured:
        if not np.isfinite(losses[k]) or rise[k] > divergence:
            return End(None, k, k)
        row = near[k : k + hold]
        first_of_row = near[k] and (k == 0 or not near[k - 1])
        if first_of_row and row.all():
            return End(k, None, min(k + hold - 1, last))
    quarter = -(-last // 4)
    if all(rise[k] > 1 for k in measured if k > last - quarter):
        low = max(k for k in measured if rise[k] <= 1)
        return End(None, min(k for k in measured if k > low), last)
    return End(None, None, last)


ArrayUpdate = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def momentum(learning_rate: float, decay: float, *, nesterov: bool = False) -> ArrayUpdate:
    """Heavy ball, or Nesterov's after Sutskever et al. (2013): the velocity is taken a step ahead."""
    velocity = np.zeros(())

    def update(grad: np.ndarray, params: np.ndarray, k: int) -> np.ndarray:
        nonlocal velocity
        del params, k
        velocity = decay * velocity + grad
        return -learning_rate * (decay * velocity + grad if nesterov else velocity)

    return update


def adamw(learning_rate: float, weight_decay: float) -> ArrayUpdate:
    """Adam with decoupled weight decay, after Loshchilov and Hutter (2019), algorithm 2."""
    adam_update: Callable[..., Any] = adam(learning_rate)

    def update(grad: np.ndarray, params: np.ndarray, k: int) -> np.ndarray:
        return adam_update(grad, k) - learning_rate * weight_decay * params

    return update


def regression_losses(
    X: np.ndarray, y: np.ndarray, batches: list[np.ndarray], update: ArrayUpdate, start: np.ndarray
) -> np.ndarray:
    """Mean squared error of a linear model over all the data, before each update on a batch and after the last."""
    weights, losses = start.copy(), []
    for k, batch in enumerate(batches, 1):
        losses.append(np.mean((X @ weights - y) ** 2))
        grad = 2 * X[batch].T @ (X[batch] @ weights - y[batch]) / len(batch)
        weights = weights + update(grad, weights, k)
    return np.array([*losses, np.mean((X @ weights - y) ** 2)])


def least_squares(X: np.ndarray, y: np.ndarray) -> float:
    """The least mean squared error of a linear model with an intercept, in exact fractions, by Gram and Schmidt."""
    target, columns = (
        [Fraction(value) for value in y.tolist()],
        [[Fraction(value) for value in x] for x in X.T.tolist()],
    )
    directions: list[tuple[list[Fraction], Fraction]] = []
    for column in [[Fraction(1)] * len(target), *columns]:
        for direction, square in directions:
            column = _less(column, direction, square)
        square = sum((value * value for value in column), Fraction(0))
        if square:
            directions.append((column, square))
            target = _less(target, column, square)
    return float(sum(value * value for value in target) / len(target))


def _less(vector: list[Fraction], direction: list[Fraction], square: Fraction) -> list[Fraction]:
    """The vector without its part along a direction of that squared length."""
    part = sum((a * b for a, b in zip(vector, direction, strict=True)), Fraction(0)) / square
    return [a - part * b for a, b in zip(vector, direction, strict=True)]


def hessian_eigenvalues(loss: Callable[[Any], Any], params: Any) -> np.ndarray:
    """All eigenvalues of a loss's Hessian at an array of parameters, ascending, in 64-bit."""
    hessian = np.asarray(jax.hessian(loss)(params), float)
    return np.linalg.eigvalsh((hessian + hessian.T) / 2)
