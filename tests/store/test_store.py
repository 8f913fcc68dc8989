"""open_store(): what it says of a store, and what it refuses."""

import json
import threading
from pathlib import Path
from typing import Any

import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.store import _store as stores
from lrsweep.store._ahead import map_ahead
from lrsweep.store._folder import Folder

TRIALS = lrsweep.grid(learning_rate=[0.1, 0.02, 0.5], seed=range(4))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, lrsweep.Sweep]:
    path = tmp_path_factory.mktemp("stores") / "line"
    options: dict[str, Any] = {
        "steps": 20,
        "record": ["loss", "gradient_norm"],
        "record_every": 5,
        "block_width": 4,
        "progress": False,
    }
    return path, lrsweep.sweep(lrsweep.problems.line(), optax.sgd, TRIALS, store=path, shard_size=4, **options)


def test_a_store_has_the_table_and_the_curves_of_the_sweep(swept: tuple[Path, lrsweep.Sweep]) -> None:
    path, sweep = swept
    store = lrsweep.open_store(path)
    pd.testing.assert_frame_equal(store.table, sweep.table, check_exact=True)
    assert list(store.curves) == list(sweep.curves) == ["loss", "gradient_norm"]
    for name, curve in sweep.curves.items():
        pd.testing.assert_frame_equal(store.curves[name], curve, check_exact=True)
    assert (store.trials, store.of_trials, store.unhashed) == (12, 12, [])
    assert store.provenance["objective"] == "line"
    assert json.loads(json.dumps(store.provenance)) == store.provenance


def test_its_dataset_holds_every_row_and_a_label_for_each(swept: tuple[Path, lrsweep.Sweep]) -> None:
    dataset = lrsweep.open_store(swept[0]).dataset
    read = dataset.to_table(columns=["trial", "final_loss"]).to_pydict()
    assert read == {"trial": list(range(12)), "final_loss": swept[1].table["final_loss"].tolist()}
    assert len(dataset.to_table(columns=["curve_loss"])["curve_loss"][0]) == 5


def test_a_store_that_is_half_done_has_the_trials_it_has(swept: tuple[Path, lrsweep.Sweep], tmp_path: Path) -> None:
    for file in swept[0].iterdir():
        if not file.name.startswith("shard-000001"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    store = lrsweep.open_store(tmp_path)
    assert repr(store) == f"Store({str(tmp_path)!r}, trials=8, of_trials=12)"
    rows = [0, 1, 2, 3, 8, 9, 10, 11]
    pd.testing.assert_frame_equal(store.table, swept[1].table.iloc[rows], check_exact=True, check_index_type=False)


def test_no_shard_waits_until_another_is_read(
    swept: tuple[Path, lrsweep.Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    all_are_read, plain = threading.Barrier(3, timeout=60), Folder.read

    def read(folder: Folder, name: str) -> bytes | None:
        if name.startswith("shard-"):
            all_are_read.wait()
        return plain(folder, name)

    monkeypatch.setattr(Folder, "read", read)
    pd.testing.assert_frame_equal(lrsweep.open_store(swept[0]).table, swept[1].table, check_exact=True)


def test_no_more_shards_are_read_than_somebody_is_about_to_take() -> None:
    begun: list[int] = []
    numbers = map_ahead(lambda number: begun.append(number) or -number, range(100), 3)
    assert [next(numbers), next(numbers)] == [0, -1]
    assert set(begun) <= set(range(5))
    assert list(numbers) == [-number for number in range(2, 100)]


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:40] + b"?" + content[41:]])
def test_a_damaged_shard_is_named(swept: tuple[Path, lrsweep.Sweep], tmp_path: Path, damage) -> None:
    for file in swept[0].iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(damage(content) if file.name.startswith("shard-000001") else content)
    with pytest.raises(lrsweep.InputError, match=r"shard 1 of the store .* is damaged: the same sweep, called again"):
        _ = lrsweep.open_store(tmp_path).table


def test_a_damaged_manifest_is_refused(swept: tuple[Path, lrsweep.Sweep], tmp_path: Path) -> None:
    content = (swept[0] / "manifest.json").read_text()
    for damaged in (content[:-30], content.replace('"steps": 20', '"steps": 21'), "[]"):
        (tmp_path / "manifest.json").write_text(damaged)
        with pytest.raises(lrsweep.InputError, match=r"'manifest.json' in .* is damaged"):
            lrsweep.open_store(tmp_path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lrsweep.InputError, match="there is no folder '.*none'"):
        lrsweep.open_store(tmp_path / "none")
    with pytest.raises(lrsweep.InputError, match=r"is no store: there is no 'manifest.json' in it, it is empty"):
        lrsweep.open_store(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(lrsweep.InputError, match="it holds other files"):
        lrsweep.open_store(tmp_path)
    with pytest.raises(lrsweep.InputError, match="is a file: a store is a folder"):
        lrsweep.open_store(tmp_path / "notes.txt")


def test_a_table_that_does_not_fit_is_refused(
    swept: tuple[Path, lrsweep.Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_ROW_BYTES", 2**60)
    with pytest.raises(lrsweep.InputError, match=r"the 12 trials of the store .* read them by parts, from its dataset"):
        _ = lrsweep.open_store(swept[0]).table
