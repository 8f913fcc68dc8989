"""What computes shards: an executor of the caller's, or one that a word such as `processes:4` names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote

# The words, as messages show them.
NAMES = "processes:4, dask://HOST:PORT, ray or ray://HOST:PORT"


class Submits(Protocol):
    """What has calls done somewhere: the one method of `concurrent.futures.Executor` that is used of it."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Gives a future of a call, with `done`, `result` and `cancel`."""


def check_executor(executor: Any) -> None:
    """Refuses what is no executor, or one whose workers JAX would not work in.

    Raises:
        InputTypeError: It is neither a text nor has it `submit`.
        InputError: The text names none, or its processes are forked.

    Example:
        >>> check_executor("threads:4")
        Traceback (most recent call last):
            ...
        lrsweep.inputs._errors.InputError: executor 'threads:4' is none of processes:4, dask://HOST:PORT, ray or ray://HOST:PORT
    """
    if isinstance(executor, str):
        _read(executor)
        return
    if not callable(getattr(executor, "submit", None)):
        raise InputTypeError(
            f"executor must have submit, as those of concurrent.futures, or be one of {NAMES}, not {quote(executor)}"
        )
    # There is no public way to ask a ProcessPoolExecutor.
    method = getattr(getattr(executor, "_mp_context", None), "get_start_method", lambda: None)()
    if method == "fork":
        raise InputError(
            "this executor forks its workers, in which JAX does not work: make it by "
            'ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")), or give executor="processes:4"'
        )


@contextmanager
def opened(executor: str | Submits) -> Iterator[Submits]:
    """Gives the executor that a word names, and ends it afterwards; one of the caller's is given as it is.

    Raises:
        InputError: There is none at the address, or a library is missing.
    """
    if not isinstance(executor, str):
        yield executor
        return
    kind, rest = _read(executor)
    if kind == "dask":
        with _dask_client(rest) as client:
            yield client.get_executor()
        return
    if kind == "ray":
        from lrsweep.store._ray import ray_crew

        crew = ray_crew(f"ray://{rest}" if rest else None)
    else:
        from lrsweep.store._crew import Crew
        from lrsweep.store._processes import Process, shares

        environments = shares(int(rest))
        crew = Crew(len(environments), lambda place: Process(environments[place]))
    try:
        yield crew
    finally:
        crew.shutdown()


def _read(word: str) -> tuple[str, str]:
    """Reads the name of an executor: its kind, and its number of workers or its address."""
    if word == "ray":
        return "ray", ""
    for kind, sign in (("dask", "://"), ("ray", "://"), ("processes", ":")):
        begin = kind + sign
        rest = word.removeprefix(begin)
        if word.startswith(begin) and rest and (kind != "processes" or (rest.isdecimal() and int(rest) > 0)):
            return kind, rest
    raise InputError(f"executor {quote(word)} is none of {NAMES}")


def _dask_client(address: str) -> Any:
    try:
        from distributed import Client  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("executor='dask://...' needs Dask: pip install 'lrsweep[dask]'") from None
    try:
        return Client(f"tcp://{address}", set_as_default=False)
    except OSError as error:
        raise InputError(f"there is no Dask scheduler at {quote(address)}: {error}") from error
