"""Which function takes which column of a trials table: the optimizer's factory, `init`, the loss, or a metric."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote, unknown
from lrsweep.optimizers._factories import Factory, label
from lrsweep.problems._filled import Filled, filled_names
from lrsweep.problems._objective import Objective
from lrsweep.tables._schema import SEED


class Binding(NamedTuple):
    """The columns that each function takes as keywords.

    Attributes:
        optimizer: Those of the optimizer's factory.
        init: Those of the objective's `init`.
        loss: Those of the loss.
        metrics: Those of each metric.
        optional: Those that nobody but the optimizer's factory takes, and that have a default there.
    """

    optimizer: tuple[str, ...]
    init: tuple[str, ...]
    loss: tuple[str, ...] = ()
    metrics: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def taken(self) -> set[str]:
        """The columns that some function takes."""
        return {*self.optimizer, *self.init, *self.loss, *(name for names in self.metrics for name in names)}

    def without(self, names: Collection[str]) -> "Binding":
        """Leaves some of the optional columns at the defaults of the optimizer's factory."""
        return self._replace(optimizer=tuple(name for name in self.optimizer if name not in names))


class _Keywords(NamedTuple):
    """The keywords of a function: all it names, those without a default, and whether it takes any others."""

    names: list[str]
    required: list[str]
    anything: bool


def bind(columns: Iterable[str], objective: Objective, optimizers: Mapping[Any, Factory]) -> dict[Any, Binding]:
    """Finds which function takes which column. A column that several functions take goes to each of them.

    Args:
        columns: The names of the trials table's columns.
        objective: The objective. Its `init` takes the columns named like its keywords; its loss and its metrics take
            those named like their keyword-only arguments.
        optimizers: The factories by name. Each takes the columns named like its keywords, and where it has
            `**keywords` those that nobody else takes.

    Returns:
        A `Binding` for each of the optimizers, by name.

    Raises:
        TypeError: An optimizer cannot be called, or `init` has no place for the key.
        ValueError: No function takes a column, it is named like an argument that lrsweep fills itself, or no column
            fills a keyword without a default.

    Example:
        >>> import optax
        >>> from lrsweep.problems._ready_made import line
        >>> bind(["learning_rate", "w0", "seed"], line(), {"sgd": optax.sgd})["sgd"]
        Binding(optimizer=('learning_rate',), init=('w0', 'seed'), loss=(), metrics=(), optional=())
    """
    names = list(columns)
    factories = {}
    for name, factory in optimizers.items():
        if hasattr(factory, "update") and hasattr(factory, "init"):
            raise InputTypeError(
                "the optimizer is already built: pass its factory, optax.sgd rather than optax.sgd(0.1)"
            )
        if not callable(factory):
            raise InputTypeError(f"the optimizer must be a factory such as optax.sgd, not {quote(factory)}")
        factories[name] = _all_keywords(factory, skip=0)
    _check_filled(names, objective)
    start = _keywords_of_init(objective)
    loss = _keyword_only(objective.loss)
    metrics = {name: _keyword_only(function) for name, (function, _) in objective.measures.items()}

    objectives_own = {*start.names, *loss.names, *(name for takes in metrics.values() for name in takes.names)}
    _check_taken(names, objective, optimizers, factories, objectives_own, start.anything)
    owners = [(f"optimizer {label(optimizers[name])}", takes) for name, takes in factories.items()]
    owners += [(f"init of objective {objective.name!r}", start), (f"loss of objective {objective.name!r}", loss)]
    owners += [(f"metric {name!r} of objective {objective.name!r}", takes) for name, takes in metrics.items()]
    for owner, takes in owners:
        for name in takes.required:
            if name not in names:
                raise InputError(f"the {owner} needs {name!r}: add a column of that name to the trials")

    def taken_by(takes: _Keywords, others: set[str]) -> tuple[str, ...]:
        left = set(names) - {SEED, *others} if takes.anything else set()
        return tuple(name for name in names if name in takes.names or name in left)

    return {
        name: Binding(
            optimizer=taken_by(takes, objectives_own),
            init=taken_by(start, objectives_own.union(*(takes.names for takes in factories.values()))),
            loss=taken_by(loss, set()),
            metrics=tuple(taken_by(metric, set()) for metric in metrics.values()),
            optional=tuple(
                column
                for column in taken_by(takes, objectives_own)
                if column not in objectives_own and column not in takes.required
            ),
        )
        for name, takes in factories.items()
    }


def _check_taken(
    names: list[str],
    objective: Objective,
    optimizers: Mapping[Any, Factory],
    factories: Mapping[Any, _Keywords],
    objectives_own: set[str],
    anything: bool,
) -> None:
    """Refuses a column that no function takes; `anything` says whether `init` takes any."""
    if anything or any(takes.anything for takes in factories.values()):
        return
    factories_own = [name for takes in factories.values() for name in takes.names]
    taken = dict.fromkeys([*factories_own, *sorted(objectives_own), SEED])
    for name in names:
        if name not in taken:
            owners = ", ".join(label(factory) for factory in optimizers.values())
            raise InputError(
                f"nobody takes column {quote(name)} ({owners} and {objective.name}): {unknown('keyword', name, taken)}"
            )


def _check_filled(names: list[str], objective: Objective) -> None:
    """Refuses columns named like an argument that lrsweep fills itself, and functions that name one they cannot get."""
    for name in names:
        if name in Filled._fields:
            raise InputError(
                f"column {name!r} of the trials is named like an argument that lrsweep fills itself: call it, and the "
                "argument that takes it, something else"
            )
    if objective.draws_start:
        for name in filled_names(objective.init):
            if name != "key":
                raise InputError(
                    f"the init of objective {objective.name!r} names {name!r}, which only its loss and its metrics are "
                    "given: an init gets a key and columns, and may return (params, state)"
                )
    for name, (function, _) in objective.measures.items():
        if "state" in filled_names(function) and not objective.keeps_state:
            raise InputError(
                f"metric {name!r} of objective {objective.name!r} names 'state', but its loss does not, so that there "
                "is none: let the loss name it too, and return (loss, state)"
            )


def _keywords_of_init(objective: Objective) -> _Keywords:
    if not objective.draws_start:
        return _Keywords([], [], False)
    names_key = "key" in filled_names(objective.init)
    return _all_keywords(objective.init, skip=0 if names_key else 1, without=["key"] if names_key else [])


def _all_keywords(function: Callable[..., Any], *, skip: int, without: Collection[str] = ()) -> _Keywords:
    """Finds all keywords of a function, without its first arguments, `skip` of them, and without some names."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        raise InputTypeError(
            f"{quote(function)} does not say which keywords it takes: wrap it in a function that does"
        ) from None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < skip and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise InputTypeError(f"{label(function)} must take the key first: init(key, **columns)")
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return _named([p for p in named if p not in positional[:skip] and p.name not in without], takes_any)


def _keyword_only(function: Callable[..., Any]) -> _Keywords:
    """Finds the keyword-only arguments of a function, without those that lrsweep fills itself."""
    parameters, filled = inspect.signature(function).parameters.values(), filled_names(function)
    return _named([p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in filled], False)


def _named(parameters: list[inspect.Parameter], anything: bool) -> _Keywords:
    return _Keywords([p.name for p in parameters], [p.name for p in parameters if p.default is p.empty], anything)
