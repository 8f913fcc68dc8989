"""The numbers of the charts: what is saved as CSV is what pandas computes from the table, and a table can be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.report._charts import draw_charts
from lrsweep.report._numbers import add_numbers
from lrsweep.report._page import make_page
from tests.report.conftest import HOSTILE, Opened, opened, reported
from tests.report.test_curves import CURVES, TRIALS
from tests.report.test_page import many
from tests.statistics.test_summary import table


def saved(page: Any, chart: str, kind: str) -> pd.DataFrame:
    """What the button of a chart saves."""
    with page.expect_download() as waiting:
        page.locator(f'[data-save="{chart}"][data-kind="{kind}"]').click()
    assert waiting.value.suggested_filename.endswith(f"-{kind}.csv")
    return pd.read_csv(waiting.value.path(), keep_default_na=False, na_values=[""])


def quartile(values: pd.Series, share: float) -> float:
    """A quantile between two values; infinite where the upper one is."""
    above = float(values.quantile(share, interpolation="higher"))
    return above if np.isinf(above) else float(values.quantile(share))


def quartiles(trials: pd.DataFrame, outcome: str, worst: float = np.inf) -> pd.DataFrame:
    values = trials[outcome].astype(float).where(trials["status"] != "diverged", worst)
    by_rate = values.groupby(trials["learning_rate"])
    columns = {"learning_rate": sorted(trials["learning_rate"].unique()), "trials": by_rate.size().to_numpy()}
    for name, share in (("lower_quartile", 0.25), ("median", 0.5), ("upper_quartile", 0.75)):
        columns[f"{name}_{outcome}"] = [
            # A share of the trials has converged by the update at which one of them did.
            np.quantile(rows, share, method="inverted_cdf") if outcome == "converged_at" else quartile(rows, share)
            for _, rows in by_rate
        ]
    return pd.DataFrame(columns)


@pytest.mark.parametrize(("chart", "outcome"), [("chart0", "converged_at"), ("chart1", "final_loss")])
def test_saved_medians_are_those_of_the_table(desk: Opened, chart: str, outcome: str) -> None:
    expected = quartiles(reported(), outcome)
    if outcome == "converged_at":
        # A time that never comes is none.
        expected = expected.replace(np.inf, np.nan)
    pd.testing.assert_frame_equal(saved(desk.page, chart, "bins"), expected, check_dtype=False, rtol=1e-15)


def test_what_a_reader_chooses_is_what_is_saved_and_read(desk: Opened) -> None:
    page, trials = desk.page, reported()
    page.get_by_label("optimizer", exact=True).select_option("sgd")
    expected = quartiles(trials[trials["optimizer"] == "sgd"], "final_loss")
    expected.insert(0, "optimizer", "sgd")
    pd.testing.assert_frame_equal(saved(page, "chart1", "bins"), expected, check_dtype=False)
    page.get_by_text("Final loss as a table").click()
    read = page.locator('[data-table="chart1"] table')
    assert read.locator("caption").inner_text() == "optimizer sgd. All rows."
    shown = [cells.split("\t") for cells in read.locator("tbody").inner_text().split("\n")]
    assert shown == [
        [f"{row.learning_rate:g}", str(row.trials), *("inf" if np.isinf(v) else f"{v:.4g}" for v in row[3:])]
        for _, row in expected.iterrows()
    ]
    page.get_by_label("optimizer", exact=True).select_option("all")
    assert read.locator("caption").inner_text() == "All rows."
    page.get_by_text("Final loss as a table").click()


def test_saved_trials_are_the_rows_of_the_table(desk: Opened) -> None:
    trials, found = reported(), saved(desk.page, "chart0", "trials")
    assert found["trial"].tolist() == trials.index.tolist()
    for name in ("learning_rate", "optimizer", HOSTILE, "seed", "status", "steps", "converged_at", "final_loss"):
        expected = trials[name].reset_index(drop=True)
        is_number = pd.api.types.is_numeric_dtype(expected)
        pd.testing.assert_series_equal(
            found[name], expected.astype(float if is_number else object), check_dtype=False, check_names=False
        )
    desk.page.get_by_role("checkbox", name="diverged").uncheck()
    assert set(saved(desk.page, "chart0", "trials")["status"]) == {"converged"}
    desk.page.get_by_role("checkbox", name="diverged").check()


def test_saved_shares_and_cells_are_those_of_the_table(desk: Opened) -> None:
    trials, shares = reported(), saved(desk.page, "shares", "bins")
    for status in ("converged", "diverged"):
        expected = (trials["status"] == status).groupby(trials["learning_rate"]).mean()
        assert shares[status].tolist() == expected.tolist()
    cells = saved(desk.page, "map", "bins").set_index(["learning_rate", HOSTILE]).to_dict("index")
    for place, rows in trials.groupby(["learning_rate", HOSTILE]):
        assert cells[place]["trials"] == len(rows)
        assert cells[place]["converged"] == (rows["status"] == "converged").mean()
        losses = rows["final_loss"].where(rows["status"] != "diverged", np.inf)
        assert cells[place]["median_final_loss"] == quartile(losses, 0.5)


def test_saved_curves_are_the_medians_of_what_was_recorded(chromium: Any, tmp_path: Path) -> None:
    lrsweep.write_report(TRIALS, tmp_path / "curves.html", curves=CURVES)
    page, trouble = opened(chromium, tmp_path / "curves.html")
    for label, worst in (("accuracy", -np.inf), ("loss", np.inf)):
        page.get_by_label("Curve of the").select_option(label)
        found = saved(page, "curves", "curves")
        values = CURVES[label].fillna(worst).groupby([TRIALS["learning_rate"], TRIALS["optimizer"]]).median()
        expected = values.melt(ignore_index=False, var_name="updates", value_name=label).reset_index()
        by = ["learning_rate", "optimizer", "updates"]
        pd.testing.assert_frame_equal(
            found.sort_values(by, ignore_index=True), expected.sort_values(by, ignore_index=True), check_dtype=False
        )
    assert trouble == []
    page.context.close()


def test_texts_with_commas_quotes_and_line_ends_come_back_from_csv(chromium: Any, tmp_path: Path) -> None:
    names = ['a, "b"', "Infinity", "two\nlines", "NaN"]
    trials = table([(name, s, "converged", 9, 1.0) for name in names for s in (0, 1)], ("activation", "seed"))
    lrsweep.write_report(trials, tmp_path / "texts.html")
    page, trouble = opened(chromium, tmp_path / "texts.html")
    assert saved(page, "chart0", "trials")["activation"].tolist() == trials["activation"].tolist()
    assert saved(page, "shares", "bins")["activation"].tolist() == names
    assert trouble == []
    page.context.close()


def test_numbers_that_are_drawn_as_they_are_stand_in_the_page_once() -> None:
    drawn = {"y": np.array([1.0, 8.0]), "c0": ["a, b", "c"]}
    values = [("loss", [1.0, 8.0]), ("name", ["a, b", "c"]), ("rate", [1.0, np.inf]), ("seed", [2**60, 2**60 + 1])]
    source = add_numbers(drawn, "bins", [("name", "c0")], values)
    assert source.tags == [
        "bins",
        [["loss", "y"], ["name", "c0"], ["rate", "e2"], ["seed", "e3"]],
        [["name", "c0"]],
    ]
    assert np.asarray(source.data["e2"]).tolist() == [1.0, np.inf]
    assert list(source.data["e3"]) == [str(2**60), str(2**60 + 1)]


def test_a_float_takes_half_the_room_where_that_holds_it() -> None:
    halves, thirds = np.array([0.5, np.nan]), np.array([1 / 3, np.inf])
    source = add_numbers({}, "bins", [], [("half", halves), ("third", thirds)])
    assert [np.asarray(source.data[name]).dtype for name in ("e0", "e1")] == [np.float32, np.float64]
    np.testing.assert_array_equal(source.data["e1"], thirds)


def test_the_numbers_of_a_large_table_make_the_page_little_larger() -> None:
    trials = many(20_000)
    sources = {
        id(renderer.data_source): renderer.data_source
        for chart in draw_charts(trials, None).charts
        for renderer in chart.figure.renderers
    }
    exact = sum(
        np.asarray(values).nbytes * 4 / 3
        for source in sources.values()
        for name, values in source.data.items()
        if name.startswith("e") and name[1:].isdigit()
    )
    assert exact < 0.25 * len(make_page(trials, None, title="large"))
