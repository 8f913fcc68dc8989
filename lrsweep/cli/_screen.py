"""A summary laid out for a screen: its best rows where there are many, folded to the width there is."""

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from lrsweep.problems._objective import LOSS
from lrsweep.statistics._best import rank
from lrsweep.statistics._display import show, tell_apart
from lrsweep.statistics._summary import LEARNING_RATE

# More settings than this are not a table to read: the best of them are shown.
MOST_SHOWN = 40
SHOWN_OF_MANY = 20

# So many learning rates on either side of the answer are shown where a zoom has but one.
SHOWN_BESIDE = 4

# What is shown of the trials that every table has; of a metric it is the median at the end.
SHOWN = ("trials", "converged", "diverged", "median_converged_at", "median_final_loss")

_BETWEEN = 3


def near(summary: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The rows of a zoom's summary to show: the answer and what lies around it, or each setting's answer.

    Args:
        summary: What `summarize` gives for the table of all rounds.
        found: What `refine` found.

    Returns:
        Where there is one setting, its rows next to the answer, learning rates ascending; otherwise one row per
        setting, at its answer.

    Example:
        >>> found = pd.DataFrame({"learning_rate": [0.01], "low": [0.001], "high": [0.1]})
        >>> near(lrsweep.summarize(result.table), found)["learning_rate"].tolist()
        [0.001, 0.01, 0.1]
    """
    # Where all trials diverged, there is only the other side of the edge to show.
    answers = found[LEARNING_RATE].fillna(found["high"])
    without = summary[summary[LEARNING_RATE].isna()]
    if len(found) == 1 and without.empty:
        ascending = summary.sort_values(LEARNING_RATE)
        place = int(ascending[LEARNING_RATE].searchsorted(answers[0]))
        return ascending.iloc[max(0, place - SHOWN_BESIDE) : place + SHOWN_BESIDE + 1]
    wanted = found.assign(**{LEARNING_RATE: answers}).drop(columns=["low", "high"])
    return pd.concat([wanted.merge(summary, on=list(wanted.columns)), without])[list(summary.columns)]


def lay_out(summary: pd.DataFrame, *, room: int | None, best_by: str = LOSS) -> Table:
    """A summary as a table of text. Names are folded where there is little room, numbers never.

    Args:
        summary: What `summarize` gives.
        room: The width there is, in characters, or None where there is no edge.
        best_by: What decides which rows are the best.

    Returns:
        A Rich table; its `width` is set, and larger than `room` where not even the numbers fit.

    Example:
        >>> table = lay_out(lrsweep.summarize(result.table), room=40)
        >>> table.row_count, table.width
        (3, 40)
    """
    shown = rank(summary, best_by).head(SHOWN_OF_MANY) if len(summary) > MOST_SHOWN else summary
    return lay_out_rows(shown[shown_of(summary)], room=room)


def lay_out_rows(shown: pd.DataFrame, *, room: int | None) -> Table:
    """Every row of a summary as a table of text, as `lay_out` has it."""
    cells = cells_of(shown)
    headers = {name: head(name) for name in cells}
    widths = _widths(cells, headers, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, width=_total(widths))
    for name, header in headers.items():
        table.add_column(Text(header), justify="right", overflow="fold", width=widths[name])
    for row in zip(*cells.values(), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


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


def _widths(cells: dict[str, list[str]], headers: dict[str, str], room: int | None) -> dict[str, int]:
    full = {name: max(len(text) for text in [headers[name], *column]) for name, column in cells.items()}
    if room is None or _total(full) <= room:
        return full
    # What room the numbers leave goes, character by character, to the name most in need of it.
    widths = {name: max((len(cell) for cell in column), default=1) for name, column in cells.items()}
    for _ in range(room - _total(widths)):
        widths[max(widths, key=lambda name: full[name] - widths[name])] += 1
    return widths


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + _BETWEEN * (len(widths) - 1)
