"""What a command loads before its work begins, at the least cost."""

import gc
import importlib

from lrsweep.cli._jax_setup import set_up_jax


def load_jax(*, x64: bool) -> None:
    """Loads JAX and what runs trials, which takes most of the start of a command that does.

    Args:
        x64: Whether to compute in 64-bit floating point.
    """
    set_up_jax()
    import jax

    importlib.import_module("lrsweep.studies._sweep")
    keep_loaded()
    if x64:
        jax.config.update("jax_enable_x64", True)


def keep_loaded() -> None:
    """Ends the pause of the garbage collector that `__main__` began, and has it pass over all that is loaded by now."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
