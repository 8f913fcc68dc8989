"""The trials that a report draws one by one: all of a small table, a sample of a large one."""

import numpy as np
import pandas as pd

from lrsweep.report._wording import write_column
from lrsweep.tables._schema import INDEX, final, metrics_of, settings_of
from lrsweep.tables._text import write

# More dots than this can hardly be told apart, and slow the browser down; a rare status has at least so many of them.
MOST_DOTS, LEAST_OF_STATUS = 4000, 100


def sample_rows(table: pd.DataFrame, most: int = MOST_DOTS) -> np.ndarray:
    """Chooses rows to draw: all, or of every status its share of `most`, but no fewer than `LEAST_OF_STATUS`.

    Args:
        table: A result table.
        most: How many rows a table may have for all of them to be drawn.

    Returns:
        ``[row] int64``, ascending; the same for the same table.

    Example:
        >>> sample_rows(result.table)
        array([0, 1, 2])
    """
    if len(table) <= most:
        return np.arange(len(table))
    draw, codes, drawn = np.random.default_rng(0), table["status"].cat.codes.to_numpy(), []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        wanted = max(LEAST_OF_STATUS, round(most * len(rows) / len(table)))
        drawn.append(rows if len(rows) <= wanted else draw.choice(rows, wanted, replace=False))
    return np.sort(np.concatenate(drawn))


def write_trials(table: pd.DataFrame) -> dict[str, list[str]]:
    """Writes each trial as text for its tooltip: its label, its settings, and how it ended.

    Args:
        table: Rows of a result table.

    Returns:
        ``[trial]`` lists of text, by column; columns that are missing in every row are left out.

    Example:
        >>> {name: texts[0] for name, texts in write_trials(result.table).items()}
        {'trial': '0', 'learning_rate': '0.1', 'status': 'converged', 'steps': '60', 'converged_at': '51',
         'initial_loss': '1.667', 'final_loss': '3.562e-05', 'best_loss': '3.562e-05'}
    """
    settings = {name: write_column(table[name]) for name in settings_of(table)}
    names = ["status", "steps", "converged_at", "diverged_at", "initial_loss", "final_loss", "best_loss"]
    names += [final(metric) for metric in metrics_of(table)]
    names += [name for name in ("stability", "cause") if name in table.columns]
    results = {name: [write(value, "nan") for value in table[name].tolist()] for name in names}
    results = {name: texts for name, texts in results.items() if any(text != "-" for text in texts)}
    return {INDEX: [write(label) for label in table.index], **settings, **results}
