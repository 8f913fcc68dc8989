"""The devices that trials run on, and the transfer of arrays to them."""

from typing import Any

import jax


def devices() -> list[Any]:
    """Lists the devices that blocks run on: JAX's default device where one is set, otherwise all of this process.

    Example:
        >>> with jax.default_device("cpu"):
        ...     print(len(devices()), devices()[0].platform)
        1 cpu
    """
    config: Any = jax.config
    default = config.jax_default_device
    if default is None:
        return jax.local_devices()
    # The name of a platform stands for its first device.
    return jax.local_devices(backend=default)[:1] if isinstance(default, str) else [default]


def on_first_device(tree: Any) -> Any:
    """Puts the arrays of a pytree on the first of the devices, each as a whole, also where it was sharded.

    Example:
        >>> on_first_device({"x": 2.0})["x"].devices() == {devices()[0]}
        True
    """
    return jax.device_put(tree, devices()[0])
