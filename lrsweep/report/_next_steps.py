"""What to do next: what to take, and which further trials would make the answer better or surer."""

from lrsweep.inputs._messages import number, plural
from lrsweep.report._facts import Facts, name_setting
from lrsweep.report._sureness import edge_of
from lrsweep.statistics._display import FEW
from lrsweep.tables._schema import LEARNING_RATE

# How far beyond an end of what was tried to look, and how many learning rates there are in each factor of ten.
_BEYOND, _PER_DECADE = 100.0, 4


def tell_next(facts: Facts) -> list[str]:
    """Tells what to do next, the first thing first.

    Options of `lrsweep run` are named only where the trials were made by lrsweep.

    Example:
        >>> from lrsweep.report._facts import facts_of
        >>> from lrsweep.statistics._advice import count_ends
        >>> summary, best = lrsweep.summarize(result.table), lrsweep.best_learning_rate(result.table)
        >>> for step in tell_next(facts_of(result.table, summary, best, count_ends(result.table))):
        ...     print(step)
        Train with learning_rate 0.1.
        Try larger learning rates, from 0.1 up: --learning-rate 0.1:10:9, or log_grid(0.1, 10, 9) in Python.
        Run every setting from several seeds, to see how much is luck: --seeds 10, or seed=range(10) in Python.
    """
    if len(facts.ranked) == 0:
        return ["Run some trials: this table holds none."]
    if not facts.has_best:
        return _after_loss(facts)
    steps = [f"Train with {name_setting(facts.ranked, 0)}.", *_wider(facts), *_longer(facts), *_surer(facts)]
    if len(steps) == 1 and len(facts.rates) > 2 and not facts.is_outside:
        steps.append("To find the best learning rate more closely, between those tried: lrsweep refine.")
    return steps


def _after_loss(facts: Facts) -> list[str]:
    if facts.best is None:
        return ["Try other settings: every trial diverged with these."]
    rates = facts.ranked[LEARNING_RATE]
    least = float(rates[rates > 0].min()) if (rates > 0).any() else 0.0
    if not least:
        return ["Try other learning rates: every trial diverged with these."]
    return [f"Try learning rates below {number(least)}{_axis(facts, least / _BEYOND, least)}."]


def _wider(facts: Facts) -> list[str]:
    edge = edge_of(facts)
    if edge is None:
        return []
    rate = float(facts.ranked[LEARNING_RATE].iloc[0])
    if rate <= 0:
        return []
    if edge == "largest":
        return [f"Try larger learning rates, from {number(rate)} up{_axis(facts, rate, rate * _BEYOND)}."]
    return [f"Try smaller learning rates, from {number(rate)} down{_axis(facts, rate / _BEYOND, rate)}."]


def _longer(facts: Facts) -> list[str]:
    best = facts.ranked.iloc[0]
    if best["converged"] > 0 or not facts.ends["slow"]:
        return []
    how = "" if facts.is_outside else " (--steps, or steps= in Python)"
    return [f"Give the trials more updates{how}: some were still improving."]


def _surer(facts: Facts) -> list[str]:
    seeds = max(facts.seeds, 1)
    if seeds >= FEW:
        return []
    how = _options(facts, f"--seeds {FEW}", f"seed=range({FEW})")
    if seeds == 1:
        return [f"Run every setting from several seeds, to see how much is luck{how}."]
    return [f"Run more than {plural(seeds, 'seed')}, to be surer of the answer{how}."]


def _axis(facts: Facts, low: float, high: float) -> str:
    count = 2 * _PER_DECADE + 1
    return _options(
        facts,
        f"--learning-rate {number(low)}:{number(high)}:{count}",
        f"log_grid({number(low)}, {number(high)}, {count})",
    )


def _options(facts: Facts, option: str, argument: str) -> str:
    return "" if facts.is_outside else f": {option}, or {argument} in Python"
