"""Workers that are processes of this machine, each with a device of its own, or a share of the processor's cores."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from lrsweep.inputs._errors import InputError
from lrsweep.store._crew import WorkerDiedError

# What a process finds in its environment when it starts is that of the one that starts it: one at a time.
_STARTING = threading.Lock()


class Process:
    """A process that is started anew, not forked, since JAX does not work in a fork of a process that has used it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Starts the process, and waits until it can be called.

        Args:
            environment: Environment variables that are set for it.

        Raises:
            InputError: It ends as it begins, by itself.
            WorkerDiedError: It is killed as it begins.
        """
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        with _STARTING:
            before = {name: os.environ.get(name) for name in environment}
            os.environ.update(environment)
            try:
                self._process.start()
            finally:
                for name, value in before.items():
                    _ = os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        other.close()
        try:
            self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            if code is not None and code < 0:
                raise WorkerDiedError(f"a worker was ended by signal {-code} as it began") from None
            raise InputError(
                f"a worker ended as it began, with exit code {code}: it loads the script that starts it, whose own "
                "work must be under `if __name__ == '__main__':`"
            ) from None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Has the process call a function; see `Worker`."""
        # Not by `send`: a broken pipe's traceback would keep a view of its buffer, which cannot be freed quietly.
        content = pickle.dumps((function, arguments))
        try:
            self._pipe.send_bytes(content)
            is_well, value = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise WorkerDiedError(f"a worker ended with exit code {self._process.exitcode}") from None
        if is_well:
            return value
        raise value

    def stop(self) -> None:
        """Ends the process at once."""
        self._process.kill()


def _serve(pipe: "Connection[Any, Any]") -> None:
    """Calls what comes through a pipe, until the process at its other end is gone."""
    # Ctrl-C in a terminal reaches every process, and the one that leads the others ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send("ready")
        while True:
            function, arguments = pipe.recv()
            try:
                outcome = True, function(*arguments)
            except Exception as error:
                outcome = False, error
            try:
                pipe.send(outcome)
            except (TypeError, AttributeError, pickle.PicklingError):
                pipe.send((False, RuntimeError(repr(outcome[1]))))


def _end_with_parent() -> None:
    """Ends this process at once when the one that leads it has ended: a new one may want the same device."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def shares(count: int) -> list[dict[str, str]]:
    """Gives the environment of each of some processes: its GPU where there are any, and otherwise its share of cores.

    Args:
        count: How many processes.

    Raises:
        InputError: There are fewer GPUs than that.
    """
    from lrsweep.engine._devices import devices

    found = devices()
    if found[0].platform == "cpu":
        # As many threads as there are cores for each; devices of the processor are threads too.
        own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        cores = os.environ.get("NPROC", str(max(1, own // count)))
        return [{"NPROC": cores, "JAX_NUM_CPU_DEVICES": cores}] * count
    if count > len(found):
        raise InputError(
            f"executor='processes:{count}' asks for {count} workers, and there are {len(found)} devices of kind "
            f"{found[0].device_kind}: one worker a device is the most"
        )
    if found[0].platform != "gpu":
        raise InputError(
            f"executor='processes:{count}' divides GPUs or cores among its workers, not a {found[0].platform.upper()}: "
            "leave out the executor, and one process uses all of them"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    places = [device.local_hardware_id for device in found]
    names = [visible[place] if any(visible) else str(place) for place in places]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in names[:count]]
