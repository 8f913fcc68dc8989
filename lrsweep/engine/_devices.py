"""The devices that trials run on, and arrays put there."""

from typing import Any

import jax


def devices() -> list[Any]:
    """Lists the devices that blocks are handed to: the one that JAX is told to use, or all of this process.

    Example:
        >>> with jax.default_device("cpu"):
        ...     print(len(devices()), devices()[0].platform)
        1 cpu
    """
    config: Any = jax.config
    told = config.jax_default_device
    if told is None:
        return jax.local_devices()
    # The name of a platform stands for the first device of it.
    return jax.local_devices(backend=told)[:1] if isinstance(told, str) else [told]


def on_first_device(tree: Any) -> Any:
    """Puts the arrays of a pytree on the first of the devices, whole, however they were spread.

    Example:
        >>> on_first_device({"x": 2.0})["x"].devices() == {devices()[0]}
        True
    """
    return jax.device_put(tree, devices()[0])
