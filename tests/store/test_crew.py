"""Workers led by threads: calls reach them, and one that dies is replaced."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import lrsweep
from lrsweep.store import _processes as processes
from lrsweep.store._crew import Crew, WorkerDiedError
from lrsweep.store._executors import check_executor, opened


class Mortal:
    """A worker that is no process; it dies of the call of `None`."""

    def __init__(self, place: int) -> None:
        self.place, self.stopped = place, False

    def call(self, function: Callable[..., Any] | None, *arguments: Any) -> Any:
        if function is None:
            raise WorkerDiedError("of None")
        return self.place, function(*arguments)

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def started() -> list[Mortal]:
    return []


@pytest.fixture
def crew(started: list[Mortal]) -> Iterator[Crew]:
    def start(place: int) -> Mortal:
        started.append(Mortal(place))
        return started[-1]

    crew = Crew(1, start)
    yield crew
    crew.shutdown()


def test_a_worker_that_dies_is_replaced_and_no_other_call_is_lost(crew: Crew, started: list[Mortal]) -> None:
    futures = [crew.submit(function, *arguments) for function, *arguments in ((abs, -1), (None,), (abs, -2))]  # pyright: ignore
    assert futures[0].result(10) == (0, 1)
    with pytest.raises(WorkerDiedError, match="of None"):
        futures[1].result(10)
    assert futures[2].result(10) == (0, 2)
    assert [worker.stopped for worker in started] == [True, False]


def test_what_a_call_raises_is_its_futures_and_the_worker_lives(crew: Crew, started: list[Mortal]) -> None:
    with pytest.raises(TypeError):
        crew.submit(abs, "a").result(10)
    assert crew.submit(abs, -3).result(10) == (0, 3)
    assert len(started) == 1


def test_a_worker_that_cannot_be_started_fails_a_call_and_is_tried_again() -> None:
    tries: list[int] = []

    def start(place: int) -> Mortal:
        tries.append(place)
        if len(tries) == 1:
            raise OSError("no room")
        return Mortal(place)

    crew = Crew(1, start)
    with pytest.raises(OSError, match="no room"):
        crew.submit(abs, -1).result(10)
    assert crew.submit(abs, -1).result(10) == (0, 1)
    crew.shutdown()


def test_one_that_is_long_in_coming_holds_up_no_call() -> None:
    come = threading.Event()

    def start(place: int) -> Mortal:
        if place == 0:
            come.wait(30)
        return Mortal(place)

    crew = Crew(2, start)
    assert [crew.submit(abs, -k).result(10) for k in range(3)] == [(1, 0), (1, 1), (1, 2)]
    come.set()
    crew.shutdown()


def test_a_process_has_its_environment_and_its_end_is_told() -> None:
    process = processes.Process({"LRSWEEP_TEST": "here"})
    assert process.call(os.getenv, "LRSWEEP_TEST") == "here"
    assert "LRSWEEP_TEST" not in os.environ
    with pytest.raises(ZeroDivisionError):
        process.call(divmod, 1, 0)
    with pytest.raises(WorkerDiedError, match="exit code 3"):
        process.call(os._exit, 3)


def test_a_call_of_a_process_that_is_gone_is_refused_without_a_warning_of_the_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, warned = processes.Process({}), []
    monkeypatch.setattr(sys, "unraisablehook", warned.append)
    with pytest.raises(WorkerDiedError):
        process.call(os._exit, 3)
    with pytest.raises(WorkerDiedError, match="exit code 3") as refused:
        process.call(abs, 1)
    # Freed by the collector of cycles, as where a future keeps the exception that keeps the future.
    cycle: list[Any] = [refused.value]
    cycle.append(cycle)
    del cycle, refused
    gc.collect()
    assert not warned


def test_cores_are_divided_among_workers_and_gpus_given_out_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Device:
        device_kind = "Some GPU"

        def __init__(self, platform: str, place: int) -> None:
            self.platform, self.local_hardware_id = platform, place

    from lrsweep.engine import _devices

    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(_devices, "devices", lambda: [Device("cpu", 0)])
    assert processes.shares(3) == [{"NPROC": "2", "JAX_NUM_CPU_DEVICES": "2"}] * 3
    monkeypatch.setenv("NPROC", "1")
    assert processes.shares(3)[0]["NPROC"] == "1"
    monkeypatch.setattr(_devices, "devices", lambda: [Device("gpu", place) for place in range(2)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert processes.shares(2) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert processes.shares(2) == [{"CUDA_VISIBLE_DEVICES": "5"}, {"CUDA_VISIBLE_DEVICES": "7"}]
    with pytest.raises(lrsweep.InputError, match="asks for 3 workers, and there are 2 devices of kind Some GPU"):
        processes.shares(3)
    monkeypatch.setattr(_devices, "devices", lambda: [Device("tpu", place) for place in range(4)])
    with pytest.raises(lrsweep.InputError, match="not a TPU"):
        processes.shares(2)


@pytest.mark.parametrize("word", ["processes", "processes:0", "processes:many", "threads:2", "dask://", "ray:", ""])
def test_a_word_that_names_no_executor_is_refused(word: str) -> None:
    with pytest.raises(lrsweep.InputError, match=r"is none of processes:4, dask://HOST:PORT, ray or ray://HOST:PORT"):
        check_executor(word)


def test_what_is_no_executor_is_refused_and_so_is_one_that_forks() -> None:
    with pytest.raises(TypeError, match="executor must have submit"):
        check_executor(4)
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool,
        pytest.raises(ValueError, match="forks its workers"),
    ):
        check_executor(pool)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool, opened(pool) as given:
        check_executor(pool)
        assert given is pool


def killed_as_it_begins(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_as_it_begins_has_died_and_is_no_fault_of_the_script_that_starts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_serve", killed_as_it_begins)
    with pytest.raises(WorkerDiedError, match="a worker was ended by signal 9 as it began"):
        processes.Process({})
