"""An objective from what the command line names: a ready-made one, a CSV file, or the user's own."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from lrsweep import problems
from lrsweep.csv_file import read_csv, regression_from_csv
from lrsweep.errors import InputError, InputTypeError, MissingFileError
from lrsweep.messages import first_line, unknown
from lrsweep.objective import Objective


def ready_made() -> dict[str, Callable[[], Objective]]:
    """The problems that can be built with no argument, by name.

    Example:
        >>> list(ready_made())
        ['line', 'quadratic', 'rosenbrock', 'valleys']
    """
    return {
        name: build
        for name, build in sorted(vars(problems).items())
        if inspect.isfunction(build)
        and build.__module__ == problems.__name__
        and not name.startswith("_")
        and all(p.default is not p.empty for p in inspect.signature(build).parameters.values())
    }


def load_objective(text: str, *, target: str | None = None, raw: bool = False) -> Objective:
    """The objective that `text` names.

    Args:
        text: The name of a ready-made one, a CSV file, or `FILE.py:NAME` / `package.module:NAME`, where NAME is an
            `Objective` or a function of no arguments that returns one. Modules are looked for in the current folder
            too.
        target: For a CSV file, the column to predict.
        raw: For a CSV file, take the columns as they are.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: NAME is not an objective.
        ValueError: There is no such objective, the file does not load, or `target` or `raw` do not go with it.

    Example:
        >>> load_objective("line").name
        'line'
    """
    name, colon, attribute = text.rpartition(":")
    is_file = not colon and (Path(text).suffix != "" or Path(text).exists()) and text not in ready_made()
    if is_file and Path(text).suffix != ".py":
        if target is None:
            columns = ", ".join(read_csv(text).columns)
            raise InputError(f"{text!r} needs --target, the column to predict: one of {columns}")
        return regression_from_csv(text, target, raw=raw)
    if target is not None or raw:
        raise InputError(f"--target and --raw go with a CSV file, not with {text!r}")
    if is_file:
        raise InputError(f"{text!r} does not say which objective: write {text}:NAME")
    if colon:
        return _own_objective(text, name, attribute)
    if text not in ready_made():
        known = unknown("objective", text, ready_made())
        raise InputError(f"{known}; or name a CSV file, or your own as FILE.py:NAME or package.module:NAME")
    return ready_made()[text]()


def _own_objective(text: str, module_name: str, attribute: str) -> Objective:
    module = _load_module(module_name)
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(f"{module_name!r}: " + unknown("name", attribute, public))
    found: Any = getattr(module, attribute)
    if not isinstance(found, Objective) and callable(found):
        try:
            found = found()
        except Exception as error:
            raise InputError(f"{text!r} fails with {first_line(error)}") from error
    if not isinstance(found, Objective):
        raise InputTypeError(f"{text!r} is a {type(found).__name__}: it must be a lrsweep.Objective, or return one")
    return replace(found, name=attribute) if found.name == "<lambda>" else found


def _load_module(name: str) -> ModuleType:
    is_file = name.endswith(".py")
    if is_file and not Path(name).is_file():
        raise MissingFileError(f"there is no file {name!r}")
    # As where a script is run: what lies beside it can be imported.
    sys.path.insert(0, str(Path(name).resolve().parent if is_file else Path.cwd()))
    try:
        if not is_file:
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        module = importlib.util.module_from_spec(cast(ModuleSpec, spec))
        cast(Loader, cast(ModuleSpec, spec).loader).exec_module(module)
        return module
    except Exception as error:
        raise InputError(f"{name!r} cannot be loaded: {first_line(error)}") from error
    finally:
        sys.path.pop(0)
