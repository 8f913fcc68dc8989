"""`jax.vmap` with the lanes as the last axis of every array: what each computes by itself then runs along memory."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lrsweep.dependence import COLLECTIVES, dependent, loop_results, results_of
from lrsweep.products import is_long, product
from lrsweep.scalars import ELEMENTWISE, MOVES, REDUCTIONS, called_by

# What is computed as well with the lanes last as with the lanes first, or better.
SUITED = {*ELEMENTWISE, *REDUCTIONS, *MOVES, "dot_general"}


class UnsuitedError(Exception):
    """A function computes something that is better done with the lanes as the first axis, lane by lane."""


# An array, and whether it is ``[..., lane]`` rather than the same for all lanes.
_Value = tuple[Any, bool]


def vmap_last(function: Callable[..., Any], *, in_axes: Any, out_axes: Any, axis_name: str) -> Callable[..., Any]:
    """The function of one lane as one of many, as `jax.vmap` gives it, computed with the lanes as the last axis.

    `jax.vmap` makes them the first: sums over examples then run across the registers, and products with data that all
    lanes share are laid out for the data.

    Args:
        function: It takes and returns pytrees of arrays.
        in_axes: 0 for what differs by lane, None for what does not: prefixes of its arguments' pytrees.
        out_axes: The same for what it returns.
        axis_name: What it calls the lanes where it takes them together.

    Example:
        >>> doubled = vmap_last(lambda w: jnp.ones((3, 2)) @ w, in_axes=(0,), out_axes=0, axis_name="lane")
        >>> doubled(jnp.ones((5, 2))).shape
        (5, 3)
    """

    def on_lanes(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        mine = [axis is not None for axis in _spread(in_axes, arguments)]
        lanes = next(leaf.shape[0] for leaf, own in zip(leaves, mine, strict=True) if own)
        one = [_like(leaf, own) for leaf, own in zip(leaves, mine, strict=True)]
        closed, results = jax.make_jaxpr(
            lambda *leaves: function(*structure.unflatten(leaves)), axis_env=[(axis_name, lanes)], return_shape=True
        )(*one)
        values = [(jnp.moveaxis(leaf, 0, -1) if own else leaf, own) for leaf, own in zip(leaves, mine, strict=True)]
        computed = _evaluate(closed.jaxpr, [*((constant, False) for constant in closed.consts), *values], lanes)
        back = [
            array if axis is None else jnp.moveaxis(_by_lane(array, own, lanes), -1, 0)
            for axis, (array, own) in zip(_spread(out_axes, results), computed, strict=True)
        ]
        return jax.tree.unflatten(jax.tree.structure(results), back)

    return on_lanes


def widest(jaxpr: Any, own: Sequence[bool]) -> int:
    """The size in bytes of the largest array that a computation makes for one lane, itself computed with lanes last.

    Args:
        jaxpr: What one lane computes.
        own: Which of its inputs differ by lane.

    Raises:
        UnsuitedError: It does not suit.

    Example:
        >>> jaxpr = jax.make_jaxpr(lambda w, x: jnp.sum((x @ w) ** 2))(jnp.ones(2), jnp.ones((100, 2))).jaxpr
        >>> widest(jaxpr, [True, False])
        400
    """
    known = dict(zip(jaxpr.invars, own, strict=True))
    most = 0
    for equation in jaxpr.eqns:
        inner = called_by(equation)
        mine = [not hasattr(variable, "val") and known.get(variable, False) for variable in equation.invars]
        results = results_of(equation, mine)
        known.update(zip(equation.outvars, results, strict=True))
        if inner is not None:
            most = max(most, widest(inner.jaxpr, mine))
        elif any(results):
            _check_suited(equation, mine)
            most = max(most, *(variable.aval.size * variable.aval.dtype.itemsize for variable in equation.outvars))
    return most


def _check_suited(equation: Any, mine: Sequence[bool]) -> None:
    name = equation.primitive.name
    suited = not is_long(equation) if name == "dot_general" and all(mine) else name in SUITED
    if not suited:
        raise UnsuitedError


def _spread(axes: Any, tree: Any) -> list[Any]:
    found: list[Any] = []

    def add(axis: Any, part: Any) -> None:
        found.extend([axis] * len(jax.tree.leaves(part)))

    jax.tree.map(add, axes, tree, is_leaf=lambda axis: axis is None)
    return found


def _like(array: Any, own: bool) -> Any:
    aval = jax.typeof(array)
    return jax.ShapeDtypeStruct(aval.shape[1:] if own else aval.shape, aval.dtype, weak_type=aval.weak_type)


def _evaluate(jaxpr: Any, arguments: Sequence[_Value], lanes: int) -> list[_Value]:
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], arguments, strict=True))

    def read(variable: Any) -> _Value:
        return (jnp.asarray(variable.val, variable.aval.dtype), False) if hasattr(variable, "val") else known[variable]

    for equation in jaxpr.eqns:
        with equation.ctx.manager:
            values = _apply(equation, [read(variable) for variable in equation.invars], lanes)
        known.update(zip(equation.outvars, values, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _call(closed: Any, operands: Sequence[_Value], lanes: int) -> list[_Value]:
    return _evaluate(closed.jaxpr, [*((constant, False) for constant in closed.consts), *operands], lanes)


def _apply(equation: Any, operands: list[_Value], lanes: int) -> list[_Value]:
    name, params, arrays = equation.primitive.name, equation.params, [array for array, _ in operands]
    inner = called_by(equation)
    if inner is not None:
        return _call(inner, operands, lanes)
    if not any(own for _, own in operands):
        return [(result, False) for result in _bind(equation, arrays)]
    if name in COLLECTIVES:
        taken = [_by_lane(*value, lanes) for value in operands]
        if name == "pmax":
            return [(array.max(axis=-1), False) for array in taken]
        return [(array.sum(axis=-1, dtype=array.dtype), False) for array in taken]
    if name in _LOOPS and not _differs_by_lane(equation, operands):
        return _LOOPS[name](equation, operands, lanes)
    shape = (*equation.outvars[0].aval.shape, lanes)
    if name in ELEMENTWISE:
        return [(equation.primitive.bind(*(_widened(*value, shape) for value in operands), **params), True)]
    if name == "broadcast_in_dim":
        return [(lax.broadcast_in_dim(arrays[0], shape, (*params["broadcast_dimensions"], len(shape) - 1)), True)]
    if name == "reshape" and params["dimensions"] is None:
        return [(arrays[0].reshape(shape), True)]
    if name == "dot_general":
        return [(product(equation, *operands), True)]
    axes = [-1 if own else None for _, own in operands]
    results = jax.vmap(lambda *arrays: _bind(equation, arrays), in_axes=axes, out_axes=-1, axis_size=lanes)(*arrays)
    return [(result, True) for result in results]


def _bind(equation: Any, arrays: Sequence[Any]) -> Sequence[Any]:
    results = equation.primitive.bind(*arrays, **equation.params)
    return results if equation.primitive.multiple_results else [results]


def _by_lane(array: Any, own: bool, lanes: int) -> Any:
    return array if own else jnp.broadcast_to(array[..., None], (*array.shape, lanes))


def _widened(array: Any, own: bool, shape: Sequence[int]) -> Any:
    """An array, ``[..., lane]`` of the shape."""
    axes = (*range(array.ndim - own), *([len(shape) - 1] if own else []))
    return array if array.shape == tuple(shape) else lax.broadcast_in_dim(array, shape, axes)


# What holds computations of its own.


def _differs_by_lane(equation: Any, operands: Sequence[_Value]) -> bool:
    """Whether it takes one way or another, lane by lane."""
    own, params = [own for _, own in operands], equation.params
    if equation.primitive.name == "while":
        conditions = params["cond_nconsts"]
        carry = own[conditions + params["body_nconsts"] :]
        return any(dependent(params["cond_jaxpr"].jaxpr, [*own[:conditions], *_carried(equation, own, len(carry))]))
    return equation.primitive.name == "cond" and own[0]


def _carried(equation: Any, own: Sequence[bool], count: int) -> list[bool]:
    """Which of the values that a loop carries differ by lane."""
    params = equation.params
    if equation.primitive.name == "while":
        body, before, rest = params["body_jaxpr"].jaxpr, own[params["cond_nconsts"] :], params["body_nconsts"]
    else:
        body, before, rest = params["jaxpr"].jaxpr, own, params["num_consts"]
    return loop_results(body, before, rest, count)[:count]


def _while(equation: Any, operands: list[_Value], lanes: int) -> list[_Value]:
    params = equation.params
    conditions, constants = params["cond_nconsts"], params["body_nconsts"]
    condition, body, first = operands[:conditions], operands[conditions:][:constants], operands[conditions:][constants:]
    own = _carried(equation, [own for _, own in operands], len(first))

    def goes_on(carry: list[Any]) -> Any:
        return _call(params["cond_jaxpr"], [*condition, *zip(carry, own, strict=True)], lanes)[0][0]

    def once(carry: list[Any]) -> list[Any]:
        after = _call(params["body_jaxpr"], [*body, *zip(carry, own, strict=True)], lanes)
        return _matched(after, own, lanes)

    last = lax.while_loop(goes_on, once, _matched(first, own, lanes))
    return list(zip(last, own, strict=True))


def _scan(equation: Any, operands: list[_Value], lanes: int) -> list[_Value]:
    params = equation.params
    constants, count = params["num_consts"], params["num_carry"]
    fixed, first, rows = operands[:constants], operands[constants:][:count], operands[constants + count :]
    own = _carried(equation, [own for _, own in operands], count)
    of_results: list[bool] = []

    def once(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        each = [(array, own) for array, (_, own) in zip(row, rows, strict=True)]
        after = _call(params["jaxpr"], [*fixed, *zip(carry, own, strict=True), *each], lanes)
        of_results[:] = [own for _, own in after[count:]]
        return _matched(after[:count], own, lanes), [array for array, _ in after[count:]]

    last, results = lax.scan(
        once,
        _matched(first, own, lanes),
        [array for array, _ in rows],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*zip(last, own, strict=True), *zip(results, of_results, strict=True)]


def _cond(equation: Any, operands: list[_Value], lanes: int) -> list[_Value]:
    (index, _), *rest = operands
    own = results_of(equation, [own for _, own in operands])
    flags = [own for _, own in rest]

    def branch(closed: Any) -> Callable[..., list[Any]]:
        return lambda *arrays: _matched(_call(closed, list(zip(arrays, flags, strict=True)), lanes), own, lanes)

    branches = [branch(closed) for closed in equation.params["branches"]]
    results = lax.switch(index, branches, *(array for array, _ in rest))
    return list(zip(results, own, strict=True))


def _matched(values: Sequence[_Value], own: Sequence[bool], lanes: int) -> list[Any]:
    return [
        _by_lane(array, mine, lanes) if wanted else array for (array, mine), wanted in zip(values, own, strict=True)
    ]


_LOOPS = {"while": _while, "scan": _scan, "cond": _cond}
