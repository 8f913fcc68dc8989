"""A folder of this machine's file system: files that are whole or not there, and a lock that ends with its process."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from lrsweep.tables._files import remove_left_behind, write_files

try:
    import fcntl
except ImportError:  # on Windows, where nothing keeps two sweeps from computing the same shards twice
    fcntl = None


class Local:
    """A folder of this machine's file system; see `lrsweep.store._folder.Place`."""

    filesystem = None

    def __init__(self, path: Path) -> None:
        """Names the folder; nothing is looked at yet."""
        self.path = path

    @property
    def address(self) -> str:
        return str(self.path.absolute())

    def locate(self, name: str) -> str:
        return str(self.path / name)

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return os.listdir(self.path)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Writes a file under another name, waits until the disk has it, and gives it its own."""
        # Nothing is looked for in the folder here, which may hold a hundred thousand shards.
        write_files({self.path / name: content})
        self._keep_names()

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        remove_left_behind(self.path)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Locks a file, which the system lets go of when this process ends."""
        # Without a buffer, which a full disk would have fail once more when the file is closed.
        with (self.path / name).open("ab", buffering=0) as file:
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(errno.EWOULDBLOCK, self.user(name) or "another process") from None
            except OSError:
                pass  # some file systems have no locks: a shard that is computed twice is the same shard
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            self.tidy()
            yield

    def user(self, name: str) -> str | None:
        file = self.path / name
        try:
            with file.open(encoding="utf-8") as opened:
                if fcntl is not None:
                    fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read_text(encoding="utf-8").strip() or "another process"
        except OSError:
            pass
        return None

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
