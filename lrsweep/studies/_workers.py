"""The driver of a sweep that workers compute: who gets which shard, and what happens where a worker dies."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from lrsweep.inputs._errors import InputError, WorkersError
from lrsweep.inputs._messages import first_line, plural
from lrsweep.store._executors import Submits, opened
from lrsweep.store._folder import Folder
from lrsweep.store._manifest import Manifest, read_manifest
from lrsweep.studies._job import Job, Ticket, Written, open_store_at, sent, write_shard
from lrsweep.studies._pieces import Stored
from lrsweep.studies._progress import Progress, progress

# So many shards are with the workers or wait there: enough that a thousand of them never wait for this process.
MOST_AHEAD = 2048

# To so many workers a shard is given, one after another; and so many shards are given up before the sweep is.
ATTEMPTS = 3
_MOST_LOST = 8

# How long to wait before looking again at what has been done, in seconds: of an executor's futures only that is known.
_PAUSES = (0.002, 0.2)


@contextmanager
def hired(executor: str | Submits, folder: Folder, job: Job) -> Iterator["Workers"]:
    """Has workers ready for a job, within a `with` statement.

    Args:
        executor: See `sweep`.
        folder: The folder of the store, which the caller has locked.
        job: The sweep as they get it.

    Raises:
        InputError: The executor cannot be opened, or the job cannot be sent.
    """
    with sent(folder, job) as ticket, opened(executor) as submits:
        yield Workers(submits, folder, ticket)


class Workers:
    """Those who compute the shards of a sweep."""

    def __init__(self, executor: Submits, folder: Folder, ticket: Ticket) -> None:
        self._executor, self._folder, self._ticket = executor, folder, ticket

    def manifest(self) -> Manifest:
        """Gives the manifest of the store, which a worker makes where there is none.

        Raises:
            InputError: See `open_store_at`.
            WorkersError: The workers die of it.
        """
        start = lambda *_: self._executor.submit(open_store_at, self._ticket)  # noqa: E731
        lost = hand_out(start, [0], lambda *_: True)
        manifest = read_manifest(self._folder)
        if manifest is None:
            raise WorkersError(
                f"no worker could begin the store {self._folder}: {lost.get(0, 'none has written to it')}"
            )
        return manifest

    def compute(
        self, stored: Stored, missing: Sequence[int], *, wanted: bool | Callable[[Progress], object] = True
    ) -> None:
        """Has the missing shards computed and written.

        Args:
            stored: What has become of the trials so far; takes over what the workers write.
            missing: The numbers of the shards.
            wanted: Who is told of the progress.

        Raises:
            InputError: A worker refuses, as one on another kind of device does.
            WorkersError: Workers have died of a shard again and again, or have taken the executor along.
        """
        if not missing:
            return
        manifest, steps = stored.manifest, stored.asked.limits.steps
        trials = sum(end - first for first, end in map(manifest.rows_of, missing))
        with progress(trials, trials * steps, wanted) as advance:

            def accept(shard: int, written: Written) -> bool:
                first, end = manifest.rows_of(shard)
                is_there = stored.take(shard, *written)
                if is_there:
                    advance((end - first) * steps, end - first)
                return is_there

            try:
                lost = hand_out(partial(self._executor.submit, write_shard, self._ticket), missing, accept)
            except BrokenExecutor as error:
                raise WorkersError(
                    f"a worker has died and taken the whole executor along; {_kept(stored)}: call again with a new "
                    'one, or with executor="processes:4", which replaces the worker'
                ) from error
        if lost:
            shard, reason = next(iter(lost.items()))
            first, end = manifest.rows_of(shard)
            raise WorkersError(
                f"{plural(len(lost), 'shard')} failed with {ATTEMPTS} workers each; of shard {shard}, rows {first} to "
                f"{end - 1}, the last said: {reason}; {_kept(stored)}, and the same sweep, called again, goes on"
            )


def hand_out(
    submit: Callable[[int, int], Any],
    shards: Sequence[int],
    accept: Callable[[int, Any], bool],
    sleep: Callable[[float], object] = time.sleep,
) -> dict[int, str]:
    """Gives shards to workers, a bounded number ahead; one whose worker has died is given to another.

    Args:
        submit: Begins a shard: takes its number and the attempt's, from 1 on, and gives a future.
        shards: Their numbers.
        accept: Is told of each shard what its future gives; where it says False, that was not done.
        sleep: Lets some seconds pass, before looking again at what has been done.

    Returns:
        Why the shards that were given up were, by their numbers.

    Raises:
        InputError: What a worker refuses, any other would.
        BrokenExecutor: The executor is no more.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(2) as pool:
        ...     hand_out(lambda shard, attempt: pool.submit(divmod, 1, shard), [1, 0], lambda *_: True)
        {0: 'ZeroDivisionError: integer division or modulo by zero'}
    """
    waiting = deque((shard, 1) for shard in shards)
    running: dict[Any, tuple[int, int]] = {}
    lost: dict[int, str] = {}
    try:
        while (waiting or running) and len(lost) < _MOST_LOST:
            while waiting and len(running) < MOST_AHEAD:
                shard, attempt = waiting.popleft()
                running[submit(shard, attempt)] = shard, attempt
            for future in _ended(running, sleep):
                shard, attempt = running.pop(future)
                reason = _fault(future, shard, accept)
                if reason is not None and attempt < ATTEMPTS:
                    waiting.appendleft((shard, attempt + 1))
                elif reason is not None:
                    lost[shard] = reason
    finally:
        for future in running:
            future.cancel()
    return lost


def _ended(running: dict[Any, Any], sleep: Callable[[float], object]) -> list[Any]:
    """Waits until some futures have ended, and lists them."""
    pause, longest = _PAUSES
    while not (ended := [future for future in running if future.done()]):
        sleep(pause)
        pause = min(2 * pause, longest)
    return ended


def _fault(future: Any, shard: int, accept: Callable[[int, Any], bool]) -> str | None:
    """Says why a shard has not been done; None where it has."""
    try:
        return None if accept(shard, future.result()) else "what it has written is not there"
    except (InputError, BrokenExecutor):
        raise
    except Exception as error:  # whatever an executor raises where a worker is gone
        return first_line(error)


def _kept(stored: Stored) -> str:
    return f"{stored.kept:,} of {stored.manifest.rows:,} trials are kept in {stored.folder}"
