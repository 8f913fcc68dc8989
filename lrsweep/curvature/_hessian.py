"""The loss's curvature at some parameters: the extreme eigenvalues of its Hessian, by Lanczos's method."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

# Enough for the ends of a network's spectrum, which stand clear of the rest; the residual says where it was not.
ITERATIONS = 40


class Spectrum(NamedTuple):
    """The ends of a Hessian's spectrum, scalars of the loss's dtype, in loss per squared unit of the parameters.

    Attributes:
        largest: The algebraically largest eigenvalue: the sharpness.
        least: The algebraically least eigenvalue.
        residual: `||H v - largest v||` for the unit vector `v` that was found beside `largest`, computed with one more
            product: some eigenvalue lies within it of `largest`.
    """

    largest: Any
    least: Any
    residual: Any


def extreme_eigenvalues(loss_of: Callable[[Any], Any], params: Any, *, iterations: int = ITERATIONS) -> Spectrum:
    """Finds the largest and the least eigenvalue of a loss's Hessian from Hessian-vector products.

    Lanczos's method with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 2013, section 10.3); where
    the Krylov space is exhausted early it goes on in a fresh direction. Where there are no more parameters than
    iterations, the whole Hessian is formed instead, and both are exact but for rounding; otherwise both lie inside
    the spectrum, the largest from below. The start is the same at every call, and so are the bits.

    It is plain JAX for one set of parameters: under `jax.vmap`, `jax.jit` and inside loops it is what it is alone. It
    takes `iterations + 1` products, each about four times the work of a loss, and keeps ``[iterations, parameters]``.

    Args:
        loss_of: The loss as a function of the parameters, twice differentiable there.
        params: A pytree of floating-point arrays.
        iterations: How many products to take, 1 or more.

    Returns:
        A `Spectrum`, NaN where the Hessian is not finite.

    Example:
        >>> saddle = lambda params: params["a"] ** 2 - 3 * params["b"] ** 2
        >>> ends = extreme_eigenvalues(saddle, {"a": jnp.float32(1.0), "b": jnp.float32(1.0)})
        >>> float(ends.largest), float(ends.least)
        (2.0, -6.0)
    """
    flat, unravel = ravel_pytree(params)
    dtype = jax.eval_shape(loss_of, params).dtype
    wide = jnp.promote_types(jnp.promote_types(dtype, flat.dtype), jnp.float32)

    def product(vector: Any) -> Any:
        # Accelerators round the factors of a product to fewer bits by default, and the eigenvalue would show it.
        with jax.default_matmul_precision("highest"):
            slope_at = jax.grad(lambda flat: loss_of(unravel(flat)))
            return jax.jvp(slope_at, (flat,), (vector.astype(flat.dtype),))[1].astype(wide)

    if flat.size <= iterations:
        hessian = jax.vmap(product)(jnp.eye(flat.size, dtype=wide))
        return _ends((hessian + hessian.T) / 2, jnp.eye(flat.size, dtype=wide), product, dtype)
    return _ends(*_tridiagonal(product, flat.size, iterations, wide), product, dtype)


def _tridiagonal(product: Callable[[Any], Any], size: int, iterations: int, dtype: Any) -> tuple[Any, Any]:
    """Lanczos's tridiagonal matrix ``[iterations, iterations]``, and its basis ``[iterations, size]``."""
    tiny = 10 * size**0.5 * jnp.finfo(dtype).eps

    def clear(vector: Any, basis: Any) -> Any:
        """Takes out of a vector what lies along the basis; twice, since once leaves as much as rounding brought in."""
        for _ in range(2):
            vector = vector - jnp.dot(jnp.dot(basis, vector, precision="highest"), basis, precision="highest")
        return vector

    def fresh(place: Any) -> Any:
        return jax.random.normal(jax.random.fold_in(jax.random.key(0), place), (size,), dtype)

    def extend(place: Any, now: tuple[Any, Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any, Any]:
        basis, vector, diagonal, beside, scale = now
        basis = basis.at[place].set(vector)
        image = product(vector)
        along = jnp.dot(image, vector, precision="highest")
        rest = clear(image, basis)
        length = _norm(rest)
        scale = jnp.maximum(scale, jnp.maximum(abs(along), length))
        exhausted = length <= tiny * scale
        rest = jnp.where(exhausted, clear(fresh(place + 1), basis), rest)
        diagonal = diagonal.at[place].set(along)
        beside = beside.at[place].set(jnp.where(exhausted, 0, length))
        return basis, rest / _norm(rest), diagonal, beside, scale

    first, zeros = fresh(0), jnp.zeros(iterations, dtype)
    start = jnp.zeros((iterations, size), dtype), first / _norm(first), zeros, zeros, jnp.zeros((), dtype)
    basis, _, diagonal, beside, _ = lax.fori_loop(0, iterations, extend, start)
    matrix = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
    return matrix, basis


def _ends(matrix: Any, basis: Any, product: Callable[[Any], Any], dtype: Any) -> Spectrum:
    finite = jnp.isfinite(matrix).all()
    # An eigensolver given something that is not finite may not come back.
    values, vectors = jnp.linalg.eigh(jnp.where(finite, matrix, 0))
    vector = jnp.dot(vectors[:, -1], basis, precision="highest")
    residual = _norm(product(vector) - values[-1] * vector)
    ends = Spectrum(values[-1], values[0], residual)
    return jax.tree.map(lambda value: jnp.where(finite, value, jnp.nan).astype(dtype), ends)


def _norm(vector: Any) -> Any:
    """Computes the Euclidean norm, also where squares of the elements would overflow or vanish."""
    largest = jnp.max(abs(vector))
    scale = jnp.where(largest > 0, largest, 1)
    return scale * jnp.linalg.norm(vector / scale)
