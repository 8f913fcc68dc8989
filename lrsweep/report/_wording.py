"""The words of a report: what each status and each cause means, and values and shares as text."""

import pandas as pd

from lrsweep.statistics._bins import is_numeric
from lrsweep.tables._schema import LEARNING_RATE
from lrsweep.tables._text import tell_apart, write

# What each status says of a trial.
STATUSES = {
    "converged": "The loss reached the target and stayed there.",
    "diverged": "The loss or a parameter was no longer finite, or the loss rose beyond bounds (a million times what it "
    "was, unless the search says otherwise), or stayed above twice what it was to the end.",
    "slow": "The loss was still improving when the steps ran out: more steps may get it further.",
    "oscillating": "The loss bounced without improving when the steps ran out.",
    "stalled": "The loss was at rest above the target when the steps ran out: in a local minimum, on a plateau, "
    "without a gradient, or at the least there is.",
    "dropped": "Successive halving stopped it early: its setting was among the worse ones.",
    "finished": "It ran to its end; the table does not tell whether it was still improving then.",
}

# What it says of a run of another program that it diverged.
DIVERGED_OUTSIDE = (
    "The loss, or the metric that decides, was infinite or no number at the end; or it is missing, and was to count so."
)

# What each cause says, where the table was diagnosed.
CAUSES = {
    "bad start": "The loss or its gradient was not finite before any update: look at the data and the loss there.",
    "noise": "Its updates see a part of the data only, and bounce for that alone: theory does not say that the "
    "learning rate is too large.",
    "too large": "The learning rate is too large: the updates overshoot.",
    "too small": "The learning rate is too small: more updates, or larger ones, would have got further.",
    "flat": "It came to rest on a plateau, where the loss has next to no curvature.",
    "saddle": "It came to rest on a saddle, where the loss falls to either side.",
    "local minimum": "It came to rest in a valley above the target.",
    "unknown minimum": "It came to rest in a valley that may be the lowest: if so, state its loss as the minimum.",
}

# The words of the page that not every reader knows.
GLOSSARY = {
    "learning rate": "How hard each update pushes the parameters. Too small, and training takes too long; too large, "
    "and it bounces or blows up.",
    "update": "One step of training: the parameters are changed once. Also called a step.",
    "trial": "One training from its start to its end, with one setting.",
    "setting": "The learning rate and whatever else was varied, with one value each.",
    "seed": "A number that decides what is random in a trial: where it starts, and which data each update sees. "
    "Trials of the same setting and other seeds show how much is luck.",
    "median, quartiles": "Of the trials in order, the one in the middle, and those a quarter of the way from either "
    "end. Half of the trials lie between the quartiles.",
    "95% interval": "Where the answer lay in 95 of 100 draws of the seeds: another set of seeds would rarely have "
    "given one outside of it.",
    "- and inf": "A dash: there is no such number. inf or -inf: half of the trials or more diverged, which counts as "
    "infinitely bad.",
}


def write_column(column: pd.Series) -> list[str]:
    """Writes a column of settings as text; learning rates that differ have digits enough to look different.

    Example:
        >>> write_column(pd.Series([0.123456, 0.123457], name="learning_rate"))
        ['0.123456', '0.123457']
    """
    if column.name == LEARNING_RATE and is_numeric(column):
        return tell_apart(column)
    return [write(value) for value in column.tolist()]


def write_share(share: float) -> str:
    """Writes a share in per cent: 0% only for none of the trials, 100% only for all of them.

    Example:
        >>> write_share(1.0), write_share(0.9999), write_share(0.0004), write_share(0.25)
        ('100%', '>99%', '<1%', '25%')
    """
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"
