"""The objective that the command line names: a ready-made one, a CSV file, or the user's own."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lrsweep import problems
from lrsweep.cli._own import exists, load_own, split_name
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, listed, quote, unknown
from lrsweep.problems._csv import read_csv, regression_from_csv
from lrsweep.problems._objective import Objective


def ready_made() -> dict[str, Callable[[], Objective]]:
    """Gives the problems that can be built with no argument, by name.

    Example:
        >>> list(ready_made())
        ['line', 'quadratic', 'rosenbrock', 'valleys']
    """
    return {
        name: build
        for name, build in sorted(vars(problems).items())
        if inspect.isfunction(build)
        and build.__module__ == "lrsweep.problems._ready_made"
        and not name.startswith("_")
        and all(p.default is not p.empty for p in inspect.signature(build).parameters.values())
    }


def load_objective(
    text: str, *, target: str | None = None, raw: bool = False, batch_size: int | None = None
) -> Objective:
    """Gives the objective that `text` names.

    Args:
        text: The name of a ready-made one, a CSV file, or `FILE.py:NAME` / `package.module:NAME`, where NAME is an
            `Objective` or a function of no arguments that returns one. Modules are looked for in the current folder
            too.
        target: For a CSV file, the column to predict.
        raw: For a CSV file, take the columns as they are.
        batch_size: How many examples an update sees, or None for as many as the objective says.

    Raises:
        FileNotFoundError: There is no such file.
        InputTypeError: NAME is not an objective.
        InputError: There is no such objective, the file does not load, or another argument does not go with it.

    Example:
        >>> load_objective("line").name
        'line'
    """
    objective = _find_objective(text, target, raw)
    return objective if batch_size is None else replace(objective, batch_size=batch_size)


def _find_objective(text: str, target: str | None, raw: bool) -> Objective:
    """Gives the objective of `load_objective`, with the batches that it has itself."""
    name, attribute = split_name(text)
    is_file = not attribute and (Path(name).suffix != "" or exists(name)) and text not in ready_made()
    if is_file and Path(name).suffix != ".py":
        if target is None:
            columns = listed(read_csv(text).columns)
            raise InputError(f"{quote(text)} needs --target, the column to predict: one of {columns}")
        return regression_from_csv(text, target, raw=raw)
    if target is not None or raw:
        raise InputError(f"--target and --raw go with a CSV file, not with {quote(text)}")
    if is_file:
        raise InputError(f"{quote(text)} does not say which objective: write {text}:NAME")
    if attribute:
        return _own_objective(text)
    if text not in ready_made():
        known = unknown("objective", text, ready_made())
        raise InputError(f"{known}; or name a CSV file, or your own as FILE.py:NAME or package.module:NAME")
    return ready_made()[text]()


def _own_objective(text: str) -> Objective:
    """Gives the objective that the user's own module has under a name, or that the function of this name returns."""
    found = load_own(text)
    if not isinstance(found, Objective) and callable(found):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise InputError(f"{quote(text)} fails with {first_line(error)}") from error
    if not isinstance(found, Objective):
        raise InputTypeError(
            f"{quote(text)} is a {type(found).__name__}: it must be a lrsweep.Objective, or return one"
        )
    return replace(found, name=split_name(text)[1]) if found.name == "<lambda>" else found
