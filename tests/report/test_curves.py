"""The curves of a report: that they are the medians of what was recorded, in the colours of the axis, with a switch."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.report._charts import draw_charts
from lrsweep.report._curves import MOST_LINES, MOST_POINTS
from lrsweep.report._page import make_page
from tests.conftest import Run
from tests.report.test_page import Page
from tests.statistics.test_summary import table

UPDATES = [0, 50, 100]


def scored(rates: list[float], optimizers: tuple[str, ...] = ("sgd", "adam")) -> pd.DataFrame:
    """Trials that their accuracy decides; with the largest learning rate all but one of the seeds diverge."""
    rows = [
        (rate, name, seed, "diverged" if rate == rates[-1] and seed else "slow", None, rate + seed)
        for rate in rates
        for name in optimizers
        for seed in range(3)
    ]
    trials = table(rows, ("learning_rate", "optimizer", "seed")).assign(steps=100, best_by="accuracy", best_mode="max")
    return trials.assign(final_accuracy=1 - 0.1 * trials["final_loss"], accuracy_at_best=0.9)


def recorded(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Losses and accuracies of trials, which nothing was recorded of after they diverged."""
    values = np.random.default_rng(0).uniform(0.1, 0.9, (2, len(trials), len(UPDATES)))
    values[:, trials["status"] == "diverged", 1:] = np.nan
    loss, accuracy = (pd.DataFrame(each, trials.index, UPDATES) for each in values)
    return {"loss": loss, "accuracy": accuracy}


TRIALS = scored([0.01, 0.1, 1.0])
CURVES = recorded(TRIALS)


def drawn(trials: pd.DataFrame, curves: Any, x: str | None = None) -> Any:
    return next(chart for chart in draw_charts(trials, None, x, curves).charts if chart.key == "curves")


def test_a_line_is_the_median_of_its_setting_and_lies_at_the_bad_edge_where_half_have_diverged() -> None:
    chart = drawn(TRIALS, CURVES)
    # That of the metric which decides comes first.
    assert [label for _, label in chart.layers] == ["accuracy", "loss"]
    for at, (name, axis) in enumerate(
        (("accuracy", chart.figure.y_range), ("loss", chart.figure.extra_y_ranges["l1"]))
    ):
        data = chart.figure.renderers[at].data_source.data
        worst, lines = -np.inf if name == "accuracy" else np.inf, np.stack(data["y"])
        values = CURVES[name].fillna(worst).groupby([TRIALS["learning_rate"], TRIALS["optimizer"]], sort=False)
        medians = np.stack([np.sort(rows.to_numpy(), axis=0)[1] for _, rows in values])
        finite = np.isfinite(medians)
        assert [list(updates) for updates in data["x"]] == [UPDATES] * len(medians)
        np.testing.assert_array_equal(lines[finite], medians[finite])
        (edge,) = set(lines[~finite])
        assert axis.start < edge < axis.end
        assert edge < medians[finite].min() if name == "accuracy" else edge > medians[finite].max()


def test_the_best_setting_is_thick_and_lines_have_the_filters_of_the_page() -> None:
    charts = draw_charts(TRIALS, None, None, CURVES)
    data = drawn(TRIALS, CURVES).figure.renderers[0].data_source.data
    thick = np.flatnonzero(data["width"] == max(data["width"]))
    best = lrsweep.best_setting(TRIALS)
    assert [(data["c0"][at], data["c1"][at]) for at in thick] == [(f"{best['learning_rate']:g}", best["optimizer"])]
    assert [each.name for each in charts.filters] == ["optimizer"]
    assert [charts.filters[0].values[code] for code in data["f0"]] == ["sgd", "adam"] * 3
    assert charts.charts[1].key == "curves"


@pytest.mark.parametrize("x", ["learning_rate", "optimizer"])
def test_lines_are_coloured_by_the_column_along_the_other_charts(x: str) -> None:
    figure = drawn(TRIALS, CURVES, x).figure
    colours = figure.renderers[0].data_source.data["colour"]
    expected = [0.01, 0.01, 0.1, 0.1, 1.0, 1.0] if x == "learning_rate" else [0, 1] * 3
    assert list(colours) == expected
    (bar,) = [part for part in figure.right if type(part).__name__ == "ColorBar"]
    assert bar.major_label_overrides == ({} if x == "learning_rate" else {0: "sgd", 1: "adam"})


def test_of_many_settings_the_best_of_every_optimizer_are_drawn_and_of_many_records_a_part() -> None:
    trials = scored(list(np.geomspace(1e-3, 1, 50)), ("sgd", "adam"))
    updates = list(range(501))
    curves = pd.DataFrame(np.ones((len(trials), len(updates))), trials.index, updates)
    chart = drawn(trials, {"loss": curves})
    data = chart.figure.renderers[0].data_source.data
    assert len(data["colour"]) == MOST_LINES
    assert list(data["c1"]).count("sgd") == list(data["c1"]).count("adam") == MOST_LINES // 2
    assert f"the best {MOST_LINES} of 100 settings" in chart.caption
    assert len(data["x"][0]) <= MOST_POINTS
    assert (data["x"][0][0], data["x"][0][-1]) == (0, 500)
    # The best are those of the greatest accuracy, which falls with the learning rate.
    assert max(data["colour"]) < 0.1


def test_the_page_has_a_switch_where_several_kinds_were_recorded_and_none_without_curves() -> None:
    both = Page(make_page(TRIALS, None, title="curves", curves=CURVES))
    assert {"accuracy", "loss"} <= set(both.all("option"))
    assert "Curve of the" in list(both.all("label"))
    alone = Page(make_page(TRIALS, None, title="curves", curves=CURVES["loss"]))
    assert "Curves by setting" in list(alone.all("h3"))
    assert "Curve of the" not in list(alone.all("label"))
    assert "Curves by setting" not in list(Page(make_page(TRIALS, None, title="curves")).all("h3"))


def test_the_command_shows_the_curves_that_lie_beside_the_table(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recorded = ["--record", "loss,gradient_norm", "--record-every", "10"]
    assert run("run", *recorded, "--steps", "50", "--out", "sweep.csv").code == 0
    assert run("report", "sweep.csv", "--x", "seed").code == 2
    assert run("report", "sweep.csv").code == 0
    page = Page(Path("sweep.html").read_text(encoding="utf-8"))
    assert {"loss", "gradient norm"} <= set(page.all("option"))
    # Curves that another run has left behind are not the table's.
    assert run("run", "--steps", "60", "--out", "sweep.csv").code == 0
    assert run("report", "sweep.csv").code == 0
    assert "Curves by setting" not in Path("sweep.html").read_text(encoding="utf-8")


def test_what_answers_comes_first_along_whatever_column() -> None:
    for x in ("learning_rate", "optimizer"):
        charts = draw_charts(TRIALS, lrsweep.best_learning_rate(TRIALS), x).charts
        assert [chart.heading for chart in charts] == [
            "Final accuracy",
            "Final loss",
            "How the trials ended",
            f"{x} and {'optimizer' if x == 'learning_rate' else 'learning_rate'}",
        ]
        assert charts[0].figure.xaxis[0].axis_label.text == x
        (line,) = [mark for mark in charts[0].figure.center if type(mark).__name__ == "Span"]
        assert line.location == (0.01 if x == "learning_rate" else 0)
        assert [label for _, label in charts[-1].layers] == [
            "median final accuracy",
            "median final loss",
            "share of trials that diverged",
        ]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"x": "momentum"}, ValueError, "x: .*no column 'momentum'"),
        ({"curves": [1.0]}, TypeError, "curves must be tables by name, .* not a list"),
        ({"curves": CURVES["loss"][:3]}, ValueError, "trial 3 of the table has no curve"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make_page(TRIALS, None, title="refused", **arguments)
