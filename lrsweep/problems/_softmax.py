"""Softmax regression: the linear model of classes, and the least loss it can reach."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.inputs._arguments import check_numbers
from lrsweep.inputs._errors import InputError
from lrsweep.problems._objective import Objective

# How many products the search for a softmax regression's minimum may make, which takes a second or two; and how many
# rounds at most, and at least: one that cannot make so many is not begun.
_MOST_PRODUCTS, _MOST_ROUNDS, _FEWEST_ROUNDS = 3e8, 1000, 50

# What is no number of a class, but of something else.
_MOST_CLASSES = 100_000

# The share of its size by which a loss may be off after computing in 32-bit.
_ROUNDING = 100 * float(np.finfo(np.float32).eps)


def softmax_regression(X: Any, y: Any, *, name: str = "softmax_regression") -> Objective:
    """Makes a linear classifier: the mean cross-entropy of `softmax(X @ coefficients + intercept)` over examples.

    Parameters: `{"coefficients": [features, classes], "intercept": [classes]}`. They start at 0; where the trials have
    a `seed` column, at normal values of variance 1 / features drawn by it. The metric `accuracy` is the share of
    examples whose own class is given the greatest probability.

    The loss is convex. Its minimum is computed with scikit-learn in 64-bit; it is 0 where a linear model gets every
    example right, and 0 stands for it too where the search does not come to rest, or would take more than seconds.
    As in `linear_regression`, a trial whose loss is nearer to that of guessing by the classes' shares than to the
    minimum does not count as converged.

    Args:
        X: [examples, features] float, the features.
        y: [examples] int, the class of each example, from 0 on.
        name: What messages call it.

    Raises:
        ValueError: The shapes do not fit, a value of `X` is not finite, or `y` does not hold classes, two or more.

    Example:
        >>> objective = softmax_regression([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        >>> round(objective.minimum, 4), round(objective.baseline, 4)
        (0.5869, 0.64)
    """
    return separate(X, y, None, name)[0]


def separate(X: Any, y: Any, classes: int | None, name: str) -> tuple[Objective, bool]:
    """Gives a softmax regression, and whether it is known to get every example right; takes what that does.

    `classes` is how many there are, some of which may have no example; None for as many as `y` holds.

    Example:
        >>> separate([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], None, "apart")[1]
        True
    """
    features, labels, count = _check_examples(X, y, classes)
    shares = np.bincount(labels, minlength=count) / len(labels)
    guessing = -float(np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))))
    least = _least_cross_entropy(features, labels, count)
    minimum = min(least or 0.0, guessing)
    objective = Objective(
        _softmax_loss,
        _softmax_start(features.shape[1], count),
        data={"X": features, "y": labels},
        metrics={"accuracy": _softmax_accuracy},
        minimum=minimum,
        baseline=(minimum + guessing) / 2 + _ROUNDING * guessing,
        name=name,
    )
    return objective, least == 0.0


def _check_examples(X: Any, y: Any, classes: int | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Gives features, classes and how many classes there are, or refuses them."""
    features, given = check_numbers("X", X), check_numbers("y", y)
    if features.ndim != 2 or given.shape != features.shape[:1] or features.size == 0:
        raise InputError(
            f"X has shape {features.shape} and y {given.shape}: they must be [examples, features] and [examples]"
        )
    if not np.isfinite(features).all():
        raise InputError("X must be finite: a value is missing or infinite")
    is_class = np.isfinite(given) & (given >= 0) & (given == np.floor(given)) & (given < _MOST_CLASSES)
    if not is_class.all() or (classes is None and given.max() < 1):
        raise InputError("y must hold the classes as whole numbers from 0 on, two of them or more")
    return features, given.astype(np.int32), int(given.max()) + 1 if classes is None else classes


def _least_cross_entropy(features: np.ndarray, classes: np.ndarray, count: int) -> float | None:
    """Gives the least mean cross-entropy of a linear model, or None where it is not found."""
    found = np.unique(classes)
    rounds = int(min(_MOST_ROUNDS, _MOST_PRODUCTS / (features.size * count)))
    if rounds < _FEWEST_ROUNDS or len(found) < 2:
        return None
    from sklearn.linear_model import LogisticRegression  # a tenth of a second

    scale = abs(features).max(axis=0)
    columns = features / np.where(scale > 0, scale, 1.0)
    spread = columns.std(axis=0)
    columns = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=np.inf, tol=1e-9, max_iter=rounds).fit(columns, classes)
        logs = model.predict_log_proba(columns)
    right = model.predict(columns) == classes
    loss = -float(np.mean(logs[np.arange(len(classes)), np.searchsorted(found, classes)]))
    # What a linear model separates it can separate with any certainty: the loss has no least value but 0.
    if right.all():
        return 0.0
    return loss if int(np.max(model.n_iter_)) < rounds and np.isfinite(loss) else None


def _softmax_logits(params: dict[str, Any], data: dict[str, Any]) -> Any:
    # Accelerators by default round the factors of a product to fewer bits: the minimum could not be reached.
    return jnp.dot(data["X"], params["coefficients"], precision="highest") + params["intercept"]


def _softmax_loss(params: dict[str, Any], data: dict[str, Any]) -> Any:
    return cross_entropy(_softmax_logits(params, data), data["y"])


def _softmax_accuracy(params: dict[str, Any], data: dict[str, Any]) -> Any:
    return jnp.mean(jnp.argmax(_softmax_logits(params, data), axis=1) == data["y"])


def cross_entropy(logits: Any, classes: Any) -> Any:
    """Gives the mean cross-entropy of ``[example, class]`` logits and ``[example]`` int classes.

    Example:
        >>> round(float(cross_entropy(jnp.zeros((3, 2)), jnp.array([0, 1, 1]))), 4)  # log 2
        0.6931
    """
    # A sum over a mask, since many trials side by side gather slowly.
    own = jnp.arange(logits.shape[1]) == classes[:, None]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - jnp.sum(jnp.where(own, logits, 0.0), axis=1))


# Cached, so that objectives of one size share one function and with it one compiled program.
@functools.cache
def _softmax_start(features: int, classes: int) -> Callable[..., dict[str, Any]]:
    def start(key: Any, *, seed: Any = None) -> dict[str, Any]:
        drawn = jnp.zeros((features, classes)) if seed is None else jax.random.normal(key, (features, classes))
        return {"coefficients": drawn / np.sqrt(features), "intercept": jnp.zeros(classes)}

    return start
