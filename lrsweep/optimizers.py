"""Optimizers: factories by name, and those that optax lacks."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from lrsweep.messages import first_line, unknown

Factory = Callable[..., optax.GradientTransformation]


def gauss_seidel(learning_rate: Any, *, backward: bool = False) -> optax.GradientTransformationExtraArgs:
    """Gradient descent that updates one array of parameters after another, each from where the last one led.

    The gradient of each array is taken at the parameters with the arrays before it already updated, as the
    Gauss-Seidel method does for linear systems. The article's own Python is this, backward: it updates `w1` first,
    and `w0` with the new `w1`. Needs optax's extra argument `value_fn`; costs one gradient per array.

    Args:
        learning_rate: What the gradient is multiplied by.
        backward: Go through the arrays in the reverse of the pytree's order.

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
            raise ValueError("gauss_seidel computes gradients: call update(grads, state, params, value_fn=loss)")
        slope_at = jax.grad(extra_args["value_fn"])
        slopes, (leaves, structure) = jax.tree.leaves(updates), jax.tree.flatten(params)
        moves = list(leaves)
        for turn, place in enumerate(reversed(range(len(leaves))) if backward else range(len(leaves))):
            if turn > 0:
                slopes = jax.tree.leaves(slope_at(structure.unflatten(leaves)))
            moves[place] = -learning_rate * slopes[place]
            leaves[place] = jnp.asarray(leaves[place] + moves[place], jnp.result_type(leaves[place]))
        return structure.unflatten(moves), state

    return optax.GradientTransformationExtraArgs(init, update)


def names() -> list[str]:
    """The optimizers the command line knows: every factory of optax with a learning rate, and this module's own.

    Example:
        >>> {"adam", "sgd", "gauss_seidel"} <= set(names())
        True
    """
    return sorted(_factories())


def by_name(name: str) -> Factory:
    """The factory of the optimizer called `name`.

    Raises:
        ValueError: There is no such optimizer; the message gives the nearest match and all there are.

    Example:
        >>> by_name("adam") is optax.adam
        True
    """
    factories = _factories()
    if name not in factories:
        raise ValueError(unknown("optimizer", name, sorted(factories)))
    return factories[name]


def _factories() -> dict[str, Factory]:
    ours: dict[str, Factory] = {"gauss_seidel": gauss_seidel}
    # In optax, what takes a learning rate is an optimizer, unless its name says that it is only a part of one.
    theirs = {
        name: factory
        for name, factory in vars(optax).items()
        if inspect.isroutine(factory)
        and not name.startswith(("_", "scale_by_"))
        and {"learning_rate", "max_learning_rate"} & set(inspect.signature(factory).parameters)
    }
    return ours | theirs


def build_optimizer(factory: Factory, keywords: Mapping[str, Any], params: Any) -> optax.GradientTransformation:
    """Calls a factory inside a traced trial, with its values in the precision of the parameters.

    A 64-bit learning rate would otherwise make 32-bit optimizer state 64-bit at the first update.

    Args:
        factory: The optimizer's factory.
        keywords: One trial's values for the factory's keywords, scalars.
        params: The parameters, or their shapes.

    Example:
        >>> optimizer = build_optimizer(optax.sgd, {"learning_rate": jnp.float32(0.5)}, jnp.ones(2))
        >>> optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))[0].tolist()
        [-0.5, -0.5]
    """
    precision = jnp.result_type(*jax.tree.leaves(params))
    floating = {name for name, value in keywords.items() if jnp.issubdtype(value.dtype, jnp.floating)}
    return factory(**{name: value.astype(precision) if name in floating else value for name, value in keywords.items()})


def check_optimizer(factory: Factory, keywords: Mapping[str, Any], params: Any, loss_of: Callable[[Any], Any]) -> None:
    """Builds an optimizer and makes one update abstractly, with values traced as they will be when it is compiled.

    Args:
        factory: The optimizer's factory.
        keywords: One trial's values for the factory's keywords.
        params: The parameters, as a pytree of `jax.ShapeDtypeStruct`.
        loss_of: The loss of the parameters alone.

    Raises:
        TypeError: The factory does not give an `optax.GradientTransformation`, or the optimizer's state changes its
            shape or dtype at an update.
        ValueError: The factory, or the optimizer's `init` or `update`, fails.
    """
    called = label(factory)
    built = []

    def update(values: dict[str, Any], params: Any) -> Any:
        built.append(build_optimizer(factory, values, params))
        if not isinstance(built[0], optax.GradientTransformation):
            return None
        optimizer = optax.with_extra_args_support(built[0])
        state = optimizer.init(params)
        value, grads = jax.value_and_grad(loss_of)(params)
        return state, optimizer.update(grads, state, params, value=value, grad=grads, value_fn=loss_of)[1]

    try:
        states = jax.eval_shape(update, dict(keywords), params)
    except jax.errors.ConcretizationTypeError as error:
        raise ValueError(
            f"the optimizer {called} decides something in Python by the value of one of its columns "
            f"({', '.join(keywords)}), which is not known while it is compiled: give it that value in the factory"
        ) from error
    except Exception as error:
        raise ValueError(f"the optimizer {called} fails with {first_line(error)}") from error
    if states is None:
        raise TypeError(
            f"the optimizer {called} gives a {type(built[0]).__name__}: "
            "a factory must return an optax.GradientTransformation"
        )
    before, after = ([(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state)] for state in states)
    if before != after:
        raise TypeError(
            f"the optimizer {called} starts with a state of {_described(before)} and goes on with {_described(after)}: "
            "its state must keep its shapes and dtypes"
        )


def _described(leaves: list[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(f"{dtype}{list(shape)}" for shape, dtype in leaves) or "nothing"


def label(factory: Factory) -> str:
    """What messages and reports call a factory: its name.

    Example:
        >>> label(optax.adam)
        'adam'
    """
    function = getattr(factory, "func", factory)
    return getattr(function, "__name__", type(function).__name__)
