"""A check on a few examples: whether the loss and the metrics are means over examples, as slices of them suppose."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.engine._cache import jitted
from lrsweep.inputs._errors import InputError
from lrsweep.problems._filled import Filled
from lrsweep.problems._objective import Objective
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._slices import count_examples, mean_in_slices
from lrsweep.training._trial import start_trial

# How many examples are tried, and how many of them at a time.
_TRIED, _SLICE = 32, 2

# By what share of itself a mean may differ from the mean over slices: by rounding, also that of 16 bits.
_TOLERANCE, _TOLERANCE_16_BITS = 0.01, 0.05


def check_means(
    objective: Objective, program: Program, shared: SharedInputs, row: Mapping[str, Any], seed: Any
) -> None:
    """Refuses a loss or a metric that is no mean over its examples, where it would be measured in slices of them.

    It is computed near the start of one trial, on a few examples spread over its data: all of them at once, and two at
    a time.

    Args:
        objective: The objective, which messages call by its name.
        program: The program of its trials.
        shared: The arrays that all trials share.
        row: The columns of one trial.
        seed: Its seed.

    Raises:
        InputError: The two differ by more than rounding.
    """
    if program.evaluation_slice is None:
        return
    arguments = row, np.uint32(seed), shared
    computed = jax.device_get(jitted(_compute_all, (program,), arguments)(*arguments))
    for name, both in computed.items():
        tolerance = _TOLERANCE if jnp.finfo(both.at_once.dtype).bits > 16 else _TOLERANCE_16_BITS
        _, whole, sliced, size = map(float, both)
        says_nothing = both.is_noisy or not np.isfinite(whole)
        if not says_nothing and not (np.isfinite(sliced) and abs(whole - sliced) <= tolerance * size):
            owner = f"metric {name!r}" if name else "the loss"
            raise InputError(
                f"{owner} of objective {objective.name!r} is no mean over its examples (on {_TRIED} of them it is "
                f"{whole:.4g}, and {sliced:.4g} as the mean over pairs of them), so that evaluation_slice cannot "
                "measure it: make it a mean, or leave out one of the two"
            )


class _Both(NamedTuple):
    """A loss or a metric on some examples: of all at once, as the mean over pairs of them, and the mean of its size.

    `is_noisy` says whether another key gives another value, so that nothing can be told.
    """

    is_noisy: Any
    at_once: Any
    in_pairs: Any
    size: Any


def _compute_all(program: Program, row: Mapping[str, Any], seed: Any, shared: SharedInputs) -> dict[str, _Both]:
    """Computes the loss, under the name "", and the metrics."""
    train = start_trial(program, row, seed, shared, guarded=False)
    # Many networks start with an output of zeros, at which a sum or a rank may look like a mean.
    leaves, structure = jax.tree.flatten(train.params)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    params = structure.unflatten(
        leaf + 0.1 * jax.random.normal(key, leaf.shape, leaf.dtype) for leaf, key in zip(leaves, keys, strict=True)
    )
    program = program.at_once()

    def loss(examples: Any, key: Any) -> Any:
        return program.measured_loss(row, examples, Filled(key, train.state))(params)

    computed = {"": _compute_both(loss, shared.measured)}
    for index, (name, _) in enumerate(program.metrics):

        def metric(examples: Any, key: Any, index: int = index) -> Any:
            return program.compute_metric(index, row, params, examples, Filled(key, train.state))

        if shared.metrics[index] is not None:
            computed[name] = _compute_both(metric, shared.metrics[index])
    return computed


def _compute_both(function: Callable[[Any, Any], Any], data: Any) -> _Both:
    some, key = _spread_out(data), jax.random.key(0)

    def with_size(examples: Any) -> tuple[Any, Any]:
        value = function(examples, key)
        return value, abs(value)

    is_noisy = function(some, key) != function(some, jax.random.key(1))
    return _Both(is_noisy, function(some, key), *mean_in_slices(with_size, some, _SLICE))


def _spread_out(data: Any) -> Any:
    """Gives a few examples, from the first to the last, since neighbours may be alike."""
    examples = count_examples(data)
    places = np.unique(np.linspace(0, examples - 1, min(_TRIED, examples)).astype(int))
    return jax.tree.map(lambda array: array[places], data)
