"""The search that the command line asks for: its optimizers, and its trials table."""

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from lrsweep import optimizers
from lrsweep.cli._axes import parse_axis, parse_setting
from lrsweep.cli._objective import ready_made
from lrsweep.cli._options import ARTICLE_AXIS, DEFAULT_SEEDS, WIDE_AXIS
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import quote
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._csv import read_csv
from lrsweep.tables._grid import grid
from lrsweep.tables._reading import read_parquet
from lrsweep.tables._schema import LEARNING_RATE, OPTIMIZER, SEED

# What fits the 32 bits that a key is made from.
MOST_SEEDS = 2**32


def read_optimizers(text: str) -> dict[str, Factory]:
    """The factories that `text` names, by name: `adam`, or `sgd,adam`.

    Raises:
        ValueError: There is no optimizer of some name, or it is named twice.

    Example:
        >>> list(read_optimizers("sgd,adam"))
        ['sgd', 'adam']
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"optimizer {quote(name)} is given twice: name it once")
    return {name: optimizers.by_name(name) for name in names}


def read_settings(settings: Sequence[str], before: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The values of each column that is set, written `NAME=AXIS`, after those that there are before.

    Raises:
        ValueError: One is not written so, or is given twice.

    Example:
        >>> read_settings(["momentum=0,0.9", "nesterov=true"])
        {'momentum': [0.0, 0.9], 'nesterov': [True]}
    """
    axes = dict(before)
    for text in settings:
        name, equals, axis = text.partition("=")
        if not (name and equals):
            raise InputError(f"--set {quote(text)} must be NAME=AXIS, such as momentum=0,0.9")
        if name in axes:
            raise InputError(f"column {quote(name)} is given twice: name it once")
        axes[name] = parse_setting(axis)
    return axes


def make_trials(
    factories: Mapping[str, Factory],
    *,
    learning_rate: str | None,
    default_rates: str,
    settings: Sequence[str],
    seeds: int | None,
) -> pd.DataFrame:
    """Every combination of some axes, written as the command line writes them, for each optimizer.

    An axis that some of the optimizers take, and others do not, is left out of the rows of those others.

    Args:
        factories: The optimizers. Where there are several, the table has a column `optimizer`.
        learning_rate: The axis of that column, or None for `default_rates` where an optimizer takes it.
        default_rates: See there.
        settings: More axes, `NAME=AXIS` each.
        seeds: How many seeds, or None for no such column.

    Raises:
        ValueError: An axis is not one, its column is given twice, or there is none.

    Example:
        >>> factories = read_optimizers("sgd,adam")
        >>> make_trials(factories, learning_rate="0.1", default_rates="1", settings=["momentum=0,0.9"], seeds=None)
          optimizer  learning_rate  momentum
        0       sgd            0.1       0.0
        1       sgd            0.1       0.9
        2      adam            0.1       NaN
    """
    axes = read_settings(settings, {} if learning_rate is None else {LEARNING_RATE: parse_axis(learning_rate)})
    if seeds is not None:
        axes.setdefault(SEED, range(seeds))
    taken = {name: set(inspect.signature(factory).parameters) for name, factory in factories.items()}
    parts = []
    for name, keywords in taken.items():
        rates = {LEARNING_RATE: parse_axis(default_rates)} if LEARNING_RATE in keywords else {}
        mine = {
            axis: values
            for axis, values in (rates | axes).items()
            if axis in keywords or not any(axis in others for others in taken.values())
        }
        named = {OPTIMIZER: name} if len(factories) > 1 else {}
        if not mine and not named:
            raise InputError(f"optimizer {name!r} takes no learning_rate: give --set NAME=AXIS, or --seeds")
        parts.append(grid(**named, **mine))
    return pd.concat(parts, ignore_index=True)


def read_trials(text: str) -> pd.DataFrame:
    """A trials table from a file, `.parquet` or CSV.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read as a table.
    """
    return read_parquet(text) if text.lower().endswith(".parquet") else read_csv(text)


def read_rows(
    factories: Mapping[str, Factory],
    objective: str,
    *,
    trials: str | None,
    learning_rate: str | None,
    settings: list[str] | None,
    seeds: int | None,
    default_rates: str | None = None,
) -> pd.DataFrame:
    """The trials that a command's options ask for.

    Args:
        factories: The optimizers.
        objective: What the command calls its objective.
        trials: `--trials`: a file of a table, instead of all that follows.
        learning_rate: `--learning-rate`.
        settings: `--set`.
        seeds: `--seeds`.
        default_rates: The learning rates where none are given; None for those that suit the objective.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An option is wrong, or does not go with `--trials`.
    """
    if trials is not None:
        if learning_rate is not None or settings or seeds is not None:
            raise InputError("--trials brings its own columns: leave out --learning-rate, --set and --seeds")
        return read_trials(trials)
    return make_trials(
        factories,
        learning_rate=learning_rate,
        default_rates=default_rates or (ARTICLE_AXIS if objective == "line" else WIDE_AXIS),
        settings=settings or [],
        seeds=count_seeds(seeds, objective),
    )


def count_seeds(seeds: int | None, objective: str) -> int | None:
    """How many seeds a command's options ask for, or None for an objective's own start.

    Raises:
        ValueError: Below 1, or more than there are.

    Example:
        >>> count_seeds(None, "line"), count_seeds(None, "houses.csv"), count_seeds(3, "line")
        (None, 10, 3)
    """
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds {seeds} leaves no trials: it must be 1 or more")
    if seeds is not None and seeds > MOST_SEEDS:
        raise InputError(f"--seeds {quote(seeds)} are more than there are: it must be {MOST_SEEDS} or less")
    return seeds if seeds is not None or objective in ready_made() else DEFAULT_SEEDS


def one_or_named(factories: Mapping[str, Factory], rows: pd.DataFrame) -> Factory | Mapping[str, Factory]:
    """The only one there is, or all of them by name where the trials' column says which."""
    return factories if len(factories) > 1 or OPTIMIZER in rows else next(iter(factories.values()))
