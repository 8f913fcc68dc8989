"""Files that are written whole or not at all, and what a process that was killed has left of them."""

import contextlib
import functools
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError

try:
    import fcntl
except ImportError:  # on Windows, where what was left behind cannot be told from what is being written
    fcntl = None

# A file that is being written has such a name, beside its place. It is locked until it is there.
_PART = re.compile(r"\.lrsweep-[0-9a-f]{16}\.part")

_BINARY = getattr(os, "O_BINARY", 0)  # of Windows, which would write line ends its own way

# Those of this process.
_parts: set[str] = set()


def check_path(path: str | os.PathLike[str], endings: Sequence[str]) -> Path:
    """Refuses a place that a file cannot be written to.

    Args:
        path: Where to.
        endings: What its name may end in, such as `.csv`.

    Raises:
        InputError: The ending is another, the folder does not exist or cannot be written to, the name is too long, or
            there is something at `path` that can neither be replaced nor written to: a folder, a file that is
            read-only, a disk, a socket.

    Example:
        >>> check_path("sweep.csv", [".csv", ".parquet"]).name
        'sweep.csv'
    """
    path = as_path(path)
    if path.suffix.lower() not in endings:
        raise InputError(f"cannot tell the format of {str(path)!r} by its ending: use {' or '.join(endings)}")
    # What a link points to is replaced, and not the link.
    folder = Path(os.path.realpath(path)).parent if os.path.islink(path) else path.parent
    if not os.path.isdir(folder):
        raise InputError(f"there is no folder {str(folder)!r} to write {path.name!r} into")
    try:
        mode = _mode(path)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written to: {error.strerror}") from error
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{str(path)!r} is a folder: name a file")
    if mode is not None and not (stat.S_ISREG(mode) or _is_stream(mode)):
        raise InputError(f"{str(path)!r} is neither a file nor a pipe: name another")
    if mode is not None and not os.access(path, os.W_OK):
        raise InputError(f"{str(path)!r} may not be written to: name another file")
    if (mode is None or stat.S_ISREG(mode)) and not os.access(folder, os.W_OK):
        raise InputError(f"the folder {str(folder)!r} cannot be written to: name another")
    return path


def is_file(path: Path) -> bool:
    """Tells whether there is a file to be replaced: a pipe or a device is written to, and nothing of it is lost.

    Example:
        >>> is_file(folder / "none.csv")
        False
    """
    with contextlib.suppress(OSError):
        return stat.S_ISREG(path.stat().st_mode)
    return False


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Writes files, each beside its place, and moves them there once all are complete.

    So none is ever seen half written. A file that is replaced keeps its permissions, and a link goes on pointing to
    what it points to. What is no file, such as a pipe or a terminal, is written to. What processes that were killed
    have left in these folders is removed.

    Args:
        contents: The files' contents, by their places.

    Raises:
        OSError: A file cannot be written; it is named by `filename`. None has been replaced, unless moving one failed.

    Example:
        >>> replace_files({folder / "a.txt": b"one", folder / "b.txt": b"two"})
        >>> (folder / "a.txt").read_bytes()
        b'one'
    """
    with contextlib.ExitStack() as stack:
        moves: list[tuple[Path, Callable[[], object]]] = []
        for path, content in contents.items():
            with _naming(path):
                mode = _mode(path)
                if mode is not None and _is_stream(mode):
                    moves.append((path, functools.partial(path.write_bytes, content)))
                    continue
                place = os.path.realpath(path)
                part = stack.enter_context(_part(place, content, mode))
                moves.append((path, functools.partial(os.replace, part, place)))
        for path, move in moves:
            with _naming(path):
                move()


def clean_up() -> None:
    """Removes what this process is writing and will not complete.

    Example:
        >>> clean_up()
    """
    for part in list(_parts):
        with contextlib.suppress(OSError):
            os.unlink(part)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Has an error name the file that was meant, and not the one beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _mode(path: Path) -> int | None:
    """Gives the system's `st_mode` of what there is at a place; None where there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _is_stream(mode: int) -> bool:
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


@contextlib.contextmanager
def _part(place: str, content: bytes, mode: int | None) -> Iterator[str]:
    """Writes a complete file beside a place and gives its name; it is removed at the end unless it was moved."""
    folder = os.path.dirname(place)
    _remove_left_behind(folder)
    # Nobody may read meanwhile what could not be read before.
    part, file = _open_part(folder, 0o666 if mode is None else 0o600)
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.chmod(part, stat.S_IMODE(mode))
            if fcntl is None:
                file.close()  # Windows moves no file that is open
            yield part
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
        _parts.discard(part)


def _open_part(folder: str, mode: int) -> tuple[str, IO[bytes]]:
    while True:
        part = os.path.join(folder, f".lrsweep-{os.urandom(8).hex()}.part")
        _parts.add(part)
        try:
            file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode), "wb")
        except BaseException:
            _parts.discard(part)
            raise
        if fcntl is None:
            return part, file
        with contextlib.suppress(OSError):  # some file systems have no locks: then nobody removes what is left there
            fcntl.flock(file, fcntl.LOCK_EX)
        # Another process may have come before the lock, and have removed it as one left behind.
        if os.path.exists(part):
            return part, file
        file.close()
        _parts.discard(part)


def _remove_left_behind(folder: str) -> None:
    """Removes the files of processes that were killed while they wrote: those that nobody has locked."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # Locks on a network's files may be those of a whole process, which would not keep it from its own.
            is_part = _PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            if is_part and entry.path not in _parts:
                with contextlib.suppress(OSError), open(entry.path, "r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
