"""What a function computes, operation by operation: the one place where JAX's own form of it, a jaxpr, is read.

That form is JAX's to change. Whoever reads it says by a table of rules what each operation comes to, and leaves a
function to `jax.vmap` where the table lacks one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# The operations that are nothing but a call of what they hold. What is called for its derivative, `custom_jvp_call`,
# is called for its value once it has been differentiated.
_CALLS = frozenset(("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"))

# Whose end, or success, depends on the numbers they are given.
_UNBOUNDED = frozenset(("while", "pure_callback", "io_callback", "ffi_call", "custom_call"))


class Operation(NamedTuple):
    """One operation of a computation.

    Attributes:
        name: What JAX calls it.
        params: Its parameters, by JAX's names for them.
        operands: Shape and dtype of what goes in.
        results: Of what comes out.
        primitive: What JAX binds to compute it.
    """

    name: str
    params: Mapping[str, Any]
    operands: tuple[Any, ...]
    results: tuple[Any, ...]
    primitive: Any

    def compute(self, *arrays: Any) -> list[Any]:
        """Computes it of other arrays than those it was read with."""
        results = self.primitive.bind(*arrays, **self.params)
        return list(results) if self.primitive.multiple_results else [results]


def read(function: Callable[..., Any], *like: Any) -> tuple[Any, Any]:
    """Traces what a function computes; gives that, and the pytree of shapes and dtypes that it returns.

    Args:
        function: It takes and returns pytrees of arrays.
        like: Arguments to it; shapes and dtypes will do.
    """
    return jax.make_jaxpr(function, return_shape=True)(*like)


def walk(
    computation: Any,
    arguments: Sequence[Any],
    apply: Callable[[Operation, list[Any]], Sequence[Any]],
    constant: Callable[[Any], Any],
    held: Sequence[Any] | None = None,
) -> list[Any]:
    """Goes through a computation from its arguments to its results, with anything that stands for its arrays.

    What only calls another computation is gone through in its place.

    Args:
        computation: What `read` gives, or what an operation holds.
        arguments: What stands for each of its arguments.
        apply: What stands for the results of an operation, from what stands for its operands.
        constant: What stands for an array that the computation holds.
        held: What stands for each of those in its order, where that is known.

    Returns:
        What stands for each of its results.

    Example:
        >>> computation, _ = read(lambda x, y: (x + y, 2 * x), 1.0, 2.0)
        >>> walk(computation, ["x", "y"], lambda operation, operands: [operation.name + str(operands)], float)
        ["add['x', 'y']", "mul[2.0, 'x']"]
    """
    jaxpr = _opened(computation)
    held = list(map(constant, held_by(computation))) if held is None else held
    known = dict(zip(jaxpr.constvars, held, strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def value_of(variable: Any) -> Any:
        return constant(np.asarray(variable.val, variable.aval.dtype)) if _is_literal(variable) else known[variable]

    for equation in jaxpr.eqns:
        operands = [value_of(variable) for variable in equation.invars]
        called = _called(equation)
        with equation.ctx.manager:
            if called is not None:
                results = walk(called, operands, apply, constant)
            else:
                results = apply(_operation(equation), operands)
        known.update(zip(equation.outvars, results, strict=True))
    return [value_of(variable) for variable in jaxpr.outvars]


def operations(computation: Any) -> Iterator[Operation]:
    """Goes through every operation of a computation, also of those that its operations hold."""
    for equation in _opened(computation).eqns:
        if _called(equation) is None:
            yield _operation(equation)
        for held in _held(equation.params):
            yield from operations(held)


def is_bounded(computation: Any) -> bool:
    """Tells whether a computation ends whatever its numbers: no loop depends on them, and there is no callback.

    Example:
        >>> is_bounded(read(jnp.sin, 1.0)[0])
        True
        >>> is_bounded(read(lambda x: jax.lax.while_loop(lambda x: x < 1, lambda x: 2 * x, x), 1.0)[0])
        False
    """
    return all(operation.name not in _UNBOUNDED for operation in operations(computation))


def held_by(computation: Any) -> list[Any]:
    """Lists the arrays that a computation holds, beside its arguments."""
    return list(getattr(computation, "consts", ()))


def compute(computation: Any, held: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """Computes what a computation does, of other arrays than it holds.

    Example:
        >>> three = jnp.ones(3)
        >>> computation, _ = read(lambda x: (x + three).sum(), three)
        >>> [float(result) for result in compute(computation, [5 * three], [three])]
        [18.0]
    """
    return walk(computation, arguments, lambda operation, arrays: operation.compute(*arrays), lambda array: array, held)


def _opened(computation: Any) -> Any:
    """Gives the jaxpr, which may or may not be one object with the arrays that it holds."""
    return getattr(computation, "jaxpr", computation)


def _operation(equation: Any) -> Operation:
    operands, results = ([variable.aval for variable in side] for side in (equation.invars, equation.outvars))
    return Operation(equation.primitive.name, equation.params, tuple(operands), tuple(results), equation.primitive)


def _called(equation: Any) -> Any:
    if equation.primitive.name not in _CALLS:
        return None
    return next(iter(_held(equation.params)), None)


def _held(params: Mapping[str, Any]) -> list[Any]:
    """Lists the computations that an operation's parameters hold."""
    found = []
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if hasattr(_opened(part), "eqns"):
                found.append(part)
    return found


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")


# What lanes have in common


def differing(computation: Any, arguments: Sequence[bool]) -> list[bool]:
    """Tells which results of a computation may differ between lanes.

    What holds computations of its own, a loop say, and is not known, differs in all it gives where any of its operands
    does. `jax.vmap` never makes more of it.

    Args:
        computation: What one lane computes.
        arguments: Which of its arguments differ.

    Example:
        >>> differing(read(lambda x, y: (x + y, 2 * y), 1.0, 2.0)[0], [True, False])
        [True, False]
    """
    return walk(computation, arguments, results_differ, lambda _: False)


def results_differ(operation: Operation, operands: Sequence[bool]) -> list[bool]:
    """Tells which results of one operation may differ between lanes."""
    # Where all lanes take one way, what they have in common along it stays so.
    if operation.name == "cond" and not operands[0] and "branches" in operation.params:
        branches = [differing(branch, operands[1:]) for branch in operation.params["branches"]]
        return [any(each) for each in zip(*branches, strict=True)]
    return [any(operands)] * len(operation.results)


# What is computed element by element.
# fmt: off
_ELEMENTWISE = frozenset((
    "abs", "add", "add_any", "and", "atan2", "cbrt", "ceil", "clamp", "convert_element_type", "copy", "cos", "cosh",
    "div", "eq", "erf", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log",
    "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not", "or", "pow", "rem", "round",
    "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "sub", "tan", "tanh", "xor",
))
# fmt: on


def is_elementwise(operation: Operation) -> bool:
    """Tells whether an operation computes each element of its result from the elements at its place, or from scalars.

    One that is not known is tried on a few numbers: JAX adds new ones.

    Example:
        >>> computation, _ = read(lambda x: jnp.cumsum(jnp.tanh(x)), jnp.ones(3))
        >>> [is_elementwise(operation) for operation in operations(computation)]
        [True, False]
    """
    return operation.name in _ELEMENTWISE or _tries_as_elementwise(operation)


def _tries_as_elementwise(operation: Operation) -> bool:
    if len(operation.results) != 1 or not operation.operands or _held(operation.params):
        return False
    shape = operation.results[0].shape
    floats = all(jnp.issubdtype(aval.dtype, jnp.floating) for aval in (*operation.operands, *operation.results))
    if not floats or any(aval.shape != shape for aval in operation.operands):
        return False
    draw = np.random.default_rng(0)
    try:
        with jax.ensure_compile_time_eval():
            numbers = [jnp.asarray(draw.uniform(0.1, 0.9, 5), aval.dtype) for aval in operation.operands]
            (together,) = operation.compute(*numbers)
            apart = [operation.compute(*each)[0] for each in zip(*numbers, strict=True)]
            return bool(np.allclose(together, np.stack(apart), rtol=1e-5, atol=0, equal_nan=True))
    except Exception:  # whatever it wants, it is not this
        return False
