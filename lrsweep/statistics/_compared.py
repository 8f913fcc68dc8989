"""What a comparison of two tables comes to, in sentences: where they differ, and which is better at its best."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import joined, number, plural
from lrsweep.statistics._effects import DIFFERENCE, RATIO, Effects, Sameness, discoveries, least_pairs
from lrsweep.statistics._rules import SAFE
from lrsweep.tables._schema import CONVERGED_AT, LEARNING_RATE
from lrsweep.tables._text import write


def tell_answer(
    table: pd.DataFrame,
    best: pd.Series,
    *,
    outcome: str,
    effects: Effects,
    same: Sameness,
    steps: tuple[float, float],
    level: float,
    rule: str,
) -> str:
    """Says what a comparison comes to.

    Args:
        table: What `Comparison.table` is.
        best: What `Comparison.best` is.
        outcome: What was compared.
        effects: By how much the pairs differ.
        same: How far they are the same.
        steps: How many updates trials of A that did not converge had, and those of B; NaN where none tells.
        level: The level of intervals and tests.
        rule: By what the best of each is the best.

    Example:
        >>> lrsweep.compare(result.table, result.table).answer
        'The same, row by row: all 3 pairs agree in every column that both tables have.'
    """
    pairs = len(same.rows)
    if same.rows.all():
        return (
            f"The same, row by row: {_all_of(pairs)} agree{'s' * (pairs == 1)} in every column that both tables have."
        )
    if same.but_for_rounding:
        within = f"and numbers to {number(same.greatest, 2)} of themselves"
        return f"The same but for rounding: statuses and counts of updates agree in {_all_of(pairs)}, {within}."
    agree = int(np.count_nonzero(same.rows))
    alike = f"{agree:,} of {pairs:,} pairs agree in every column." if agree else ""
    kind = "learning rate" if _settings_of(table) == [LEARNING_RATE] else "setting"
    sentences = [
        _tell_settings(table, kind, outcome, effects, level),
        _tell_best(table, best, outcome, effects, level, rule),
        *(_tell_status(table, kind, status, level) for status in ("converged", "diverged")),
        _tell_steps(steps),
        alike,
    ]
    return " ".join(filter(None, sentences))


def columns_compared(table: pd.DataFrame) -> list[str]:
    """Names the columns of a comparison that fit on a line.

    Example:
        >>> columns_compared(lrsweep.compare(result.table, result.table).table)
        ['learning_rate', 'compared', 'median_a', 'median_b', 'ratio', 'low', 'high', 'better']
    """
    measure = RATIO if RATIO in table else DIFFERENCE
    return [*_settings_of(table), "compared", "median_a", "median_b", measure, "low", "high", "better"]


def _settings_of(table: pd.DataFrame) -> list[str]:
    return list(table.columns[: table.columns.get_loc("pairs")])


def _all_of(pairs: int) -> str:
    return f"all {pairs:,} pairs" if pairs > 1 else "the one pair"


def _per_cent(share: float) -> str:
    return f"{number(100 * share)}%"


def _tell_settings(table: pd.DataFrame, kind: str, outcome: str, effects: Effects, level: float) -> str:
    """Says at how many settings B is better, and worse."""
    told = table[table["compared"] > 0]
    if len(told) == 0:
        why = "in no pair did a trial converge" if outcome == CONVERGED_AT else "no pair has two values of it"
        return f"{outcome} cannot be compared: {why}."
    if not _settings_of(table):
        return ""
    faster, slower = ("faster", "slower") if outcome == CONVERGED_AT else ("better", "worse")
    lead = "B is" if outcome == CONVERGED_AT else f"By {outcome} B is"
    of, most, least = plural(len(told), kind), int(told["compared"].max()), least_pairs(level)
    more = len(table) - len(told)
    untold = f"; at {more:,} more no pair tells" if more else ""
    if most < least:
        signs = np.sign(told[effects.measure].to_numpy(float) - effects.none) * (1 if effects.greater_is_better else -1)
        counts = {
            word: int(np.count_nonzero(signs == sign)) for word, sign in ((faster, 1), (slower, -1), ("equal", 0))
        }
        few = "one pair" if most == 1 else f"{most} pairs"
        chance = f"with {few} per {kind} that cannot be told from chance: it takes {least}"
        return f"{lead} {_split(counts, of)}; {chance}{untold}."
    counts = {word: int((told["better"] == side).sum()) for word, side in ((faster, "B"), (slower, "A"))}
    differ = sum(counts.values())
    if differ == 0:
        return f"{lead} neither {faster} nor {slower} at any of {of} as far as the seeds tell{untold}."
    found, rest = f"{lead} {_split(counts, of)}", len(told) - differ
    if differ > 1:
        found += f", of which at most {_per_cent(1 - level)} are expected to be chance"
    if rest:
        found += f"; at the other {'one' if rest == 1 else f'{rest:,}'} the seeds tell no difference"
    return f"{found}{untold}."


def _split(counts: dict[str, int], of: str) -> str:
    """Says at how many settings B is what, in the order of the words, without those that it is nowhere.

    Example:
        >>> _split({"faster": 3, "slower": 0, "equal": 1}, "4 settings")
        'faster at 3 of 4 settings and equal at 1'
    """
    named = [(word, count) for word, count in counts.items() if count] or [next(iter(counts.items()))]
    return joined(f"{word} at {count:,}{f' of {of}' if not at else ''}" for at, (word, count) in enumerate(named))


def _tell_best(table: pd.DataFrame, best: pd.Series, outcome: str, effects: Effects, level: float, rule: str) -> str:
    """Says which table is better at the best setting of each."""
    settings = best["setting_a"], best["setting_b"]
    without = [name for name, setting in zip("AB", settings, strict=True) if setting is None]
    if without:
        why = "no learning rate is safe" if rule == SAFE else "every trial diverged"
        return f"{' and '.join(without)} {'has' if len(without) == 1 else 'have'} no best setting: {why}."
    at = _name_best(*settings, _settings_of(table))
    if best["compared"] == 0:
        return f"{at}no pair tells which is better." if at else ""
    return f"{at}{_tell_effect(best, outcome, effects, level)}."


def _name_best(a: dict[str, Any], b: dict[str, Any], names: list[str]) -> str:
    """Names the best setting of each, by what does not tell the two tables apart."""
    if not names:
        return ""
    of_a, of_b = ({name: write(setting[name]) for name in names if name in setting} for setting in (a, b))
    first, second = (", ".join(f"{name} {value}" for name, value in each.items()) for each in (of_a, of_b))
    if all(a.get(name) == b.get(name) for name in names):
        return f"At the best of both ({first}) "
    if len(names) == 1 and of_a and of_b:
        return f"At the best of each ({first} in A, {of_b[names[0]]} in B) "
    return f"At the best of each ({first} in A; {second} in B) "


def _tell_effect(best: pd.Series, outcome: str, effects: Effects, level: float) -> str:
    """Says by how much B is better or worse, and between what that lies."""
    value, seeds = float(best[effects.measure]), int(best["compared"])
    if np.isnan(value):
        return "A is better in half of the pairs, and B in the other half"
    better, worse = "BA" if (value > effects.none) == effects.greater_is_better else "AB"
    extreme, of_worse = value in (0, np.inf, -np.inf), best[f"median_{worse.lower()}"]
    if extreme and outcome == CONVERGED_AT and np.isnan(of_worse):
        return f"{better} alone converges in most of {plural(seeds, 'pair')}"
    if extreme and np.isinf(of_worse):
        return f"{worse} alone diverges in most of {plural(seeds, 'pair')}"
    if effects.measure == RATIO:
        what = "B needs" if outcome == CONVERGED_AT else f"B's {outcome} is"
        found = f"{what} {number(value)} times A's" + (" updates" * (outcome == CONVERGED_AT))
    else:
        found = f"B's {outcome} is {number(abs(value))} {'above' if value > 0 else 'below'} A's"
        found = f"B's {outcome} is that of A" if value == 0 else found
    if np.isnan(best["low"]):
        return found if seeds == 1 else f"{found} ({seeds} pairs, too few for an interval)"
    low, high = (number(best[end]) for end in ("low", "high"))
    tells = "" if best["better"] else "; the seeds tell no difference"
    return f"{found} ({_per_cent(level)} interval over {seeds} seeds: {low} to {high}{tells})"


def _tell_status(table: pd.DataFrame, kind: str, status: str, level: float) -> str:
    """Says in how many pairs both trials ended so, and in how many one only; nothing where they never differ."""
    both, only_a, only_b = (int(table[f"{status}_{who}"].sum()) for who in ("both", "a_only", "b_only"))
    if only_a + only_b == 0:
        return ""
    differ = int(discoveries(table[f"{status}_p_value"].to_numpy(), level).sum())
    where = f"; the shares differ at {plural(differ, kind)}" if differ else ""
    return f"{status.capitalize()}: {plural(both, 'pair')} in both, {only_a:,} in A only, {only_b:,} in B only{where}."


def _tell_steps(steps: tuple[float, float]) -> str:
    """Says how long trials ran where that was not the same in both tables: it changes what they come to."""
    if np.isnan(steps).any() or steps[0] == steps[1]:
        return ""
    return f"Trials of A ran for up to {steps[0]:,.0f} updates, and those of B for up to {steps[1]:,.0f}."
