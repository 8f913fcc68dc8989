"""How the trials of a report were made, as far as their provenance tells."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lrsweep.inputs._messages import plural
from lrsweep.tables._text import write


class Origin(NamedTuple):
    """What made the trials.

    Attributes:
        command: The command line that did, where it was one.
        facts: What it was run on, and how: labels and texts.
        whole: All of the provenance, as JSON.
    """

    command: str | None
    facts: list[tuple[str, str]]
    whole: str


def origin_of(provenance: Mapping[str, Any]) -> Origin:
    """What a provenance tells, as `Sweep.provenance` and the `.json` beside a table hold it; what it lacks is left out.

    Args:
        provenance: It; JSON can hold it.

    Raises:
        TypeError: JSON cannot hold it.

    Example:
        >>> origin_of(result.provenance).facts[:3]
        [('objective', 'line'), ('optimizer', 'sgd'), ('steps', 'at most 1000 updates')]
    """
    whole = json.dumps(provenance, indent=2, ensure_ascii=False)
    told = {
        "objective": provenance.get("objective"),
        "optimizer": provenance.get("optimizer"),
        "steps": _counted(provenance.get("steps"), "at most {} updates"),
        "batch size": _counted(provenance.get("batch_size"), "{} examples per update"),
        "stopping": _pairs(provenance.get("stopping")),
        "dtype": provenance.get("dtype"),
        "device": _device(provenance.get("device")),
        "versions": _pairs(provenance.get("versions")),
        "started": provenance.get("started"),
        "took": _counted(provenance.get("seconds"), "{} s"),
    }
    command = provenance.get("command")
    facts = [(label, write(value)) for label, value in told.items() if value is not None]
    return Origin(None if command is None else str(command), facts, whole)


def _counted(value: Any, phrase: str) -> str | None:
    return None if value is None else phrase.format(write(value))


def _pairs(values: Any) -> str | None:
    if not isinstance(values, Mapping):
        return None
    return ", ".join(f"{name} {write(value)}" for name, value in values.items() if value is not None)


def _device(device: Any) -> str | None:
    if not isinstance(device, Mapping):
        return None
    number = device.get("count")
    # On a CPU the two are one word.
    told = dict.fromkeys(str(device[name]) for name in ("platform", "kind") if name in device)
    return ", ".join([*told, *([plural(number, "device")] if isinstance(number, int) else [])])
