"""What a time depends on beside the code: the machine, and the versions of what ran on it."""

import platform
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = "jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu", "numpy", "optax", "pandas", "torch"


def describe_machine(device: Mapping[str, Any], cores: int) -> dict[str, Any]:
    """Reads what this machine is.

    Args:
        device: What JAX runs on, see `serve_device`.
        cores: How many cores are used.

    Returns:
        The `device`, with its `driver` where an NVIDIA one is known; the model of the `processor`, and how many `cores`
        are used; the memory, `memory_gb`, in 10^9 bytes; the `system`; and `versions`, those of Python, the C compiler
        and `PACKAGES` as far as they are installed.
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
        "device": dict(device) | nvidia_driver() if device["platform"] == "gpu" else dict(device),
        "processor": processor_model(),
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def nvidia_driver() -> dict[str, str]:
    """Reads the version of NVIDIA's driver, as `driver`; nothing where its tool is missing."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"driver": ran.stdout.split()[0]} if ran.returncode == 0 and ran.stdout.strip() else {}


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
    device, cores = machine["device"], machine["cores"]
    hardware = f"{machine['processor']}, {cores} {'core' if cores == 1 else 'cores'}, {machine['memory_gb']:.0f} GB"
    if device["platform"] != "cpu":
        driver = f", driver {device['driver']}" if "driver" in device else ""
        hardware = f"{device['count']} x {device['kind']}{driver}; {hardware}"
    # A name and its number stay in one line.
    versions = ", ".join(f"{name}\N{NO-BREAK SPACE}{number}" for name, number in machine["versions"].items())
    lines = textwrap.wrap(hardware, width) + textwrap.wrap(versions, width)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")
