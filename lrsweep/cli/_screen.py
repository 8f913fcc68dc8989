"""A summary laid out for a screen: its best rows where there are many, folded to the width there is."""

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from lrsweep.statistics._best import rank
from lrsweep.statistics._display import MOST_SHOWN, SHOWN_OF_MANY, cells_of, head, shown_of
from lrsweep.tables._schema import LEARNING_RATE, LOSS

# So many learning rates on either side of the answer are shown where a zoom has but one.
SHOWN_BESIDE = 4

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
