"""Losses and metrics of a model, made losses and metrics of its parameters that take the same columns."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lrsweep.inputs._errors import InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.problems._filled import Filled, filled_names
from lrsweep.problems._objective import Objective, signature_of

# How a function of a model is called: `call(function, params, filled)`, where `function(model)` gives its value.
Call = Callable[[Callable[[Any], Any], Any, Filled], Any]


def objective_of(
    init: Callable[..., Any],
    loss: Callable[..., Any],
    options: Mapping[str, Any],
    *,
    call_loss: Call,
    call_metric: Call,
    needs: tuple[str, ...],
) -> Objective:
    """Makes an objective of a model.

    Args:
        init: The objective's `init`.
        loss: `loss(model, data, **columns)`.
        options: What `lrsweep.Objective` takes beside loss and init; its metrics are `metric(model, data, **columns)`.
        call_loss: Gives what the objective's loss returns.
        call_metric: Gives what a metric of the objective returns.
        needs: What the two use of `Filled`.

    Raises:
        TypeError: The loss or a metric cannot be called.
    """
    if not callable(loss):
        raise InputTypeError(f"a model's loss must be a function of the model, not {quote(loss)}")
    metrics = options.get("metrics", {})
    if isinstance(metrics, Mapping):
        metrics = {name: _on_params_or_pair(metric, call_metric, needs) for name, metric in metrics.items()}
    named: dict[str, Any] = (
        {"name": getattr(loss, "__name__", type(loss).__name__)} | dict(options) | {"metrics": metrics}
    )
    return Objective(_on_params(loss, call_loss, needs), init, **named)


def _on_params_or_pair(metric: Any, call: Call, needs: tuple[str, ...]) -> Any:
    """Makes a metric of a model, or the pair of one and its data, one of parameters; leaves alone what is neither."""
    if isinstance(metric, tuple) and metric:
        return (_on_params_or_pair(metric[0], call, needs), *metric[1:])
    return _on_params(metric, call, needs) if callable(metric) else metric


def _on_params(function: Callable[..., Any], call: Call, needs: tuple[str, ...]) -> Callable[..., Any]:
    """Makes a function of a model one of parameters, which names what the function names and what the call needs."""
    signature, own = signature_of(function, "a function of a model"), filled_names(function)

    def on_params(params: Any, *data: Any, **keywords: Any) -> Any:
        filled = Filled(**{name: keywords.pop(name) for name in Filled._fields if name in keywords})
        keywords |= {name: getattr(filled, name) for name in own}
        return call(lambda model: function(model, *data, **keywords), params, filled)

    parameters = list(signature.parameters.values())
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in needs if name not in own]
    last = [parameters.pop()] if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    on_params.__signature__ = signature.replace(parameters=[*parameters, *more, *last])  # pyright: ignore[reportFunctionMemberAccess]
    return on_params
