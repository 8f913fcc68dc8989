"""The learning rate above which an optimizer is unstable in theory, from the curvature at a trial's start."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lrsweep.curvature._hessian import extreme_eigenvalues
from lrsweep.optimizers._factories import Factory


class Theory(NamedTuple):
    """The theory of an optimizer with some keywords.

    Attributes:
        threshold: On a quadratic the optimizer is unstable where `learning_rate * largest` is above this. `largest` is
            the largest eigenvalue of the Hessian, or with a preconditioner that of the preconditioned Hessian.
        eps: Adam's `eps`, which its preconditioner adds to the root of the second moment; None where there is no
            preconditioner.
        eps_root: Adam's `eps_root`, which its preconditioner adds under the root.
    """

    threshold: float
    eps: float | None = None
    eps_root: float = 0.0


def theory_of(factory: Factory, keywords: Mapping[str, Any]) -> Theory | None:
    """Looks up what theory says of `optax.sgd` and `optax.adam`, also through `functools.partial`.

    - Gradient descent: 2. With momentum b, heavy ball: 2 (1 + b); Nesterov's: 2 (1 + b) / (1 + 2 b). These are exact
      on quadratics (Cohen et al., 2021, arXiv:2103.00065, appendix B).
    - Adam with its preconditioner frozen: 2 (1 + b1) / (1 - b1), with the largest eigenvalue of `P**-1 H` (Cohen et
      al., 2022, arXiv:2207.14484). Since Adam's preconditioner `P` changes from update to update, this is no exact
      edge. The paper takes the `P` of the current update; here it is that of the first one, see
      `preconditioned_sharpness`.

    Args:
        factory: The optimizer's factory.
        keywords: The keywords that it is called with, without the learning rate.

    Returns:
        A `Theory`; None for any other factory, for Nesterov's Adam, and for a momentum or b1 outside 0 to 1.

    Example:
        >>> theory_of(optax.sgd, {"momentum": 0.9}).threshold
        3.8
        >>> round(theory_of(functools.partial(optax.adam, b1=0.9), {}).threshold, 9)
        38.0
    """
    arguments: tuple[Any, ...] = ()
    keywords = dict(keywords)
    while isinstance(factory, functools.partial):
        arguments, keywords, factory = (*factory.args, *arguments), {**factory.keywords, **keywords}, factory.func
    if factory not in (optax.sgd, optax.adam):
        return None
    bound = inspect.signature(factory).bind_partial(*arguments, **keywords)
    bound.apply_defaults()
    values = bound.arguments
    decay = values["momentum"] or 0.0 if factory is optax.sgd else values["b1"]
    if not 0 <= decay < 1:
        return None
    if factory is optax.sgd:
        return Theory(2 * (1 + decay) / (1 + 2 * decay if values["nesterov"] else 1))
    if values["nesterov"]:
        return None
    return Theory(2 * (1 + decay) / (1 - decay), values["eps"], values["eps_root"])


def preconditioned_sharpness(loss_of: Callable[[Any], Any], params: Any, *, eps: Any, eps_root: Any) -> Any:
    """Computes the largest eigenvalue of the Hessian as Adam sees it at its first update.

    The preconditioner is the diagonal `P = sqrt(v + eps_root) + eps`, where `v` is the bias-corrected second moment of
    the first update, the gradient's square. The matrix is `P**-1/2 H P**-1/2`, which has the eigenvalues of `P**-1 H`.

    Args:
        loss_of: The loss as a function of the parameters, twice differentiable there.
        params: A pytree of floating-point arrays.
        eps: Adam's `eps`, a scalar.
        eps_root: Adam's `eps_root`, a scalar.

    Returns:
        A scalar of the loss's dtype, in units of one over the learning rate; NaN where it is not finite.

    Example:
        >>> loss = lambda x: jnp.sum(jnp.array([1.0, 8.0]) * x**2) / 2  # the gradient is 1 and 4
        >>> float(preconditioned_sharpness(loss, jnp.array([1.0, 0.5]), eps=0.0, eps_root=0.0))
        2.0
    """
    grads = jax.grad(loss_of)(params)
    scales = jax.tree.map(lambda grad: ((grad**2 + eps_root) ** 0.5 + eps) ** -0.5, grads)

    def rescaled_loss(shift: Any) -> Any:
        return loss_of(jax.tree.map(lambda leaf, scale, move: leaf + scale * move, params, scales, shift))

    return extreme_eigenvalues(rescaled_loss, jax.tree.map(jnp.zeros_like, params)).largest
