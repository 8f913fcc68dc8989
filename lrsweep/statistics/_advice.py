"""The answer in a sentence: which learning rate to use and why, and which ones to stay clear of."""

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._best import rank
from lrsweep.statistics._starts import cannot_start, tell_starts
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import LEARNING_RATE, best_by_of, final
from lrsweep.tables._text import write

# Losses that differ by less than this share of what trials have gained since their start are one.
_ALIKE = 0.01


def advise(summary: pd.DataFrame, table: pd.DataFrame) -> str:
    """What to take from a sweep.

    Args:
        summary: What `summarize(table)` gives.
        table: The result table, not empty.

    Example:
        >>> advise(lrsweep.summarize(result.table), result.table)
        'Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.'
    """
    lost = cannot_start(table)
    if lost.all():
        return tell_starts(table)
    if lost.any():
        # What diverged for its start says nothing of the learning rate.
        return f"{_advise(summarize(table[~lost]), table[~lost])} {tell_starts(table)}"
    return _advise(summary, table)


def _advise(summary: pd.DataFrame, table: pd.DataFrame) -> str:
    best_by = best_by_of(table)
    best = rank(summary, best_by).iloc[0]
    names, setting = list(summary.columns[: summary.columns.get_loc("trials")]), describe(best)
    if best["converged"] == 0:
        return f"{none_converged(best, best_by, setting, table)} {_edges(summary, best, names)}".strip()
    return f"Use {setting}: {how_it_converged(best)}. {_edges(summary, best, names)}".strip()


def tell_causes(table: pd.DataFrame) -> str:
    """Why the trials of a diagnosed table ended as they did, the most frequent cause first.

    Example:
        >>> tell_causes(pd.DataFrame({"cause": ["too small", "converged", "too small"]}))
        'Why: 2 too small, 1 converged.'
    """
    counts = table["cause"].value_counts()
    return f"Why: {', '.join(f'{count:,} {cause}' for cause, count in counts.items())}."


def describe(row: pd.Series, *, until: str = "trials", digits: int = 4) -> str:
    """A row by the names and values of its setting, the columns before `until`.

    Example:
        >>> describe(lrsweep.best_setting(result.table))
        'learning_rate 0.1'
    """
    # What the best one's optimizer does not take is missing in its row.
    there = [name for name in row.index[: row.index.get_loc(until)] if pd.notna(row[name])]
    return ", ".join(f"{name} {write(row[name], digits=digits)}" for name in there) or "these settings"


def how_it_converged(best: pd.Series) -> str:
    """How many trials of a summary's row converged, and after how many updates.

    Example:
        >>> how_it_converged(lrsweep.best_setting(result.table))
        'it converged after 51 updates'
    """
    after = best["median_converged_at"]
    median = "" if pd.isna(after) else f" after {'a median of ' if best['trials'] > 1 else ''}{number(after)} updates"
    if best["trials"] == 1:
        return f"it converged{median}"
    count = round(best["converged"] * best["trials"])
    share = f"all {best['trials']:.0f}" if count == best["trials"] else f"{count} of its {best['trials']:.0f}"
    return f"{share} trials converged{median}"


def none_converged(best: pd.Series, best_by: str, setting: str, table: pd.DataFrame) -> str:
    """What to say where no trial converged: the best there is, and what may help.

    Args:
        best: The best row of a summary.
        best_by: What decides the best.
        setting: What to call its setting.
        table: The result table.
    """
    if best["diverged"] == 1:
        return "No trial converged, and none is worth taking: they diverged. Try smaller learning rates."
    steps = int(table["steps"].max())
    least = number(best[f"median_{final(best_by)}"])
    called = f"final {best_by.replace('_', ' ')}"
    lead = f"No trial converged within {steps} updates; the least median {called}, {least}, is that of {setting}."
    ends = {
        "slow": "Most trials were still improving: give more steps.",
        "stalled": f"Most trials came to rest {_tell_rest(table)}",
        "oscillating": "Most trials bounced without improving: try smaller learning rates.",
        "diverged": "Most trials diverged: try smaller learning rates.",
    }
    counts = table["status"].value_counts().reindex(list(ends))
    return f"{lead} {ends[str(counts.idxmax())]}"


def _tell_rest(table: pd.DataFrame) -> str:
    """Where the trials that stalled came to rest, and what may help."""
    stalled, lasting = table[table["status"] == "stalled"], table[table["status"] != "diverged"]
    least, most = stalled["final_loss"].min(), stalled["final_loss"].max()
    within = _ALIKE * (stalled["initial_loss"] - stalled["final_loss"]).abs().median()
    others = "try other starts or another optimizer."
    # A diagnosis knows whether the objective states a lower one.
    is_open = "cause" not in stalled or (stalled["cause"] == "unknown minimum").any()
    if is_open and most - least <= within and lasting["best_loss"].min() >= least - within:
        return (
            f"at one loss, {number(least)}, which may be the least there is: if so, state Objective(..., "
            f"minimum={least:.6g}) or Stopping(target=...) (--target-loss); if not, {others}"
        )
    return f"above the target: {others}"


def _edges(summary: pd.DataFrame, best: pd.Series, names: list[str]) -> str:
    if LEARNING_RATE not in names or pd.isna(best[LEARNING_RATE]):
        return ""
    # What a learning rate does depends on the other settings: those of the best one count.
    others = [name for name in names if name != LEARNING_RATE]
    rates = summary[alike(summary, best, others)].groupby(LEARNING_RATE)["diverged"].max()
    bad = rates[rates > 0].index
    if len(bad) == len(rates):
        return "Trials diverged at every learning rate tried." if best["diverged"] < 1 else ""
    if len(bad) > 0:
        return f"Stay clear of learning_rate {_rates(bad, rates.index)}: trials diverged there."
    if len(rates) == 1 or best["converged"] == 0:
        return ""
    told = "None of these learning rates diverged"
    if best[LEARNING_RATE] == rates.index.max():
        return f"{told}; {number(best[LEARNING_RATE])} is the largest tried, and a larger one may be faster."
    return f"{told}."


def alike(rows: pd.DataFrame, best: pd.Series, names: list[str]) -> np.ndarray:
    """Which rows of a table or a summary have the values of another row in some columns: ``[row]`` bool.

    Example:
        >>> alike(result.table, result.table.iloc[1], ["learning_rate"])
        array([False,  True, False])
    """
    same = [(rows[name] == best[name]) | (rows[name].isna() & pd.isna(best[name])) for name in names]
    return np.all(same, axis=0) if same else np.full(len(rows), True)


def _rates(bad: pd.Index, tried: pd.Index) -> str:
    if len(bad) > 1 and bad.equals(tried[tried >= bad.min()]):
        return f"{number(bad.min())} and above"
    shown = [number(rate) for rate in bad[:5]]
    return ", ".join(shown) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
