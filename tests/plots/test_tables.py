"""Pictures of tables: that what is drawn is what the functions have computed, and nothing is left out."""

import io
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import LogNorm, to_hex, to_rgba
from matplotlib.figure import Figure

import lrsweep
from lrsweep import plots
from lrsweep.plots._axes import cell_edges
from lrsweep.plots._files import render
from lrsweep.plots._style import COLOURS, LEGEND
from tests.statistics.test_summary import table

INF, NAN = np.inf, np.nan

SGD = table(
    [
        (0.01, 0, "slow", None, 0.5),
        (0.01, 1, "converged", 90, 1e-3),
        (0.1, 0, "converged", 10, 1e-5),
        (0.1, 1, "converged", 20, 3e-5),
        (1.0, 0, "diverged", None, 1e9),
        (1.0, 1, "diverged", None, NAN),
    ]
)
ADAM = pd.concat([SGD.assign(momentum=0.0), SGD[:4].assign(momentum=0.9, converged_at=50)])
ADAM.insert(0, "momentum", ADAM.pop("momentum"))

CURVES = pd.DataFrame(
    [[8.0, 4.0, 2.0], [6.0, 1.0, NAN], [8.0, 0.1, NAN], [6.0, 0.2, NAN], [8.0, 800.0, NAN], [6.0, NAN, NAN]],
    index=SGD.index,
    columns=pd.RangeIndex(0, 30, 10, name="step"),
)
CURVED = SGD.assign(
    steps=[20, 19, 12, 12, 15, 7],
    converged_at=pd.array([None, 12, 3, 10, None, None], dtype="Int64"),
    diverged_at=pd.array([None, None, None, None, 15, 7], dtype="Int64"),
)


@pytest.fixture(autouse=True)
def ax() -> Iterator[Any]:
    """Axes of a figure that no window shows; and what was set of Matplotlib is as it was."""
    before = dict(mpl.rcParams)
    yield Figure(layout="constrained").subplots()
    assert dict(mpl.rcParams) == before


def texts(ax: Any) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def marks(ax: Any, status: str) -> np.ndarray:
    """Where the marks of a status are, by its colour."""
    offsets = [
        np.asarray(points.get_offsets())
        for points in ax.collections
        if type(points).__name__ == "PathCollection" and to_hex(points.get_facecolor()[0]) == COLOURS[status].lower()
    ]
    return np.concatenate(offsets) if offsets else np.empty((0, 2))


def draw(figure: Any) -> None:
    figure.savefig(io.BytesIO(), format="png", dpi=50)


def test_the_lines_of_the_losses_are_the_medians_and_end_with_the_last_trial(ax: Any) -> None:
    assert plots.losses(CURVED, CURVES, ax=ax) is ax
    quartiles = lrsweep.summarize_curves(CURVED, CURVES)
    top = ax.get_ylim()[1]
    for line, rate, updates in zip(ax.lines, [0.01, 0.1, 1.0], [3, 3, 3], strict=True):
        median = quartiles.loc[quartiles["learning_rate"] == rate, "median"].to_numpy()[:updates]
        np.testing.assert_array_equal(line.get_xdata(), [0, 10, 20][:updates])
        np.testing.assert_array_equal(line.get_ydata(), np.where(np.isinf(median), top, median))
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("updates", "loss")


def test_the_lines_of_the_losses_stop_at_the_record_by_which_all_trials_have_ended(ax: Any) -> None:
    plots.losses(CURVED[2:4].assign(steps=[4, 9]), CURVES, ax=ax)
    assert list(ax.lines[0].get_xdata()) == [0, 10]


def test_the_bands_of_the_losses_are_the_quartiles(ax: Any) -> None:
    plots.losses(CURVED, CURVES, ax=ax)
    quartiles = lrsweep.summarize_curves(CURVED, CURVES)
    bands = [band for band in ax.collections if type(band).__name__ == "FillBetweenPolyCollection"]
    for band, rate in zip(bands, [0.01, 0.1, 1.0], strict=True):
        of_setting = quartiles[quartiles["learning_rate"] == rate]
        ends = of_setting[["lower_quartile", "upper_quartile"]].clip(upper=ax.get_ylim()[1]).to_numpy()
        corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
        assert {(step, end) for step, both in zip(of_setting["step"], ends, strict=True) for end in both} <= corners


def test_every_trial_that_converged_or_diverged_is_marked_where_it_did(ax: Any) -> None:
    plots.losses(CURVED, CURVES, target=0.5, ax=ax)
    # Of each the loss recorded last before it converged: at 10, at 0 and at 10.
    assert marks(ax, "converged").tolist() == [[12, 1.0], [3, 8.0], [10, 0.2]]
    assert marks(ax, "diverged").tolist() == [[15, ax.get_ylim()[1]], [7, ax.get_ylim()[1]]]
    assert texts(ax) == ["0.01", "0.1", "1", "converged", "diverged", "target"]
    assert ax.get_legend().get_title().get_text() == "learning rate"
    assert list(ax.lines[-1].get_ydata()) == [0.5, 0.5]


def test_the_curves_of_an_accuracy_have_those_that_diverged_at_the_lower_edge(ax: Any) -> None:
    accuracies = pd.DataFrame(
        [[0.1, 0.5, 0.8], [0.2, 0.6, NAN], [0.1, 0.9, NAN], [0.2, 0.7, NAN], [0.1, 0.3, NAN], [0.2, NAN, NAN]],
        index=CURVES.index,
        columns=CURVES.columns,
    )
    plots.losses(CURVED, accuracies, of="accuracy", ax=ax)
    bottom = ax.get_ylim()[0]
    # Each setting has two trials; the last of 1 has diverged at 7, the other at 15.
    expected = [[0.15, 0.55, 0.7], [0.15, 0.8, 0.8], [0.15, bottom, bottom]]
    for line, medians in zip(ax.lines, expected, strict=True):
        np.testing.assert_allclose(line.get_ydata(), medians)
    assert marks(ax, "diverged").tolist() == [[15, bottom], [7, bottom]]
    assert (ax.get_yscale(), ax.get_ylabel()) == ("linear", "accuracy")


def test_negative_losses_lie_on_a_linear_axis(ax: Any) -> None:
    plots.losses(CURVED, CURVES - 3, ax=ax)
    assert ax.get_yscale() == "linear"


def test_a_loss_of_zero_lies_at_the_lower_edge(ax: Any) -> None:
    plots.losses(CURVED[2:3], CURVES.assign(**{"10": 0.0}).set_axis(range(0, 40, 10), axis=1)[[0, 30]], ax=ax)
    assert ax.lines[0].get_ydata()[-1] == ax.get_ylim()[0] > 0


def many(settings: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many learning rates, one trial each, and their curves."""
    rates = np.geomspace(1e-3, 1, settings)
    trials = table([(rate, 0, "slow", None, 1.0) for rate in rates])
    return trials, pd.DataFrame(np.outer(rates, [1.0, 0.5]), columns=[0, 1000])


@pytest.mark.parametrize(("settings", "bars", "lines"), [(8, 0, 8), (9, 1, 9), (32, 1, 32), (500, 1, 32)])
def test_many_numbers_of_one_column_are_told_apart_by_a_colour_bar(
    settings: int, bars: int, lines: int, ax: Any
) -> None:
    plots.losses(*many(settings), ax=ax)
    assert len(ax.lines) == lines
    assert len(ax.figure.axes) == 1 + bars
    assert len(texts(ax)) == (8 if bars == 0 else 0)
    if bars:
        assert ax.figure.axes[1].get_ylabel() == "learning rate"
        assert ax.figure.axes[1].get_yscale() == "log"


def test_where_a_number_is_missing_the_line_is_named_beside_the_colour_bar(ax: Any) -> None:
    trials, curves = many(20)
    plots.losses(trials.assign(learning_rate=[NAN, *trials["learning_rate"][1:]]), curves, ax=ax)
    assert (len(ax.lines), len(ax.figure.axes), texts(ax)) == (20, 2, ["-"])
    assert to_hex(ax.lines[0].get_color()) not in {to_hex(line.get_color()) for line in ax.lines[1:]}
    assert all(to_rgba(line.get_color())[3] == 1 for line in ax.lines)


def test_of_many_settings_the_legend_names_the_first_and_counts_the_rest(ax: Any) -> None:
    trials, curves = many(20)
    plots.losses(trials.rename(columns={"seed": "momentum"}), curves, ax=ax)
    assert len(ax.lines) == 20
    assert len(texts(ax)) == 8
    assert texts(ax)[-1] == "… 13 more"
    assert ax.get_legend().get_title().get_text() == "learning rate, momentum"


def test_more_settings_than_can_be_told_apart_are_refused() -> None:
    trials, curves = many(501)
    with pytest.raises(ValueError, match="there are 501 settings of learning_rate, momentum, too many to draw"):
        plots.losses(trials.rename(columns={"seed": "momentum"}), curves)


@pytest.mark.parametrize("outcome", ["converged_at", "final_loss"])
def test_the_lines_of_an_outcome_are_its_medians_and_what_is_infinite_lies_at_the_edge(outcome: str, ax: Any) -> None:
    assert plots.outcome(ADAM, outcome, ax=ax) is ax
    quartiles, top = lrsweep.summarize_outcome(ADAM, outcome), ax.get_ylim()[1]
    for line, momentum in zip(ax.lines, [0.0, 0.9], strict=True):
        of_setting = quartiles[quartiles["momentum"] == momentum]
        assert list(line.get_xdata()) == of_setting["learning_rate"].tolist()
        np.testing.assert_array_equal(line.get_ydata(), of_setting["median"].fillna(INF).clip(upper=top))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "learning rate"
    assert ax.get_ylabel() == {"converged_at": "converged at (updates)", "final_loss": "final loss"}[outcome]
    assert texts(ax)[:2] == ["0", "0.9"]


def test_trials_without_an_outcome_are_marked_at_the_upper_edge_by_their_share(ax: Any) -> None:
    plots.outcome(SGD, ax=ax)
    assert marks(ax, "diverged").tolist() == [[1.0, 1.0]]
    ((rate, height),) = marks(ax, "slow").tolist()
    assert rate == 0.01
    assert 0.9 < height < 1
    assert texts(ax) == ["diverged", LEGEND["slow"]]
    sizes = {to_hex(points.get_facecolor()[0]): points.get_sizes()[0] for points in ax.collections[1:]}
    assert sizes[COLOURS["slow"].lower()] < sizes[COLOURS["diverged"].lower()]
    # No line comes so high that the marks hide it, but for what is at the edge.
    finite = lrsweep.summarize_outcome(SGD)["median"].max()
    assert ax.transData.transform((1, finite))[1] < ax.transAxes.transform((0, height))[1]


def test_of_a_loss_only_diverged_trials_have_none(ax: Any) -> None:
    plots.outcome(SGD, "final_loss", ax=ax)
    assert texts(ax) == ["diverged"]


def test_the_best_the_critical_and_the_theory_are_lines_and_bands(ax: Any) -> None:
    best = lrsweep.Best(0.1, 0.01, 0.3, "steps", {"learning_rate": 0.1})
    critical = pd.DataFrame(
        {"seed": [0, 1, 2], "critical_learning_rate": [0.5, 0.7, 0.6], "found": "found", "theory": [0.55, 0.55, 0.55]}
    )
    plots.outcome(SGD, best=best, critical=critical, ax=ax)
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [0.1, 0.6, 0.55]
    assert texts(ax)[-3:] == ["best 0.1", "critical 0.6", "theory 0.55"]
    assert [(span.get_x(), span.get_x() + span.get_width()) for span in ax.patches] == [(0.01, 0.3), (0.5, 0.7)]


def test_a_number_is_drawn_as_it_is_and_what_was_not_found_is_not_drawn(ax: Any) -> None:
    plots.outcome(SGD, best=lrsweep.Best(NAN, NAN, NAN, "steps", {}), critical=0.5, theory=0.4, ax=ax)
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [0.5, 0.4]
    assert texts(ax)[-2:] == ["critical 0.5", "theory 0.4"]


def test_a_random_design_is_gathered_along_the_axis(ax: Any) -> None:
    rates = 10 ** np.random.default_rng(0).uniform(-4, 0, 1000)
    trials = table([(rate, "converged", round(1 / rate), 1.0) for rate in rates], ("learning_rate",))
    plots.outcome(trials, ax=ax)
    gathered = lrsweep.summarize_outcome(lrsweep.gather(trials, "learning_rate", 64))
    gathered = gathered.sort_values("learning_rate")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), gathered["learning_rate"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), gathered["median"])


def test_the_shares_are_stacked_one_upon_the_other(ax: Any) -> None:
    assert plots.statuses(SGD, ax=ax) is ax
    assert texts(ax) == ["converged", LEGEND["slow"], "diverged"]
    tops = {text: patch.get_data() for text, patch in zip(texts(ax), ax.patches, strict=True)}
    assert tops["converged"].values.tolist() == [0.5, 1, 0]
    assert tops[LEGEND["slow"]].baseline.tolist() == [0.5, 1, 0]
    assert tops[LEGEND["slow"]].values.tolist() == [1, 1, 0]
    assert tops["diverged"].values.tolist() == [1, 1, 1]
    # Halfway to the neighbours, on the scale of the axis.
    np.testing.assert_allclose(tops[LEGEND["slow"]].edges, 10.0 ** np.array([-2.5, -1.5, -0.5, 0.5]))
    assert (ax.get_xscale(), ax.get_ylabel(), ax.get_ylim()) == ("log", "share of trials", (0, 1))
    for text, patch in zip(texts(ax), ax.patches, strict=True):
        assert to_hex(patch.get_facecolor()) == COLOURS[text.split()[0]].lower()


def squared(rates: list[float], starts: list[Any], ends: list[str]) -> pd.DataFrame:
    """A table of every rate and start, with these statuses in turn; what converged did so at 1, 2, 3, ..."""
    cells = [(rate, start) for start in starts for rate in rates]
    at = [place + 1 if end == "converged" else None for place, end in enumerate(ends)]
    rows = [(*cell, end, after, 0.5) for cell, end, after in zip(cells, ends, at, strict=True)]
    return table(rows, ("learning_rate", "start"))


MAP = squared([0.01, 0.1, 1.0], [-1.0, 0.0], ["slow", "converged", "diverged", "converged", "converged", "diverged"])


def test_a_map_draws_the_outcome_and_where_there_is_none_the_status(ax: Any) -> None:
    assert plots.cells(MAP, "learning_rate", "start", ax=ax) is ax
    values, words = (mesh.get_array() for mesh in ax.collections)
    np.testing.assert_array_equal(values.filled(-1), [[-1, 2, -1], [4, 5, -1]])
    # Of diverged and slow, in the order of the alphabet.
    np.testing.assert_array_equal(words.filled(-1), [[1, -1, 0], [-1, -1, 0]])
    assert texts(ax) == ["diverged", LEGEND["slow"]]
    colours = [to_hex(colour) for colour in ax.collections[1].cmap.colors]
    assert colours == [COLOURS["diverged"].lower(), COLOURS["slow"].lower()]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "start")
    assert isinstance(ax.collections[0].norm, LogNorm)
    assert ax.figure.axes[1].get_ylabel() == "converged at (updates)"
    assert all(mesh.get_rasterized() for mesh in ax.collections)


def test_a_cell_of_which_half_converged_is_not_called_converged_where_its_loss_is_lost(ax: Any) -> None:
    trials = table([(0.1, 0, "converged", 3, 0.1), (0.1, 0, "diverged", None, 9.0)], ("learning_rate", "start"))
    plots.cells(trials, "learning_rate", "start", "final_loss", ax=ax)
    assert texts(ax) == ["diverged"]


def test_a_map_of_the_statuses_has_a_legend_and_no_colour_bar(ax: Any) -> None:
    plots.cells(MAP, "learning_rate", "start", "status", ax=ax)
    assert texts(ax) == ["converged", "diverged", LEGEND["slow"]]
    np.testing.assert_array_equal(ax.collections[0].get_array(), [[2, 0, 1], [0, 0, 1]])
    assert len(ax.figure.axes) == 1


def test_words_lie_side_by_side(ax: Any) -> None:
    trials = squared([0.1, 1.0], ["sgd", "$adam$"], ["converged", "slow", "converged", "converged"])
    plots.cells(trials, "learning_rate", "start", ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["sgd", r"\$adam\$"]
    assert ax.get_ylim() == (-0.5, 1.5)
    other = Figure().subplots()
    plots.outcome(trials, "final_loss", x="start", ax=other)
    assert [text.get_text() for text in other.get_xticklabels()] == ["sgd", r"\$adam\$"]
    assert {line.get_linestyle() for line in other.lines} == {"None"}


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_edges_of_cells_lie_halfway_to_the_neighbours(logarithmic: bool) -> None:
    values = np.array([1.0, 10.0, 1000.0])
    edges = cell_edges(values, logarithmic=logarithmic)
    middle = np.sqrt(values[1:] * values[:-1]) if logarithmic else (values[1:] + values[:-1]) / 2
    np.testing.assert_allclose(edges[1:-1], middle)
    np.testing.assert_allclose(edges[[0, -1]], [0.1**0.5, 10_000] if logarithmic else [1 - 4.5, 1000 + 495], rtol=1e-12)
    np.testing.assert_allclose(
        cell_edges(np.array([1.0]), logarithmic=logarithmic), [0.1**0.5, 10**0.5] if logarithmic else [0.5, 1.5]
    )


@pytest.mark.parametrize("x", ["optimizer", "nesterov", "width"])
def test_a_column_of_words_or_of_numbers_can_lie_along_every_chart(x: str) -> None:
    long = "an optimizer of a very long name"
    rows = [
        (name, nesterov, width, 0.1 * width, status, None, float(width))
        for name in ("sgd", long)
        for nesterov in (True, False)
        for width, status in ((1, "slow"), (2, "diverged"), (3, "stalled"))
    ]
    trials = table(rows, ("optimizer", "nesterov", "width", "learning_rate"))
    best = lrsweep.best_learning_rate(trials)
    assert best.setting == {"optimizer": "sgd", "nesterov": True, "width": 1, "learning_rate": 0.1}
    place = {"optimizer": 0.0, "nesterov": 0.0, "width": 1.0}[x]
    drawn = plots.outcome(trials, x=x, by=[], best=best)
    assert np.asarray(drawn.lines[-1].get_xdata()).tolist() == [place, place]
    plain = [drawn, plots.statuses(trials, x), plots.cells(trials, x, "learning_rate")]
    for ax in (*plain, plots.overview(trials, x).axes[1]):
        draw(ax.figure)
        names = [label.get_text() for label in ax.get_xticklabels()]
        assert names == {"optimizer": ["sgd", "an optim…long name"], "nesterov": ["True", "False"]}.get(x, names)
    with pytest.raises(ValueError, match=f"{x!r} lies along the axis: leave them out"):
        plots.outcome(trials, x=x, critical=0.5)


def test_the_overview_is_the_three_one_above_the_other_with_one_axis() -> None:
    figure = plots.overview(ADAM)
    fast, well, ended = figure.axes
    assert [ax.get_ylabel() for ax in figure.axes] == ["converged at (updates)", "final loss", "share of trials"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "learning rate"]
    assert fast.get_xlim() == well.get_xlim() == ended.get_xlim()
    assert texts(fast) == ["0", "0.9", "converged", LEGEND["slow"], "diverged"]
    assert [texts(well), texts(ended)] == [[], []]


def test_the_overview_of_settings_that_cannot_be_told_apart_is_of_all_as_one() -> None:
    random = np.random.default_rng(0)
    rows = [(*random.uniform(size=3), "converged", 5, 1.0) for _ in range(99)]
    fast = plots.overview(table(rows, ("learning_rate", "momentum", "decay"))).axes[0]
    assert len(fast.lines) == 1
    assert len(plots.overview(table(rows, ("learning_rate", "momentum", "decay")), by="decay").axes[0].lines) > 8


ODD = {
    "one trial": SGD[2:3],
    "all diverged": SGD[4:],
    "all converged": SGD[2:4],
    "one learning rate": SGD[:2],
    "a learning rate that is missing": SGD.assign(learning_rate=[0.1, NAN, 0.1, NAN, 0.2, 0.2]),
    "converged at the start": SGD[2:4].assign(converged_at=0, final_loss=0.0),
    "negative losses": SGD.assign(final_loss=-1.0),
    "dropped": SGD.assign(
        status=pd.Categorical(["dropped"] * 6, SGD["status"].cat.categories),
        converged_at=pd.array([pd.NA] * 6, "Int64"),
    ),
}


def test_words_are_drawn_as_they_are_whatever_marks_they_hold() -> None:
    trials = SGD.rename(columns={"learning_rate": "word"}).assign(word=["a", "b", "c", "_d", "e$", "$f$"])
    draw(plots.overview(trials, "word"))
    figure = Figure(layout="constrained")
    plots.cells(trials, "word", "seed", ax=figure.subplots())
    draw(figure)


@pytest.mark.parametrize("trials", ODD.values(), ids=ODD)
def test_odd_tables_are_drawn_too(trials: pd.DataFrame) -> None:
    draw(plots.overview(trials))
    figure = Figure(layout="constrained")
    plots.cells(trials, "learning_rate", "seed", ax=figure.subplots())
    draw(figure)


def test_no_trials_are_nothing_to_draw() -> None:
    drawings = [
        lambda: plots.losses(SGD[:0], CURVES),
        lambda: plots.outcome(SGD[:0]),
        lambda: plots.statuses(SGD[:0]),
        lambda: plots.cells(SGD[:0], "learning_rate", "seed"),
        lambda: plots.overview(SGD[:0]),
    ]
    for drawing in drawings:
        with pytest.raises(ValueError, match="the table is empty: there is nothing to draw of no trials"):
            drawing()


@pytest.mark.parametrize(
    ("drawing", "said"),
    [
        (lambda: plots.outcome(SGD, x="rate"), "there is no column 'rate'"),
        (lambda: plots.outcome(SGD, by="learning_rate"), "by names column 'learning_rate', which lies along the axis"),
        (lambda: plots.outcome(SGD, "status"), "outcome 'status' does not hold numbers"),
        (lambda: plots.statuses(SGD.assign(learning_rate=NAN)), "no trial has a 'learning_rate'"),
        (lambda: plots.overview(SGD, by="momentum"), "there is no column 'momentum'"),
        (lambda: plots.cells(SGD, "learning_rate", "start"), "y: there is no column 'start'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(drawing: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        drawing()


def test_a_users_names_are_shown_as_they_are() -> None:
    trials = SGD.rename(columns={"seed": "$\\frac_{$"}).assign(_x=["$a", "b", "$a", "b", "$a", "b"])
    trials = trials[["_x", *trials.columns[:-1]]]
    figure = Figure(layout="constrained")
    ax: Any = plots.outcome(trials, "final_loss", x="$\\frac_{$", by="_x", ax=figure.subplots())
    draw(figure)
    assert ax.get_xlabel() == "\\$\\frac_{\\$"
    assert ax.get_legend().get_title().get_text() == "_x"
    assert texts(ax)[0] == r"\$a"


def test_without_axes_a_new_figure_is_as_wide_as_a_papers_column() -> None:
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        for new in (plots.statuses(SGD), plots.outcome(SGD), plots.cells(SGD, "learning_rate", "seed")):
            figure = new.get_figure(root=True)
            assert figure is not None
            assert figure.get_figwidth() == 3.5
        plt.close("all")


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_same_table_gives_the_same_bytes(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for day in ("1", "1000000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)
        files.append(render(plots.overview(ADAM), ending))
    assert files[0] == files[1]
