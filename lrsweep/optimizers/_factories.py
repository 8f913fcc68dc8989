"""Optimizers' factories: those that optax lacks, and what a factory says of itself."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.inputs._errors import InputError

Factory = Callable[..., optax.GradientTransformation]


def gauss_seidel(learning_rate: Any, *, backward: bool = False) -> optax.GradientTransformationExtraArgs:
    """Makes gradient descent that updates one array of the parameters after another.

    The gradient for each array is taken with the arrays before it already updated, as in the Gauss-Seidel method for
    linear systems. The article's own Python does this backward: it updates `w1` first, and then `w0` with the new
    `w1`. An update takes optax's extra argument `value_fn`, and as many gradients as there are arrays.

    Args:
        learning_rate: The factor that the gradient is multiplied by.
        backward: Whether to go through the arrays in the reverse of the pytree's order.

    Raises:
        ValueError: From `update`, where it is called without `params` or `value_fn`.

    Example:
        >>> loss = lambda params: (params["a"] + params["b"]) ** 2 / 2
        >>> params = {"a": 1.0, "b": 1.0}
        >>> optimizer = gauss_seidel(0.5)
        >>> updates, _ = optimizer.update(jax.grad(loss)(params), optimizer.init(params), params, value_fn=loss)
        >>> float(updates["a"]), float(updates["b"])  # b sees a = 0
        (-1.0, -0.5)
    """

    def init(params: Any) -> optax.EmptyState:
        del params
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None, **extra_args: Any) -> tuple[Any, Any]:
        if params is None or "value_fn" not in extra_args:
            raise InputError("gauss_seidel computes gradients: call update(grads, state, params, value_fn=loss)")
        grad_at = jax.grad(extra_args["value_fn"])
        grads, (leaves, structure) = jax.tree.leaves(updates), jax.tree.flatten(params)
        steps = list(leaves)
        order = list(reversed(range(len(leaves)))) if backward else list(range(len(leaves)))
        for place in order:
            if place != order[0]:
                grads = jax.tree.leaves(grad_at(structure.unflatten(leaves)))
            steps[place] = -learning_rate * grads[place]
            leaves[place] = jnp.asarray(leaves[place] + steps[place], jnp.result_type(leaves[place]))
        return structure.unflatten(steps), state

    return optax.GradientTransformationExtraArgs(init, update)


class _LookaheadState(NamedTuple):
    inner: Any
    slow: Any


def lookahead(
    fast_optimizer: optax.GradientTransformation, sync_period: int, slow_step_size: Any
) -> optax.GradientTransformation:
    """Makes `optax.lookahead` for any parameters, with the slow parameters in the optimizer's state.

    Optax's own takes parameters that are a pair of fast and slow ones. Here the parameters are the fast ones; the
    numbers are the same (Zhang et al., 2019, arXiv:1907.08610).

    Args:
        fast_optimizer: The optimizer of the fast parameters.
        sync_period: After every how many updates the slow parameters move towards the fast ones, which continue from
            where the slow ones are then; 1 or more.
        slow_step_size: By what share of the way the slow parameters move, from 0 to 1.

    Example:
        >>> optimizer = lookahead(optax.sgd(0.5), sync_period=2, slow_step_size=0.5)
        >>> params, state = jnp.float32(1.0), optimizer.init(jnp.float32(1.0))
        >>> for _ in range(2):  # down the slope of params**2 / 2: to 0.5, to 0.25, and half the way back from there
        ...     updates, state = optimizer.update(params, state, params)
        ...     params = optax.apply_updates(params, updates)
        >>> float(params)
        0.625
    """
    inner: Any = optax.lookahead(fast_optimizer, sync_period, slow_step_size)

    def init(params: Any) -> _LookaheadState:
        return _LookaheadState(inner.init(optax.LookaheadParams(params, params)), params)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, _LookaheadState]:
        pair, inner_state = inner.update(updates, state.inner, optax.LookaheadParams(params, state.slow))
        return pair.fast, _LookaheadState(inner_state, optax.apply_updates(state.slow, pair.slow))

    return optax.GradientTransformation(init, update)


def label(factory: Factory) -> str:
    """Names a factory for messages and reports.

    Example:
        >>> label(optax.adam)
        'adam'
    """
    function = getattr(factory, "func", factory)
    return getattr(function, "__name__", type(function).__name__)


def add_keywords(factory: Factory, added: Iterable[inspect.Parameter]) -> inspect.Signature:
    """Gives a factory's signature with more keywords, and all of them keyword-only.

    Example:
        >>> more = inspect.Parameter("more", inspect.Parameter.KEYWORD_ONLY)
        >>> str(add_keywords(lambda learning_rate, **rest: None, [more]))
        '(*, learning_rate, more, **rest)'
    """
    parameters = inspect.signature(factory).parameters.values()
    rest = [each for each in parameters if each.kind is each.VAR_KEYWORD]
    named = [each.replace(kind=each.KEYWORD_ONLY) for each in parameters if each not in rest]
    return inspect.Signature([*named, *added, *rest])
