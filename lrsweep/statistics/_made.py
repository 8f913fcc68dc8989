"""What made two tables, where that differs and bears on their results, as far as their provenance tells."""

from collections.abc import Mapping
from typing import Any

from lrsweep.inputs._messages import LONGEST_QUOTE, shorten
from lrsweep.tables._text import write

# What bears on results, of the provenance itself and of what lies within it. How many updates trials made, tables tell.
_BEARS = ("objective", "optimizer", "batch_size", "evaluation_sample", "dtype")
_WITHIN = ("stopping", "device", "versions")
_NOT = ("count", "platform", "python", "numpy", "pandas")


def tell_made(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> str:
    """Says in what the makings of two tables differ.

    Args:
        a: The provenance of the first table, as `Sweep.provenance` holds it; None where it is not known.
        b: That of the second.

    Returns:
        A sentence; an empty text where nothing differs, or one of them is not known.

    Example:
        >>> made = result.provenance
        >>> tell_made(made, made | {"optimizer": "adam", "stopping": made["stopping"] | {"tolerance": 0.01}})
        'What made them differs: optimizer sgd in A and adam in B, tolerance 0.0001 and 0.01.'
    """
    if not a or not b:
        return ""
    of_a, of_b = _facts(a), _facts(b)
    apart = [name for name in of_a if name in of_b and of_a[name] != of_b[name]]
    if not apart:
        return ""
    first, *others = apart
    told = [f"{first} {_shown(of_a[first])} in A and {_shown(of_b[first])} in B"]
    told += [f"{name} {_shown(of_a[name])} and {_shown(of_b[name])}" for name in others]
    return f"What made them differs: {', '.join(told)}."


def _facts(made: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what bears on results by name."""
    facts = {name.replace("_", " "): made[name] for name in _BEARS if name in made}
    for outer in _WITHIN:
        within = made.get(outer)
        if isinstance(within, Mapping):
            named = {outer if name == "kind" else name: value for name, value in within.items() if name not in _NOT}
            facts |= named
    return facts


def _shown(value: Any) -> str:
    return "none" if value is None else shorten(write(value), LONGEST_QUOTE)
