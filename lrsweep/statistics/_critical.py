"""What a search for critical learning rates says: statistics per setting, and which learning rate to stay below."""

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._starts import ADVICE
from lrsweep.statistics._summary import group_trials
from lrsweep.tables._schema import ALWAYS_DIVERGES, BAD_START, FOUND, NEVER_DIVERGES, SEED
from lrsweep.tables._text import write

# Of more settings than this only the one that diverges first is named.
_MOST_NAMED = 3


def summarize_critical(table: pd.DataFrame) -> pd.DataFrame:
    """Summarises the critical learning rates of each setting over its starts, in the order settings first appear.

    A setting is a combination of the caller's columns but `seed`.

    Args:
        table: What `critical_learning_rate` returns.

    Returns:
        The settings' columns, then `starts` (int, how many), `median`, `least` and `most` (float, of their critical
        learning rates), `theory` (float, the median over the starts that have one). A start that never diverges counts
        as above any learning rate, and one that always does as below; a median or an end that is such a start is NaN.
        A bad start does not count.

    Example:
        >>> import optax
        >>> edges = lrsweep.critical_learning_rate(lrsweep.problems.line(), optax.sgd, seeds=range(5))
        >>> summarize_critical(edges).round(2)
           starts  median  least  most  theory
        0       5    0.25   0.25  0.25    0.25
    """
    settings, setting = group_trials(table, _setting_names(table))
    rates = _ordered_rates(table).groupby(setting)
    statistics = pd.DataFrame({"median": rates.median(), "least": rates.min(), "most": rates.max()})
    statistics = statistics.replace({0.0: np.nan, np.inf: np.nan})
    statistics.insert(0, "starts", rates.size())
    statistics["theory"] = table["theory"].groupby(setting).median()
    return pd.concat([settings, statistics], axis=1)


def advise_critical(table: pd.DataFrame, *, low: float, high: float) -> str:
    """Says which learning rate to stay below.

    Args:
        table: What `critical_learning_rate` returns.
        low: The least learning rate that was tried.
        high: The greatest.

    Example:
        >>> import optax
        >>> edges = lrsweep.critical_learning_rate(lrsweep.problems.line(), optax.sgd, seeds=range(5))
        >>> advise_critical(edges, low=1e-6, high=1e3)
        'Stay below learning_rate 0.25...: that is where the first of 5 starts diverges; theory says 0.2539.'
    """
    bad = table["found"] == BAD_START
    if bad.any():
        answer = (
            f"{_count_starts(bad.sum(), table)} diverged at the first update or before, even at learning_rate "
            f"{number(low, 6)}: the loss or its gradient is not finite there; {ADVICE}"
        )
        return answer if bad.all() else f"{advise_critical(table[~bad], low=low, high=high)} {answer}"
    always, never = ((table["found"] == ended).sum() for ended in (ALWAYS_DIVERGES, NEVER_DIVERGES))
    if always:
        starts = _count_starts(always, table)
        return f"{starts} diverged already at learning_rate {number(low, 6)}, the least tried: search lower."
    if never == len(table):
        starts = _count_starts(0, table)
        return f"{starts} diverged at any learning_rate from {number(low, 6)} to {number(high, 6)}."
    names = _setting_names(table)
    settings, setting = group_trials(table, names)
    # The start of each setting that diverges first.
    firsts = table.loc[_ordered_rates(table).groupby(setting).idxmin()]
    firsts = firsts[firsts["found"] == FOUND].sort_values("critical_learning_rate")
    named = firsts if len(firsts) <= _MOST_NAMED else firsts.head(1)
    rates = _list([f"{number(row.critical_learning_rate)}{_setting(row, names)}" for _, row in named.iterrows()])
    starts = len(table) // len(settings)
    if len(named) < len(firsts):
        reasons = [f"that is the least of {len(firsts)} settings"]
    else:
        which = f"the first of {starts} starts" if starts > 1 else "it"
        reasons = [f"that is where {which} diverges"]
    if named["theory"].notna().all():
        reasons.append(f"theory says {_list(list(map(number, named['theory'])))}")
    else:
        reasons.append("theory has no answer")
    if never:
        reasons.append(f"{_count_starts(never, table)} never diverged up to {number(high, 6)}".lower())
    if table["window"].any():
        reasons.append("above it there are learning rates that do not diverge")
    return f"Stay below learning_rate {rates}: {'; '.join(reasons)}."


def _setting_names(table: pd.DataFrame) -> list[str]:
    names = table.columns[: table.columns.get_loc("critical_learning_rate")]
    return [name for name in names if name != SEED]


def _ordered_rates(table: pd.DataFrame) -> pd.Series:
    """Gives the critical learning rates: 0 where a start always diverges, infinite where it never does, NaN if bad."""
    beyond = table["found"].map({FOUND: np.nan, ALWAYS_DIVERGES: 0.0, NEVER_DIVERGES: np.inf}).astype(float)
    return table["critical_learning_rate"].fillna(beyond)


def _count_starts(starts: int, table: pd.DataFrame) -> str:
    if len(table) == 1:
        return "The start" if starts else "The start never"
    return f"{'None' if starts == 0 else 'All' if starts == len(table) else starts} of {len(table)} starts"


def _setting(row: pd.Series, names: list[str]) -> str:
    return f" ({', '.join(f'{name} {write(row[name])}' for name in names)})" if names else ""


def _list(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
