"""Advice on a sweep in a sentence or two: which learning rate to use and why, and which ones to avoid."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number, plural
from lrsweep.statistics._best import rank
from lrsweep.statistics._display import setting_names
from lrsweep.statistics._rules import ended_above
from lrsweep.statistics._select import group_medians
from lrsweep.statistics._shares import count_statuses, statuses_of
from lrsweep.statistics._starts import BadStarts, describe_bad_starts
from lrsweep.statistics._summary import summarize
from lrsweep.tables._parts import Table, head_of, parts_of, rows_where
from lrsweep.tables._schema import CAUSE, LEARNING_RATE, LOSS, Criterion, criterion_of
from lrsweep.tables._text import write

# What is said where every trial diverged.
NONE_LEFT = "Every trial diverged: try smaller learning rates."

# Losses count as one where they differ by less than this share of what trials have gained since their start.
_SAME_LOSS = 0.01

# From this share of the steps on a metric that was the best there is taken to be still improving.
_LAST_QUARTER_FROM = 0.75

# How trials end that do not converge; among equally frequent ones the first decides what is said.
_NOT_CONVERGED = ["slow", "stalled", "oscillating", "diverged", "finished", "dropped"]


def advise(summary: pd.DataFrame, table: Table) -> str:
    """Says what to take from a sweep.

    Args:
        summary: What `summarize(table)` gives.
        table: The result table, in parts or not, not empty.

    Example:
        >>> advise(lrsweep.summarize(result.table), result.table)
        'Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.'
    """
    bad = BadStarts(table)
    if bad.trials == 0:
        return _advise(summary, table)
    if bad.trials == bad.of_trials:
        return describe_bad_starts(table, bad)
    # A trial that diverged because of its start says nothing of its learning rate.
    others = bad.others(table)
    return f"{_advise(summarize(others), others)} {describe_bad_starts(table, bad)}"


def _advise(summary: pd.DataFrame, table: Table) -> str:
    criterion = criterion_of(head_of(table))
    best = rank(summary, criterion).iloc[0]
    if best["diverged"] == 1:
        answer = NONE_LEFT
    else:
        answer = f"Use {describe_setting(best)}: {describe_best(best, criterion, table)}."
    rates = warn_of_rates(summary, best) or _say_none_diverged(summary, best)
    return " ".join(filter(None, [answer, describe_ends(best, criterion, table), rates]))


def describe_causes(table: pd.DataFrame) -> str:
    """Says why the trials of a diagnosed table ended as they did, the most frequent cause first.

    Example:
        >>> describe_causes(pd.DataFrame({"cause": ["too small", "converged", "too small"]}))
        'Why: 2 too small, 1 converged.'
    """
    counts = table["cause"].value_counts()
    return f"Why: {', '.join(f'{count:,} {cause}' for cause, count in counts.items())}."


def describe_setting(row: pd.Series, *, until: str = "trials", digits: int = 4) -> str:
    """Names the setting of a row: the columns before `until`, with their values.

    Example:
        >>> describe_setting(lrsweep.best_setting(result.table))
        'learning_rate 0.1'
    """
    # Missing is what the optimizer of this row does not take.
    taken = [name for name in row.index[: row.index.get_loc(until)] if pd.notna(row[name])]
    return ", ".join(f"{name} {write(row[name], digits=digits)}" for name in taken) or "these settings"


def describe_convergence(best: pd.Series) -> str:
    """Says how many trials of a summary's row converged, and after how many updates.

    Example:
        >>> describe_convergence(lrsweep.best_setting(result.table))
        'it converged after 51 updates'
    """
    median, trials = best["median_converged_at"], best["trials"]
    after = "" if pd.isna(median) else f" after {'a median of ' if trials > 1 else ''}{number(median)} updates"
    if trials == 1:
        return f"it converged{after}"
    count = round(best["converged"] * trials)
    share = f"all {trials:,.0f}" if count == trials else f"{count:,} of its {trials:,.0f}"
    return f"{share} trials converged{after}"


def describe_best(best: pd.Series, criterion: Criterion, table: Table) -> str:
    """Says why a setting is the best: how fast it converged, or, where that does not decide, how good it got.

    Args:
        best: The best row of a summary, some trial of which did not diverge.
        criterion: What decides the best: the loss, or a metric.
        table: The result table.

    Example:
        >>> describe_best(lrsweep.best_setting(result.table), Criterion("loss"), result.table)
        'it converged after 51 updates'
    """
    if best["converged"] > 0:
        converged = describe_convergence(best)
        return converged if criterion.name == LOSS else f"{describe_value(best, criterion)}, and {converged}"
    value, start = describe_value(best, criterion), _median(table, ["initial_loss"], itemgetter("initial_loss"))
    if criterion.name == LOSS and ended_above(start, best["median_final_loss"]):
        return f"{value}, though above that at the start, {number(start)}: try smaller learning rates"
    return value


def describe_value(best: pd.Series, criterion: Criterion, *, peak: bool = True) -> str:
    """Says how good a summary's best row got: the median at the end, and that of the best updates where it differs.

    Args:
        best: The best row of a summary.
        criterion: The loss, or a metric.
        peak: Whether it is what decided the best updates of the trials, so that these are those of its best values.

    Example:
        >>> describe_value(lrsweep.best_setting(result.table), Criterion("loss"))
        'its median final loss, 3.562e-05, is the least'
    """
    last, at_best = (number(best[f"median_{name}"]) for name in criterion.columns)
    beside = f" ({at_best} at its best)" if peak and at_best != last else ""
    return f"its median final {criterion.name.replace('_', ' ')}, {last}, is the {criterion.superlative}{beside}"


def describe_ends(best: pd.Series, criterion: Criterion, table: Table) -> str:
    """Says, where the best setting did not converge, how its trials ended, and what may help.

    Args:
        best: The best row of a summary.
        criterion: What decides the best: the loss, or a metric.
        table: The result table.

    Returns:
        A sentence or two; an empty text where some of its trials converged, all diverged, or nothing tells whether they
        were still improving.
    """
    if best["converged"] > 0 or best["diverged"] == 1:
        return ""
    names = list(best.index[: best.index.get_loc("trials")])
    trials = rows_where(table, names, lambda rows: is_same(rows, best, names))
    own = count_ends(trials)
    most_ended = _most_frequent(own)
    if most_ended in ("finished", "dropped"):
        return ""
    how = {
        "slow": "were still improving: give more steps",
        "stalled": "came to rest: try other starts, or another optimizer",
        "oscillating": "bounced without improving: try smaller learning rates",
        "diverged": "diverged: try smaller learning rates",
    }[most_ended]
    if most_ended == "slow" and criterion.name != LOSS:
        # How a trial ended is told from its loss, which may fall while the metric gets worse.
        best_at, steps = (_median(trials, [name], itemgetter(name)) for name in ("best_at", "steps"))
        if best_at < _LAST_QUARTER_FROM * steps:
            when = f"{criterion.name.replace('_', ' ')} was best after {'a median of ' if own.sum() > 1 else ''}"
            return f"The loss was still falling, but {when}{plural(round(best_at), 'update')}: more steps may not help."
    those = f"{'most of its' if (own > 0).sum() > 1 else 'its'} trials" if own.sum() > 1 else "it"
    ended = f"{those} {how.replace('were', 'was') if those == 'it' else how}."
    if criterion.name != LOSS:
        return ended[0].upper() + ended[1:]
    lead = f"No trial converged within {plural(_most_steps(table), 'update')}"
    minimum = advise_on_minimum(table)
    return f"{lead}. {minimum}" if minimum else f"{lead}; {ended}"


def advise_on_minimum(table: Table) -> str:
    """Says which minimum to state, where most trials came to rest at one loss and the minimum is not known.

    Args:
        table: A result table, in parts or not, in which no trial converged.

    Returns:
        A sentence; an empty text where trials ended otherwise.
    """
    if _most_frequent(count_ends(table)) != "stalled":
        return ""
    head = head_of(table)
    least, most, lowest, is_unknown = np.inf, -np.inf, np.inf, CAUSE not in head.columns
    for part in parts_of(table, ["status", "final_loss", "best_loss", *([CAUSE] if CAUSE in head.columns else [])]):
        stalled = part[part["status"] == "stalled"]
        least, most = np.fmin(least, stalled["final_loss"].min()), np.fmax(most, stalled["final_loss"].max())
        lowest = np.fmin(lowest, part.loc[part["status"] != "diverged", "best_loss"].min())
        # A diagnosis knows whether the objective states a lower minimum.
        is_unknown = is_unknown or (stalled[CAUSE] == "unknown minimum").any()
    tolerance = _SAME_LOSS * _median(
        rows_where(table, ["status"], lambda rows: rows["status"] == "stalled"),
        ["initial_loss", "final_loss"],
        lambda rows: (rows["initial_loss"] - rows["final_loss"]).abs(),
    )
    if not is_unknown or most - least > tolerance or lowest < least - tolerance:
        return ""
    return (
        f"Most trials came to rest at one loss, {number(least)}, which may be the least there is: if so, state "
        f"Objective(..., minimum={number(least, 6)}) or Stopping(target=...) (--target-loss); if not, try other starts "
        "or another optimizer."
    )


def count_ends(table: Table) -> pd.Series:
    """Counts how the trials of a table ended, by status.

    Example:
        >>> count_ends(result.table).to_dict()
        {'converged': 2, 'diverged': 0, 'slow': 1, 'oscillating': 0, 'stalled': 0, 'dropped': 0,
         'finished': 0}
    """
    counts = count_statuses(table, [])[1]
    return pd.Series(counts.sum(0), statuses_of(head_of(table)))


def _most_frequent(ends: pd.Series) -> str:
    return str(ends.reindex(_NOT_CONVERGED).idxmax())


def _median(table: Table, needed: list[str], values: Callable[[pd.DataFrame], Any]) -> float:
    return float(group_medians(table, [], needed, values)[1][0])


def _most_steps(table: Table) -> int:
    return max(int(part["steps"].max()) for part in parts_of(table, ["steps"]))


def warn_of_rates(summary: pd.DataFrame, best: pd.Series) -> str:
    """Says at which learning rates trials diverged, with the other settings of the best; an empty text where none did.

    Args:
        summary: What `summarize` gives for a result table.
        best: Its best row.

    Example:
        >>> summary = lrsweep.summarize(result.table).assign(diverged=[0.5, 0, 0])
        >>> warn_of_rates(summary, summary.iloc[1])
        'Stay clear of learning_rate 0.1: trials diverged there.'
    """
    share_by_rate = _diverged_by_rate(summary, best)
    tried, diverged = share_by_rate.index, share_by_rate[share_by_rate > 0].index
    if len(diverged) == 0:
        return ""
    if len(diverged) == len(tried):
        return "Trials diverged at every learning rate tried." if best["diverged"] < 1 else ""
    return f"Stay clear of learning_rate {_list_rates(diverged, tried)}: trials diverged there."


def _say_none_diverged(summary: pd.DataFrame, best: pd.Series) -> str:
    """Says that at several learning rates no trial diverged, where that is so, and whether to try others."""
    share_by_rate = _diverged_by_rate(summary, best)
    tried = share_by_rate.index
    if len(tried) <= 1 or (share_by_rate > 0).any():
        return ""
    none_diverged, rate = "None of these learning rates diverged", number(best[LEARNING_RATE])
    better = "faster" if best["converged"] > 0 else "better"
    if best[LEARNING_RATE] == tried.max():
        return f"{none_diverged}; {rate} is the largest tried, and a larger one may be {better}."
    if best[LEARNING_RATE] == tried.min() and best["converged"] == 0:
        return f"{none_diverged}; {rate} is the smallest tried, and a smaller one may be better."
    return f"{none_diverged}."


def _diverged_by_rate(summary: pd.DataFrame, best: pd.Series) -> pd.Series:
    """Gives the share of trials that diverged by learning rate, with the other settings of the best."""
    names = setting_names(summary)
    if LEARNING_RATE not in names or pd.isna(best[LEARNING_RATE]):
        return pd.Series(dtype=float)
    # Which learning rates diverge depends on the other settings: those of the best one count.
    others = [name for name in names if name != LEARNING_RATE]
    return summary[is_same(summary, best, others)].groupby(LEARNING_RATE)["diverged"].max()


def is_same(rows: pd.DataFrame, row: pd.Series, names: list[str]) -> np.ndarray:
    """Tells which rows have the same values as another row in some columns, a missing one included: ``[row]`` bool.

    Example:
        >>> is_same(result.table, result.table.iloc[1], ["learning_rate"])
        array([False,  True, False])
    """
    same = [
        rows[name].isna().to_numpy() if pd.isna(row[name]) else (rows[name] == row[name]).to_numpy(bool, na_value=False)
        for name in names
    ]
    return np.all(same, axis=0) if same else np.full(len(rows), True)


def _list_rates(diverged: pd.Index, tried: pd.Index) -> str:
    if len(diverged) > 1 and diverged.equals(tried[tried >= diverged.min()]):
        return f"{number(diverged.min())} and above"
    first = [number(rate) for rate in diverged[:5]]
    return ", ".join(first) + (f" and {len(diverged) - 5:,} more" if len(diverged) > 5 else "")
