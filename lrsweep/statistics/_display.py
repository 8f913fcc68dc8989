"""How numbers and summaries are shown: text for a screen, HTML for a notebook."""

from typing import Any

import pandas as pd

from lrsweep.tables._schema import LEARNING_RATE
from lrsweep.tables._text import SHARES, show, tell_apart

# A share's interval and a number's quartiles stand in one cell of a notebook's table, behind what they belong to.
_QUARTILES = ("converged_at", "final_loss", "best_loss")


class Summary(pd.DataFrame):
    """What `summarize` returns: a DataFrame that shows itself in a notebook with its intervals beside its numbers.

    What is made of it, by choosing columns say, is a DataFrame like any other.

    Example:
        >>> summary = lrsweep.summarize(result.table)
        >>> "<td>100% (21 to 100)</td>" in summary._repr_html_()
        True
        >>> type(summary[["trials"]]).__name__
        'DataFrame'
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        return in_html(self)


def in_html(summary: pd.DataFrame) -> str:
    """A summary as an HTML table of text: every statistic with its interval or its quartiles behind it.

    Args:
        summary: What `summarize` gives, or some of its rows.
    """
    names = list(summary.columns)
    settings = names[: names.index("trials")]
    cells = {name: tell_apart(summary[name]) for name in settings}
    cells["trials"] = [show("trials", count) for count in summary["trials"]]
    for name in SHARES:
        low, high = (summary[f"{name}_{end}"] for end in ("low", "high"))
        cells[f"{name} (95% interval)"] = [
            f"{share:.0%} ({least * 100:.0f} to {most * 100:.0f})"
            for share, least, most in zip(summary[name], low, high, strict=True)
        ]
    for name in _QUARTILES:
        parts = [summary[f"{part}_{name}"] for part in ("median", "lower_quartile", "upper_quartile")]
        cells[f"median {name} (quartiles)"] = [
            _with_range(*(show(name, value) for value in values)) for values in zip(*parts, strict=True)
        ]
    for name in names:
        if name.startswith("median_final_") and name != "median_final_loss":
            cells[name.replace("_", " ", 1)] = [show(name, value) for value in summary[name]]
    return pd.DataFrame(cells).to_html(index=False, border=0, max_rows=pd.get_option("display.max_rows"))


def _with_range(middle: str, low: str, high: str) -> str:
    return middle if low == middle == high else f"{middle} ({low} to {high})"


# More settings than this are not a table to read: the best of them are shown.
MOST_SHOWN = 40
SHOWN_OF_MANY = 20


# What is shown of the trials that every table has; of a metric it is the median at the end.
SHOWN = ("trials", "converged", "diverged", "median_converged_at", "median_final_loss")


def shown_of(summary: pd.DataFrame) -> list[str]:
    """The settings' columns, and of their statistics what fits on a line: no intervals, no outer quartiles.

    Example:
        >>> shown_of(lrsweep.summarize(result.table))
        ['learning_rate', 'trials', 'converged', 'diverged', 'median_converged_at', 'median_final_loss']
    """
    names = list(summary.columns)
    of_settings = names[: names.index("trials")]
    statistics = names[len(of_settings) :]
    return of_settings + [name for name in statistics if name in SHOWN or name.startswith("median_final_")]


def head(name: str) -> str:
    """What a column of a summary is called where it is shown.

    Example:
        >>> head("median_converged_at"), head("momentum")
        ('median converged_at', 'momentum')
    """
    return name.replace("median_", "median ")


def cells_of(shown: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of a summary as text, cell by cell.

    Example:
        >>> cells_of(lrsweep.summarize(result.table)[["learning_rate", "converged", "median_converged_at"]])
        {'learning_rate': ['0.1', '0.01', '0.001'], 'converged': ['100%', '100%', '0%'],
         'median_converged_at': ['51', '526', '-']}
    """
    cells = {name: [show(name, value) for value in shown[name]] for name in shown.columns}
    if LEARNING_RATE in cells:
        cells[LEARNING_RATE] = tell_apart(shown[LEARNING_RATE])
    return cells
