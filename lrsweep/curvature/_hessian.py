"""The extreme eigenvalues of a loss's Hessian at some parameters, by Lanczos's method."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

# Enough where the extreme eigenvalues stand clear of the rest, as a network's do; the residual tells where they do not.
ITERATIONS = 40


class Spectrum(NamedTuple):
    """The ends of a Hessian's spectrum, scalars of the loss's dtype, in loss per squared unit of the parameters.

    Attributes:
        largest: The algebraically largest eigenvalue: the sharpness.
        least: The algebraically least eigenvalue.
        residual: `||H v - largest v||` for the unit vector `v` that was found with `largest`. Some eigenvalue is no
            farther from `largest` than this.
    """

    largest: Any
    least: Any
    residual: Any


def extreme_eigenvalues(loss_of: Callable[[Any], Any], params: Any, *, iterations: int = ITERATIONS) -> Spectrum:
    """Finds the largest and the least eigenvalue of a loss's Hessian from Hessian-vector products.

    Lanczos's method with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 2013, section 10.3). Where
    the Krylov space is exhausted early, it continues in a new random direction. Both results lie inside the spectrum:
    the largest is approached from below, the least from above. Where there are no more parameters than iterations, the
    whole Hessian is formed instead, and both are exact but for rounding. The first direction is the same at every call,
    and so are the bits.

    It is plain JAX for one set of parameters, for use under `jax.vmap`, `jax.jit` and inside loops. It takes
    `iterations + 1` products, each about four times the work of a loss, and memory for ``[iterations, parameters]``.

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
        # Accelerators by default round the factors of a product to fewer bits, which the eigenvalue would show.
        with jax.default_matmul_precision("highest"):
            slope_at = jax.grad(lambda flat: loss_of(unravel(flat)))
            return jax.jvp(slope_at, (flat,), (vector.astype(flat.dtype),))[1].astype(wide)

    if flat.size <= iterations:
        hessian = jax.vmap(product)(jnp.eye(flat.size, dtype=wide))
        return _ends((hessian + hessian.T) / 2, jnp.eye(flat.size, dtype=wide), product, dtype)
    return _ends(*_tridiagonal(product, flat.size, iterations, wide), product, dtype)


def _tridiagonal(product: Callable[[Any], Any], size: int, iterations: int, dtype: Any) -> tuple[Any, Any]:
    """Computes Lanczos's tridiagonal matrix ``[iterations, iterations]``, and its basis ``[iterations, size]``."""
    tiny = 10 * size**0.5 * jnp.finfo(dtype).eps

    def orthogonalise(vector: Any, basis: Any) -> Any:
        # Twice, since the first time leaves what rounding has brought in.
        for _ in range(2):
            vector = vector - jnp.dot(jnp.dot(basis, vector, precision="highest"), basis, precision="highest")
        return vector

    def random_vector(step: Any) -> Any:
        return jax.random.normal(jax.random.fold_in(jax.random.key(0), step), (size,), dtype)

    def extend(step: Any, carry: tuple[Any, Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any, Any]:
        basis, vector, diagonal, off_diagonal, scale = carry
        basis = basis.at[step].set(vector)
        image = product(vector)
        along = jnp.dot(image, vector, precision="highest")
        rest = orthogonalise(image, basis)
        length = _norm(rest)
        scale = jnp.maximum(scale, jnp.maximum(abs(along), length))
        is_exhausted = length <= tiny * scale
        rest = jnp.where(is_exhausted, orthogonalise(random_vector(step + 1), basis), rest)
        diagonal = diagonal.at[step].set(along)
        off_diagonal = off_diagonal.at[step].set(jnp.where(is_exhausted, 0, length))
        return basis, rest / _norm(rest), diagonal, off_diagonal, scale

    first, zeros = random_vector(0), jnp.zeros(iterations, dtype)
    start = jnp.zeros((iterations, size), dtype), first / _norm(first), zeros, zeros, jnp.zeros((), dtype)
    basis, _, diagonal, off_diagonal, _ = lax.fori_loop(0, iterations, extend, start)
    matrix = jnp.diag(diagonal) + jnp.diag(off_diagonal[:-1], 1) + jnp.diag(off_diagonal[:-1], -1)
    return matrix, basis


def _ends(matrix: Any, basis: Any, product: Callable[[Any], Any], dtype: Any) -> Spectrum:
    """Finds the ends of the spectrum of a Hessian from its matrix in some basis."""
    is_finite = jnp.isfinite(matrix).all()
    # An eigensolver may not return from a matrix that is not finite.
    values, vectors = jnp.linalg.eigh(jnp.where(is_finite, matrix, 0))
    vector = jnp.dot(vectors[:, -1], basis, precision="highest")
    residual = _norm(product(vector) - values[-1] * vector)
    ends = Spectrum(values[-1], values[0], residual)
    return jax.tree.map(lambda value: jnp.where(is_finite, value, jnp.nan).astype(dtype), ends)


def _norm(vector: Any) -> Any:
    """Computes the Euclidean norm, also where squares of the elements would overflow or underflow."""
    largest = jnp.max(abs(vector))
    scale = jnp.where(largest > 0, largest, 1)
    return scale * jnp.linalg.norm(vector / scale)
