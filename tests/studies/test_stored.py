"""sweep(..., store=...): what it keeps, what it goes on from, and what it refuses to go on from."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from lrsweep.store import _writer as writer
from lrsweep.studies import _manifest as planning
from lrsweep.studies._part import RanShard, Shards
from tests import store_kills
from tests.training import test_state as stateful

LINE = lrsweep.problems.line()
GRID = lrsweep.grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))
OPTIONS: dict[str, Any] = {"steps": 20, "block_width": 4, "progress": False}


def into(path: Path, trials: pd.DataFrame = GRID, **options: Any) -> lrsweep.Sweep:
    return lrsweep.sweep(LINE, optax.sgd, trials, **{**OPTIONS, "store": path, "shard_size": 4, **options})


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the shards that are computed while the test runs."""
    shards: list[int] = []

    def note(self: Shards, *how: Any) -> Iterator[RanShard]:
        for shard in run(self, *how):
            shards.append(shard.number)
            yield shard

    run = Shards.run
    monkeypatch.setattr(Shards, "run", note)
    return shards


def several() -> pd.DataFrame:
    sgd = lrsweep.grid(optimizer="sgd", learning_rate=[0.1, 0.02], nesterov=[True, False], momentum=0.5, seed=range(3))
    adam = lrsweep.grid(optimizer="adam", learning_rate=[0.1, 0.02], seed=range(3))
    return pd.concat([sgd, adam]).sample(frac=1, random_state=0).set_axis(list("abcdefghijklmnopqr"))


def curved(params: Any, *, power: int = 2) -> Any:
    return jnp.sum(params**power) + 0.1 * jnp.sum(params**2)


CASES: dict[str, tuple[lrsweep.Objective, Any, pd.DataFrame, dict[str, Any]]] = {
    "curves": (LINE, optax.sgd, GRID, {"record": ["gradient_norm", "loss"], "record_every": 5}),
    "diagnosed": (
        lrsweep.Objective(curved, jnp.array([0.5, 1.0])),
        optax.sgd,
        lrsweep.grid(learning_rate=[0.1, 0.01], power=[2, 4]),
        {"diagnose": True, "static": ["power"]},
    ),
    "several optimizers": (LINE, {"adam": optax.adam, "sgd": optax.sgd}, several(), {}),
    "batches, metrics and a state": (
        stateful.objective(batch_size=7),
        optax.adam,
        lrsweep.grid(learning_rate=[0.1, 0.01], seed=range(4)),
        {"record_every": 10},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_table_and_the_curves_are_those_of_a_sweep_without_a_store(
    case: str, tmp_path: Path, computed: list[int]
) -> None:
    objective, optimizer, trials, options = CASES[case]
    options = {**OPTIONS, "block_width": 2, **options}
    whole = lrsweep.sweep(objective, optimizer, trials, **options)
    kept = {"store": tmp_path / "store", "shard_size": 2}
    begun, swept = (lrsweep.sweep(objective, optimizer, trials, **kept, **options) for _ in range(2))
    for each in (begun, swept):
        assert_frame_equal(each.table, whole.table, check_exact=True)
        assert list(each.curves) == list(whole.curves)
        for name, curve in whole.curves.items():
            assert_frame_equal(each.curves[name], curve, check_exact=True)
    assert len(computed) > 1
    assert len(set(computed)) == len(computed)
    assert_frame_equal(lrsweep.open_store(tmp_path / "store").table, whole.table, check_exact=True)
    made = ("groups", "trials", "dtype", "objective", "optimizer", "record_every")
    assert {name: swept.provenance[name] for name in made} == {name: whole.provenance[name] for name in made}
    assert swept.replay(trials.index[1]).curve.iloc[-1] == whole.table["final_loss"].iloc[1]


def test_only_what_is_missing_is_computed(tmp_path: Path, computed: list[int]) -> None:
    whole = into(tmp_path)
    assert computed == [0, 1, 2]
    for file in tmp_path.glob("shard-000001*"):
        file.unlink()
    seen: list[lrsweep.Progress] = []
    again = into(tmp_path, progress=seen.append)
    assert computed == [0, 1, 2, 1]
    assert_frame_equal(again.table, whole.table, check_exact=True)
    assert (seen[-1].trials, seen[-1].of_trials) == (4, 4)


def test_the_job_of_a_driver_that_was_killed_is_gone_afterwards_whoever_computes(tmp_path: Path) -> None:
    into(tmp_path)
    (tmp_path / ".job-0123456789abcdef").write_bytes(b"left by a driver that had workers")
    into(tmp_path)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:40] + b"?" + content[41:]])
def test_a_damaged_shard_is_computed_again_and_a_word_is_said(
    tmp_path: Path, computed: list[int], damage: Callable[[bytes], bytes]
) -> None:
    whole = into(tmp_path)
    (file,) = tmp_path.glob("shard-000002*")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match=r"held damaged shards \(2\): they are computed again"):
        again = into(tmp_path)
    assert computed == [0, 1, 2, 2]
    assert_frame_equal(again.table, whole.table, check_exact=True)
    assert_frame_equal(lrsweep.open_store(tmp_path).table, whole.table, check_exact=True)


def test_a_shard_of_another_store_is_not_taken_for_its_own(tmp_path: Path) -> None:
    whole, other = into(tmp_path / "a"), into(tmp_path / "b", steps=10)
    (mine,), (theirs,) = (list((tmp_path / name).glob("shard-000001*")) for name in "ab")
    mine.with_name(theirs.name).write_bytes(theirs.read_bytes())
    mine.unlink()
    assert not other.table.equals(whole.table)
    with pytest.warns(UserWarning, match="damaged shards"):
        assert_frame_equal(into(tmp_path / "a").table, whole.table, check_exact=True)


def shifted(params: Any) -> Any:
    return jnp.sum((params - 1.0) ** 2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": 30}, "steps: 20, not 30"),
        ({"stopping": lrsweep.Stopping(hold=3)}, "stopping, hold: 10, not 3"),
        ({"record_every": 5}, "record: [], not ['loss']"),
        ({"diagnose": True}, "diagnose: False, not True"),
        ({"trials": GRID.assign(seed=7)}, "trials, values: its code, or the values that it holds, differ"),
        ({"trials": GRID.head(8)}, "trials, rows: 12, not 8"),
        ({"optimizer": optax.adam}, "optimizer, sgd: there, not absent"),
        ({"objective": replace(LINE, data=jax.tree.map(lambda x: 2 * x, LINE.data))}, "data: its code, or the values"),
        ({"objective": replace(LINE, minimum=-1.0)}, "objective, minimum: 0.0, not -1.0"),
        ({"block_width": 2}, "is computed in blocks of 4, not 2"),
        ({"shard_size": 8}, "have 4 rows, not 8"),
    ],
)
def test_another_sweep_into_a_store_is_refused_and_what_differs_is_named(
    change: dict[str, Any], named: str, tmp_path_factory: pytest.TempPathFactory, compilations: Callable[[], int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "refused"
    into(path)
    call = {"objective": LINE, "optimizer": optax.sgd, "trials": GRID, "store": path, "shard_size": 4, **OPTIONS}
    compilations()
    with pytest.raises(lrsweep.InputError) as refused:
        lrsweep.sweep(**{**call, **change})
    assert named in str(refused.value)
    assert compilations() == 0


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(lrsweep.InputError, match=r"holds other files \(thesis.tex\): name an empty one"):
        into(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"] or sorted(os.listdir(tmp_path)) == ["lock", "thesis.tex"]


def test_what_a_store_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lrsweep.InputError, match="halving compares all trials with each other"):
        into(tmp_path, halving=lrsweep.Halving(at=[5]))
    with pytest.raises(lrsweep.InputError, match="give a store to write them to"):
        lrsweep.sweep(LINE, optax.sgd, GRID, shard_size=4)
    with pytest.raises(lrsweep.InputError, match="shard_size=0 must be 1 or more"):
        into(tmp_path, shard_size=0)
    mixed = GRID.set_axis([*range(11), "last"])
    with pytest.raises(lrsweep.InputError, match="the trials' index holds values of several types"):
        into(tmp_path, mixed)


def test_ctrl_c_names_the_store_and_the_same_call_goes_on(tmp_path: Path, computed: list[int]) -> None:
    def stop(state: lrsweep.Progress) -> None:
        if state.trials >= 8:
            raise KeyboardInterrupt

    whole = into(tmp_path / "whole")
    with pytest.raises(lrsweep.Interrupted) as stopped:
        into(tmp_path / "store", progress=stop)
    kept = lrsweep.open_store(tmp_path / "store").trials
    assert kept in (4, 8)
    assert stopped.value.store == str(tmp_path / "store")
    assert f"; {kept} of them are in the store '{tmp_path / 'store'}'" in str(stopped.value)
    result = stopped.value.result
    # The last shard may have run already beside the one that was told of.
    assert stopped.value.ended == len(result.table) in (8, 12)
    assert_frame_equal(result.table, whole.table.head(stopped.value.ended), check_exact=True)
    assert result.replay(5).curve.iloc[-1] == whole.table["final_loss"][5]
    del computed[:]
    assert_frame_equal(into(tmp_path / "store").table, whole.table, check_exact=True)
    assert computed == list(range(kept // 4, 3))


def test_a_disk_that_is_full_midway_loses_nothing_that_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, fsync, calls = into(tmp_path / "whole"), os.fsync, []

    def fail_later(file: int) -> None:
        calls.append(file)
        if len(calls) > 4:  # the manifest and the first shard, each with its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_THREADS", 1)
        patch.setattr(os, "fsync", fail_later)
        with pytest.raises(OSError, match=r"'shard-000001.* into .* \(No space left on device\)"):
            into(tmp_path / "store")
    assert lrsweep.open_store(tmp_path / "store").trials == 4
    assert not [name for name in os.listdir(tmp_path / "store") if name.startswith(".")]
    assert_frame_equal(into(tmp_path / "store").table, whole.table, check_exact=True)


def test_a_loss_below_the_stated_minimum_is_warned_of_once(tmp_path: Path) -> None:
    sunken = lrsweep.Objective(lambda params: jnp.sum(params**2) - 3, 2.0)
    trials = lrsweep.grid(learning_rate=[0.1, 0.2, 0.3, 0.4])
    with pytest.warns(UserWarning, match="fell to -3, below its stated minimum 0") as caught:
        lrsweep.sweep(sunken, optax.sgd, trials, **{**OPTIONS, "block_width": 1}, store=tmp_path, shard_size=1)
    assert [Path(each.filename).name for each in caught] == ["test_stored.py"]


def test_shards_are_whole_blocks_and_share_a_compiled_program(tmp_path: Path, compilations: Callable[[], int]) -> None:
    into(tmp_path / "a")
    compilations()
    into(tmp_path / "b", pd.concat([GRID, GRID], ignore_index=True))
    assert compilations() == 0
    into(tmp_path / "c", shard_size=5)
    sizes = [lrsweep.open_store(tmp_path / name)._manifest.shard_size for name in "abc"]
    assert sizes == [4, 4, 8]


def test_a_group_with_few_rows_in_each_shard_makes_shards_larger() -> None:
    rows = np.arange(6400)
    wide = [(64, lrsweep.Layout())] * 10
    apart = planning.choose_shard_size(np.split(rows, 10), 6400, wide, 1000)
    mixed = planning.choose_shard_size([rows[rows % 10 == place] for place in range(10)], 6400, wide, 1000)
    # A sixteenth of the rows; and a quarter, where a shard has 160 rows of each group in 3 blocks.
    assert (apart, mixed) == (448, 1600)


def test_trials_that_are_made_by_range_give_the_same_rows(tmp_path: Path, computed: list[int]) -> None:
    axes = {"learning_rate": [0.1, 0.02, 0.5], "nesterov": [True, False], "momentum": 0.5, "seed": range(4)}
    whole = lrsweep.sweep(LINE, optax.sgd, lrsweep.grid(**axes), **OPTIONS)
    for _ in range(2):
        store = lrsweep.sweep(
            LINE, optax.sgd, lrsweep.lazy_grid(**axes), store=tmp_path / "store", shard_size=8, **OPTIONS
        )
        assert (store.trials, store.of_trials, computed) == (24, 24, [0, 1, 2])
        assert_frame_equal(store.table, whole.table, check_exact=True)
    with pytest.raises(lrsweep.InputError, match="made by range need a store"):
        lrsweep.sweep(LINE, optax.sgd, lrsweep.lazy_grid(**axes))  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(lrsweep.InputError, match="'learning_rate' of the trials holds -0.1"):
        bad = lrsweep.lazy_grid(learning_rate=[0.1, -0.1], seed=range(4))
        lrsweep.sweep(LINE, optax.sgd, bad, store=tmp_path / "bad", **OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", store_kills.KINDS)
def test_sweeps_that_are_killed_go_on_with_the_same_bits(kind: str) -> None:
    counts = store_kills.count(kind, runs=4, seed=1)
    moments = "killed", "killed before a shard", "ended before", "ended without the worker"
    assert sum(counts[moment] for moment in moments) == 4
    assert not [what for what in counts if what.startswith("wrong")]
