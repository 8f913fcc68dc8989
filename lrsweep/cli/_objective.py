"""The objective that the command line names: a ready-made one, a file of data, or the user's own."""

import csv
import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

from lrsweep import problems
from lrsweep.cli._options._problem import Problem
from lrsweep.cli._own import exists, load_own, split_name
from lrsweep.cli._printing import print_out
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import first_line, listed, quote, unknown
from lrsweep.problems._files import STANDARD_INPUT, open_table
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


def load_objective(problem: Problem, *, batch_size: int | None = None) -> Objective:
    """Gives the objective that a command's options name.

    Args:
        problem: The options. Their `objective` is the name of a ready-made one; a file of data; or `FILE.py:NAME` /
            `package.module:NAME`, where NAME is an `Objective` or a function of no arguments that returns one. Modules
            are looked for in the current folder too.
        batch_size: How many examples an update sees, or None for as many as the objective says.

    Raises:
        FileNotFoundError: There is no such file.
        InputTypeError: NAME is not an objective.
        InputError: There is no such objective, the file does not load, or another option does not go with it.

    Example:
        >>> load_objective(Problem("line")).name
        'line'
    """
    objective = _find_objective(problem)
    return objective if batch_size is None else replace(objective, batch_size=batch_size)


def print_taken(objective: Objective) -> None:
    """Prints what an objective was made of, in one line, where it was made of a file of data.

    Example:
        >>> print_taken(load_objective(Problem("line")))
    """
    if objective.source is not None and "taken" in objective.source:
        print_out(f"{objective.source['taken']}\n")


def _find_objective(problem: Problem) -> Objective:
    """Gives the objective of `load_objective`, with the batches that it has itself."""
    text = problem.objective
    name, attribute = split_name(text)
    is_file = not attribute and (Path(name).suffix != "" or exists(name)) and text not in ready_made()
    if text == STANDARD_INPUT or (is_file and Path(name).suffix != ".py"):
        return _from_file(problem)
    given = [field.name for field in fields(problem)[1:] if getattr(problem, field.name) != field.default]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise InputError(f"{option} goes with a file of data, such as a CSV file, not with {quote(text)}")
    if is_file:
        raise InputError(f"{quote(text)} does not say which objective: write {text}:NAME")
    if attribute:
        return _own_objective(text)
    if text not in ready_made():
        known = unknown("objective", text, ready_made())
        raise InputError(f"{known}; or name a CSV file, or your own as FILE.py:NAME or package.module:NAME")
    return ready_made()[text]()


def _from_file(problem: Problem) -> Objective:
    """Gives the objective of a file of data."""
    if problem.target is None:
        columns = listed(open_table(problem.objective).table.columns)
        raise InputError(f"{quote(problem.objective)} needs --target, the column to predict: one of {columns}")
    return problems.from_table(
        problem.objective,
        problem.target,
        task=problem.task,
        drop=_read_names(problem.drop),
        only=None if problem.only is None else _read_names(problem.only),
        missing=problem.missing,
        categories=problem.categories,
        hidden=_read_widths(problem.hidden),
        validation=problem.validation,
        best_by=problem.best_by,
        raw=problem.raw,
    )


def _read_names(texts: Sequence[str] | None) -> list[str]:
    """Gives the names of columns in options that may be repeated; one that holds a comma stands in double quotes."""
    rows = csv.reader(texts or [], skipinitialspace=True)
    return [name.strip() for row in rows for name in row if name.strip()]


def _read_widths(text: str | None) -> list[int]:
    """Gives the widths of the layers of a network."""
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isdecimal():
            raise InputError(f"--hidden {quote(text)} must be the widths of layers, such as 64 or 64,64")
    return [int(part) for part in parts]


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
