"""The exit codes of a command that has not done all that it was asked to, or has found nothing to use."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MISTAKE = 2
UNWRITTEN = 3
ALL_DIVERGED = 4


def code_of(table: "pd.DataFrame") -> int:
    """Gives the exit code that a result table calls for: 0, or that of one in which all trials diverged.

    Example:
        >>> code_of(result.table), code_of(result.table.assign(status="diverged"))
        (0, 4)
    """
    return ALL_DIVERGED if len(table) and (table["status"] == "diverged").all() else 0
