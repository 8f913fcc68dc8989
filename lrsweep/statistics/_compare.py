"""compare(): whether two tables of results differ, setting by setting and at the best of each, over paired seeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import check_number
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import plural
from lrsweep.inputs._showing import MOST_SHOWN, paragraphs, show_safely
from lrsweep.statistics._advice import is_same
from lrsweep.statistics._best import best_row
from lrsweep.statistics._compared import columns_compared, tell_answer
from lrsweep.statistics._display import setting_names, write_cells
from lrsweep.statistics._effects import (
    Effects,
    count_status,
    discoveries,
    effects_of,
    estimate,
    most_steps,
    sameness_of,
)
from lrsweep.statistics._made import tell_made
from lrsweep.statistics._pairs import Pairs, pair_trials
from lrsweep.statistics._quartiles import check_outcome
from lrsweep.statistics._rules import BY_METRIC, STEPS, default_rule, resolve_rule
from lrsweep.statistics._summary import LEVEL, has_status, join_columns, outcome_quartiles
from lrsweep.tables._notes import PROVENANCE
from lrsweep.tables._parts import Table, is_in_parts
from lrsweep.tables._schema import CONVERGED_AT, LOSS, LOSSES, SEED, criterion_of, settings_of

# The statuses whose counts are compared.
_STATUSES = ("converged", "diverged")


# A table has no one answer to whether it equals another: a comparison is equal to itself.
@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` returns.

    Attributes:
        answer: What the comparison comes to, in sentences.
        pairing: Which trials were paired, and which could not be, in a sentence; and in another one what made the two
            tables, where that differs and they tell: the optimizer, when trials converged, versions.
        table: One row per setting that both tables have: the columns that trials were paired by but `seed`, then

            - `pairs` (int): how many seeds both have; `same` (int): how many of these pairs agree in every column.
            - `median_a`, `median_b` (float): the outcome's median over these trials, as `summarize` has it.
            - `compared` (int): how many pairs tell something about the outcome.
            - `ratio` or `difference` (float): the median over these of B's outcome as a multiple of A's, or of B's less
              A's; then `low` and `high`, its interval, NaN where there are too few pairs for one.
            - `p_value` (float): how probable so uneven a split of the pairs would be if neither were better.
            - `better` (text): `A` or `B` where the seeds tell a difference, else missing.
            - `converged_both`, `converged_a_only`, `converged_b_only` (int): in how many pairs both trials converged,
              or one only; and `converged_p_value` (float), whether the shares differ. The same of `diverged`.
        best: The same of the best setting of A against that of B, from `pairs` to `better` without `same`, behind
            `setting_a` and `setting_b` (dict), either of which is None where there is no best one.
        outcome: What was compared.
        rule: By what the best of each is the best.

    Example:
        >>> lrsweep.compare(result.table, result.table)
        Comparison of converged_at in A and B
        Paired by learning_rate: 3 pairs of 3 settings.
        The same, row by row: all 3 pairs agree in every column that both tables have.
        Each setting: result.table
    """

    answer: str
    pairing: str
    table: pd.DataFrame
    best: pd.Series
    outcome: str
    rule: str

    def __repr__(self) -> str:
        return show_safely(self, lambda: "\n".join([*self._lead(), "Each setting: result.table"]))

    def _repr_html_(self) -> str:
        return show_safely(self, lambda: f"{paragraphs(*self._lead())}\n{self._html()}", as_html=True)

    def _lead(self) -> list[str]:
        return [f"Comparison of {self.outcome} in A and B", self.pairing, self.answer]

    def _html(self) -> str:
        cells = pd.DataFrame(write_cells(self.table[columns_compared(self.table)].head(MOST_SHOWN)))
        more = len(self.table) - len(cells)
        below = "\n" + paragraphs(f"and {plural(more, 'setting')} more") if more > 0 else ""
        return cells.to_html(index=False, border=0) + below


def compare(
    a: Table, b: Table, outcome: str | None = None, *, rule: str | None = None, level: float = LEVEL
) -> Comparison:
    """Compares two sweeps of the same settings with the same seeds: where they differ, and which is better at its best.

    The trials of A and B are paired by all columns of the caller's that both have. A column that holds one value
    throughout A, and another one or none in B, is what tells the two apart. Of each pair the ratio of B's outcome to
    A's is taken, or where the greatest is best, or a value is negative, the difference; of these the median over seeds.
    Numbers that differ by no more than 1e-5 of the greater count as equal: rounding does that.

    Its interval is exact, whatever the distribution: its ends are values of single pairs, so far out in the order of
    all that a fair coin would fall so unevenly with that probability (Thompson, 1936, doi:10.1214/aoms/1177732502). The
    test beside it is the sign test; equal pairs count against a difference. Five pairs or fewer have no interval of 95%
    and tell no difference from chance, however alike they are: all of five fall on one side in one of sixteen cases.

    Of many settings some would differ by chance. Where `better` names one, that is corrected for: of all settings for
    which it does, at most a share of `1 - level` is expected to be wrong (Benjamini and Hochberg, 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x). The intervals are those of single settings.

    How often trials converge, and diverge, is compared in pairs too, by McNemar's exact test (1947,
    doi:10.1007/BF02295996).

    Args:
        a: A result table, or a `Store`, which is read as a whole.
        b: The other one.
        outcome: A column of numbers to compare: `converged_at`, `final_loss`, `final_accuracy`, ...; None for that of
            the rule, and without one for the metric that decides the best, `converged_at` where some trial converged,
            and otherwise `final_loss`. Of `converged_at` a trial that does not converge counts as later than its
            partner that does; a pair tells nothing where neither converges, or where one runs out of steps before the
            other converges. Of a loss, and of the metric that decides, a trial that diverged is infinitely bad; a pair
            tells nothing where both diverged, or a value is missing.
        rule: By what the best setting of each table, among all of its own, is the best, as in `best_learning_rate`;
            None for "steps" with `converged_at`, "loss" with a loss, and "metric" with the metric that decides. That
            another draw of seeds might have had another setting for the best is not in the interval.
        level: How sure an interval is to hold the median over all seeds, from 0 to 1.

    Returns:
        The comparison, which shows itself as sentences.

    Raises:
        TypeError: One is no table.
        ValueError: One is not a result table, or has no rows; a column varies that the other lacks; a setting has
            several trials with one seed; no trial has a partner; what decides the best differs; there is no such
            outcome or rule; or `level` is out of bounds.

    Example:
        >>> import optax
        >>> trials, line = lrsweep.grid(learning_rate=[0.1, 0.01]), lrsweep.problems.line()
        >>> plain = lrsweep.sweep(line, optax.sgd, trials).table
        >>> heavy = lrsweep.sweep(line, optax.sgd, trials.assign(momentum=0.5)).table
        >>> compared = lrsweep.compare(plain, heavy)
        >>> compared.table[["learning_rate", "median_a", "median_b", "ratio"]].round(2)
           learning_rate  median_a  median_b  ratio
        0           0.10      51.0      20.0   0.39
        1           0.01     526.0     259.0   0.49
        >>> compared.answer
        "B is faster at 2 of 2 learning rates; with one pair per learning rate that cannot be told from chance: it takes
        6. At the best of both (learning_rate 0.1) B needs 0.3922 times A's updates."
    """
    check_number("level", level, "between 0 and 1", lambda share: 0 < share < 1)
    a, b = _whole("A", a), _whole("B", b)
    outcome, rule = _resolve(a, b, outcome, rule)
    pairs = pair_trials(a, b)
    effects, same = effects_of(pairs, outcome), sameness_of(pairs)
    table = _by_setting(pairs, effects, same.rows, outcome, level)
    best = _at_best(a, b, rule, outcome, effects.measure, level)
    answer = tell_answer(
        table, best, outcome=outcome, effects=effects, same=same, steps=most_steps(pairs), level=level, rule=rule
    )
    made = tell_made(a.attrs.get(PROVENANCE), b.attrs.get(PROVENANCE))
    return Comparison(answer, f"{pairs.told} {made}".rstrip(), table, best, outcome, rule)


def _whole(name: str, table: Table) -> pd.DataFrame:
    """Gives a result table as one DataFrame, and refuses what is none."""
    if is_in_parts(table):
        whole = pd.concat(table.parts())
        whole.attrs[PROVENANCE] = getattr(table, PROVENANCE, None)
        return whole
    try:
        settings_of(table)  # pyright: ignore[reportArgumentType]
    except (InputError, InputTypeError) as error:
        raise type(error)(f"{name}: {error}") from None
    return table  # pyright: ignore[reportReturnType]


def _resolve(a: pd.DataFrame, b: pd.DataFrame, outcome: str | None, rule: str | None) -> tuple[str, str]:
    """Gives the outcome to compare and the rule of the best, each by the other where it is left out."""
    criterion = criterion_of(a)
    if outcome not in (CONVERGED_AT, *LOSSES) and rule not in (STEPS, LOSS) and criterion_of(b) != criterion:
        decide = " and ".join(f"{each.name} ({each.mode})" for each in (criterion, criterion_of(b)))
        raise InputError(f"what decides the best differs, {decide}: name an outcome such as final_loss")
    for table in (a, b):
        if rule is not None:
            resolve_rule(rule, table)
    if outcome is None:
        converged = any(has_status(table, "converged") for table in (a, b))
        by_rule = {STEPS: CONVERGED_AT, LOSS: LOSSES[0], BY_METRIC: criterion.columns[0]}
        by_value = criterion.columns[0] if criterion.name != LOSS or not converged else CONVERGED_AT
        outcome = by_rule.get(rule or "", by_value)
    for table in (a, b):
        check_outcome(table, outcome)
    if rule is None:
        by_outcome = dict.fromkeys(LOSSES, LOSS) | {CONVERGED_AT: STEPS}
        rule = by_outcome.get(outcome, default_rule(criterion))
    return outcome, rule


def _by_setting(pairs: Pairs, effects: Effects, same: np.ndarray, outcome: str, level: float) -> pd.DataFrame:
    count, setting = len(pairs.settings), pairs.setting
    columns: dict[str, Any] = {
        "pairs": np.bincount(setting, minlength=count),
        "same": np.bincount(setting[same], minlength=count),
    } | _medians(pairs, outcome)
    order, ends = np.argsort(setting, kind="stable"), np.cumsum(columns["pairs"])
    groups = np.split(effects.values[order], ends[:-1])
    found = pd.DataFrame([estimate(effects._replace(values=values), level) for values in groups])
    columns |= {name: found[name].to_numpy() for name in found.columns}
    differ = discoveries(columns["p_value"], level)
    columns["better"] = pd.Series(_sides(found, effects), dtype="str").where(differ).array
    for status in _STATUSES:
        columns |= count_status(pairs, status)
    return join_columns(pairs.settings, columns)


def _medians(pairs: Pairs, outcome: str) -> dict[str, np.ndarray]:
    """Gives the outcome's median in each setting, of both tables."""
    tables = {"median_a": pairs.a, "median_b": pairs.b}
    return {name: outcome_quartiles(table, outcome, pairs.setting)["median"] for name, table in tables.items()}


def _sides(found: pd.DataFrame, effects: Effects) -> np.ndarray:
    """Tells which table has the better median of pairs in each row: ``[row]`` of `A` or `B`."""
    is_greater = found[effects.measure] > effects.none
    return np.where(is_greater == effects.greater_is_better, "B", "A")


def _at_best(a: pd.DataFrame, b: pd.DataFrame, rule: str, outcome: str, measure: str, level: float) -> pd.Series:
    """Compares the best setting of each table."""
    settings, rows = [], []
    for table in (a, b):
        best, is_none = best_row(table, rule)
        row, names = best.iloc[0], setting_names(best)
        settings.append(None if is_none else {name: best[name].tolist()[0] for name in names if pd.notna(row[name])})
        chosen = table[is_same(table, row, names)].drop(columns=names)
        rows.append(chosen.iloc[:0] if is_none else chosen)
    first: dict[str, Any] = {"setting_a": settings[0], "setting_b": settings[1]}
    if SEED in rows[0] and SEED in rows[1]:
        rows = [table[table[SEED].isin(other[SEED])] for table, other in (rows, rows[::-1])]
    if not all(len(table) for table in rows):
        unknown = dict.fromkeys(("median_a", "median_b", measure, "low", "high", "p_value"), np.nan)
        return pd.Series(first | {"pairs": 0, "compared": 0} | unknown | {"better": None}, dtype=object)
    pairs = pair_trials(*rows)
    effects = effects_of(pairs, outcome, measure)
    medians = {name: median[0] for name, median in _medians(pairs, outcome).items()}
    found = estimate(effects, level)
    side = _sides(pd.DataFrame([found]), effects)[0]
    differs = bool(found["p_value"] <= 1 - level + 1e-12)
    found |= {"better": str(side) if differs else None}
    return pd.Series(first | {"pairs": len(pairs.a)} | medians | found, dtype=object)
