"""What in a computation depends on which of its inputs, read off its jaxpr."""

from collections.abc import Sequence
from typing import Any

from lrsweep.scalars import called_by

# What takes the lanes together: the same for all of them.
COLLECTIVES = ("pmax", "psum")


def dependent(jaxpr: Any, inputs: Sequence[bool]) -> list[bool]:
    """Which results of a computation depend on some of its inputs, otherwise than by what all lanes have in common.

    Args:
        jaxpr: The computation.
        inputs: Whether each of its inputs is one of them.

    Example:
        >>> import jax
        >>> dependent(jax.make_jaxpr(lambda x, y: (x + y, 2 * y))(1.0, 2.0).jaxpr, [True, False])
        [True, False]
    """
    known = dict(zip(jaxpr.invars, inputs, strict=True))

    def read(variable: Any) -> bool:
        return not hasattr(variable, "val") and known.get(variable, False)

    for equation in jaxpr.eqns:
        results = results_of(equation, [read(variable) for variable in equation.invars])
        known.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def results_of(equation: Any, mine: list[bool]) -> list[bool]:
    """The same of one equation's results."""
    name, params, inner = equation.primitive.name, equation.params, called_by(equation)
    if inner is not None:
        return dependent(inner.jaxpr, mine)
    if name in COLLECTIVES:
        return [False] * len(mine)
    if name == "cond" and not mine[0]:
        branches = [dependent(branch.jaxpr, mine[1:]) for branch in params["branches"]]
        return [any(each) for each in zip(*branches, strict=True)]
    if name == "scan":
        return loop_results(params["jaxpr"].jaxpr, mine, params["num_consts"], params["num_carry"])
    if name == "while":
        conditions, constants = params["cond_nconsts"], params["body_nconsts"]
        count = len(mine) - conditions - constants
        carry = loop_results(params["body_jaxpr"].jaxpr, mine[conditions:], constants, count)
        # What goes on in one lane only is that lane's own.
        goes_on = dependent(params["cond_jaxpr"].jaxpr, [*mine[:conditions], *carry])
        return [True] * len(carry) if any(goes_on) else carry
    return [any(mine)] * len(equation.outvars)


def loop_results(body: Any, mine: Sequence[bool], constants: int, carried: int) -> list[bool]:
    """The same of a loop's results, from what goes into it: constants, what is carried on, what is gone through."""
    before, carry, rest = mine[:constants], list(mine[constants : constants + carried]), mine[constants + carried :]
    while True:
        results = dependent(body, [*before, *carry, *rest])
        after = [was or now for was, now in zip(carry, results[:carried], strict=True)]
        if after == carry:
            return [*carry, *results[carried:]]
        carry = after
