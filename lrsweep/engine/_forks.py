"""Whether this process was forked from one that had used JAX, whose threads a fork does not take along."""

import os
import sys

_used = False
_forked = False


def is_forked() -> bool:
    """Tells whether JAX cannot work here: its threads stayed in the process that this one was forked from."""
    return _forked


def _before_fork() -> None:
    global _used
    # JAX has no public way to ask. In a version without this one, a forked process is not refused.
    bridge = sys.modules.get("jax._src.xla_bridge")
    is_initialized = getattr(bridge, "backends_are_initialized", lambda: False)
    _used = bool(is_initialized())


def _in_child() -> None:
    global _forked
    _forked = _forked or _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
