"""Which column of a trials table goes to whom: the optimizer's factory, `init`, the loss, a metric, or the key."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote, unknown
from lrsweep.optimizers._factories import Factory, label
from lrsweep.problems._objective import Objective
from lrsweep.tables._schema import SEED


class Binding(NamedTuple):
    """The columns that go as keywords to the optimizer's factory, to `init`, to the loss, and to each metric.

    `optional` are those that only the factory takes, and has a default for.
    """

    optimizer: tuple[str, ...]
    init: tuple[str, ...]
    loss: tuple[str, ...] = ()
    metrics: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def taken(self) -> set[str]:
        """Every column that someone takes."""
        return {*self.optimizer, *self.init, *self.loss, *(name for names in self.metrics for name in names)}

    def without(self, names: Collection[str]) -> "Binding":
        """Leaves some of the optional columns at the factory's defaults."""
        return self._replace(optimizer=tuple(name for name in self.optimizer if name not in names))


class _Takes(NamedTuple):
    names: list[str]
    required: list[str]
    anything: bool


def bind(columns: Iterable[str], objective: Objective, optimizers: Mapping[Any, Factory]) -> dict[Any, Binding]:
    """Says which column goes to whom, for each of some optimizers; a column that several take goes to each of them.

    Args:
        columns: The names of the trials table's columns.
        objective: Its `init` takes the columns named like its keywords; its loss and its metrics those named like
            their keyword-only arguments.
        optimizers: Each factory takes the columns named like its keywords, and with `**keywords` those that nobody
            else takes.

    Returns:
        A `Binding` for each of the optimizers.

    Raises:
        TypeError: An optimizer cannot be called, or `init` has no place for the key.
        ValueError: Nobody takes a column, or a keyword without a default has none.

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
        factories[name] = _takes(factory, skip=0)
    start = _takes(objective.init, skip=1) if objective.draws_start else _Takes([], [], False)
    loss = _keywords(objective.loss)
    metrics = {name: _keywords(function) for name, (function, _) in objective.measures.items()}

    known = {*start.names, *loss.names, *(name for takes in metrics.values() for name in takes.names)}
    _check_taken(names, objective, optimizers, factories, known, start.anything)
    owners = [(f"optimizer {label(optimizers[name])}", takes) for name, takes in factories.items()]
    owners += [(f"init of objective {objective.name!r}", start), (f"loss of objective {objective.name!r}", loss)]
    owners += [(f"metric {name!r} of objective {objective.name!r}", takes) for name, takes in metrics.items()]
    for owner, takes in owners:
        for name in takes.required:
            if name not in names:
                raise InputError(f"the {owner} needs {name!r}: add a column of that name to the trials")

    def taken_by(takes: _Takes, others: set[str]) -> tuple[str, ...]:
        free = set(names) - {SEED, *others} if takes.anything else set()
        return tuple(name for name in names if name in takes.names or name in free)

    return {
        name: Binding(
            optimizer=taken_by(takes, known),
            init=taken_by(start, known.union(*(takes.names for takes in factories.values()))),
            loss=taken_by(loss, set()),
            metrics=tuple(taken_by(metric, set()) for metric in metrics.values()),
            optional=tuple(
                column for column in taken_by(takes, known) if column not in known and column not in takes.required
            ),
        )
        for name, takes in factories.items()
    }


def _check_taken(
    names: list[str],
    objective: Objective,
    optimizers: Mapping[Any, Factory],
    factories: Mapping[Any, _Takes],
    known: set[str],
    anything: bool,
) -> None:
    if anything or any(takes.anything for takes in factories.values()):
        return
    there = dict.fromkeys([*(name for takes in factories.values() for name in takes.names), *sorted(known), SEED])
    for name in names:
        if name not in there:
            owners = ", ".join(label(factory) for factory in optimizers.values())
            raise InputError(
                f"nobody takes column {quote(name)} ({owners} and {objective.name}): {unknown('keyword', name, there)}"
            )


def _takes(function: Callable[..., Any], *, skip: int) -> _Takes:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        raise InputTypeError(
            f"{quote(function)} does not say which keywords it takes: wrap it in a function that does"
        ) from None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < skip and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise InputTypeError(f"{label(function)} must take the key first: init(key, **columns)")
    skipped = {p.name for p in positional[:skip]}
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in skipped]
    return _Takes(
        names=[p.name for p in named],
        required=[p.name for p in named if p.default is p.empty],
        anything=any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def _keywords(function: Callable[..., Any]) -> _Takes:
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return _Takes([p.name for p in named], [p.name for p in named if p.default is p.empty], anything=False)
