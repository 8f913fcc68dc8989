"""The folder of a store, on a disk or at a URL: what is done with its files, and what is said where that fails."""

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path, PurePath
from typing import Any, Protocol

from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError, UnwrittenError
from lrsweep.inputs._messages import first_line, quote
from lrsweep.store._local import Local

LOCK = "lock"

# What becomes of "s3://bucket" as a path; a disk of Windows has one letter.
_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")


class Place(Protocol):
    """Where a folder lies, and how its files are read and written there. What fails raises an `OSError`.

    Attributes:
        path: The folder, as messages show it.
        filesystem: What pyarrow reads its files through; None for that of this machine.
    """

    @property
    def path(self) -> Path | str: ...

    @property
    def filesystem(self) -> Any: ...

    @property
    def address(self) -> str:
        """Gives the text under which other processes find the folder."""
        ...

    def locate(self, name: str) -> str:
        """Gives the path of a file, as `filesystem` takes it."""
        ...

    def make(self) -> None:
        """Makes the folder where there is none, and where there are such things as folders."""

    def names(self) -> list[str]:
        """Lists the files of the folder."""
        ...

    def read(self, name: str) -> bytes:
        """Reads a file."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, of which nobody ever sees a part."""

    def remove(self, name: str) -> None:
        """Removes a file, where there is one."""

    def tidy(self) -> None:
        """Removes what processes that were killed have left half written."""

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Keeps other processes out, by a file; raises `BlockingIOError` with the name of the one that is in."""
        ...

    def user(self, name: str) -> str | None:
        """Names the process that keeps others out; None where there is none, or where that cannot be told."""
        ...


class Folder:
    """The folder of a store."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Names the folder; nothing is looked at yet.

        Args:
            path: A path of this machine's file system, or a URL such as `s3://bucket/runs/edge`.

        Raises:
            TypeError: It is neither.
            InputError: Nothing that is installed reads such URLs.
        """
        self._place = _place_at(path)
        self.path = self._place.path

    def __str__(self) -> str:
        return quote(str(self.path))

    @property
    def address(self) -> str:
        """The text under which other processes find the folder: an absolute path, or a URL."""
        return self._place.address

    @property
    def filesystem(self) -> Any:
        """What pyarrow reads the folder's files through; None for this machine's file system."""
        return self._place.filesystem

    def locate(self, name: str) -> str:
        """Gives the path of a file, as `filesystem` takes it."""
        return self._place.locate(name)

    def make(self) -> None:
        """Makes the folder where there is none.

        Raises:
            InputError: It cannot be made, or there is a file of its name.
        """
        try:
            self._place.make()
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"{self} is a file, or lies in one: name a folder for the store") from None
        except OSError as error:
            raise InputError(f"the folder {self} cannot be made: {_reason(error)}") from error

    def names(self, beginning: str | None = None) -> list[str]:
        """Lists the files of the folder: all that are not hidden, or those whose names begin with a text.

        Raises:
            InputError: There is no such folder, or it cannot be read.
        """
        try:
            names = sorted(self._place.names())
        except FileNotFoundError:
            raise InputError(f"there is no folder {self}") from None
        except NotADirectoryError:
            raise InputError(f"{self} is a file: a store is a folder") from None
        except OSError as error:
            raise InputError(f"the folder {self} cannot be read: {_reason(error)}") from error
        if beginning is None:
            return [name for name in names if not name.startswith(".")]
        return [name for name in names if name.startswith(beginning)]

    def read(self, name: str) -> bytes | None:
        """Reads a file; None where there is none.

        Raises:
            InputError: It cannot be read.
        """
        try:
            return self._place.read(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{name!r} in {self} cannot be read: {_reason(error)}") from error

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, which is there with all its bytes or not at all; the one of that name before it goes.

        Raises:
            UnwrittenError: It cannot be written. All that was written before is there.
        """
        try:
            self._place.write(name, content)
        except OSError as error:
            raise UnwrittenError(
                f"{name!r} could not be written into {self} ({_reason(error)}): what the store held before is "
                "there, and the same sweep goes on from it"
            ) from error

    def tidy(self) -> None:
        """Removes what processes that were killed have left half written."""
        self._place.tidy()

    def remove(self, name: str) -> None:
        """Removes a file, where there is one and it can be removed."""
        with contextlib.suppress(OSError):
            self._place.remove(name)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from computing into the folder, until it is left or this process ends.

        Raises:
            InputError: Another process is computing into it, or it cannot be written to.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._place.lock(LOCK))
            except BlockingIOError as error:
                raise InputError(
                    f"{error.strerror} is computing into {self}: wait until it has ended, or name another folder"
                ) from None
            except OSError as error:
                raise InputError(f"the folder {self} cannot be written to: {_reason(error)}") from error
            yield

    def user(self) -> str | None:
        """Says which process is computing into the folder; None where there is none, or where that cannot be told."""
        return self._place.user(LOCK)


def _place_at(path: Any) -> Place:
    """Gives the place that a path or a URL names."""
    if isinstance(path, str) and "://" in path:
        from lrsweep.store._remote import open_url  # which loads fsspec

        return open_url(path)
    found = as_path(path)
    if isinstance(path, PurePath) and _URL_AS_PATH.match(str(path)):
        raise InputError(f"{quote(str(path))} was a URL before it became a path: give it as text")
    return Local(found)


def _reason(error: OSError) -> str:
    return error.strerror or (first_line(error).partition(": ")[2] or type(error).__name__)
