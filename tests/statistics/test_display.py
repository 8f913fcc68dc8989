"""What summaries and sweeps show of themselves in a notebook."""

import re
from html import unescape

import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._display import Summary


def rows_of(page: str) -> list[list[str]]:
    """The cells of an HTML table as text, its header first."""
    return [
        [unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr.*?</tr>", page, re.S)
    ]


@pytest.fixture(scope="module")
def seeded() -> lrsweep.Sweep:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 1.0], seed=range(4))
    return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=550)


def test_a_summary_shows_its_intervals_and_quartiles_beside_its_numbers(seeded: lrsweep.Sweep) -> None:
    summary = lrsweep.summarize(seeded.table)
    header, *rows = rows_of(summary._repr_html_())
    assert header[:4] == ["learning_rate", "trials", "converged (95% interval)", "diverged (95% interval)"]
    assert header[4:] == [f"median {name} (quartiles)" for name in ("converged_at", "final_loss", "best_loss")]
    first = summary.iloc[0]
    # Of four trials all converged: Wilson's interval begins at 4 / (4 + 1.96^2).
    assert rows[0][:4] == ["0.1", "4", "100% (51 to 100)", "0% (0 to 49)"]
    quartiles = [first[f"{part}_converged_at"] for part in ("median", "lower_quartile", "upper_quartile")]
    assert [float(text) for text in re.split(r" \(| to |\)", rows[0][4])[:3]] == pytest.approx(quartiles, rel=1e-3)
    assert rows[2][4:6] == ["-", "inf"]


def test_why_intervals_of_few_trials_are_wide_stands_below_them_and_a_single_trial_has_none(
    seeded: lrsweep.Sweep,
) -> None:
    why = "<p>The intervals are wide because a setting has as few as 4 trials; more seeds narrow them.</p>"
    assert lrsweep.summarize(seeded.table)._repr_html_().endswith(why)
    many = pd.concat([seeded.table] * 3, ignore_index=True)
    assert "narrow" not in lrsweep.summarize(many)._repr_html_()
    header, *rows = rows_of(lrsweep.summarize(seeded.table.query("seed == 0"))._repr_html_())
    assert header[2:4] == ["converged", "diverged"]
    assert [row[2:4] for row in rows] == [["100%", "0%"], ["0%", "0%"], ["0%", "100%"]]


def test_names_of_the_callers_stay_text_in_a_notebook(seeded: lrsweep.Sweep) -> None:
    named = seeded.table.assign(**{"<script>": "<b>"})[["<script>", *seeded.table.columns]]
    page = lrsweep.summarize(named)._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert rows_of(page)[0][0] == "<script>"


def test_what_is_made_of_a_summary_is_a_plain_table(seeded: lrsweep.Sweep) -> None:
    summary = lrsweep.summarize(seeded.table)
    assert type(summary) is Summary
    for made in (summary[["trials"]], summary.head(1), summary.set_index("learning_rate"), summary.copy()):
        assert type(made) is pd.DataFrame


def test_a_sweep_shows_what_was_run_what_came_of_it_and_its_summary(seeded: lrsweep.Sweep) -> None:
    ran, ends, answer, *table = seeded._repr_html_().split("\n")
    assert ran.startswith("<p>line, sgd: 12 trials of up to 550 updates, in ")
    counts = seeded.table["status"].value_counts()
    assert ends == f"<p>{counts['converged']} converged, {counts['diverged']} diverged, {counts['slow']} slow.</p>"
    assert answer.startswith("<p>Use learning_rate 0.1: all 4 trials converged after a median of ")
    assert rows_of("\n".join(table)) == rows_of(lrsweep.summarize(seeded.table)._repr_html_())


def test_of_many_settings_a_sweep_shows_the_best() -> None:
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(0.01, 0.2, 30))
    sweep = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=550)
    page = sweep._repr_html_()
    assert "The best 20 of 30 settings:" in page
    _, *rows = rows_of(page)
    ordered = sweep.table.sort_values(["converged_at", "final_loss"])["learning_rate"].head(20)
    assert [float(row[0]) for row in rows] == pytest.approx(ordered.tolist(), rel=1e-3)
