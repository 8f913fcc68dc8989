"""Ready-made objectives: the article's line and valleys, regression, quadratics, Rosenbrock's banana."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.inputs._arguments import check_count, check_numbers
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote
from lrsweep.problems._objective import Objective


def line() -> Objective:
    """Gives the article's line: fit `w1 * x + w0` to X = 0, 1, 3 and Y = -1, 1, 5, by mean squared error.

    Parameters: `{"w0": [], "w1": []}`. They start at `w0=0, w1=1`. Where the trials have a `seed` column, they start at
    values drawn by it, uniformly from 0 to 1 (as the article's PyTorch version does); where the trials have a column
    `w0` or `w1`, at its value. The minimum is 0, at `w0=-1, w1=2`.

    Example:
        >>> objective = line()
        >>> float(objective.loss({"w0": 0.0, "w1": 1.0}, objective.data))  # (1 + 0 + 4) / 3
        1.66666...
    """
    data = {"x": np.array([0.0, 1.0, 3.0]), "y": np.array([-1.0, 1.0, 5.0])}
    return Objective(_line_loss, _line_start, data=data, name="line")


def _line_loss(params: dict[str, Any], data: dict[str, Any]) -> Any:
    return jnp.mean((params["w1"] * data["x"] + params["w0"] - data["y"]) ** 2)


def _line_start(key: Any, *, seed: Any = None, w0: Any = None, w1: Any = None) -> dict[str, Any]:
    drawn = jnp.array([0.0, 1.0]) if seed is None else jax.random.uniform(key, (2,))
    return {"w0": _at(w0, drawn[0]), "w1": _at(w1, drawn[1])}


def linear_regression(X: Any, y: Any, *, name: str = "linear_regression") -> Objective:
    """Makes a least-squares problem: the mean over examples of `(X @ coefficients + intercept - y) ** 2`.

    Parameters: `{"coefficients": [features], "intercept": []}`. They start at 0; where the trials have a `seed`
    column, at standard normal values drawn by it. A trial whose loss is nearer to that of predicting the mean of `y`
    than to the minimum, or above it, does not count as converged, however far it has come from its start (see
    `baseline` in `Objective`).

    The minimum is computed by least squares in 64-bit, on columns that are centred and scaled: they may be far from 0,
    of any size, constant, copies of one another, or more than the examples. Whether gradient descent reaches the
    minimum is another question. On columns that are not scaled it takes many updates. And by default JAX computes in
    32-bit, where numbers within a ten-millionth of each other, such as the Unix times of a minute, are the same number,
    and the minimum is out of reach: subtract the mean of such columns, or compute in 64-bit.

    Args:
        X: [examples, features] float, the features.
        y: [examples] float, the target.
        name: What messages call it.

    Raises:
        ValueError: The shapes do not fit, there is no example or no feature, a value is not finite, or the squares of
            `y` are not.

    Example:
        >>> linear_regression([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]).minimum  # the mean is the best there is
        0.2222...
    """
    features, target = check_numbers("X", X), check_numbers("y", y)
    if features.ndim != 2 or target.shape != features.shape[:1] or features.size == 0:
        raise InputError(
            f"X has shape {features.shape} and y {target.shape}: they must be [examples, features] and [examples]"
        )
    if not (np.isfinite(features).all() and np.isfinite(target).all()):
        raise InputError("X and y must be finite: a value is missing or infinite")
    minimum, baseline = _least_squares(features, target)
    if not np.isfinite(baseline):
        raise InputError(f"y holds {abs(target).max():.3g}, whose square is no longer a finite number: scale it down")
    return Objective(
        _regression_loss,
        _regression_start(features.shape[1]),
        data={"X": features, "y": target},
        minimum=minimum,
        baseline=baseline or None,
        name=name,
    )


# The share of its size by which a number may be off after computing in 32-bit.
_ROUNDING = 100 * float(np.finfo(np.float32).eps)


def _least_squares(features: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Gives a linear model's least mean squared error, and the loss half-way from there to predicting the mean.

    The latter is rounded up by as much as computing in 32-bit may be off, so that it can be reached even where the two
    losses are the same.
    """
    columns, (scaled, power) = _near_one(features)[0], _near_one(target[:, None])
    columns, centred = _centre(columns), _centre(scaled)[:, 0]
    columns = columns[:, columns.any(axis=0)]
    columns /= abs(columns).max(axis=0)
    directions, lengths, _ = np.linalg.svd(columns, full_matrices=False)
    rounding = max(columns.shape) * np.finfo(float).eps
    directions = directions[:, lengths > rounding * lengths.max(initial=0.0)]
    residual = centred - directions @ (directions.T @ centred)
    # Once more, for what rounding has left along the directions.
    residual -= directions @ (directions.T @ residual)
    least, of_mean = np.mean(residual**2), np.mean(centred**2)
    if least <= rounding**2 * of_mean:
        least = 0.0
    baseline = (least + of_mean) / 2 + (_ROUNDING * of_mean if of_mean else _ROUNDING**2 * np.mean(scaled**2))
    with np.errstate(over="ignore"):
        return float(np.ldexp(least, 2 * power[0])), float(np.ldexp(baseline, 2 * power[0]))


def _near_one(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divides columns by powers of 2, which rounds nothing, so that their largest are near 1; gives the powers too."""
    powers = np.frexp(abs(columns).max(axis=0))[1]
    return np.ldexp(columns, -powers), powers


def _centre(columns: np.ndarray) -> np.ndarray:
    # Differences from the first row are exact where the numbers of a column are close to one another.
    columns = columns - columns[0]
    columns = columns - columns.mean(axis=0)
    return columns - columns.mean(axis=0)


def _regression_loss(params: dict[str, Any], data: dict[str, Any]) -> Any:
    # Accelerators by default round the factors of a product to fewer bits: the minimum could not be reached.
    predicted = jnp.dot(data["X"], params["coefficients"], precision="highest") + params["intercept"]
    return jnp.mean((predicted - data["y"]) ** 2)


# Cached, so that objectives of one size share one function and with it one compiled program.
@functools.cache
def _regression_start(features: int) -> Callable[..., dict[str, Any]]:
    def start(key: Any, *, seed: Any = None) -> dict[str, Any]:
        drawn = jnp.zeros(features + 1) if seed is None else jax.random.normal(key, (features + 1,))
        return {"coefficients": drawn[:-1], "intercept": drawn[-1]}

    return start


def valleys() -> Objective:
    """Gives the article's harder map: one dimension, three valleys, the deepest at the far right.

    A bowl around 5 with two dents, at 1 and at 3:
    `(x - 5)**2 / 2 - 4 exp(-((x - 1) / 0.4)**2 / 2) - 1.44 exp(-((x - 3) / 0.4)**2 / 2)`. Gradient descent comes to
    rest only in a valley whose curvature is below 2 / learning rate. From the usual start, learning rates up to about
    0.1 end in the first valley, up to about 0.3 in the second, and up to about 1.8 at the global minimum.

    Parameters: `{"x": []}`. It starts at 0. Where the trials have a `seed` column, it starts at a value drawn by it,
    uniformly from -1 to 0.5; where the trials have a column `x`, at its value.

    Example:
        >>> objective = valleys()
        >>> [round(float(objective.loss({"x": x})), 2) for x in (1.17, 3.23, 5.0)]
        [3.68, 0.35, -0.0]
    """
    return Objective(_valleys_loss, _valleys_start, minimum=_VALLEYS_MINIMUM, name="valleys")


# At x = 4.99993286617: the second dent still pulls a little there.
_VALLEYS_MINIMUM = -5.368632227653816e-06


def _valleys_loss(params: dict[str, Any]) -> Any:
    x = params["x"]
    first = 4.0 * jnp.exp(-0.5 * ((x - 1.0) / 0.4) ** 2)
    second = 1.44 * jnp.exp(-0.5 * ((x - 3.0) / 0.4) ** 2)
    return 0.5 * (x - 5.0) ** 2 - first - second


def _valleys_start(key: Any, *, seed: Any = None, x: Any = None) -> dict[str, Any]:
    drawn = jnp.zeros(()) if seed is None else jax.random.uniform(key, minval=-1.0, maxval=0.5)
    return {"x": _at(x, drawn)}


def quadratic(eigenvalues: Any = (1.0, 10.0), start: Any = None) -> Objective:
    """Makes a quadratic bowl with the given sharpnesses along its axes: `sum(eigenvalues * x**2) / 2`.

    Gradient descent on it has a closed form, which the tests use: `x_k = (1 - learning_rate * eigenvalues)**k * x_0`.

    Parameters: `{"x": [dim]}`. They start at `start`. Where it is left out they start at 1; or, where the trials have a
    `seed` column, at standard normal values drawn by it. The minimum is 0.

    Args:
        eigenvalues: [dim] float, the eigenvalues of the Hessian, none below 0.
        start: [dim] float, where every trial starts, or None.

    Raises:
        ValueError: An eigenvalue is negative or not finite, or the shapes do not fit.

    Example:
        >>> objective = quadratic([1.0, 4.0])
        >>> float(objective.loss({"x": jnp.array([1.0, 1.0])}, objective.data))
        2.5
    """
    values = check_numbers("eigenvalues", eigenvalues)
    if values.ndim != 1 or values.size == 0 or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"eigenvalues must be a list of finite numbers, none below 0, not {quote(eigenvalues)}")
    if start is None:
        init: Any = _quadratic_start(len(values))
    else:
        init = {"x": check_numbers("start", start)}
        if init["x"].shape != values.shape:
            raise InputError(f"start has shape {init['x'].shape}: it must be that of eigenvalues, {values.shape}")
    return Objective(_quadratic_loss, init, data=values, name="quadratic")


def _quadratic_loss(params: dict[str, Any], eigenvalues: Any) -> Any:
    return 0.5 * jnp.sum(eigenvalues * params["x"] ** 2)


@functools.cache
def _quadratic_start(dim: int) -> Callable[..., dict[str, Any]]:
    def start(key: Any, *, seed: Any = None) -> dict[str, Any]:
        return {"x": jnp.ones(dim) if seed is None else jax.random.normal(key, (dim,))}

    return start


def rosenbrock(dim: int = 2) -> Objective:
    """Makes Rosenbrock's banana valley: `sum(100 * (x[i+1] - x[i]**2)**2 + (1 - x[i])**2)`.

    Parameters: `{"x": [dim]}`. They start at -1.2, 1, -1.2, 1, ..., the start usual since Rosenbrock (1960,
    doi:10.1093/comjnl/3.3.175); where the trials have a `seed` column, at values drawn by it, uniformly from -2 to
    2. The minimum is 0, where every coordinate is 1.

    Args:
        dim: The number of coordinates, 2 or more.

    Raises:
        ValueError: `dim` is below 2.

    Example:
        >>> float(rosenbrock(3).loss({"x": jnp.ones(3)}))
        0.0
    """
    dim = check_count("dim", dim, least=2)
    return Objective(_rosenbrock_loss, _rosenbrock_start(dim), name="rosenbrock")


def _rosenbrock_loss(params: dict[str, Any]) -> Any:
    x = params["x"]
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@functools.cache
def _rosenbrock_start(dim: int) -> Callable[..., dict[str, Any]]:
    def start(key: Any, *, seed: Any = None) -> dict[str, Any]:
        if seed is None:
            return {"x": jnp.where(jnp.arange(dim) % 2 == 0, -1.2, 1.0)}
        return {"x": jax.random.uniform(key, (dim,), minval=-2.0, maxval=2.0)}

    return start


def _at(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else jnp.asarray(value, otherwise.dtype)
