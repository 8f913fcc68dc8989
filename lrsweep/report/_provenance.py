"""What a report says of how its trials were made, as far as their provenance tells."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lrsweep.inputs._messages import plural
from lrsweep.tables._text import write


class ProvenanceText(NamedTuple):
    """A provenance as text.

    Attributes:
        command: The command line that made the trials, where it was one.
        facts: The rest that a reader may ask for first: labels and texts.
        whole: All of the provenance, as JSON.
    """

    command: str | None
    facts: list[tuple[str, str]]
    whole: str


def write_provenance(provenance: Mapping[str, Any]) -> ProvenanceText:
    """Writes a provenance as text, and leaves out what it lacks.

    Args:
        provenance: As `Sweep.provenance` and the `.json` beside a table hold it.

    Raises:
        TypeError: JSON cannot hold it.

    Example:
        >>> write_provenance(result.provenance).facts[:3]
        [('objective', 'line'), ('optimizer', 'sgd'), ('steps', 'at most 1000 updates')]
    """
    whole = json.dumps(provenance, indent=2, ensure_ascii=False)
    known = {
        "objective": provenance.get("objective"),
        "optimizer": provenance.get("optimizer"),
        "steps": _insert(provenance.get("steps"), "at most {} updates"),
        "batch size": _insert(provenance.get("batch_size"), "{} examples per update"),
        "stopping": _pairs(provenance.get("stopping")),
        "dtype": provenance.get("dtype"),
        "device": _device(provenance.get("device")),
        "versions": _pairs(provenance.get("versions")),
        "started": provenance.get("started"),
        "took": _insert(provenance.get("seconds"), "{} s"),
        "interrupted": _pairs(provenance.get("interrupted")),
    }
    command = provenance.get("command")
    facts = [(label, write(value)) for label, value in known.items() if value is not None]
    return ProvenanceText(None if command is None else str(command), facts, whole)


def _insert(value: Any, phrase: str) -> str | None:
    return None if value is None else phrase.format(write(value))


def _pairs(values: Any) -> str | None:
    if not isinstance(values, Mapping):
        return None
    return ", ".join(f"{name} {write(value)}" for name, value in values.items() if value is not None)


def _device(device: Any) -> str | None:
    if not isinstance(device, Mapping):
        return None
    count = device.get("count")
    # Without repetition: on a CPU platform and kind are the same word.
    names = dict.fromkeys(str(device[name]) for name in ("platform", "kind") if name in device)
    return ", ".join([*names, *([plural(count, "device")] if isinstance(count, int) else [])])
