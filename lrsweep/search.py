"""The search that the command line asks for: its optimizers, and its trials table."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from lrsweep import optimizers
from lrsweep.axes import grid, parse_axis, parse_setting
from lrsweep.binding import OPTIMIZER, SEED
from lrsweep.csv_file import read_csv
from lrsweep.optimizers import Factory
from lrsweep.summary import LEARNING_RATE


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
            raise ValueError(f"optimizer {name!r} is given twice: name it once")
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
            raise ValueError(f"--set {text!r} must be NAME=AXIS, such as momentum=0,0.9")
        if name in axes:
            raise ValueError(f"column {name!r} is given twice: name it once")
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
        ValueError: An axis is not one, or its column is given twice.

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
        parts.append(grid(**named, **mine))
    return pd.concat(parts, ignore_index=True)


def read_trials(text: str) -> pd.DataFrame:
    """A trials table from a file, `.parquet` or CSV.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read as a table.
    """
    if not text.lower().endswith(".parquet"):
        return read_csv(text)
    if not Path(text).is_file():
        raise FileNotFoundError(f"there is no file {text!r}")
    return pd.read_parquet(text)
