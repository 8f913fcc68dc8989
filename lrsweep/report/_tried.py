"""What was tried, for a reader who has not seen the tool: what was trained, by what, with which values, how often."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import plural
from lrsweep.plots._style import LEGEND
from lrsweep.report._facts import Facts
from lrsweep.report._wording import write_column
from lrsweep.statistics._bins import is_numeric
from lrsweep.statistics._display import setting_names
from lrsweep.tables._schema import LEARNING_RATE

# The most values of a setting that are written one by one.
_MOST_WRITTEN = 6


def tell_tried(summary: pd.DataFrame, facts: Facts, provenance: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Tells what was tried.

    Args:
        summary: What `summarize` gives.
        facts: The facts of the table.
        provenance: What made the table, or None.

    Returns:
        Pairs of what it is about and what there is to say.

    Example:
        >>> from lrsweep.report._facts import facts_of
        >>> from lrsweep.statistics._advice import count_ends
        >>> summary, ends = lrsweep.summarize(result.table), count_ends(result.table)
        >>> tell_tried(summary, facts_of(result.table, summary, None, ends), result.provenance)
        [('what was trained', 'line, by sgd, for at most 1,000 updates a trial'),
         ('learning_rate', '3 values: 0.001, 0.01, 0.1'), ('each setting', '1 trial'),
         ('in all', '3 trials of 3 settings'), ('how they ended', '2 converged, 1 slow (still improving)')]
    """
    total = int(facts.ends.sum())
    told = [("what was trained", _trained(facts, provenance))]
    told += [(name, _values(summary[name])) for name in setting_names(summary)]
    if total:
        told.append(("each setting", _repeats(summary["trials"], facts.seeds)))
        told.append(("in all", f"{plural(total, 'trial')} of {plural(len(summary), 'setting')}"))
        told.append(("how they ended", write_ends(facts.ends)))
    return [(label, text) for label, text in told if text]


def write_ends(ends: pd.Series) -> str:
    """Writes how many trials ended in each status.

    Example:
        >>> write_ends(pd.Series({"converged": 2, "slow": 1, "stalled": 0}))
        '2 converged, 1 slow (still improving)'
    """
    return ", ".join(f"{trials:,} {LEGEND[str(name)]}" for name, trials in ends.items() if trials)


def _trained(facts: Facts, provenance: Mapping[str, Any] | None) -> str:
    if facts.is_outside:
        return "runs of another program, of which a table tells the outcomes"
    known, parts = provenance or {}, []
    if known.get("objective"):
        parts.append(str(known["objective"]))
    if known.get("optimizer"):
        parts.append(f"by {known['optimizer']}")
    if isinstance(known.get("steps"), int):
        parts.append(f"for at most {plural(known['steps'], 'update')} a trial")
    if isinstance(known.get("batch_size"), int):
        parts.append(f"{plural(known['batch_size'], 'example')} an update")
    return ", ".join(parts)


def _values(column: pd.Series) -> str:
    """Writes the values of a setting: all where they are few, else how many and between which."""
    distinct = column.dropna().drop_duplicates()
    missing = "; missing in some" if column.isna().any() else ""
    if distinct.empty:
        return ""
    if is_numeric(distinct):
        distinct = distinct.sort_values()
    written = write_column(distinct)
    if len(written) == 1:
        return f"{written[0]}{missing}"
    if len(written) <= _MOST_WRITTEN:
        return f"{len(written)} values: {', '.join(written)}{missing}"
    if is_numeric(distinct):
        return f"{len(written):,} values from {written[0]} to {written[-1]}{_spacing(distinct)}{missing}"
    rest = len(written) - _MOST_WRITTEN
    return f"{len(written):,} values: {', '.join(written[:_MOST_WRITTEN])} and {rest:,} more{missing}"


def _spacing(values: pd.Series) -> str:
    """Says that learning rates are evenly spaced on a logarithmic scale, where they are."""
    numbers = values.to_numpy(float)
    if values.name != LEARNING_RATE or numbers[0] <= 0:
        return ""
    factors = numbers[1:] / numbers[:-1]
    return f", each {factors[0]:.3g} times the last" if np.allclose(factors, factors[0], rtol=0.01) else ""


def _repeats(trials: pd.Series, seeds: int) -> str:
    least, most = int(trials.min()), int(trials.max())
    times = plural(most, "trial") if least == most else f"{least:,} to {plural(most, 'trial')}"
    if seeds > 1:
        return f"{times}, from {plural(seeds, 'seed')}: a seed decides the random start of a trial"
    return times
