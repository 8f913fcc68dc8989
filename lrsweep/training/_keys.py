"""The keys of a trial: one for each update, by its seed and the count of updates, and one for all measurements."""

from typing import Any

import jax

# Folded into a seed's key it makes the key that those of updates are made from, which neither the splits that `init`
# draws from reach nor the key of the batches.
_BRANCH = 2**32 - 2

# Folded into that, it makes the key of measurements. No count of updates reaches it.
_MEASUREMENT = 2**32 - 1


def open_key(seed: Any) -> Any:
    """Gives the key that those of a trial's updates and measurements are made from."""
    return jax.random.fold_in(jax.random.key(seed), _BRANCH)


def key_of_update(key: Any, k: Any) -> Any:
    """Gives the key of the update after `k` updates; `key` is what `open_key` gives."""
    return jax.random.fold_in(key, k)


def key_of_measurement(key: Any) -> Any:
    """Gives the key of every measurement of a trial: it is one, so that measurements differ by what they measure alone.

    Example:
        >>> keys = [key_of_measurement(open_key(0)), key_of_update(open_key(0), 0), key_of_update(open_key(0), 1)]
        >>> len({tuple(jax.random.key_data(key).tolist()) for key in keys})
        3
    """
    return jax.random.fold_in(key, _MEASUREMENT)
