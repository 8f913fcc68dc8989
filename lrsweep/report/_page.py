"""write_report(): a report on a result table, as one HTML file that opens offline."""

import importlib.metadata
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lrsweep.inputs._errors import InputTypeError
from lrsweep.inputs._messages import plural
from lrsweep.plots._style import COLOURS, LEGEND, MARKERS
from lrsweep.report._charts import Chart, draw_charts
from lrsweep.report._curves import by_name
from lrsweep.report._embedding import chart_json, content_policy, library, read_text, style, template
from lrsweep.report._facts import Facts, facts_of
from lrsweep.report._kinds import Kind, kinds_of
from lrsweep.report._next_steps import tell_next
from lrsweep.report._provenance import write_provenance
from lrsweep.report._sureness import tell_sureness
from lrsweep.report._tried import tell_tried
from lrsweep.report._wording import DIVERGED_OUTSIDE, GLOSSARY
from lrsweep.statistics._advice import count_ends
from lrsweep.statistics._best import find_best, rank
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._display import MOST_SHOWN, SHOWN_OF_MANY, column_head, columns_shown, write_cells
from lrsweep.statistics._summary import summarize
from lrsweep.statistics._verdict import judge
from lrsweep.tables._files import check_path, replace_files
from lrsweep.tables._parts import Table, head_of, is_in_parts
from lrsweep.tables._schema import LEARNING_RATE, Criterion, criterion_of, settings_of

ENDINGS = (".html", ".htm")

# By this the file of a report is recognised.
_GENERATOR = b'<meta name="generator" content="lrsweep '

# The markers of `lrsweep.plots._style` as paths within 8 units of the middle.
_MARKS = {
    "o": "M6 0A6 6 0 1 1 -6 0A6 6 0 1 1 6 0Z",
    "X": "M-5 -5L5 5M-5 5L5 -5",
    ">": "M-5 -6L6 0L-5 6Z",
    "D": "M0 -7L5 0L0 7L-5 0Z",
    "s": "M-5 -5H5V5H-5Z",
    "^": "M-6 5L0 -6L6 5Z",
    "v": "M-6 -5H6L0 6Z",
}


def write_report(
    table: Table,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
    *,
    curves: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    x: str | None = None,
) -> None:
    """Writes a report on a table: one HTML file, which opens offline in any browser.

    It holds the answer in a sentence; what was tried, how sure the answer is, and what to do next; charts of the
    outcomes against the learning rate (where there is none, against a setting of several values), with what they show
    in words, a tooltip for each trial, and filters by setting; the curves by setting; the numbers of each chart, to be
    read and to be saved as CSV; the best settings; the trials that went wrong, and how the others ended; and how to run
    them again. It can be read on a phone and on paper, by keyboard and by ear. First among the charts is
    what answers for the table: when trials converged, or, where a metric decides the best or none converged, how good
    that metric or the loss got. Of a large table every trial is counted, and some thousands are drawn. The same table
    gives the same bytes, with the same versions of lrsweep and Bokeh. A file that exists is replaced only once the new
    one is complete.

    Args:
        table: A result table, or a `Store`.
        path: The file to write, which ends in `.html` or `.htm`.
        provenance: What made the table, as `Sweep.provenance` or the `.json` beside a table holds it; None where it is
            not known.
        curves: What was recorded of the trials, `Sweep.curves`: ``[trial, record]`` tables by name, among which the
            reader of the page can switch, or one such table of losses; None where nothing was.
        x: The column of the caller's to draw against, of numbers or of words; None for the learning rate.

    Raises:
        TypeError: The table is no DataFrame and no store, the provenance no mapping that JSON can hold, or the curves
            no tables; or there are curves with a store.
        ValueError: It is not a result table, what decides the best differs from row to row, the ending is another,
            the folder does not exist or cannot be written to, there is no such column, or a trial has no curve.

    Example:
        >>> lrsweep.write_report(result.table, folder / "report.html", result.provenance)
        >>> "Use learning_rate 0.1" in (folder / "report.html").read_text(encoding="utf-8")
        True
    """
    path = check_page(path)
    if not isinstance(table, pd.DataFrame) and not is_in_parts(table):
        raise InputTypeError(f"the table must be a result table (see lrsweep.sweep), not a {type(table).__name__}")
    if curves is not None and not isinstance(table, pd.DataFrame):
        raise InputTypeError("curves are drawn of a table in memory: give the .table of the store, or leave them out")
    if provenance is not None and not isinstance(provenance, Mapping):
        raise InputTypeError(f"the provenance must be a mapping or None, not a {type(provenance).__name__}")
    replace_files({path: page_content(table, provenance, title=path.stem, curves=curves, x=x)})


def check_page(path: str | os.PathLike[str]) -> Path:
    """Refuses a place that a report cannot be written to.

    Raises:
        ValueError: The ending is not `.html` or `.htm`, the folder does not exist or cannot be written to, or `path`
            is a folder.

    Example:
        >>> check_page("report.html").name
        'report.html'
    """
    return check_path(path, ENDINGS)


def is_page(path: Path) -> bool:
    """Tells whether a file is a report.

    Example:
        >>> lrsweep.write_report(result.table, folder / "report.html")
        >>> is_page(folder / "report.html")
        True
    """
    return _GENERATOR in path.read_bytes()


def page_content(
    table: Table,
    provenance: Mapping[str, Any] | None,
    *,
    title: str,
    curves: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    x: str | None = None,
) -> bytes:
    """Gives a report as the content of a file; see `make_page`.

    Example:
        >>> page_content(result.table, None, title="sweep")[:15]
        b'<!DOCTYPE html>'
    """
    # Those bytes of a file's name that are not UTF-8 are shown as escapes.
    return make_page(table, provenance, title=title, curves=curves, x=x).encode("utf-8", "backslashreplace")


def make_page(
    table: Table,
    provenance: Mapping[str, Any] | None,
    *,
    title: str,
    curves: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    x: str | None = None,
) -> str:
    """Makes the HTML of a report.

    Args:
        table: A result table, in parts or not.
        provenance: What made the table, or None.
        title: The title of the page.
        curves: What was recorded of the trials, as `write_report` takes it.
        x: The column to draw against, or None.

    Example:
        >>> make_page(result.table, None, title="sweep").startswith("<!DOCTYPE html>")
        True
    """
    head = head_of(table)
    own = settings_of(head)
    summary, recorded = summarize(table), None if provenance is None else provenance.get("trials")
    rates = LEARNING_RATE in own and bool(summary[LEARNING_RATE].notna().any())
    best = find_best(table, None, summary=summary) if rates and is_numeric(head[LEARNING_RATE]) else None
    chart_set = draw_charts(table, best, x, by_name(curves))
    statuses = count_ends(table).reindex(list(COLOURS)).fillna(0).astype(int)
    facts, trials = facts_of(table, summary, best, statuses), int(statuses.sum())
    kinds = [_kind(kind, is_outside=facts.is_outside) for kind in kinds_of(table)]
    script = read_text("page.js")
    return template().render(
        title=title,
        source=_source(provenance, title, facts),
        question=f"Which {'learning rate' if rates else 'setting'} should I take?",
        answer=judge(table, best=best, summary=summary),
        tried=tell_tried(summary, facts, provenance),
        sureness=tell_sureness(facts),
        steps=tell_next(facts),
        chart_set=chart_set,
        file_names={chart.key: _file_name(title, chart) for chart in chart_set.charts},
        statuses=[
            {"name": name, "label": LEGEND[str(name)], "trials": f"{trials:,}"}
            for name, trials in statuses.items()
            if trials
        ],
        labels=LEGEND,
        summary=_best_settings(summary, criterion_of(head)),
        wrong=[kind for kind in kinds if kind["went_wrong"]],
        others=[kind for kind in kinds if not kind["went_wrong"]],
        none_wrong=_none_wrong(statuses),
        is_outside=facts.is_outside,
        provenance=None if provenance is None else write_provenance(provenance, own),
        doubt=f"That record is of {recorded:,} trials, and this table has {trials:,}: it may be another table's."
        if isinstance(recorded, int) and recorded != trials
        else None,
        glossary=GLOSSARY,
        version=importlib.metadata.version("lrsweep"),
        colours=COLOURS,
        marks={status: _MARKS[marker] for status, marker in MARKERS.items()},
        style=style(),
        data=chart_json(chart_set.charts),
        library=library(),
        script=script,
        policy=content_policy([library(), script]),
    )


def _kind(kind: Kind, *, is_outside: bool) -> dict[str, Any]:
    """Gives what the page says of a kind of trials that did not converge."""
    count = plural(kind.trials, "trial")
    caption = f"{_kind_caption(kind)} ({kind.status}{f': {kind.cause}' if kind.cause else ''})"
    meaning = DIVERGED_OUTSIDE if is_outside and kind.status == "diverged" else kind.meaning
    return kind._asdict() | {"count": count, "caption": caption, "meaning": meaning}


def _source(provenance: Mapping[str, Any] | None, title: str, facts: Facts) -> str:
    """Says what the page is, and what it is of."""
    if facts.is_outside:
        return f"Report on {title}: runs of another program, compared by lrsweep"
    named = [str(provenance[name]) for name in ("objective", "optimizer") if provenance.get(name)] if provenance else []
    return f"Report on {title}: a sweep{f' of {named[0]}' if named else ''}{f' with {named[1]}' if named[1:] else ''}"


def _file_name(title: str, chart: Chart) -> str:
    """Names the files that a chart's numbers are saved to; the kind of the table and the ending follow."""
    return re.sub(r"[^\w.-]+", "-", f"{title}-{chart.heading}").strip("-").lower()


def _best_settings(summary: pd.DataFrame, criterion: Criterion) -> dict[str, Any]:
    """Gives the caption, the heads and the rows of the table of the best settings."""
    shown = rank(summary, criterion).head(SHOWN_OF_MANY if len(summary) > MOST_SHOWN else MOST_SHOWN)[
        columns_shown(summary)
    ]
    cells = write_cells(shown)
    caption = "The settings, over their seeds."
    if len(shown) < len(summary):
        caption = f"The best {len(shown)} of {len(summary):,} settings, over their seeds."
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    hint = _hint({cell for row in rows for cell in row})
    return {"caption": caption, "hint": hint, "heads": [column_head(name) for name in cells], "rows": rows}


def _hint(cells: set[str]) -> str:
    """Says what cells without a number mean, where there are any."""
    sentences = ["A dash: there is no such number."] if "-" in cells else []
    if {"inf", "-inf"} & cells:
        sentences.append("inf or -inf: half of the trials or more diverged.")
    return " ".join(sentences)


def _none_wrong(statuses: pd.Series) -> str:
    if not statuses.any():
        return "There are no trials."
    return "None did: every trial converged." if statuses["converged"] == statuses.sum() else "None did."


def _kind_caption(kind: Kind) -> str:
    shown = f"{len(kind.rows)} of the {kind.settings:,}" if len(kind.rows) < kind.settings else "The"
    return f"{shown} settings with such trials, those with most of them first."
