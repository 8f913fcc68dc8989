"""The trials table that a command's options ask for, and the optimizers that they name."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import optax
import pandas as pd

from lrsweep import optimizers
from lrsweep.cli._axes import parse_axis, read_axes
from lrsweep.cli._objective import ready_made
from lrsweep.cli._options._study import DEFAULT_SEEDS
from lrsweep.cli._own import load_own, split_name
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import LONGEST_QUOTE, quote, shorten, unknown
from lrsweep.optimizers._factories import Factory
from lrsweep.optimizers._schedules import SHAPES
from lrsweep.problems._objective import signature_of
from lrsweep.tables._given import read_csv
from lrsweep.tables._grid import grid
from lrsweep.tables._reading import read_parquet
from lrsweep.tables._schema import LEARNING_RATE, OPTIMIZER, SEED

# What fits the 32 bits that a key is made from.
MOST_SEEDS = 2**32


def read_optimizers(text: str, *, schedule: str | None, steps: int) -> dict[str, Factory]:
    """Gives the factories that `text` names, by name: `adam`, or `sgd,adam`, or `sgd,own.py:mine`, which is `mine`.

    Args:
        text: See there.
        schedule: `--schedule`, the name of a shape that their learning rates follow, or None.
        steps: `--steps`, over which it does.

    Raises:
        InputError: There is no optimizer or schedule of some name, or an optimizer is named twice.

    Example:
        >>> list(read_optimizers("sgd,adam", schedule=None, steps=1000))
        ['sgd', 'adam']
    """
    given = [name.strip() for name in text.split(",")]
    names = [split_name(name)[1] or name for name in given]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"optimizer {quote(name)} is given twice: name it once")
    factories = [read_optimizer(name, schedule=schedule, steps=steps) for name in given]
    return dict(zip(names, factories, strict=True))


def read_optimizer(name: str, *, schedule: str | None, steps: int) -> Factory:
    """Gives the factory of one name; the arguments are those of `read_optimizers`.

    Raises:
        FileNotFoundError: There is no such file.
        InputTypeError: What is named in a file is no factory.
        InputError: There is no optimizer or schedule of the name, or a file does not load.

    Example:
        >>> read_optimizer("sgd", schedule="warmup_cosine", steps=1000).__name__
        'sgd_warmup_cosine'
    """
    factory = _own_factory(name) if split_name(name)[1] else _factory_by_name(name)
    if schedule is None:
        return factory
    if schedule not in SHAPES:
        raise InputError(f"--schedule: {unknown('schedule', schedule, SHAPES)}")
    shape = SHAPES[schedule]
    over = {"steps": steps} if "steps" in inspect.signature(shape).parameters else {}
    return optimizers.scheduled(factory, shape, **over)


def _own_factory(text: str) -> Factory:
    """Gives the factory that the user's own module has under a name."""
    found: Factory = load_own(text)
    if isinstance(found, optax.GradientTransformation):
        raise InputTypeError(
            f"{quote(text)} is already built: name its factory, a function of learning_rate that returns it"
        )
    if not callable(found):
        raise InputTypeError(
            f"{quote(text)} is a {type(found).__name__}: it must be a function that returns an optax optimizer"
        )
    signature_of(found, quote(text))
    return found


def _factory_by_name(name: str) -> Factory:
    """Gives the factory of a name from `lrsweep list`."""
    if name.endswith(".py"):
        raise InputError(f"{quote(name)} does not say which optimizer: write {name}:NAME")
    try:
        return optimizers.by_name(name)
    except InputError as error:
        raise InputError(f"{error}; or name your own as FILE.py:NAME or package.module:NAME") from None


def read_trials(
    factories: Mapping[str, Factory],
    objective: str,
    *,
    file: str | None,
    learning_rate: str | None,
    default_rates: str | None,
    settings: Sequence[str] | None,
    seeds: int | None,
) -> pd.DataFrame:
    """Gives the trials that a command's options ask for: those of a file, or every combination of axes.

    Args:
        factories: The optimizers.
        objective: What the command calls its objective.
        file: `--trials`, a table instead of all that follows: `.parquet`, or else CSV.
        learning_rate: `--learning-rate`.
        default_rates: The axis of learning rates where none is given, and an optimizer takes them; or None where the
            command finds them itself, so that a row is a start.
        settings: Every `--set`.
        seeds: `--seeds`.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: An option is wrong, or does not go with `--trials`.
    """
    if file is not None:
        if learning_rate is not None or settings or seeds is not None:
            rates = "" if default_rates is None else "--learning-rate, "
            raise InputError(f"--trials brings its own columns: leave out {rates}--set and --seeds")
        return read_parquet(file) if file.lower().endswith(".parquet") else read_csv(file)
    count = count_seeds(seeds, objective)
    axes = read_axes(learning_rate=learning_rate, settings=settings)
    check_words(factories, axes)
    if count is not None:
        axes.setdefault(SEED, range(count))
    if default_rates is None:
        return grid(**axes) if axes else pd.DataFrame(index=range(1))
    return cross_axes(factories, axes, parse_axis(default_rates))


def check_words(factories: Mapping[str, Factory], axes: Mapping[str, Any]) -> None:
    """Refuses words for a hyperparameter that an optimizer takes as a number, or as true or false.

    A word would count as true there.

    Args:
        factories: The optimizers.
        axes: The values of each column.

    Raises:
        InputError: There are such words.

    Example:
        >>> check_words(read_optimizers("sgd", schedule=None, steps=1000), {"nesterov": [True, False]})
        >>> check_words(read_optimizers("sgd", schedule=None, steps=1000), {"nesterov": ["maybe"]})
        Traceback (most recent call last):
        lrsweep.inputs._errors.InputError: --set nesterov=maybe: nesterov of sgd is true or false
    """
    for name, factory in factories.items():
        for keyword, parameter in inspect.signature(factory).parameters.items():
            words = [value for value in axes.get(keyword, ()) if isinstance(value, str)]
            if words and _is_number(parameter):
                accepted = "true or false" if isinstance(parameter.default, bool) else "a number"
                given = shorten(",".join(words), LONGEST_QUOTE)
                raise InputError(f"--set {keyword}={given}: {keyword} of {name} is {accepted}")


def _is_number(parameter: inspect.Parameter) -> bool:
    """Says whether a keyword takes a number, or true or false, as its default or its annotation tells."""
    accepted = get_args(parameter.annotation) or (parameter.annotation,)
    numeric = float in accepted and not any(each in (str, Any) for each in accepted)
    return numeric or isinstance(parameter.default, int | float)


def cross_axes(
    factories: Mapping[str, Factory], axes: Mapping[str, Any], default_rates: Sequence[float]
) -> pd.DataFrame:
    """Makes the trials of every combination of axes, for each optimizer.

    An axis that some of the optimizers take, and others do not, is left out of the rows of those others.

    Args:
        factories: The optimizers. Where there are several, the table has a column `optimizer`.
        axes: The values of each column.
        default_rates: The learning rates where the axes have none, and an optimizer takes them.

    Raises:
        InputError: There is no axis.

    Example:
        >>> factories = read_optimizers("sgd,adam", schedule=None, steps=1000)
        >>> cross_axes(factories, {"momentum": [0, 0.9]}, [0.1])
          optimizer  learning_rate  momentum
        0       sgd            0.1       0.0
        1       sgd            0.1       0.9
        2      adam            0.1       NaN
    """
    keywords = {name: set(inspect.signature(factory).parameters) for name, factory in factories.items()}
    taken = set().union(*keywords.values())
    if LEARNING_RATE in taken:
        axes = {LEARNING_RATE: default_rates, **axes}
    parts = []
    for name in factories:
        # What no optimizer takes may be the objective's.
        mine = {axis: values for axis, values in axes.items() if axis in keywords[name] or axis not in taken}
        named = {OPTIMIZER: name} if len(factories) > 1 else {}
        if not mine and not named:
            raise InputError(f"optimizer {name!r} takes no learning_rate: give --set NAME=AXIS, or --seeds")
        parts.append(grid(**named, **mine))
    return pd.concat(parts, ignore_index=True)


def count_seeds(seeds: int | None, objective: str) -> int | None:
    """Gives how many seeds a command's options ask for, or None for an objective's own start.

    Raises:
        InputError: Below 1, or more than there are.

    Example:
        >>> count_seeds(None, "line"), count_seeds(None, "houses.csv"), count_seeds(3, "line")
        (None, 10, 3)
    """
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds {seeds} leaves no trials: it must be 1 or more")
    if seeds is not None and seeds > MOST_SEEDS:
        raise InputError(f"--seeds {quote(seeds)} are more than there are: it must be {MOST_SEEDS} or less")
    return seeds if seeds is not None or objective in ready_made() else DEFAULT_SEEDS


def one_or_named(factories: Mapping[str, Factory], trials: pd.DataFrame) -> Factory | Mapping[str, Factory]:
    """Gives the only factory there is, or all of them by name where the trials say which."""
    return factories if len(factories) > 1 or OPTIMIZER in trials else next(iter(factories.values()))
