"""The trials that a report draws one by one: all of a small table, a sample of a large one."""

import numpy as np
import pandas as pd

from lrsweep.report._wording import write_column
from lrsweep.tables._parts import Table, head_of, parts_of
from lrsweep.tables._schema import INDEX, final, metrics_of, settings_of
from lrsweep.tables._text import write

# More dots than this can hardly be told apart, and slow the browser down; a rare status has at least so many of them.
MOST_DOTS, LEAST_OF_STATUS = 4000, 100


def sample_trials(table: Table, ends: pd.Series, most: int = MOST_DOTS) -> pd.DataFrame:
    """Chooses trials to draw: all, or of every status its share of `most`, but no fewer than `LEAST_OF_STATUS`.

    Args:
        table: A result table, in parts or not.
        ends: How many trials ended in each status, as `count_ends` gives it.
        most: How many rows a table may have for all of them to be drawn.

    Returns:
        Rows of the table, in its order; the same for the same table.

    Example:
        >>> len(sample_trials(result.table, pd.Series({"converged": 2, "slow": 1})))
        3
    """
    total, draw, wanted = int(ends.sum()), np.random.default_rng(0), {}
    for status, trials in ends.items():
        share = max(LEAST_OF_STATUS, round(most * trials / max(total, 1)))
        chosen = trials if total <= most or trials <= share else share
        # Which of the trials that ended so, counted from the table's first.
        wanted[status] = np.arange(trials) if chosen == trials else np.sort(draw.choice(trials, chosen, replace=False))
    seen, found = dict.fromkeys(wanted, 0), []
    for part in parts_of(table, list(head_of(table).columns)):
        statuses, here = part["status"].to_numpy(object), []
        for status, places in wanted.items():
            rows = np.flatnonzero(statuses == status)
            first, end = np.searchsorted(places, [seen[status], seen[status] + len(rows)])
            here.append(rows[places[first:end] - seen[status]])
            seen[status] += len(rows)
        found.append(part.iloc[np.sort(np.concatenate(here))])
    return pd.concat(found)


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
