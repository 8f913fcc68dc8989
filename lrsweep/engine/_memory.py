"""How much memory there is, and how much a compiled block needs."""

from pathlib import Path

import jax
import psutil

from lrsweep.engine._devices import devices

# What is left to everything else: the table, other programs, what the compiler's own figures leave out.
_SHARE_OF_HOST = 0.5
_SHARE_OF_DEVICE = 0.9


def available_bytes() -> int:
    """Gives the memory that a block may take on the first of the devices that blocks are handed to.

    Of an accelerator what its allocator has left; of a CPU half of what the machine has available, or of what is left
    of a container's limit where that is less.

    Example:
        >>> available_bytes() > 0
        True
    """
    device = devices()[0]
    told = device.memory_stats() if device.platform != "cpu" else None
    if told and "bytes_limit" in told:
        return int(_SHARE_OF_DEVICE * (told["bytes_limit"] - told.get("bytes_in_use", 0)))
    left = psutil.virtual_memory().available
    limit, used = (_read(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit is not None and used is not None:
        left = min(left, max(0, limit - used))
    return int(_SHARE_OF_HOST * left)


def needed_bytes(compiled: jax.stages.Compiled) -> int:
    """Gives what a compiled program takes while it runs, arguments and results included; 0 where it does not say."""
    told = compiled.memory_analysis()
    if told is None:
        return 0
    return (
        told.argument_size_in_bytes
        + told.output_size_in_bytes
        + told.temp_size_in_bytes
        - told.alias_size_in_bytes
        + told.generated_code_size_in_bytes
    )


def show_bytes(size: float) -> str:
    """Writes a size as people do.

    Example:
        >>> show_bytes(1536), show_bytes(25_300_000_000)
        ('1.54 kB', '25.3 GB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def _read(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None
