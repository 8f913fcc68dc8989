"""The rules by which a learning rate is the best."""

from typing import Any

import numpy as np

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.tables._parts import Table, head_of
from lrsweep.tables._schema import LOSS, Criterion, criterion_of

STEPS, BY_METRIC, SAFE = "steps", "metric", "safe"
RULES = (STEPS, LOSS, BY_METRIC, SAFE)

# A loss has ended above its start where it did so by more than this share of what it was.
_ABOVE = 0.01


def default_rule(criterion: Criterion) -> str:
    """Gives the rule by which the best is chosen where none is named: "metric" where a metric decides, else "steps".

    Example:
        >>> default_rule(Criterion("accuracy", "max"))
        'metric'
    """
    return STEPS if criterion.name == LOSS else BY_METRIC


def resolve_rule(rule: Any, table: Table) -> str:
    """Gives the rule that is named, or the one that holds where none is; refuses what is no rule of this table."""
    criterion = criterion_of(head_of(table))
    if rule is None:
        return default_rule(criterion)
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(unknown("rule", rule, RULES))
    if rule == BY_METRIC and criterion.name == LOSS:
        raise InputError("the rule 'metric' goes by the metric of Objective(best_by=...), which this table has none of")
    return rule


def ended_above(start: Any, end: Any) -> Any:
    """Tells whether a loss ended above its start by more than 1% of what it was.

    Args:
        start: Losses at the start, floats of any shape.
        end: Losses at the end, of that shape.

    Example:
        >>> ended_above(np.array([2.0, 2.0, 2.0]), np.array([0.1, 2.01, 3.0]))
        array([False, False,  True])
    """
    return end > start + _ABOVE * np.abs(start)
