"""A thread that writes beside what computes."""

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

# So many pieces of work wait at most, since each holds a shard in memory.
_MOST_WAITING = 2


class Writer:
    """A thread that does one piece of work after another while its caller computes.

    At its end all that was handed over has been done, also where an exception ends it.

    Example:
        >>> done = []
        >>> with Writer() as writer:
        ...     writer.hand_over(lambda: done.append(1))
        ...     writer.hand_over(lambda: done.append(2))
        >>> done
        [1, 2]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lrsweep-store")
        self._waiting: deque[Future[object]] = deque()

    def __enter__(self) -> "Writer":
        return self

    def hand_over(self, work: Callable[[], object]) -> None:
        """Hands over a piece of work, once there is room for it.

        Raises:
            Exception: What an earlier piece of work has raised; the new one is not begun.
        """
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= _MOST_WAITING):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._pool.shutdown()
        for work in self._waiting:
            # Where something has gone wrong already, that is what the caller is told.
            with contextlib.suppress(Exception) if error is not None else contextlib.nullcontext():
                work.result()
