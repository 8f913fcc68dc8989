"""What to do next: what to take, and which further trials would make the answer better or surer."""

from typing import NamedTuple

from lrsweep.inputs._messages import number, plural
from lrsweep.report._facts import Facts, name_setting
from lrsweep.report._sureness import edge_of
from lrsweep.statistics._display import FEW
from lrsweep.tables._schema import LEARNING_RATE

# How far beyond an end of what was tried to look, and how many learning rates there are from one end to the other.
_BEYOND, _RATES = 100.0, 9


class Step(NamedTuple):
    """Something to do next.

    Attributes:
        text: What, in a sentence.
        option: The option of `lrsweep run` that does it, or its command; empty where there is none.
        argument: What does it in Python.
    """

    text: str
    option: str = ""
    argument: str = ""


def tell_next(facts: Facts) -> list[Step]:
    """Tells what to do next, the first thing first.

    Only where the trials were made by lrsweep, its options and functions are named.

    Example:
        >>> from lrsweep.report._facts import facts_of
        >>> from lrsweep.statistics._advice import count_ends
        >>> summary, best = lrsweep.summarize(result.table), lrsweep.best_learning_rate(result.table)
        >>> for step in tell_next(facts_of(result.table, summary, best, count_ends(result.table))):
        ...     print(" | ".join(step))
        Train with learning_rate 0.1. |  |
        Try larger learning rates, from 0.1 up. | --learning-rate 0.1:10:9 | lrsweep.log_grid(0.1, 10, 9)
        Run every setting from several seeds, to see how much is luck. | --seeds 10 | seed=range(10)
    """
    if len(facts.ranked) == 0:
        return [Step("Run some trials: this table holds none.")]
    if facts.has_best:
        steps = [Step(f"Train with {name_setting(facts.ranked, 0)}."), *_wider(facts), *_longer(facts), *_surer(facts)]
        if len(steps) == 1 and len(facts.rates) > 2:
            between = "Look between the learning rates tried, for a better one still."
            steps.append(Step(between, "lrsweep refine ...", "lrsweep.refine(...)"))
    else:
        steps = [_after_loss(facts)]
    return [Step(step.text) for step in steps] if facts.is_outside else steps


def _after_loss(facts: Facts) -> Step:
    rates = facts.ranked.get(LEARNING_RATE)
    if facts.best is None or rates is None or not (rates > 0).any():
        return Step("Try other settings: every trial diverged with these.")
    least = float(rates[rates > 0].min())
    return _try_rates(f"Try learning rates below {number(least)}.", least / _BEYOND, least)


def _wider(facts: Facts) -> list[Step]:
    if len(facts.rates) == 0 or facts.ranked[LEARNING_RATE].iloc[0] <= 0:
        return []
    rate, edge = float(facts.ranked[LEARNING_RATE].iloc[0]), edge_of(facts)
    if len(facts.rates) == 1:
        return [_try_rates("Try other learning rates too.", rate / _BEYOND**0.5, rate * _BEYOND**0.5)]
    if edge is None:
        return []
    if edge == "largest":
        return [_try_rates(f"Try larger learning rates, from {number(rate)} up.", rate, rate * _BEYOND)]
    return [_try_rates(f"Try smaller learning rates, from {number(rate)} down.", rate / _BEYOND, rate)]


def _try_rates(text: str, low: float, high: float) -> Step:
    ends = number(low), number(high)
    return Step(
        text, f"--learning-rate {ends[0]}:{ends[1]}:{_RATES}", f"lrsweep.log_grid({ends[0]}, {ends[1]}, {_RATES})"
    )


def _longer(facts: Facts) -> list[Step]:
    if facts.ranked["converged"].iloc[0] > 0 or not facts.ends["slow"]:
        return []
    return [Step("Give the trials more updates: some were still improving.", "--steps", "steps=")]


def _surer(facts: Facts) -> list[Step]:
    if facts.seeds >= FEW:
        return []
    how = f"--seeds {FEW}", f"seed=range({FEW})"
    if facts.seeds <= 1:
        return [Step("Run every setting from several seeds, to see how much is luck.", *how)]
    return [Step(f"Run more than {plural(facts.seeds, 'seed')}, to be surer of the answer.", *how)]
