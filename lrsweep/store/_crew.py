"""A crew: workers that are each led by a thread of this process, which starts another where one dies."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class WorkerDiedError(Exception):
    """The end of a worker, a process or a machine, before it had done what it was given."""


class Worker(Protocol):
    """A process that does what it is given, one call at a time."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Has the worker call a function, and gives what that returns.

        Raises:
            WorkerDiedError: The worker has ended first.
            Exception: What the function has raised.
        """

    def stop(self) -> None:
        """Ends the worker at once."""


_Call = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Crew:
    """Workers of which each that dies is replaced, with `submit` as `concurrent.futures` has it.

    Who takes the place of a worker that has died may be long in coming, as where its machine is gone: calls go to the
    workers that are there.

    Example:
        >>> class Here:
        ...     def call(self, function, *arguments):
        ...         return function(*arguments)
        ...
        ...     def stop(self):
        ...         pass
        >>> crew = Crew(2, lambda place: Here())
        >>> crew.submit(max, 3, 5).result()
        5
        >>> crew.shutdown()
    """

    def __init__(self, count: int, start: Callable[[int], Worker]) -> None:
        """Starts the workers.

        Args:
            count: How many.
            start: Starts the worker of a place, from 0 to `count - 1`, and waits until it can be called.
        """
        self._start = start
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._workers: dict[int, Worker] = {}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._lead, args=(place,), name=f"lrsweep-worker-{place}", daemon=True)
            for place in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Has one of the workers call a function; the future fails with `WorkerDiedError` where that worker dies."""
        future: Future[Any] = Future()
        self._calls.put((future, function, arguments))
        return future

    def shutdown(self) -> None:
        """Ends all workers at once, also those that are at work."""
        self._ended.set()
        for _ in self._threads:
            self._calls.put(None)
        for worker in list(self._workers.values()):
            worker.stop()

    def _lead(self, place: int) -> None:
        """Passes calls on to the worker of a place, and to those that come after it."""
        while not self._ended.is_set():
            try:
                worker = self._workers[place] = self._start(place)
            except Exception as error:  # whatever it is, a call is to fail with it, and not this thread
                self._fail_one(error)
                continue
            if self._ended.is_set() or not self._serve(worker):
                worker.stop()

    def _serve(self, worker: Worker) -> bool:
        """Passes calls on until there are no more, or the worker has died; tells whether it lives."""
        while (call := self._calls.get()) is not None:
            future, function, arguments = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.call(function, *arguments))
            except WorkerDiedError as error:
                future.set_exception(error)
                return False
            except Exception as error:
                future.set_exception(error)
        return True

    def _fail_one(self, error: Exception) -> None:
        call = self._calls.get()
        if call is not None and call[0].set_running_or_notify_cancel():
            call[0].set_exception(error)
