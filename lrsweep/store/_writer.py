"""Threads that write beside what computes."""

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

# Where shards end faster than one thread writes them, another takes part.
_THREADS = 2

# So many pieces of work are in hand at most, since each holds a shard in memory.
_MOST_IN_HAND = 4


class Writer:
    """Two threads that do one piece of work after another while their caller computes.

    At its end all that was handed over has been done, also where an exception ends it.

    Example:
        >>> done = []
        >>> with Writer() as writer:
        ...     writer.hand_over(lambda: done.append(1))
        ...     writer.hand_over(lambda: done.append(2))
        >>> sorted(done)
        [1, 2]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="lrsweep-store")
        self._in_hand: deque[Future[object]] = deque()

    def __enter__(self) -> "Writer":
        return self

    def hand_over(self, work: Callable[[], object]) -> None:
        """Hands over a piece of work, once there is room for it.

        Raises:
            Exception: What an earlier piece of work has raised; the new one is not begun.
        """
        while self._in_hand and (self._in_hand[0].done() or len(self._in_hand) >= _MOST_IN_HAND):
            self._in_hand.popleft().result()
        self._in_hand.append(self._pool.submit(work))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._pool.shutdown()
        for work in self._in_hand:
            # Where something has gone wrong already, that is what the caller is told.
            with contextlib.suppress(Exception) if error is not None else contextlib.nullcontext():
                work.result()
