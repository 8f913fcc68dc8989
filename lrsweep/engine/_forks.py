"""Whether this process was forked from one that had used JAX: what JAX keeps threads for does not come along."""

import os
import sys

_used = False
_forked = False


def is_forked() -> bool:
    """Tells whether JAX cannot work here, since its threads stayed in the process that this one was forked from."""
    return _forked


def _before() -> None:
    global _used
    # There is no public way to ask: where this one is gone, nothing is refused.
    bridge = sys.modules.get("jax._src.xla_bridge")
    asked = getattr(bridge, "backends_are_initialized", lambda: False)
    _used = bool(asked())


def _in_child() -> None:
    global _forked
    _forked = _forked or _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
