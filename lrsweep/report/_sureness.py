"""How sure the answer of a report is: what best means, what other seeds would say, how close the next best comes."""

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number, plural
from lrsweep.report._facts import Facts, name_setting
from lrsweep.report._wording import write_share
from lrsweep.statistics._display import FEW
from lrsweep.statistics._summary import LEVEL
from lrsweep.tables._schema import LEARNING_RATE, LOSS, final


def tell_sureness(facts: Facts) -> list[str]:
    """Tells how sure the answer is, in sentences.

    Example:
        >>> from lrsweep.report._facts import facts_of
        >>> from lrsweep.statistics._advice import count_ends
        >>> summary, best = lrsweep.summarize(result.table), lrsweep.best_learning_rate(result.table)
        >>> for sentence in tell_sureness(facts_of(result.table, summary, best, count_ends(result.table))):
        ...     print(sentence)
        Best means that the largest share of the trials converged, and among equals that they did so in the fewest
        updates.
        Each setting was tried once: nothing here tells how much of the result is luck.
        0.1 is the largest learning rate tried: a larger one may be better still.
        The next best, learning_rate 0.01: 100% converged, after 526 updates; the best: 100%, after 51.
    """
    if not facts.has_best:
        return ["Every trial of every setting diverged: there is no best one among them."] if len(facts.ranked) else []
    return [sentence for sentence in (_meaning(facts), _seeds(facts), *_edges(facts), *_rivals(facts)) if sentence]


def _meaning(facts: Facts) -> str:
    criterion = facts.criterion
    name = criterion.name.replace("_", " ")
    if criterion.name != LOSS:
        return f"Best means the {criterion.superlative} {name} at the end, the median over the trials of a setting."
    if facts.ends["converged"]:
        return (
            "Best means that the largest share of the trials converged, and among equals that they did so in the "
            "fewest updates."
        )
    return "Best means the least loss at the end, the median over the trials of a setting: none reached a target."


def _seeds(facts: Facts) -> str:
    best, seeds = facts.best, facts.seeds
    if (facts.ranked["trials"] == 1).all():
        return "Each setting was tried once: nothing here tells how much of the result is luck."
    if best is None or len(facts.ranked) == 1 or np.isnan(best.low) or np.isnan(best.high):
        return "" if seeds > 1 else "No column of seeds tells the trials of a setting apart: there is no interval."
    few = f" {plural(seeds, 'seed')} are few: more would make this surer." if seeds < FEW else ""
    drawn = f"With the {seeds:,} seeds drawn again at random, over and over, the best learning rate"
    if best.low == best.high:
        return f"{drawn} was {number(best.low)} in {LEVEL:.0%} of the draws or more.{few}"
    return f"{drawn} lay between {number(best.low)} and {number(best.high)} in {LEVEL:.0%} of the draws.{few}"


def edge_of(facts: Facts) -> str | None:
    """Tells whether the best learning rate is the `largest` tried or the `smallest`, with the other settings its own.

    Returns:
        None where it is neither, or the only one.
    """
    rates = facts.rates
    if len(rates) < 2:
        return None
    rate = facts.ranked[LEARNING_RATE].iloc[0]
    return "largest" if rate == rates[-1] else "smallest" if rate == rates[0] else None


def _edges(facts: Facts) -> list[str]:
    rates, edge = facts.rates, edge_of(facts)
    if len(rates) == 0:
        return []
    rate = number(facts.ranked[LEARNING_RATE].iloc[0])
    if len(rates) == 1:
        return [f"{rate} is the only learning rate tried: nothing tells whether another is better."]
    if edge is not None:
        other = "larger" if edge == "largest" else "smaller"
        return [f"{rate} is the {edge} learning rate tried: a {other} one may be better still."]
    return [f"Smaller learning rates than {rate} were tried, and larger ones: the best lies within what was tried."]


def _rivals(facts: Facts) -> list[str]:
    """Compares the best setting with the next best, and says how many of its trials diverged."""
    best, sentences = facts.ranked.iloc[0], []
    if best["diverged"] > 0:
        sentences.append(f"{write_share(best['diverged'])} of the best setting's own trials diverged.")
    if len(facts.ranked) < 2:
        return sentences
    second = facts.ranked.iloc[1]
    lead = f"The next best, {name_setting(facts.ranked, 1)}"
    if second["diverged"] == 1:
        return [*sentences, "All other settings diverged altogether."]
    column = f"median_{final(facts.criterion.name)}"
    if facts.criterion.name == LOSS and best["converged"] > 0:
        after, of_best = _after(second), _after(best).replace("a median of ", "").replace(" updates", "")
        next_share, share = write_share(second["converged"]), write_share(best["converged"])
        return [*sentences, f"{lead}: {next_share} converged{after}; the best: {share}{of_best}."]
    what = f"median final {facts.criterion.name.replace('_', ' ')}"
    return [*sentences, f"{lead}: {what} {number(second[column])}; the best: {number(best[column])}."]


def _after(row: pd.Series) -> str:
    median = row["median_converged_at"]
    if pd.isna(median):
        return ""
    return f", after {'a median of ' if row['trials'] > 1 else ''}{number(median)} updates"
