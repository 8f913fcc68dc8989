"""A folder at a URL, such as one of S3: its files are objects, and its lock an object that is renewed."""

import contextlib
import errno
import json
import math
import os
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import first_line, quote
from lrsweep.store._local import Local

# Who has the lock renews it every so many seconds; one that has not been renewed for so many is nobody's.
RENEWED = 10.0
NOBODYS = 60.0

# Clocks of two machines do not differ by more seconds than these.
_CLOCKS_DIFFER = 600.0


def open_url(url: str) -> "Remote | Local":
    """Opens the folder at a URL; that of a URL of this machine's file system is one of its own.

    Raises:
        InputError: fsspec is not installed, or what it needs for this kind of URL, or it knows none such.

    Example:
        >>> open_url("memory://runs/edge").path
        'memory://runs/edge'
        >>> open_url((folder / "edge").as_uri()).path == folder / "edge"
        True
    """
    try:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem
    except ImportError:
        raise InputError(f"{quote(url)} is a URL, which needs fsspec: pip install 'lrsweep[remote]'") from None
    try:
        filesystem, path = url_to_fs(url)
    except Exception as error:  # whatever a library raises for what it does not understand
        raise InputError(f"{quote(url)} cannot be opened: {first_line(error)}") from error
    if isinstance(filesystem, LocalFileSystem):
        return Local(Path(path))
    return Remote(url.rstrip("/"), filesystem, path.rstrip("/"))


class Remote:
    """A folder of a service that fsspec reads; see `lrsweep.store._folder.Place`.

    Each file is put at once, under its own name: an object is there with all its bytes or not at all. What fails for a
    moment is tried again by the service's own library, as s3fs, gcsfs and adlfs do.
    """

    def __init__(self, url: str, filesystem: Any, path: str) -> None:
        """Names the folder; nothing is looked at yet.

        Args:
            url: Its URL.
            filesystem: The filesystem of fsspec that reads it.
            path: Its path there.
        """
        self.path, self._filesystem, self._path = url, filesystem, path

    @property
    def address(self) -> str:
        return self.path

    @property
    def filesystem(self) -> Any:
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return PyFileSystem(FSSpecHandler(self._filesystem))

    def locate(self, name: str) -> str:
        return f"{self._path}/{name}"

    def make(self) -> None:
        """Does nothing: an object needs no folder, and asking for one makes some libraries make a bucket."""

    def names(self) -> list[str]:
        with self._asking():
            found = self._filesystem.ls(self._path, detail=True)
        if [(each["name"], each["type"]) for each in found] == [(self._path, "file")]:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        # An object may be named as the folder itself is, as a web console makes it.
        paths = [each["name"].rstrip("/") for each in found]
        return [path.rpartition("/")[2] for path in paths if path != self._path]

    def read(self, name: str) -> bytes:
        with self._asking():
            return self._filesystem.cat_file(self.locate(name))

    def write(self, name: str, content: bytes) -> None:
        with self._asking():
            self._filesystem.pipe_file(self.locate(name), content)

    def remove(self, name: str) -> None:
        with self._asking(), contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self.locate(name))

    def tidy(self) -> None:
        """Does nothing: no part of an object is ever there."""

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Has an object of this process there and renews it, in a thread; one that is not renewed is taken over.

        Two processes may still have it: where one was asleep for a minute, or where a service does not tell which of
        two came first. Both then compute the same shards, and write the same bytes under the same names.
        """
        mine, ended = _Holder.here(), threading.Event()
        self._take(name, mine)
        renewing = threading.Thread(target=self._renew, args=(name, mine, ended), name="lrsweep-lock", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            with contextlib.suppress(OSError):
                if self._is_held_by(name, mine):
                    self.remove(name)

    def user(self, name: str) -> str | None:
        with contextlib.suppress(OSError):
            holder = self._holder(name)
            if holder is not None and time.time() - holder.renewed < NOBODYS:
                return holder.user
        return None

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Has all that a service's library raises be an `OSError`, and the library forget what it has listed.

        Some take a file that was not there then for one that is not there now.
        """
        self._filesystem.invalidate_cache(self._path)
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            raise OSError(errno.EIO, first_line(error)) from error
        finally:
            self._filesystem.invalidate_cache(self._path)

    def _take(self, name: str, mine: "_Holder") -> None:
        """Makes the lock's object this process's own; raises `BlockingIOError` where another renews it."""
        self._create(name, mine)
        while (seen := self._holder(name)) is not None and seen.token != mine.token:
            if abs(time.time() - seen.renewed) < _CLOCKS_DIFFER:
                warnings.warn(
                    f"{seen.user} has locked {quote(self.path)}: whether it is still at work shows in "
                    f"{NOBODYS:.0f} seconds at most",
                    stacklevel=10,
                )
                self._watch(name, seen)
            if self._holder(name) == seen:
                self.write(name, mine.renewed_now().content())
            else:
                self._create(name, mine)

    def _watch(self, name: str, seen: "_Holder") -> None:
        """Waits until the lock's object is gone or nobody's; raises `BlockingIOError` where it is renewed."""
        pause = min(1.0, RENEWED)
        # Looks are counted, not seconds: where both processes were asleep, the other gets its time.
        for _ in range(math.ceil(NOBODYS / pause)):
            time.sleep(pause)
            now = self._holder(name)
            if now is None:
                return
            if now != seen:
                raise BlockingIOError(errno.EWOULDBLOCK, now.user)

    def _create(self, name: str, mine: "_Holder") -> None:
        """Writes the lock's object where there is none."""
        # Looked at first, since some libraries take no notice of the mode.
        if self._holder(name) is not None:
            return
        try:
            # S3, Google's and Azure's let only one of two do that.
            self._filesystem.pipe_file(self.locate(name), mine.renewed_now().content(), mode="create")
        except Exception:  # another was first, or the service cannot do that, or nothing can be written
            if self._holder(name) is None:
                self.write(name, mine.renewed_now().content())

    def _renew(self, name: str, mine: "_Holder", ended: threading.Event) -> None:
        """Renews the lock's object until the end, or until another process has taken it over."""
        while not ended.wait(RENEWED):
            # What cannot be renewed now may be the next time.
            with contextlib.suppress(OSError):
                if not self._is_held_by(name, mine):
                    return
                self.write(name, mine.renewed_now().content())

    def _is_held_by(self, name: str, mine: "_Holder") -> bool:
        holder = self._holder(name)
        return holder is not None and holder.token == mine.token

    def _holder(self, name: str) -> "_Holder | None":
        try:
            return _Holder(**json.loads(self.read(name)))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return _Holder("another process", "", 0.0)


class _Holder(NamedTuple):
    """What the lock's object says of the process that has it.

    Attributes:
        user: The process.
        token: What no other has.
        renewed: When it last said so, in seconds since 1970 by its own clock.
    """

    user: str
    token: str
    renewed: float

    @classmethod
    def here(cls) -> "_Holder":
        return cls(f"process {os.getpid()} on {socket.gethostname()}", uuid.uuid4().hex, time.time())

    def renewed_now(self) -> "_Holder":
        return self._replace(renewed=time.time())

    def content(self) -> bytes:
        return json.dumps(self._asdict()).encode()
