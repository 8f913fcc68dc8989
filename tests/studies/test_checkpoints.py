"""sweep(..., store=...): a shard that takes long is kept while it is computed, and goes on with the same bits."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.engine import _executor as schedule
from lrsweep.engine import _plan as planning
from lrsweep.engine._block import TrialState
from lrsweep.store import _checkpoints as checkpoints
from lrsweep.studies._job import write_shard
from tests.engine.test_blocks import network
from tests.engine.test_executor import by_seed
from tests.studies.test_stored import several
from tests.training import test_state as stateful

NORMS = ["loss", "gradient_norm"]


class StopError(Exception):
    """What ends a sweep in a test."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes calls of one chunk each, after each of which all is written."""
    monkeypatch.setattr(schedule, "CALL_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "_MOST_OF_TIME", np.inf)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been found of parts, as a test goes on: "running", "ended" or "nothing"."""
    kinds: list[str] = []

    def note(self: Any, group: int, number: int, likes: Any) -> Any:
        tree = read(self, group, number, likes)
        kinds.append("nothing" if tree is None else "running" if isinstance(tree, TrialState) else "ended")
        return tree

    read = checkpoints.ShardCheckpoints.read
    monkeypatch.setattr(checkpoints.ShardCheckpoints, "read", note)
    return kinds


def interrupted(sweep: Callable[[], lrsweep.Sweep], calls: int = 4) -> Iterator[lrsweep.Sweep | None]:
    """Begins a sweep again and again, and ends it each time before it makes another call; gives what comes of each."""
    while True:
        left, dispatch = iter(range(calls)), schedule.dispatch

        def count(*arguments: Any, left: Any = left, dispatch: Any = dispatch) -> Any:
            if next(left, None) is None:
                raise StopError
            return dispatch(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schedule, "dispatch", count)
            try:
                swept = sweep()
            except StopError:
                swept = None
        yield swept
        if swept is not None:
            return


def left_in(path: Path) -> list[str]:
    """Lists what is in a store beside its shards."""
    return sorted(name for name in os.listdir(path) if not name.startswith("shard-"))


def mixed_init(key: Any) -> Any:
    params = {
        "half": jax.random.normal(key, (3,), jnp.bfloat16),
        "w": jax.random.normal(key, (2, 3)),
        "none": jnp.zeros((0, 4)),
    }
    state = {
        "key": jax.random.split(key, 2),
        "eighth": jnp.ones(2, jnp.float8_e4m3fn),
        "even": jnp.bool_(False),
        "count": jnp.int8(0),
        "none": jnp.zeros((0,), jnp.uint16),
    }
    return params, state


def mixed_loss(params: Any, *, state: Any, training: bool) -> Any:
    """A loss with noise from a key that the model keeps, and with a state of every kind of array."""
    noise = jax.random.normal(state["key"][1], (2, 3))
    if training:
        state = {
            "key": jax.vmap(lambda key: jax.random.split(key)[0])(state["key"]),
            "eighth": (state["eighth"].astype(float) * 1.1).astype(jnp.float8_e4m3fn),
            "even": ~state["even"],
            "count": state["count"] + jnp.int8(1),
            "none": state["none"],
        }
    scale = jnp.where(state["even"], 1.0, 1.1) * state["eighth"].astype(float).sum() + 0.01 * state["count"]
    w = params["w"] + 0.1 * noise
    return jnp.sum(w**2) * scale + jnp.sum(params["half"].astype(float) ** 2) + params["none"].sum(), state


def noisy(learning_rate: Any) -> optax.GradientTransformation:
    """An optimizer with a key in its state, and states within states."""
    return optax.chain(optax.add_noise(0.1, 0.5, 3), optax.adamw(learning_rate))


def climb(params: Any, *, height: Any) -> Any:
    """A loss that rises to a height with the number of updates, and stays there."""
    return 1 + height * (1 - jnp.exp(-0.2 * params))


def clock(learning_rate: Any) -> optax.GradientTransformation:
    """An optimizer that counts the updates in its parameter."""
    del learning_rate

    def count(updates: Any, params: Any) -> Any:
        return jnp.ones_like(params) + 0 * updates

    return optax.stateless(count)


RATES = lrsweep.grid(learning_rate=[0.1, 0.01], seed=range(4))
MIXED = lrsweep.Objective(mixed_loss, mixed_init, minimum=-1e9)
CASES: dict[str, tuple[lrsweep.Objective, Any, pd.DataFrame, dict[str, Any]]] = {
    "batches, momentum and the state of a model": (
        stateful.objective(batch_size=7),
        partial(optax.sgd, momentum=0.9),
        RATES,
        {"steps": 30, "record": [*NORMS, "updates"], "record_every": 5},
    ),
    "several groups": (lrsweep.problems.line(), {"adam": optax.adam, "sgd": optax.sgd}, several(), {"steps": 20}),
    "small trials, which converge and diverge": (
        lrsweep.problems.line(),
        optax.sgd,
        lrsweep.grid(learning_rate=lrsweep.log_grid(1e-2, 2.0, 30), seed=range(10)),
        {"steps": 80, "block_width": 128, "stopping": lrsweep.Stopping(tolerance=1e-2, hold=20)},
    ),
    "arrays of all kinds": (MIXED, noisy, RATES, {"steps": 12}),
    "above the start in the last quarter": (
        lrsweep.Objective(climb, 0.0),
        clock,
        pd.DataFrame({"learning_rate": 1.0, "height": [0.5, 2.0, 3.0, 50.0]}),
        {"steps": 32, "block_width": 4},
    ),
    "diagnosed": (
        network(),
        optax.sgd,
        lrsweep.grid(learning_rate=[0.1, 0.3], seed=range(2)),
        {"diagnose": True, "steps": 12},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_sweep_that_ends_within_a_shard_goes_on_with_the_same_bits(
    case: str, tmp_path: Path, found: list[str]
) -> None:
    objective, optimizer, trials, options = CASES[case]
    options = {"steps": 20, "block_width": 2, "progress": False, **options}
    whole = lrsweep.sweep(objective, optimizer, trials, **options)

    def sweep() -> lrsweep.Sweep:
        return lrsweep.sweep(objective, optimizer, trials, **options, store=tmp_path, shard_size=len(trials))

    *stops, swept = interrupted(sweep)
    assert len(stops) > 1
    assert "running" in found
    assert swept is not None
    assert_frame_equal(swept.table, whole.table, check_exact=True)
    for name, curve in whole.curves.items():
        assert_frame_equal(swept.curves[name], curve, check_exact=True)
    assert left_in(tmp_path) == ["lock", "manifest.json"]


SPREAD = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 2.0, 8), seed=range(10))
SHARING: dict[str, Any] = {
    "steps": 60,
    "block_width": 8,
    "stopping": lrsweep.Stopping(tolerance=0.3),
}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that sets how many blocks a call runs at most; blocks share their trials anew after 8 updates."""
    monkeypatch.setattr(schedule, "similar_first", by_seed)
    monkeypatch.setattr(schedule, "stage_of", lambda *_: 8)
    return lambda most: monkeypatch.setattr(planning, "MAX_BLOCKS", most)


def share(path: Path | None = None, **how: Any) -> lrsweep.Sweep:
    kept = {} if path is None else {"store": path, "shard_size": len(SPREAD)}
    return lrsweep.sweep(network(), optax.sgd, SPREAD, **{**SHARING, "progress": False, **kept, **how})


def test_parts_that_have_ended_are_not_run_again(
    tmp_path: Path, found: list[str], parts: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts(5)
    whole, runs, seen = share(), [], []
    monkeypatch.setattr(schedule, "dispatch", noting(schedule.dispatch, runs))
    *_, swept = interrupted(lambda: share(tmp_path, progress=lambda state: seen.append(state)), calls=20)
    assert {"ended", "running", "nothing"} == set(found)
    # No call was made for the same updates of the same trials twice.
    assert len(set(runs)) == len(runs)
    assert swept is not None
    assert_frame_equal(swept.table, whole.table, check_exact=True)
    # What was made before an interruption is not to be done any more.
    begun = [place for place, state in enumerate(seen) if state.updates == state.trials == 0][-1]
    assert seen[begun].of_updates > seen[-1].of_updates == seen[-1].updates > 0
    assert seen[-1].trials == len(SPREAD)


def noting(dispatch: Any, runs: list[Any]) -> Any:
    """Notes of each call its first seed and rate, and to which update it runs."""

    def note(compiled: Any, columns: Any, *others: Any) -> Any:
        runs.append((int(columns.seeds[0, 0]), float(columns.values["learning_rate"][0, 0]), int(others[-2].until)))
        return dispatch(compiled, columns, *others)

    return note


def test_trials_stay_divided_as_they_were_where_there_is_more_or_less_memory_now(
    tmp_path: Path, found: list[str], parts: Callable[[int], None]
) -> None:
    parts(5)
    whole = share()
    for most in (5, 10, 2):
        parts(most)
        next(interrupted(lambda: share(tmp_path)))
    swept = share(tmp_path)
    assert found == ["nothing", "nothing", *3 * ["running", "nothing"]]
    assert_frame_equal(swept.table, whole.table, check_exact=True)


def test_trials_that_no_longer_fit_as_they_were_begin_anew(
    tmp_path: Path, parts: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts(5)
    whole = share()
    next(interrupted(lambda: share(tmp_path)))
    monkeypatch.setattr(planning, "available_bytes", lambda: 10_000)
    with pytest.warns(UserWarning, match="more trials at a time than there is memory"):
        next(interrupted(lambda: share(tmp_path)))
    assert_frame_equal(share(tmp_path).table, whole.table, check_exact=True)
    assert left_in(tmp_path) == ["lock", "manifest.json"]


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:-70]), "is damaged"),
    "empty": (lambda file: file.write_bytes(b""), "is damaged"),
    "a flipped bit": (lambda file: file.write_bytes(flipped(file.read_bytes())), "is damaged"),
    "the list of parts cut": (lambda file: (file.parent / file.name[:17]).write_bytes(b"x"), "is damaged"),
    "gone": (lambda file: file.unlink(), ""),
    "another part's": (lambda file: file.write_bytes((file.parent / "theirs").read_bytes()), "is of other trials"),
}


def flipped(content: bytes) -> bytes:
    return content[:2000] + bytes([content[2000] ^ 4]) + content[2001:]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_is_not_whole_or_not_of_these_trials_is_left_out(
    damage: str, tmp_path: Path, found: list[str], recwarn: pytest.WarningsRecorder
) -> None:
    def sweep(folder: Path, steps: int = 30) -> lrsweep.Sweep:
        options = {**SHARING, "steps": steps, "store": folder, "shard_size": len(SPREAD), "progress": False}
        return lrsweep.sweep(network(), optax.sgd, SPREAD, **options)

    whole = sweep(tmp_path / "whole")
    for name, steps in (("a", 30), ("b", 31)):
        next(interrupted(lambda name=name, steps=steps: sweep(tmp_path / name, steps)))
    file = tmp_path / "a" / "checkpoint-000000-0-0"
    (tmp_path / "b" / file.name).rename(tmp_path / "a" / "theirs")
    do, said = DAMAGE[damage]
    do(file)
    (tmp_path / "a" / "theirs").unlink()
    del found[:]
    swept = sweep(tmp_path / "a")
    assert found == ["nothing"]
    assert [said in str(each.message) for each in recwarn] == ([True] if said else [])
    recwarn.clear()
    assert_frame_equal(swept.table, whole.table, check_exact=True)
    assert left_in(tmp_path / "a") == ["lock", "manifest.json"]


def test_checkpoints_of_a_shard_that_is_there_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was killed after it had written the shard."""
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.ShardCheckpoints, "remove", lambda _: None)
        share(tmp_path)
    assert left_in(tmp_path)[0] == "checkpoint-000000"
    share(tmp_path)
    assert left_in(tmp_path) == ["lock", "manifest.json"]


class Dying:
    """An executor that calls at once, and whose workers die of a shard after some calls, but for the last of them."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        sweeps = interrupted(lambda: function(*arguments), calls=4 if function is write_shard and self.deaths else 999)
        done = next(sweeps)
        if done is None and function is write_shard and self.deaths:
            self.deaths -= 1
            future.set_exception(OSError("the worker is gone"))
        else:
            future.set_result(done)
        return future


def test_a_shard_whose_worker_has_died_goes_on_where_it_was(tmp_path: Path, found: list[str]) -> None:
    swept = share(tmp_path, executor=Dying(2))
    assert found == ["nothing", "running", "running"]
    assert_frame_equal(swept.table, share().table, check_exact=True)
    assert left_in(tmp_path) == ["lock", "manifest.json"]


TWO_DEVICES = """
import sys
from pathlib import Path
import jax
jax.config.update("jax_num_cpu_devices", 2)
from contextlib import nullcontext
from pandas.testing import assert_frame_equal
from lrsweep.engine import _executor as schedule
from lrsweep.store import _checkpoints as checkpoints
from tests.studies.test_checkpoints import interrupted, share
schedule.CALL_SECONDS = checkpoints.EVERY = 0.0
checkpoints._MOST_OF_TIME = float("inf")
whole = share()
for place, one_device in enumerate([False, False, True, False]):
    with jax.default_device(jax.devices()[1]) if one_device else nullcontext():
        swept = next(interrupted(lambda: share(Path(sys.argv[1])), calls=9 if place < 3 else 999))
    assert (swept is None) == (place < 3)
assert_frame_equal(swept.table, whole.table, check_exact=True)
print(sorted(path.name for path in Path(sys.argv[1]).iterdir() if "shard" not in path.name))
"""


@pytest.mark.slow
def test_two_devices_keep_what_they_run_and_one_goes_on_with_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", TWO_DEVICES, str(tmp_path)]
    said = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (said.stdout, said.returncode) == ("['lock', 'manifest.json']\n", 0), said.stderr
