"""One kernel for a whole loop on a CPU: whether XLA can make one, and a call of what it makes."""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def call(function: Callable[..., Any], *arguments: Any, captured: Any, one_kernel: bool) -> Any:
    """Calls a function, and where `one_kernel` is set asks XLA's CPU backend to compile it into one kernel.

    The backend would otherwise start a kernel for every few operations, which takes longer than small ones do.

    Args:
        function: The function.
        arguments: Its arguments, pytrees of arrays.
        captured: A pytree of all arrays that the function uses beside them.
        one_kernel: Whether to ask for one kernel.
    """
    if not one_kernel:
        return function(*arguments)
    # `has_one_kernel` finds out whether this version of JAX has it: where it has not, no layout asks for one kernel.
    from jax.experimental.xla_metadata import set_xla_metadata

    def kernel(*arguments: Any) -> tuple[Any, Any]:
        # The backend gives up where an argument is unused, so each of them goes into a sum.
        total = sum(jnp.sum(array, dtype=jnp.float32) for array in jax.tree.leaves((arguments, captured)))
        return function(*arguments), total

    (first, *others), structure = jax.tree.flatten(jax.jit(kernel)(*arguments)[0])
    request = {"xla_cpu_small_call": "true", "inlineable": "false"}
    return structure.unflatten([set_xla_metadata(first, **request), *others])


@functools.cache
def has_one_kernel(device: Any) -> bool:
    """Tries once whether XLA can compile a loop into one kernel, with the same results as otherwise.

    Args:
        device: The device to compile for.
    """

    def run(scale: Any, x: Any, *, one_kernel: bool) -> Any:
        def double(x: Any) -> Any:
            return lax.while_loop(lambda x: x.max() < 100, lambda x: scale * x + 1, x)

        return call(double, x, captured=scale, one_kernel=one_kernel)

    try:
        with jax.default_device(device):
            scale, x = jnp.float32(2), jnp.arange(8, dtype=jnp.float32)
            many, one = (jax.jit(partial(run, one_kernel=one_kernel))(scale, x) for one_kernel in (False, True))
            return bool((many == one).all())
    except Exception:  # whatever the reason, the sweep does without
        return False
