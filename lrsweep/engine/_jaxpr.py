"""Jaxprs, JAX's own form of what a function computes: the one place where they are read, operation by operation.

JAX may change that form from version to version. A caller has a table of rules, one for each operation it knows, and
leaves a function to `jax.vmap` where it has no rule.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Operations that only call the computation they hold. In a function that has been differentiated, those with a
# derivative of their own, such as `custom_jvp_call`, are there for their value alone.
_CALLS = frozenset(("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"))

# Operations of which it depends on the numbers whether they end, or succeed.
_UNBOUNDED = frozenset(("while", "pure_callback", "io_callback", "ffi_call", "custom_call"))


class Operation(NamedTuple):
    """One operation of a computation.

    Attributes:
        name: JAX's name for it.
        params: Its parameters, by JAX's names for them.
        operands: The shape and dtype of each operand.
        results: The shape and dtype of each result.
        primitive: The JAX primitive that computes it.
    """

    name: str
    params: Mapping[str, Any]
    operands: tuple[Any, ...]
    results: tuple[Any, ...]
    primitive: Any

    def compute(self, *arrays: Any) -> list[Any]:
        """Computes the operation on arrays."""
        results = self.primitive.bind(*arrays, **self.params)
        return list(results) if self.primitive.multiple_results else [results]


def trace(function: Callable[..., Any], *like: Any) -> tuple[Any, Any]:
    """Traces a function.

    Args:
        function: A function of pytrees of arrays that returns one.
        like: Arguments to it; shapes and dtypes suffice.

    Returns:
        The computation, and the pytree of shapes and dtypes that the function returns.
    """
    return jax.make_jaxpr(function, return_shape=True)(*like)


def walk(
    computation: Any,
    arguments: Sequence[Any],
    apply: Callable[[Operation, list[Any]], Sequence[Any]],
    constant: Callable[[Any], Any],
) -> list[Any]:
    """Evaluates a computation with values of any kind in place of its arrays, operation by operation.

    An operation that only calls another computation is replaced by that computation.

    Args:
        computation: A computation, as `trace` gives it or an operation holds it.
        arguments: The value of each of its arguments.
        apply: Gives the values of an operation's results from those of its operands.
        constant: Gives the value of an array that the computation holds.

    Returns:
        The value of each of its results.

    Example:
        >>> computation, _ = trace(lambda x, y: (x + y, 2 * x), 1.0, 2.0)
        >>> walk(computation, ["x", "y"], lambda operation, operands: [operation.name + str(operands)], float)
        ["add['x', 'y']", "mul[2.0, 'x']"]
    """
    jaxpr = _jaxpr_of(computation)
    values = dict(zip(jaxpr.constvars, map(constant, getattr(computation, "consts", ())), strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def value_of(variable: Any) -> Any:
        return constant(np.asarray(variable.val, variable.aval.dtype)) if _is_literal(variable) else values[variable]

    for equation in jaxpr.eqns:
        operands = [value_of(variable) for variable in equation.invars]
        called = _called_by(equation)
        with equation.ctx.manager:
            if called is not None:
                results = walk(called, operands, apply, constant)
            else:
                results = apply(_operation(equation), operands)
        values.update(zip(equation.outvars, results, strict=True))
    return [value_of(variable) for variable in jaxpr.outvars]


def operations(computation: Any) -> Iterator[Operation]:
    """Gives every operation of a computation, and of those that its operations hold."""
    for equation in _jaxpr_of(computation).eqns:
        if _called_by(equation) is None:
            yield _operation(equation)
        for inner in _computations_in(equation.params):
            yield from operations(inner)


def is_bounded(computation: Any) -> bool:
    """Tells whether a computation ends whatever the numbers: no loop depends on them, and there is no callback.

    Example:
        >>> is_bounded(trace(jnp.sin, 1.0)[0])
        True
        >>> is_bounded(trace(lambda x: jax.lax.while_loop(lambda x: x < 1, lambda x: 2 * x, x), 1.0)[0])
        False
    """
    return all(operation.name not in _UNBOUNDED for operation in operations(computation))


def _jaxpr_of(computation: Any) -> Any:
    """Gives the jaxpr of a computation, which may be wrapped together with the arrays that it holds."""
    return getattr(computation, "jaxpr", computation)


def _operation(equation: Any) -> Operation:
    operands, results = ([variable.aval for variable in side] for side in (equation.invars, equation.outvars))
    return Operation(equation.primitive.name, equation.params, tuple(operands), tuple(results), equation.primitive)


def _called_by(equation: Any) -> Any:
    """Gives the computation that an operation does nothing but call, or None."""
    if equation.primitive.name not in _CALLS:
        return None
    return next(iter(_computations_in(equation.params)), None)


def _computations_in(params: Mapping[str, Any]) -> list[Any]:
    """Lists the computations that an operation's parameters hold."""
    parts = [part for value in params.values() for part in (value if isinstance(value, tuple | list) else (value,))]
    return [part for part in parts if hasattr(_jaxpr_of(part), "eqns")]


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")


# What differs between lanes.


def differing(computation: Any, arguments: Sequence[bool]) -> list[bool]:
    """Tells which results of a computation may differ between lanes.

    All results of an operation are taken to differ where any of its operands does, also those of a loop. So what is
    taken to be the same for all lanes is; `jax.vmap` may find more of it, never less.

    Args:
        computation: The computation of one lane.
        arguments: Which of its arguments differ.

    Example:
        >>> differing(trace(lambda x, y: (x + y, 2 * y), 1.0, 2.0)[0], [True, False])
        [True, False]
    """
    return walk(computation, arguments, results_differ, lambda _: False)


def results_differ(operation: Operation, operands: Sequence[bool]) -> list[bool]:
    """Tells which results of one operation may differ between lanes."""
    # Where all lanes take the same branch, what they have in common is followed through it.
    if operation.name == "cond" and not operands[0] and "branches" in operation.params:
        branches = [differing(branch, operands[1:]) for branch in operation.params["branches"]]
        return [any(each) for each in zip(*branches, strict=True)]
    return [any(operands)] * len(operation.results)


# Operations that compute element by element.
# fmt: off
_ELEMENTWISE = frozenset((
    "abs", "add", "add_any", "and", "atan2", "cbrt", "ceil", "clamp", "convert_element_type", "copy", "cos", "cosh",
    "div", "eq", "erf", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log",
    "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not", "or", "pow", "rem", "round",
    "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "sub", "tan", "tanh", "xor",
))
# fmt: on


def is_elementwise(operation: Operation) -> bool:
    """Tells whether an operation computes each element of its result from elements at its index, or from scalars.

    Since JAX adds operations from version to version, an unknown one is tried on a few numbers.

    Example:
        >>> computation, _ = trace(lambda x: jnp.cumsum(jnp.tanh(x)), jnp.ones(3))
        >>> [is_elementwise(operation) for operation in operations(computation)]
        [True, False]
    """
    return operation.name in _ELEMENTWISE or _acts_elementwise(operation)


def _acts_elementwise(operation: Operation) -> bool:
    if len(operation.results) != 1 or not operation.operands or _computations_in(operation.params):
        return False
    shape = operation.results[0].shape
    floats = all(jnp.issubdtype(aval.dtype, jnp.floating) for aval in (*operation.operands, *operation.results))
    if not floats or any(aval.shape != shape for aval in operation.operands):
        return False
    draw = np.random.default_rng(0)
    try:
        with jax.ensure_compile_time_eval():
            numbers = [jnp.asarray(draw.uniform(0.1, 0.9, 5), aval.dtype) for aval in operation.operands]
            (of_arrays,) = operation.compute(*numbers)
            of_scalars = [operation.compute(*scalars)[0] for scalars in zip(*numbers, strict=True)]
            return bool(np.allclose(of_arrays, np.stack(of_scalars), rtol=1e-5, atol=0, equal_nan=True))
    except Exception:  # an operation that cannot be tried so is not elementwise
        return False
