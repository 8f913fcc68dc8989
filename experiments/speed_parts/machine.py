"""What a time depends on beside the code: the machine, and the versions of what ran on it."""

import os
import platform
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = "jax", "jaxlib", "numpy", "optax", "pandas", "torch"


def describe_machine() -> dict[str, Any]:
    """Reads what this machine is.

    Returns:
        The model of its `processor`; how many `cores` it has; its memory, `memory_gb`, in 10^9 bytes; its `system`;
        and `versions`, those of Python, the C compiler and `PACKAGES` as far as they are installed.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    if compiler := shutil.which("cc"):
        versions["cc"] = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True).stdout.strip()
    return {
        "processor": processor_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def processor_model() -> str:
    """Reads the processor's model; where the system does not name it, its architecture."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_lines(machine: Mapping[str, Any], width: int) -> str:
    """Writes what `describe_machine` says in lines of at most so many characters."""
    hardware = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB"
    # A name and its number stay in one line.
    versions = ", ".join(f"{name}\N{NO-BREAK SPACE}{number}" for name, number in machine["versions"].items())
    lines = textwrap.wrap(hardware, width) + textwrap.wrap(versions, width)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")
