"""One kernel for a whole loop on a CPU: whether XLA can make one, and a call of what it makes."""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.engine._jaxpr import compute, constants_of, trace


def call(function: Callable[..., Any], *arguments: Any, one_kernel: bool) -> Any:
    """Calls a function, and where `one_kernel` is set asks XLA's CPU backend to compile it into one kernel.

    The backend would otherwise start a kernel for every few operations, which takes longer than small ones do.
    """
    if not one_kernel:
        return function(*arguments)
    # `has_one_kernel` finds out whether this version of JAX has it: where it has not, no layout asks for one kernel.
    from jax.experimental.xla_metadata import set_xla_metadata

    computation, shapes = trace(function, *arguments)

    def kernel(constants: list[Any], arguments: list[Any]) -> tuple[list[Any], Any]:
        # The backend gives up where an argument is unused, so each of them goes into a sum.
        total = sum(jnp.sum(array, dtype=jnp.float32) for array in (*constants, *arguments))
        return compute(computation, constants, arguments), total

    results, _ = jax.jit(kernel)(constants_of(computation), jax.tree.leaves(arguments))
    request = {"xla_cpu_small_call": "true", "inlineable": "false"}
    results = [set_xla_metadata(results[0], **request), *results[1:]]
    return jax.tree.unflatten(jax.tree.structure(shapes), results)


@functools.cache
def has_one_kernel(device: Any) -> bool:
    """Tries once whether XLA can compile a loop into one kernel, with the same results as otherwise.

    Args:
        device: The device to compile for.
    """

    def run(scale: Any, x: Any, *, one_kernel: bool) -> Any:
        def double(x: Any) -> Any:
            return lax.while_loop(lambda x: x.max() < 100, lambda x: scale * x + 1, x)

        return call(double, x, one_kernel=one_kernel)

    try:
        with jax.default_device(device):
            scale, x = jnp.float32(2), jnp.arange(8, dtype=jnp.float32)
            many, one = (jax.jit(partial(run, one_kernel=one_kernel))(scale, x) for one_kernel in (False, True))
            return bool((many == one).all())
    except Exception:  # whatever the reason, the sweep does without
        return False
