"""JAX's modes: those that trials run under, whatever the caller's are; and the places where trials cannot run."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np

from lrsweep.engine._forks import is_forked
from lrsweep.inputs._errors import InputError

# The caller's modes of dtype and rank promotion, while `ordinary_modes` has replaced them.
_PROMOTION: ContextVar[tuple[Any, Any] | None] = ContextVar("promotion", default=None)


@contextmanager
def ordinary_modes() -> Iterator[None]:
    """Switches this thread to JAX's ordinary modes, and back to the caller's at the end.

    Modes that look for faults in the caller's code (a NaN, a promotion, a transfer that was not asked for) would find
    them in trials that diverge, and in what lrsweep does on purpose. A mesh is for arrays that are sharded over
    devices, and trials are not. Keys other than threefry's can give a trial numbers that depend on the trials beside
    it. What decides about precision stays as the caller has it: 64 bits, and how products are rounded.

    Raises:
        ValueError: Trials cannot run here: within a transformation of JAX, or in a process that was forked from one
            that had used JAX.

    Example:
        >>> with jax.numpy_rank_promotion("raise"), ordinary_modes():
        ...     print(jax.numpy.ones(2) + jax.numpy.ones((2, 2)))
        [[2. 2.]
         [2. 2.]]
    """
    if is_forked():
        raise InputError(
            "this process was forked from one that had used JAX, which does not work in it: start it by "
            'multiprocessing.get_context("spawn")'
        )
    with ExitStack() as stack:
        try:
            stack.enter_context(jax.set_mesh(jax.sharding.Mesh(np.empty((), object), ())))
        except ValueError as error:
            # JAX refuses another mesh where something is being traced.
            raise InputError(
                "trials cannot be run while JAX traces what is around them: call lrsweep outside jax.jit, jax.vmap and "
                "jax.grad"
            ) from error
        token = _PROMOTION.set(promotion_mode())
        stack.callback(_PROMOTION.reset, token)
        for mode in (
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.transfer_guard("allow"),
            jax.disable_jit(False),
            jax.default_prng_impl("threefry2x32"),
        ):
            stack.enter_context(mode)
        yield


@contextmanager
def callers_promotion() -> Iterator[None]:
    """Switches back to the caller's modes of promotion within `ordinary_modes`, to try the caller's functions."""
    dtypes, ranks = promotion_mode()
    with jax.numpy_dtype_promotion(dtypes), jax.numpy_rank_promotion(ranks):
        yield


def promotion_mode() -> tuple[Any, Any]:
    """Gives the caller's modes of dtype and of rank promotion, also within `ordinary_modes`."""
    config: Any = jax.config
    return _PROMOTION.get() or (config.jax_numpy_dtype_promotion, config.jax_numpy_rank_promotion)
