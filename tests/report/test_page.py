"""The report: what stands in it, that all of it is text, that it is drawn from the table, odd tables and all."""

import json
import math
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.plots._style import COLOURS, MARKERS
from lrsweep.report._aggregate import aggregate
from lrsweep.report._axis import axis_of, bin_trials
from lrsweep.report._charts import draw_charts
from lrsweep.report._filters import ALL, filters_of
from lrsweep.report._kinds import kinds_of
from lrsweep.report._page import make_page
from lrsweep.report._provenance import write_provenance
from lrsweep.report._sample import LEAST_OF_STATUS, sample_trials
from lrsweep.report._scales import scale_of
from lrsweep.report._wording import CAUSES, STATUSES
from lrsweep.statistics._advice import count_ends
from lrsweep.statistics._causes import causes
from lrsweep.statistics._settings import Settings
from lrsweep.statistics._verdict import judge
from lrsweep.tables._schema import RESULT_DTYPES, Status, settings_of
from tests.conftest import Run
from tests.statistics.test_summary import THREE, table

# What no text of a user's may be read as: markup, a script's end, a template's place, a formula, an attribute's end.
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "@{c0} @c1 $x",
    "$$\\frac{1}{2}$$",
    "\"'&lt;",
]

STRUCTURE = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "nav",
    "main",
    "section",
    "article",
    "footer",
    "script",
}
TEXT = {
    "h1",
    "h2",
    "h3",
    "p",
    "span",
    "pre",
    "code",
    "dl",
    "dt",
    "dd",
    "details",
    "summary",
    "noscript",
    "div",
    "a",
    "ul",
    "ol",
    "li",
    "br",
    "wbr",
}
FORM = {"form", "button", "fieldset", "legend", "label", "input", "select", "option"}
FIGURES = {"svg", "path", "figure", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td"}
TAGS = STRUCTURE | TEXT | FORM | FIGURES


class Page(HTMLParser):
    """A page as a list of its elements, each with its attributes and the text in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        if tag not in ("meta", "input", "wbr", "br"):
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        # What is opened is closed, in order.
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for at in self.open:
            self.elements[at][2].append(data)

    def all(self, tag: str, **attributes: str) -> Iterator[str]:
        """The texts of the elements of a tag, in order."""
        for name, attrs, text in self.elements:
            if name == tag and attributes.items() <= attrs.items():
                yield " ".join("".join(text).split())


def made(rows: list[tuple[Any, ...]], *columns: str) -> Page:
    return Page(make_page(table(rows, columns), None, title="sweep"))


def drawn_data(figure: Any) -> list[dict[str, Any]]:
    return [renderer.data_source.data for renderer in figure.renderers]


def many(trials: int) -> pd.DataFrame:
    """A table of a random design: a learning rate and a momentum of its own for each trial."""
    draw = np.random.default_rng(0)
    status = draw.choice(len(Status), trials, p=[0.5, 0.3, 0.1999, 0, 0, 0.0001, 0])
    steps = draw.integers(1, 1000, trials)
    frame = pd.DataFrame({"learning_rate": 10 ** draw.uniform(-4, 0, trials), "momentum": draw.uniform(0, 1, trials)})
    frame["status"] = pd.Categorical.from_codes(status, dtype=RESULT_DTYPES["status"])
    frame["steps"] = steps
    frame["converged_at"] = pd.arrays.IntegerArray(steps, status != Status.CONVERGED)
    frame["diverged_at"] = pd.arrays.IntegerArray(steps, status != Status.DIVERGED)
    for name in ("initial_loss", "final_loss", "best_loss", "best_at", "rate"):
        frame[name] = 10 ** draw.uniform(-5, 2, trials)
    return frame.astype(RESULT_DTYPES).rename_axis("trial")


def test_the_page_asks_the_question_and_answers_it_in_a_sentence() -> None:
    page = Page(make_page(THREE, None, title="my sweep"))
    assert [attrs["lang"] for tag, attrs, _ in page.elements if tag == "html"] == ["en"]
    assert list(page.all("title")) == ["my sweep: Which learning rate should I take?"]
    assert list(page.all("h1")) == ["Which learning rate should I take?"]
    assert list(page.all("p", **{"class": "answer"})) == [judge(THREE)]
    assert {tag for tag, _, _ in page.elements} <= TAGS


def test_every_table_has_a_caption_and_every_head_says_what_it_heads() -> None:
    page = Page(make_page(THREE, None, title="sweep"))
    tables = [tag for tag, _, _ in page.elements if tag in ("table", "caption")]
    assert tables == ["table", "caption"] * (len(tables) // 2)
    assert {attrs.get("scope") for tag, attrs, _ in page.elements if tag == "th"} == {"col", "row"}


def test_settings_stand_the_best_first_and_are_cut_where_they_are_many() -> None:
    rates = [float(rate) for rate in range(1, 42)]
    page = made([(rate, 0, "converged", 50 - int(rate), 1.0) for rate in rates], "learning_rate", "seed")
    heads = list(page.all("th", scope="row"))
    assert heads == [f"{rate:g}" for rate in rates[::-1][:20]]
    assert "The best 20 of 41 settings, over their seeds." in list(page.all("caption"))


def test_what_a_user_writes_stays_text() -> None:
    names = [*HOSTILE[:3], "learning_rate", "seed"]
    rows = [
        (HOSTILE[at % 5], HOSTILE[(at + 1) % 5], float(at), 10.0**-at, 0, ("converged", "diverged")[at % 2], 5, 1.0)
        for at in range(5)
    ]
    provenance = {"command": f"lrsweep run {HOSTILE[0]} {HOSTILE[1]}", "objective": HOSTILE[0], "versions": {}}
    html = make_page(table(rows, tuple(names)), provenance, title=HOSTILE[0])
    page = Page(html)
    assert {tag for tag, _, _ in page.elements} <= TAGS
    assert len(list(page.all("script"))) == html.count("</script>") == 3
    assert {name for _, attrs, _ in page.elements for name in attrs if name.startswith("on")} == set()
    heads = list(page.all("th", scope="col"))
    assert heads[:3] == [" ".join(name.split()) for name in names[:3]]
    assert list(page.all("title")) == [f"{HOSTILE[0]}: Which learning rate should I take?"]
    assert next(page.all("pre")) == provenance["command"]
    shown = set(page.all("option"))
    assert {" ".join(value.split()) for value in HOSTILE} <= shown
    charts = json.loads(next(page.all("script", type="application/json")))["document"]
    tooltips = [pair for tool in of_type(charts, "HoverTool") for pair in tool["attributes"]["tooltips"]]
    # A label is written as it is; only the columns' places are filled in, and these have neutral names.
    assert {value for _, value in tooltips} <= {f"@c{at}" for at in range(99)}
    assert set(names) <= {label for label, _ in tooltips}
    # What is drawn beside an axis is not read as a formula.
    labels = [axis["attributes"]["axis_label"] for name in ("LogAxis", "LinearAxis") for axis in of_type(charts, name)]
    assert {label["name"] for label in labels} == {"PlainText"}


def of_type(model: Any, name: str) -> Iterator[dict[str, Any]]:
    """The models of a type in Bokeh's JSON."""
    if isinstance(model, dict):
        if model.get("name") == name and "attributes" in model:
            yield model
        model = list(model.values())
    if isinstance(model, list):
        for part in model:
            yield from of_type(part, name)


def test_a_browser_may_run_these_scripts_only_and_ask_nothing_of_a_network() -> None:
    page = Page(make_page(THREE, None, title="sweep"))
    policy = next(attrs["content"] or "" for tag, attrs, _ in page.elements if tag == "meta" and "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.endswith("style-src 'unsafe-inline'; img-src data: blob:")
    for _, attrs, _ in page.elements:
        assert not {"src", "action"} & set(attrs)
        assert (attrs.get("href") or "#").startswith("#")


def test_the_same_table_gives_the_same_bytes() -> None:
    assert make_page(THREE, {"a": 1}, title="t") == make_page(THREE.copy(), {"a": 1}, title="t")


def test_a_trial_is_drawn_where_its_outcome_is_and_at_the_edge_where_it_diverged() -> None:
    steps, loss = (chart.figure for chart in draw_charts(THREE, None).charts[:2])
    for figure, column, values in ((steps, "y0", "converged_at"), (loss, "y1", "final_loss")):
        by_trial = {
            trial: (x, y)
            for data in drawn_data(figure)
            if "y0" in data
            for trial, x, y in zip(data["c0"], data["x"], data[column], strict=True)
        }
        assert sorted(by_trial) == [str(trial) for trial in THREE.index]
        for trial, row in THREE.iterrows():
            x, y = by_trial[str(trial)]
            # Side by side, within half of the way to the next learning rate.
            assert abs(math.log10(x) - math.log10(row["learning_rate"])) < 0.5
            if row["status"] == "diverged":
                assert THREE.loc[THREE["status"] != "diverged", values].max() < y < figure.y_range.end
            else:
                assert y == (row["steps"] if row["status"] == "slow" and values == "converged_at" else row[values])
    assert steps.x_range is loss.x_range


def test_statuses_have_the_colours_and_markers_of_the_pictures() -> None:
    glyphs = {"o": "circle", "X": "x", ">": "triangle"}
    for renderer in draw_charts(THREE, None).charts[0].figure.renderers:
        for status in {"converged", "diverged", "slow"} & set(renderer.tags):
            assert renderer.glyph.line_color == COLOURS[status]
            assert renderer.glyph.marker == glyphs[MARKERS[status]]


def test_shares_are_stacked_and_quartiles_are_the_summarys() -> None:
    charts = draw_charts(THREE, None).charts
    data = drawn_data(charts[2].figure)[0]
    # 0.01: two converged, two slow. 0.1: three converged, one diverged. Stacked in this order.
    assert [list(data[name]) for name in ("b0", "b1", "b2", "b3")] == [[0, 0], [0.5, 0.75], [1, 0.75], [1, 1]]
    assert list(data["total"]) == [4, 4]
    boxes = next(data for data in drawn_data(charts[1].figure) if "median" in data)
    for at, rate in enumerate((0.01, 0.1)):
        of_rate = THREE[THREE["learning_rate"] == rate]
        losses = of_rate["final_loss"].where(of_rate["status"] != "diverged", np.inf)
        assert boxes["median"][at] == pytest.approx(np.quantile(losses, 0.5))
        assert boxes["lower_quartile"][at] == pytest.approx(np.quantile(losses, 0.25))


def test_the_best_learning_rate_is_marked_with_its_interval() -> None:
    best = lrsweep.best_learning_rate(THREE)
    chart_set = draw_charts(THREE, best)
    assert (
        f"Dashed: the best learning rate of the table, {best.learning_rate:g}; shaded: its 95%"
        in chart_set.introduction
    )
    figure = chart_set.charts[0].figure
    line, band = (
        next(mark for mark in figure.center if type(mark).__name__ == name) for name in ("Span", "BoxAnnotation")
    )
    assert (line.location, band.left, band.right) == best[:3]


def test_where_every_trial_diverged_no_best_learning_rate_is_drawn() -> None:
    trials = THREE.assign(status=pd.Categorical(["diverged"] * len(THREE), THREE["status"].cat.categories))
    chart_set = draw_charts(trials, lrsweep.best_learning_rate(trials))
    assert "Dashed" not in chart_set.introduction
    marks = {type(mark).__name__ for chart in chart_set.charts for mark in chart.figure.center}
    assert not marks & {"Span", "BoxAnnotation"}
    assert "Every trial diverged: try smaller learning rates." in make_page(trials, None, title="lost")


def test_what_is_chosen_is_what_the_table_says_of_these_trials_alone() -> None:
    trials = many(3000)
    trials.insert(0, "optimizer", np.where(trials.index % 3, "sgd", "adam"))
    trials.insert(1, "nesterov", [True if trial % 2 else None for trial in trials.index])
    settings = Settings(trials, [name for name in settings_of(trials) if name != "seed"])
    filters = filters_of(settings.rows, ["learning_rate"])
    assert [(each.name, each.values) for each in filters] == [
        ("optimizer", ["adam", "sgd"]),
        ("nesterov", ["True", "-"]),
    ]
    bins = bin_trials(axis_of(settings.rows, "learning_rate"), bins=5)
    aggregated, of_trial = (
        aggregate(trials, settings, ["final_loss"], bins, filters),
        bins.of_row[settings.number(trials)],
    )
    masks = {0: {ALL: True, 0: trials["optimizer"] == "adam", 1: trials["optimizer"] == "sgd"}}
    masks[1] = {ALL: True, 0: trials["nesterov"].notna(), 1: trials["nesterov"].isna()}
    assert len(aggregated) == 3 * 3 * 5
    for _, row in aggregated.iterrows():
        chosen = trials[(of_trial == row["x"]) & masks[0][row["f0"]] & masks[1][row["f1"]]]
        assert row["trials"] == len(chosen)
        assert row["converged"] == pytest.approx((chosen["status"] == "converged").mean())
        assert row["dropped"] == pytest.approx((chosen["status"] == "dropped").mean())
        losses = chosen["final_loss"].where(chosen["status"] != "diverged", np.inf)
        assert row["median_final_loss"] == pytest.approx(np.quantile(losses, 0.5))


def test_settings_of_too_many_values_to_choose_among_are_named() -> None:
    rows = [(rate, k / 13, k % 2, 5, "converged", 9, 1.0) for rate in (0.1, 1.0) for k in range(13)]
    chart_set = draw_charts(table(rows, ("learning_rate", "momentum", "nesterov", "constant")), None)
    assert [each.name for each in chart_set.filters] == ["nesterov"]
    assert chart_set.introduction.endswith(" Too many values to choose among: momentum.")


def test_two_columns_of_numbers_make_a_map() -> None:
    rows = [
        (rate, momentum, s, "converged", 9 + s, 1.0) for rate in (0.1, 1.0) for momentum in (0.0, 0.9) for s in (0, 2)
    ]
    chart_set = draw_charts(table(rows, ("learning_rate", "momentum", "seed")), None)
    figure = chart_set.charts[-1].figure
    data = drawn_data(figure)[0]
    assert (figure.xaxis[0].axis_label.text, figure.yaxis[0].axis_label.text) == ("learning_rate", "momentum")
    # Of two trials that converge after 9 and 11 updates half have done so by 9.
    assert list(data["median_converged_at"]) == [9.0] * 4
    assert list(data["total"]) == [2] * 4
    assert [each.name for each in chart_set.filters] == ["momentum"]


def test_a_large_table_is_counted_whole_and_drawn_in_part() -> None:
    trials = many(50_000)
    html = make_page(trials, None, title="sweep")
    assert len(html.encode()) < 5_000_000
    page = Page(html)
    drawn = sample_trials(trials, count_ends(trials))
    assert any(f"one of {len(drawn):,} trials drawn at random from the 50,000" in text for text in page.all("p"))
    counts = trials["status"].value_counts()
    for status in set(trials["status"]):
        of_it = (drawn["status"] == status).sum()
        assert of_it >= min(counts[status], LEAST_OF_STATUS)
        assert any(f"{counts[status]:,} {status}" in text for text in page.all("dd"))
    assert len(drawn) == len(set(drawn.index)) < 5000
    pd.testing.assert_frame_equal(sample_trials(trials, count_ends(trials)), drawn)
    shares = next(chart for chart in draw_charts(trials, None).charts if chart.key == "shares")
    assert drawn_data(shares.figure)[0]["total"].sum() == 50_000


CONVERGED = ("converged", 10, 1.0)
ODD = {
    "no learning rate": ([(0.5, s, *CONVERGED) for s in (0, 1)], ["width", "seed"]),
    "nothing but seeds": ([(s, *CONVERGED) for s in (0, 1)], ["seed"]),
    "no columns at all": ([CONVERGED] * 3, []),
    "one trial": ([(0.1, *CONVERGED)], ["learning_rate"]),
    "all diverged": ([(0.1 * s, s, "diverged", None, np.nan) for s in (1, 2, 3)], ["learning_rate", "seed"]),
    "text": ([(name, "diverged", None, np.inf) for name in ("relu", "tanh")], ["activation"]),
    "booleans": ([(rate, bool(rate), *CONVERGED) for rate in (0.0, 1.0)], ["learning_rate", "nesterov"]),
    "a learning rate of none": (
        [(0.1, 0.9, *CONVERGED), (np.nan, np.nan, "slow", None, 2.0)],
        ["learning_rate", "momentum"],
    ),
    "no trial with both": (
        [(0.1 * s, np.nan, "sgd", *CONVERGED) for s in (1, 2)] + [(np.nan, 0.1 * s, "own", *CONVERGED) for s in (1, 2)],
        ["learning_rate", "beta", "optimizer"],
    ),
    "no learning rate in any row": ([(np.nan, s, *CONVERGED) for s in (0, 1)], ["learning_rate", "seed"]),
    "zeros and negative losses": ([(s, "slow", None, 1.0 - s) for s in (0.0, 1.0, 100.0)], ["learning_rate"]),
    "dropped": ([(0.1, "dropped", None, 1.0), (0.2, *CONVERGED)], ["learning_rate"]),
    "several learning rates": (
        [(a, b, *CONVERGED) for a in (1, 10) for b in (2, 30)],
        ["learning_rate", "output.learning_rate"],
    ),
    "rounds": ([(0.1 * s, s, *CONVERGED) for s in (1, 2)], ["learning_rate", "round"]),
    "names of its own": ([(s, s, s, *CONVERGED) for s in (1, 20)], ["x", "y", "f0"]),
    "no trials": ([], ["learning_rate", "seed"]),
}


@pytest.mark.parametrize(("rows", "columns"), ODD.values(), ids=ODD)
def test_odd_tables_give_a_page_too(rows: list[tuple[Any, ...]], columns: list[str]) -> None:
    trials = table(rows, tuple(columns))
    page = Page(make_page(trials, None, title="sweep"))
    (answer,) = page.all("p", **{"class": "answer"})
    assert answer == judge(trials)
    assert ("What became of the trials" in list(page.all("h2"))) == bool(rows and columns)


def test_metrics_and_causes_are_told_and_drawn() -> None:
    trials = THREE.assign(
        best_by="accuracy", final_accuracy=0.5, accuracy_at_best=0.75, cause="too small", stability=0.5
    )
    charts = draw_charts(trials, None).charts
    assert [chart.heading for chart in charts[:3]] == ["Final accuracy", "Final loss", "Updates to converge"]
    labels = {label for tool in charts[0].figure.hover for label, _ in tool.tooltips}
    assert {"trial", "seed", "status", "final_loss", "final_accuracy", "cause"} <= labels


def test_a_trial_that_was_still_improving_has_not_gone_wrong() -> None:
    grid = table(
        [(0.1, s, status, None, 1.0) for s, status in enumerate(("slow", "stalled", "oscillating", "diverged"))]
    )
    assert [kind.status for kind in kinds_of(grid) if kind.went_wrong] == ["diverged"]
    arrived = grid.assign(status=grid["status"].where(grid.index != 3, "converged"))
    assert {kind.status for kind in kinds_of(arrived) if kind.went_wrong} == {"stalled", "oscillating"}
    page = Page(make_page(grid, None, title="sweep"))
    heads = list(page.all("h2"))
    assert heads.index("The trials that went wrong, and why") + 1 == heads.index("How the other trials ended")
    assert [head.split()[0] for head in page.all("h3")][-4:] == ["diverged", "slow", "stalled", "oscillating"]
    assert any("slow (still improving)" in label for label in page.all("label"))
    fine = Page(make_page(grid[:1], None, title="sweep"))
    assert "None did." in list(fine.all("p"))


def test_what_went_wrong_is_counted_by_kind_and_setting() -> None:
    slow, diverged = kinds_of(THREE)
    assert (slow.status, slow.trials, slow.settings, slow.meaning) == ("slow", 2, 1, STATUSES["slow"])
    named = [dict(zip(failure.heads, row, strict=True)) for failure in (slow, diverged) for row in failure.rows]
    assert [(row["learning_rate"], row["trials"], row["first such trial"], row["its seed"]) for row in named] == [
        ("0.01", "2 of 4", "3", "1"),
        ("0.1", "1 of 4", "4", "2"),
    ]
    # A loss that is no number is not one that is missing.
    assert named[1]["its final_loss"] == "nan"
    caused = kinds_of(THREE.assign(cause=np.where(THREE["status"] == "slow", "too small", THREE["status"])))
    assert [(failure.status, failure.cause) for failure in caused] == [("slow", "too small"), ("diverged", None)]
    assert caused[0].meaning == f"{STATUSES['slow']} {CAUSES['too small']}"


def test_every_status_and_every_cause_has_its_meaning() -> None:
    assert list(STATUSES) == [status.label for status in Status]
    documented = {line.split("`")[1] for line in (causes.__doc__ or "").splitlines() if line.strip().startswith("- `")}
    assert set(CAUSES) == documented - set(STATUSES)


def test_it_says_how_to_run_it_again(search: lrsweep.Sweep) -> None:
    page = Page(make_page(search.table, {"command": "lrsweep run --x64", **search.provenance}, title="sweep"))
    assert list(page.all("code"))[-1] == "lrsweep run --x64"
    facts = dict(zip(page.all("dt"), page.all("dd"), strict=True))
    assert facts["objective"] == "line"
    assert facts["dtype"] == search.provenance["dtype"]
    assert search.provenance["versions"]["jax"] in facts["versions"]
    assert facts["device"].startswith("cpu, ")
    assert json.loads(list(page.all("pre"))[-1])["steps"] == 1000
    from_python = Page(make_page(search.table, search.provenance, title="sweep"))
    assert any(text.startswith("They were run from Python") for text in from_python.all("p"))
    code = write_provenance(search.provenance, settings_of(search.table)).code
    assert code is not None
    assert " ".join(code.split()) in list(from_python.all("code"))
    again = {"lrsweep": lrsweep, "table": search.table, "objective": lrsweep.problems.line(), "optimizer": optax.sgd}
    exec(code, again)
    pd.testing.assert_frame_equal(again["result"].table, search.table)
    unknown = Page(make_page(search.table, None, title="sweep"))
    assert any(text.startswith("What made these trials is not known") for text in unknown.all("p"))
    another = Page(make_page(search.table, {**search.provenance, "trials": 7}, title="sweep"))
    assert any(text.startswith("That record is of 7 trials, and this table has 3") for text in another.all("p"))


def test_an_axis_has_a_place_for_every_value() -> None:
    scale = scale_of(np.array([0.0, 0.01, 100.0, np.inf]))
    assert scale.log
    below, low, high, beyond, none = scale.position(np.array([0.0, 0.01, 100.0, np.inf, np.nan]))
    assert scale.start < below < low == 0.01
    assert 100 == high < beyond == none < scale.end
    assert list(scale.values_at(np.array([below, low]))) == [0.0, 0.01]
    linear = scale_of(np.array([-1.0, 100.0]))
    assert not linear.log
    assert list(linear.position(np.array([-1.0, 0.0]))) == [-1, 0]


@pytest.mark.parametrize("high", [3.0, 1000.0])
def test_trials_of_one_place_are_spread_evenly_around_it_and_reach_no_other(high: float) -> None:
    scale = scale_of(np.array([1.0, high]))
    separate = scale.separate_ties(np.repeat([1.0, high], [1000, 1]), share=0.5)
    along = np.log(separate) if scale.log else separate
    start, end = (np.log([1, high]) if scale.log else np.array([1, high])).tolist()
    np.testing.assert_allclose(np.diff(along[:1000]), 0.5 * (end - start) / 1000, rtol=1e-6)
    assert along[:1000].mean() == pytest.approx(start, abs=1e-9)
    assert separate[-1] == high


REFUSED = {
    "no result table": (pd.DataFrame({"learning_rate": [0.1]}), "a.html", None, ValueError, "no column 'status'"),
    "no table": ([1, 2], "a.html", None, TypeError, "not a list"),
    "another ending": (THREE, "a.pdf", None, ValueError, "use .html or .htm"),
    "no folder": (THREE, "none/a.html", None, ValueError, "there is no folder"),
    "no mapping": (THREE, "a.html", "lrsweep run", TypeError, "must be a mapping or None, not a str"),
    "no JSON": (THREE, "a.html", {"device": object()}, TypeError, "not JSON serializable"),
}


@pytest.mark.parametrize(("trials", "name", "provenance", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(
    tmp_path: Path, trials: Any, name: str, provenance: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        lrsweep.write_report(trials, tmp_path / name, provenance)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_beside_the_table_and_leaves_the_table_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("run", "--out", "sweep.csv").code == 0
    before = Path("sweep.csv").read_bytes()
    said = run("report", "sweep.csv")
    assert (said.code, said.out, said.err) == (0, "Wrote a report of 3 trials to sweep.html.\n", "")
    page = Page(Path("sweep.html").read_text(encoding="utf-8"))
    assert list(page.all("code"))[-1] == "lrsweep run --out sweep.csv"
    assert run("report", "sweep.csv", "--out", "there.htm").code == 0
    assert Path("there.htm").exists()
    for words, message in (
        (["sweep.csv", "--out", "sweep.csv"], "cannot tell the format of 'sweep.csv' by its ending: use .html or .htm"),
        (["none.csv"], "there is no file 'none.csv'"),
        (["sweep.json"], "cannot tell the format of 'sweep.json' by its ending: use .csv or .parquet"),
    ):
        said = run("report", *words)
        assert (said.code, said.out, said.err) == (2, "", f"lrsweep: {message}\n")
    Path("sweep.json").write_text("{}")
    assert run("report", "sweep.csv").code == 0
    assert "What made these trials is not known" in Path("sweep.html").read_text(encoding="utf-8")
    Path("sweep.html").write_text("<p>My notes on the sweep.</p>")
    said = run("report", "sweep.csv")
    message = "the report sweep.html would replace 'sweep.html', which lrsweep did not write: name another file, or add"
    assert (said.code, said.out, said.err) == (2, "", f"lrsweep: {message} --force\n")
    assert Path("sweep.html").read_text() == "<p>My notes on the sweep.</p>"
    assert Path("sweep.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.csv", "sweep.html", "sweep.json", "there.htm"]
