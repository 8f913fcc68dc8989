"""`lrsweep compare`: two tables in, the differences by setting and the answer out."""

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from tests.conftest import Run


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: lrsweep.Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables in the current folder: in the second trials converge twice as fast."""
    monkeypatch.chdir(tmp_path)
    seeds = [search.table.assign(seed=seed, converged_at=search.table["converged_at"] + seed) for seed in range(8)]
    a = pd.concat(seeds, ignore_index=True).rename_axis("trial")
    a.insert(1, "seed", a.pop("seed"))
    b = a.assign(converged_at=a["converged_at"] // 2)
    b.insert(1, "momentum", 0.9)
    for name, table in (("a.csv", a), ("b.csv", b)):
        lrsweep.write_table(table, name)
    return a, b


def test_two_tables_are_compared_setting_by_setting_and_the_answer_stands_below(
    run: Run, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    said = run("compare", "a.csv", "b.csv", "--out", "compared.csv")
    assert (said.code, said.err) == (0, "")
    compared = lrsweep.compare(*tables)
    table, pairing, answer = said.out.rstrip().split("\n\n")
    assert table.split()[:4] == ["learning_rate", "compared", "median", "a"]
    assert pairing == f"A is a.csv, B is b.csv. {compared.pairing}"
    assert answer.splitlines() == [compared.answer, "Wrote 3 settings to compared.csv."]
    assert "B is faster at 2 of 2 learning rates" in answer
    again = pd.read_csv("compared.csv")
    assert_frame_equal(again, compared.table, check_dtype=False)


def test_a_table_that_has_not_changed_is_said_to_be_the_same(
    run: Run, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    del tables
    said = run("compare", "a.csv", "a.csv")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("\n\nThe same, row by row: all 24 pairs agree in every column that both tables have.\n")


def test_the_comparison_goes_to_standard_output_and_words_elsewhere(
    run: Run, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    del tables
    said = run("compare", "a.csv", "b.csv", "--outcome", "final_loss", "--out", "-")
    assert said.code == 0
    assert pd.read_csv(StringIO(said.out))["ratio"].tolist() == [1.0] * 3
    assert said.err.endswith("Wrote 3 settings to standard output.\n")
    quiet = run("compare", "a.csv", "b.csv", "--quiet", "--out", "quiet.csv")
    assert quiet == (0, "", "")
    assert Path("quiet.csv").exists()


def test_of_many_settings_those_that_differ_the_most_surely_are_shown(
    run: Run, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    a = pd.concat([tables[0].assign(learning_rate=2.0**power) for power in range(-30, 15)]).query("steps < 100")
    b = a.assign(converged_at=a["converged_at"].where(a["learning_rate"] < 64, 2 * a["converged_at"]))
    for name, table in (("a.csv", a), ("b.csv", b)):
        lrsweep.write_table(table.reset_index(drop=True).rename_axis("trial"), name)
    said = run("compare", "a.csv", "b.csv")
    assert "These 20 of 45 settings differ the most surely; --out FILE has them all." in said.out
    rows = [line.split() for line in said.out.splitlines()[2:22]]
    assert [row[0] for row in rows[:9]] == [str(2**power) if power < 14 else "1.638e+04" for power in range(6, 15)]
    assert [row[-1] for row in rows] == ["A"] * 9 + ["-"] * 11


def test_runs_of_another_program_are_compared_by_their_loss(run: Run, tmp_path: Path) -> None:
    frame = pd.DataFrame({"lr": [0.1, 0.1, 0.01, 0.01], "seed": [0, 1, 0, 1], "val_loss": [1.0, 2.0, 3.0, 4.0]})
    paths = [str(tmp_path / name) for name in ("one.csv", "other.csv")]
    frame.to_csv(paths[0], index=False)
    frame.assign(val_loss=frame["val_loss"] / 2).to_csv(paths[1], index=False)
    said = run("compare", *paths, "--loss", "val_loss")
    assert said.code == 0
    assert "By final_loss B is better at 2 of 2 learning rates; with 2 pairs per learning rate that" in said.out


def test_what_cannot_be_compared_is_one_line(run: Run, tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    lrsweep.write_table(tables[0].assign(learning_rate=tables[0]["learning_rate"] * 3), "c.csv")
    refused = {
        ("a.csv", "none.csv"): "lrsweep: there is no file 'none.csv'\n",
        ("a.csv", "c.csv"): "lrsweep: no trial of A has a partner in B: no learning_rate is in both; the nearest are "
        "0.001 in A and 0.003 in B\n",
        ("a.csv", "b.csv", "--out", "b.csv"): "lrsweep: --out b.csv would replace 'b.csv', which this command reads: "
        "name another file\n",
        (
            "a.csv",
            "b.csv",
            "--outcome",
            "final",
        ): "lrsweep: there is no outcome 'final': did you mean 'final_loss'? There is: ",
    }
    for words, message in refused.items():
        said = run("compare", *words)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(message)
        assert said.err.count("\n") == 1
