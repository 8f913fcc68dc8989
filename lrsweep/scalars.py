"""Small arrays as separate scalars: side by side on lanes, what is computed on them can stay in registers."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# What computes more scalars than this is not small: it would not fit into the registers.
MAX_OPERATIONS = 400

# What is computed element by element.
# fmt: off
ELEMENTWISE = frozenset((
    "abs", "add", "add_any", "and", "atan2", "cbrt", "ceil", "clamp", "convert_element_type", "copy", "cos", "cosh",
    "div", "eq", "erf", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log",
    "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not", "or", "pow", "rem", "round",
    "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "sub", "tan", "tanh", "xor",
))
# fmt: on
# What takes the elements along some axes together, two by two.
REDUCTIONS = {
    "reduce_sum": lax.add_p,
    "reduce_max": lax.max_p,
    "reduce_min": lax.min_p,
    "reduce_prod": lax.mul_p,
    "reduce_and": lax.and_p,
    "reduce_or": lax.or_p,
}


class TooLargeError(Exception):
    """A function computes more than a small one does, on nothing at all, or in a way that only works on arrays."""


class Spread(NamedTuple):
    """The elements of an array, each a scalar array of its own, in row-major order."""

    elements: tuple[Any, ...]


class Unrolled(NamedTuple):
    """A function of arrays written out as one of their elements; to be called with `Spread` for every array.

    Attributes:
        jaxpr: What it computes.
        constants: The elements of the arrays that it closes over.
        arguments: The shapes of its arguments.
        results: The structure and the shapes of what it returns.
    """

    jaxpr: Any
    constants: list[np.ndarray]
    arguments: list[tuple[int, ...]]
    results: Any

    def __call__(self, *trees: Any) -> Any:
        """What the function returns, spread."""
        leaves = jax.tree.leaves(trees, is_leaf=_is_spread)
        arrays = [_array(leaf.elements, shape) for leaf, shape in zip(leaves, self.arguments, strict=True)]
        values = _evaluate(self.jaxpr, self.constants, arrays)
        return jax.tree.unflatten(self.results, [Spread(tuple(value.ravel())) for value in values])


def unroll(function: Callable[..., Any], *like: Any) -> Unrolled:
    """Writes a function of arrays out as one of their elements.

    Sums and products are taken from the first element to the last; everything else is computed as it was.

    Args:
        function: It takes and returns pytrees of arrays.
        like: Arguments to it.

    Raises:
        TooLargeError: It computes more than `MAX_OPERATIONS` scalars, or by what is not known element by element.

    Example:
        >>> total = unroll(lambda x: 2 * x.sum(), jnp.zeros(2))
        >>> float(total(spread(jnp.array([1.0, 3.0]))).elements[0])
        8.0
    """
    closed, results = jax.make_jaxpr(function, return_shape=True)(*like)
    if _operations(closed.jaxpr) > MAX_OPERATIONS:
        raise TooLargeError
    constants = [_elements(constant) for constant in closed.consts]
    return Unrolled(
        closed.jaxpr, constants, [np.shape(leaf) for leaf in jax.tree.leaves(like)], jax.tree.structure(results)
    )


def spread(tree: Any) -> Any:
    """A pytree with the elements of each of its arrays in its place."""
    return jax.tree.map(lambda array: Spread(tuple(_elements(array).ravel())), tree)


def gather(tree: Any, like: Any) -> Any:
    """The pytree of arrays, shaped as those of `like`, that has been spread."""
    leaves, structure = jax.tree.flatten(like)
    parts = jax.tree.leaves(tree, is_leaf=_is_spread)
    return structure.unflatten(_joined(part.elements, leaf) for part, leaf in zip(parts, leaves, strict=True))


def _joined(elements: tuple[Any, ...], like: Any) -> Any:
    if np.shape(like) == ():
        return elements[0]
    return jnp.stack(elements).reshape(np.shape(like)) if elements else like


def _is_spread(value: Any) -> bool:
    return isinstance(value, Spread)


def _array(elements: Iterable[Any], shape: Sequence[int]) -> np.ndarray:
    array = np.empty(shape, object)
    for place, element in zip(np.ndindex(*shape), elements, strict=True):
        array[place] = element
    return array


def _elements(array: Any) -> np.ndarray:
    places = np.ndindex(*np.shape(array))
    return _array(
        (
            lax.squeeze(lax.slice(array, place, [at + 1 for at in place]), range(len(place))) if place else array
            for place in places
        ),
        np.shape(array),
    )


def _operations(jaxpr: Any) -> int:
    """How many scalars are computed."""
    count = 0
    for equation in jaxpr.eqns:
        name, inner = equation.primitive.name, called_by(equation)
        if any(variable.aval.size == 0 for variable in equation.invars):
            raise TooLargeError
        if inner is not None:
            count += _operations(inner.jaxpr)
        elif name in ELEMENTWISE:
            count += equation.outvars[0].aval.size
        elif name in REDUCTIONS:
            count += equation.invars[0].aval.size
        elif name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            count += 2 * equation.outvars[0].aval.size * _size(equation.invars[0].aval.shape, contracted)
        elif name not in MOVES:
            raise TooLargeError
    return count


def _size(shape: Sequence[int], axes: Sequence[int]) -> int:
    return int(np.prod([shape[axis] for axis in axes], dtype=int))


def called_by(equation: Any) -> Any:
    """What an equation of a jaxpr calls, where a call is all that it is, or None."""
    if equation.primitive.name in ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call"):
        return equation.params.get("jaxpr") or equation.params["call_jaxpr"]
    return None


def _evaluate(jaxpr: Any, constants: Sequence[np.ndarray], arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))

    def read(variable: Any) -> np.ndarray:
        if hasattr(variable, "val"):
            value = np.asarray(variable.val, variable.aval.dtype)
            return _array(value.ravel(), value.shape)
        return known[variable]

    for equation in jaxpr.eqns:
        values = _apply(equation, [read(variable) for variable in equation.invars])
        known.update(zip(equation.outvars, values, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _apply(equation: Any, operands: list[np.ndarray]) -> list[np.ndarray]:
    name, params, shape = equation.primitive.name, equation.params, equation.outvars[0].aval.shape
    inner = called_by(equation)
    if inner is not None:
        return _evaluate(inner.jaxpr, [_elements(constant) for constant in inner.consts], operands)
    if name in ELEMENTWISE:
        one_by_one = zip(*(np.broadcast_to(operand, shape).ravel() for operand in operands), strict=True)
        return [_array((equation.primitive.bind(*scalars, **params) for scalars in one_by_one), shape)]
    if name in REDUCTIONS:
        return [_reduce(REDUCTIONS[name].bind, operands[0], params["axes"], shape)]
    if name == "dot_general":
        return [_dot(operands[0], operands[1], params, equation.outvars[0].aval)]
    move: Callable[..., np.ndarray] = MOVES[name]
    return [move(*operands, shape, params)]


def _reduce(combine: Callable[..., Any], array: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    kept = [axis for axis in range(array.ndim) if axis not in axes]
    rows = array.transpose([*kept, *axes]).reshape(-1, _size(array.shape, axes))
    return _array((functools.reduce(combine, row) for row in rows), shape)


def _dot(left: np.ndarray, right: np.ndarray, params: Any, result: Any) -> np.ndarray:
    (left_contracted, right_contracted), (left_batch, right_batch) = params["dimension_numbers"]

    def rows(array: np.ndarray, batch: Sequence[int], contracted: Sequence[int]) -> np.ndarray:
        free = [axis for axis in range(array.ndim) if axis not in (*batch, *contracted)]
        return array.transpose([*batch, *free, *contracted]).reshape(
            _size(array.shape, batch), -1, _size(array.shape, contracted)
        )

    def inner(one: np.ndarray, other: np.ndarray) -> Any:
        products = (lax.mul(_typed(a, result), _typed(b, result)) for a, b in zip(one, other, strict=True))
        return functools.reduce(lax.add, products)

    pairs = zip(rows(left, left_batch, left_contracted), rows(right, right_batch, right_contracted), strict=True)
    return _array((inner(one, other) for ones, others in pairs for one in ones for other in others), result.shape)


def _typed(scalar: Any, like: Any) -> Any:
    return lax.convert_element_type(scalar, like.dtype)


def _broadcast(array: np.ndarray, shape: Sequence[int], params: Any) -> np.ndarray:
    axes = params["broadcast_dimensions"]
    return np.broadcast_to(
        array.reshape([array.shape[axes.index(axis)] if axis in axes else 1 for axis in range(len(shape))]), shape
    )


def _cut(array: np.ndarray, _: Sequence[int], params: Any) -> np.ndarray:
    strides = params["strides"] or [1] * array.ndim
    ranges = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return array[tuple(slice(*bounds) for bounds in ranges)]


def _pad(array: np.ndarray, padding: np.ndarray, shape: Sequence[int], params: Any) -> np.ndarray:
    padded = np.full(shape, padding[()], object)
    # A negative width cuts: what falls outside is dropped.
    for place in np.ndindex(*array.shape):
        there = tuple(
            low + at * (1 + inside) for at, (low, _, inside) in zip(place, params["padding_config"], strict=True)
        )
        if all(0 <= at < size for at, size in zip(there, shape, strict=True)):
            padded[there] = array[place]
    return padded


def _iota(shape: Sequence[int], params: Any) -> np.ndarray:
    places = np.indices(shape)[params["dimension"]]
    return _array(places.astype(params["dtype"]).ravel(), shape)


# What only rearranges elements, or makes some up.
MOVES: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *operands: np.concatenate(operands[:-2], operands[-1]["dimension"]),
    "iota": _iota,
    "pad": _pad,
    "reshape": lambda array, shape, _: array.reshape(shape),
    "rev": lambda array, _, params: np.flip(array, params["dimensions"]),
    "slice": _cut,
    "squeeze": lambda array, shape, _: array.reshape(shape),
    "transpose": lambda array, _, params: array.transpose(params["permutation"]),
}
