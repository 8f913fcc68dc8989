"""How the command line sets JAX up: every core is a device, and compiled programs are kept for the next run."""

import contextlib
import os
from pathlib import Path
from typing import Any

# How much room compiled programs may take between runs. Those of the article's search take 40 kB.
CACHE_BYTES = 128 * 2**20


def set_up_jax() -> None:
    """Has JAX use every core and keep what it compiles, unless the user's environment says otherwise."""
    # XLA logs an error for every program it loads that was tuned for what it does not count as a feature of the
    # processor (https://github.com/openxla/xla/issues/44565). What goes wrong in earnest, it raises. 1 is what JAX sets
    # for itself, and so a notebook that has loaded it for the commands it starts.
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import jax

    settings: dict[str, Any] = {}
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        settings["jax_num_cpu_devices"] = _cores()
    # By default JAX keeps only what took a second to compile, and small problems take less.
    settings["jax_persistent_cache_min_compile_time_secs"] = 0.0
    folder = cache_folder()
    if folder is not None:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            settings["jax_compilation_cache_dir"] = str(folder)
            shrink(folder, CACHE_BYTES)
    for name, value in settings.items():
        if name.upper() not in os.environ:
            # Once JAX has started, in a program that calls this one, its devices are given.
            with contextlib.suppress(RuntimeError):
                jax.config.update(name, value)


def _cores() -> int:
    """Gives how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_folder() -> Path | None:
    """Gives the folder of compiled programs, or None where the user names another, or has no home."""
    import platformdirs

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return None
    try:
        folder = platformdirs.user_cache_path("lrsweep", appauthor=False) / "compiled"
    except RuntimeError:
        return None
    # Older versions of platformdirs give a user without a home a path that begins with ~.
    return folder if folder.is_absolute() else None


def shrink(folder: Path, room: int) -> None:
    """Removes the files of a folder that were used longest ago, until the rest fit into `room` bytes.

    JAX can do it itself (jax_compilation_cache_max_size), but needs one more package for that; and a run that is killed
    between writing a program and writing when it was used leaves JAX unable to write any other.
    """
    with contextlib.suppress(OSError):
        known = [(path.stat(), path) for path in folder.rglob("*") if path.is_file()]
        for stat, path in sorted(known, key=lambda entry: -max(entry[0].st_atime, entry[0].st_mtime)):
            room -= stat.st_size
            if room < 0:
                path.unlink(missing_ok=True)
