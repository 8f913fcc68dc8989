"""Files that are written completely or not at all, and the removal of what killed processes have left of them."""

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
except ImportError:  # on Windows, where a file that was left behind cannot be told from one that is being written
    fcntl = None

# The name of a file while it is being written, in the folder of its target. It is locked until it has been moved there.
_PART = re.compile(r"\.lrsweep-[0-9a-f]{16}\.part")

_BINARY = getattr(os, "O_BINARY", 0)  # without it Windows would change line ends

# The paths of the files that this process is writing.
_parts: set[str] = set()


def check_path(path: str | os.PathLike[str], endings: Sequence[str]) -> Path:
    """Refuses a path that no file can be written to.

    Args:
        path: The path.
        endings: The endings that its name may have, such as `.csv`.

    Returns:
        The path.

    Raises:
        InputError: It has another ending, its folder does not exist or cannot be written to, its name is too long, or
            it is of something that can neither be replaced nor written to: a folder, a read-only file, a disk, a
            socket.

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
    """Tells whether there is a file, which writing would replace; a pipe or a device is none.

    Example:
        >>> is_file(folder / "none.csv")
        False
    """
    with contextlib.suppress(OSError):
        return stat.S_ISREG(path.stat().st_mode)
    return False


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Does what `write_files` does, and removes what killed processes have left half written in these folders.

    Args:
        contents: The contents of the files by their paths.

    Raises:
        OSError: See `write_files`.

    Example:
        >>> replace_files({folder / "a.txt": b"one", folder / "b.txt": b"two"})
        >>> (folder / "a.txt").read_bytes()
        b'one'
    """
    for path in contents:
        with contextlib.suppress(OSError):
            mode = _mode(path)
            if mode is None or not _is_stream(mode):
                remove_left_behind(os.path.dirname(os.path.realpath(path)))
    write_files(contents)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Writes files, each under another name in the folder of its target, and moves them once all are complete.

    So nobody sees one half written. A replaced file keeps its permissions, and a link still points to the same file.
    What is not a file, such as a pipe or a terminal, is written to.

    Args:
        contents: The contents of the files by their paths.

    Raises:
        OSError: A file cannot be written; its `filename` is that of the target. No file has been replaced, unless
            moving one failed.

    Example:
        >>> write_files({folder / "c.txt": b"three"})
        >>> (folder / "c.txt").read_bytes()
        b'three'
    """
    with contextlib.ExitStack() as stack:
        moves: list[tuple[Path, Callable[[], object]]] = []
        for path, content in contents.items():
            with _naming(path):
                mode = _mode(path)
                if mode is not None and _is_stream(mode):
                    moves.append((path, functools.partial(path.write_bytes, content)))
                    continue
                target = os.path.realpath(path)
                part = stack.enter_context(_part(target, content, mode))
                moves.append((path, functools.partial(os.replace, part, target)))
        for path, move in moves:
            with _naming(path):
                move()


def clean_up() -> None:
    """Removes the files that this process is writing and will not complete.

    Example:
        >>> clean_up()
    """
    for part in list(_parts):
        with contextlib.suppress(OSError):
            os.unlink(part)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Makes an error name the target, rather than the file that is being written beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _mode(path: Path) -> int | None:
    """Gives the system's `st_mode` of a path; None where there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _is_stream(mode: int) -> bool:
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


@contextlib.contextmanager
def _part(target: str, content: bytes, mode: int | None) -> Iterator[str]:
    """Writes a complete file in the folder of a target, and gives its path; it is removed unless it has been moved."""
    folder = os.path.dirname(target)
    # Until it has the permissions of the file that it replaces, only the user may read it.
    part, file = _open_part(folder, 0o666 if mode is None else 0o600)
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.chmod(part, stat.S_IMODE(mode))
            if fcntl is None:
                file.close()  # Windows does not move an open file
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
        with contextlib.suppress(OSError):  # some file systems have no locks: there nothing left behind is removed
            fcntl.flock(file, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for one left behind, and removed it.
        if os.path.exists(part):
            return part, file
        file.close()
        _parts.discard(part)


def remove_left_behind(folder: str | os.PathLike[str]) -> None:
    """Removes from a folder what killed processes have left half written: the files that nobody has locked.

    Example:
        >>> remove_left_behind(folder)
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # On a network file system a lock may belong to the whole process, and would not protect its own files.
            is_part = _PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            if is_part and entry.path not in _parts:
                with contextlib.suppress(OSError), open(entry.path, "r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
