"""sweep(..., executor=...): who gets which shard, what is sent to workers, and what becomes of those that die."""

import importlib.util
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.studies import _job as job
from lrsweep.studies import _workers as driver
from tests import workers

LINE = lrsweep.problems.line()
GRID = lrsweep.grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))
OPTIONS: dict[str, Any] = {"steps": 20, "block_width": 4, "progress": False}


def into(path: Path, executor: Any, objective: lrsweep.Objective = LINE, **options: Any) -> lrsweep.Sweep:
    return lrsweep.sweep(
        objective, optax.sgd, GRID, **{**OPTIONS, "store": path, "shard_size": 4, "executor": executor, **options}
    )


class Here:
    """An executor that calls at once; before each call of a shard it does what is planned for it."""

    def __init__(self, plan: dict[int, list[Exception]] | None = None) -> None:
        self.plan, self.shards = plan or {}, []

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        if function is job.write_shard:
            self.shards.append(arguments[1])
            if self.plan.get(arguments[1]):
                future.set_exception(self.plan[arguments[1]].pop())
                return future
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def test_the_table_and_the_curves_are_those_of_a_sweep_without_workers(tmp_path: Path) -> None:
    whole = lrsweep.sweep(LINE, optax.sgd, GRID, record_every=5, **OPTIONS)
    with ThreadPoolExecutor(2) as pool:
        swept = into(tmp_path / "store", pool, record_every=5)
    assert_frame_equal(swept.table, whole.table, check_exact=True)
    assert_frame_equal(swept.curves["loss"], whole.curves["loss"], check_exact=True)
    assert swept.replay(1).curve.iloc[-1] == whole.table["final_loss"].iloc[1]
    assert sorted(path.name[:5] for path in (tmp_path / "store").iterdir()) == ["lock", "manif", *3 * ["shard"]]


def test_workers_go_on_with_what_one_process_began_and_it_with_theirs(tmp_path: Path) -> None:
    whole = into(tmp_path, None)
    for file in tmp_path.glob("shard-000001*"):
        file.unlink()
    executor, seen = Here(), []
    again = into(tmp_path, executor, progress=seen.append)
    assert executor.shards == [1]
    assert (seen[-1].trials, seen[-1].of_trials) == (4, 4)
    assert_frame_equal(again.table, whole.table, check_exact=True)
    assert_frame_equal(into(tmp_path, None).table, whole.table, check_exact=True)


def test_a_shard_that_is_computed_twice_is_the_same_file(tmp_path: Path) -> None:
    into(tmp_path, Here())
    first = {path.name: path.read_bytes() for path in tmp_path.glob("shard-*")}
    for name in first:
        (tmp_path / name).unlink()
    into(tmp_path, None)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("shard-*")} == first


def test_rows_made_by_range_are_made_by_the_workers(tmp_path: Path) -> None:
    lazy = lrsweep.lazy_grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))
    options = {**OPTIONS, "shard_size": 4, "store": tmp_path}
    store = lrsweep.sweep(LINE, optax.sgd, lazy, executor=Here(), **options)
    whole = lrsweep.sweep(LINE, optax.sgd, GRID, **OPTIONS)
    assert_frame_equal(store.table, whole.table, check_exact=True)


def test_a_shard_whose_worker_dies_is_given_to_another(tmp_path: Path) -> None:
    executor = Here({1: [OSError("gone"), OSError("gone")]})
    table = into(tmp_path, executor).table
    assert sorted(executor.shards) == [0, 1, 1, 1, 2]
    assert_frame_equal(table, lrsweep.sweep(LINE, optax.sgd, GRID, **OPTIONS).table, check_exact=True)


def test_a_shard_that_ends_every_worker_is_reported_once_the_others_are_done(tmp_path: Path) -> None:
    executor = Here({1: [OSError("gone")] * 9})
    with pytest.raises(
        lrsweep.InputError,
        match=r"1 shard failed with 3 workers each; of shard 1, rows 4 to 7, .*: gone; 8 of 12 trials",
    ):
        into(tmp_path, executor)
    assert executor.shards.count(1) == driver.ATTEMPTS
    assert lrsweep.open_store(tmp_path).trials == 8
    assert not list(tmp_path.glob(".*"))


def test_an_executor_that_is_broken_is_reported_with_what_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"taken the whole executor along; \d of 12 trials are kept in .* new one"):
        into(tmp_path, Here({2: [BrokenProcessPool("a process died")]}))
    assert_frame_equal(into(tmp_path, Here()).table, lrsweep.sweep(LINE, optax.sgd, GRID, **OPTIONS).table)


def test_a_file_that_is_not_there_counts_as_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "write_shard", lambda *_: job.Written("shard-000000.0123456789abcdef.parquet", None))
    with pytest.raises(lrsweep.InputError, match="what it has written is not there"):
        into(tmp_path, Here())


def test_no_more_shards_than_a_bounded_number_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MOST_AHEAD", 3)
    running: list[Future[int]] = []
    most = []

    def submit(shard: int, attempt: int) -> "Future[int]":
        del shard, attempt
        running.append(Future())
        most.append(sum(not future.done() for future in running))
        return running[-1]

    def pass_time(_: float) -> None:
        next(future for future in running if not future.done()).set_result(0)

    assert driver.hand_out(submit, range(20), lambda *_: True, pass_time) == {}
    assert max(most) == 3
    assert len(running) == 20


def test_interrupting_keeps_the_shards_that_are_written(tmp_path: Path) -> None:
    def stop(state: lrsweep.Progress) -> None:
        if state.trials >= 4:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool, pytest.raises(lrsweep.Interrupted, match="are in the store") as stopped:
        into(tmp_path, pool, progress=stop)
    assert 4 <= stopped.value.ended < 12
    assert not list(tmp_path.glob(".*"))


def test_workers_compute_in_the_callers_precision(tmp_path: Path, x64: None) -> None:
    del x64
    with ThreadPoolExecutor(
        1, initializer=lambda: jax.config.update("jax_enable_x64", jax.config.read("jax_enable_x64"))
    ) as pool:
        table = into(tmp_path, pool).table
    assert_frame_equal(table, lrsweep.sweep(LINE, optax.sgd, GRID, **OPTIONS).table, check_exact=True)
    assert lrsweep.open_store(tmp_path).provenance["dtype"] == "float64"


def test_a_machine_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into(tmp_path, None)
    next(tmp_path.glob("shard-000001*")).unlink()
    here = job.describe_machine()
    monkeypatch.setattr(job, "describe_machine", lambda: here | {"device": {**here["device"], "kind": "abacus"}})
    with pytest.raises(lrsweep.InputError, match=r"device, kind: .*, not 'abacus'"):
        into(tmp_path, Here())


def test_another_sweep_is_refused(tmp_path: Path) -> None:
    into(tmp_path, Here())
    with pytest.raises(lrsweep.InputError, match="steps: 20, not 30"):
        into(tmp_path, Here(), steps=30)


def test_an_executor_without_a_store_is_refused() -> None:
    with pytest.raises(lrsweep.InputError, match="there is none: give store=, a folder"):
        lrsweep.sweep(LINE, optax.sgd, GRID, executor="processes:2")


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    lock = threading.Lock()
    objective = lrsweep.Objective(lambda params: lock.locked() + jnp.sum(params**2), jnp.ones(2))
    with pytest.raises(lrsweep.InputError, match="cannot be sent to workers"):
        into(tmp_path, Here(), objective)


def test_a_job_that_has_been_changed_is_not_loaded(tmp_path: Path) -> None:
    class Changes(Here):
        def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
            file = tmp_path / arguments[0].name
            file.write_bytes(file.read_bytes() + b"?")
            return super().submit(function, *arguments)

    with pytest.raises(lrsweep.InputError, match="no worker could begin the store"):
        into(tmp_path, Changes())


def test_processes_load_what_cannot_be_imported(tmp_path: Path) -> None:
    objective = lrsweep.Objective(lambda params: jnp.sum((params - 1) ** 2), jnp.zeros(2), name="own")
    whole = lrsweep.sweep(objective, optax.sgd, GRID, **OPTIONS)
    swept = into(tmp_path, "processes:1", objective)
    assert_frame_equal(swept.table, whole.table, check_exact=True)


NEEDS = {"processes": "cloudpickle", "pool": "cloudpickle", "dask": "distributed", "ray": "ray"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the libraries, and of processes that they fork
@pytest.mark.parametrize("kind", NEEDS)
def test_the_table_is_the_same_where_a_worker_is_killed_midway(kind: str) -> None:
    if importlib.util.find_spec(NEEDS[kind]) is None:
        pytest.skip(f"{NEEDS[kind]} is not installed")
    with jax.default_device(None):
        whole = workers.sweep("short").table
        found = workers.run(kind, "short", whole)
    assert workers.is_well(found, "short"), str(found)
