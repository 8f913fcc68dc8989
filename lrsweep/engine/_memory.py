"""How much memory there is, and how much a compiled block needs."""

from pathlib import Path

import jax
import psutil

from lrsweep.engine._devices import devices

# The rest is for everything else: the table, other programs, and what the compiler's own figures leave out.
_SHARE_OF_HOST = 0.5
_SHARE_OF_DEVICE = 0.9


def available_bytes() -> int:
    """Gives the memory that the blocks on the first device may take.

    On an accelerator that is 90% of what its allocator has left; on a CPU half of what the machine has available, or of
    what is left of a container's limit where that is less.

    Example:
        >>> available_bytes() > 0
        True
    """
    device = devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(_SHARE_OF_DEVICE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    left = psutil.virtual_memory().available
    limit, used = (_read(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit is not None and used is not None:
        left = min(left, max(0, limit - used))
    return int(_SHARE_OF_HOST * left)


def needed_bytes(compiled: jax.stages.Compiled) -> int:
    """Gives the memory that a compiled program takes, arguments and results included; 0 where XLA does not say."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    return (
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes
        + analysis.generated_code_size_in_bytes
    )


def show_bytes(size: float) -> str:
    """Writes a size in bytes with a unit and three digits.

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
