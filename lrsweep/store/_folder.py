"""The folder of a store: files that are there whole or not at all, and a lock that ends with its process."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError, UnwrittenError
from lrsweep.inputs._messages import quote
from lrsweep.tables._files import remove_left_behind, write_files

try:
    import fcntl
except ImportError:  # on Windows, where nothing keeps two sweeps from computing the same shards twice
    fcntl = None

LOCK = "lock"


class Folder:
    """The folder of a store, on a local disk."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Names the folder; nothing is looked at yet."""
        self.path = as_path(path)
        if "://" in os.fspath(path):
            raise InputError(f"{quote(os.fspath(path))} is a URL: a store is a folder of this machine's file system")

    def __str__(self) -> str:
        return quote(str(self.path))

    def make(self) -> None:
        """Makes the folder where there is none.

        Raises:
            InputError: It cannot be made, or there is a file of its name.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"{self} is a file, or lies in one: name a folder for the store") from None
        except OSError as error:
            raise InputError(f"the folder {self} cannot be made: {error.strerror}") from error

    def names(self) -> list[str]:
        """Lists the files of the folder, without those that are hidden.

        Raises:
            InputError: There is no such folder, or it cannot be read.
        """
        try:
            return sorted(name for name in os.listdir(self.path) if not name.startswith("."))
        except FileNotFoundError:
            raise InputError(f"there is no folder {self}") from None
        except NotADirectoryError:
            raise InputError(f"{self} is a file: a store is a folder") from None
        except OSError as error:
            raise InputError(f"the folder {self} cannot be read: {error.strerror}") from error

    def read(self, name: str) -> bytes | None:
        """Reads a file; None where there is none.

        Raises:
            InputError: It cannot be read.
        """
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{name!r} in {self} cannot be read: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        """Writes a file under another name, waits until the disk has it, and gives it its own.

        Raises:
            UnwrittenError: It cannot be written. All that was written before is there.
        """
        try:
            # Nothing is looked for in the folder here, which may hold a hundred thousand shards.
            write_files({self._file(name): content})
            self._keep_names()
        except OSError as error:
            raise UnwrittenError(
                f"{name!r} could not be written into {self} ({error.strerror or error}): what the store held before is "
                "there, and the same sweep goes on from it"
            ) from error

    def tidy(self) -> None:
        """Removes what processes that were killed have left half written."""
        remove_left_behind(self.path)

    def remove(self, name: str) -> None:
        """Removes a file, where there is one and it can be removed."""
        with contextlib.suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from computing into the folder; the system lets go of it when this process ends.

        Raises:
            InputError: Another process is computing into it, or it cannot be written to.
        """
        try:
            file = self._file(LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise InputError(f"the folder {self} cannot be written to: {error.strerror}") from error
        with file:
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                user = self.user() or "another process"
                raise InputError(
                    f"{user} is computing into {self}: wait until it has ended, or name another folder"
                ) from None
            except OSError:
                pass  # some file systems have no locks: a shard that is computed twice is the same shard
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
                file.flush()
            self.tidy()
            yield

    def user(self) -> str | None:
        """Says which process is computing into the folder; None where there is none, or where that cannot be told."""
        try:
            with self._file(LOCK).open(encoding="utf-8") as file:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._file(LOCK).read_text(encoding="utf-8").strip() or "another process"
        except OSError:
            pass
        return None

    def _file(self, name: str) -> Path:
        return self.path / name

    def _keep_names(self) -> None:
        """Waits until the disk has the names of the folder's files."""
        if fcntl is None:
            return  # Windows opens no folders
        with contextlib.suppress(OSError):
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
