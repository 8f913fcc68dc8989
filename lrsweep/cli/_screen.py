"""A summary on a screen: its best rows where there are many, folded to the width there is, above the answer."""

import re
import sys

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrsweep.cli._printing import print_out, width_of
from lrsweep.statistics._best import rank
from lrsweep.statistics._compare import Comparison
from lrsweep.statistics._compared import columns_compared
from lrsweep.statistics._critical import advise_critical, summarize_critical
from lrsweep.statistics._display import MOST_SHOWN, SHOWN_OF_MANY, column_head, columns_shown, write_cells
from lrsweep.statistics._range_test import advise_range_test
from lrsweep.tables import _parts
from lrsweep.tables._schema import BY_LOSS, LEARNING_RATE, Criterion, criterion_of

# So many learning rates on either side of the answer are shown where a zoom has but one.
SHOWN_BESIDE = 4

_BETWEEN = 3

# Where the names of columns are broken: nowhere; at spaces; and at underscores, which stay where they were, too.
_JOINTS = ("$^", "(?<= )", "(?<=[ _])")


def print_summary(
    summary: pd.DataFrame, table: _parts.Table, answer: str, *, rest: str = "--out FILE has every trial"
) -> None:
    """Prints a summary and, below it, the answer.

    Args:
        summary: What `summarize` gives, or some rows of it.
        table: The result table that it sums up, in parts or not.
        answer: What the table comes to.
        rest: Where the rows are that are too many to print.
    """
    shown = pick(summary, criterion_of(_parts.head_of(table)))
    _print_rows(shown)
    if len(shown) < len(summary):
        print_out(f"\nThese are the best {len(shown)} of {len(summary):,} settings; {rest}.")
    print_out(f"\n{answer}")


def print_edges(table: pd.DataFrame, low: float, high: float) -> None:
    """Prints at which learning rates the starts diverge, by setting, and which one to stay below.

    Args:
        table: What `critical_learning_rate` gives.
        low: The least learning rate that was tried.
        high: The greatest.
    """
    summary = summarize_critical(table)
    shown = summary.head(SHOWN_OF_MANY) if len(summary) > MOST_SHOWN else summary
    _print_rows(shown)
    if len(shown) < len(summary):
        print_out(f"\nThese are the first {len(shown)} of {len(summary):,} settings; --out FILE has every start.")
    print_out(f"\n{advise_critical(table, low=low, high=high)}")


def print_suggestions(suggestions: pd.DataFrame, *, low: float, high: float) -> None:
    """Prints what a range test suggests, by setting, and where to begin.

    Args:
        suggestions: Those of a `RangeTest`.
        low: The first learning rate.
        high: The last.
    """
    shown = suggestions.head(SHOWN_OF_MANY) if len(suggestions) > MOST_SHOWN else suggestions
    _print_rows(shown)
    if len(shown) < len(suggestions):
        print_out(f"\nThese are the first {len(shown)} of {len(suggestions):,} settings.")
    print_out(f"\n{advise_range_test(suggestions, low=low, high=high)}")


def print_comparison(compared: Comparison, a: str, b: str) -> None:
    """Prints by how much two tables differ, by setting, what was paired, and what it comes to.

    Args:
        compared: The comparison.
        a: The name of the first table.
        b: That of the second.
    """
    table = compared.table
    shown = table.sort_values("p_value", kind="stable").head(SHOWN_OF_MANY) if len(table) > MOST_SHOWN else table
    _print_rows(shown[columns_compared(table)])
    if len(shown) < len(table):
        print_out(f"\nThese {len(shown)} of {len(table):,} settings differ the most surely; --out FILE has them all.")
    print_out(f"\nA is {a}, B is {b}. {compared.pairing}\n\n{compared.answer}")


def near(summary: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Picks the rows of a zoom's summary to show: the answer and what lies around it, or each setting's answer.

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


def pick(summary: pd.DataFrame, criterion: Criterion = BY_LOSS) -> pd.DataFrame:
    """Picks the columns of a summary to show, and its best rows where there are many.

    Args:
        summary: What `summarize` gives.
        criterion: What decides which rows are the best.

    Example:
        >>> list(pick(lrsweep.summarize(result.table)).columns)[:3]
        ['learning_rate', 'trials', 'converged']
    """
    shown = rank(summary, criterion).head(SHOWN_OF_MANY) if len(summary) > MOST_SHOWN else summary
    return shown[columns_shown(summary)]


def lay_out(shown: pd.DataFrame, *, room: int | None) -> Table:
    """Lays rows out as a table of text. Names are broken between words where there is little room, numbers never.

    Args:
        shown: Rows of statistics, as `pick` gives them.
        room: The width there is, in characters, or None where there is no edge.

    Returns:
        A Rich table; its `width` is set, and larger than `room` where not even single words fit.

    Example:
        >>> table = lay_out(pick(lrsweep.summarize(result.table)), room=70)
        >>> table.row_count, table.width
        (3, 66)
    """
    cells = write_cells(shown)
    headers, widths = _folded(cells, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, width=_total(widths))
    for name, header in headers.items():
        table.add_column(Text(header), justify="right", overflow="fold", width=widths[name])
    for row in zip(*cells.values(), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def _fold(header: str, joint: str) -> str:
    """Breaks a column's name into lines at every joint."""
    return "\n".join(word.rstrip() for word in re.split(joint, header))


def _folded(cells: dict[str, list[str]], room: int | None) -> tuple[dict[str, str], dict[str, int]]:
    """Gives the columns' names, broken as seldom as they fit between the edges, and the widths of the columns."""
    headers, widths = {}, {}
    for joint in _JOINTS:
        headers = {name: _fold(column_head(name), joint) for name in cells}
        widths = {name: max(map(len, [*headers[name].split("\n"), *column])) for name, column in cells.items()}
        if room is None or _total(widths) <= room:
            break
    return headers, widths


def _total(widths: dict[str, int]) -> int:
    """Gives the width of a whole row."""
    return sum(widths.values()) + _BETWEEN * (len(widths) - 1)


def _print_rows(shown: pd.DataFrame) -> None:
    """Prints rows as a table at its own width, or as words where a terminal is narrower than that."""
    room = width_of(sys.stdout)
    layout = lay_out(shown, room=room)
    if room is None or (layout.width or 0) <= room:
        Console(width=layout.width).print(layout)
        return
    cells = write_cells(shown)
    for row in zip(*cells.values(), strict=True):
        told = [f"{column_head(name)} {cell}" for name, cell in zip(cells, row, strict=True) if cell != "-"]
        print_out(", ".join(told), indent=2)
