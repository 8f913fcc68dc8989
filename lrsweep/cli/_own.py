"""What the command line names in the user's own Python: FILE.py:NAME, or package.module:NAME."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import first_line, quote, unknown
from lrsweep.tables._reading import check_file


def split_name(text: str) -> tuple[str, str]:
    """Gives the file or module that `text` names, and what in it, or nothing where it is the file itself.

    A colon may be part of a file's name: only one that a name of Python's follows ends it, and none where the whole is
    a file that is there.

    Example:
        >>> split_name("own.py:bowl"), split_name("C:/data.csv"), split_name("line")
        (('own.py', 'bowl'), ('C:/data.csv', ''), ('line', ''))
    """
    name, _, attribute = text.rpartition(":")
    return (name, attribute) if name and attribute.isidentifier() and not exists(text) else (text, "")


def exists(text: str) -> bool:
    """Says whether there is a file or a folder of this name.

    Example:
        >>> exists(str(folder)), exists("no such file")
        (True, False)
    """
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no name of a file: too long, or with a null in it
        return False


def load_own(text: str) -> Any:
    """Gives what `text` names.

    Args:
        text: `FILE.py:NAME`, or `package.module:NAME`. Modules are looked for in the current folder too.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The module does not load, or has nothing of this name.

    Example:
        >>> (folder / "own.py").write_text("answer = 42")
        11
        >>> load_own(f"{folder / 'own.py'}:answer")
        42
    """
    name, attribute = split_name(text)
    module = _load_module(name)
    if not hasattr(module, attribute):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise InputError(f"{quote(name)}: " + unknown("name", attribute, public))
    return getattr(module, attribute)


def _load_module(name: str) -> ModuleType:
    """Loads a module from its file, or by its name."""
    if name.endswith(".py"):
        path = check_file(name).resolve()
        with _importing_from(path.parent, name):
            return _load_file(path, path.stat().st_mtime_ns)
    with _importing_from(Path.cwd(), name):
        return importlib.import_module(name)


@contextmanager
def _importing_from(folder: Path, name: str) -> Iterator[None]:
    """Has what lies in a folder be imported, as where a script of it is run; says in a sentence what goes wrong."""
    sys.path.insert(0, str(folder))
    try:
        yield
    except (Exception, SystemExit) as error:
        raise InputError(f"{quote(name)} cannot be loaded: {first_line(error)}") from error
    finally:
        sys.path.pop(0)


# An objective and an optimizer may be of one file, which is then loaded once, with its data.
@cache
def _load_file(path: Path, modified: int) -> ModuleType:
    del modified  # which tells one version of the file from the next
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(cast(ModuleSpec, spec))
    cast(Loader, cast(ModuleSpec, spec).loader).exec_module(module)
    return module
