"""The programs of lrsweep and its peers, compiled for a GPU that is not here."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.experimental import topologies

from speed_parts.entry import MissingError
from speed_parts.launches import count_launches
from speed_parts.peers import find_entry
from speed_parts.setup import Setup, set_up
from speed_parts.workloads import WORKLOADS

# What XLA's compiler asks of an H100.
MEMORY = 84_942_979_072
H100 = f"""
gpu_device_info {{
  cuda_compute_capability {{ major: 9 }}
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  memory_bandwidth: 3352320000000
  device_memory_size: {MEMORY}
  l2_cache_size: 52428800
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  threads_per_warp: 32
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
runtime_version {{ major: 12 minor: 8 }}
device_description_str: "NVIDIA H100 80GB HBM3"
"""


class Program(BaseException):
    """A compiled program, on its way out of the sweep that would have run it next."""

    def __init__(self, compiled: jax.stages.Compiled) -> None:
        super().__init__()
        self.compiled = compiled


class StandIn:
    """A GPU as lrsweep sees it; it computes nothing."""

    platform, device_kind, id, process_index = "gpu", "NVIDIA H100 80GB HBM3", 0, 0

    def memory_stats(self) -> dict[str, int]:
        """Tells how much memory it has."""
        return {"bytes_limit": MEMORY, "bytes_in_use": 0}


def serve_launches(connection: Connection, name: str, divisor: float, place: int, entry: str) -> None:
    """Sends how often the program of an entry starts a kernel, see `count_launches`, or what is missing here.

    Args:
        connection: To who asks.
        name: The sweep's key in `WORKLOADS`.
        divisor: What numbers of trials are divided by.
        place: Which of the sweep's sizes.
        entry: The entry's name.
    """
    # The plugin for CUDA finds fault with a machine that has no GPU only where JAX is to use one.
    set_up(Setup("cpu", 1))
    workload = WORKLOADS[name].in_sizes("gpu", divisor)[place]
    try:
        compiled = compile_entry(find_entry(name, entry).make, workload)
    except MissingError as missing:
        connection.send((str(missing), None))
        return
    connection.send((None, count_launches(compiled.as_text() or "")))


def compile_entry(make: Callable[..., Any], workload: Any) -> jax.stages.Compiled:
    """Compiles the first program that an entry would run on the GPU.

    Raises:
        MissingError: JAX's plugin for CUDA is not installed.
    """
    try:
        (device,) = topologies.get_topology_desc(platform="cuda", topology="1x1x1", target_config=H100).devices
    except NotImplementedError:
        raise MissingError("JAX's plugin for CUDA is not installed, jax-cuda12-plugin") from None
    trials = workload.trials()
    try:
        with compiling_for(device):
            make(workload)(trials)
    except Program as program:
        return program.compiled
    raise RuntimeError("the entry compiled nothing")


@contextmanager
def compiling_for(device: Any) -> Iterator[None]:
    """Lets JAX and lrsweep compile for a device that is not here, and ends with the first program."""
    sharding = jax.sharding.SingleDeviceSharding
    real_jit, real_compile, stand_in = jax.jit, jax.stages.Lowered.compile, StandIn()

    def placed(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct):
            return leaf
        dtype, weak = jax.dtypes.canonicalize_dtype(leaf.dtype), getattr(leaf, "weak_type", False)
        return jax.ShapeDtypeStruct(leaf.shape, dtype, weak_type=weak, sharding=sharding(device))

    def compile_program(lowered: jax.stages.Lowered, *args: Any, **options: Any) -> Any:
        raise Program(real_compile(lowered, *args, **options))

    class Jitted:
        """A jitted function that is compiled where it would run."""

        def __init__(self, function: Any, **options: Any) -> None:
            self.real = real_jit(function, **options)

        def lower(self, *args: Any) -> jax.stages.Lowered:
            """Lowers it for the device, whatever device its arguments are on."""
            return self.real.lower(*jax.tree.map(placed, args))

        def __call__(self, *args: Any) -> Any:
            if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(args)):
                return self.real(*args)
            return self.lower(*args).compile()

    with ExitStack() as patches:
        for patch in (
            mock.patch("jax.jit", Jitted),
            mock.patch("jax.devices", return_value=[stand_in]),
            mock.patch("jax.local_devices", return_value=[stand_in]),
            mock.patch("jax.device_put", lambda tree, *_, **__: jax.tree.map(jnp.asarray, tree)),
            mock.patch.object(jax.stages.Lowered, "compile", compile_program),
        ):
            patches.enter_context(patch)
        # Shardings are asked for by the name under which a module has imported them.
        for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "lrsweep"]:
            for name in [name for name, value in vars(module).items() if value is sharding]:
                patches.enter_context(mock.patch.object(module, name, return_value=sharding(device)))
        yield
