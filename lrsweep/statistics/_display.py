"""Summaries as people see them: HTML for a notebook, and the columns that fit on a screen."""

from typing import Any

import pandas as pd

from lrsweep.inputs._showing import paragraphs
from lrsweep.tables._schema import CONVERGED_AT, LEARNING_RATE
from lrsweep.tables._text import SHARES, show, tell_apart

# Of fewer seeds an interval is so wide that it alarms whoever does not know why.
FEW = 10

# By the columns that begin so the outcomes are found of which a summary holds quartiles.
_LOWER = "lower_quartile_"


class Summary(pd.DataFrame):
    """A table of statistics that shows itself in a notebook with its intervals beside its numbers.

    It is what `summarize` returns. What is made of it, by choosing columns say, is a DataFrame like any other.

    Example:
        >>> summary = lrsweep.summarize(result.table)
        >>> "<td>100%</td>" in summary._repr_html_()
        True
        >>> type(summary[["trials"]]).__name__
        'DataFrame'
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        return summary_html(self)


def summary_html(summary: pd.DataFrame) -> str:
    """Writes a summary as an HTML table: every statistic with its interval or its quartiles behind it.

    A single trial is shown without one, and below the table it says why those of few trials are wide.

    Args:
        summary: What `summarize` gives, or some of its rows.
    """
    cells = {name: tell_apart(summary[name]) for name in setting_names(summary)}
    for name in summary.columns[len(cells) :]:
        if name in SHARES:
            columns = [summary[each] for each in (name, f"{name}_low", f"{name}_high", "trials")]
            head = f"{name} (95% interval)" if (summary["trials"] > 1).any() else name
            cells[head] = [_with_interval(*values) for values in zip(*columns, strict=True)]
        elif name.startswith(_LOWER):
            outcome = name.removeprefix(_LOWER)
            parts = [summary[f"{part}_{outcome}"] for part in ("median", "lower_quartile", "upper_quartile")]
            cells[f"median {outcome} (quartiles)"] = [
                _with_quartiles(*(show(outcome, value) for value in values)) for values in zip(*parts, strict=True)
            ]
        elif name == "trials" or (name.startswith("median_") and name.replace("median_", _LOWER) not in summary):
            cells[column_head(name)] = [show(name, value) for value in summary[name]]
    table = pd.DataFrame(cells).to_html(index=False, border=0, max_rows=pd.get_option("display.max_rows"))
    few = summary.loc[summary["trials"].between(2, FEW - 1), "trials"]
    if few.empty:
        return table
    why = f"The intervals are wide because a setting has as few as {few.min()} trials; more seeds narrow them."
    return f"{table}\n{paragraphs(why)}"


def _with_interval(share: float, low: float, high: float, trials: int) -> str:
    return f"{share:.0%}" if trials == 1 else f"{share:.0%} ({low * 100:.0f} to {high * 100:.0f})"


def _with_quartiles(median: str, lower: str, upper: str) -> str:
    return median if lower == median == upper else f"{median} ({lower} to {upper})"


def setting_names(summary: pd.DataFrame) -> list[str]:
    """Names the columns of a summary that make a setting: those before `trials`.

    Example:
        >>> setting_names(lrsweep.summarize(result.table))
        ['learning_rate']
    """
    return list(summary.columns[: summary.columns.get_loc("trials")])


# Up to so many settings all are shown; of more of them only so many, the best.
MOST_SHOWN = 40
SHOWN_OF_MANY = 20


# The statistics that are shown of every table; of a metric the median at the end is shown beside them.
SHOWN = ("trials", *SHARES, "median_converged_at", "median_final_loss")


def columns_shown(summary: pd.DataFrame) -> list[str]:
    """Names the columns of a summary that fit on a line: no intervals, no outer quartiles.

    Where the loss or a metric answers for the table, its median at the best updates is shown beside that at the end;
    and convergence is shown where some trial converged.

    Example:
        >>> columns_shown(lrsweep.summarize(result.table))
        ['learning_rate', 'trials', 'converged', 'diverged', 'median_converged_at', 'median_final_loss']
        >>> columns_shown(lrsweep.summarize(result.table.assign(status="slow")))
        ['learning_rate', 'trials', 'median_final_loss', 'median_best_loss', 'diverged']
    """
    settings = setting_names(summary)
    statistics = list(summary.columns[len(settings) :])
    shown = [name for name in statistics if name in SHOWN or name.startswith("median_final_")]
    last, at_best = [name.removeprefix(_LOWER) for name in statistics if name.startswith(_LOWER)][:2]
    if last == CONVERGED_AT:
        return settings + shown
    if not summary["converged"].any():
        shown = [name for name in shown if name not in ("converged", f"median_{CONVERGED_AT}")]
    shown.insert(shown.index(f"median_{last}") + 1, f"median_{at_best}")
    # Of runs of other programs a metric may be known, and no loss.
    if last != "final_loss" and len(summary) and summary["median_final_loss"].isna().all():
        shown.remove("median_final_loss")
    return settings + shown


def column_head(name: str) -> str:
    """Writes the name of a column as the head of a shown table.

    Example:
        >>> column_head("median_converged_at"), column_head("momentum")
        ('median converged_at', 'momentum')
    """
    return name.replace("median_", "median ")


def write_cells(shown: pd.DataFrame) -> dict[str, list[str]]:
    """Writes the columns of a summary as text, cell by cell.

    Example:
        >>> write_cells(lrsweep.summarize(result.table)[["learning_rate", "converged", "median_converged_at"]])
        {'learning_rate': ['0.1', '0.01', '0.001'], 'converged': ['100%', '100%', '0%'],
         'median_converged_at': ['51', '526', '-']}
    """
    cells = {name: [show(name, value) for value in shown[name]] for name in shown.columns}
    if LEARNING_RATE in cells:
        cells[LEARNING_RATE] = tell_apart(shown[LEARNING_RATE])
    return cells
