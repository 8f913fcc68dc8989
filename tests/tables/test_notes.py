"""The `.json` beside a table: believed for the table it was written with, and for no other."""

import json
import shutil
import warnings
from pathlib import Path

import pytest

import lrsweep
from lrsweep.cli._output import result_contents
from lrsweep.tables._files import replace_files
from lrsweep.tables._notes import note_for, read_provenance

MADE = {"versions": {"lrsweep": "1"}, "objective": "mine"}


def write(table_of: lrsweep.Sweep, path: Path, objective: str = "mine") -> Path:
    """Writes a table as a command does, and gives the place of its note."""
    contents = result_contents(table_of.table, MADE | {"objective": objective}, path)
    replace_files(contents)
    return list(contents)[1]


def objective_of(path: Path) -> str | None:
    made = read_provenance(path)
    return None if made is None else made["objective"]


def cut(path: Path, *, at_a_rows_end: bool) -> None:
    """Takes the last row away, or the end of it."""
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\n", 0, -1) + 1] if at_a_rows_end else content[:-6])


def test_a_note_is_believed_for_the_table_that_it_was_written_with(search: lrsweep.Sweep, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    assert write(search, path) == tmp_path / "sweep.json"
    assert objective_of(path) == "mine"
    made = json.loads((tmp_path / "sweep.json").read_text())
    assert (made["table"]["name"], made["table"]["rows"]) == ("sweep.csv", 3)
    # Wherever the two are moved together.
    for ending in ("csv", "json"):
        shutil.move(tmp_path / f"sweep.{ending}", tmp_path / f"moved.{ending}")
    assert objective_of(tmp_path / "moved.csv") == "mine"


def test_two_tables_of_one_name_have_a_note_each(search: lrsweep.Sweep, tmp_path: Path) -> None:
    first, second = tmp_path / "sweep.csv", tmp_path / "sweep.parquet"
    for _ in range(2):
        assert write(search, first, "one") == tmp_path / "sweep.json"
        assert write(search, second, "two") == tmp_path / "sweep.parquet.json"
        assert (objective_of(first), objective_of(second)) == ("one", "two")
    first.unlink()
    assert note_for(second) == tmp_path / "sweep.json"


def test_a_note_is_not_believed_of_another_table(search: lrsweep.Sweep, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    write(search, path)
    other = search.table.head(2).copy()
    other.attrs.clear()
    lrsweep.write_table(other, path)
    assert objective_of(path) is None
    lrsweep.write_table(search.table, tmp_path / "sweep.parquet")
    assert objective_of(tmp_path / "sweep.parquet") is None


def test_a_table_cut_at_the_end_of_a_row_is_read_with_a_warning(search: lrsweep.Sweep, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    write(search, path)
    assert len(lrsweep.read_table(path)) == 3  # without one
    cut(path, at_a_rows_end=True)
    said = (
        "not the table that 'sweep.json' tells of: that one had 3 rows, and this one has 2; it was cut short, changed"
    )
    with pytest.warns(UserWarning, match=said):
        assert len(lrsweep.read_table(path)) == 2
    (tmp_path / "sweep.json").unlink()
    assert len(lrsweep.read_table(path)) == 2


def test_a_table_cut_within_a_row_is_refused(search: lrsweep.Sweep, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    lrsweep.write_table(search.table, path)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last + 1, len(whole)):
        for ending in (b"", b"\n"):
            path.write_bytes(whole[:end] + ending)
            if ending and whole[:end].count(b",") == whole.count(b","):
                continue  # a last number that is shorter, on a whole line
            with pytest.raises(ValueError, match="was cut within its last row"):
                lrsweep.read_table(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", "3", '{"versions": 1}', "[" * 100_000])
def test_what_is_no_note_is_none(content: str, search: lrsweep.Sweep, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    lrsweep.write_table(search.table, path)
    (tmp_path / "sweep.json").write_text(content)
    (tmp_path / "sweep.csv.json").write_text(json.dumps(MADE | {"table": content}))
    assert read_provenance(path) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lrsweep.read_table(path)
